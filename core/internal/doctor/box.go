package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/local"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
)

const (
	askTime    = 2 * time.Second
	leastSpace = 16 << 20  // bytes: below it results are at stake
	roomForTwo = 100 << 20 // bytes: an update needs a new core, its download, and a buffer that grows
)

func (p *patient) boxFile() {
	path := p.o.Layout.BoxFile()
	box, problems, err := boxfile.Read(path)
	if err != nil {
		p.bad("box file", "make "+path+" readable for the agent's user", "%v", err)
		return
	}
	p.box = box
	for _, line := range problems {
		p.warn("box file", "mend that line of "+path+"; the others hold", "%s", line)
	}
	if len(box.Hubs) == 0 {
		p.bad("box file", "write hub = https://HOST:8700 into "+path, "%s names no hub", path)
	}
	for _, word := range box.Hubs {
		if hub, err := url.Parse(word); err != nil || hub.Scheme != "https" || hub.Hostname() == "" {
			p.bad("box file", "write hub = https://HOST:8700 into "+path, "hub = %s is not of the form https://HOST:PORT", word)
		} else {
			p.good("box file", "%s: hub %s", path, word)
		}
	}
}

// folders are those that must be there and take files.
func (p *patient) folders() {
	l := p.o.Layout
	bad := false
	for _, dir := range []string{l.State, l.Run(), l.Buffer(), l.Etc, l.Log} {
		err := writable(dir)
		if err == nil {
			continue
		}
		bad = true
		switch {
		case errors.Is(err, fs.ErrNotExist):
			p.bad("folders", "install limpet, or name its folder with --root", "%s is missing", dir)
		case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
			p.warn("folders", "run limpet doctor as the user of the agent (root)", "%s cannot be looked at with your rights", dir)
		case errors.Is(err, fs.ErrPermission):
			p.bad("folders", "look at owner, attributes (lsattr) and security labels of "+dir, "%s takes no files: %v", dir, err)
		default:
			p.bad("folders", "look at the file system of "+dir+" (dmesg, mount): it may be full or read-only", "%s takes no files: %v", dir, err)
		}
	}
	if info, err := os.Stat(l.Key()); err == nil && runtime.GOOS != "windows" && info.Mode()&0o077 != 0 {
		bad = true
		p.bad("folders", "chmod 600 "+l.Key(), "the agent's key can be read by others (%s)", info.Mode().Perm())
	}
	if !bad {
		p.good("folders", "those of %s take files", filepath.Dir(l.State))
	}
}

// writable makes a file and takes it away.
func writable(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("limpet doctor\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (p *patient) disk() {
	dir := p.o.Layout.State
	free, err := platforms.Space(dir)
	const do = "make room there: results are kept on it until the hub has them"
	switch {
	case err != nil:
		p.skip("disk", "%v", err)
	case free < leastSpace:
		p.bad("disk", do, "%d MiB are free in %s", free>>20, dir)
	case free < roomForTwo:
		p.warn("disk", "make room there: an update needs space for two cores", "%d MiB are free in %s", free>>20, dir)
	default:
		p.good("disk", "%d MiB are free in %s", free>>20, dir)
	}
	if used, ok := inodesUsed(dir); ok && used >= 99 {
		p.bad("disk", "remove files there: no more can be made, however much space is left", "%d %% of the inodes of %s are used", used, dir)
	}
}

// mounts looks for what keeps programs from being started where they lie.
func (p *patient) mounts() {
	l := p.o.Layout
	bad := false
	for _, dir := range []struct{ path, what string }{{l.Bin, "limpet itself"}, {l.Ver, "cores"}} {
		noexec, readonly, ok := mountedHow(dir.path)
		if ok && noexec {
			bad = true
			p.bad("mounts", "mount it with exec (mount -o remount,exec), or install into another folder with --root", "%s is mounted noexec: %s cannot be started there", dir.path, dir.what)
		}
		if ok && readonly && dir.path == l.Ver {
			bad = true
			p.warn("mounts", "remount it rw to be updated", "%s is mounted read-only: no update can be placed", dir.path)
		}
	}
	for _, dir := range p.box.PluginDirs {
		if noexec, _, ok := mountedHow(dir); ok && noexec {
			bad = true
			p.warn("mounts", "mount it with exec", "plugin folder %s is mounted noexec", dir)
		}
	}
	if !bad {
		p.good("mounts", "programs may be started from %s", l.Ver)
	}
}

// security looks at SELinux: labels that keep a service from being started.
func (p *patient) security() {
	enforce, err := os.ReadFile(filepath.Join(p.o.System, "sys/fs/selinux/enforce"))
	if err != nil {
		p.good("SELinux", "not there")
		return
	}
	if strings.TrimSpace(string(enforce)) != "1" {
		p.good("SELinux", "permissive: nothing is refused")
		return
	}
	label, ok := securityLabel(p.o.Layout.Stub())
	kind := labelType(label)
	switch {
	case !ok:
		p.warn("SELinux", "ausearch -m avc -c limpet shows what it refused", "enforcing; the label of %s cannot be read", p.o.Layout.Stub())
	case strings.HasPrefix(kind, "user_") || strings.HasSuffix(kind, "tmp_t") || kind == "default_t" || kind == "unlabeled_t" || kind == "admin_home_t":
		p.bad("SELinux", "restorecon -Rv "+p.o.Layout.Bin+" "+p.o.Layout.Ver, "enforcing, and %s is labelled %s: a service may not start it", p.o.Layout.Stub(), kind)
	default:
		p.good("SELinux", "enforcing; %s is labelled %s", p.o.Layout.Stub(), kind)
	}
}

// labelType is the third part of user:role:type:level.
func labelType(label string) string {
	parts := strings.Split(strings.TrimRight(label, "\x00"), ":")
	if len(parts) < 3 {
		return label
	}
	return parts[2]
}

// service says whether stub and core run and answer.
func (p *patient) service(ctx context.Context) {
	held, err := platforms.Held(p.o.Layout.StubLock())
	if err != nil || !held {
		p.bad("service", "start it (systemctl start limpet, or limpet run); its log is "+p.o.Layout.StubLog(), "limpet does not run")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := local.Ask(ctx, p.o.Layout.Socket(), "status")
	if err != nil {
		p.bad("service", "the last lines of "+p.o.Layout.CoreLog()+" may say why; limpet status shows what the stub does about it",
			"limpet runs, its core does not answer: %v", err)
		return
	}
	p.good("service", "limpet runs, and its core answers")
	var said struct {
		TimeFloor *time.Time `json:"time_floor"`
		Buffer    struct {
			Held  int
			Error string
		}
	}
	if json.Unmarshal(answer, &said) != nil {
		return
	}
	if said.TimeFloor != nil && said.TimeFloor.After(p.past) {
		p.past = *said.TimeFloor
	}
	if said.Buffer.Error != "" {
		p.bad("results", "give "+p.o.Layout.Buffer()+" and what lies in it back to the user of the agent (owner, mode), and look at its disk",
			"not kept on disk, %d in memory alone: %s", said.Buffer.Held, said.Buffer.Error)
	}
}

// time holds the clock against what is surely past. Against the hub's it is held later, if the hub can be reached.
func (p *patient) time() {
	now := p.o.Now()
	switch {
	case now.Before(p.past):
		p.clock = true
		p.bad("time", "set the clock (timedatectl set-ntp true, chronyd, w32tm /resync)", "the clock says %s, and %s is surely past (%s later)",
			now.UTC().Format(time.RFC3339), p.past.UTC().Format(time.RFC3339), p.past.Sub(now).Round(time.Hour))
	case !p.o.Built.IsZero() && now.Sub(p.o.Built) > 10*365*24*time.Hour:
		p.clock = true
		p.warn("time", "look at the clock", "the clock says %s, ten years after this program was built", now.UTC().Format(time.RFC3339))
	default:
		p.good("time", "the clock says %s", now.UTC().Format(time.RFC3339))
	}
}
