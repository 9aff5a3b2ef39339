package mirror

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// unlistedFor is how long a file stays when nothing lists it any more: a box may be in the middle of it, with the metadata of before.
const unlistedFor = 24 * time.Hour

// unlistedFile says since when which files are not listed any more: lines "UNIXSECONDS NAME". Losing it only begins the wait anew.
const unlistedFile = ".unlisted"

// versioned is metadata that is served by its version. Roots are kept for ever, for whoever trusts an old one.
var versioned = regexp.MustCompile(`^[0-9]+\.(.+)\.json$`)

// collect removes what no current metadata has named for a day, and parts of what it does not name. What the copy serves is durable when it is called.
func (c *Copy) collect(set *tuf.Set) error {
	listed, parts, err := c.listed(set)
	if err != nil {
		return err
	}
	if err := c.collectParts(parts); err != nil {
		return err
	}
	all, err := c.served()
	if err != nil {
		return err
	}
	since, now := c.unlisted(), c.now()
	next, gone := map[string]time.Time{}, []string{}
	for _, name := range all {
		switch from, known := since[name]; {
		case listed[name]:
		case !known || from.After(now): // the clock went back
			next[name] = now
		case now.Sub(from) < unlistedFor:
			next[name] = from
		default:
			gone = append(gone, name)
		}
	}
	for _, name := range gone {
		if err := c.remove(name); err != nil {
			return err
		}
		c.log.Info("removed what the release repository lists no longer", "file", name)
	}
	return c.noteUnlisted(since, next)
}

// listed is what current metadata names: files by their path, slashes between, and parts by their name.
func (c *Copy) listed(set *tuf.Set) (files, parts map[string]bool, err error) {
	list, err := items(set)
	if err != nil {
		return nil, nil, err
	}
	files, parts = map[string]bool{}, map[string]bool{}
	for _, i := range list {
		files[i.Name] = true
		parts[hex.EncodeToString(i.SHA256[:])] = true
	}
	for _, e := range set.Expiries() {
		files[strconv.FormatInt(e.Version, 10)+"."+e.Role+".json"] = true
	}
	return files, parts, nil
}

func (c *Copy) collectParts(wanted map[string]bool) error {
	dir := filepath.Join(c.dir, partFolder)
	names, err := c.disk.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look through unfinished downloads: %w", err)
	}
	for _, name := range names {
		if wanted[name] {
			continue
		}
		if err := c.disk.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove an unfinished download: %w", err)
		}
	}
	return nil
}

// served lists the files that may go: below targets/, and metadata by version.
func (c *Copy) served() ([]string, error) {
	names, err := c.disk.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("look through the copy: %w", err)
	}
	var all []string
	for _, name := range names {
		if m := versioned.FindStringSubmatch(name); m != nil && m[1] != "root" {
			all = append(all, name)
		}
	}
	return c.below("targets", all, 0)
}

// below adds the files in a folder and its folders.
func (c *Copy) below(folder string, all []string, depth int) ([]string, error) {
	const deepest = 16
	names, err := c.disk.ReadDir(filepath.Join(c.dir, filepath.FromSlash(folder)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return all, nil
	case err != nil && depth > 0:
		return append(all, folder), nil // a file
	case err != nil:
		return nil, fmt.Errorf("look through the copy: %w", err)
	case depth > deepest || len(all) > 2*maxFiles:
		return nil, fmt.Errorf("look through the copy: more in it than this hub put there, at %s", folder)
	}
	for _, name := range names {
		if all, err = c.below(folder+"/"+name, all, depth+1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// remove takes a file away, and the folders that are empty then.
func (c *Copy) remove(name string) error {
	path := filepath.Join(c.dir, filepath.FromSlash(name))
	if err := c.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what is listed no longer: %w", err)
	}
	for dir := filepath.Dir(path); dir != c.dir; dir = filepath.Dir(dir) {
		if c.disk.Remove(dir) != nil { // something is in it
			return nil
		}
	}
	return nil
}

func (c *Copy) unlisted() map[string]time.Time {
	out := map[string]time.Time{}
	data, err := fsys.Read(c.disk, filepath.Join(c.dir, unlistedFile), 64<<20)
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(data)) {
		seconds, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if n, err := strconv.ParseInt(seconds, 10, 64); err == nil && name != "" {
			out[name] = time.Unix(n, 0)
		}
	}
	return out
}

func (c *Copy) noteUnlisted(before, now map[string]time.Time) error {
	same := len(before) == len(now)
	var lines []string
	for name, since := range now {
		was, known := before[name]
		same = same && known && was.Unix() == since.Unix()
		lines = append(lines, strconv.FormatInt(since.Unix(), 10)+" "+name+"\n")
	}
	if same {
		return nil
	}
	slices.Sort(lines)
	if err := fsys.WriteNew(c.disk, filepath.Join(c.dir, unlistedFile), []byte(strings.Join(lines, "")), 0o644); err != nil {
		return fmt.Errorf("note what is listed no longer: %w", err)
	}
	return nil
}
