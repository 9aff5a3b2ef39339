package platforms

import (
	"os"
	"testing"
)

func TestCodeRange(t *testing.T) {
	const self = "/opt/limpet/bin/limpet (deleted)"
	for line, want := range map[string][2]uintptr{
		"00400000-00534000 r-xp 00000000 08:01 12 " + self:               {0x400000, 0x534000},
		"00534000-00694000 r--p 00134000 08:01 12 " + self:               {0x534000, 0x694000},
		"00694000-006a4000 rw-p 00294000 08:01 12 " + self:               {},
		"00694000-006a4000 r--s 00294000 08:01 12 " + self:               {},
		"00400000-00534000 r-xp 00000000 08:01 12 /opt/limpet/bin/other": {},
		"7fff18c38000-7fff18c59000 rw-p 00000000 00:00 0 [stack]":        {},
		"7f0ffe7d7000-7f0ffe7d9000 r-xp 00000000 00:00 0":                {},
		"zz-00534000 r-xp 00000000 08:01 12 " + self:                     {},
		"": {},
	} {
		from, to, ok := codeRange(line, self)
		if ok != (want != [2]uintptr{}) || ok && [2]uintptr{from, to} != want {
			t.Errorf("%q: %x %x %v", line, from, to, ok)
		}
	}
}

func TestForgottenCodeStillRuns(t *testing.T) {
	for range 3 {
		ForgetCode()
		TestCodeRange(t)
	}
	if os.Getpagesize() > piece {
		return
	}
	for _, r := range code() {
		if r.to-r.from > piece {
			t.Errorf("%d bytes of code come back at once, want at most %d", r.to-r.from, piece)
		}
	}
}
