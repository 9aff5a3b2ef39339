package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goreleaser.yaml builds for the platforms of a release, each for the processors that
// workshop.command names, with its flags.
func TestGoreleaserBuildsTheSame(t *testing.T) {
	text, err := os.ReadFile("../goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^ +- ([a-z]+)_([a-z0-9]+)(?:_(\S+))?$`).FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1]+"-"+m[2])
		if setting := processors[m[2]]; !strings.HasSuffix(setting, "="+m[3]) && setting != m[3] {
			t.Errorf("%s_%s is built for %q, a cut for %q", m[1], m[2], m[3], setting)
		}
	}
	if !slices.Equal(listed, releasePlatforms) {
		t.Errorf("goreleaser.yaml builds for\n%v, a release is for\n%v", listed, releasePlatforms)
	}
	for _, flag := range append([]string{"-s -w -buildid= -X main.version={{ .Version }} -X main.built={{ .CommitTimestamp }}"}, buildFlags...) {
		if !strings.Contains(string(text), flag) {
			t.Errorf("goreleaser.yaml does not build with %s", flag)
		}
	}
	if !strings.Contains(string(text), "binary: limpet-fetch\n    tags: ["+fetchTags+"]\n") {
		t.Errorf("goreleaser.yaml does not build limpet-fetch with %s", fetchTags)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n  - "+experiment+"\n") || !strings.Contains(string(makefile), "\nexport "+strings.Replace(experiment, "=", " := ", 1)+"\n") {
		t.Errorf("goreleaser.yaml or the Makefile does not build with %s", experiment)
	}
	for _, p := range programs {
		if !strings.Contains(string(text), "main: "+p.pkg+"\n") || !strings.Contains(string(text), "binary: "+p.name+"\n") {
			t.Errorf("goreleaser.yaml does not build %s from %s", p.name, p.pkg)
		}
	}
}
