package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// A bill of materials in CycloneDX 1.6, from what the compiler wrote into the programs
// themselves. It has neither date nor serial number: two of one release are the same.
type (
	bom struct {
		Format       string      `json:"bomFormat"`
		Spec         string      `json:"specVersion"`
		Version      int         `json:"version"`
		Metadata     bomMetadata `json:"metadata"`
		Components   []component `json:"components"`
		Dependencies []dependsOn `json:"dependencies"`
	}
	bomMetadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		PURL       string     `json:"purl,omitempty"`
		Hashes     []bomHash  `json:"hashes,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	bomHash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependsOn struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn"`
	}
)

// bill collects the modules of several programs.
type bill struct {
	version  string
	modules  map[string]component // by reference
	programs []component
	on       map[string][]string
}

func newBill(version string) *bill {
	return &bill{version: version, modules: map[string]component{}, on: map[string][]string{}}
}

// add reads what the compiler wrote into a program. name tells one platform's from
// another's.
func (b *bill) add(name string, data []byte) error {
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("read what %s is made of: %w", name, err)
	}
	sum := sha256.Sum256(data)
	p := component{
		Type: "application", Ref: name, Name: name, Version: b.version,
		Hashes: []bomHash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "GOEXPERIMENT", "CGO_ENABLED", "-trimpath":
			p.Properties = append(p.Properties, property{"go:" + s.Key, s.Value})
		}
	}
	b.programs = append(b.programs, p)
	compiler, _, _ := strings.Cut(info.GoVersion, "-X:") // behind it are its experiments
	std := component{Type: "library", Name: "std", Version: compiler, PURL: "pkg:golang/std@" + compiler}
	b.module(name, std)
	for _, m := range info.Deps {
		b.module(name, moduleOf(m))
	}
	return nil
}

func moduleOf(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version}
	if m.Sum != "" {
		c.Properties = []property{{"go:sum", m.Sum}}
	}
	return c
}

func (b *bill) module(program string, c component) {
	c.Ref = c.PURL
	b.modules[c.Ref] = c
	b.on[program] = append(b.on[program], c.Ref)
}

// text is the bill as JSON.
func (b *bill) text() ([]byte, error) {
	out := bom{Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: bomMetadata{component{Type: "application", Ref: "limpet", Name: "limpet", Version: b.version}}}
	slices.SortFunc(b.programs, func(x, y component) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) })
	var all []string
	for _, p := range b.programs {
		out.Components = append(out.Components, p)
		slices.Sort(b.on[p.Ref])
		all = append(all, p.Ref)
	}
	out.Dependencies = append(out.Dependencies, dependsOn{"limpet", all})
	for _, p := range b.programs {
		out.Dependencies = append(out.Dependencies, dependsOn{p.Ref, slices.Compact(b.on[p.Ref])})
	}
	for _, ref := range slices.Sorted(maps.Keys(b.modules)) {
		out.Components = append(out.Components, b.modules[ref])
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write bill of materials: %w", err)
	}
	return append(text, '\n'), nil
}

func sbomCommand(f *flag.FlagSet) action {
	version := f.String("version", "", "`version` of the programs")
	to := f.String("out", "", "`file` to write (default: standard output)")
	return func(_ context.Context, out output) error {
		if *version == "" {
			return usageError("--version is missing")
		}
		if f.NArg() == 0 {
			return usageError("say which programs")
		}
		b := newBill(*version)
		for _, name := range f.Args() {
			data, err := fsys.Read(fsys.Disk{}, name, maxFile)
			if err != nil {
				return fmt.Errorf("read program: %w", err)
			}
			if err := b.add(filepath.Base(name), data); err != nil {
				return err
			}
		}
		text, err := b.text()
		if err != nil {
			return err
		}
		if *to == "" {
			out.printf("%s", text)
			return nil
		}
		return fsys.WriteNew(fsys.Disk{}, *to, text, 0o644)
	}
}
