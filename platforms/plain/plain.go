// Package plain is for the stub and what it links: errors with their cause and hashes as text, without
// fmt and encoding/hex. Those two, and the reflection they bring, are a twentieth of the stub. It owns
// nothing and knows no other package of ours.
package plain

// wrapped is an error of somebody else with what was being done when it came.
type wrapped struct {
	doing string
	cause error
}

func (w *wrapped) Error() string { return w.doing + ": " + w.cause.Error() }
func (w *wrapped) Unwrap() error { return w.cause }

// Wrap is fmt.Errorf("DOING: %w", cause): verb and object, then the cause, which must not be nil.
func Wrap(doing string, cause error) error { return &wrapped{doing, cause} }

// Because is fmt.Errorf("%w: WHY", kind): a sentinel that callers branch on, then what is wrong.
func Because(kind error, why string) error { return &because{kind, why} }

type because struct {
	kind error
	why  string
}

func (b *because) Error() string { return b.kind.Error() + ": " + b.why }
func (b *because) Unwrap() error { return b.kind }

const digits = "0123456789abcdef"

// Hex is b in lower-case hexadecimal digits.
func Hex(b []byte) string {
	text := make([]byte, 0, 2*len(b))
	for _, c := range b {
		text = append(text, digits[c>>4], digits[c&15])
	}
	return string(text)
}

// Hash reads a SHA-256 of 64 hexadecimal digits, in either case; false for anything else.
func Hash(text string) (hash [32]byte, ok bool) {
	if len(text) != 2*len(hash) {
		return [32]byte{}, false
	}
	for i := range len(text) {
		digit := text[i]
		switch {
		case digit >= '0' && digit <= '9':
			digit -= '0'
		case digit >= 'a' && digit <= 'f':
			digit -= 'a' - 10
		case digit >= 'A' && digit <= 'F':
			digit -= 'A' - 10
		default:
			return [32]byte{}, false
		}
		hash[i/2] = hash[i/2]<<4 | digit
	}
	return hash, true
}
