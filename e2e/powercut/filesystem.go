//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// filesystem is one kind, made and mounted as a box would have it.
type filesystem struct {
	name    string
	pack    string   // where its mkfs is from, on Debian
	make    []string // mkfs and its arguments, before the device
	options string   // of the mount
	// sector is what the disk writes as a whole. xfs is at home with 512, so the stub's records tear there as well; ext4 and
	// btrfs take it for granted that their superblock, of more than 512 bytes, does not.
	sector int
}

var filesystems = []filesystem{
	{"ext4", "e2fsprogs", []string{"mkfs.ext4", "-q", "-F"}, "", 4096},
	{"xfs", "xfsprogs", []string{"mkfs.xfs", "-q", "-f"}, "nouuid", 512},
	{"btrfs", "btrfs-progs", []string{"mkfs.btrfs", "-q", "-f"}, "", 4096},
}

// size is what mkfs.xfs makes no smaller than 300 MB.
const size = 512 << 20

// usable says what is missing for a kind of file system, by name.
func (f filesystem) usable() error {
	if _, err := exec.LookPath(f.make[0]); err != nil {
		return fmt.Errorf("%s is not installed (Debian: apt-get install %s)", f.make[0], f.pack)
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	for _, line := range splitLines(string(known)) {
		if line == "\t"+f.name {
			return nil
		}
	}
	// A module is loaded by the mount itself; where that is not so, the mount says it.
	if _, err := exec.LookPath("modprobe"); err != nil {
		return fmt.Errorf("this kernel has no %s", f.name)
	}
	if out, err := exec.Command("modprobe", f.name).CombinedOutput(); err != nil {
		return fmt.Errorf("this kernel has no %s: %s", f.name, out)
	}
	return nil
}

// mkfs makes it on a loop device.
func (f filesystem) mkfs(device string) error {
	if out, err := exec.Command(f.make[0], append(f.make[1:len(f.make):len(f.make)], device)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", f.make[0], err, out)
	}
	return nil
}

func (f filesystem) mount(device, dir string) error {
	if err := unix.Mount(device, dir, f.name, 0, f.options); err != nil {
		return fmt.Errorf("mount %s: %w", f.name, err)
	}
	return nil
}

// unmount waits a moment for what still has something open there.
func unmount(dir string) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := unix.Unmount(dir, 0)
		if err == nil || !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

// loop makes a file a block device; it is gone when nobody has it open or mounted any more.
func loop(path string, sector int) (device string, release func(), err error) {
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("open /dev/loop-control: %w", err)
	}
	defer unix.Close(control)
	file, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) // not by os: its poller would ask the device about readiness
	if err != nil {
		return "", nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(file)
	for range 20 { // somebody may take the free one first
		n, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return "", nil, fmt.Errorf("find a free loop device: %w", err)
		}
		device = fmt.Sprintf("/dev/loop%d", n)
		if _, err := os.Stat(device); os.IsNotExist(err) {
			if err := unix.Mknod(device, unix.S_IFBLK|0o600, int(unix.Mkdev(7, uint32(n)))); err != nil && !os.IsExist(err) {
				return "", nil, fmt.Errorf("make %s: %w", device, err)
			}
		}
		fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", nil, fmt.Errorf("open %s: %w", device, err)
		}
		config := unix.LoopConfig{Fd: uint32(file), Size: uint32(sector), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		copy(config.Info.File_name[:63], filepath.Base(path))
		err = unix.IoctlLoopConfigure(fd, &config)
		if err == nil {
			return device, func() { unix.Close(fd) }, nil
		}
		unix.Close(fd)
		if !errors.Is(err, unix.EBUSY) {
			return "", nil, fmt.Errorf("set up %s: %w", device, err)
		}
	}
	return "", nil, errors.New("set up a loop device: others take every free one")
}
