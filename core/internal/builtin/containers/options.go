package containers

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

const maxNames = 200

type options struct {
	names     []string // or patterns; none: all
	exclude   []string
	socket    string         // "" = the first of the usual ones that is there
	engine    string         // "docker" or "containerd", "" = by the socket's name
	namespace string         // containerd's, "" = all
	count     threshold.Pair // of running containers
	stopped   bool           // one that has ended with exit code 0 is no fault
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	into := func(list *[]string) func(string) error {
		return func(v string) error {
			if _, err := path.Match(v, ""); err != nil || v == "" || len(*list) >= maxNames {
				return fmt.Errorf("%q is no container's name", v)
			}
			*list = append(*list, v)
			return nil
		}
	}
	set.Value('n', "name", into(&o.names))
	set.Value('x', "exclude", into(&o.exclude))
	set.Value('s', "socket", func(v string) error {
		if o.socket = strings.TrimPrefix(v, "unix://"); !filepath.IsAbs(o.socket) {
			return fmt.Errorf("%q is no absolute path", v)
		}
		return nil
	})
	set.Value('e', "engine", func(v string) error {
		if o.engine = v; v != "docker" && v != "containerd" {
			return errors.New("it is docker (podman, too) or containerd")
		}
		return nil
	})
	set.Value(0, "namespace", func(v string) error { o.namespace = v; return nil })
	set.Value('w', "warning", threshold.Into(&o.count.Warn))
	set.Value('c', "critical", threshold.Into(&o.count.Crit))
	set.Flag(0, "stopped-ok", func() { o.stopped = true })
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	return o, nil
}

// wants says whether a container is judged.
func (o options) wants(name string) bool {
	return !matches(o.exclude, name) && (len(o.names) == 0 || matches(o.names, name))
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok || p == name
	})
}
