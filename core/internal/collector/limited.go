package collector

import "sync"

// limited keeps the beginning of what a command says on both of its streams.
type limited struct {
	mu   sync.Mutex // guards said: each stream has a goroutine of its own
	said []byte
}

func (l *limited) take(_ bool, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, data[:min(len(data), maxSaid-len(l.said))]...)
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.said)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
