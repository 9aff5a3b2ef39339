package crashdisk

import (
	"io"
	"io/fs"
	"os"
)

// handle is an open file.
type handle struct {
	disk   *Disk
	node   *fileNode
	name   string
	flag   int
	offset int64
	closed bool
}

func (h *handle) usable(op string) error {
	if h.disk.off {
		return ErrPowerCut
	}
	if h.closed {
		return &fs.PathError{Op: op, Path: h.name, Err: fs.ErrClosed}
	}
	return nil
}

func (h *handle) writable() bool { return h.flag&(os.O_WRONLY|os.O_RDWR) != 0 }

// Write implements fsys.File.
func (h *handle) Write(b []byte) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.flag&os.O_APPEND != 0 {
		h.offset = int64(len(h.node.now))
	}
	n, err := h.put(b, h.offset)
	h.offset += int64(n)
	return n, err
}

// WriteAt implements fsys.File.
func (h *handle) WriteAt(b []byte, offset int64) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return h.put(b, offset)
}

func (h *handle) put(b []byte, offset int64) (int, error) {
	if err := h.usable("write"); err != nil {
		return 0, err
	}
	if !h.writable() {
		return 0, &fs.PathError{Op: "write", Path: h.name, Err: fs.ErrPermission}
	}
	if len(b) == 0 {
		return 0, nil
	}
	before, after := h.disk.step()
	if before != nil {
		return 0, before
	}
	h.node.write(offset, b)
	h.disk.tell()
	if after != nil {
		return 0, after
	}
	return len(b), nil
}

// Read implements fsys.File.
func (h *handle) Read(b []byte) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	n, err := h.get(b, h.offset)
	h.offset += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements fsys.File.
func (h *handle) ReadAt(b []byte, offset int64) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return h.get(b, offset)
}

func (h *handle) get(b []byte, offset int64) (int, error) {
	if err := h.usable("read"); err != nil {
		return 0, err
	}
	if offset >= int64(len(h.node.now)) {
		return 0, io.EOF
	}
	n := copy(b, h.node.now[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Sync implements fsys.File.
func (h *handle) Sync() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.usable("sync"); err != nil {
		return err
	}
	before, after := h.disk.step()
	if before != nil {
		return before
	}
	if after == nil {
		h.disk.tell()
		h.node.sync()
	}
	return after
}

// Truncate implements fsys.File.
func (h *handle) Truncate(size int64) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.usable("truncate"); err != nil {
		return err
	}
	before, after := h.disk.step()
	if before != nil {
		return before
	}
	h.node.truncate(size)
	h.disk.tell()
	return after
}

// Size implements fsys.File.
func (h *handle) Size() (int64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.usable("stat"); err != nil {
		return 0, err
	}
	return int64(len(h.node.now)), nil
}

// Close implements fsys.File. It makes nothing durable.
func (h *handle) Close() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.closed {
		return &fs.PathError{Op: "close", Path: h.name, Err: fs.ErrClosed}
	}
	h.closed = true
	return nil
}
