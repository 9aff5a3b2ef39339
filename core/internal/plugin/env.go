package plugin

import (
	"net"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Variables that mark every process of a run: with the run, and with the process that started it (its pid and its start time, so that a
// number used again is not taken for it).
const (
	markName = "LIMPET_RUN"
	coreName = "LIMPET_CORE"
)

// Environment returns what a plugin finds, sorted by no rule, of this process's own only what systems need:
//
//	PATH           the system's usual directories
//	LANG, LC_ALL   C: numbers with a point, messages in English
//	HOME, USER     of the agent's user
//	TZ, TMPDIR     as the agent has them
//	LIMPET_CHECK, NAGIOS_SERVICEDESC   the check's name
//	NAGIOS_HOSTNAME                    the box's host name
//
// a run adds its macros as NAGIOS_NAME, and its arguments as NAGIOS_ARG1 and so on where no macro is named so;
//
// and on Windows the variables without which programs do not start. Nothing else of the agent's environment gets through.
func Environment(checkName string) []string {
	base := baseEnvironment()
	env := make([]string, 0, len(base)+8)
	env = append(env, base...)
	return append(env, "LIMPET_CHECK="+checkName, "NAGIOS_SERVICEDESC="+checkName)
}

var baseEnvironment = sync.OnceValue(func() []string {
	env := []string{"LANG=C", "LC_ALL=C"}
	passed := []string{"TZ", "TMPDIR"}
	if runtime.GOOS == "windows" {
		passed = []string{"PATH", "PATHEXT", "SystemRoot", "SystemDrive", "windir", "ComSpec", "TEMP", "TMP", "ProgramData", "ProgramFiles",
			"ProgramFiles(x86)", "ProgramW6432", "CommonProgramFiles", "ALLUSERSPROFILE", "PUBLIC", "USERPROFILE", "USERNAME", "APPDATA",
			"LOCALAPPDATA", "COMPUTERNAME", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "OS", "PSModulePath"}
	} else {
		home, name := who()
		env = append(env, "PATH="+systemPath, "HOME="+home, "USER="+name, "LOGNAME="+name, "SHELL=/bin/sh")
	}
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	if host, err := os.Hostname(); err == nil {
		env = append(env, "NAGIOS_HOSTNAME="+host)
	}
	return env
})

// boxMacros are what a box says of itself. They hold for a minute: addresses may change.
func boxMacros() map[string]string {
	macrosOfBox.mu.Lock()
	defer macrosOfBox.mu.Unlock()
	if macrosOfBox.known == nil || time.Since(macrosOfBox.at) > time.Minute {
		host, _ := os.Hostname()
		macrosOfBox.known = map[string]string{"HOSTNAME": host, "HOSTALIAS": host, "HOSTADDRESS": address()}
		macrosOfBox.at = time.Now()
	}
	return macrosOfBox.known
}

var macrosOfBox struct {
	mu    sync.Mutex // guards what follows
	known map[string]string
	at    time.Time
}

// address is the box's first address that others can reach, else the loopback's.
func address() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// who is the agent's user; services often start without HOME.
func who() (home, name string) {
	home, name = os.Getenv("HOME"), "root"
	if u, err := user.Current(); err == nil {
		name = u.Username
		if home == "" {
			home = u.HomeDir
		}
	}
	if home == "" {
		home = "/"
	}
	return home, name
}

// systemPath is where a plugin finds programs.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is Environment with its user, macros, what the spec adds and the marks; of variables named twice the last counts, so only that is passed.
func (s Spec) environment(mark string) []string {
	env := Environment(s.Check)
	for i, arg := range s.Args[:min(len(s.Args), maxArgMacros)] {
		env = append(env, "NAGIOS_ARG"+strconv.Itoa(i+1)+"="+arg)
	}
	for name, value := range s.Macros {
		env = set(env, "NAGIOS_"+name, "NAGIOS_"+name+"="+value)
	}
	for _, e := range slices.Concat(s.home(), s.Env) {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == markName || name == coreName || strings.IndexByte(e, 0) >= 0 {
			continue
		}
		env = set(env, name, e)
	}
	return append(append(env, coreMark()...), mark)
}

// maxArgMacros is how many arguments have a variable of their own, as with Nagios.
const maxArgMacros = 32

func set(env []string, name, e string) []string {
	for i, old := range env {
		if len(old) > len(name) && old[len(name)] == '=' && old[:len(name)] == name {
			env[i] = e
			return env
		}
	}
	return append(env, e)
}
