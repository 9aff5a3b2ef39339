//go:build unix

package platforms

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// LookUpUser finds a local user by name (/etc/passwd; no directory service is asked).
func LookUpUser(name string) (*User, bool) {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return nil, false
	}
	defer f.Close()
	return lookUp(f, name)
}

// lookUp finds a user by name in the format of /etc/passwd.
func lookUp(passwd io.Reader, name string) (*User, bool) {
	lines := bufio.NewScanner(passwd)
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) < 4 || f[0] != name {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			return nil, false
		}
		gid, err := strconv.ParseUint(f[3], 10, 32)
		if err != nil {
			return nil, false
		}
		return &User{UID: uint32(uid), GID: uint32(gid)}, true
	}
	return nil, false
}
