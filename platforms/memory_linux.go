package platforms

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// piece is how much of the code comes back at once when a part of it is needed again. Linux maps what else is in the page cache within the
// 64 KiB around, but not across the border of a mapping; so every other piece is marked as one that no core dump takes, which such memory
// is anyway, and makes pieces mappings of their own (docs/decisions/120).
const piece = 16 << 10

// ForgetCode gives back the memory that holds this program's code and constants. What is needed again
// is read again from the file, as after any shortage of memory, and little around it; a process that from now on mostly
// waits becomes as small as what it still does. May be called again. Best effort.
func ForgetCode() {
	for _, r := range code() {
		for at := r.from &^ (piece - 1); at < r.to; at += piece {
			if at/piece%2 == 1 {
				from := max(at, r.from)
				_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, min(at+piece, r.to)-from, unix.MADV_DONTDUMP)
			}
		}
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, unix.MADV_DONTNEED)
	}
}

type addresses struct{ from, to uintptr }

// code is where this program's code and constants are.
func code() []addresses {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer maps.Close()
	var all []addresses
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if from, to, ok := codeRange(lines.Text(), self); ok {
			all = append(all, addresses{from, to})
		}
	}
	return all
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
