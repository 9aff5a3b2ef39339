// Package procs is the check "procs": how many processes there are and in which state, by the options, text and perfdata of
// check_procs as far as they count processes.
package procs

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os/user"
	"regexp"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits of a box nobody configured.
const (
	zombiesWarn = 100 // zombies cost nothing but their number; so many come from a parent that never looks
	fullWarn    = 80  // percent of the threads the kernel allows
	fullCrit    = 95
)

type options struct {
	limits  threshold.Pair // number of processes
	zombies threshold.Pair
	states  string         // -s: letters, any of them; "" = all
	command string         // -C: the name the kernel has, "" = all
	parent  int            // -p: -1 = all
	users   bool           // -k: no kernel threads
	owner   string         // -u: whose processes, "" = everybody's
	user    *user.User     // who that is
	line    string         // -a: what the command line holds, "" = anything
	pattern *regexp.Regexp // --ereg-argument-array
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{parent: -1, zombies: threshold.Pair{Warn: threshold.Above(zombiesWarn)}}
	var set option.Set
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	set.Value(0, "zombies", threshold.IntoPair(&o.zombies))
	set.Value('s', "state", func(v string) error {
		if v == "" || strings.Trim(v, "RSDZTtXxKWPI") != "" {
			return fmt.Errorf("%q is not made of state letters (R S D Z T t I ...)", v)
		}
		o.states = v
		return nil
	})
	set.Value('C', "command", func(v string) error { o.command = v; return nil })
	set.Value('p', "ppid", func(v string) (err error) {
		if o.parent, err = strconv.Atoi(v); err != nil || o.parent < 0 {
			return fmt.Errorf("%q is no process id", v)
		}
		return nil
	})
	set.Value('u', "user", func(v string) error { o.owner = v; return nil })
	set.Value('a', "argument-array", func(v string) error { o.line = v; return nil })
	set.Value(0, "ereg-argument-array", func(v string) (err error) {
		o.pattern, err = regexp.Compile(v)
		return err
	})
	set.Flag('k', "no-kthreads", func() { o.users = true })
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	return o, nil
}

// findUser looks -u up, a name or a number. It is not the options' fault when there is no such user on this box.
func (o *options) findUser() error {
	if o.owner == "" {
		return nil
	}
	u, err := user.LookupId(o.owner)
	if err != nil {
		u, err = user.Lookup(o.owner)
	}
	if err != nil {
		if _, notNumber := strconv.ParseUint(o.owner, 10, 32); notNumber != nil {
			return fmt.Errorf("user name was not found: %.80q", o.owner)
		}
		u = &user.User{Uid: o.owner, Username: o.owner}
	}
	o.user = u
	return nil
}

// deep says whether more is to be read of a process than its stat.
func (o options) deep() bool { return o.owner != "" || o.line != "" || o.pattern != nil }

// wantsOwner says whether a process of this user is counted.
func (o options) wantsOwner(uid string) bool { return o.user == nil || uid == o.user.Uid }

// wantsLine says whether a process with this command line is counted, its arguments joined by blanks.
func (o options) wantsLine(line []byte) bool {
	return bytes.Contains(line, []byte(o.line)) && (o.pattern == nil || o.pattern.Match(line))
}

// filtered says whether some processes are left out of the count.
func (o options) filtered() bool {
	return o.states != "" || o.command != "" || o.parent >= 0 || o.users || o.deep()
}

// process is what the check needs to know of one.
type process struct {
	command []byte
	state   byte // letter as in ps: R S D Z T t I ...; 0 = the system does not tell
	parent  int
	kernel  bool // a kernel thread
	other   bool // another user's, or with another command line, than those counted
}

// wants says whether a process is counted.
func (o options) wants(p process) bool {
	return !p.other && (o.states == "" || p.state != 0 && strings.IndexByte(o.states, p.state) >= 0) &&
		(o.command == "" || string(p.command) == o.command) && (o.parent < 0 || p.parent == o.parent) && !(o.users && p.kernel)
}

// counts is what one run found.
type counts struct {
	matching, total           int
	running, blocked, zombies int // kernel threads aside
	silent                    int // processes that told nothing
	threads, limit            int // threads of the whole box, and how many the kernel allows; 0 = unknown
}

// add counts one process.
func (c *counts) add(o options, p process) {
	c.total++
	if o.wants(p) {
		c.matching++
	}
	if p.kernel {
		return // their states are the kernel's own business, and not always read
	}
	switch p.state {
	case 'R':
		c.running++
	case 'D':
		c.blocked++
	case 'Z':
		c.zombies++
	}
}

// Check runs the check.
type Check struct {
	sampler
}

// New gives a check that reads procfs where it is mounted (Linux).
func New(proc string) *Check { return &Check{newSampler(proc)} }

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err == nil {
		err = o.findUser()
	}
	if err != nil {
		return unknown(err)
	}
	n, err := c.sample(ctx, o)
	if err != nil {
		return unknown(err)
	}
	return judge(o, n)
}

// judge makes the result.
func judge(o options, n counts) check.Result {
	var none threshold.Pair
	r := check.Result{State: o.limits.State(float64(n.matching))}
	r.Perfdata = []check.Perfdata{o.limits.Perf("procs", float64(n.matching), "", 0, math.NaN())}
	text := describe(o, n.matching)
	if !o.filtered() {
		r.State = threshold.Worst(r.State, o.zombies.State(float64(n.zombies)))
		text += fmt.Sprintf(", %d running, %d blocked, %d zombies", n.running, n.blocked, n.zombies)
		r.Perfdata = append(r.Perfdata, none.Perf("running", float64(n.running), "", 0, math.NaN()),
			none.Perf("blocked", float64(n.blocked), "", 0, math.NaN()), o.zombies.Perf("zombies", float64(n.zombies), "", 0, math.NaN()))
		full(&r, n)
	}
	if n.silent > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d processes cannot be read", n.silent))
	}
	r.Text = fmt.Sprintf("PROCS %s: %s", r.State, text)
	return r
}

// full adds how near the box is to the number of threads the kernel allows.
func full(r *check.Result, n counts) {
	if n.threads <= 0 || n.limit <= 0 {
		return
	}
	percent := float64(n.threads) / float64(n.limit) * 100
	limits := threshold.Pair{Warn: threshold.Above(fullWarn), Crit: threshold.Above(fullCrit)}
	state := limits.State(percent)
	r.State = threshold.Worst(r.State, state)
	r.Long = fmt.Sprintf("%d threads of %d that the kernel allows (%.1f%%)", n.threads, n.limit, percent)
	if state != check.OK {
		r.Long += " " + state.String()
	}
	r.Perfdata = append(r.Perfdata,
		limits.Scaled(float64(n.limit)/100).Perf("threads", float64(n.threads), "", 0, float64(n.limit)))
}

// describe says what was counted, in the plugin's words.
func describe(o options, n int) string {
	text := fmt.Sprintf("%d processes", n)
	if n == 1 {
		text = "1 process"
	}
	var with []string
	if o.user != nil {
		with = append(with, fmt.Sprintf("UID = %s (%s)", o.user.Uid, o.user.Username))
	}
	if o.command != "" {
		with = append(with, "command name '"+o.command+"'")
	}
	if o.states != "" {
		with = append(with, "STATE = "+o.states)
	}
	if o.parent >= 0 {
		with = append(with, fmt.Sprintf("PPID = %d", o.parent))
	}
	if o.line != "" {
		with = append(with, "args '"+o.line+"'")
	}
	if o.pattern != nil {
		with = append(with, "regex args '"+o.pattern.String()+"'")
	}
	if len(with) > 0 {
		text += " with " + strings.Join(with, ", ")
	}
	return text
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "PROCS UNKNOWN - " + err.Error()}
}
