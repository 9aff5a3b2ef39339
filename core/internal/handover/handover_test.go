package handover

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// testClock stands an hour and a bit after boot.
func testClock() Clock {
	return Clock{Now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), Since: 3700 * time.Second, BootID: "b007"}
}

func testBook(c Clock) Book {
	return Book{
		Core: "2.5.0", Epoch: 0x19c0ffee, Revision: 7, At: 3700 * time.Second,
		Plan: schedule.Plan{
			Slots: []schedule.Slot{
				{Name: "disk", Every: time.Minute, Anchor: c.Now.Add(-90 * time.Second), Next: c.Now.Add(30 * time.Second)},
				{Name: "late", Every: time.Second, Anchor: c.Now.Add(-2 * time.Hour), Next: c.Now.Add(-5 * time.Millisecond)},
				{Name: "nightly", Cron: "CRON_TZ=Europe/Berlin 0 2 * * *", Next: c.Now.Add(12 * time.Hour), Wall: time.Unix(1777680000, 0)},
			},
			Flights: []schedule.Flight{{Name: "slow", Start: c.Now.Add(-4 * time.Second), Timeout: 30 * time.Second}},
		},
		States: []check.Result{
			{Check: "disk", State: check.Warning, Text: "DISK WARNING - \"/\" 91% used\tsoon full", Start: time.Unix(0, 1777636730000000001), Duration: 12 * time.Millisecond},
			{Check: "late", State: check.OK, Start: time.Unix(0, 1777636800000000000), Duration: time.Millisecond},
			{Check: "soft", State: check.Critical, Start: time.Unix(0, 1777636800000000000), Duration: time.Millisecond, Standing: softStanding()},
		},
	}
}

// softStanding is that of a check that is in its second attempt of three, after it flapped.
func softStanding() check.Standing {
	s, ok := check.Standing{
		State: check.Critical, Attempt: 2, Attempts: 3, Hard: check.OK, Flapping: true,
		Since: time.Unix(0, 1777636740000000000), HardSince: time.Unix(0, 1777600000000000000),
	}.WithFlaps("000020200000101010000")
	if !ok {
		panic("no standing")
	}
	return s
}

// What a core wrote before there were standings is read for ever.
func TestGoldenWithoutStandings(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("testdata", "book-1-before-standings"))
	if err != nil {
		t.Fatal(err)
	}
	want := testBook(testClock())
	want.States = want.States[:2]
	got, err := parse(old, testClock())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v; want %+v", got, err, want)
	}
}

// The golden file is format 1 for ever: a core must read what the one before it wrote.
func TestGolden(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "book-1"))
	if err != nil {
		t.Fatal(err)
	}
	c := testClock()
	if got := testBook(c).marshal(c); string(got) != string(want) {
		t.Errorf("written:\n%s\nwant:\n%s", got, want)
	}
	got, err := parse(want, c)
	if err != nil || !reflect.DeepEqual(got, testBook(c)) {
		t.Errorf("read %+v, %v; want %+v", got, err, testBook(c))
	}
}

// Where checks stand is read in another boot, too; when they are due is not there to be read. Whatever cuts the writing short, the one before or the next is there.
func TestStandingsOutliveTheBoot(t *testing.T) {
	c := testClock()
	other := Clock{Now: c.Now.Add(time.Hour), Since: time.Second, BootID: "another"}
	first, second := testBook(c), testBook(c)
	second.States = slices.Clone(second.States)
	second.States[2].Standing.Attempt = 3
	states := func(b Book) string { return fmt.Sprintf("%+v", b.States) }
	for cut := 1; ; cut++ {
		disk := crashdisk.New()
		if err := errors.Join(disk.MkdirAll("/state", 0o755), disk.SyncDir("/"), KeepStandings(disk, "/state/standings", first, c)); err != nil {
			t.Fatal(err)
		}
		disk.CutAt(cut)
		err := KeepStandings(disk, "/state/standings", second, c)
		crashdisk.Every(0, func(choose crashdisk.Chooser) bool {
			got, readErr := ReadStandings(disk.Restart(choose), "/state/standings", other)
			if readErr != nil || fmt.Sprintf("%+v", got) != states(second) && (err == nil || fmt.Sprintf("%+v", got) != states(first)) {
				t.Errorf("cut at %d: %v; then %v, %+v", cut, err, readErr, got)
			}
			return true
		})
		if err == nil {
			break
		}
	}
	path := filepath.Join(t.TempDir(), "standings")
	if err := KeepStandings(fsys.Disk{}, path, first, c); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(whole), "\nevery ") || strings.Contains(string(whole), "\nrun ") {
		t.Fatalf("%v\n%s", err, whole)
	}
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 4
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadStandings(fsys.Disk{}, path, other); err == nil {
			t.Fatalf("byte %d changed: %+v", i, got)
		}
	}
}

// Notes have no format of their own: a core of format 1 reads lines of this form for ever.
func TestGoldenNote(t *testing.T) {
	if got := note("disk", 3696*time.Second); got != "disk 3696000000000\n" {
		t.Errorf("%q", got)
	}
}

// Another process counts monotonic time from somewhere else: what it reads lies as far away as what was written.
func TestTimesMoveWithTheClock(t *testing.T) {
	c := testClock()
	later := Clock{Now: c.Now.Add(24 * time.Hour), Since: c.Since + 2*time.Second, BootID: c.BootID}
	got, err := parse(testBook(c).marshal(c), later)
	if err != nil {
		t.Fatal(err)
	}
	if d := got.Plan.Slots[0].Next.Sub(later.Now); d != 28*time.Second {
		t.Errorf("next slot in %s, want 28s", d)
	}
}

func TestParseRefuses(t *testing.T) {
	c := testClock()
	good := string(testBook(c).marshal(c))
	sealed := func(lines string) string {
		b := Book{Core: "x", At: 1}
		all := string(b.marshal(c))
		return reseal(all[:strings.LastIndex(all, "end ")] + lines)
	}
	other := c
	other.BootID = "another"
	if _, err := parse([]byte(good), other); !errors.Is(err, ErrOtherBoot) {
		t.Errorf("another boot: %v", err)
	}
	if _, err := parse([]byte(sealed("shelf of a later version\nevery a 1000000000 1 2 and more\n")), c); err != nil {
		t.Errorf("unknown lines and fields: %v", err)
	}
	for name, text := range map[string]string{
		"empty":             "",
		"another version":   strings.Replace(good, "limpet-handover 1", "limpet-handover 2", 1),
		"cut":               good[:len(good)/2],
		"a bit":             strings.Replace(good, "WARNING", "WARNINH", 1),
		"something behind":  good + "x",
		"bad name":          sealed("every a/b 1000000000 1 2\n"),
		"no interval":       sealed("every a 0 1 2\n"),
		"negative":          sealed("every a -5 1 2\n"),
		"too long interval": sealed("every a 99999999999999999 1 2\n"),
		"far time":          sealed("every a 1000000000 9223372036854775807 2\n"),
		"field missing":     sealed("every a 1000000000 1\n"),
		"no cron":           sealed("cron a 1 2 \"\"\n"),
		"unquoted":          sealed("state a 0 1 1 hello\n"),
		"attempt 0":         sealed("state a 2 1 1 \"x\" 0 3 0 1 1 false 000000000000000000000\n"),
		"no flaps":          sealed("state a 2 1 1 \"x\" 1 3 0 1 1 false\n"),
		"short flaps":       sealed("state a 2 1 1 \"x\" 1 3 0 1 1 false 000\n"),
		"state 4":           sealed("state a 4 1 1 \"x\"\n"),
		"long text":         sealed("state a 0 1 1 \"" + strings.Repeat("x", 600) + "\"\n"),
	} {
		if _, err := parse([]byte(text), c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// reseal puts a right checksum behind lines.
func reseal(lines string) string {
	return fmt.Sprintf("%send %08x\n", lines, crc32.Checksum([]byte(lines), castagnoli))
}

func TestLongTextIsCutBetweenCharacters(t *testing.T) {
	c := testClock()
	b := Book{Core: "x", At: 1, States: []check.Result{{Check: "a", Start: time.Unix(0, 0), Text: strings.Repeat("é", 600)}}}
	got, err := parse(b.marshal(c), c)
	if err != nil || got.States[0].Text != strings.Repeat("é", maxText/2) {
		t.Errorf("%v, %q", err, got.States[0].Text)
	}
}

func TestFormerCores(t *testing.T) {
	dir := t.TempDir()
	notes, err := Begin(dir, Name(5))
	if err != nil {
		t.Fatal(err)
	}
	c := notes.Clock
	start := time.Now()
	runs := []schedule.Flight{{Name: "a", Start: start, Timeout: time.Minute}, {Name: "b", Start: start, Timeout: time.Minute}, {Name: "c", Start: start, Timeout: time.Minute}}
	write := func(name string, at time.Duration, runs []schedule.Flight) {
		if err := Write(filepath.Join(dir, name), Book{Core: "x", At: at, Plan: schedule.Plan{Flights: runs}}, c); err != nil {
			t.Fatal(err)
		}
	}
	write(Name(5), c.Since, runs)
	write(Name(4), c.Since-time.Hour, runs) // of a core that is gone
	write(Name(6), c.Since, nil)
	os.WriteFile(filepath.Join(dir, Name(6)), []byte("damaged"), 0o600)

	latest, living, err := FindFormer(dir, ReadClock())
	if err != nil || latest.At != c.Since || len(living) != 1 || len(living[0].Runs()) != 3 {
		t.Fatalf("found %+v, %+v, %v", latest, living, err)
	}
	for _, gone := range []string{Name(4), Name(6)} {
		if _, err := os.Stat(filepath.Join(dir, gone)); err == nil {
			t.Errorf("%s of a core that is gone is still there", gone)
		}
	}
	f := living[0]
	defer f.Close()
	if over, gone := f.Look(); len(over) > 0 || gone {
		t.Errorf("at first: %v over, gone %v", over, gone)
	}
	if err := notes.Ended("b", start.Add(-time.Minute)); err != nil { // an earlier run of it
		t.Error(err)
	}
	if err := notes.Ended("a", start); err != nil {
		t.Error(err)
	}
	if over, gone := f.Look(); !reflect.DeepEqual(over, []string{"a"}) || gone {
		t.Errorf("after one ended: %v over, gone %v", over, gone)
	}
	notes.file.WriteString("b 12") // a note cut off by the end of its core
	notes.Close()
	if over, gone := f.Look(); len(over) != 2 || !gone || len(f.Runs()) != 0 {
		t.Errorf("after the core ended: %v over, gone %v", over, gone)
	}
	f.Close()
	Forget(dir, f.Name)
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRunsThatOutliveTheirTimeoutCountAsOver(t *testing.T) {
	dir := t.TempDir()
	notes, err := Begin(dir, Name(5))
	if err != nil {
		t.Fatal(err)
	}
	defer notes.Close()
	old := []schedule.Flight{{Name: "a", Start: time.Now().Add(-time.Hour), Timeout: time.Minute}}
	if err := Write(filepath.Join(dir, Name(5)), Book{Core: "x", At: 1, Plan: schedule.Plan{Flights: old}}, notes.Clock); err != nil {
		t.Fatal(err)
	}
	_, living, err := FindFormer(dir, ReadClock())
	if err != nil || len(living) != 1 {
		t.Fatal(living, err)
	}
	defer living[0].Close()
	if over, gone := living[0].Look(); len(over) != 1 || gone {
		t.Errorf("%v over, gone %v", over, gone)
	}
}

func FuzzParse(f *testing.F) {
	c := testClock()
	f.Add(string(testBook(c).marshal(c)))
	f.Add("limpet-handover 1\nat 5 b007\ncron a 1 2 \"* * * * *\"\n")
	f.Add("limpet-handover 1\nat 5 b007\nstate a 0 1 2 \"x\" later\nrun a 1 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		if at := strings.LastIndex(text, "end "); at >= 0 {
			text = text[:at]
		}
		b, err := parse([]byte(reseal(text)), c)
		if err != nil {
			return
		}
		again, err := parse(b.marshal(c), c)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v\n%+v", err, b)
		}
		b.Core, again.Core = word(b.Core), word(again.Core)
		if !reflect.DeepEqual(b, again) {
			t.Errorf("read %+v, again %+v", b, again)
		}
	})
}

// Books of any length follow each other; what a kill left of the next one harms neither the last one nor those that follow.
func TestBooksFollowEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checks")
	c := ReadClock()
	states := func(n int) int { return n * 37 % 200 }
	write := func(n int) {
		t.Helper()
		b := Book{Core: "1", Epoch: 1 << 20, At: time.Duration(n)}
		for i := range states(n) {
			b.States = append(b.States, check.Result{Check: fmt.Sprintf("c%d", i), Text: "fine"})
		}
		if err := Write(path, b, c); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(n int, when string) {
		t.Helper()
		if b, err := Read(path, c); err != nil || int(b.At) != n || len(b.States) != states(n) {
			t.Fatalf("%s: book %d with %d states, %v, want book %d", when, b.At, len(b.States), err, n)
		}
	}
	for n := 1; n <= 100; n++ {
		write(n)
		expect(n, "written")
		if err := os.WriteFile(path+".new", []byte(strings.Repeat("torn\n", n*7%90)), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(n, "after a kill")
	}
	for _, gone := range []string{path, path + ".new"} { // somebody cleans up
		os.Remove(gone)
		write(7)
		expect(7, "without "+gone)
	}
}

// FuzzNotes: of what a former core notes only runs count that were known, each once.
func FuzzNotes(f *testing.F) {
	f.Add([]byte("a 1\nb 2\n"), 3)
	f.Add([]byte("a 1\na 1\n\x00\nb "), 1)
	f.Add(bytes.Repeat([]byte("x"), 9000), 4096)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		runs := map[string]schedule.Flight{"a 1\n": {Name: "a"}, "b 2\n": {Name: "b"}}
		cut = min(max(cut, 0), len(data))
		former := &Former{runs: runs, file: os.Stdin, ended: bufio.NewReaderSize(io.MultiReader(bytes.NewReader(data[:cut]), bytes.NewReader(data[cut:])), 4<<10)}
		var over []string
		former.readNotes(&over)
		if len(over)+len(runs) != 2 {
			t.Fatalf("%v are over, %v not", over, runs)
		}
	})
}
