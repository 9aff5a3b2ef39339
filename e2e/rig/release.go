//go:build unix

package rig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
)

// BuildCore builds the core of this source under a version, with build tags where it is to be broken on purpose (core/fault_*.go).
func BuildCore(ctx context.Context, file, version string, tags ...string) error {
	return BuildProgram(ctx, "limpet-core", file, version, tags...)
}

// BuildProgram builds one of the programs of this source.
func BuildProgram(ctx context.Context, name, file, version string, tags ...string) error {
	module, err := Module()
	if err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version=" + version, "-o", file}
	for _, t := range tags {
		args = append(args, "-tags", t)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, Programs[name])...)
	cmd.Dir = module
	cmd.Env = Environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s %s: %w\n%s", name, version, err, out)
	}
	return nil
}

// Reversion makes another release of a core without building it: the text of its version, as the linker put it there, is replaced by one as
// long. It returns the new core's SHA-256 in hex.
func Reversion(from, to, old, version string) (string, error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	if len(old) != len(version) || !bytes.Contains(data, []byte(old)) {
		return "", fmt.Errorf("make %s of %s: %q is not there, or not as long", version, from, old)
	}
	data = bytes.ReplaceAll(data, []byte(old), []byte(version))
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), os.WriteFile(to, data, 0o755)
}

// PublishCore lists a core under a version, and what more says.
func (r *Rig) PublishCore(ctx context.Context, version, core string, more ...string) (string, error) {
	return r.Run(ctx, "limpet-release", append([]string{"publish", "--dir", r.path("release"), "--keys", r.path("keys"), "--channel", "stable",
		"--version", version, "--soak", "3s", "--core", Platform + "=" + core}, more...)...)
}
