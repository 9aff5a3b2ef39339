package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// openToRead opens a repository without keys.
func openToRead(dir string) (*repo.Repo, error) {
	if dir == "" {
		return nil, usageError("--dir is missing")
	}
	r, err := repo.Open(fsys.Disk{}, dir, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no repository in %s", dir)
	}
	return r, err
}

// allCores lists every core of every channel and platform.
func allCores(r *repo.Repo) []tuf.Core {
	var out []tuf.Core
	for _, role := range r.Roles() {
		channel, platform, _ := strings.Cut(role, "-")
		cores, _ := r.Set().Cores(channel, platform)
		out = append(out, cores...)
	}
	return out
}

func listCommand(f *flag.FlagSet) action {
	dir := f.String("dir", "", "`folder` of the repository")
	return func(_ context.Context, out output) error {
		r, err := openToRead(*dir)
		if err != nil {
			return err
		}
		if r.Set().Development() {
			sayDevelopment(out)
		}
		if err := printTargets(out, r); err != nil {
			return err
		}
		out.printf("next: limpet-release verify --dir %s\n", *dir)
		return nil
	}
}

func printTargets(out output, r *repo.Repo) error {
	programs, err := r.Set().Under("stub/")
	if err != nil {
		return err
	}
	cores := allCores(r)
	if len(cores)+len(programs) == 0 {
		out.printf("nothing is published yet\n")
		return nil
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	if len(cores) > 0 {
		fmt.Fprintln(table, "CHANNEL\tPLATFORM\tVERSION\tCOUNTER\tFLOOR\tSOAK\tCONTRACT\tBYTES\tOPEN\tPACKED\tDELTAS\tSHA-256")
	}
	for _, c := range cores {
		packed := "-"
		if c.Packed != nil {
			packed = strconv.FormatInt(c.Packed.Length, 10)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%v\t%d\t%d\t%s\t%s\t%d\t%x\n", c.Channel, c.Platform, c.Version, c.Counter, c.Floor, c.Soak, c.Contract, c.Length, openTo(r, c), packed, len(c.Deltas), c.SHA256[:6])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(programs) > 0 {
		fmt.Fprintln(table, "STUB\tBYTES\tSHA-256")
	}
	for _, p := range programs {
		fmt.Fprintf(table, "%s\t%d\t%x\n", strings.TrimPrefix(p.Path, "stub/"), p.Length, p.SHA256[:6])
	}
	return table.Flush()
}

// openTo is the share of the fleet that a release is open to now.
func openTo(r *repo.Repo, c tuf.Core) string {
	if !r.Paused(c).IsZero() {
		return "paused"
	}
	return strconv.Itoa(tuf.Open(c.Waves, time.Now())) + " %"
}

func verifyCommand(f *flag.FlagSet) action {
	dir := f.String("dir", "", "`folder` of the repository")
	root := f.String("root", "", "`file` with the root that boxes trust (default: the repository's own first one)")
	return func(ctx context.Context, out output) error {
		r, err := openToRead(*dir)
		if err != nil {
			return err
		}
		if *root == "" {
			*root = filepath.Join(*dir, "1.root.json")
		}
		return verify(ctx, out, r, *dir, *root)
	}
}

// verify does what a box does that holds nothing but the root, and then hashes
// every file that is listed.
func verify(ctx context.Context, out output, r *repo.Repo, dir, rootFile string) error {
	root, err := fsys.Read(fsys.Disk{}, rootFile, tuf.MaxRoot)
	if err != nil {
		return fmt.Errorf("read root: %w", err)
	}
	want := []string{"stub/"}
	for _, role := range r.Roles() {
		channel, platform, _ := strings.Cut(role, "-")
		want = append(want, tuf.CoreDir(channel, platform))
	}
	now := time.Now()
	set, _, err := tuf.Refresh(tuf.Stored{"root.json": root}, r.Read, now, want...)
	if err != nil {
		return fmt.Errorf("a box that trusts %s refuses this repository: %w%s", rootFile, err, advice(err))
	}
	if set.Development() {
		sayDevelopment(out)
	}
	n, err := checkFiles(ctx, out, set, dir, want)
	if err != nil {
		return err
	}
	ways, err := checkWays(ctx, out, set, dir, r.Roles())
	if err != nil {
		return err
	}
	if err := printRoles(out, r, set, now); err != nil {
		return err
	}
	if err := printTargets(out, r); err != nil {
		return err
	}
	next := "serve the folder, or limpet-release publish the next version"
	if warnings := set.Warnings(now); warnings != nil {
		for _, w := range warnings {
			out.note("warning: %s", w)
		}
		next = "limpet-release refresh --dir " + dir + " --keys KEYDIR"
	}
	out.printf("verified: %d files of targets, %d packed cores and deltas\nnext: %s\n", n, ways, next)
	return nil
}

// printRoles shows each role: how long it holds, how many of whom have to sign it, and who has.
func printRoles(out output, r *repo.Repo, set *tuf.Set, now time.Time) error {
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROLE\tVERSION\tEXPIRES\tIN DAYS\tNEEDS\tKEYS (* HAS SIGNED)")
	for _, e := range set.Expiries() {
		s, err := r.Signers(e.Role)
		if err != nil {
			return err
		}
		var keys []string
		for _, id := range s.Keys {
			name := id[:8]
			if s.Signed[id] {
				name += "*"
			}
			keys = append(keys, name)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%d of %d\t%s\n", e.Role, e.Version, stamp(e.Expires), int(e.Expires.Sub(now).Hours()/24),
			s.Threshold, len(s.Keys), strings.Join(keys, " "))
	}
	return table.Flush()
}

// advice is what to do about a refusal that time alone brings.
func advice(err error) string {
	var e *tuf.Error
	if errors.As(err, &e) && e.Kind == tuf.Expired {
		return "; run limpet-release refresh, or set the clock"
	}
	return ""
}

// checkFiles hashes the files of all targets below the folders, and counts them.
func checkFiles(ctx context.Context, out output, set *tuf.Set, dir string, folders []string) (int, error) {
	var all []tuf.Target
	for _, folder := range folders {
		targets, err := set.Under(folder)
		if err != nil {
			return 0, err
		}
		all = append(all, targets...)
	}
	bar := out.progress(len(all))
	defer bar.close()
	for _, t := range all {
		if ctx.Err() != nil {
			return 0, errors.New("interrupted")
		}
		bar.begin(t.Path)
		if err := checkFile(t, dir); err != nil {
			return 0, err
		}
		bar.step()
	}
	return len(all), nil
}

func checkFile(t tuf.Target, dir string) error {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(t.File)))
	if err != nil {
		return fmt.Errorf("check %s: %w", t.Path, err)
	}
	defer f.Close()
	return t.Check(f)
}

// checkWays hashes every packed core and delta once, and counts them. A core that
// boxes of this version would leave out is an error.
func checkWays(ctx context.Context, out output, set *tuf.Set, dir string, roles []string) (int, error) {
	files := map[string]tuf.Packed{} // by path: channels share them
	for _, role := range roles {
		channel, platform, _ := strings.Cut(role, "-")
		cores, skipped := set.Cores(channel, platform)
		if skipped != nil {
			return 0, fmt.Errorf("boxes leave a release out: %w", errors.Join(skipped...))
		}
		for _, c := range cores {
			if c.Packed != nil {
				files[c.Packed.Path] = *c.Packed
			}
			for _, d := range c.Deltas {
				files[d.Path] = tuf.Packed{Codec: d.Codec, Path: d.Path, Length: d.Length, SHA256: d.SHA256}
			}
		}
	}
	bar := out.progress(len(files))
	defer bar.close()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if ctx.Err() != nil {
			return 0, errors.New("interrupted")
		}
		bar.begin(name)
		if err := checkWay(files[name], dir); err != nil {
			return 0, fmt.Errorf("check %s: %w", name, err)
		}
		bar.step()
	}
	return len(files), nil
}

func checkWay(w tuf.Packed, dir string) error {
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(dir, "targets", filepath.FromSlash(w.Path)), w.Length)
	switch {
	case err != nil:
		return err
	case int64(len(data)) != w.Length:
		return fmt.Errorf("it has %d bytes where %d were signed", len(data), w.Length)
	case sha256.Sum256(data) != w.SHA256:
		return errors.New("its hash is not what was signed")
	}
	return nil
}
