// Command tufclient shows signing/tuf to the TUF conformance suite
// (github.com/theupdateframework/tuf-conformance), whose client interface it
// speaks; `make conformance` runs the suite against it. Exit code 0 is success, 1
// everything else. It is not part of Limpet.
//
//	tufclient --metadata-dir DIR init ROOT
//	tufclient --metadata-dir DIR --metadata-url URL refresh
//	tufclient --metadata-dir DIR --metadata-url URL --target-name PATH ...
//	          --target-base-url URL --target-dir DIR download
//
// The time is that of the command date: the suite fakes the clock of the programs it
// starts with a preloaded library, which a static program does not see and date does.
//
// Built with the tag conformance it also knows the key types ECDSA and RSA, which
// some of the suite's tests need and no program of Limpet links.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// names is a flag that may be given several times.
type names []string

func (n *names) String() string     { return strings.Join(*n, " ") }
func (n *names) Set(s string) error { *n = append(*n, s); return nil }

// client is one call of the program.
type client struct {
	metadataDir, metadataURL string
	targetDir, targetURL     string
	targets                  names
}

func run(args []string) error {
	var c client
	flags := flag.NewFlagSet("tufclient", flag.ContinueOnError)
	flags.StringVar(&c.metadataDir, "metadata-dir", "", "where trusted metadata is kept")
	flags.StringVar(&c.metadataURL, "metadata-url", "", "where metadata comes from")
	flags.StringVar(&c.targetDir, "target-dir", "", "where targets go")
	flags.StringVar(&c.targetURL, "target-base-url", "", "where targets come from")
	flags.Var(&c.targets, "target-name", "path of a target; may be repeated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch command := flags.Arg(0); command {
	case "init":
		root, err := os.ReadFile(flags.Arg(1))
		if err != nil {
			return err
		}
		return c.save(tuf.Change{Name: "root.json", Data: root})
	case "refresh":
		_, err := c.refresh()
		return err
	case "download":
		set, err := c.refresh(c.targets...)
		if err != nil {
			return err
		}
		for _, name := range c.targets {
			if err := c.download(set, name); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("%q is none of init, refresh, download", command)
	}
}

// refresh runs the workflow and keeps what it verified, whatever came after it.
func (c *client) refresh(want ...string) (*tuf.Set, error) {
	now, err := clock()
	if err != nil {
		return nil, err
	}
	stored, err := c.stored()
	if err != nil {
		return nil, err
	}
	set, after, err := tuf.Refresh(stored, c.source, now, want...)
	for _, change := range tuf.Changes(stored, after) {
		if e := c.save(change); e != nil {
			return nil, e
		}
	}
	return set, err
}

// clock asks the command date for the time.
func clock() (time.Time, error) {
	out, err := exec.Command("date", "-u", "+%Y-%m-%dT%H:%M:%SZ").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("ask date for the time: %w", err)
	}
	return time.Parse(time.RFC3339, strings.TrimSpace(string(out)))
}

func (c *client) stored() (tuf.Stored, error) {
	files, err := filepath.Glob(filepath.Join(c.metadataDir, "*.json"))
	if err != nil {
		return nil, err
	}
	stored := tuf.Stored{}
	for _, name := range files {
		if stored[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// save does one step of keeping metadata, durably.
func (c *client) save(change tuf.Change) error {
	name := filepath.Join(c.metadataDir, change.Name)
	if change.Data == nil {
		if err := os.Remove(name); err != nil {
			return err
		}
		return fsys.Disk{}.SyncDir(c.metadataDir)
	}
	return fsys.WriteNew(fsys.Disk{}, name, change.Data, 0o644)
}

// source fetches metadata. A role's file name is percent-encoded already, and its
// own percent signs travel as such.
func (c *client) source(name string, limit int64) ([]byte, error) {
	body, err := get(c.metadataURL, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, limit+1))
}

// download brings one target, unless it lies there already.
func (c *client) download(set *tuf.Set, path string) error {
	target, err := set.Target(path)
	if err != nil {
		return err
	}
	name := filepath.Join(c.targetDir, url.PathEscape(path))
	if have, err := os.Open(name); err == nil {
		err = target.Check(have)
		have.Close()
		if err == nil {
			return nil
		}
	}
	file := strings.Split(strings.TrimPrefix(target.File, "targets/"), "/")
	for i := range file {
		file[i] = url.PathEscape(file[i])
	}
	body, err := get(c.targetURL, strings.Join(file, "/"))
	if err != nil {
		return err
	}
	defer body.Close()
	part, err := os.CreateTemp(c.targetDir, ".part-")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	err = target.Check(io.TeeReader(body, part))
	if err := errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), name)
}

// get asks for a file; one that is not there is fs.ErrNotExist.
func get(base, name string) (io.ReadCloser, error) {
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(strings.TrimSuffix(base, "/") + "/" + name)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		err = fs.ErrNotExist
	} else {
		err = errors.New(resp.Status)
	}
	return nil, fmt.Errorf("get %s: %w", name, err)
}
