package crashdisk

import "maps"

// node is a *fileNode or a *folder.
type node any

// change is one write or truncation since the last sync.
type change struct {
	offset   int64
	data     []byte // nil: truncate to offset
	extends  bool
	truncate bool
}

type fileNode struct {
	durable []byte
	now     []byte
	shared  bool // now is durable, and also another disk's: it is copied before it is changed
	pending []change
}

func (f *fileNode) own() {
	if f.shared {
		f.now, f.shared = append([]byte(nil), f.now...), false
	}
}

func (f *fileNode) write(offset int64, data []byte) {
	f.own()
	end := offset + int64(len(data))
	c := change{offset: offset, data: append([]byte(nil), data...), extends: end > int64(len(f.now))}
	f.pending = append(f.pending, c)
	f.now = put(f.now, offset, data)
}

func (f *fileNode) truncate(size int64) {
	f.own()
	f.pending = append(f.pending, change{offset: size, truncate: true})
	f.now = resize(f.now, size)
}

func (f *fileNode) sync() {
	if !f.shared {
		f.durable = append([]byte(nil), f.now...)
	}
	f.pending = nil
}

// after is the file as one power cut leaves it.
func (f *fileNode) after(c Chooser) *fileNode {
	data := f.durable
	if len(f.pending) > 0 {
		data = append([]byte(nil), data...)
	}
	for _, p := range f.pending {
		data = p.survive(data, c)
	}
	return &fileNode{durable: data, now: data, shared: true}
}

// survive applies what the cut leaves of one change.
func (p change) survive(data []byte, c Chooser) []byte {
	if p.truncate {
		if c.Choose(2) == 0 {
			return resize(data, p.offset)
		}
		return data
	}
	fates := 3
	if p.extends {
		fates = 4
	}
	switch c.Choose(fates) {
	case 0: // whole
		return put(data, p.offset, p.data)
	case 1: // lost
		return data
	case 2: // torn: the first half came to the disk
		return put(data, p.offset, p.data[:len(p.data)/2])
	default: // the length did, the content did not
		if end := p.offset + int64(len(p.data)); end > int64(len(data)) {
			data = resize(data, end)
		}
		return data
	}
}

func put(data []byte, offset int64, b []byte) []byte {
	if end := offset + int64(len(b)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[offset:], b)
	return data
}

func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

// naming is one change of names since the last sync of a folder. A rename over two folders is one
// naming that stands in both.
type naming struct {
	from    *folder // nil: link
	old     string
	to      *folder // nil: unlink
	fresh   string
	subject node
}

type folder struct {
	durable map[string]node
	now     map[string]node
	pending []*naming
}

func newFolder() *folder {
	return &folder{durable: map[string]node{}, now: map[string]node{}}
}

func (d *folder) link(name string, n node) {
	d.pending = append(d.pending, &naming{to: d, fresh: name, subject: n})
	d.now[name] = n
}

func (d *folder) unlink(name string) {
	d.pending = append(d.pending, &naming{from: d, old: name, subject: d.now[name]})
	delete(d.now, name)
}

func rename(from *folder, old string, to *folder, fresh string, n node) {
	step := &naming{from: from, old: old, to: to, fresh: fresh, subject: n}
	from.pending = append(from.pending, step)
	if to != from {
		to.pending = append(to.pending, step)
	}
	delete(from.now, old)
	to.now[fresh] = n
}

func (d *folder) sync() {
	d.durable = maps.Clone(d.now)
	d.pending = nil
}

// apply does to names, the content of d, what a surviving step did to it.
func (s *naming) apply(d *folder, names map[string]node) {
	if s.from == d && names[s.old] == s.subject {
		delete(names, s.old)
	}
	if s.to == d {
		names[s.fresh] = s.subject
	}
}
