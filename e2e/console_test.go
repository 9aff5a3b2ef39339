//go:build unix

package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/e2e/browser"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// shots is where screenshots go: $LIMPET_SHOTS keeps them.
func shots(t *testing.T) string {
	if dir := os.Getenv("LIMPET_SHOTS"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// signIn opens the one-time link in a new tab.
func (s *site) signIn(b *browser.Browser, width, height int, dark bool) *browser.Page {
	s.t.Helper()
	out, err := s.Run(s.ctx, "limpet-hub", "signin", "--json", "--data", s.hub.Data)
	s.must(err)
	var link struct{ URL string }
	s.must(json.Unmarshal([]byte(out), &link))
	p, err := b.Open(s.ctx, width, height, dark)
	s.must(err)
	s.t.Cleanup(p.Close)
	s.must(p.Go(s.ctx, link.URL))
	return p
}

// TestConsole looks at the console as a person does: empty, an agent appearing while the page is open, its checks, a run pressed and
// its output streaming, the agent leaving; narrow and wide, light and dark. Nothing may stick out sideways and no script may fail.
func TestConsole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := shots(t)
	profile := t.TempDir()
	b, err := browser.Start(s.ctx, profile)
	s.must(err)
	t.Cleanup(b.Close)

	// Without a cookie nothing is shown but how to sign in.
	stranger, err := b.Open(s.ctx, 1280, 900, false)
	s.must(err)
	s.must(stranger.Go(s.ctx, s.hub.URL()+"/"))
	s.must(stranger.Await(s.ctx, `document.body.innerText.includes("limpet-hub signin")`))
	s.must(stranger.Screenshot(s.ctx, filepath.Join(dir, "signin.png")))
	stranger.Close()

	page := s.signIn(b, 1280, 900, false)
	s.must(page.Await(s.ctx, `location.pathname === "/"`))
	s.must(page.Await(s.ctx, `document.body.innerText.includes("token create")`))
	s.must(page.Screenshot(s.ctx, filepath.Join(dir, "none-wide-light.png")))

	// An agent appears by itself.
	own := filepath.Join(s.Dir, "plugins")
	s.must(os.MkdirAll(own, 0o755))
	held := filepath.Join(own, "held")
	s.must(os.WriteFile(filepath.Join(own, "check_slow"), []byte("#!/bin/sh\necho first line\nwhile [ -e "+held+" ]; do sleep 0.1; done\necho 'second line | t=1s;2;3'\n"), 0o755))
	const slow = "checks:\n  - {name: slow, plugin: check_slow, every: 1h, timeout: 5m}\n" // it runs when it comes, and when somebody presses
	s.must(s.hub.Apply(s.ctx, slow))
	a := s.agent("box", "plugin_dirs = "+own)
	host, _ := os.Hostname()
	s.must(page.Await(s.ctx, `document.querySelector("table, .agents")?.innerText.includes("`+host+`")`))
	s.await("the default checks", func() bool {
		v, ok := get[struct{ Checks []any }](s, "/api/v1/agents/"+a.Fingerprint())
		return ok && len(v.Checks) >= 11
	})
	s.must(page.Screenshot(s.ctx, filepath.Join(dir, "one-wide-light.png")))

	// Samples of other programs on the box.
	port := s.sendSamples(a, slow)
	agent := "/agents/" + a.Fingerprint()
	for _, look := range []struct {
		name          string
		width, height int
		dark          bool
	}{{"wide-light", 1280, 1000, false}, {"wide-dark", 1280, 1000, true}, {"narrow-light", 390, 844, false}, {"narrow-dark", 390, 844, true}} {
		p := s.signIn(b, look.width, look.height, look.dark)
		for name, path := range map[string]string{"fleet": "/", "agent": agent, "checks": "/checks", "tokens": "/tokens", "log": "/log"} {
			s.must(p.Go(s.ctx, s.hub.URL()+path))
			var wide int
			s.must(p.Eval(s.ctx, `document.documentElement.scrollWidth - window.innerWidth`, &wide))
			if wide > 0 {
				t.Errorf("%s %s sticks out by %d px", name, look.name, wide)
			}
			s.must(p.Screenshot(s.ctx, filepath.Join(dir, name+"-"+look.name+".png")))
		}
		// A page that cannot read for ten seconds is let go by the hub, and comes again.
		errs := slices.DeleteFunc(p.Errors, func(text string) bool {
			return strings.Contains(text, "net::ERR_") && strings.Contains(text, "/api/v1/events")
		})
		if len(errs) > 0 {
			t.Errorf("%s: the page's errs errors: %s", look.name, strings.Join(errs, "\n"))
		}
	}

	// Run: the first line shows before the plugin has ended.
	p := s.signIn(b, 1280, 1000, false)
	s.must(p.Go(s.ctx, s.hub.URL()+agent))
	s.must(p.Await(s.ctx, `[...document.querySelectorAll("details.check")].some(d => d.innerText.includes("slow"))`))
	s.must(p.Eval(s.ctx, `(() => { const d = [...document.querySelectorAll("details.check")].find(d => d.querySelector("summary").innerText.includes("slow")); d.open = true; })()`, nil))
	s.must(p.Await(s.ctx, `[...document.querySelectorAll("details.check[open] button")].some(b => /run/i.test(b.innerText))`))
	s.must(os.WriteFile(held, nil, 0o644))
	s.must(p.Eval(s.ctx, `[...document.querySelectorAll("details.check[open] button")].find(b => /run/i.test(b.innerText)).click()`, nil))
	s.must(p.Await(s.ctx, `(t => t.includes("first line") && !t.includes("second line |"))([...document.querySelectorAll("details.check[open] pre")].map(e => e.innerText).join())`))
	s.must(os.Remove(held))
	s.must(p.Await(s.ctx, `[...document.querySelectorAll("details.check[open] pre")].map(e => e.innerText).join().includes("second line")`))
	s.must(p.Screenshot(s.ctx, filepath.Join(dir, "run-wide-light.png")))

	// The newest sample of each name, and a newer one without anybody pressing anything.
	s.must(p.Await(s.ctx, `!document.getElementById("samples").hidden && document.getElementById("samples").innerText.includes("shop.orders;country=de") && document.getElementById("samples").innerText.includes("12.5")`))
	s.send(port, "shop.orders;country=de 99.25\n")
	s.must(p.Await(s.ctx, `document.getElementById("samples").innerText.includes("99.25")`))
	s.must(p.Eval(s.ctx, `document.getElementById("samples").scrollIntoView()`, nil))
	s.must(p.Screenshot(s.ctx, filepath.Join(dir, "samples-wide-light.png")))

	// It leaves, and the page says why, by itself.
	s.must(p.Go(s.ctx, s.hub.URL()+"/"))
	s.must(a.Stop())
	s.must(p.Await(s.ctx, `document.body.innerText.toLowerCase().includes("stopped")`))
	s.must(p.Screenshot(s.ctx, filepath.Join(dir, "left-wide-light.png")))
}

// sendSamples switches an input on, beside what is checked, sends two samples and waits until the hub has them.
func (s *site) sendSamples(a *rig.Agent, checks string) (port string) {
	s.t.Helper()
	address, err := rig.FreeAddress()
	s.must(err)
	_, port, _ = net.SplitHostPort(address)
	s.must(s.hub.Apply(s.ctx, checks+"inputs: {graphite: "+port+"}\n"))
	s.await("the input listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	s.send(port, "shop.orders;country=de 12.5\nshop.a.name.that.is.much.longer.than.any.column.of.a.narrow.page.could.ever.be.wide.enough.to.hold 1e-7\n")
	s.await("the samples at the hub", func() bool {
		v, ok := get[struct {
			Samples []struct {
				Name  string
				Value float64
			}
		}](s, "/api/v1/agents/"+a.Fingerprint()+"/samples")
		return ok && len(v.Samples) == 2 && v.Samples[1].Value == 12.5
	})
	return port
}

// send sends Graphite lines.
func (s *site) send(port, lines string) {
	s.t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	s.must(err)
	_, err = io.WriteString(c, lines)
	s.must(errors.Join(err, c.Close()))
}
