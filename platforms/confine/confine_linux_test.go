package confine

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// escape is built once, as the programs are shipped: without C.
var escape string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "limpet-confine-")
	if err != nil {
		panic(err)
	}
	escape = filepath.Join(dir, "escape")
	build := exec.Command("go", "build", "-o", escape, "./testdata/escape")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		panic(string(text))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// cell is what a confined child finds: a folder it may read, one it may write in, and one that is nobody's business of its.
type cell struct{ read, write, other, file string }

func newCell(t *testing.T) cell {
	t.Helper()
	dir := t.TempDir()
	c := cell{filepath.Join(dir, "read"), filepath.Join(dir, "write"), filepath.Join(dir, "other"), filepath.Join(dir, "single")}
	for _, d := range []string{c.read, c.write, c.other} {
		if err := os.MkdirAll(filepath.Join(d, "empty"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "f"), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(c.file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	return c
}

// try runs a deed; network is "yes", "no" or "free".
func (c cell) try(t *testing.T, network, deed string, args ...string) string {
	t.Helper()
	line := []string{"free", deed}
	if network != "free" {
		line = []string{c.read + ":" + c.file + ":" + c.read + "/missing", c.write, network, deed}
	}
	out, err := exec.Command(escape, append(line, args...)...).CombinedOutput()
	if said := strings.TrimSpace(string(out)); said != "" {
		return said
	}
	if err != nil {
		return err.Error()
	}
	return "done"
}

// This kernel must have both, else nothing of what follows means anything: Landlock came with Linux 5.13, its truncation with 6.2.
func TestThisSystemConfinesWhole(t *testing.T) {
	if said := newCell(t).try(t, "no", "nothing"); said != "done" {
		t.Fatalf("a child says %q", said)
	}
}

func TestWhatStays(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct {
		deed    string
		network string
		args    func(cell) []string
	}{
		{"read", "no", func(c cell) []string { return []string{c.read + "/f"} }},
		{"read", "no", func(c cell) []string { return []string{c.file} }},
		{"list", "no", func(c cell) []string { return []string{c.read + "/empty"} }},
		{"read", "no", func(c cell) []string { return []string{c.write + "/f"} }},
		{"write", "no", func(c cell) []string { return []string{c.write + "/new"} }},
		{"append", "no", func(c cell) []string { return []string{c.write + "/f"} }},
		{"truncate", "no", func(c cell) []string { return []string{c.write + "/f"} }},
		{"mkdir", "no", func(c cell) []string { return []string{c.write + "/d"} }},
		{"remove", "no", func(c cell) []string { return []string{c.write + "/empty"} }},
		{"remove", "no", func(c cell) []string { return []string{c.write + "/f"} }},
		{"rename", "no", func(c cell) []string { return []string{c.write + "/f", c.write + "/g"} }},
		{"fork", "no", func(cell) []string { return nil }},
		{"socket", "yes", func(cell) []string { return []string{strconv.Itoa(unix.AF_INET)} }},
		{"socket", "yes", func(cell) []string { return []string{strconv.Itoa(unix.AF_INET6)} }},
		{"dial", "yes", func(cell) []string { return []string{l.Addr().String()} }},
	} {
		c := newCell(t)
		if said := c.try(t, tt.network, tt.deed, tt.args(c)...); said != "done" {
			t.Errorf("%s %v, network %s: %s", tt.deed, tt.args(c), tt.network, said)
		}
	}
}

// Each of these is refused, and the reason is ours: unconfined it is something else.
func TestWhatIsRefused(t *testing.T) {
	const no, denied = "EPERM", "EACCES"
	for _, tt := range []struct {
		deed string
		want string
		args func(cell) []string
	}{
		{"read", denied, func(c cell) []string { return []string{c.other + "/f"} }},
		{"read", denied, func(cell) []string { return []string{"/etc/passwd"} }},
		{"list", denied, func(c cell) []string { return []string{c.other} }},
		{"write", denied, func(c cell) []string { return []string{c.read + "/f"} }},
		{"write", denied, func(c cell) []string { return []string{c.file} }},
		{"write", denied, func(c cell) []string { return []string{c.read + "/new"} }},
		{"write", denied, func(c cell) []string { return []string{c.other + "/new"} }},
		{"append", denied, func(c cell) []string { return []string{c.read + "/f"} }},
		{"truncate", denied, func(c cell) []string { return []string{c.read + "/f"} }},
		{"mkdir", denied, func(c cell) []string { return []string{c.read + "/d"} }},
		{"remove", denied, func(c cell) []string { return []string{c.read + "/f"} }},
		{"remove", denied, func(c cell) []string { return []string{c.other + "/empty"} }},
		{"rename", "EXDEV", func(c cell) []string { return []string{c.write + "/f", c.write + "/empty/f"} }},
		{"symlink", denied, func(c cell) []string { return []string{"/etc/passwd", c.write + "/l"} }},
		{"fifo", denied, func(c cell) []string { return []string{c.write + "/p"} }},
		{"chmod", no, func(c cell) []string { return []string{c.write + "/f"} }},
		{"chown", no, func(c cell) []string { return []string{c.write + "/f"} }},
		{"socket", no, func(cell) []string { return []string{strconv.Itoa(unix.AF_INET)} }},
		{"socket", no, func(cell) []string { return []string{strconv.Itoa(unix.AF_UNIX)} }},
		{"socket", no, func(cell) []string { return []string{strconv.Itoa(unix.AF_NETLINK)} }},
		{"pair", no, func(cell) []string { return nil }},
		{"exec", no, func(cell) []string { return []string{"/bin/true"} }},
		{"become", no, func(cell) []string { return []string{"/bin/true"} }},
		{"signal", no, func(cell) []string { return nil }},
		{"thread", no, func(cell) []string { return nil }},
		{"clone3", "ENOSYS", func(cell) []string { return nil }},
	} {
		c := newCell(t)
		if said := c.try(t, "no", tt.deed, tt.args(c)...); said != tt.want {
			t.Errorf("%s %v: %s, want %s", tt.deed, tt.args(c), said, tt.want)
		}
		c = newCell(t)
		if said := c.try(t, "free", tt.deed, tt.args(c)...); said == tt.want {
			t.Errorf("%s %v is refused to anybody: %s", tt.deed, tt.args(c), said)
		}
	}
}

// What this machine may refuse to anybody is refused all the same.
func TestWhatIsRefusedEverywhere(t *testing.T) {
	for deed, want := range map[string]string{
		"ptrace": "EPERM", "mount": "EPERM", "module": "EPERM", "unshare": "EPERM", "clone": "EPERM", "uring": "EPERM", "bpf": "EPERM",
		"keys": "EPERM", "future": "ENOSYS", "foreign": "ENOSYS",
	} {
		c := newCell(t)
		for _, network := range []string{"no", "yes"} {
			if said := c.try(t, network, deed, c.write); said != want {
				t.Errorf("%s: %s, want %s", deed, said, want)
			}
		}
	}
}

func TestTheNetworkIsForSpeakingOnly(t *testing.T) {
	for _, tt := range [][]string{
		{"socket", strconv.Itoa(unix.AF_UNIX)}, {"socket", strconv.Itoa(unix.AF_NETLINK)}, {"socket", strconv.Itoa(unix.AF_PACKET)},
		{"listen"}, {"pair"}, {"exec", "/bin/true"},
	} {
		if said := newCell(t).try(t, "yes", tt[0], tt[1:]...); said != "EPERM" && said != "EACCES" {
			t.Errorf("%v: %s", tt, said)
		}
	}
}

// On a kernel that has neither, everything goes on, and it is said.
func TestAnOldKernelConfinesNothingAndSaysSo(t *testing.T) {
	old := filepath.Join(t.TempDir(), "oldkernel")
	build := exec.Command("go", "build", "-o", old, "./testdata/oldkernel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c := newCell(t)
	out, _ := exec.Command(old, escape, c.read, c.write, "no", "nothing").CombinedOutput()
	if said := string(out); !strings.HasPrefix(said, "unconfined: landlock: ") || !strings.Contains(said, "\nseccomp: ") {
		t.Errorf("a child says %q", said)
	}
}
