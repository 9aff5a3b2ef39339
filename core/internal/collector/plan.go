package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check/collector"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// plan is a collector as it runs on this box: every template is expanded. It is kept beside its configuration, so that the next core knows
// what it takes over, and what ran well before.
type plan struct {
	Key         string // names all that is below
	Dir         string // the collector's folder, which the words below may name; "" in a plan that a core before kept
	Kind        string
	Program     string
	Run         []string // arguments
	Test        []string // arguments, nil = it has no test
	Health      []string // program and arguments, nil = none
	HealthEvery time.Duration
	Memory      int64
	Local       string // the owner's own configuration, where it lies, or program
	File        string // of the configuration, in the folder Key; "" = none of ours
	Config      string
	Stumble     string // as in collector.Kind; "" = the test command only reads
	Passes      string

	bad string // why there is none, "" for a plan that can be tried
}

// leads says whether its process alone is asked to end. Of one whose plan is not known that is not known either.
func (p plan) leads() bool { return collector.Spec{Kind: p.Kind}.KindOf().Leads }

const maxLocal = 4 << 20 // bytes of an owner's configuration that are looked at, to see that it changed

// makePlan expands a spec for this box. dir is the collector's folder.
func makePlan(s collector.Spec, facts collector.Facts, dir string) plan {
	p := plan{Dir: dir, Kind: s.Kind, Program: s.Program, HealthEvery: s.HealthEvery, Memory: s.Memory, Local: s.Local}
	if p.Program == "" {
		p.Program = s.KindOf().Program
	}
	facts.Name, facts.Dir = s.Name, filepath.Join(dir, dataName)
	text, err := collector.Expand(s.Config, facts)
	if err != nil {
		p.bad = "config: " + err.Error()
	}
	p.Key = keyOf(s, facts, text)
	switch {
	case s.Local != "" && s.Kind != collector.Command:
		facts.Config = s.Local
	case s.Config != "":
		p.File, p.Config = s.File, text
		if p.File == "" {
			p.File = s.KindOf().File
		}
		facts.Config = filepath.Join(dir, p.Key, p.File)
	}
	test := s.Test
	if len(test) == 0 {
		test, p.Stumble, p.Passes = s.KindOf().TestWith(s.Args), s.KindOf().Stumble, s.KindOf().Passes
	}
	for _, list := range []struct {
		to   *[]string
		from []string
	}{{&p.Run, append(append([]string(nil), s.KindOf().Run...), s.Args...)}, {&p.Test, test}, {&p.Health, s.Health}} {
		for _, arg := range list.from {
			word, err := collector.Expand(arg, facts)
			if err != nil && p.bad == "" {
				p.bad = fmt.Sprintf("%.80q: %s", arg, err)
			}
			*list.to = append(*list.to, word)
		}
	}
	return p
}

// keyOf is another for everything that makes another process: the spec, what became of its templates, the owner's own file.
func keyOf(s collector.Spec, facts collector.Facts, text string) string {
	h := sha256.New()
	part := func(words ...string) {
		for _, w := range words {
			fmt.Fprintf(h, "%d:%s", len(w), w)
		}
		fmt.Fprint(h, ";")
	}
	part(s.Kind, s.Program, s.File, text, fmt.Sprint(s.HealthEvery), fmt.Sprint(s.Memory))
	facts.Config = "config"
	for _, list := range [][]string{s.Args, s.Test, s.Health} {
		for _, arg := range list {
			word, err := collector.Expand(arg, facts)
			if err != nil {
				word = arg
			}
			part(word)
		}
		part()
	}
	if s.Local != "" && s.Kind != collector.Command {
		data, err := fsys.Read(fsys.Disk{}, s.Local, maxLocal)
		part(s.Local, string(data), fmt.Sprint(err != nil))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Names in a collector's folder, beside one folder a plan: its Key.
const (
	dataName    = "data"    // {{.Dir}}: the collector's own
	processName = "process" // which process it is
	goodName    = "good"    // the key of the plan that last ran well
	planName    = "plan"    // in a plan's folder: the plan
)

const maxPlan = 8 << 20

// keep writes plan and configuration: whoever finds the plan finds the configuration whole.
func (p plan) keep(dir string) error {
	at := filepath.Join(dir, p.Key)
	if err := os.MkdirAll(at, 0o700); err != nil {
		return err
	}
	if p.File != "" {
		if err := fsys.WriteNew(fsys.Disk{}, filepath.Join(at, p.File), []byte(p.Config), 0o600); err != nil {
			return err
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return fsys.WriteNew(fsys.Disk{}, filepath.Join(at, planName), data, 0o600)
}

// readPlan reads what keep wrote.
func readPlan(dir, key string) (plan, error) {
	if len(key) != 16 || strings.Trim(key, "0123456789abcdef") != "" {
		return plan{}, errors.New("no key of a plan")
	}
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(dir, key, planName), maxPlan)
	if err != nil {
		return plan{}, err
	}
	var p plan
	if err := json.Unmarshal(data, &p); err != nil {
		return plan{}, err
	}
	if p.Key != key {
		return plan{}, errors.New("another plan's")
	}
	if p.Dir != "" && p.Dir != dir {
		return plan{}, errors.New("of the folder that this one is a copy of, whose files it names")
	}
	return p, nil
}

// readGood is the plan that last ran well; its Key is "" when there is none.
func readGood(dir string) plan {
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(dir, goodName), 64)
	if err != nil {
		return plan{}
	}
	p, err := readPlan(dir, strings.TrimSpace(string(data)))
	if err != nil {
		return plan{}
	}
	return p
}

// forget removes the folders of plans that nobody needs any more.
func forget(dir string, needed ...string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if len(e.Name()) != 16 || strings.Trim(e.Name(), "0123456789abcdef") != "" {
			continue
		}
		use := false
		for _, key := range needed {
			use = use || key == e.Name()
		}
		if !use {
			os.RemoveAll(filepath.Join(dir, e.Name())) // best effort: tried again with the next plan
		}
	}
}

// searched are the folders in which a program named without one is looked for.
func searched(kind string) []string {
	return []string{
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/" + kind + "/bin", "/opt/" + kind + "/sbin",
		"/opt/fluent/bin", "/opt/td-agent/bin",
	}
}

// find is the program's path.
func find(program, kind string) (string, error) {
	if filepath.IsAbs(program) {
		return program, runnable(program)
	}
	for _, dir := range searched(kind) {
		path := filepath.Join(dir, program)
		if runnable(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no program %s in %s: install it, or name its path with `program`", program, strings.Join(searched(kind)[:6], ", "))
}

func runnable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is no program that can be run", path)
	}
	return nil
}
