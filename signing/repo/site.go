package repo

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// The site's repository, the fleet owner's, lists its targets in the role targets itself: docs/release-format.md, "The site's
// repository".
const (
	AllowedPath = "checks/allowed" // the lines that a box with `trust = signed` may run, as text
	PluginDir   = "plugin/"        // plugin/NAME, or plugin/GOOS-GOARCH/NAME
	maxAllowed  = 1 << 20          // bytes of the list
)

// SetTarget lists a file in the role targets, in the place of one of that name, and reports whether that is a change.
func (r *Repo) SetTarget(name string, data []byte) (bool, error) {
	if dir, base := path.Split(name); base == "" || path.Clean(name) != name || path.IsAbs(name) || dir == "" {
		return false, fmt.Errorf("%q is no name of a target", name)
	}
	sum := sha256.Sum256(data)
	if t := r.targets[metadata.TARGETS].Signed.Targets[name]; t != nil && string(t.Hashes["sha256"]) == string(sum[:]) {
		return false, nil
	}
	return true, r.add(metadata.TARGETS, name, data, struct{}{})
}

// DropTarget lists a file no more, and reports whether it was listed.
func (r *Repo) DropTarget(name string) bool {
	listed := r.targets[metadata.TARGETS].Signed.Targets
	if listed[name] == nil {
		return false
	}
	delete(listed, name)
	r.stale[metadata.TARGETS] = true
	return true
}

// TargetNames lists what the role targets lists, sorted, changes not committed yet included.
func (r *Repo) TargetNames() []string {
	return slices.Sorted(maps.Keys(r.targets[metadata.TARGETS].Signed.Targets))
}

// TargetOf is the hash and length of a target of the role targets; false where none is listed.
func (r *Repo) TargetOf(name string) (sum [32]byte, length int64, ok bool) {
	t := r.targets[metadata.TARGETS].Signed.Targets[name]
	if t == nil || len(t.Hashes["sha256"]) != len(sum) {
		return sum, 0, false
	}
	return [32]byte(t.Hashes["sha256"]), t.Length, true
}

// TargetFile brings a file of the role targets, of at most limit bytes; they are those that are listed. One that is not listed is fs.ErrNotExist.
func (r *Repo) TargetFile(name string, limit int64) ([]byte, error) {
	t := r.targets[metadata.TARGETS].Signed.Targets[name]
	if t == nil {
		return nil, fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
	}
	sum := [32]byte(t.Hashes["sha256"])
	if data, ok := r.files[fileOf(name, sum)]; ok {
		return data, nil
	}
	return readTarget(r.disk, filepath.Join(r.dir, filepath.FromSlash(fileOf(name, sum))), sum, limit)
}

func readTarget(disk fsys.FS, file string, sum [32]byte, limit int64) ([]byte, error) {
	data, err := fsys.Read(disk, file, limit)
	if err == nil && sha256.Sum256(data) != sum {
		err = errors.New("read " + file + ": its bytes are not those that are listed")
	}
	return data, err
}

// AtHand reports whether the keys of the ring are enough to sign a role.
func (r *Repo) AtHand(role string) bool { return r.atHand(role) }

// Signs reports whether a key may sign a role.
func (r *Repo) Signs(role, id string) bool { return r.grantOf(role).keys[id] != nil }

// GrantOf is who may sign a role, by key id, and how many of them have to.
func (r *Repo) GrantOf(role string) (ids []string, threshold int) {
	v := r.grantOf(role)
	return slices.Sorted(maps.Keys(v.keys)), v.threshold
}

// Sweep removes target files that nothing lists, and metadata that no client asks for any more, where they are older than so long: who began to read
// before a change has to come to the end. It goes on past errors and returns the first.
func (r *Repo) Sweep(now time.Time, older time.Duration, age func(file string) (time.Time, error)) error {
	keep := map[string]bool{}
	for _, name := range r.Metadata() {
		keep[name] = true
	}
	for name, t := range r.targets[metadata.TARGETS].Signed.Targets {
		keep[fileOf(name, [32]byte(t.Hashes["sha256"]))] = true
	}
	var first error
	remove := func(name string) {
		full := filepath.Join(r.dir, filepath.FromSlash(name))
		at, err := age(full)
		if err == nil && now.Sub(at) > older {
			err = r.disk.Remove(full)
		}
		if err != nil && first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = err
		}
	}
	names, err := r.disk.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".json") && !keep[name] && !strings.HasSuffix(name, ".root.json") {
			remove(name)
		}
	}
	for _, dir := range r.targetDirs() {
		names, err := r.disk.ReadDir(filepath.Join(r.dir, filepath.FromSlash(dir)))
		if err != nil {
			continue // not made yet
		}
		for _, name := range names {
			if file := dir + "/" + name; strings.Contains(name, ".") && !keep[file] {
				remove(file)
			}
		}
	}
	return first
}

// targetDirs are the folders in which the site's target files lie.
func (r *Repo) targetDirs() []string {
	out := []string{"targets/checks", "targets/plugin"}
	names, _ := r.disk.ReadDir(filepath.Join(r.dir, "targets", "plugin"))
	for _, name := range names {
		if platformName.MatchString(name) {
			out = append(out, "targets/plugin/"+name)
		}
	}
	return out
}

// allowedWords says line by line what a request changes about the list of lines, from the very file that is signed.
func (q *Request) allowedWords() []string {
	was, is := q.listed(metadata.TARGETS)
	if q.otherSigners() {
		was = nil
	}
	before, errBefore := linesOf(q.disk, filepath.Join(q.dir, baseDir), was[AllowedPath])
	after, err := linesOf(q.disk, q.dir, is[AllowedPath])
	if errors.Is(err, fs.ErrNotExist) { // a list that stays is in the base alone
		after, err = linesOf(q.disk, filepath.Join(q.dir, baseDir), is[AllowedPath])
	}
	switch {
	case is[AllowedPath] == nil || was[AllowedPath] != nil && sameTarget(was[AllowedPath], is[AllowedPath]):
		return nil
	case err != nil:
		return []string{"! the list of lines cannot be read, so nobody can tell what is signed with it: " + err.Error()}
	}
	var out []string
	if errBefore != nil {
		out = append(out, "! what was allowed before cannot be read; these are all lines")
		before = nil
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			out = append(out, "+ may run: "+line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			out = append(out, "- may not run any more: "+line)
		}
	}
	return out
}

// catalogWords names every plugin that a request has signed by others than those who signed until now: they vouch for all of it.
func (q *Request) catalogWords() []string {
	if !q.otherSigners() {
		return nil
	}
	was, is := q.listed(metadata.TARGETS)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if strings.HasPrefix(name, PluginDir) && was[name] != nil && sameTarget(was[name], is[name]) {
			out = append(out, fmt.Sprintf("= goes on listing %s: %d bytes, SHA-256 %x", name, is[name].Length, []byte(is[name].Hashes["sha256"])))
		}
	}
	return out
}

// otherSigners reports whether the request gives the role targets to other keys.
func (q *Request) otherSigners() bool {
	before, after := q.before(metadata.TARGETS), q.after.grantOf(metadata.TARGETS)
	return q.base != nil && !maps.EqualFunc(before.keys, after.keys, func(a, b ed25519.PublicKey) bool { return a.Equal(b) })
}

// linesOf are the lines of a list below a folder, without its head; nil where none is listed.
func linesOf(disk fsys.FS, dir string, t *metadata.TargetFiles) ([]string, error) {
	if t == nil {
		return nil, nil
	}
	sum := [32]byte(t.Hashes["sha256"])
	data, err := readTarget(disk, filepath.Join(dir, filepath.FromSlash(fileOf(AllowedPath, sum))), sum, maxAllowed)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")[1:], nil
}

// copyAllowed adds the list of lines to a request's base, so that its keyholders can tell what changes.
func (r *Repo) copyAllowed(out *Repo) error {
	t := r.set
	if t == nil {
		return nil
	}
	was, err := t.Target(AllowedPath)
	if err != nil {
		return nil // there is none
	}
	data, err := readTarget(r.disk, filepath.Join(r.dir, filepath.FromSlash(was.File)), was.SHA256, maxAllowed)
	if err != nil {
		return err
	}
	return out.writeTarget(path.Join(baseDir, was.File), data)
}
