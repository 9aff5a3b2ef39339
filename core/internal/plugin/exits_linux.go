package plugin

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// exits waits for the ends of all plugins at once: their pidfds are in a poller of its own, which is itself in Go's. So none of them costs a
// thread, and each one system call.
var exits exitWatch

type exitWatch struct {
	once sync.Once
	fd   int // of the poller, -1 = there is none
	conn syscall.RawConn

	mu    sync.Mutex // guards what follows
	waits map[int32]exitWait
	count int32
}

// exitWait is one plugin. Numbers of descriptors come again, counts do not.
type exitWait struct {
	count int32
	ended chan struct{}
}

// open makes the poller at the first plugin.
func (w *exitWatch) open() {
	w.waits = map[int32]exitWait{}
	w.fd = -1
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return
	}
	if unix.SetNonblock(fd, true) != nil {
		unix.Close(fd)
		return
	}
	file := os.NewFile(uintptr(fd), "exits") // it lives as long as the process
	if w.conn, err = file.SyscallConn(); err != nil {
		file.Close()
		return
	}
	w.fd = fd
	go w.run(file)
}

// add has a channel closed once a pidfd tells of an end. false: it has to be waited for in another way.
func (w *exitWatch) add(pidfd int, ended chan struct{}) bool {
	w.once.Do(w.open)
	if w.fd < 0 {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	w.waits[int32(pidfd)] = exitWait{w.count, ended}
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(pidfd), Pad: w.count}
	if unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, pidfd, &e) != nil {
		delete(w.waits, int32(pidfd))
		return false
	}
	return true
}

// run tells of ends for as long as the process lives.
func (w *exitWatch) run(file *os.File) {
	defer file.Close()
	events := make([]unix.EpollEvent, 64)
	for {
		n := 0
		err := w.conn.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return err == nil && n > 0
		})
		if err != nil {
			return // never: nobody closes it
		}
		w.tell(events[:n])
	}
}

func (w *exitWatch) tell(events []unix.EpollEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		if x, ok := w.waits[e.Fd]; ok && x.count == e.Pad {
			delete(w.waits, e.Fd)
			close(x.ended)
		}
	}
}
