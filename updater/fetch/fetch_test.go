package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const name = "targets/core/1.bin"

func content() []byte { return bytes.Repeat([]byte("limpet"), 50_000) }

func want() Want {
	c := content()
	return Want{Name: name, Length: int64(len(c)), SHA256: sha256.Sum256(c)}
}

// straight comes again at once, and counts.
func straight(count *int) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		*count++
		return ctx.Err()
	}
}

// serve starts a server whose root is one handler, and returns its mirror.
func serve(t *testing.T, handler http.HandlerFunc) *Mirror {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	m, err := New(server.URL+"/release/", http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func whole(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/release/"+name {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content()))
}

func folder(t *testing.T) *Mirror {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content(), 0o644)); err != nil {
		t.Fatal(err)
	}
	m, err := New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Both kinds of mirrors keep one contract.
func TestMirrors(t *testing.T) {
	for kind, m := range map[string]*Mirror{"server": serve(t, whole), "folder": folder(t)} {
		t.Run(kind, func(t *testing.T) {
			ctx := t.Context()
			if got, err := m.Small(ctx, name, want().Length); err != nil || !bytes.Equal(got, content()) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if _, err := m.Small(ctx, name, want().Length-1); !errors.Is(err, ErrTooLarge) {
				t.Errorf("over its limit: %v", err)
			}
			if _, err := m.Small(ctx, "none.json", 10); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("missing: %v", err)
			}
			for _, bad := range []string{"../x", "/etc/passwd", "a/../../b", ""} {
				if _, err := m.Small(ctx, bad, 10); err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%q: %v", bad, err)
				}
			}
			for what, begin := range map[string][]byte{
				"nothing": nil, "a half": content()[:1000], "all": content(),
				"something else": []byte("something else"), "too much": append(content(), 'x'), "the length, other bytes": make([]byte, want().Length),
			} {
				part := filepath.Join(t.TempDir(), "part")
				if begin != nil {
					if err := os.WriteFile(part, begin, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				waits := 0
				err := m.Large(ctx, want(), part, straight(&waits))
				got, _ := os.ReadFile(part)
				if err != nil || waits != 0 || !bytes.Equal(got, content()) {
					t.Errorf("from %s: %v after %d waits, %d bytes", what, err, waits, len(got))
				}
			}
			wrong := want()
			wrong.SHA256[0]++
			waits, part := 0, filepath.Join(t.TempDir(), "part")
			if err := m.Large(ctx, wrong, part, straight(&waits)); !errors.Is(err, ErrWrongHash) || waits != 0 {
				t.Errorf("wrong bytes: %v, %d waits", err, waits)
			}
			long := want()
			long.Length--
			if err := m.Large(ctx, long, part, straight(&waits)); !errors.Is(err, ErrTooLarge) || waits != 0 {
				t.Errorf("longer than signed: %v, %d waits", err, waits)
			}
			if info, err := os.Stat(part); err != nil || info.Size() != 0 {
				t.Errorf("what is wrong is kept: %v %v", info, err)
			}
			none := want()
			none.Name = "targets/none"
			if err := m.Large(ctx, none, part, straight(&waits)); !errors.Is(err, fs.ErrNotExist) || waits != 0 {
				t.Errorf("missing: %v, %d waits", err, waits)
			}
		})
	}
}

func TestGoesOnWhereItWasCutOff(t *testing.T) {
	var sent atomic.Int64
	m := serve(t, func(w http.ResponseWriter, r *http.Request) {
		whole(&cut{ResponseWriter: w, left: 70_000, sent: &sent}, r)
	})
	waits, part := 0, filepath.Join(t.TempDir(), "part")
	if err := m.Large(t.Context(), want(), part, straight(&waits)); err != nil {
		t.Fatal(err)
	}
	if waits != 4 || sent.Load() != want().Length {
		t.Errorf("%d waits, %d bytes sent for %d", waits, sent.Load(), want().Length)
	}
}

// cut ends a connection after some bytes.
type cut struct {
	http.ResponseWriter
	left int
	sent *atomic.Int64
}

func (c *cut) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b[:min(len(b), c.left)])
	c.left -= n
	c.sent.Add(int64(n))
	if c.left == 0 {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func TestServersThatDoRangesWrongly(t *testing.T) {
	for what, handler := range map[string]http.HandlerFunc{
		"none": func(w http.ResponseWriter, r *http.Request) { w.Write(content()) },
		"another range": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", "bytes 5-9/10")
				w.WriteHeader(http.StatusPartialContent)
				io.WriteString(w, "wrong")
				return
			}
			w.Write(content())
		},
	} {
		t.Run(what, func(t *testing.T) {
			m := serve(t, handler)
			part := filepath.Join(t.TempDir(), "part")
			if err := os.WriteFile(part, content()[:500], 0o600); err != nil {
				t.Fatal(err)
			}
			waits := 0
			err := m.Large(t.Context(), want(), part, straight(&waits))
			if what == "none" && err != nil {
				t.Errorf("%v", err)
			}
			if status := (*StatusError)(nil); what != "none" && !errors.As(err, &status) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestComesAgainOnlyWhereThatMayHelp(t *testing.T) {
	for code, again := range map[int]bool{503: true, 500: true, 429: true, 403: false, 404: false, 401: false} {
		waits := 0
		m := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) })
		err := m.Large(t.Context(), want(), filepath.Join(t.TempDir(), "part"), straight(&waits))
		if err == nil || (waits == attempts-1) != again || !again && waits != 0 {
			t.Errorf("%d: %v after %d waits", code, err, waits)
		}
	}
	var calls atomic.Int32
	m := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < attempts {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		whole(w, r)
	})
	waits := 0
	if err := m.Large(t.Context(), want(), filepath.Join(t.TempDir(), "part"), straight(&waits)); err != nil || waits != attempts-1 {
		t.Errorf("%v after %d waits", err, waits)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := errors.New("asked to stop")
	dead, _ := New("http://127.0.0.1:1/", http.DefaultTransport)
	err := dead.Large(ctx, want(), filepath.Join(t.TempDir(), "part"), func(context.Context, int) error { cancel(); return stop })
	if !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestRedirectsAreFollowedButNotForEver(t *testing.T) {
	m := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/release/loop") {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
			return
		}
		if r.URL.Path == "/release/moved" {
			http.Redirect(w, r, "/release/"+name, http.StatusFound)
			return
		}
		whole(w, r)
	})
	if got, err := m.Small(t.Context(), "moved", want().Length); err != nil || len(got) != int(want().Length) {
		t.Errorf("%v", err)
	}
	if _, err := m.Small(t.Context(), "loop", 10); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("%v", err)
	}
}

// body answers each request with a reader.
type body func(ctx context.Context) io.Reader

func (b body) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(b(r.Context())), Request: r, Header: http.Header{}}, nil
}

// drip sends one byte every interval, for ever.
func drip(interval time.Duration) body {
	return func(ctx context.Context) io.Reader {
		return readFunc(func(b []byte) (int, error) {
			select {
			case <-time.After(interval):
				return 1, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
	}
}

func TestSilentAndCrawlingMirrors(t *testing.T) {
	for what, tt := range map[string]struct {
		interval, least, most time.Duration
	}{
		"silent":   {time.Hour, silences * stallTime, silences*stallTime + time.Second},
		"crawling": {10 * time.Second, rateWindow, 10 * rateWindow},
	} {
		t.Run(what, func(t *testing.T) {
			part := filepath.Join(t.TempDir(), "part")
			synctest.Test(t, func(t *testing.T) {
				m, err := New("http://mirror.example/", drip(tt.interval))
				if err != nil {
					t.Fatal(err)
				}
				// A crawling mirror brings something each time; the caller has had enough after ten windows.
				ctx, cancel := context.WithTimeout(t.Context(), 10*rateWindow)
				defer cancel()
				begin, waits := time.Now(), 0
				err = m.Large(ctx, want(), part, straight(&waits))
				took := time.Since(begin)
				if err == nil || waits == 0 || took < tt.least || took > tt.most {
					t.Errorf("%v after %v and %d waits", err, took, waits)
				}
				if what == "silent" && !errors.Is(err, ErrStalled) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestSmallFilesHaveTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := New("http://mirror.example/", drip(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, err = m.Small(t.Context(), "timestamp.json", 16<<10)
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != smallTime {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestNamesOfMirrors(t *testing.T) {
	for _, bad := range []string{"", "ftp://x/", "https://", "http:// bad", "://"} {
		if m, err := New(bad, nil); err == nil {
			t.Errorf("%q is %s", bad, m)
		}
	}
	m, err := New("https://me:secret@mirror.example/a?b#c", nil)
	if err != nil || strings.Contains(m.String(), "secret") || strings.ContainsAny(m.String(), "?#") {
		t.Errorf("%s %v", m, err)
	}
	_, err = m.Small(t.Context(), "../x", 1)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
