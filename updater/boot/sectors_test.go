package boot

import (
	"errors"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

var names = [2]string{"/state/rec0", "/state/rec1"}

func prepared(t *testing.T) *crashdisk.Disk {
	t.Helper()
	d := crashdisk.New()
	for _, err := range []error{d.MkdirAll("/state", 0o755), d.SyncDir("/"), Prepare(d, names)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func save(t *testing.T, d fsys.FS, floor uint64) {
	t.Helper()
	s, r, _ := Load(d, names)
	r.Floor = floor
	if _, err := s.Save(r); err != nil {
		t.Fatal(err)
	}
}

func TestPrepareLeavesWhatIsThere(t *testing.T) {
	d := prepared(t)
	if _, _, found := Load(d, names); found {
		t.Error("zeros are a record")
	}
	save(t, d, 7)
	if err := Prepare(d, names); err != nil {
		t.Fatal(err)
	}
	if _, r, found := Load(d, names); !found || r.Floor != 7 || r.Sequence != 1 {
		t.Errorf("%v %+v", found, r)
	}
}

func TestSaveTakesTurns(t *testing.T) {
	d := prepared(t)
	for floor := uint64(1); floor <= 5; floor++ {
		save(t, d, floor)
		if _, r, found := Load(d, names); !found || r.Floor != floor || r.Sequence != floor {
			t.Fatalf("after save %d: %+v", floor, r)
		}
	}
	var sequences [2]uint64
	for i, name := range names {
		b, err := fsys.Read(d, name, Size)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		sequences[i] = r.Sequence
	}
	if sequences != [2]uint64{4, 5} && sequences != [2]uint64{5, 4} {
		t.Errorf("sequences %v", sequences)
	}
}

func TestSaveFailsAndTheRecordBeforeStands(t *testing.T) {
	for at := 1; at <= 2; at++ {
		d := prepared(t)
		save(t, d, 1)
		save(t, d, 2)
		s, r, _ := Load(d, names)
		full := errors.New("input/output error")
		d.FailAt(at, full)
		r.Floor = 3
		if _, err := s.Save(r); !errors.Is(err, full) {
			t.Fatalf("call %d: %v", at, err)
		}
		if at == 1 { // the write did nothing; a failed sync leaves it open whether it did
			if _, got, found := Load(d, names); !found || got.Floor != 2 {
				t.Errorf("call %d: %v %+v", at, found, got)
			}
		}
		r.Floor = 4
		if _, err := s.Save(r); err != nil {
			t.Fatal(err)
		}
		if _, got, _ := Load(d, names); got.Floor != 4 {
			t.Errorf("call %d, saved again: %+v", at, got)
		}
	}
}

func TestALostSectorIsMadeAgain(t *testing.T) {
	d := prepared(t)
	save(t, d, 1)
	save(t, d, 2)
	for _, name := range names {
		if err := d.Remove(name); err != nil {
			t.Fatal(err)
		}
		_, before, found := Load(d, names)
		if !found {
			t.Fatal("one sector is enough")
		}
		save(t, d, before.Floor+10)
		save(t, d, before.Floor+11)
		if _, r, _ := Load(d, names); r.Floor != before.Floor+11 {
			t.Errorf("%+v", r)
		}
	}
}

// The sector is made anew by a file beside it, of which any call may fail: the record before stands, in the other sector.
func TestALostSectorThatCannotBeMadeAgainIsTold(t *testing.T) {
	broken := errors.New("input/output error")
	for at := 1; ; at++ {
		d := prepared(t)
		save(t, d, 1)
		s, r, _ := Load(d, names)
		if err := d.Remove(names[1]); err != nil { // the one to be written next
			t.Fatal(err)
		}
		before := d.Calls()
		d.FailAt(at, broken)
		r.Floor = 2
		if _, err := s.Save(r); d.Calls()-before < at {
			if err != nil || at < 4 {
				t.Errorf("saved with %d calls: %v", at-1, err)
			}
			return
		} else if !errors.Is(err, broken) {
			t.Errorf("call %d fails: %v", at, err)
		}
		if _, got, found := Load(d, names); !found || got.Floor != 1 && got.Floor != 2 {
			t.Errorf("call %d fails: %v %+v", at, found, got)
		}
	}
}

// A disk on which no sector can be made is told when a box is installed, and the next attempt makes it good.
func TestEveryFailureOfPreparingIsTold(t *testing.T) {
	broken := errors.New("input/output error")
	for at := 1; ; at++ {
		d := crashdisk.New()
		if err := d.MkdirAll("/state", 0o755); err != nil {
			t.Fatal(err)
		}
		before := d.Calls()
		d.FailAt(at, broken)
		if err := Prepare(d, names); d.Calls()-before < at {
			if err != nil || at < 8 {
				t.Errorf("prepared with %d calls: %v", at-1, err)
			}
			break
		} else if !errors.Is(err, broken) {
			t.Errorf("call %d fails: %v", at, err)
		}
		if err := Prepare(d, names); err != nil {
			t.Errorf("call %d failed, again: %v", at, err)
		}
		save(t, d, 1)
	}
	d := crashdisk.New()
	if err := d.MkdirAll(names[1], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(d, names); err == nil {
		t.Error("a folder is a sector")
	}
}

// TestPowerCuts saves one record after the other, cuts the power at each call and, in the life
// that follows, once more. Whatever the disk kept, the record is the last that Save returned, or the
// one that was being saved, and its sequence never falls.
func TestPowerCuts(t *testing.T) {
	cuts := 0
	for start := range 3 { // how many records were saved before: neither sector, one, both
		for first := 1; first <= 5; first++ {
			for second := 1; second <= 5; second++ {
				cuts += crashdisk.Every(0, func(c crashdisk.Chooser) bool {
					d := prepared(t)
					saved := uint64(0)
					for range start {
						saved++
						save(t, d, saved)
					}
					for _, at := range []int{first, second} {
						d, saved = life(t, d, c, at, saved)
					}
					return !t.Failed()
				})
			}
		}
	}
	if cuts < 500 {
		t.Errorf("only %d ways to lose power", cuts)
	}
}

// life saves two records on a disk whose power fails at its at-th call, and returns the disk of the
// next life with the floor of the record it finds there.
func life(t *testing.T, d *crashdisk.Disk, c crashdisk.Chooser, at int, saved uint64) (*crashdisk.Disk, uint64) {
	d.CutAt(at)
	s, r, _ := Load(d, names)
	trying := saved
	for range 2 {
		trying = saved + 1
		r.Floor = trying
		var err error
		if r, err = s.Save(r); err != nil {
			break
		}
		saved = trying
	}
	next := d.Restart(c)
	_, found, ok := Load(next, names)
	switch {
	case !ok && saved == 0:
		return next, 0
	case !ok:
		t.Fatalf("no record after %d were saved", saved)
	case found.Floor != saved && found.Floor != trying:
		t.Fatalf("found %d after %d was saved and %d tried", found.Floor, saved, trying)
	case found.Sequence != found.Floor:
		t.Fatalf("sequence %d of record %d", found.Sequence, found.Floor)
	}
	return next, found.Floor
}

func TestPowerCutsWhilePreparing(t *testing.T) {
	for at := 1; at <= 10; at++ {
		crashdisk.Every(0, func(c crashdisk.Chooser) bool {
			d := crashdisk.New()
			if err := errors.Join(d.MkdirAll("/state", 0o755), d.SyncDir("/")); err != nil {
				t.Fatal(err)
			}
			d.CutAt(at)
			_ = Prepare(d, names)
			next := d.Restart(c)
			if _, _, found := Load(next, names); found {
				t.Fatal("a record out of nothing")
			}
			if err := Prepare(next, names); err != nil {
				t.Fatal(err)
			}
			save(t, next, 1)
			return true
		})
	}
}
