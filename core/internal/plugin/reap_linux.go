package plugin

import (
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reapAdopted reaps what has ended of the processes a plugin left to us, where orphans come to this process (PR_SET_CHILD_SUBREAPER).
// Children that somebody here started, and waits for, are never touched: those either lead a session or are in this process's own,
// adopted ones are in the session of a plugin. An adopted one that led a session of its own looks like the former; it is reaped when
// nobody has asked for it in unclaimedFor.
func (p *process) reapAdopted() {
	self := os.Getpid()
	own, err := unix.Getsid(0)
	if err != nil {
		return
	}
	for range sweepRounds {
		dying := false
		for _, pid := range candidates(p.pid) {
			st, ok := statusOf(pid)
			if !ok || st.parent != self || pid == p.pid || st.session == own {
				continue
			}
			ours := slices.Contains(p.killed, pid)
			if !ours && st.session == pid {
				if st.zombie {
					unclaimed.note(pid, st.born)
				}
				continue
			}
			got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
			dying = dying || err == nil && got == 0 && (ours || st.session == p.pid)
		}
		if !dying {
			break
		}
		pause()
	}
	unclaimed.reap(time.Now())
}

// unclaimedFor is long after anybody who started a process would have asked how it ended.
const unclaimedFor = 10 * time.Second

// unclaimed are zombies among this process's children that may be nobody's. It is one table, as a process has one set of children.
var unclaimed zombies

type zombies struct {
	mu   sync.Mutex // guards seen
	seen []zombie
}

type zombie struct {
	pid   int
	born  string
	since time.Time
}

// maxUnclaimed bounds the table; what does not fit stays a zombie until this process ends.
const maxUnclaimed = 1024

func (z *zombies) note(pid int, born string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	known := func(x zombie) bool { return x.pid == pid && x.born == born }
	if len(z.seen) < maxUnclaimed && !slices.ContainsFunc(z.seen, known) {
		z.seen = append(z.seen, zombie{pid, born, time.Now()})
	}
}

// reap reaps those that have been zombies for long, and forgets those that are none any more.
func (z *zombies) reap(now time.Time) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.seen = slices.DeleteFunc(z.seen, func(x zombie) bool {
		if now.Sub(x.since) < unclaimedFor {
			return false
		}
		if st, ok := statusOf(x.pid); ok && st.zombie && st.born == x.born && st.parent == os.Getpid() {
			unix.Wait4(x.pid, nil, unix.WNOHANG, nil)
		}
		return true
	})
}
