package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// errand runs look or get as the stub does: with a stdin that lasts.
func (b *testBox) errand(args ...string) result {
	b.t.Helper()
	cmd := exec.Command(program, append(args, "--root", b.Root, "--channel", "stable", "--stub", "dev")...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	defer stdin.Close()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

func TestErrandsKeepToTheirFolders(t *testing.T) {
	core := randomCore(5000)
	hash := fmt.Sprintf("%x", sha256.Sum256(core))
	p := newPublisher(t).publish("1.0.0", core, time.Now())
	h, b := newHub(t, p), newBox(t)
	b.bootstrap(h, h.token()).expect(t, 0)
	mirror := filepath.Join(t.TempDir(), "mirror")
	for _, err := range []error{
		os.CopyFS(mirror, os.DirFS(p.dir)),
		os.WriteFile(b.BoxFile(), []byte("hub = "+h.server.URL+"\nmirror = "+mirror+"\n"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.errand("look").expect(t, 0, "looked "+mirror)

	// Something in the mirror leads elsewhere: it is not read, and the hub is asked.
	name, out := filepath.Join(mirror, "timestamp.json"), filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(name, out); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(out, name); err != nil {
		t.Fatal(err)
	}
	b.errand("look").expect(t, 0, "looked "+h.server.URL)

	// A name in the folder for downloads leads elsewhere: nothing is written there.
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(b.Part(), hash)
	if err := os.Symlink(precious, part); err != nil {
		t.Fatal(err)
	}
	b.errand("get", "--hash", hash, "--plain").expect(t, exitFailed, "permission denied")
	if b.read(precious) != "x" {
		t.Error("it was written to")
	}
	if err := os.Remove(part); err != nil {
		t.Fatal(err)
	}
	b.errand("get", "--hash", hash, "--plain").expect(t, 0, "full 5000")
	if b.read(part) != string(core) {
		t.Error("other bytes came")
	}
}
