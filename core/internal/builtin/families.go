package builtin

// New gives a registry of all builtin checks.
func New(env Env) *Registry {
	if env.ProcRoot == "" {
		env.ProcRoot = "/proc"
	}
	if env.SysRoot == "" {
		env.SysRoot = "/sys"
	}
	r := &Registry{instances: make(map[string]*instance)}
	r.families = map[string]family{}
	return r
}
