// Package mountinfo reads /proc/self/mountinfo (proc_pid_mountinfo(5)). It says what is mounted, not what of it matters.
package mountinfo

import (
	"bytes"
	"errors"
	"strings"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// MaxMounts bounds the mounts read of one file; a box full of containers has some thousands.
const MaxMounts = 16 << 10

// Mount is one line.
type Mount struct {
	Device   string // MAJOR:MINOR, the same for all mounts of one filesystem
	Root     string // what of the filesystem is mounted: "/" or, of a bind mount, a path in it
	Point    string // where
	Type     string // "ext4"
	Source   string // "/dev/sda1", "host:/export", "tmpfs"
	ReadOnly bool   // the mount or the whole filesystem is read-only
}

// Parse reads the file. Lines that make no sense are counted, not believed; more than MaxMounts is an error.
func Parse(text []byte) (list []Mount, broken int, err error) {
	list = make([]Mount, 0, min(bytes.Count(text, []byte("\n"))+1, MaxMounts))
	for len(text) > 0 {
		var line []byte
		line, text = procfs.Line(text)
		if len(line) == 0 {
			continue
		}
		m, ok := parseLine(line)
		if !ok {
			broken++
			continue
		}
		if len(list) == MaxMounts {
			return nil, broken, errors.New("read mountinfo: there are too many mounts")
		}
		list = append(list, m)
	}
	return list, broken, nil
}

// parseLine reads "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD:VALUE]... - TYPE SOURCE SUPEROPTIONS".
func parseLine(line []byte) (m Mount, ok bool) {
	before, after, ok := bytes.Cut(line, []byte(" - "))
	if !ok {
		return m, false
	}
	_, rest := procfs.Field(before)
	_, rest = procfs.Field(rest)
	device, rest := procfs.Field(rest)
	root, rest := procfs.Field(rest)
	point, rest := procfs.Field(rest)
	flags, _ := procfs.Field(rest)
	kind, rest := procfs.Field(after)
	source, rest := procfs.Field(rest)
	super, _ := procfs.Field(rest)
	if len(flags) == 0 || len(kind) == 0 || len(point) == 0 || point[0] != '/' || !bytes.Contains(device, []byte(":")) {
		return m, false
	}
	return Mount{
		Device: string(device), Root: Unescape(root), Point: Unescape(point), Type: Unescape(kind), Source: Unescape(source),
		ReadOnly: readOnly(flags) || readOnly(super),
	}, true
}

func readOnly(flags []byte) bool {
	return bytes.Equal(flags, []byte("ro")) || bytes.HasPrefix(flags, []byte("ro,"))
}

// Unescape undoes the kernel's escapes of blanks and the like: "\040". What is no escape stays.
func Unescape(field []byte) string {
	if bytes.IndexByte(field, '\\') < 0 {
		return string(field)
	}
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) && octal(field[i+1], '3') && octal(field[i+2], '7') && octal(field[i+3], '7') {
			b.WriteByte((field[i+1]-'0')<<6 | (field[i+2]-'0')<<3 | (field[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(field[i])
	}
	return b.String()
}

func octal(c, most byte) bool { return c >= '0' && c <= most }
