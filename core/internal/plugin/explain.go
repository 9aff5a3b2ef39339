package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// explainStart says for people why a plugin did not start and what to do.
func explainStart(s Spec, err error) string {
	path := s.Path
	var missing *interpreterError
	var account *accountError
	switch {
	case s.Dir != "" && !isFolder(s.Dir):
		return fmt.Sprintf("cannot run %s: its working directory %s is no folder on this box", path, s.Dir)
	case errors.As(err, &account):
		return fmt.Sprintf("cannot run %s: %v", path, account)
	case errors.As(err, &missing):
		return fmt.Sprintf("cannot run %s: no interpreter for it found (%s): install one", path, strings.Join(missing.programs, ", "))
	case errors.Is(err, errUnsafeArgs):
		return fmt.Sprintf("cannot run %s: %v", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return explainMissing(path)
	case errors.Is(err, fs.ErrPermission):
		return explainPermission(path)
	case isBusy(err):
		return fmt.Sprintf("cannot run %s: it is open for writing (is it being installed?): it runs again at its next time", path)
	case errors.Is(err, syscall.ENOEXEC):
		return explainFormat(path)
	case errors.Is(err, syscall.E2BIG):
		return fmt.Sprintf("cannot run %s: its arguments are longer than this system allows", path)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return fmt.Sprintf("cannot run %s: the box is short of processes, files or memory: %v", path, root(err))
	}
	return fmt.Sprintf("cannot run %s: %v", path, root(err))
}

func isFolder(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// root is the cause without the call's own words.
func root(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func explainMissing(path string) string {
	if _, err := os.Stat(path); err != nil {
		return fmt.Sprintf("cannot run %s: there is no such file", path)
	}
	line := firstLine(path)
	interpreter := strings.TrimPrefix(line, "#!")
	switch {
	case line == interpreter:
		return fmt.Sprintf("cannot run %s: the loader it needs is not on this box: it is built for another system (libc, architecture)", path)
	case strings.HasSuffix(line, "\r"):
		return fmt.Sprintf("cannot run %s: its lines end as on Windows (CR LF): save it with plain line ends (sed -i 's/\\r$//' %s)", path, path)
	}
	words := strings.Fields(interpreter)
	if len(words) == 0 {
		return explainFormat(path)
	}
	return fmt.Sprintf("cannot run %s: its interpreter %s is not on this box: install it, or name another in the file's first line", path, words[0])
}

func explainPermission(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Sprintf("cannot run %s: the agent's user may not look into a folder on the way to it", path)
	case info.IsDir():
		return fmt.Sprintf("cannot run %s: it is a folder", path)
	case info.Mode()&0o111 == 0:
		return fmt.Sprintf("cannot run %s: it is not executable: chmod +x %s", path, path)
	}
	return fmt.Sprintf("cannot run %s: no permission: the agent's user may not execute it, or not its interpreter, or its file system is mounted noexec", path)
}

func explainFormat(path string) string {
	head := make([]byte, 4)
	f, err := os.Open(path)
	if err == nil {
		n, _ := io.ReadFull(f, head)
		head = head[:n]
		f.Close()
	}
	switch {
	case bytes.Equal(head, []byte("\x7fELF")):
		return fmt.Sprintf("cannot run %s: it is a program for another architecture", path)
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return fmt.Sprintf("cannot run %s: it starts with a byte order mark before its first line: save it as UTF-8 without one", path)
	case len(head) == 0:
		return fmt.Sprintf("cannot run %s: the file is empty", path)
	case bytes.HasPrefix(head, []byte("#!")):
		return fmt.Sprintf("cannot run %s: its first line names no interpreter that this system can start", path)
	}
	return fmt.Sprintf("cannot run %s: it is neither a program nor a script that says what runs it: let its first line be like #!/bin/sh", path)
}
