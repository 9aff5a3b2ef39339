//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/e2e/browser"
)

// trick prints what turns, hides or moves: in its first line, behind it, in a label and a unit, and on stderr.
const trick = `#!/bin/sh
t="$(printf 'fine \342\200\256gnp.exe\342\200\254 \033[31mred\302\2331m \342\200\213\357\273\277 \327\251\327\234\327\225\327\235 end')"
echo "$t | '$t'=5$(printf '\342\200\256')x"
echo "behind it $t"
echo "to stderr $t" >&2
exit 1
`

// flood prints far more than the end of a run carries, and more than the agent keeps.
const flood = `#!/bin/sh
echo 'CRITICAL - flood'
i=0
while [ $i -lt 20000 ]; do echo "$i abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz"; i=$((i+1)); done
exit 2
`

// hidden finds what nobody sees anywhere on a page: in its text, and in what is shown while the mouse rests on it.
const hidden = `[document.body.innerText, ...[...document.querySelectorAll("[title]")].map(e => e.title)].join("\n").match(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g) || []`

// TestConsoleShowsWhatIsThere: no text of a plugin turns or hides what stands on a page, and a long output of a run is seen to be cut.
func TestConsoleShowsWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := shots(t)
	b, err := browser.Start(s.ctx, t.TempDir())
	s.must(err)
	t.Cleanup(b.Close)
	own := filepath.Join(s.Dir, "plugins")
	s.must(os.MkdirAll(own, 0o755))
	s.must(os.WriteFile(filepath.Join(own, "check_trick"), []byte(trick), 0o755))
	s.must(os.WriteFile(filepath.Join(own, "check_flood"), []byte(flood), 0o755))
	s.must(s.hub.Apply(s.ctx, "checks:\n  - {name: trick, plugin: check_trick, every: 5s}\n  - {name: flood, plugin: check_flood, every: 1h}\n"))
	a := s.agent("box", "plugin_dirs = "+own)
	s.await("both results", func() bool {
		v, ok := get[struct{ Checks []struct{ Check string } }](s, "/api/v1/agents/"+a.Fingerprint())
		text := ""
		for _, c := range v.Checks {
			text += c.Check + " "
		}
		return ok && strings.Contains(text, "trick") && strings.Contains(text, "flood")
	})

	p := s.signIn(b, 1280, 1000, false)
	clean := func(name string) {
		t.Helper()
		var found []string
		s.must(p.Eval(s.ctx, hidden, &found))
		if len(found) > 0 {
			t.Errorf("%s: %q is on the page as it came", name, found)
		}
		s.must(p.Screenshot(s.ctx, filepath.Join(dir, name+".png")))
	}
	const open = `(n => { const d = document.querySelector("details.check[data-check=" + n + "]"); d.open = true; d.scrollIntoView(); return d; })`
	for _, path := range []string{"/", "/log", "/agents/" + a.Fingerprint()} { // as the hub rendered them, and as the script went on with them
		s.must(p.Go(s.ctx, s.hub.URL()+path))
		s.must(p.Await(s.ctx, `document.body.innerText.includes("fine \\u202egnp.exe\\u202c \\u001b[31mred")`))
		s.must(p.Await(s.ctx, `document.getElementById("live").dataset.live === "yes"`))
		clean("text" + strings.ReplaceAll(strings.TrimSuffix(path, a.Fingerprint()), "/", "-"))
	}
	s.must(p.Eval(s.ctx, open+`("trick").querySelector("[data-run]").click()`, nil))
	s.must(p.Await(s.ctx, `(t => t.includes("behind it fine \\u202egnp") && t.includes("to stderr fine \\u202e"))(document.querySelector("[data-check=trick] [data-output]").innerText)`))
	s.must(p.Await(s.ctx, `document.querySelector("[data-check=trick] [data-long]").innerText.includes("behind it fine \\u202e")`))
	s.must(p.Await(s.ctx, `document.querySelector("[data-check=trick] .plot .label")?.innerText.includes("\\u202e")`))
	clean("text-run")

	// A run whose output is longer than anybody carries.
	s.must(p.Eval(s.ctx, open+`("flood").querySelector("[data-run]").click()`, nil))
	s.must(p.Await(s.ctx, `document.querySelector("[data-check=flood] [data-panel-head]").innerText.startsWith("Critical: exit 2")`))
	s.must(p.Await(s.ctx, `document.querySelector("[data-check=flood] .remarks").innerText.match(/longer than the limit.*\n.*bytes, the first 1048576 kept/s)`))
	const panel = `document.querySelector("[data-check=flood] [data-output]")`
	var seen struct{ All, Seen, At, Length, Wide int }
	s.await("the end of the output, in a panel that does not grow with it", func() bool {
		before := seen
		s.must(p.Eval(s.ctx, `(o => ({All: o.scrollHeight, Seen: o.clientHeight, At: Math.round(o.scrollTop), Length: o.innerText.length, Wide: o.scrollWidth - o.clientWidth}))(`+panel+`)`, &seen))
		if seen != before {
			t.Logf("the panel shows %+v", seen)
		}
		return seen.Length >= 200<<10 && seen.Length <= 260<<10 && seen.Seen <= 400 && seen.All >= 10*seen.Seen && seen.At+seen.Seen >= seen.All-8 && seen.Wide <= 0
	})
	s.must(p.Screenshot(s.ctx, filepath.Join(dir, "flood-end.png")))
	s.must(p.Eval(s.ctx, panel+`.scrollTop = 0`, nil))
	s.must(p.Await(s.ctx, `(t => /^… the first \d{3} KiB are not shown here/.test(t) && t.includes(" abcdefghijklmnopqrstuvwxyz"))(`+panel+`.innerText)`))
	s.must(p.Screenshot(s.ctx, filepath.Join(dir, "flood-begin.png")))
}
