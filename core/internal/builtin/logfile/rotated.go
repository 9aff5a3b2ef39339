package logfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sibling is a file that the log may have been rotated to.
type sibling struct {
	path string
	info os.FileInfo
}

// catchUp reads what was written before the log was rotated: the rest of the file that the state is about, which has another name now, and the
// whole of those that came after it. current is the file that has the log's name.
func (s *scan) catchUp(ctx context.Context, st state, current string) (state, error) {
	list, err := s.siblings(current)
	if err != nil {
		return st, err
	}
	former := slices.IndexFunc(list, func(x sibling) bool { return identityAt(x.path, x.info) == st.File })
	if former < 0 {
		s.problems = append(s.problems, "the file was rotated, and the one before is not beside it: lines at its end may be missed")
		return st, nil
	}
	for _, x := range list[former:] {
		if st, err = s.readSibling(ctx, x, st); err != nil || s.over(ctx) {
			return st, err
		}
	}
	return st, nil
}

// readSibling reads one file on, from where the state says if it is that one's, else from its beginning.
func (s *scan) readSibling(ctx context.Context, x sibling, st state) (state, error) {
	f, info, err := open(x.path)
	if err != nil {
		return st, nil // it went meanwhile, or is not for us
	}
	defer f.Close()
	id := identity(f, info)
	if id != st.File || info.Size() < st.Offset || !sameHead(f, st) {
		st.Offset = 0
	}
	return s.readFrom(ctx, f, id, st)
}

// siblings are the files that the log's name has been given to before, the oldest first. Those that are compressed cannot be read, and need not be:
// rotation leaves the latest as it is, or does it at once and then the state's file is gone.
func (s *scan) siblings(current string) ([]sibling, error) {
	dir, base := filepath.Split(s.options.path)
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxSiblings)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var list []sibling
	for _, name := range names {
		if !rotatedName(base, name) {
			continue
		}
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && identityAt(path, info) != current {
			list = append(list, sibling{path, info})
		}
	}
	slices.SortFunc(list, func(a, b sibling) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	return list, nil
}

// rotatedName says whether a log may have been renamed so: x.log.1, x.log-20260131, x-20260131.log, x.1.log, x.log.old.
func rotatedName(base, name string) bool {
	for _, packed := range []string{".gz", ".bz2", ".xz", ".zst"} {
		if strings.HasSuffix(name, packed) {
			return false
		}
	}
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	if middle, ok := strings.CutPrefix(name, base); ok {
		return middle == ".old" || numbered(middle)
	}
	middle, ok := strings.CutPrefix(name, stem)
	middle, ok2 := strings.CutSuffix(middle, ext)
	return ok && ok2 && numbered(middle)
}

// numbered says whether a text is a dot or a dash and then begins with a digit.
func numbered(text string) bool {
	return len(text) > 1 && (text[0] == '.' || text[0] == '-') && text[1] >= '0' && text[1] <= '9'
}
