package procs

import (
	"bytes"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// kernelThread is PF_KTHREAD of the kernel's flags of a task.
const kernelThread = 0x00200000

// parseStat reads the beginning of /proc/PID/stat: "PID (COMMAND) STATE PPID PGRP SESSION TTY TPGID FLAGS ...". The command
// may hold anything, so its end is the last parenthesis. It shares the text's memory.
func parseStat(text []byte) (p process, ok bool) {
	open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || shut < open {
		return p, false
	}
	p.command = text[open+1 : shut]
	state, rest := procfs.Field(text[shut+1:])
	parent, rest := procfs.Field(rest)
	if len(state) != 1 || state[0] < 'A' || state[0] > 'z' {
		return process{}, false
	}
	p.state = state[0]
	n, ok := procfs.Uint(parent)
	if !ok || n > 1<<31 {
		return process{}, false
	}
	p.parent = int(n)
	for range 4 {
		_, rest = procfs.Field(rest)
	}
	field, _ := procfs.Field(rest)
	flags, _ := procfs.Uint(field)
	p.kernel = flags&kernelThread != 0
	return p, true
}

// parseThreads reads the fourth field of /proc/loadavg, "RUNNABLE/THREADS": all threads of the box. It gives 0 when that makes
// no sense.
func parseThreads(text []byte) int {
	line, rest := procfs.Line(text)
	for range 3 {
		_, line = procfs.Field(line)
	}
	field, _ := procfs.Field(line)
	_, threads, _ := bytes.Cut(field, []byte("/"))
	n, ok := procfs.Uint(threads)
	if !ok || n > 1<<31 || len(rest) > 0 {
		return 0
	}
	return int(n)
}
