package plugin

import (
	"sync"
	"time"
)

// Known remembers where plugins were found and that they may run, for a moment: many checks of a box use the same ones. Its zero value is ready;
// its methods may be called by several goroutines.
type Known struct {
	mu    sync.Mutex // guards what follows
	found map[string]finding
}

type finding struct {
	path string
	at   time.Time
}

const (
	// knownFor is how late it is seen that a plugin was replaced by something that may not run. Who can do that within it could do it within the
	// microseconds between a look and a start as well.
	knownFor = time.Second
	maxKnown = MaxListed
)

// get is the path of a plugin that was found just now; "" = look.
func (k *Known) get(name string, now time.Time) string {
	if k == nil {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if f, ok := k.found[name]; ok && now.Sub(f.at) < knownFor {
		return f.path
	}
	return ""
}

func (k *Known) put(name, path string, now time.Time) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.found == nil || len(k.found) >= maxKnown {
		k.found = map[string]finding{}
	}
	k.found[name] = finding{path, now}
}
