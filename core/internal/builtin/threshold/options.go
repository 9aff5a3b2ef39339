package threshold

import "github.com/limpet-monitoring/limpet/core/internal/builtin/option"

// Options reads the arguments of a check that takes -w and -c alone; without either, what is above these values is a problem.
func Options(args []string, warn, crit float64) (Pair, error) {
	var limits Pair
	var set option.Set
	set.Value('w', "warning", Into(&limits.Warn))
	set.Value('c', "critical", Into(&limits.Crit))
	if err := set.Parse(args); err != nil {
		return Pair{}, err
	}
	if !limits.Set() {
		limits = Pair{Warn: Above(warn), Crit: Above(crit)}
	}
	return limits, nil
}
