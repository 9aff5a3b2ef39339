package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/updater/delta"
)

// publication is what publish was asked for.
type publication struct {
	repo.Release
	cut     string // folder of a cut, instead of the files
	cores   files
	stubs   files
	fetches files
	decodes words
	plain   bool
	ways    *ways
	*schedule
}

func publishCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	p.requestFlag(f)
	pub := &publication{cores: files{}, stubs: files{}, fetches: files{}, ways: wayFlags(f), schedule: scheduleFlags(f)}
	f.StringVar(&pub.cut, "cut", "", "`folder` that limpet-release cut made: brings version and files")
	f.StringVar(&pub.Channel, "channel", "stable", "`channel` the cores go to")
	f.StringVar(&pub.Version, "version", "", "`version` of all the files given; it never changes afterwards")
	f.Uint64Var(&pub.Counter, "counter", 0, "release `number`, above every one listed (default: the next)")
	f.Uint64Var(&pub.Floor, "floor", 0, "lowest `counter` that may still be installed (default: as before)")
	f.Uint64Var(&pub.Contract, "contract", 1, "lowest stub contract `number` that can run it")
	f.DurationVar(&pub.Soak, "soak", defaultSoak, "how long a trial is watched, 10s to 1h; 3s at least in a development repository")
	f.Var(pub.cores, "core", "`GOOS-GOARCH=FILE` of a limpet-core; may be repeated")
	f.Var(pub.stubs, "stub", "`GOOS-GOARCH=FILE` of a limpet; may be repeated")
	f.Var(pub.fetches, "fetch", "`GOOS-GOARCH=FILE` of a limpet-fetch; may be repeated")
	f.BoolVar(&pub.plain, "plain", false, "list the files alone, quickly; limpet-release delta adds later what travels lighter")
	f.Var(&pub.decodes, "decodes", "delta `codec` that these cores decode; may be repeated (default: "+strings.Join(delta.Codecs(), ", ")+")")
	return func(ctx context.Context, out output) error {
		if err := pub.check(); err != nil {
			return err
		}
		return p.write(ctx, out, func(r *repo.Repo) error { return pub.publish(ctx, r, p, out) })
	}
}

// check completes what was asked for, from the cut where there is one.
func (pub *publication) check() error {
	given := len(pub.cores) + len(pub.stubs) + len(pub.fetches)
	switch {
	case pub.cut != "" && given > 0:
		return usageError("--cut brings all files; give it alone, or --core, --stub, --fetch without it")
	case pub.cut != "":
		if err := pub.takeCut(); err != nil {
			return err
		}
	case pub.Version == "":
		return usageError("--version is missing")
	case given == 0:
		return usageError("give --cut, or at least one of --core, --stub, --fetch")
	}
	if pub.Codecs = pub.decodes; pub.Codecs == nil {
		pub.Codecs = delta.Codecs()
	}
	var err error
	if pub.Waves, err = pub.schedule.waves(time.Now()); err != nil {
		return err
	}
	return pub.ways.check()
}

// takeCut reads version and files of a cut, whose every hash has to hold.
func (pub *publication) takeCut() error {
	c, err := readCut(pub.cut)
	if err != nil {
		return err
	}
	if pub.Version != "" && pub.Version != c.Version {
		return fmt.Errorf("%s is a cut of %s, not of %s", pub.cut, c.Version, pub.Version)
	}
	pub.Version = c.Version
	for _, f := range c.Files {
		switch f.Program {
		case "limpet-core":
			pub.cores[f.Platform] = f.path(pub.cut)
		case "limpet":
			pub.stubs[f.Platform] = f.path(pub.cut)
		case "limpet-fetch":
			pub.fetches[f.Platform] = f.path(pub.cut)
		}
	}
	return nil
}

func (pub *publication) publish(ctx context.Context, r *repo.Repo, p *place, out output) error {
	added, err := pub.add(r)
	if err != nil {
		return err
	}
	if len(pub.cores) > 0 && !pub.plain {
		if err := pub.ways.add(ctx, r, pub.Channel, pub.Version, out); err != nil {
			return err
		}
	}
	done := fmt.Sprintf("published %s: %s", pub.Version, strings.Join(added, ", "))
	if len(added) == 0 {
		done = fmt.Sprintf("%s was listed already; what travels for it is listed now", pub.Version)
	}
	return p.finish(ctx, r, out, said{fmt.Sprintf("nothing to publish: all of %s is listed already, with the same bytes", pub.Version), done})
}

// add lists all files and says which were new.
func (pub *publication) add(r *repo.Repo) ([]string, error) {
	cores, err := pub.cores.read()
	if err != nil {
		return nil, err
	}
	for _, c := range allCores(r) {
		pub.Floor = max(pub.Floor, c.Floor)
	}
	platforms, err := r.AddRelease(pub.Release, cores)
	if err != nil {
		return nil, err
	}
	var added []string
	for _, platform := range platforms {
		added = append(added, "core for "+platform+" in "+pub.Channel)
	}
	for _, program := range []struct {
		name  string
		files files
	}{{"limpet", pub.stubs}, {"limpet-fetch", pub.fetches}} {
		content, err := program.files.read()
		if err != nil {
			return nil, err
		}
		for _, platform := range slices.Sorted(maps.Keys(content)) {
			isNew, err := r.AddProgram(platform, pub.Version, program.name, content[platform])
			if err != nil {
				return nil, err
			}
			if isNew {
				added = append(added, program.name+" for "+platform)
			}
		}
	}
	return added, nil
}
