package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

func words(list []warning) []string {
	var out []string
	for _, w := range list {
		out = append(out, w.word)
	}
	return out
}

func TestFirstStartAdoptsTheSignedCoreAndStops(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	cmd := b.start("LIMPET_TOKEN=secret", "MARK=kept")
	v := b.untilRunning()
	if v.pid != cmd.Process.Pid || v.core.version != "9.9.9" || v.core.counter != 1 || v.core.role != "good" || v.restarts != 0 {
		t.Errorf("view %+v", v)
	}
	r, found := b.record()
	if !found || r.Good != b.good || r.Factory != b.good || !r.Previous.None() {
		t.Errorf("record %v %+v", found, r)
	}
	if link, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", v.core.pid)); link != b.CoreFile(1, hexOf(b.good.Hash)) {
		t.Errorf("runs %s", link)
	}
	b.until("status line", func() bool { return strings.Contains(b.heard(), "line status counter=1 hash="+hexOf(b.good.Hash)) })
	heard := b.heard()
	for _, want := range []string{
		fmt.Sprintf("argv=[\"limpet-core\" \"run\" \"--root\" %q] dir=/\n", b.Root),
		"env MARK=kept\n", "env LIMPET_CONTRACT=1\n", "env LIMPET_STUB=0.0.1-test\n", "env LIMPET_CORE_COUNTER=1\n",
		"env LIMPET_STARTED=1\n",
	} {
		if !strings.Contains(heard, want) {
			t.Errorf("the core was not given %q:\n%s", want, heard)
		}
	}
	if strings.Contains(heard, "secret") {
		t.Error("the token reached the core's environment")
	}
	b.until("development warning", func() bool { return slices.Contains(words(b.view().warnings), "development") })

	if code := stop(t, cmd, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if v := b.view(); v.state != stopped || alive(v.core.pid) {
		t.Errorf("after the stop: %+v", v)
	}
	if !strings.Contains(b.heard(), "line stop service 10\n") {
		t.Errorf("heard %s", b.heard())
	}
	if text, _ := os.ReadFile(b.CoreLog()); string(text) != "this goes to the log\n" {
		t.Errorf("core log %q", text)
	}
}

func TestDeadCoreIsBackWithinASecond(t *testing.T) {
	t.Parallel()
	soonest(t, "another core, but for the time that a first start takes here and now", time.Second, func() time.Duration {
		b, begun := newBox(t), time.Now() // another box each time: it is its first death
		cmd := b.start()
		first := b.untilRunning()
		up, died := time.Since(begun), time.Now()
		b.must(syscall.Kill(first.core.pid, syscall.SIGKILL))
		b.until("another core", func() bool { v := b.view(); return v.state == running && v.core.pid != first.core.pid })
		took := time.Since(died) - up
		if v := b.view(); v.restarts != 1 || v.last != "signal-9" || slices.Contains(words(v.warnings), "restarting") {
			t.Errorf("%+v", v)
		}
		b.until("status line", func() bool { return strings.Contains(b.heard(), "restarts=1 last=signal-9") })
		stop(t, cmd, syscall.SIGTERM)
		return took
	})
}

func TestDyingCoreIsRestartedForEverButNeverTightly(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.mode("dies")
	b.start()
	b.until("four starts", func() bool { return b.starts() >= 4 })
	v := b.view()
	if v.last != "exit-3" || v.restarts < 3 {
		t.Errorf("%+v", v)
	}
	b.mode("")
	b.until("it lives", func() bool { return b.view().state == running })
	ends, starts := b.times("core ended"), b.times("core started")
	if len(starts) != len(ends)+1 {
		t.Fatalf("%d starts, %d ends", len(starts), len(ends))
	}
	for i, ended := range ends { // 250, 500, 1000 ms …, and a millisecond that the log cuts off
		if waited, least := starts[i+1].Sub(ended), min(firstWait<<i, mostWait)-time.Millisecond; waited < least {
			t.Errorf("start %d came %v after the death before it, at least %v are right", i+2, waited, least)
		}
	}
}

// times are when the stub logged a message.
func (b *box) times(message string) (list []time.Time) {
	b.t.Helper()
	data, err := os.ReadFile(b.StubLog())
	b.must(err)
	for l := range strings.Lines(string(data)) {
		if strings.Contains(l, " msg="+quoted(message)+" ") {
			at, err := time.Parse("2006-01-02T15:04:05.000Z", valueOf(l, "time"))
			b.must(err)
			list = append(list, at)
		}
	}
	return list
}

func TestChangedCoreIsRefused(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	cmd := b.start()
	first := b.untilRunning()
	stop(t, cmd, syscall.SIGTERM)
	b.flip(b.good)
	b.start()
	b.until("refusal", func() bool { return b.view().state == noCore })
	if b.starts() != 1 || !b.logged("core refused") {
		t.Errorf("%d starts", b.starts())
	}
	out, _, code := b.limpet("status")
	if code != 0 || !strings.Contains(out, "no core here may run") || !strings.Contains(out, "[no-core]") {
		t.Errorf("%d %s", code, out)
	}
	// Repaired, it runs again by itself: the stub stayed up and looks again.
	b.must(os.Remove(b.CoreFile(1, hexOf(b.good.Hash))))
	b.place(1, coreBytes(t, ""))
	v := b.untilRunning()
	if v.core.pid == first.core.pid || slices.Contains(words(v.warnings), "no-core") {
		t.Errorf("%+v", v)
	}
}

func TestDamagedGoodGivesWayToPreviousThenFactory(t *testing.T) {
	t.Parallel()
	b := emptyBox(t)
	factory, previous, good := coreBytes(t, "one"), coreBytes(t, "two"), coreBytes(t, "three")
	r := boot.Record{Good: b.place(3, good), Previous: b.place(2, previous), Factory: b.place(1, factory)}
	b.publish(time.Now(), map[uint64][]byte{1: factory, 2: previous, 3: good})
	sectors, _, _ := boot.Load(fsys.Disk{}, records(b.Layout))
	r, err := sectors.Save(r)
	b.must(err)
	for _, want := range []struct {
		damage boot.Core
		runs   uint64
		role   string
	}{{r.Trial, 3, "good"}, {r.Good, 2, "previous"}, {r.Previous, 1, "factory"}} {
		if !want.damage.None() {
			b.flip(want.damage)
		}
		cmd := b.start()
		v := b.untilRunning()
		if v.core.counter != want.runs || v.core.role != want.role {
			t.Errorf("runs %d as %s, want %d as %s", v.core.counter, v.core.role, want.runs, want.role)
		}
		if got := slices.Contains(words(v.warnings), "repair"); got != (want.role != "good") {
			t.Errorf("%s: warnings %v", want.role, v.warnings)
		}
		stop(t, cmd, syscall.SIGTERM)
		if after, _ := b.record(); after.Good != r.Good {
			t.Errorf("the record changed: %+v", after)
		}
	}
}

func TestWrongSignatureIsRefused(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	path := filepath.Join(b.TrustCore(), "stable-"+platform+".json")
	data, err := os.ReadFile(path)
	b.must(err)
	b.must(os.WriteFile(path, []byte(strings.Replace(string(data), `"counter":1`, `"counter":2`, 1)), 0o644))
	b.start()
	b.until("refusal", func() bool { return b.view().state == noCore })
	if _, found := b.record(); found || b.starts() != 0 {
		t.Errorf("a record was written (%v) or a core ran (%d)", found, b.starts())
	}
	if w := words(b.view().warnings); !slices.Contains(w, "metadata") {
		t.Errorf("warnings %v", w)
	}
}

// A core that nobody signed is not adopted, whatever it is called.
func TestUnsignedCoreIsNotAdopted(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.place(7, coreBytes(t, "evil"))
	b.start()
	if v := b.untilRunning(); v.core.counter != 1 {
		t.Errorf("runs %d", v.core.counter)
	}
	// Nothing names it, so it is removed once good runs.
	b.until("only good is left", func() bool {
		list, err := store.In(b.Layout).List()
		return err == nil && len(list) == 1 && list[0].Counter == 1
	})
}

func TestExpiredMetadataOnlyWarns(t *testing.T) {
	t.Parallel()
	b := emptyBox(t)
	b.place(1, coreBytes(t, ""))
	b.publish(time.Now().AddDate(-2, 0, 0), map[uint64][]byte{1: coreBytes(t, "")})
	b.start()
	v := b.untilRunning()
	for _, want := range []string{"expired", "clock-or-freeze"} {
		if !slices.Contains(words(v.warnings), want) {
			t.Errorf("no %s in %v", want, v.warnings)
		}
	}
}

func TestClockBehindOnlyWarns(t *testing.T) {
	t.Parallel()
	b := emptyBox(t)
	b.place(1, coreBytes(t, ""))
	b.publish(time.Now().AddDate(3, 0, 0), map[uint64][]byte{1: coreBytes(t, "")})
	b.start()
	if v := b.untilRunning(); !slices.Contains(words(v.warnings), "clock-behind") {
		t.Errorf("%v", v.warnings)
	}
}

func TestSecondStubIsRefused(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.start()
	b.untilRunning()
	_, text, code := b.limpet("run")
	if code != exitSecondStub || !strings.HasPrefix(text, "error: another limpet") || !strings.Contains(text, "\nhint: ") {
		t.Errorf("%d %s", code, text)
	}
	if b.starts() != 1 {
		t.Errorf("%d cores were started", b.starts())
	}
}

func TestKilledStubLeavesNothingAndStartsAgain(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	cmd := b.start()
	first := b.untilRunning()
	stop(t, cmd, syscall.SIGKILL)
	b.until("the core saw the end of its stub", func() bool { return strings.Contains(b.heard(), "\neof\n") })
	if _, _, code := b.limpet("status"); code != exitNotRunning {
		t.Errorf("status: %d", code)
	}
	again := b.start()
	b.until("a new life", func() bool { v := b.view(); return v.state == running && v.pid == again.Process.Pid })
	if v := b.view(); v.core.pid == first.core.pid || v.restarts != 0 {
		t.Errorf("%+v", v)
	}
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	stop1 := func() { c := b.start(); b.untilRunning(); stop(t, c, syscall.SIGTERM) }
	stop1()
	before, _ := b.record()
	// The sector that does not hold the record may be anything.
	for i := range 2 {
		data, err := os.ReadFile(b.Record(i))
		b.must(err)
		if r, err := boot.Decode(data); err != nil || r.Sequence != before.Sequence {
			b.must(os.WriteFile(b.Record(i), []byte("garbage"), 0o644))
		}
	}
	stop1()
	if after, found := b.record(); !found || after.Good != before.Good || b.logged("made anew") {
		t.Errorf("%v %+v", found, after)
	}
	// Both torn: verified and written anew, and that is said.
	for i := range 2 {
		b.must(os.WriteFile(b.Record(i), make([]byte, 100), 0o644))
		b.must(os.Truncate(b.Record(i), boot.Size-1))
	}
	b.start()
	v := b.untilRunning()
	if r, found := b.record(); !found || r.Good != b.good || !slices.Contains(words(v.warnings), "pins-lost") {
		t.Errorf("%v %+v %v", found, r, v.warnings)
	}
}

func TestCoresThatBreakTheContractAreKilled(t *testing.T) {
	t.Parallel()
	for mode, cause := range map[string]string{"floods": "flood", "long": "flood", "hangs": "hang"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.modeOfStart(1, mode)
			b.start()
			b.until("a core that behaves", func() bool { v := b.view(); return v.state == running && v.restarts == 1 })
			if v := b.view(); v.last != cause {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestDeafCoreIsKilledAfterItsTime(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.mode("deaf")
	cmd := b.start()
	v := b.untilRunning()
	begin := time.Now()
	if code := stop(t, cmd, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(begin); took < stopTime { // how soon after it is TestStop's to judge
		t.Errorf("took %v", took)
	}
	if alive(v.core.pid) {
		t.Error("the core still runs")
	}
}

func TestStopAskedTwiceDoesNotWait(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.mode("deaf")
	soonest(t, "the end", 3*time.Second, func() time.Duration {
		cmd := b.start()
		b.untilRunning()
		begin := time.Now()
		b.must(cmd.Process.Signal(syscall.SIGTERM))
		b.until("it stops", func() bool { return slices.Contains([]state{stopping, stopped}, b.view().state) })
		_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended, if that took the time of a stop
		_ = cmd.Wait()
		return time.Since(begin)
	})
}

func TestStopDuringBackoff(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.mode("dies")
	cmd := b.start()
	b.until("a wait", func() bool { return b.view().state == restarting })
	if code := stop(t, cmd, syscall.SIGINT); code != 0 || b.view().state != stopped {
		t.Errorf("exit code %d, %+v", code, b.view())
	}
}

func TestWhatADeadCoreLeavesIsEnded(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.mode("leaves-orphans")
	b.start()
	v := b.untilRunning()
	orphan := b.orphan()
	if !alive(orphan) {
		t.Fatalf("no orphan: %s", b.heard())
	}
	b.mode("")
	b.must(syscall.Kill(v.core.pid, syscall.SIGKILL))
	b.until("the orphan is gone", func() bool { return !alive(orphan) })
	b.untilRunning()
}

// What the core notes as a collector's process lives through the end of cores, and ends with the service.
func TestACollectorIsNotEndedWithADeadCore(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.mode("leaves-orphans")
	cmd := b.start()
	v := b.untilRunning()
	collector := b.orphan()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(collector) + "/stat")
	b.must(err)
	born := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[19]
	folder := filepath.Join(b.Collector(), "metrics")
	b.must(os.MkdirAll(folder, 0o700))
	note := func(born string) {
		b.must(os.WriteFile(filepath.Join(folder, "process"), []byte(strconv.Itoa(collector)+" "+born+" boot key 1 0\n"), 0o644))
	}
	note(born)
	b.mode("")
	b.must(syscall.Kill(v.core.pid, syscall.SIGKILL))
	b.until("another core", func() bool { return b.view().core.pid != v.core.pid && b.view().state == running })
	b.until("the sweep is over", func() bool { return b.view().restarts == 1 })
	if !alive(collector) {
		t.Fatal("the collector was ended with the core")
	}
	stop(t, cmd, syscall.SIGTERM)
	b.until("the collector is gone", func() bool { return !alive(collector) })
}

func TestReload(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	cmd := b.start()
	b.untilRunning()
	b.must(cmd.Process.Signal(syscall.SIGHUP))
	b.until("reload", func() bool { return strings.Contains(b.heard(), "line reload\n") })
}

func TestAUserThatIsNotTakenUpIsSaid(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.must(os.WriteFile(b.BoxFile(), []byte("user = nobody\n"), 0o644))
	cmd := b.start()
	b.until("warning", func() bool { return slices.Contains(words(b.view().warnings), "user") })
	b.must(os.WriteFile(b.BoxFile(), nil, 0o644))
	b.must(cmd.Process.Signal(syscall.SIGHUP))
	b.until("no warning", func() bool { return !slices.Contains(words(b.view().warnings), "user") })
}

func TestInitSystemIsToldAndItsWatchdogPatted(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenPacket("unixgram", socket)
	b.must(err)
	defer conn.Close()
	cmd := b.start("NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=6000000")
	b.must(conn.SetReadDeadline(time.Now().Add(patience)))
	expect := func(want string) {
		t.Helper()
		for buf := make([]byte, 200); ; {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	expect("READY=1")
	expect("STATUS=running")
	expect("WATCHDOG=1")
	expect("WATCHDOG=1")
	if strings.Contains(b.heard(), "NOTIFY_SOCKET") || strings.Contains(b.heard(), "WATCHDOG") {
		t.Error("the core was given the stub's socket")
	}
	stop(t, cmd, syscall.SIGTERM)
	expect("STOPPING=1")
}

func TestStatus(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if out, text, code := b.limpet("status"); code != exitNotRunning || !strings.Contains(out, "not running") || text != "" {
		t.Errorf("before the first start: %d %q %q", code, out, text)
	}
	begun := time.Now()
	b.start()
	v := b.untilRunning()
	out, code := b.answered("status")
	for _, want := range []string{"limpet 0.0.1-test: running since ", "core 9.9.9 (release 1, good): process " + strconv.Itoa(v.core.pid), "session: connected"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%d, no %q in\n%s", code, want, out)
		}
	}
	asked := time.Now()
	out, _ = b.answered("status", "--json")
	usual := time.Since(asked)
	var got struct {
		Format int
		Stub   struct {
			Running bool
			Pid     int
			State   string
			Since   time.Time
		}
		Release struct {
			Version, Hash, Role string
			Counter             uint64
		}
		Process  struct{ Pid, Restarts int }
		Record   struct{ Good, Previous *struct{ Counter uint64 } }
		Warnings []struct{ Word, Text string }
		Core     map[string]string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Format != 1 || !got.Stub.Running || got.Stub.Pid != v.pid || got.Stub.State != "running" || got.Stub.Since.Before(begun.Truncate(time.Second)) || got.Stub.Since.After(time.Now()) ||
		got.Release.Version != "9.9.9" || got.Release.Hash != hexOf(b.good.Hash) || got.Process.Pid != v.core.pid ||
		got.Record.Good.Counter != 1 || got.Record.Previous != nil || got.Core["session"] != "connected" || len(got.Warnings) == 0 {
		t.Errorf("%+v", got)
	}
	b.mode("status-fails")
	if out, _, code := b.limpet("status"); code != 0 || !strings.Contains(out, "the core does not answer") || strings.Contains(out, "half") {
		t.Errorf("%d %s", code, out)
	}
	b.mode("status-hangs")
	soonest(t, "a status without the core's part, but for the time of one with it", 2*partTime, func() time.Duration {
		begin := time.Now()
		if out, _, code := b.limpet("status", "--json"); code != 0 || !strings.Contains(out, `"core":null`) {
			t.Errorf("%d: %s", code, out)
		}
		return time.Since(begin) - usual
	})
	if _, text, code := b.limpet("status", "--yaml"); code != exitUsage || !strings.Contains(text, "--yaml") {
		t.Errorf("%d %s", code, text)
	}
}

// answered is a status with the core's part. It has three seconds for it, which a busy machine may take: then it is asked once more.
func (b *box) answered(args ...string) (out string, code int) {
	b.t.Helper()
	b.until("the core answers", func() bool {
		out, _, code = b.limpet(args...)
		return strings.Contains(out, "connected")
	})
	return out, code
}

func TestOtherCommandsAreTheCores(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if _, text, code := b.limpet("try", "x"); code != exitNoCore || !strings.Contains(text, "hint: ") {
		t.Errorf("before the first start: %d %s", code, text)
	}
	c := b.start()
	b.untilRunning()
	stop(t, c, syscall.SIGTERM)
	out, text, code := b.limpet("try", "./x.sh", "--json")
	if want := fmt.Sprintf("[\"limpet-core\" \"try\" \"--root\" %q \"./x.sh\" \"--json\"]\n", b.Root); code != 0 || out != want || text != "" {
		t.Errorf("%d %q, want %q (%s)", code, out, want, text)
	}
	if _, _, code := b.limpet("try", "fail"); code != 42 {
		t.Errorf("exit code %d", code)
	}
	b.flip(b.good)
	if out, text, code := b.limpet("try", "x"); code != exitNoCore || out != "" || !strings.HasPrefix(text, "error: ") {
		t.Errorf("changed core: %d %q %q", code, out, text)
	}
}

func TestNoLimpetHere(t *testing.T) {
	t.Parallel()
	l, _ := platforms.At(filepath.Join(t.TempDir(), "none"))
	b := &box{t: t, Layout: l}
	for _, command := range []string{"status", "try"} {
		_, text, code := b.limpet(command)
		if (code != exitNotRunning && code != exitNoCore) || !strings.HasPrefix(text, "error: ") || !strings.Contains(text, "hint: ") {
			t.Errorf("%s: %d %s", command, code, text)
		}
		if _, err := os.Stat(l.Root); err == nil {
			t.Errorf("%s made %s", command, l.Root)
		}
	}
}
