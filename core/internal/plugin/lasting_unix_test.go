//go:build unix

package plugin

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// A moment without descriptors is no reason to run no plugin for the rest of the agent's life.
func TestWhatCouldNotBeOpenedOnceIsTriedAgain(t *testing.T) {
	tries := 0
	l := lasting{open: func() (*os.File, error) {
		if tries++; tries == 1 {
			return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: syscall.EMFILE}
		}
		return openNull()
	}}
	if _, err := l.get(); !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("without descriptors: %v", err)
	}
	f, err := l.get()
	if err != nil {
		t.Fatalf("with descriptors again: %v", err)
	}
	defer f.Close()
	if same, err := l.get(); same != f || err != nil || tries != 2 {
		t.Errorf("opened %d times, %v", tries, err)
	}
}
