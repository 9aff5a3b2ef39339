package platforms

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ForgetCode gives back the memory that holds this program's code and constants. What is needed again
// is read again from the file, as after any shortage of memory; a process that from now on mostly
// waits becomes as small as what it still does. Best effort.
func ForgetCode() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if from, to, ok := codeRange(lines.Text(), self); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// codeRange reads one line of /proc/self/maps: a range of the program's own file that nobody can write
// to, and that is therefore the same on disk.
func codeRange(line, self string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || strings.Contains(f[1], "w") || !strings.HasSuffix(f[1], "p") || strings.Join(f[5:], " ") != self {
		return 0, 0, false
	}
	first, last, _ := strings.Cut(f[0], "-")
	a, err1 := strconv.ParseUint(first, 16, 64)
	b, err2 := strconv.ParseUint(last, 16, 64)
	return uintptr(a), uintptr(b), err1 == nil && err2 == nil && a < b
}
