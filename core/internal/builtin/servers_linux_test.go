package builtin

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

// banner is a server that says something first, and repeats what it hears.
func banner(c net.Conn) {
	io.WriteString(c, "220 hi there\r\n")
	buf := make([]byte, 100)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "got %s", buf[:n])
	}
}

// website is a web server with a page of each kind.
func website() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		w.Header().Set("X-Seen", r.Method+" "+r.Host)
		io.WriteString(w, "<html>\nhello world\n</html>\n")
	})
	mux.HandleFunc("/agent", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.UserAgent()) })
	mux.HandleFunc("/chunks", func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, "a chunk of text\n")
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "a:b" {
			w.WriteHeader(401)
		}
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s ", r.Method, r.Header.Get("Content-Type"), r.Header.Get("X-Own"))
		io.Copy(w, io.LimitReader(r.Body, 1000))
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.Header().Set("Location", "/")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/status/503", http.StatusFound)
	})
	return mux
}

// sideBySide runs a builtin and its plugin with the same arguments, until they agree or have not for ten times: a busy machine holds up the one or the other.
func sideBySide(t *testing.T, r *Registry, builtin, name, args string, slack float64) {
	t.Helper()
	t.Run(builtin+" "+args, func(t *testing.T) {
		t.Parallel()
		compare(t, r, builtin, name, args, slack)
	})
}

func compare(t *testing.T, r *Registry, builtin, name, args string, slack float64) {
	words := strings.Fields(args)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "_", " ")
	}
	var err error
	for range 10 {
		want := plugin(t, name, words)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		got := r.Run(ctx, builtin, words)
		cancel()
		if err = alike(got, want, slack); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestTCPLikeThePlugin(t *testing.T) {
	r := New(Env{})
	at := fmt.Sprintf("-H 127.0.0.1 -p %d ", servers.TCP(t, banner))
	silent := fmt.Sprintf("-H 127.0.0.1 -p %d ", servers.TCP(t, func(c net.Conn) { io.Copy(io.Discard, c) }))
	hasty := fmt.Sprintf("-H 127.0.0.1 -p %d ", servers.TCP(t, func(net.Conn) {}))
	secure := fmt.Sprintf("-H 127.0.0.1 -p %d -S ", servers.TLS(t, "box", 100*24*time.Hour+time.Hour, banner))
	gone := fmt.Sprintf("-H 127.0.0.1 -p %d ", servers.Closed(t))
	for _, args := range []string{
		at, at + "-w 1 -c 2", at + "-w 0.00001 -c 9", at + "-c 0.00001", at + "-e 220", at + "-e there", at + "-e 220 -e nope", at + "-e nope",
		at + "-e nope -M crit", at + "-e nope -M ok", at + "-A -e 220 -e nope", at + "-e 220 -j", at + `-E -s foo\n -A -e 220 -e got`, at + "-s foo -A -e 220 -e got",
		at + "-m 3 -e 22", at + "-m 2 -e 220", at + "-q QUIT -e 220", silent, silent + "-e x -t 1", at + "-d 1 -e 220", at + "-d 1", hasty, hasty + "-e x",
		secure, secure + "-e 220", secure + "-D 30", secure + "-D 200", secure + "-D 200,150", secure + "--sni=other -e 220",
		gone, gone + "-r ok", gone + "-r warn", "-H nohost.invalid -p 1", at + "-t 3 -e 220",
	} {
		sideBySide(t, r, "tcp", "check_tcp", args, 0.5)
	}
}

func TestHTTPLikeThePlugin(t *testing.T) {
	r := New(Env{})
	s := httptest.NewServer(website())
	t.Cleanup(s.Close)
	at := "-H 127.0.0.1 -p " + s.URL[strings.LastIndexByte(s.URL, ':')+1:] + " "
	by := "-I 127.0.0.1 -H www.example -p " + s.URL[strings.LastIndexByte(s.URL, ':')+1:] + " "
	gone := fmt.Sprintf("-H 127.0.0.1 -p %d ", servers.Closed(t))
	silent := fmt.Sprintf("-H 127.0.0.1 -p %d -t 1 ", servers.TCP(t, func(c net.Conn) { io.Copy(io.Discard, c) }))
	for _, args := range []string{
		at, by, at + "-w 5 -c 9", at + "-w 0.00001", at + "-c 0.00001", at + "-u /nope", at + "-u /chunks -s chunk", at + "-s hello", at + "-s nope",
		at + "-r wor.d", at + "-r w[xy]r", at + "-R WORLD", at + "-r html>.*hello", at + "-l -r html>.*hello", at + "--invert-regex -r world", at + "--invert-regex -r nope",
		at + "-e 200", at + "-e 404,200", at + "-e 404", at + "-u /nope -e 404", at + "-u /nope -e HTTP/1.", at + "-d X-Seen", at + "-d Nope", at + "-d X-Seen:_GET",
		at + "-u /auth", at + "-u /auth -a me:a:b", at + "-u /echo -P a=b -s POST_application/x-www-form-urlencoded", at + "-u /echo -P x -T text/plain -s text/plain",
		at + "-u /echo -k X-Own:_yes -s yes", at + "-u /agent -A me_too -s me_too", at + "-j HEAD", at + "-N", at + "-u /echo -j PUT -P x -s PUT", at + "-m 100", at + "-m 100000", at + "-m 1:5", at + "-m 1:100000",
		at + "-M 1d", at + "-M 9999d", at + "-u /chunks -M 1d", at + "-u /status/500", at + "-u /status/302", at + "-u /status/302 -f warning", at + "-u /status/301 -f critical",
		at + "-u /status/302 -f follow", at + "-u /status/302 -f sticky -s hello", at + "-u /status/302 -f stickyport", at + "-u /away -f follow", at + "-u /loop -f follow", at + "-E", gone, silent,
		"-H nohost.invalid", at + "-u /status/204",
	} {
		sideBySide(t, r, "http", "check_http", args, 0.5)
	}
}

func TestHTTPSLikeThePlugin(t *testing.T) {
	r := New(Env{})
	for _, c := range []struct {
		holds time.Duration
		args  string
	}{
		{100*24*time.Hour + time.Hour, "-S"}, {100*24*time.Hour + time.Hour, "-S --sni -E"}, {100*24*time.Hour + time.Hour, "-C 30,14"}, {20*24*time.Hour + time.Hour, "-C 30,14"},
		{10*24*time.Hour + time.Hour, "-C 30,14"}, {10*24*time.Hour + time.Hour, "-C 30"}, {5*time.Hour + time.Minute, "-C 30,14"}, {-24 * time.Hour, "-C 30,14"}, {-24 * time.Hour, "-S"},
		{30*24*time.Hour + time.Hour, "-C 30"}, {14*24*time.Hour + time.Hour, "-C 30,14"},
	} {
		s := httptest.NewUnstartedServer(website())
		s.TLS = &tls.Config{Certificates: []tls.Certificate{servers.Certificate(t, "box.example", c.holds)}}
		s.StartTLS()
		t.Cleanup(s.Close)
		port := s.Listener.Addr().(*net.TCPAddr).Port
		sideBySide(t, r, "http", "check_http", fmt.Sprintf("-H 127.0.0.1 -p %d %s", port, c.args), 0.5)
	}
}

func TestNTPLikeThePlugin(t *testing.T) {
	r := New(Env{})
	for _, c := range []struct {
		ahead time.Duration
		args  string
	}{
		{time.Second, ""}, {-time.Second, ""}, {90 * time.Second, ""}, {-90 * time.Second, ""}, {200 * time.Second, ""}, {3 * time.Second, "-w 1 -c 2"}, {3 * time.Second, "-w 1 -c 5"},
		{-3 * time.Second, "-w 5 -c 9"},
	} {
		port := servers.UDP(t, servers.NTP(c.ahead))
		sideBySide(t, r, "ntp", "check_ntp_time", fmt.Sprintf("-H 127.0.0.1 -p %d %s", port, c.args), 0.05)
	}
	silent := servers.UDP(t, func([]byte) []byte { return nil })
	sideBySide(t, r, "ntp", "check_ntp_time", fmt.Sprintf("-H 127.0.0.1 -p %d -t 2", silent), 0)
}

func TestFileLikeThePlugin(t *testing.T) {
	r := New(Env{})
	old := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(old, make([]byte, 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, at, at); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"-f " + old, "-f " + old + " -w 5000 -c 9000", "-f " + old + " -w 5 -c 9000", "-f " + old + " -w 5 -c 9", "-f " + old + " -w 5000 -c 9000 -W 2000", "-f " + old + " -w 5000 -c 9000 -C 2000",
		"-f " + old + " -w 5000 -c 9000 -W 500 -C 100", "-f /nonexistent", "-i -f /nonexistent", "-f /tmp -w 99999999 -c 99999999",
	} {
		sideBySide(t, r, "file", "check_file_age", args, 5000)
	}
}

func TestProcsLikeThePlugin(t *testing.T) {
	r := New(Env{})
	if got := r.Run(t.Context(), "procs", []string{"-u", "no-such-user"}); got.State != check.Unknown || !strings.Contains(got.Text, `user name was not found: "no-such-user"`) {
		t.Errorf("%+v", got)
	}
	for _, args := range []string{"-u root", "-u 0 -w 100000", "-a no-such-argument-anywhere -c 1:", "--ereg-argument-array=no-such-[x]", "-u nobody -c 0:1000"} {
		sideBySide(t, r, "procs", "check_procs", args, 20)
	}
}

func TestPingLikeThePlugin(t *testing.T) {
	r := New(Env{})
	if got := r.Run(t.Context(), "ping", []string{"-H", "127.0.0.1", "-p", "1"}); got.State == check.Unknown {
		if !strings.Contains(got.Text, "ping_group_range") {
			t.Errorf("%+v", got)
		}
		return // neither kind of socket is for this user: it was told how to get one
	}
	for _, args := range []string{
		"-H 127.0.0.1 -w 100,20% -c 200,40% -p 1", "-H 127.0.0.1 -w 100,20% -c 200,40% -p 3", "-H 127.0.0.1 -w 0.00001,20% -c 200,40% -p 1",
		"-H 127.0.0.1 -w 0.00001,20% -c 0.00001,40% -p 1", "-4 -H localhost -w 100,20% -c 200,40% -p 2",
	} {
		sideBySide(t, r, "ping", "check_ping", args, 50)
	}
}
