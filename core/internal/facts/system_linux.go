package facts

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// system reads files only: no program is run to learn about a box.
func system() (platform, kernel, bootID, machine string, memory uint64) {
	platform = osRelease(read("/etc/os-release"), read("/etc/debian_version"))
	bootID = read("/proc/sys/kernel/random/boot_id")
	machine = read("/etc/machine-id")
	if machine == "" {
		machine = read("/sys/class/dmi/id/product_uuid")
	}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		kernel = unix.ByteSliceToString(uts.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		memory = uint64(info.Totalram) * uint64(info.Unit)
	}
	return
}

// osRelease makes "debian 12.7" of os-release(5) and, where that knows only the major number, of debian_version.
func osRelease(text, debian string) string {
	var id, version string
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = unquoted(value)
		switch key {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	if id == "debian" && strings.HasPrefix(debian, version+".") {
		version = debian
	}
	return strings.TrimSpace(id + " " + version)
}

// unquoted takes a shell's quotes away, as os-release(5) allows them: both kinds, in the double ones a backslash before what it would mean.
func unquoted(value string) string {
	if u, ok := strings.CutPrefix(value, "'"); ok {
		u, _ = strings.CutSuffix(u, "'")
		return u
	}
	u, ok := strings.CutPrefix(value, `"`)
	if !ok {
		return value
	}
	u, _ = strings.CutSuffix(u, `"`)
	return escapes.Replace(u)
}

var escapes = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`")

func read(name string) string {
	b, err := os.ReadFile(name)
	if err != nil || len(b) > 64<<10 {
		return ""
	}
	return strings.TrimSpace(string(b))
}
