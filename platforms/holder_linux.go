package platforms

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// Holder is the process that holds the lock on a file (see Take), 0 when nobody does, or nobody that
// can be seen from here.
func Holder(path string) (int, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return 0, nil
		}
		return 0, plain.Wrap("look for the holder of "+path, err)
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return 0, plain.Wrap("look for the holder of "+path, err)
	}
	defer f.Close()
	return holder(f, hex2(unix.Major(st.Dev))+":"+hex2(unix.Minor(st.Dev))+":"+strconv.FormatUint(st.Ino, 10)), nil
}

// hex2 is a device number as the kernel prints it: at least two hexadecimal digits.
func hex2(n uint32) string {
	text := strconv.FormatUint(uint64(n), 16)
	if len(text) < 2 {
		return "0" + text
	}
	return text
}

// holder reads /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF".
func holder(locks io.Reader, file string) int {
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || f[3] != "WRITE" || f[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// KillBelow kills a process and its process group, if the program it runs lies below a folder.
func KillBelow(pid int, dir string) error {
	handle, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return plain.Wrap("kill process "+strconv.Itoa(pid), err)
	}
	defer unix.Close(handle)
	program, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return plain.Wrap("kill process "+strconv.Itoa(pid), err)
	}
	if !strings.HasPrefix(program, filepath.Clean(dir)+string(os.PathSeparator)) {
		return errors.New("kill process " + strconv.Itoa(pid) + ": it runs " + program + ", which is not below " + dir)
	}
	if group, err := unix.Getpgid(pid); err == nil && group == pid {
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	if err := unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0); err != nil {
		return plain.Wrap("kill process "+strconv.Itoa(pid), err)
	}
	return nil
}
