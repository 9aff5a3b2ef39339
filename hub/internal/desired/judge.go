package desired

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/limpet-monitoring/limpet/core/check"
)

// count reads a whole number from 1.
func (r *reader) count(n *yaml.Node, what string, most int) int {
	f := follow(n)
	v, err := strconv.Atoi(f.Value)
	if f.Kind != yaml.ScalarNode || err != nil || v < 1 || v > most {
		r.at(n, "%s is %s; wanted a number from 1 to %d", what, kind(f), most)
		return 0
	}
	return v
}

// problemState reads a state that is not OK.
func (r *reader) problemState(n *yaml.Node) check.State {
	f := follow(n)
	for _, s := range []check.State{check.Warning, check.Critical, check.Unknown} {
		if f.Kind == yaml.ScalarNode && strings.EqualFold(f.Value, s.String()) {
			return s
		}
	}
	r.at(n, "timeout_state is %s; wanted warning, critical or unknown", kind(f))
	return check.Unknown
}

// flap reads "off", or a mapping with the two thresholds.
func (r *reader) flap(n *yaml.Node) check.Flap {
	f := follow(n)
	if f.Kind == yaml.ScalarNode && (f.Value == "off" || f.Value == "false") { // YAML 1.1 has one word for both
		return check.Flap{Off: true}
	}
	var out check.Flap
	r.mapping(n, "flap", []field{
		{"low", func(n *yaml.Node) { out.Low = r.percent(n, "low") }},
		{"high", func(n *yaml.Node) { out.High = r.percent(n, "high") }},
	})
	if err := (check.Check{Name: "x", Builtin: "x", Every: check.MinEvery, Flap: out}).Validate(); err != nil {
		r.at(n, "%v", err)
	}
	return out
}

// importance reads low, normal or high.
func (r *reader) importance(n *yaml.Node) check.Importance {
	f := follow(n)
	if f.Kind == yaml.ScalarNode {
		switch f.Value {
		case "low":
			return check.Low
		case "normal":
			return check.Normal
		case "high":
			return check.High
		}
	}
	r.at(n, "importance is %s; wanted low, normal or high", kind(f))
	return check.Normal
}

// retry holds an interval for soft problems against the check it is of.
func (r *reader) retry(at *yaml.Node, label string, e Entry) {
	switch {
	case at == nil || e.Judge.Retry == 0:
	case e.Judge.Attempts < 2:
		r.at(at, "retry is for problems that are soft: %s needs attempts of 2 or more", label)
	case e.Every != 0 && e.Judge.Retry > e.Every:
		r.at(at, "retry %s is longer than every %s", brief(e.Judge.Retry), brief(e.Every))
	}
}

// maxProcessors is more than any box has.
const maxProcessors = 4096

// processor reads what agents may take, in percent of one processor.
func (r *reader) processor(n *yaml.Node) int {
	f := follow(n)
	digits, found := strings.CutSuffix(f.Value, "%")
	v, err := strconv.Atoi(digits)
	if f.Kind != yaml.ScalarNode || !found || err != nil || v < 1 || v > 100*maxProcessors {
		r.at(n, "cpu is %s; wanted percent of one processor, like 50%%", kind(f))
		return 0
	}
	return v
}

func (r *reader) percent(n *yaml.Node, what string) float64 {
	f := follow(n)
	v, err := strconv.ParseFloat(f.Value, 64)
	if f.Kind != yaml.ScalarNode || err != nil || !(v > 0 && v <= 100) {
		r.at(n, "%s is %s; wanted percent, above 0 and up to 100", what, kind(f))
		return 0
	}
	return v
}

// macros reads a mapping of names to values.
func (r *reader) macros(n *yaml.Node) map[string]string {
	f := follow(n)
	if f.Kind != yaml.MappingNode {
		r.at(n, "macros is %s; wanted a mapping like {ARG1: value}", kind(f))
		return nil
	}
	if len(f.Content)/2 > check.MaxMacros {
		r.at(n, "macros has %d entries, the limit is %d", len(f.Content)/2, check.MaxMacros)
		return nil
	}
	out := map[string]string{}
	for i := 0; i+1 < len(f.Content); i += 2 {
		key := f.Content[i]
		switch _, doubled := out[key.Value]; {
		case !check.ValidMacro(key.Value):
			r.at(key, "%s names no macro; wanted capital letters, digits and _, like ARG1", quote(key.Value))
		case doubled:
			r.at(key, "macro %s is there twice", key.Value)
		}
		out[key.Value] = r.word(f.Content[i+1], "a macro", argument)
	}
	return out
}
