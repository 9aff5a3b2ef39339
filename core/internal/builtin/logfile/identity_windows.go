package logfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// identity tells one file from another whatever their names: by its number, which a handle is needed for. When a file was made says nothing, as one that is
// made under a name within 15 seconds after another had it is given that one's time.
func identity(f *os.File, _ os.FileInfo) string {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d", info.VolumeSerialNumber, info.FileIndexHigh, info.FileIndexLow)
}

// identityAt is the identity of a file that is not open.
func identityAt(path string, info os.FileInfo) string {
	f, err := openShared(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return identity(f, info)
}

// openShared opens a file for reading while others write, rename and delete it: what rotates a log must not fail because it is looked at.
func openShared(path string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}
