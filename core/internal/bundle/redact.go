package bundle

import (
	"regexp"
	"sync"
)

// rule is one kind of what is taken out.
type rule struct {
	what *regexp.Regexp
	by   string
}

// secrets are what is taken out, wherever it stands. Each keeps what tells a person that there was something. They are made when a bundle is: an agent at rest needs none.
var secrets = sync.OnceValue(func() []rule {
	return []rule{
		// http://name:password@host, in a box file, a log, an error. A password may hold an @ itself.
		{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/"'\\]*@`), "${1}[redacted]@"},
		// Tokens, and what begins like one.
		{regexp.MustCompile(`\blt1_[-_A-Za-z0-9+/=]{8,}`), "[redacted token]"},
		{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`), "[redacted key]"},
		// key = value, key: value, --key value, "key":"value" with a name that says what it is.
		{regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|community|credential)s?"?\s*[=:]\s*)(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}]+)`), "${1}[redacted]"},
		{regexp.MustCompile(`(?i)(--?(?:pass(?:word|wd)?|secret|token|community|api-key)[ =])\S+`), "${1}[redacted]"},
		{regexp.MustCompile(`(?i)(authorization:?\s*"?(?:basic|bearer|digest)\s+)\S+`), "${1}[redacted]"},
	}
})

// Redact takes out what looks like a key, a token or a password. It errs on the side of taking out too much.
func Redact(data []byte) []byte {
	for _, s := range secrets() {
		data = s.what.ReplaceAll(data, []byte(s.by))
	}
	return data
}
