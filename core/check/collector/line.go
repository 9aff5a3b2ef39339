package collector

import (
	"crypto/sha256"
	"fmt"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Line says in one line all that a collector can start, as the site's owner signs it: its kind and arguments, and in brackets what else decides about them: the program where it is
// not the kind's own, the configuration by its SHA-256, the file's name, the test's and the health command's words.
//
//	collector[config=sha256:4c1f…] collectd
//	collector[program=/opt/shipper/bin/shipper config=sha256:… test=--check] command --config {{.Config}}
//
// Templates stand as they are written: what a box fills in are its own facts. What a collector is called, how often its health is asked for and how much memory it may have start nothing.
func (s Spec) Line() (string, error) {
	var words []string
	add := func(name string, values ...string) {
		for _, v := range values {
			words = append(words, name+"="+v)
		}
	}
	if s.Program != "" {
		add("program", s.Program)
	}
	if s.Config != "" {
		add("config", fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s.Config))))
	}
	if s.File != "" {
		add("file", s.File)
	}
	add("test", s.Test...)
	add("health", s.Health...)
	line := "collector"
	if len(words) > 0 {
		line += "[" + check.ArgLine(words) + "]"
	}
	line += " " + check.ArgLine(append([]string{s.Kind}, s.Args...))
	if !check.IsLine(line) {
		return "", fmt.Errorf("collector %.80q: %w", s.Name, check.ErrNoLine)
	}
	return line, nil
}
