package main

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// bsdiff returns the size of bsdiff's patch, and of the same patch with xz in place of its bzip2.
func bsdiff(dir, oldPath, newPath string) (size, withXz int64, err error) {
	path := filepath.Join(dir, "bsdiff")
	if out, err := exec.Command("bsdiff", oldPath, newPath, path).CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("run bsdiff: %w: %s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	if len(b) < 32 || string(b[:8]) != "BSDIFF40" {
		return 0, 0, fmt.Errorf("read bsdiff's patch: it is none")
	}
	control, diff := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	body := b[32:]
	if control > uint64(len(body)) || diff > uint64(len(body))-control {
		return 0, 0, fmt.Errorf("read bsdiff's patch: its sizes are wrong")
	}
	withXz = 32
	for _, part := range [][]byte{body[:control], body[control : control+diff], body[control+diff:]} {
		plain, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(part)))
		if err != nil {
			return 0, 0, fmt.Errorf("read bsdiff's patch: %w", err)
		}
		n, err := xz(plain)
		if err != nil {
			return 0, 0, err
		}
		withXz += int64(n)
	}
	return int64(len(b)), withXz, nil
}

func xz(b []byte) (int, error) {
	cmd := exec.Command("xz", "-9e", "-c", "--check=none")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("run xz: %w", err)
	}
	return len(out), nil
}

// zstd returns the size of the reference implementation's patch.
func zstd(dir, oldPath, newPath string) (int64, error) {
	path := filepath.Join(dir, "zst")
	out, err := exec.Command("zstd", "-q", "-f", "-19", "--long=27", "--patch-from="+oldPath, newPath, "-o", path).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("run zstd: %w: %s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
