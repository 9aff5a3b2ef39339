package catalog

import (
	"os"
	"syscall"
	"time"
)

// stamp tells one state of a file from every other: whoever writes to it changes ctim, which nobody can set back but with the clock.
type stamp struct {
	dev, ino   uint64
	size       int64
	mtim, ctim syscall.Timespec
}

// stampOf is the state of an open file; false where the system does not tell enough.
func stampOf(f *os.File) (stamp, bool) {
	info, err := f.Stat()
	if err != nil {
		return stamp{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}, false
	}
	return stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}, true
}

// settleTime is how coarse ctim is at most, with room.
const settleTime = 2 * time.Second

// settled says that a further write would show in ctim: clocks of file systems move in steps.
func (s stamp) settled() bool {
	age := time.Since(time.Unix(s.ctim.Unix()))
	return age > settleTime || age < -settleTime
}
