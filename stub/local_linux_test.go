package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

func TestFaultsForAPerson(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		text string
	}{
		{&fault{exitNoCore, "no core", "place one"}, 4, "error: no core\nhint: place one\n"},
		{&fault{code: 3}, 3, ""},
		{misuse("that is nothing"), 2, "error: that is nothing\nhint: `limpet help` lists the commands\n"},
		{errors.New("other"), 1, "error: other\n"},
		{fmt.Errorf("open x: %w", fs.ErrPermission), 1, "error: open x: permission denied\nhint: run it as the user that owns this folder, most often root\n"},
	} {
		if code, text := codeOf(tt.err); code != tt.code || text != tt.text {
			t.Errorf("%v: %d %q", tt.err, code, text)
		}
	}
}

// saved gives a box a record.
func (b *box) saved(r boot.Record) {
	b.t.Helper()
	sectors, _, _ := boot.Load(fsys.Disk{}, records(b.Layout))
	_, err := sectors.Save(r)
	b.must(err)
}

func (b *box) requested() (list []string) {
	names, _ := os.ReadDir(b.Request())
	for _, n := range names {
		data, err := os.ReadFile(filepath.Join(b.Request(), n.Name()))
		b.must(err)
		list = append(list, string(data))
		b.must(os.Remove(filepath.Join(b.Request(), n.Name())))
	}
	return list
}

// Without a stub a command leaves its request, once it makes sense.
func TestLocalCommandsWithoutAStub(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for _, tt := range []struct {
		name, args string
		request    string // "" = refused
		code       int
	}{
		{"hold", "", "hold\n", 0},
		{"resume", "", "resume\n", 0},
		{"look", "", "look\n", 0},
		{"look", "--wait", "look\n", 0},
		{"follow", "", "follow\n", 0},
		{"follow", "beta", "follow beta\n", 0},
		{"pin", "1.2", "pin 1.2\n", 0},
		{"pin", strings.Repeat("x", 64), "pin " + strings.Repeat("x", 64) + "\n", 0},
		{"unbar", hash, "unbar " + hash + "\n", 0},
		{"rollback", "1.1", "rollback 1.1\n", 0},
		{"rollback", "", "", exitFailed},
		{"pin", "", "", exitUsage},
		{"pin", "1.2 1.3", "", exitUsage},
		{"pin", strings.Repeat("x", 65), "", exitUsage},
		{"pin", "1.2\x01", "", exitUsage},
		{"pin", "ü", "", exitUsage},
		{"pin", "--force", "", exitUsage},
		{"follow", "-c", "", exitUsage},
		{"hold", "now", "", exitUsage},
		{"resume", "now", "", exitUsage},
		{"follow", "beta stable", "", exitUsage},
		{"rollback", "1.1 1.2", "", exitUsage},
		{"look", "--wait --wait", "", exitUsage},
		{"unbar", "", "", exitUsage},
		{"unbar", hash + " " + hash, "", exitUsage},
		{"look", "--soon", "", exitUsage},
		{"unbar", "abc", "", exitUsage},
	} {
		b := emptyBox(t)
		var out bytes.Buffer
		err := local(b.Layout, call{name: tt.name, args: strings.Fields(tt.args)}, &out)
		code := 0
		if err != nil {
			code, _ = codeOf(err)
		}
		if code != tt.code || (out.String() == "limpet is not running: this is done when it starts\n") != (tt.code == 0) {
			t.Errorf("%s %s: %v, %q", tt.name, tt.args, err, out.String())
		}
		if got := strings.Join(b.requested(), ""); got != tt.request {
			t.Errorf("%s %s asks for %q", tt.name, tt.args, got)
		}
	}
	b := emptyBox(t)
	b.saved(boot.Record{Good: boot.Core{Counter: 2, Length: 1, Hash: [32]byte{2}}, Previous: boot.Core{Counter: 1, Length: 1, Hash: [32]byte{1}}, Factory: boot.Core{Counter: 1, Length: 1, Hash: [32]byte{1}}})
	if err := local(b.Layout, call{name: "rollback"}, new(bytes.Buffer)); err != nil || len(b.requested()) != 1 {
		t.Errorf("rollback to the release before: %v", err)
	}
	nowhere, err := platforms.At(filepath.Join(t.TempDir(), "nothing"))
	b.must(err)
	for name, run := range map[string]func() error{
		"local": func() error { return local(nowhere, call{name: "hold"}, new(bytes.Buffer)) },
		"why":   func() error { return why(nowhere, new(bytes.Buffer)) },
	} {
		if code, text := codeOf(run()); code != exitNotRunning || !strings.Contains(text, "there is no Limpet in ") {
			t.Errorf("%s where there is nothing: %d %q", name, code, text)
		}
	}
}

// Beside a stub a command waits until that has looked, and says how it stands now.
func TestLocalCommandsBesideAStub(t *testing.T) {
	b := emptyBox(t)
	lock, err := platforms.Take(b.StubLock())
	b.must(err)
	defer lock.Release()
	b.must(view{state: running, looks: 4, channel: "stable", looked: 5}.save(b.RunStub()))
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(time.Second, func() {
			_ = view{state: running, looks: 5, phase: "fetch", newest: "1.3"}.save(b.RunStub()) // still busy with it
			b.requested()
		})
		time.AfterFunc(2*time.Second, func() {
			_ = view{state: running, looks: 5, channel: "stable", looked: 6, word: "held", text: "updates of this box are held"}.save(b.RunStub())
		})
		if err := local(b.Layout, call{name: "hold"}, &out); err != nil || out.String() != "updates of this box are held\n" {
			t.Errorf("%q, %v", out.String(), err)
		}
	})
	out.Reset()
	if err := why(b.Layout, &out); err != nil || out.String() != "updates of this box are held\n" {
		t.Errorf("why: %q, %v", out.String(), err)
	}
	lock.Release()
	out.Reset()
	code, _ := codeOf(why(b.Layout, &out))
	if code != exitNotRunning || out.String() != "limpet is not running, so nothing is updated; when it last ran: updates of this box are held\n" {
		t.Errorf("why, not running: %d %q", code, out.String())
	}
}

func TestWhyInOneSentence(t *testing.T) {
	for _, tt := range []struct {
		v    view
		want string
	}{
		{view{phase: "look", trial: "1.3"}, "this box is looking for a newer release right now"},
		{view{phase: "fetch", newest: "1.3"}, "this box is bringing release 1.3 right now"},
		{view{phase: "soak", trial: "1.3"}, "1.3 runs on trial; it is taken over for good when its soak is over"},
		{view{phase: "standby", trial: "1.3"}, "1.3 is being started beside the running core"},
		{view{phase: "handover", trial: "1.3"}, "1.3 is being started beside the running core"},
		{view{phase: "back", trial: "1.3"}, "something that held broke under 1.3: what ran before runs again, to see whether it holds there"},
		{view{trial: "1.3", word: "trial", text: "1.3 is on trial"}, "1.3 is here and is tried as soon as the running core has settled"},
		{view{trial: "1.3", word: "wave", text: "1.4 is not open yet"}, "1.3 is here and is tried as soon as the running core has settled. 1.4 is not open yet"},
		{view{phase: "soak", trial: "1.3", word: "wave", text: "1.4 is not open yet"}, "1.3 runs on trial; it is taken over for good when its soak is over. 1.4 is not open yet"},
		{view{phase: "look", trial: "1.3", word: "wave", text: "1.4 is not open yet"}, "this box is looking for a newer release right now"},
		{view{phase: "fetch", newest: "1.4", trial: "1.3", word: "wave", text: "x"}, "this box is bringing release 1.4 right now"},
		{view{text: "updates are held"}, "updates are held"},
		{view{}, "this box has not looked for releases since limpet started"},
		{view{looked: 1, channel: "beta"}, "this box runs the newest release of channel beta"},
	} {
		if got := tt.v.why(); got != tt.want {
			t.Errorf("%+v: %q", tt.v, got)
		}
	}
}

func TestHistoryForAPerson(t *testing.T) {
	b := emptyBox(t)
	var out bytes.Buffer
	if err := history(b.Layout, &out); err != nil || out.String() != "nothing has happened to the releases on this box yet\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	b.must(appendHistory(b.History(), "one\n"))
	b.must(appendHistory(b.History(), "two\n"))
	out.Reset()
	if err := history(b.Layout, &out); err != nil || out.String() != "one\ntwo\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	// Past its size the older half goes, at the end of a line.
	line := strings.Repeat("x", 99) + "\n"
	b.must(os.WriteFile(b.History(), []byte(strings.Repeat(line, maxHistory/100+1)), 0o644))
	b.must(appendHistory(b.History(), "last\n"))
	data, err := os.ReadFile(b.History())
	b.must(err)
	if len(data) > maxHistory/2+len(line)+5 || len(data) < maxHistory/2-len(line) || !strings.HasPrefix(string(data), line) || !strings.HasSuffix(string(data), "\n"+"last\n") {
		t.Errorf("%d bytes are left, from %.5q to %q", len(data), data, data[len(data)-6:])
	}
	b.must(os.WriteFile(b.History(), bytes.Repeat([]byte("x"), 2*maxHistory+1), 0o644))
	if err := history(b.Layout, &out); err == nil {
		t.Error("what is far too long is shown")
	}
	b.must(os.Remove(b.History()))
	b.must(os.Mkdir(b.History(), 0o755))
	if err := appendHistory(b.History(), "x"); err == nil {
		t.Error("a folder takes lines")
	}
}

// The tail of a rejected core's log is of its own life, and as many are kept as there are bars.
func TestTails(t *testing.T) {
	b := emptyBox(t)
	name := filepath.Join(b.Log, "core")
	if _, err := tail(name, 0); err == nil {
		t.Error("a log that is not there has a tail")
	}
	b.must(os.WriteFile(name, []byte("before\nits own\n"), 0o644))
	for from, want := range map[int64]string{0: "before\nits own\n", 7: "its own\n", 15: "", 16: "before\nits own\n"} {
		if got, err := tail(name, from); err != nil || string(got) != want {
			t.Errorf("from %d: %q, %v", from, got, err)
		}
	}
	b.must(os.WriteFile(name, append(bytes.Repeat([]byte("x"), maxTail), "end"...), 0o644))
	if got, err := tail(name, 0); err != nil || len(got) != maxTail || !bytes.HasSuffix(got, []byte("xend")) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	dir := t.TempDir()
	for i := range maxTails + 2 {
		b.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d", i)), nil, 0o600))
	}
	thin(dir, filepath.Join(dir, "00"))
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != maxTails+1 || left[0].Name() != "00" || left[1].Name() != "02" {
		t.Errorf("%v, %v", left, err)
	}
	thin(filepath.Join(dir, "nothing"), "")
}

// Commands that are the core's get the one that would run, by what was verified.
func TestTheCoreThatAnswers(t *testing.T) {
	b := emptyBox(t)
	if code, text := codeOf(second(goodCore(b.Layout))); code != exitNoCore || !strings.Contains(text, "there is no record of a core") {
		t.Errorf("no record: %d %q", code, text)
	}
	good, previous := b.place(2, []byte("good")), b.place(1, []byte("previous"))
	b.saved(boot.Record{Good: good, Previous: previous, Factory: previous})
	for _, want := range []string{"good", "previous"} {
		f, err := goodCore(b.Layout)
		b.must(err)
		data, err := io.ReadAll(f)
		if f.Close(); err != nil || string(data) != want {
			t.Errorf("%q answers, not %q: %v", data, want, err)
		}
		b.flip(map[string]boot.Core{"good": good, "previous": previous}[want])
	}
	if code, text := codeOf(second(goodCore(b.Layout))); code != exitNoCore || !strings.Contains(text, "is what was verified") {
		t.Errorf("none is sound: %d %q", code, text)
	}
}

func second[T any](_ T, err error) error { return err }

// A second stub waits a moment, because a status looks at the lock, too, and then says so.
func TestTakeLock(t *testing.T) {
	b := emptyBox(t)
	first, err := takeLock(b.StubLock())
	b.must(err)
	if code, text := codeOf(second(takeLock(b.StubLock()))); code != exitSecondStub || !strings.Contains(text, "another limpet already runs here") {
		t.Errorf("%d %q", code, text)
	}
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(100*time.Millisecond, func() { first.Release() })
		third, err := takeLock(b.StubLock())
		if err != nil {
			t.Fatalf("released within its moment: %v", err)
		}
		third.Release()
	})
	if _, err := takeLock(filepath.Join(b.Root, "nothing", "lock")); err == nil || errors.Is(err, platforms.ErrLocked) {
		t.Errorf("no folder: %v", err)
	}
}

// A core is started by what was hashed, knows what it is, and its lines and its end come back.
func TestLaunch(t *testing.T) {
	for _, nonce := range []string{"", "00ff"} {
		b := emptyBox(t)
		t.Setenv("LIMPET_ROOT", "/elsewhere")
		core := b.place(7, coreBytes(t, "x"))
		image, err := open(b.Layout, core)
		b.must(err)
		events, family := make(chan event, 100), new(platforms.Family)
		p := &process{number: 3, core: core, nonce: nonce}
		b.must(launch(family, b.Layout, image, p, events))
		image.Close()
		heard := map[string]bool{}
		for !heard["alive"] {
			e := <-events
			word, _, _ := strings.Cut(e.line, " ")
			heard[word] = true
			if e.number != 3 || e.flood || e.ended {
				t.Fatalf("%+v", e)
			}
		}
		if !heard["ready"] {
			t.Errorf("it said %v", heard)
		}
		argv := fmt.Sprintf(`argv=["limpet-core" "run" "--root" %q]`, b.Root)
		if nonce != "" {
			argv = fmt.Sprintf(`argv=["limpet-core" "run" "--root" %q "--standby" %q]`, b.Root, nonce)
		}
		if got := b.heard(); !strings.Contains(got, argv+" dir=/\n") {
			t.Errorf("it was started as %s, want %s", got, argv)
		}
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.child.Pid()))
		b.must(err)
		for _, want := range []string{"LIMPET_CONTRACT=1", "LIMPET_STUB=" + version, "LIMPET_CORE_COUNTER=7", "LIMPET_CORE_HASH=" + hexOf(core.Hash), "LIMPET_STARTED=3"} {
			if !bytes.Contains(environment, []byte("\x00"+want+"\x00")) && !bytes.HasSuffix(environment, []byte("\x00"+want+"\x00")) {
				t.Errorf("no %s in %q", want, environment)
			}
		}
		if bytes.Contains(environment, []byte("LIMPET_ROOT=")) {
			t.Error("what is for the stub reaches the core")
		}
		b.must(syscall.Kill(p.child.Pid(), syscall.SIGKILL))
		for e := range events {
			if e.ended {
				if e.number != 3 || e.exit != (platforms.Exit{Code: -1, Signal: 9}) || p.how(e.exit) != "signal-9" {
					t.Errorf("it ended as %+v", e)
				}
				break
			}
		}
		if p.killed = "hang"; p.how(platforms.Exit{}) != "hang" {
			t.Error("why we killed it is not said")
		}
	}
}
