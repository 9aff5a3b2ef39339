//go:build unix

// Package browser drives a real headless Chromium over its DevTools protocol, for the tests that look at the console as a person
// does. It owns the process and its profile folder; one Page is used by one goroutine.
package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

const startTime = 3 * time.Minute // a cold Chromium on a busy machine

// Browser is one Chromium with a profile of its own.
type Browser struct {
	cmd     *exec.Cmd
	done    chan struct{}
	address string // of its DevTools, host:port
}

// Start starts a Chromium whose profile lies below dir. $LIMPET_TEST_BROWSER names the program, else chromium is looked up.
// Certificates are not verified: a hub's is its own.
func Start(ctx context.Context, dir string) (*Browser, error) {
	program := os.Getenv("LIMPET_TEST_BROWSER")
	if program == "" {
		found, err := exec.LookPath("chromium")
		if err != nil {
			return nil, errors.New("find chromium: not installed; run make deps")
		}
		program = found
	}
	b := &Browser{done: make(chan struct{})}
	b.cmd = exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--ignore-certificate-errors", "--remote-debugging-port=0", "--user-data-dir="+dir, "about:blank")
	if libs := os.Getenv("LIMPET_TEST_LIBS"); libs != "" {
		b.cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libs)
	}
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(dir, "chromium.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	b.cmd.Stdout, b.cmd.Stderr = log, log
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		b.cmd.Wait()
		close(b.done)
	}()
	if err := b.findPort(ctx, dir); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// findPort waits for the file in which Chromium says where it listens.
func (b *Browser) findPort(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "DevToolsActivePort")); err == nil {
			if port, _, found := strings.Cut(string(text), "\n"); found {
				b.address = "127.0.0.1:" + port
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-b.done:
			log, _ := os.ReadFile(filepath.Join(dir, "chromium.log"))
			return fmt.Errorf("chromium ended at its start: %s", log)
		case <-ctx.Done():
			return errors.New("chromium did not say where it listens")
		}
	}
}

// Close ends the browser with all its processes.
func (b *Browser) Close() {
	syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	<-b.done
}

// Page is one tab.
type Page struct {
	conn   *websocket.Conn
	next   int
	Errors []string // uncaught exceptions and errors on the page's console so far, read with every call
}

// Open opens a tab of the given size in CSS pixels.
func (b *Browser) Open(ctx context.Context, width, height int, dark bool) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+b.address+"/json/new?about:blank", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("open tab: %w", err)
	}
	defer resp.Body.Close()
	var tab struct {
		URL string `json:"webSocketDebuggerUrl"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tab); err != nil {
		return nil, fmt.Errorf("open tab: %w", err)
	}
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, tab.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("open tab: %w", err)
	}
	p := &Page{conn: conn}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return p, errors.Join(
		p.call(ctx, "Page.enable", nil, nil),
		p.call(ctx, "Runtime.enable", nil, nil),
		p.call(ctx, "Log.enable", nil, nil),
		p.call(ctx, "Security.setIgnoreCertificateErrors", map[string]any{"ignore": true}, nil),
		p.call(ctx, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil),
		p.call(ctx, "Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil),
	)
}

// Close closes the tab's line; the tab ends with the browser.
func (p *Page) Close() { p.conn.Close() }

// Go loads a page and waits until its document is complete.
func (p *Page) Go(ctx context.Context, url string) error {
	var nav struct {
		ErrorText string `json:"errorText"`
	}
	if err := p.call(ctx, "Page.navigate", map[string]any{"url": url}, &nav); err != nil {
		return err
	}
	if nav.ErrorText != "" {
		return fmt.Errorf("load %s: %s", url, nav.ErrorText)
	}
	return p.Await(ctx, `document.readyState === "complete" && location.href !== "about:blank"`)
}

// Eval runs an expression in the page and reads its value, which must be JSON, into v (nil = not wanted). A promise is waited for.
func (p *Page) Eval(ctx context.Context, expression string, v any) error {
	var out struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.call(ctx, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &out)
	if err != nil {
		return err
	}
	if out.Exception != nil {
		return fmt.Errorf("evaluate %s: %s %s", expression, out.Exception.Text, out.Exception.Exception.Description)
	}
	if v == nil || out.Result.Value == nil {
		return nil
	}
	return json.Unmarshal(out.Result.Value, v)
}

// Await waits until the expression is true.
func (p *Page) Await(ctx context.Context, expression string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var ok bool
		err := p.Eval(ctx, "!!("+expression+")", &ok)
		if err == nil && ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w (last: %v)", expression, ctx.Err(), err)
		}
	}
}

// Screenshot writes what the window shows as a PNG.
func (p *Page) Screenshot(ctx context.Context, file string) error {
	var shot struct {
		Data string `json:"data"`
	}
	if err := p.call(ctx, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot); err != nil {
		return err
	}
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		return err
	}
	return os.WriteFile(file, png, 0o644)
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// call makes one DevTools call; events that come meanwhile are looked at for the page's errors and dropped.
func (p *Page) call(ctx context.Context, method string, params, result any) error {
	p.next++
	id := p.next
	if params == nil {
		params = struct{}{}
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(startTime)
	}
	p.conn.SetWriteDeadline(deadline)
	p.conn.SetReadDeadline(deadline)
	if err := p.conn.WriteJSON(map[string]any{"id": id, "method": method, "params": params}); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	for {
		var m message
		if err := p.conn.ReadJSON(&m); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		if m.ID != id {
			p.note(m)
			continue
		}
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	}
}

func (p *Page) note(m message) {
	var entry struct {
		Entry struct{ Level, Text, URL string } `json:"entry"`
	}
	switch m.Method {
	case "Runtime.exceptionThrown":
		p.Errors = append(p.Errors, string(m.Params))
	case "Log.entryAdded":
		if json.Unmarshal(m.Params, &entry) == nil && entry.Entry.Level == "error" {
			p.Errors = append(p.Errors, strings.TrimSpace(entry.Entry.Text+" "+entry.Entry.URL))
		}
	}
}
