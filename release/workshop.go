package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// workshop is a copy of one commit in a temporary folder, and a way to build in it.
// Two of them share nothing that could hide a difference: neither path nor, where
// asked for, what the compiler keeps from earlier builds.
type workshop struct {
	dir   string
	cache string // GOCACHE; "" = the usual one
	built string // when the commit was made, Unix seconds: the programs take it for a time that is surely past
}

// newWorkshop copies the commit of a git checkout. A clean one compiles everything
// anew.
func newWorkshop(ctx context.Context, source, commit, name string, clean bool) (*workshop, error) {
	dir, err := os.MkdirTemp("", "limpet-cut-")
	if err != nil {
		return nil, fmt.Errorf("make folder to build in: %w", err)
	}
	w := &workshop{dir: dir}
	if clean {
		w.cache = filepath.Join(dir, "cache")
	}
	w.dir = filepath.Join(dir, name)
	when, err := execute(ctx, exec.CommandContext(ctx, "git", "-C", source, "log", "-1", "--format=%ct", commit))
	if err != nil {
		w.close()
		return nil, fmt.Errorf("ask when commit %s was made: %w", commit, err)
	}
	w.built = strings.TrimSpace(string(when))
	if err := copyCommit(ctx, source, commit, w.dir); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *workshop) close() { os.RemoveAll(filepath.Dir(w.dir)) }

// fetchTags leave HTTP/2 out of limpet-fetch, which has no use for it: 0.4 MB of its 7.
const fetchTags = "nethttpomithttp2"

// build builds one package for a platform and returns the program.
func (w *workshop) build(ctx context.Context, platform, pkg, version string) ([]byte, error) {
	goos, goarch, _ := strings.Cut(platform, "-")
	out := filepath.Join(filepath.Dir(w.dir), "program")
	args := append(append([]string{"build"}, buildFlags...), "-ldflags", "-s -w -buildid= -X main.version="+version+" -X main.built="+w.built, "-o", out)
	if pkg == "./stub/fetch" {
		args = append(args, "-tags", fetchTags)
	}
	cmd := w.command(ctx, append(args, pkg)...)
	cmd.Env = append(cmd.Env, "GOOS="+goos, "GOARCH="+goarch)
	if _, err := execute(ctx, cmd); err != nil {
		return nil, err
	}
	return fsys.Read(fsys.Disk{}, out, maxFile)
}

// compiler is the version of Go that builds here.
func (w *workshop) compiler(ctx context.Context) (string, error) {
	text, err := execute(ctx, w.command(ctx, "env", "GOVERSION"))
	return strings.TrimSpace(string(text)), err
}

// command runs go with what could change its output set the same for everybody.
func (w *workshop) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", experiment, "GOFLAGS=-mod=readonly", "GOWORK=off")
	cmd.Env = append(cmd.Env, slices.Collect(maps.Values(processors))...)
	if w.cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+w.cache)
	}
	return cmd
}

// resolve finds the full id of a commit.
func resolve(ctx context.Context, source, commit string) (string, error) {
	text, err := execute(ctx, exec.CommandContext(ctx, "git", "-C", source, "rev-parse", "--verify", "--quiet", "--end-of-options", commit+"^{commit}"))
	if err != nil {
		return "", fmt.Errorf("find commit %s in %s: %w", commit, source, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// changed reports whether a checkout has changes that are in no commit.
func changed(ctx context.Context, source string) bool {
	text, err := execute(ctx, exec.CommandContext(ctx, "git", "-C", source, "status", "--porcelain"))
	return err == nil && len(text) > 0
}

// copyCommit writes the files of a commit below dir.
func copyCommit(ctx context.Context, source, commit, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("copy source: %w", err)
	}
	archive, err := execute(ctx, exec.CommandContext(ctx, "git", "-C", source, "archive", "--format=tar", commit))
	if err != nil {
		return fmt.Errorf("copy source: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("copy source: %w", err)
	}
	defer root.Close()
	files := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := files.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("copy source: %w", err)
		}
		if err := unpackOne(root, header, files); err != nil {
			return fmt.Errorf("copy source: %w", err)
		}
	}
}

func unpackOne(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.FromSlash(strings.TrimSuffix(header.Name, "/"))
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, header.FileInfo().Mode().Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	}
	return nil // the commit's id, as a comment
}

// execute runs a command to its end; what it says about a failure is the error.
func execute(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return nil, errors.New("interrupted")
	case stderr.Len() > 0:
		return nil, fmt.Errorf("%s: %s", filepath.Base(cmd.Path), strings.TrimSpace(stderr.String()))
	default:
		return nil, fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
}
