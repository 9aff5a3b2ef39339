//go:build linux && (demofault_dieactive || demofault_hangactive)

package main

import (
	"bufio"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A core that is broken on purpose, for the measures of a swap: it stands by and takes over like any other, and once it schedules it fails. No
// release is built with these tags.
func init() {
	if len(os.Args) < 2 || os.Args[1] != "run" {
		return
	}
	stub, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		panic(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	if err := unix.Dup3(int(r.Fd()), 0, 0); err != nil {
		panic(err)
	}
	go func() {
		lines := bufio.NewReader(os.NewFile(uintptr(stub), "stub"))
		for {
			line, err := lines.ReadString('\n')
			w.WriteString(line)
			if err != nil {
				w.Close()
				return
			}
			if strings.HasPrefix(line, "activate") {
				time.Sleep(300 * time.Millisecond) // by then it has the lock
				os.Stderr.WriteString("broken on purpose: this core fails once it schedules\n")
				breakDown()
			}
		}
	}()
}
