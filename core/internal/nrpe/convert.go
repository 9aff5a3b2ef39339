package nrpe

import (
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/imported"
)

// wish is a check that the person at the terminal asked for: a request as the server sends it, "command!arg1!arg2".
type wish struct{ name, request string }

// plan is what comes of a configuration.
type plan struct {
	checks   []imported.Check
	troubles []trouble // not carried over
	notes    []trouble // carried over, and yet worth a word
}

// choice is what the person at the terminal, or the import before this one, has said.
type choice struct {
	wishes []wish
	every  map[string]time.Duration // by check; "" for all others
	root   bool                     // who imports can have others run commands
	self   string                   // else: as whom they run
}

const defaultEvery = time.Minute

// convert makes checks of commands: of each that needs no arguments under its own name, and of each wish. An error is one that keeps all of them
// from running.
func (d *daemon) convert(c choice) (plan, error) {
	p := plan{troubles: slices.Clone(d.troubles)}
	account, err := d.account(c, &p)
	if err != nil {
		return plan{}, err
	}
	last := d.last(&p)
	asked := d.grant(&p, c, last, account)
	for _, one := range d.commands {
		switch n := arguments(one.line); {
		case last[one.name] != one || asked[one.name]:
		case n > 0:
			p.troubles = append(p.troubles, trouble{one.at, d.wantsArguments(one.name, n)})
		default:
			d.add(&p, c, one, one.name, one.name, account)
		}
	}
	for name := range c.every {
		if name != "" && !slices.ContainsFunc(p.checks, func(made imported.Check) bool { return made.Name == name }) {
			p.notes = append(p.notes, trouble{d.place(), fmt.Sprintf("--every %s=…: there is no check of this name", name)})
		}
	}
	return p, nil
}

// last is the command that counts, by name.
func (d *daemon) last(p *plan) map[string]command {
	last := map[string]command{}
	for _, one := range d.commands {
		if before, ok := last[one.name]; ok {
			p.troubles = append(p.troubles, trouble{before.at, fmt.Sprintf("command[%s] stands again at %s, which counts for NRPE", one.name, one.at)})
		}
		last[one.name] = one
	}
	return last
}

// grant makes the checks that were asked for, and says which commands they are of.
func (d *daemon) grant(p *plan, c choice, last map[string]command, a account) map[string]bool {
	asked := map[string]bool{}
	for _, w := range c.wishes {
		name, args, _ := strings.Cut(w.request, "!")
		one, ok := last[name]
		if !ok {
			p.troubles = append(p.troubles, trouble{d.place(), fmt.Sprintf("check %s: there is no command[%s]", w.name, name)})
			continue
		}
		asked[name] = true
		if why := d.refuses(args); why != "" {
			p.troubles = append(p.troubles, trouble{one.at, fmt.Sprintf("check %s: %s", w.name, why)})
			continue
		}
		d.add(p, c, one, w.name, w.request, a)
	}
	return asked
}

func (d *daemon) place() place {
	if len(d.commands) > 0 {
		return place{file: d.commands[0].at.file}
	}
	return place{file: "nrpe.cfg"}
}

// wantsArguments says why a command is not carried over that only runs with what the server sends.
func (d *daemon) wantsArguments(name string, n int) string {
	who := "which NRPE's server sends"
	if !d.arguments {
		who = "which this NRPE takes from nobody (dont_blame_nrpe)"
	}
	return fmt.Sprintf("command[%s] needs arguments up to $ARG%d$, %s; say them here: --check '%s=%s%s'",
		name, n, who, checkName(name), name, strings.Repeat("!VALUE", n))
}

// refuses says why NRPE would not take these arguments, or "".
func (d *daemon) refuses(args string) string {
	switch {
	case args == "":
		return ""
	case strings.ContainsAny(args, d.nasty):
		return fmt.Sprintf("NRPE refuses arguments with any of %q", d.nasty)
	case strings.Contains(args, "$(") && !d.substitution:
		return "NRPE refuses arguments with $( unless allow_bash_command_substitution is 1"
	}
	return ""
}

// account is whom the commands run as.
type account struct{ user, group string }

func (d *daemon) account(c choice, p *plan) (account, error) {
	a := account{d.user, d.group}
	if a.user == "" {
		for _, name := range []string{"nagios", "nrpe"} {
			if _, err := user.Lookup(name); err == nil {
				a.user = name
				break
			}
		}
	}
	if !c.root {
		if a.user != "" && a.user != c.self {
			p.notes = append(p.notes, trouble{d.place(), fmt.Sprintf("the commands run as %s and not as %s: only root can have others run them", c.self, a.user)})
		}
		return account{}, nil
	}
	if a.user == "" {
		return a, fmt.Errorf("nrpe_user is not named, and there is no user nagios: NRPE runs nothing as root, and this import makes nothing that would; name it in the file")
	}
	if _, err := user.Lookup(a.user); err != nil {
		p.notes = append(p.notes, trouble{d.place(), fmt.Sprintf("the commands run as %s, as with NRPE, and there is no such user here", a.user)})
	}
	return a, nil
}

// add makes one check.
func (d *daemon) add(p *plan, c choice, one command, name, request string, a account) {
	valid := checkName(name)
	if slices.ContainsFunc(p.checks, func(c imported.Check) bool { return c.Name == valid }) {
		p.troubles = append(p.troubles, trouble{one.at, fmt.Sprintf("a check by the name %s is there already; give it another: --check 'NAME=%s'", valid, request)})
		return
	}
	line := one.line
	if d.prefix != "" {
		line = d.prefix + " " + line
	}
	_, args, _ := strings.Cut(request, "!")
	line = expand(line, strings.FieldsFunc(args, func(r rune) bool { return r == '!' }))
	command, why := words(line)
	if why != "" {
		command = []string{"/bin/sh", "-c", line}
	}
	timeout := min(time.Duration(d.timeout)*time.Second, check.MaxTimeout)
	every, ok := c.every[valid]
	if !ok {
		every = c.every[""]
	}
	made := imported.Check{Name: valid, Command: command, Every: every.String(), Timeout: timeout.String(), User: a.user, Group: a.group}
	if request != valid {
		made.Request = request
	}
	if _, err := made.Check(); err != nil {
		p.troubles = append(p.troubles, trouble{one.at, fmt.Sprintf("command[%s]: %v", one.name, err)})
		return
	}
	if len(p.checks) >= imported.MaxChecks {
		p.troubles = append(p.troubles, trouble{one.at, fmt.Sprintf("command[%s]: more than %d checks", one.name, imported.MaxChecks)})
		return
	}
	p.checks = append(p.checks, made)
	d.remark(p, one, made, why, name)
}

// remark says what is different from what the person would expect.
func (d *daemon) remark(p *plan, one command, made imported.Check, why, name string) {
	note := func(format string, args ...any) {
		p.notes = append(p.notes, trouble{one.at, made.Name + ": " + fmt.Sprintf(format, args...)})
	}
	if why != "" {
		note("runs through /bin/sh, as with NRPE, for %s", why)
	}
	if made.Name != name {
		note("is the name of %q here", name)
	}
	if limit := time.Duration(d.timeout) * time.Second; limit > check.MaxTimeout {
		note("ends after %s, not after command_timeout = %s", check.MaxTimeout, limit)
	}
}

// checkName makes a check's name of a command's.
func checkName(name string) string {
	valid := []byte(name[:min(len(name), check.MaxName)])
	for i, b := range valid {
		if !check.ValidName("x" + string(rune(b))) {
			valid[i] = '-'
		}
	}
	return string(valid)
}
