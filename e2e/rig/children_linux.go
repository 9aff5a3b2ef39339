package rig

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Cores are the processes of its cores that live now, whoever started them, found by where their program lies.
func (a *Agent) Cores() []int {
	return running(func(exe string, argv []string) bool {
		return strings.HasPrefix(exe, filepath.Join(a.Root, "ver")+"/") && len(argv) > 1 && argv[1] == "run"
	})
}

// Others are its cores but for the one that its stub says it runs.
func (a *Agent) Others() []int {
	core := a.CorePID()
	return slices.DeleteFunc(a.Cores(), func(pid int) bool { return pid == core })
}

// Fetchers are the processes of its stub's errands that live now.
func (a *Agent) Fetchers() []int {
	return running(func(exe string, argv []string) bool {
		return exe == filepath.Join(a.Root, "bin", "limpet-fetch") && len(argv) > 1 && (argv[1] == "look" || argv[1] == "get")
	})
}

// running lists processes by their program and its arguments.
func running(is func(exe string, argv []string) bool) []int {
	var list []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		exe, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil {
			continue // it ended, or is nobody's business here
		}
		argv, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !is(strings.TrimSuffix(exe, " (deleted)"), strings.Split(string(argv), "\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			list = append(list, pid)
		}
	}
	return list
}
