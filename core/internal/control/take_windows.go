package control

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// ErrNoStub says that stdin is not a pipe: nobody supervises this core.
var ErrNoStub = errors.New("not started by limpet: stdin is no pipe")

// Take keeps stdin and stdout for itself and speaks over them: from then on the process's standard output is its standard
// error, so that no stray print and no plugin can speak for the core. Call it once, before anything else runs.
func Take() (*Stub, error) {
	in, out := os.Stdin, os.Stdout
	if kind, err := windows.GetFileType(windows.Handle(in.Fd())); err != nil || kind != windows.FILE_TYPE_PIPE {
		return nil, ErrNoStub
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	os.Stdin, os.Stdout = null, os.Stderr
	if err := windows.SetStdHandle(windows.STD_INPUT_HANDLE, windows.Handle(null.Fd())); err != nil {
		return nil, err
	}
	if err := windows.SetStdHandle(windows.STD_OUTPUT_HANDLE, windows.Handle(os.Stderr.Fd())); err != nil {
		return nil, err
	}
	return New(in, out), nil
}
