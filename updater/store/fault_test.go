package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// Each changing call of collecting fails once: the first error is told, the rest is collected, and the next
// collection does what is left.
func TestEveryFailureOfCollectIsTold(t *testing.T) {
	broken := errors.New("input/output error")
	prepared := func() (*crashdisk.Disk, Store) {
		d := crashdisk.New()
		s := New(d, "/ver")
		for counter := uint64(5); counter < 8; counter++ {
			e, content := release(counter, 100)
			if err := s.Place(e, 100, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
		}
		return d, s
	}
	keep := func(e Entry) bool { return e.Counter == 6 }
	d, s := prepared()
	before := d.Calls()
	if err := s.Collect(keep); err != nil {
		t.Fatal(err)
	}
	calls := d.Calls() - before
	if calls != 5 { // two cores and their folders, and ver itself
		t.Errorf("collecting takes %d calls", calls)
	}
	for at := 1; at <= calls; at++ {
		d, s := prepared()
		d.FailAt(at, broken)
		err := s.Collect(keep)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "collect core") {
			t.Errorf("call %d fails: %v", at, err)
		}
		if list, _ := s.List(); len(list) > 2 {
			t.Errorf("call %d fails, and nothing else is collected: %v", at, list)
		}
		if err := s.Collect(keep); err != nil {
			t.Errorf("call %d failed, the next collection: %v", at, err)
		}
		kept, _ := release(6, 100)
		if list, _ := s.List(); !reflect.DeepEqual(list, []Entry{kept}) {
			t.Errorf("call %d failed, the next collection leaves %v", at, list)
		}
		before := d.Calls()
		if err := s.Collect(keep); err != nil || d.Calls() != before {
			t.Errorf("nothing to collect: %v, %d calls", err, d.Calls()-before)
		}
	}
}

// A core that is there already is made durable once more, and a failure of that is told.
func TestEveryFailureOfPlacingAgainIsTold(t *testing.T) {
	broken := errors.New("input/output error")
	e, content := release(5, 100)
	for at := 1; ; at++ {
		d := crashdisk.New()
		s := New(d, "/ver")
		if err := s.Place(e, 100, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		before := d.Calls()
		d.FailAt(at, broken)
		err := s.Place(e, 100, bytes.NewReader(content))
		if d.Calls()-before < at { // done before the call that would fail
			if err != nil {
				t.Errorf("without a failure: %v", err)
			}
			if at-1 != 4 { // the core, its folder, ver, and the folder ver is in: each synced
				t.Errorf("placing again takes %d calls", at-1)
			}
			return
		}
		// Where its sync fails it is copied anew; where a folder's fails that is told.
		if at == 1 && (err != nil || d.Calls()-before <= 4) {
			t.Errorf("the sync of the core fails: %v after %d calls", err, d.Calls()-before)
		}
		if at > 1 && !errors.Is(err, broken) {
			t.Errorf("call %d fails: %v", at, err)
		}
	}
}

// What cannot be looked at is an error, not an unsound core.
func TestCheckTellsWhatItCannotRead(t *testing.T) {
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := folder.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(folder, [32]byte{}, info.Size()); err == nil || errors.Is(err, ErrUnsound) {
		t.Errorf("a folder: %v", err)
	}
	folder.Close()
	if err := Check(folder, [32]byte{}, 0); err == nil || errors.Is(err, ErrUnsound) {
		t.Errorf("a closed file: %v", err)
	}
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	writing.Close()
	defer reading.Close()
	if err := Check(reading, sha256.Sum256(nil), 0); err == nil || errors.Is(err, ErrUnsound) {
		t.Errorf("a pipe: %v", err)
	}
}

// A file where the store should be, and one where a core's folder should be, are told.
func TestFilesInTheWayAreTold(t *testing.T) {
	d := crashdisk.New()
	write := func(name string) {
		f, err := d.Open(name, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	write("/ver")
	s := New(d, "/ver")
	e, content := release(5, 100)
	if err := d.MkdirAll("/other", 0o755); err != nil {
		t.Fatal(err)
	}
	other := New(d, "/other")
	write(filepath.Dir(other.Path(e)))
	if err := other.Collect(func(Entry) bool { return false }); err == nil {
		t.Error("a file in a core's place is collected")
	}
	write("/other/x-" + strings.Repeat("a", 64))
	if list, err := other.List(); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := s.List(); err == nil {
		t.Error("a file is listed")
	}
	if err := s.Collect(func(Entry) bool { return true }); err == nil {
		t.Error("a file is collected")
	}
	if err := s.Place(e, 100, bytes.NewReader(content)); err == nil {
		t.Error("a core is placed in a file")
	}
}
