//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Limits of the issue and of DESIGN §1 and §3, in bytes.
const (
	maxStub  = 3_000_000
	maxFetch = 7_000_000
	maxCore  = 14_000_000
)

// refused are packages that the stub must not link: what each costs was measured.
var refused = []string{"net", "text/template", "encoding/json", "log/slog"}

func programs(t *table, bin string) error {
	for name, limit := range map[string]int64{"limpet": maxStub, "limpet-fetch": maxFetch, "limpet-core": maxCore} {
		info, err := os.Stat(filepath.Join(bin, name))
		if err != nil {
			return err
		}
		t.add("`"+name+"`, stripped", fmt.Sprintf("%d bytes", info.Size()), fmt.Sprintf("%d", limit), info.Size() <= limit)
	}
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{if .Module}}{{.Module.Path}}{{end}}{{else}}{{.ImportPath}}{{end}}", "./stub")
	module, err := moduleDir()
	if err != nil {
		return err
	}
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list what the stub links: %w", err)
	}
	third, bad := map[string]bool{}, []string{}
	for _, p := range strings.Fields(string(out)) {
		if strings.Contains(strings.SplitN(p, "/", 2)[0], ".") && p != "github.com/limpet-monitoring/limpet" {
			third[p] = true
		}
		for _, r := range refused {
			if p == r {
				bad = append(bad, p)
			}
		}
	}
	delete(third, "golang.org/x/sys")
	t.add("modules in `limpet` beside x/sys; refused packages", fmt.Sprintf("%d; %d %s", len(third), len(bad), strings.Join(bad, " ")), "0; 0",
		len(third) == 0 && len(bad) == 0)
	return nil
}
