package plugin

import (
	"os"
	"os/user"
	"runtime"
	"slices"
	"strings"
	"sync"
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
		env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME="+home, "USER="+name, "LOGNAME="+name, "SHELL=/bin/sh")
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

// environment is Environment with what the spec adds and the marks; of variables named twice the last counts, so only that is passed.
func (s Spec) environment(mark string) []string {
	env := Environment(s.Check)
	for _, e := range slices.Concat(s.home(), s.Env) {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == markName || name == coreName || strings.IndexByte(e, 0) >= 0 {
			continue
		}
		env = set(env, name, e)
	}
	return append(append(env, coreMark()...), mark)
}

func set(env []string, name, e string) []string {
	for i, old := range env {
		if len(old) > len(name) && old[len(name)] == '=' && old[:len(name)] == name {
			env[i] = e
			return env
		}
	}
	return append(env, e)
}
