// Command deltabench compares the codecs of package delta with bsdiff, bsdiff recompressed with xz, and zstd, on pairs of
// files: sizes, times, and the memory of the process that applies a patch. It needs bsdiff, xz and zstd in PATH.
//
//	deltabench OLD:NEW ...
//	deltabench -name amd64 OLD:NEW     one line, under a name
//
// The patches of bsdiff take about 20 times the size of the old file in memory while they are made.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/updater/delta"
)

func main() {
	name := flag.String("name", "", "what to call the pair, instead of the names of its files")
	apply := flag.String("apply", "", "apply this codec: OLD PATCH RESULT (what deltabench starts itself as)")
	flag.Parse()
	var err error
	if *apply != "" {
		err = applyOne(*apply, flag.Arg(0), flag.Arg(1), flag.Arg(2))
	} else {
		err = compare(*name, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// applyOne is what `limpet-core patch` does, and no more, so that its memory can be measured.
func applyOne(codec, oldPath, patchPath, resultPath string) error {
	delta.Sparing()
	old, err := os.Open(oldPath)
	if err != nil {
		return err
	}
	defer old.Close()
	info, err := old.Stat()
	if err != nil {
		return err
	}
	patch, err := os.Open(patchPath)
	if err != nil {
		return err
	}
	defer patch.Close()
	out, err := os.Create(resultPath)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := delta.Apply(context.Background(), codec, old, info.Size(), patch, out, delta.Limits{}); err != nil {
		return err
	}
	_, err = fmt.Println(peak())
	return err
}

// peak returns the most memory that this process had resident, in kB, where the system says it: Linux.
func peak() int {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	if f := strings.Fields(rest); len(f) > 0 {
		n, _ := strconv.Atoi(f[0])
		return n
	}
	return 0
}

func compare(name string, pairs []string) error {
	dir, err := os.MkdirTemp("", "deltabench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("| pair | new file | bsdiff | bsdiff+xz | zstd -19 patch-from | codec zstd | codec go1 | go1/bsdiff | encode | apply | apply RSS |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, p := range pairs {
		oldPath, newPath, ok := strings.Cut(p, ":")
		if !ok {
			return fmt.Errorf("read pair %q: it has no colon", p)
		}
		label := name
		if label == "" {
			label = filepath.Base(oldPath) + " to " + filepath.Base(newPath)
		}
		line, err := measure(dir, oldPath, newPath)
		if err != nil {
			return fmt.Errorf("measure %s: %w", p, err)
		}
		fmt.Printf("| %s | %s |\n", label, line)
	}
	return nil
}

// measure returns one line of the table.
func measure(dir, oldPath, newPath string) (string, error) {
	old, err := os.ReadFile(oldPath)
	if err != nil {
		return "", err
	}
	new, err := os.ReadFile(newPath)
	if err != nil {
		return "", err
	}
	bs, bsxz, err := bsdiff(dir, oldPath, newPath)
	if err != nil {
		return "", err
	}
	zst, err := zstd(dir, oldPath, newPath)
	if err != nil {
		return "", err
	}
	plain, err := delta.Make(delta.Zstd, old, new)
	if err != nil {
		return "", err
	}
	start := time.Now()
	patch, err := delta.Make(delta.Go1, old, new)
	if err != nil {
		return "", err
	}
	took := time.Since(start)
	patchPath := filepath.Join(dir, "go1")
	if err := os.WriteFile(patchPath, patch, 0o600); err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(self, "-apply", delta.Go1, oldPath, patchPath, filepath.Join(dir, "result"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("apply: %w", err)
	}
	resident, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return "", fmt.Errorf("apply: read its memory: %w", err)
	}
	return fmt.Sprintf("%d | %d | %d | %d | %d | %d | %.3f | %.1f s | %.2f s | %.1f MB", len(new), bs, bsxz, zst, len(plain), len(patch),
		float64(len(patch))/float64(bs), took.Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), float64(resident)*1024/1e6), nil
}
