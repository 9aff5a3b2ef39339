//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What is spoken here of the kernel's FUSE protocol, 7.31: a folder with one file in it, which is the device.
// linux/fuse.h is the source of the numbers and of the layouts.
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opStatfs      = 17
	opRelease     = 18
	opFsync       = 20
	opFlush       = 25
	opInit        = 26
	opInterrupt   = 36
	opDestroy     = 38
	opBatchForget = 42
	opFallocate   = 43

	headSize = 40
	argsSize = 40 // of read and write
	maxWrite = 1 << 20
	maxPages = 1 << 22 // the flag

	rootNode, fileNode = 1, 2
	fileName           = "disk"
)

// serve mounts the device on a folder and answers the kernel until the folder is unmounted. It returns the path of the
// device and what ends it.
func serve(d *Device, dir string) (path string, end func() error, err error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("open /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)
	if err := unix.Mount("limpet-powercut", dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		unix.Close(fd)
		return "", nil, fmt.Errorf("mount the device on %s: %w", dir, err)
	}
	done := make(chan error, 1)
	go func() {
		done <- answer(d, fd)
		unix.Close(fd)
	}()
	end = func() error {
		if err := unmount(dir); err != nil {
			return err
		}
		return <-done
	}
	return filepath.Join(dir, fileName), end, nil
}

// answer takes the kernel's requests one after the other: so they have an order.
func answer(d *Device, fd int) error {
	buf := make([]byte, maxWrite+headSize+argsSize+4096)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOENT): // the request was taken back
			continue
		case errors.Is(err, unix.ENODEV): // unmounted
			return nil
		case err != nil:
			return fmt.Errorf("read from /dev/fuse: %w", err)
		}
		if n < headSize {
			return fmt.Errorf("the kernel sends %d bytes", n)
		}
		op, unique, node := binary.LittleEndian.Uint32(buf[4:]), binary.LittleEndian.Uint64(buf[8:]), binary.LittleEndian.Uint64(buf[16:])
		body, errno, answered := d.request(op, node, buf[headSize:n])
		if !answered {
			continue
		}
		out := make([]byte, 16, 16+len(body))
		binary.LittleEndian.PutUint32(out, uint32(16+len(body)))
		binary.LittleEndian.PutUint32(out[4:], uint32(-int32(errno)))
		binary.LittleEndian.PutUint64(out[8:], unique)
		if _, err := unix.Write(fd, append(out, body...)); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("write to /dev/fuse: %w", err)
		}
	}
}

// request does what one request asks for; answered is false where the kernel expects nothing.
func (d *Device) request(op uint32, node uint64, in []byte) (body []byte, errno unix.Errno, answered bool) {
	u64 := func(at int) int64 { return int64(binary.LittleEndian.Uint64(in[at:])) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(in[at:]) }
	var err error
	switch op {
	case opForget, opBatchForget, opInterrupt:
		return nil, 0, false
	case opInit:
		body = make([]byte, 64)
		for at, v := range map[int]uint32{0: 7, 4: 31, 8: u32(8), 12: maxPages, 20: maxWrite, 24: 1} {
			binary.LittleEndian.PutUint32(body[at:], v)
		}
		binary.LittleEndian.PutUint16(body[28:], maxWrite/4096)
	case opLookup:
		if node != rootNode || string(in) != fileName+"\x00" {
			return nil, unix.ENOENT, true
		}
		body = make([]byte, 40)
		binary.LittleEndian.PutUint64(body, fileNode)
		binary.LittleEndian.PutUint64(body[16:], 3600)
		binary.LittleEndian.PutUint64(body[24:], 3600)
		body = append(body, d.attributes(fileNode)...)
	case opGetattr, opSetattr:
		body = make([]byte, 16)
		binary.LittleEndian.PutUint64(body, 3600)
		body = append(body, d.attributes(node)...)
	case opOpen:
		body = make([]byte, 16)
	case opRead:
		body, err = d.read(u64(8), int(u32(16)))
	case opWrite:
		size := int(u32(16))
		if err = d.write(u64(8), in[argsSize:][:size]); err == nil {
			body = make([]byte, 8)
			binary.LittleEndian.PutUint32(body, uint32(size))
		}
	case opFallocate:
		if mode := u32(24); mode&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) == 0 {
			return nil, unix.EOPNOTSUPP, true
		}
		err = d.zero(u64(8), u64(16))
	case opFsync:
		d.flush()
	case opStatfs:
		body = make([]byte, 80)
	case opFlush, opRelease, opDestroy:
	default:
		return nil, unix.ENOSYS, true
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: device:", err)
		return nil, unix.EIO, true
	}
	return body, 0, true
}

// attributes are a struct fuse_attr.
func (d *Device) attributes(node uint64) []byte {
	b := make([]byte, 88)
	binary.LittleEndian.PutUint64(b, node)
	mode := uint32(unix.S_IFDIR | 0o700)
	if node == fileNode {
		mode = unix.S_IFREG | 0o600
		binary.LittleEndian.PutUint64(b[8:], uint64(d.size))
		binary.LittleEndian.PutUint64(b[16:], uint64(d.size/512))
	}
	binary.LittleEndian.PutUint32(b[60:], mode)
	binary.LittleEndian.PutUint32(b[64:], 1)
	binary.LittleEndian.PutUint32(b[80:], 4096)
	return b
}
