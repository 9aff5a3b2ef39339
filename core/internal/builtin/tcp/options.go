package tcp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

const maxRead = 64 << 10 // bytes of an answer

type options struct {
	target   reach.Target
	limits   threshold.Pair // seconds
	send     string
	quit     string
	expect   []string
	all      bool
	hide     bool // -j
	mismatch check.State
	refused  check.State
	most     int           // bytes read; 0 = until the answer is there
	delay    time.Duration // between sending and reading
	tls      bool
	name     string // -S's --sni
	days     reach.Days
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{mismatch: check.Warning, refused: check.Critical}
	escape := false
	text := func(to *string) func(string) error {
		return func(v string) error {
			*to = v
			if escape {
				*to = unescape(v)
			}
			return nil
		}
	}
	var set option.Set
	o.target.Options(&set)
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	set.Flag('E', "escape", func() { escape = true })
	set.Value('s', "send", text(&o.send))
	set.Value('q', "quit", text(&o.quit))
	set.Value('e', "expect", func(v string) error { o.expect = append(o.expect, v); return nil })
	set.Flag('A', "all", func() { o.all = true })
	set.Flag('j', "jail", func() { o.hide = true })
	set.Value('M', "mismatch", into(&o.mismatch))
	set.Value('r', "refuse", into(&o.refused))
	set.Value('m', "maxbytes", func(v string) (err error) {
		if o.most, err = strconv.Atoi(v); err != nil || o.most < 1 || o.most > maxRead {
			return fmt.Errorf("%q is no number from 1 to %d", v, maxRead)
		}
		return nil
	})
	set.Value('d', "delay", func(v string) error {
		n, err := threshold.Number(v)
		if err != nil || n < 0 || n > 600 {
			return fmt.Errorf("%q is no number of seconds", v)
		}
		o.delay = time.Duration(n * float64(time.Second))
		return nil
	})
	set.Flag('S', "ssl", func() { o.tls = true })
	set.Value(0, "sni", func(v string) error { o.name = v; return nil })
	set.Value('D', "certificate", reach.IntoDays(&o.days))
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if o.target.Port == 0 && !strings.HasPrefix(o.target.Host, "/") {
		return options{}, errors.New("-p PORT is missing")
	}
	o.tls = o.tls || o.days.Given || o.name != ""
	return o, o.target.Check()
}

func into(to *check.State) func(string) error {
	return func(v string) error {
		switch strings.ToLower(v) {
		case "ok":
			*to = check.OK
		case "warn":
			*to = check.Warning
		case "crit":
			*to = check.Critical
		default:
			return fmt.Errorf("%q is none of ok, warn, crit", v)
		}
		return nil
	}
}

// unescape reads \n, \r, \t and \\.
func unescape(text string) string {
	return strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t", `\\`, `\`).Replace(text)
}
