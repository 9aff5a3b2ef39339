package mountinfo

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	text := strings.Join([]string{
		`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard`,
		`36 35 98:0 /mnt1 /mnt\040two rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue`,
		`40 27 0:50 / /data\134x\011y ro,relatime - nfs4 host:/exp\040ort rw`,
		`41 27 7:0 / /snap/x rw - squashfs /dev/loop0 ro`,
		`nonsense`,
		`42 27 0:51 / relative rw - ext4 /dev/sdb rw`,
		`43 27 0:51`,
		``,
	}, "\n")
	list, broken, err := Parse([]byte(text))
	if err != nil || broken != 3 {
		t.Fatalf("%d broken, %v", broken, err)
	}
	want := []Mount{
		{"254:0", "/", "/", "ext4", "/dev/vda", false},
		{"98:0", "/mnt1", "/mnt two", "ext3", "/dev/root", false},
		{"0:50", "/", "/data\\x\ty", "nfs4", "host:/exp ort", true},
		{"7:0", "/", "/snap/x", "squashfs", "/dev/loop0", true},
	}
	if len(list) != len(want) {
		t.Fatalf("%+v", list)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("got %+v, want %+v", list[i], want[i])
		}
	}
}

func TestTooManyMounts(t *testing.T) {
	text := strings.Repeat("1 1 0:1 / /x rw - ext4 s rw\n", MaxMounts+1)
	if _, _, err := Parse([]byte(text)); err == nil {
		t.Error("taken")
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{
		`a\040b`: "a b", `\134`: `\`, `\04`: `\04`, `\999`: `\999`, `\`: `\`, `\400`: `\400`, `a\012`: "a\n", ``: "",
	} {
		if got := Unescape([]byte(text)); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`36 35 98:0 /mnt1 /mnt\040two rw,noatime master:1 - ext3 /dev/root rw`)
	f.Add("a - b\n - \n1 2 3:4 / / rw - x")
	f.Fuzz(func(t *testing.T, text string) {
		list, broken, err := Parse([]byte(text))
		if err == nil && len(list)+broken > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts and %d broken of %q", len(list), broken, text)
		}
		for _, m := range list {
			if !strings.HasPrefix(m.Point, "/") || m.Type == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
