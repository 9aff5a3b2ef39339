// Command fakecore speaks a core's side of docs/stub-contract.md and, as the file etc/mode below its
// root says, breaks it: the stub's tests run it where no real core would do them the favour.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const version = "9.9.9"

// held is state/lock, once it is ours.
var held *os.File

func main() {
	command, root := os.Args[1], ""
	for i, a := range os.Args {
		if a == "--root" {
			root = os.Args[i+1]
		}
	}
	switch command {
	case "patch", "unpack":
		produce(os.Args)
	case "run":
		run(root)
	case "status":
		status(root)
	default:
		fmt.Printf("%q\n", os.Args)
		if os.Args[len(os.Args)-1] == "fail" {
			os.Exit(42)
		}
	}
}

// produce makes a core of what begins with "plain:"; of anything else it cannot, and then the full file is fetched.
func produce(args []string) {
	value := func(names ...string) string {
		for i, a := range args {
			if slices.Contains(names, a) {
				return args[i+1]
			}
		}
		return ""
	}
	data, _ := os.ReadFile(value("--patch", "--from"))
	core, ok := strings.CutPrefix(string(data), "plain:")
	if !ok || value("--codec") == "" || args[1] == "patch" && value("--base") == "" {
		os.Exit(1)
	}
	if err := os.WriteFile(value("--out"), []byte(core), 0o644); err != nil {
		os.Exit(2)
	}
}

// mode is the first that is said: of this start, of this release, of all.
func mode(root string) string {
	for _, of := range []string{"-start-" + os.Getenv("LIMPET_STARTED"), "-" + os.Getenv("LIMPET_CORE_COUNTER"), ""} {
		if b, err := os.ReadFile(filepath.Join(root, "etc", "mode"+of)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

func status(root string) {
	what, size, _ := strings.Cut(mode(root), " ")
	switch what {
	case "status-hangs":
		time.Sleep(time.Hour)
	case "status-fails":
		fmt.Println("half an answer")
		os.Exit(1)
	case "status-dies":
		fmt.Println("half an answer")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "status-long":
		n, _ := strconv.Atoi(size)
		fmt.Print(strings.Repeat("x", n))
		return
	case "status-endless":
		for {
			fmt.Print(strings.Repeat("and so on\n", 1<<12))
		}
	}
	if strings.Contains(strings.Join(os.Args, " "), "--json") {
		fmt.Println(`{"session":"connected"}`)
		return
	}
	fmt.Println("session: connected")
}

func run(root string) {
	heard, err := os.OpenFile(filepath.Join(root, "log", "heard"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		os.Exit(9)
	}
	note := func(format string, args ...any) { fmt.Fprintf(heard, format+"\n", args...) }
	dir, _ := os.Getwd()
	m := mode(root) // before the start is heard of: a test may then change it for the next one
	note("start pid=%d argv=%q dir=%s\nenv %s", os.Getpid(), os.Args, dir, strings.Join(os.Environ(), "\nenv "))
	fmt.Fprintln(os.Stderr, "this goes to the log")
	signal.Ignore(syscall.SIGPIPE)

	switch m {
	case "dies":
		os.Exit(3)
	case "speaks-and-dies":
		fmt.Println("first\nlast")
		os.Exit(3)
	case "floods":
		for {
			fmt.Print(strings.Repeat("noise\n", 1<<8))
		}
	case "long":
		fmt.Println(strings.Repeat("x", 5000))
		time.Sleep(time.Hour)
	case "leaves-orphans":
		c := exec.Command("sleep", "1000")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			os.Exit(8)
		}
		note("orphan %d", c.Process.Pid)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	}
	var scheduling atomic.Bool
	counter := os.Getenv("LIMPET_CORE_COUNTER")
	standby := slices.Contains(os.Args, "--standby")
	schedule := func() {
		for {
			f, err := os.OpenFile(filepath.Join(root, "state", "lock"), os.O_RDWR|os.O_CREATE, 0o644)
			if err == nil && syscall.Flock(int(f.Fd()), syscall.LOCK_EX) == nil {
				held = f
				scheduling.Store(true)
				break
			}
		}
		note("schedules %s pid=%d at=%d", counter, os.Getpid(), time.Now().UnixMilli())
		if m == "dies-active" {
			os.Exit(7)
		}
	}
	if !standby {
		go schedule()
	}
	fmt.Println("a-line-from-the-future with fields")
	fmt.Println("ready " + version + " and more")
	if m == "hangs" {
		time.Sleep(time.Hour)
	}
	var hung atomic.Bool
	speak := func() {
		if hung.Load() {
			return
		}
		fmt.Println("alive")
		holds, judged := uint64(0x1ff), uint64(0x1ff)
		if m == "breaks" {
			holds = 0x0ff
		}
		if !scheduling.Load() {
			judged &^= 2
		}
		if m != "mute" {
			fmt.Printf("checks %016x %016x\n", holds, judged)
		}
		if m == "hangs-soon" && standby && judged&2 != 0 { // it said that it schedules
			hung.Store(true)
		}
	}
	speak() // what holds is known before a trial is held against it
	go func() {
		for range time.Tick(time.Second) {
			speak()
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		note("line %s", lines.Text())
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "drain":
			if m == "deaf-to-drain" {
				continue
			}
			file := filepath.Join(root, "state", "handover", counter)
			_ = os.WriteFile(file, []byte("due"), 0o600)
			note("hands over %s at=%d", counter, time.Now().UnixMilli())
			held.Close()
			fmt.Println("handover " + counter + " 0")
			fmt.Println("drained")
			os.Exit(0)
		case "activate":
			note("activated %s with %q", counter, rest)
			switch m {
			case "hangs-active":
				hung.Store(true)
			case "idles":
				continue
			}
			go schedule()
		}
		if strings.HasPrefix(lines.Text(), "stop ") && m != "deaf" {
			os.Exit(0)
		}
	}
	note("eof")
	if m == "clings" {
		time.Sleep(time.Hour)
	}
}
