// Package local is the agent's own socket, the only thing it listens on unasked: the box's people ask it what runs. One
// connection carries one question, a word, perhaps a blank and what it is about, and its newline, and one answer, then it ends. It owns the socket file; who may ask is
// the file's owner and group.
package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

const (
	maxQuestion = 256                   // bytes
	maxAnswer   = 4 << 20               // bytes; a status of 10,000 checks stays below
	talkTime    = 5 * time.Second       // for one whole connection
	atOnce      = 16                    // connections; more wait in the system's queue
	accept      = 50 * time.Millisecond // pause after a failed accept, so that no fault becomes a tight loop
)

// Answer gives the answer to one question. about is what stood behind its word, "" for nothing.
type Answer func(ctx context.Context, about string) ([]byte, error)

// Alone is the answer to a word that stands alone.
func Alone(f func(ctx context.Context) ([]byte, error)) Answer {
	return func(ctx context.Context, about string) ([]byte, error) {
		if about != "" {
			return nil, fmt.Errorf("this is asked without %q", about)
		}
		return f(ctx)
	}
}

// Server listens on one socket.
type Server struct {
	listener net.Listener
	answers  map[string]Answer
}

// Listen makes the socket, replacing one that nobody listens on any more; the caller holds the lock that says so. answers are
// by word and not changed afterwards.
func Listen(path string, answers map[string]Answer) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("replace socket: %w", err)
	}
	short, release, err := Short(path)
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := net.Listen("unix", short)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the name may be a successor's by then
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("restrict socket: %w", err)
	}
	return &Server{l, answers}, nil
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	slots := make(chan struct{}, atOnce)
	for {
		slots <- struct{}{}
		conn, err := s.listener.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			<-slots
			time.Sleep(accept)
			continue
		}
		go func() {
			defer func() { <-slots }()
			s.talk(ctx, conn)
		}()
	}
}

func (s *Server) talk(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, talkTime)
	defer cancel()
	conn.SetDeadline(time.Now().Add(talkTime))
	question, err := bufio.NewReader(io.LimitReader(conn, maxQuestion)).ReadString('\n')
	if err != nil {
		return
	}
	word, about, _ := strings.Cut(strings.TrimSpace(question), " ")
	answer, known := s.answers[word]
	if !known {
		fmt.Fprintf(conn, "error: this core does not know %q\n", strings.TrimSpace(question))
		return
	}
	out, err := answer(ctx, about)
	if err != nil {
		fmt.Fprintf(conn, "error: %s\n", err)
		return
	}
	conn.Write(out)
}

// Ask puts one question to the core that listens on path. It returns within the time of ctx.
func Ask(ctx context.Context, path, question string) ([]byte, error) {
	short, release, err := Short(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", short)
	if err != nil {
		return nil, fmt.Errorf("ask the core: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if _, err := io.WriteString(conn, question+"\n"); err != nil {
		return nil, fmt.Errorf("ask the core: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the core's answer: %w", err)
	}
	if text, failed := strings.CutPrefix(string(out), "error: "); failed {
		return nil, errors.New(strings.TrimSpace(text))
	}
	if len(out) == 0 {
		return nil, errors.New("the core ended the line without an answer")
	}
	return out, nil
}
