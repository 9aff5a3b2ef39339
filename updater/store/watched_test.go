package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// umask is what the system takes off the permissions that a test asks for.
func umask(t *testing.T) fs.FileMode {
	t.Helper()
	name := filepath.Join(t.TempDir(), "all")
	if err := os.Mkdir(name, 0o777); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return 0o777 &^ info.Mode().Perm()
}

// watched is a crash disk that keeps count of what is open and what was read, and on which calls fail that a crash disk
// has no say in: those that change nothing.
type watched struct {
	*crashdisk.Disk
	open    int
	read    int
	listing error // of every ReadDir
	closing error // of every Close of what was written
}

func (w *watched) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	f, err := w.Disk.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	w.open++
	return &watchedFile{f, w, flag != os.O_RDONLY}, nil
}

func (w *watched) ReadDir(name string) ([]string, error) {
	if w.listing != nil {
		return nil, w.listing
	}
	return w.Disk.ReadDir(name)
}

type watchedFile struct {
	fsys.File
	disk    *watched
	written bool
}

func (f *watchedFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	f.disk.read += n
	return n, err
}

func (f *watchedFile) Close() error {
	f.disk.open--
	if err := f.File.Close(); err != nil || !f.written {
		return err
	}
	return f.disk.closing
}

// Whatever becomes of placing, no descriptor is kept: the process that does it lives for months.
func TestPlaceClosesWhatItOpens(t *testing.T) {
	e, content := release(5, 100)
	w := &watched{Disk: crashdisk.New()}
	s := New(w, "/ver")
	for _, from := range [][]byte{make([]byte, 100), content, content} { // refused, placed, there already
		err := s.Place(e, 100, bytes.NewReader(from))
		if w.open != 0 {
			t.Errorf("%d files stay open after: %v", w.open, err)
		}
	}
}

// A network disk may tell of a failed write as late as this.
func TestAFailedCloseIsNotPlaced(t *testing.T) {
	broken := errors.New("input/output error")
	e, content := release(5, 100)
	w := &watched{Disk: crashdisk.New(), closing: broken}
	s := New(w, "/ver")
	if err := s.Place(e, 100, bytes.NewReader(content)); !errors.Is(err, broken) {
		t.Errorf("placed: %v", err)
	}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("it left %v, %v", list, err)
	}
}

// A folder that cannot be looked at or emptied is told, and nothing is said to be placed.
func TestAFolderThatCannotBeClearedIsTold(t *testing.T) {
	broken := errors.New("input/output error")
	e, content := release(5, 100)
	w := &watched{Disk: crashdisk.New(), listing: broken}
	s := New(w, "/ver")
	if err := s.Place(e, 100, bytes.NewReader(content)); !errors.Is(err, broken) {
		t.Errorf("a folder that cannot be listed: %v", err)
	}
	d := crashdisk.New()
	s = New(d, "/ver")
	if err := d.MkdirAll(s.dir(e), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open(filepath.Join(s.dir(e), "new"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	d.FailAt(1, broken) // the removal of what an earlier life left
	if err := s.Place(e, 100, bytes.NewReader(content)); !errors.Is(err, broken) {
		t.Errorf("a folder that cannot be emptied: %v", err)
	}
	if err := s.Place(e, 100, bytes.NewReader(content)); err != nil {
		t.Errorf("once it can: %v", err)
	}
}

// What lies in a core's place is read no further than a core of that length goes.
func TestAnEndlessFileInTheWayIsNotReadOn(t *testing.T) {
	e, content := release(5, 100)
	w := &watched{Disk: crashdisk.New()}
	s := New(w, "/ver")
	if err := w.MkdirAll(s.dir(e), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := w.Open(s.Path(e), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := s.Place(e, 100, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if w.read != 101 {
		t.Errorf("%d bytes were read of what should have 100", w.read)
	}
}
