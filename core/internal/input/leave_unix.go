//go:build unix

package input

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/local"
)

const (
	giveWithin = 15 * time.Second // the next core comes for the sockets at once, or not at all
	maxWords   = 1 << 20          // bytes of what is said of them
)

// given is what another core gave of one input.
type given struct {
	listener net.Listener
	packets  net.PacketConn
	conns    map[net.Conn]string // with the beginning of a line
	gauges   map[string]float64
}

// words say what the descriptors beside them are, in their order: the port's own first, then one for each of Rests.
type words struct {
	Kind   string
	Number int
	Bound  bool // the port's own descriptor is there
	Rests  []string
	Gauges map[string]float64
}

// Leave stops reading, keeps what was read, and gives the sockets to the core that comes for them to path; after a while it closes them. The
// returned channel is closed when that is done. Nothing is left to give: it is closed at once.
func (i *Inputs) Leave(path string) <-chan struct{} {
	done := make(chan struct{})
	if len(i.ports) == 0 {
		close(done)
		return done
	}
	var said []words
	var fds []int
	var ports []*port
	for _, p := range i.ports {
		p.halt()
		ports = append(ports, p)
		w, own := p.words()
		said, fds = append(said, w), append(fds, own...)
	}
	i.mu.Lock()
	i.ports = map[string]*port{}
	i.mu.Unlock()
	listener, err := listen(path)
	if err != nil {
		i.o.Log.Warn("inputs are not handed over", "err", err)
	}
	go func() {
		defer close(done)
		if err == nil {
			if err := give(listener, said, fds); err != nil {
				i.o.Log.Warn("inputs are not handed over", "err", err)
			}
			listener.Close()
			os.Remove(path)
		}
		for _, p := range ports {
			p.closeAll()
		}
	}()
	return done
}

func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	short, release, err := local.Short(path)
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	return l, os.Chmod(path, 0o600)
}

// words are a halted port's, and its descriptors, which stay the port's.
func (p *port) words() (w words, fds []int) {
	w = words{Kind: p.kind, Number: p.number, Gauges: p.gauges}
	add := func(c any) bool {
		sc, ok := c.(syscall.Conn)
		if !ok {
			return false
		}
		raw, err := sc.SyscallConn()
		return err == nil && raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }) == nil
	}
	switch {
	case p.listener != nil:
		w.Bound = add(p.listener)
	case p.packets != nil:
		w.Bound = add(p.packets)
	}
	for conn, rest := range p.conns {
		if add(conn) {
			w.Rests = append(w.Rests, *rest)
		}
	}
	return w, fds
}

// give sends all to whoever comes first.
func give(l *net.UnixListener, said []words, fds []int) error {
	if err := l.SetDeadline(time.Now().Add(giveWithin)); err != nil {
		return err
	}
	conn, err := l.AcceptUnix()
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(giveWithin))
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	if _, _, err := conn.WriteMsgUnix([]byte(fmt.Sprintf("%8d", len(text))), syscall.UnixRights(fds...), nil); err != nil {
		return err
	}
	if _, err := conn.Write(text); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1)) // it has them
	return err
}

// Adopt takes over what a core before this one gives at path, of what is wanted, and applies w. Without such a core it is Apply.
func (i *Inputs) Adopt(path string, w Want) {
	all, err := receive(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		i.o.Log.Warn("inputs of the former core are not taken over", "err", err)
	}
	for _, x := range all {
		wanted := x.w.Kind == Graphite && x.w.Number == w.Graphite || x.w.Kind == StatsD && x.w.Number == w.StatsD
		if !wanted || x.given.listener == nil && x.given.packets == nil || i.ports[x.w.Kind] != nil {
			x.close()
			continue
		}
		p := newPort(i.o, x.w.Kind, x.w.Number)
		i.set(x.w.Kind, p)
		p.begin(&x.given)
	}
	i.Apply(w)
}

type received struct {
	w     words
	given given
}

func (r received) close() {
	if r.given.listener != nil {
		r.given.listener.Close()
	}
	if r.given.packets != nil {
		r.given.packets.Close()
	}
	for c := range r.given.conns {
		c.Close()
	}
}

func receive(path string) ([]received, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	short, release, err := local.Short(path)
	if err != nil {
		return nil, err
	}
	defer release()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second)) // the loop waits
	head, rights := make([]byte, 8), make([]byte, syscall.CmsgSpace(4*(2+2*maxConns)))
	n, m, _, _, err := conn.ReadMsgUnix(head, rights)
	if err != nil {
		return nil, err
	}
	files, err := filesOf(rights[:m])
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, f := range files {
			f.Close() // what is used was duplicated
		}
	}()
	var size int
	if _, err := fmt.Sscan(string(head[:n]), &size); err != nil || size <= 0 || size > maxWords {
		return nil, errors.New("what was said of the sockets is not understood")
	}
	text := make([]byte, size)
	for at := 0; at < size; {
		n, err := conn.Read(text[at:])
		if err != nil {
			return nil, err
		}
		at += n
	}
	var said []words
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, err
	}
	all := sort(said, files)
	_, err = conn.Write([]byte{'.'})
	return all, err
}

func filesOf(rights []byte) (files []*os.File, err error) {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "input"))
		}
	}
	return files, nil
}

// sort gives each descriptor to what was said of it.
func sort(said []words, files []*os.File) (all []received) {
	next := func() *os.File {
		if len(files) == 0 {
			return nil
		}
		f := files[0]
		files = files[1:]
		return f
	}
	for _, w := range said {
		r := received{w: w, given: given{conns: map[net.Conn]string{}, gauges: map[string]float64{}}}
		if w.Gauges != nil {
			r.given.gauges = w.Gauges
		}
		if w.Bound {
			if file := next(); file != nil && w.Kind == StatsD {
				r.given.packets, _ = net.FilePacketConn(file)
			} else if file != nil {
				r.given.listener, _ = net.FileListener(file)
			}
		}
		for _, rest := range w.Rests {
			if file := next(); file != nil {
				if conn, err := net.FileConn(file); err == nil {
					r.given.conns[conn] = rest
				}
			}
		}
		all = append(all, r)
	}
	return all
}
