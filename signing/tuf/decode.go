package tuf

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder reads typed members out of parsed JSON and keeps the first thing that
// was wrong; what it returns after that means nothing.
type decoder struct {
	err error
}

func (d *decoder) fail(detail string) {
	if d.err == nil {
		d.err = syntax(detail)
	}
}

// member is a member of v that may be absent.
func (v value) member(name string) (value, bool) {
	i, found := slices.BinarySearch(v.names, name)
	if !found || v.kind != object {
		return value{}, false
	}
	return v.items[i], true
}

func (d *decoder) need(v value, name string, k kind) value {
	m, ok := v.member(name)
	if !ok {
		d.fail(strconv.Quote(name) + " is missing")
	} else if m.kind != k {
		d.fail(strconv.Quote(name) + " has the wrong type")
	}
	if m.kind != k {
		return value{kind: k}
	}
	return m
}

// maybe is need for a member that may be absent; it is then empty.
func (d *decoder) maybe(v value, name string, k kind) value {
	if _, ok := v.member(name); !ok {
		return value{kind: k}
	}
	return d.need(v, name, k)
}

func (d *decoder) text(v value, name string) string { return d.need(v, name, text).text }

func (d *decoder) flag(v value, name string) bool { return d.maybe(v, name, boolean).text == "true" }

func (d *decoder) int(v value, name string, low, high int64) int64 {
	n, err := strconv.ParseInt(d.need(v, name, number).text, 10, 64)
	if err != nil || n < low || n > high {
		d.fail(strconv.Quote(name) + " is out of range")
	}
	return n
}

// texts is a member that lists strings, at most limit of them.
func (d *decoder) texts(v value, name string, limit int) []string {
	list := d.maybe(v, name, array).items
	if len(list) > limit {
		d.fail(strconv.Quote(name) + " is too long")
		return nil
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		if item.kind != text {
			d.fail(strconv.Quote(name) + " has an item of the wrong type")
		}
		out = append(out, item.text)
	}
	return out
}

// bytes is a member in hexadecimal of exactly size bytes.
func (d *decoder) bytes(v value, name string, size int) []byte {
	b, ok := unhex(d.text(v, name))
	if !ok || len(b) != size {
		d.fail(strconv.Quote(name) + " is not " + strconv.Itoa(size) + " bytes in hex")
		return make([]byte, size)
	}
	return b
}

// path is a member that names a file below a folder, and cannot lead out of it.
func (d *decoder) path(v value, name string) string {
	s := d.text(v, name)
	if len(s) > maxPath || s == "." || !plainPath(s) {
		d.fail(strconv.Quote(name) + " is not a plain relative path")
		return ""
	}
	return s
}

// plainPath reports whether a path stays below where it starts, on every system.
func plainPath(s string) bool { return fs.ValidPath(s) && !strings.ContainsAny(s, "\\:") }

// timeFormat is TUF's: seconds, UTC, nothing else. time.Parse alone would let
// fractions through.
const timeFormat = "2006-01-02T15:04:05Z"

func (d *decoder) time(v value, name string) time.Time {
	s := d.text(v, name)
	t, err := time.Parse(timeFormat, s)
	if err != nil || len(s) != len(timeFormat) {
		d.fail(strconv.Quote(name) + " is not a time like " + timeFormat)
	}
	return t
}

const hexDigits = "0123456789abcdef"

// unhex takes lower case only: one value has one form.
func unhex(s string) ([]byte, bool) {
	if len(s)%2 != 0 {
		return nil, false
	}
	out := make([]byte, len(s)/2)
	for i := range out {
		high, low := strings.IndexByte(hexDigits, s[2*i]), strings.IndexByte(hexDigits, s[2*i+1])
		if high < 0 || low < 0 {
			return nil, false
		}
		out[i] = byte(high<<4 | low)
	}
	return out, true
}

func hexed(b []byte) string {
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, hexDigits[c>>4], hexDigits[c&15])
	}
	return string(out)
}
