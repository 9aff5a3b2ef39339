package local

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, path string) {
	t.Helper()
	s, err := Listen(path, map[string]Answer{
		"status": Alone(func(context.Context) ([]byte, error) { return []byte("{}"), nil }),
		"broken": Alone(func(context.Context) ([]byte, error) { return nil, errors.New("nothing to say") }),
		"why":    func(_ context.Context, about string) ([]byte, error) { return []byte("because of " + about), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func ask(t *testing.T, path, question string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := Ask(ctx, path, question)
	return string(out), err
}

func TestQuestions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "core.sock")
	serve(t, path)
	if out, err := ask(t, path, "status"); err != nil || out != "{}" {
		t.Errorf("status: %q, %v", out, err)
	}
	if _, err := ask(t, path, "broken"); err == nil || err.Error() != "nothing to say" {
		t.Errorf("broken: %v", err)
	}
	if _, err := ask(t, path, "status of what"); err == nil || !strings.Contains(err.Error(), `"of what"`) {
		t.Errorf("a word that stands alone: %v", err)
	}
	if out, err := ask(t, path, "why web two"); err != nil || out != "because of web two" {
		t.Errorf("why: %q, %v", out, err)
	}
	if _, err := ask(t, path, "sing"); err == nil || !strings.Contains(err.Error(), `"sing"`) {
		t.Errorf("unknown question: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket rights: %v, %v", info, err)
	}
}

func TestPathLongerThanAnAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "core.sock")
	serve(t, path)
	if out, err := ask(t, path, "status"); err != nil || out != "{}" {
		t.Errorf("status: %q, %v", out, err)
	}
}

// A core that was killed leaves its socket behind: the next one takes the name over.
func TestListenAfterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "core.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	if _, err := ask(t, path, "status"); err == nil {
		t.Error("a dead socket answered")
	}
	serve(t, path)
	if _, err := ask(t, path, "status"); err != nil {
		t.Error(err)
	}
}

// A caller that connects and says nothing must not keep others out.
func TestSilentCallers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "core.sock")
	serve(t, path)
	for range atOnce - 2 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if out, err := ask(t, path, "status"); err != nil || out != "{}" {
		t.Errorf("status: %q, %v", out, err)
	}
}
