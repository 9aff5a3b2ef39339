package plugin

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reapAdopted reaps, after the plugin itself, what has ended of the processes it left to us, where orphans come to this process
// (PR_SET_CHILD_SUBREAPER): its group, those that were killed by their numbers, and every few seconds any other.
func (p *process) reapAdopted() {
	for {
		got, err := unix.Wait4(-p.pid, nil, unix.WNOHANG, nil)
		if err != nil || got <= 0 {
			break
		}
		reaped(got)
	}
	for _, pid := range p.killed {
		if pid != p.pid {
			reapNow(pid)
		}
	}
	strays.look(time.Now())
}

// reapNow reaps a child if it has ended.
func reapNow(pid int) {
	if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && got == pid {
		reaped(pid)
	}
}

const (
	// straysEvery is how often all of this process's children are looked at while plugins run.
	straysEvery = 2 * time.Second
	// unclaimedFor is long after anybody who started a process would have asked how it ended.
	unclaimedFor = 10 * time.Second
	// maxStrays bounds the table; what does not fit stays a zombie until a place is free.
	maxStrays = 1024
)

// strays are zombies among this process's children that may be nobody's. It is one table, as a process has one set of children.
//
// Children that somebody here started, and waits for, are never touched: those either lead a session or are in this process's own; adopted
// ones are in the session of a plugin. An adopted one that led a session of its own looks like the former; it is reaped when nobody has
// asked for it in unclaimedFor. Plugins are known: what such a one left is looked for before it is asked how it ended, and on a box that has
// no time that may take longer.
var strays zombies

type zombies struct {
	mu     sync.Mutex // guards what follows
	looked time.Time
	later  bool // a look is planned
	seen   []zombie

	claims sync.Mutex  // guards counts
	counts map[int]int // plugins that will be asked how they ended, by number, which comes again as soon as one was
}

type zombie struct {
	pid   int
	born  string
	since time.Time
}

// look reaps what is surely nobody's, unless it did so just now, and comes again as long as there is something to wait for.
func (z *zombies) look(now time.Time) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if now.Sub(z.looked) < straysEvery {
		z.plan()
		return
	}
	z.looked = now
	own, err := unix.Getsid(0)
	if err != nil {
		return
	}
	z.forget()
	for _, pid := range children() {
		st, ok := statusOf(pid)
		switch {
		case !ok || !st.zombie || st.parent != os.Getpid() || st.session == own || z.claimed(pid):
		case st.session != pid || z.overdue(pid, st.born, now):
			reapNow(pid)
		}
	}
	if len(z.seen) > 0 {
		z.plan()
	}
}

// plan has look come again in a while. mu is held.
func (z *zombies) plan() {
	if z.later {
		return
	}
	z.later = true
	time.AfterFunc(straysEvery, func() {
		z.mu.Lock()
		z.later = false
		z.mu.Unlock()
		z.look(time.Now())
	})
}

// claim says that a plugin will be asked how it ended, by 1, or that it was, by -1.
func (z *zombies) claim(pid, by int) {
	z.claims.Lock()
	defer z.claims.Unlock()
	if z.counts == nil {
		z.counts = map[int]int{}
	}
	if z.counts[pid] += by; z.counts[pid] == 0 {
		delete(z.counts, pid)
	}
}

func (z *zombies) claimed(pid int) bool {
	z.claims.Lock()
	defer z.claims.Unlock()
	return z.counts[pid] > 0
}

// overdue says whether a zombie has been seen for long, and notes it. mu is held.
func (z *zombies) overdue(pid int, born string, now time.Time) bool {
	for _, x := range z.seen {
		if x.pid == pid && x.born == born {
			return now.Sub(x.since) >= unclaimedFor
		}
	}
	if len(z.seen) < maxStrays {
		z.seen = append(z.seen, zombie{pid, born, now})
	}
	return false
}

// forget drops those that are zombies no more. mu is held.
func (z *zombies) forget() {
	z.seen = slices.DeleteFunc(z.seen, func(x zombie) bool {
		st, ok := statusOf(x.pid)
		return !ok || !st.zombie || st.born != x.born
	})
}

// children lists the numbers of this process's children, whichever thread they hang from.
func children() []int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var pids []int
	for _, t := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if err != nil && os.IsNotExist(err) && t == tasks[0] { // a kernel without that file
			return listProcesses(func(int) bool { return true })
		}
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
