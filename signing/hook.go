package signing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// hookTime is how long a hook may take: somebody has to find the token and touch it.
const hookTime = 5 * time.Minute

// leftTime is how long what a hook left behind may hold its output open. On a busy machine what it said itself takes its time, too.
const leftTime = 10 * time.Second

// maxHookOutput is what is read of a hook's answer, in bytes.
const maxHookOutput = 1 << 10

// hook signs with a command: it gets the bytes to sign on its standard input, and
// prints the signature, raw, in hex or in base64. Its standard error goes into the
// error. What it answers is believed only if the public key verifies it.
type hook struct {
	command string
	public  Public
}

func openHook(name, public string) (*hook, error) {
	command, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("find hook %s: %w", name, err)
	}
	if _, err := exec.LookPath(command); err != nil {
		return nil, fmt.Errorf("find hook %s: %w", name, errors.Unwrap(err))
	}
	p, err := LoadPublic(public)
	if err != nil {
		return nil, err
	}
	return &hook{command, p}, nil
}

func (h *hook) Public() ed25519.PublicKey { return h.public.Key }

func (h *hook) Development() bool { return h.public.Development }

func (h *hook) Sign(message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hookTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.command)
	cmd.Stdin = bytes.NewReader(message)
	cmd.Env = append(cmd.Environ(), "LIMPET_KEY_ID="+h.public.ID())
	cmd.WaitDelay = leftTime
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) && len(failed.Stderr) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
	}
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", h.command, err)
	}
	sig := readSignature(out)
	if sig == nil || !ed25519.Verify(h.public.Key, message, sig) {
		return nil, fmt.Errorf("sign with %s: it answered %d bytes that are no signature by its public key", h.command, len(out))
	}
	return sig, nil
}

// readSignature understands the three forms, which their lengths tell apart.
func readSignature(out []byte) []byte {
	if len(out) == ed25519.SignatureSize {
		return out
	}
	if len(out) > maxHookOutput {
		return nil
	}
	text := strings.TrimSpace(string(out))
	if sig, err := hex.DecodeString(text); err == nil && len(sig) == ed25519.SignatureSize {
		return sig
	}
	if sig, err := base64.StdEncoding.DecodeString(text); err == nil && len(sig) == ed25519.SignatureSize {
		return sig
	}
	return nil
}
