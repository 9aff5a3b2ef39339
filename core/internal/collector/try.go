package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// try runs the plan's test command. The error says what is wrong with the configuration, for people. The plan is kept in dir.
func (p plan) try(ctx context.Context, name, dir string) error {
	if len(p.Test) == 0 {
		return nil
	}
	path, err := find(p.Program, p.Kind)
	if err != nil {
		return err
	}
	config := p.configPath(dir)
	args, line := p.Test, 0
	if p.Stumble != "" {
		if args, line, err = p.stumbling(config, dir); err != nil {
			return err
		}
	}
	ok, said := ask(ctx, name, path, args, testTime)
	if p.Stumble != "" {
		ok = strings.Contains(said, fmt.Sprintf(p.Passes, line))
	}
	if ok {
		return nil
	}
	for _, file := range []string{filepath.Join(dir, p.Key, stumbleName), config} { // the path is ours, and long
		said = strings.ReplaceAll(said, file, filepath.Base(config))
	}
	why := reason(said)
	if why == "" {
		why = "its test command fails and says nothing"
	}
	return errors.New(why)
}

// configPath is where the configuration lies, "" for none.
func (p plan) configPath(dir string) string {
	switch {
	case p.File != "":
		return filepath.Join(dir, p.Key, p.File)
	default:
		return p.Local
	}
}

const stumbleName = "test" // in a plan's folder: the configuration with Stumble behind it

// stumbling writes the configuration with a last line at which its parser stops; it returns the arguments that read it, and the line's number.
func (p plan) stumbling(config, dir string) (args []string, line int, err error) {
	text := p.Config
	if p.File == "" {
		data, err := fsys.Read(fsys.Disk{}, p.Local, maxLocal)
		if err != nil {
			return nil, 0, err
		}
		text = string(data)
	}
	text += "\n" + p.Stumble + "\n"
	file := filepath.Join(dir, p.Key, stumbleName)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, 0, err
	}
	for _, a := range p.Test {
		args = append(args, strings.ReplaceAll(a, config, file))
	}
	return args, strings.Count(text, "\n"), nil
}
