package collector

import (
	"os"

	"golang.org/x/sys/unix"
)

// growth says when a file is written to: once, until it is armed again. So a collector that is silent costs nothing, and one that writes without end
// a look each lookGrown. A nil one, where the system has no more of them, says nothing.
type growth struct {
	file *os.File // an inotify
	fd   int
	wake chan struct{} // holds one
}

func newGrowth() *growth {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil
	}
	g := &growth{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, wake: make(chan struct{}, 1)}
	go g.listen()
	return g
}

// listen ends when the file is closed.
func (g *growth) listen() {
	events := make([]byte, 512)
	for {
		if _, err := g.file.Read(events); err != nil {
			return
		}
		select {
		case g.wake <- struct{}{}:
		default:
		}
	}
}

// arm has the next write to a file wake. Where that cannot be, nothing does.
func (g *growth) arm(path string) {
	if g != nil {
		_, _ = unix.InotifyAddWatch(g.fd, path, unix.IN_MODIFY|unix.IN_ONESHOT)
	}
}

// woken holds something when the file was written to. The end of a watch says something, too: that costs a look.
func (g *growth) woken() <-chan struct{} {
	if g == nil {
		return nil
	}
	return g.wake
}

func (g *growth) close() {
	if g != nil {
		g.file.Close()
	}
}
