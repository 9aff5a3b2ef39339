// Package procfs reads the small text files of procfs, sysfs and cgroupfs cheaply: whole, into a buffer that is used again,
// with plain system calls. It owns that buffer and the splitting into fields; what the fields mean is the checks'.
package procfs

import (
	"bytes"
	"fmt"
	"time"
)

// Field cuts the first field off a line: what stands before blanks or tabs. Both parts share the line's memory; the field is
// empty at the end of the line.
func Field(line []byte) (field, rest []byte) {
	i := 0
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	start := i
	for i < len(line) && line[i] != ' ' && line[i] != '\t' {
		i++
	}
	return line[start:i], line[i:]
}

// Line cuts the first line off a text, without its newline.
func Line(text []byte) (line, rest []byte) {
	for i, c := range text {
		if c == '\n' {
			return text[:i], text[i+1:]
		}
	}
	return text, nil
}

// Uint reads an unsigned decimal number: digits only, no overflow.
func Uint(field []byte) (n uint64, ok bool) {
	if len(field) == 0 {
		return 0, false
	}
	for _, c := range field {
		d := uint64(c - '0')
		if d > 9 || n > (1<<64-1)/10 || n*10 > 1<<64-1-d {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// Short cuts what is quoted in an error: a broken file need not be repeated whole.
func Short(text []byte) []byte {
	const limit = 40
	return text[:min(len(text), limit)]
}

// ListLen counts the numbers of a list as the kernel writes those of CPUs: "0-3,8,10-11". It gives 0 for anything else.
func ListLen(text []byte) int {
	const most = 1 << 20 // far above any box: a broken range must not overflow
	text, _ = Line(text)
	total := 0
	for part := range bytes.SplitSeq(text, []byte(",")) {
		low, high, two := bytes.Cut(part, []byte("-"))
		if !two {
			high = low
		}
		first, ok1 := Uint(low)
		last, ok2 := Uint(high)
		if !ok1 || !ok2 || last < first || last >= most {
			return 0
		}
		total += int(last-first) + 1
		if total > most {
			return 0
		}
	}
	return total
}

// Uptime reads /proc/uptime: seconds since boot, with a fraction, and the idle time, which is not used.
func Uptime(text []byte) (time.Duration, error) {
	const most = 1 << 33 // seconds: 272 years, what a time.Duration holds with room to spare
	line, _ := Line(text)
	field, _ := Field(line)
	whole, fraction, _ := bytes.Cut(field, []byte("."))
	seconds, ok := Uint(whole)
	hundredths, ok2 := Uint(fraction)
	if !ok || seconds > most || len(fraction) > 0 && !ok2 {
		return 0, fmt.Errorf("read uptime: %q is no number of seconds", Short(field))
	}
	up := time.Duration(seconds) * time.Second
	if len(fraction) == 2 {
		up += time.Duration(hundredths) * 10 * time.Millisecond
	}
	return up, nil
}
