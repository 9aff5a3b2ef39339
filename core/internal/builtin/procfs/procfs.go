// Package procfs reads the small text files of procfs, sysfs and cgroupfs cheaply: whole, into a buffer that is used again,
// with plain system calls. It owns that buffer and the splitting into fields; what the fields mean is the checks'.
package procfs

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
