package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/bundle"
	"github.com/limpet-monitoring/limpet/core/internal/doctor"
	"github.com/limpet-monitoring/limpet/platforms"
)

// examine is `limpet doctor`. It ends with 1 when something stands between this box and its hub.
func examine(ctx context.Context, layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	asJSON := len(args) == 1 && args[0] == "--json"
	if len(args) > 0 && !asJSON {
		fmt.Fprintf(stderr, "error: doctor does not know %q\nhint: limpet doctor [--json]\n", args)
		return exitUsage
	}
	report := doctor.Examine(ctx, doctor.Options{Layout: layout, Built: builtTime(), Token: os.Getenv("LIMPET_TOKEN")})
	if asJSON {
		out := json.NewEncoder(stdout)
		out.SetEscapeHTML(false)
		if err := out.Encode(report); err != nil {
			return fail(stderr, err, "")
		}
	} else {
		report.Print(stdout)
	}
	if !report.Healthy {
		return exitFailed
	}
	return 0
}

// pack is `limpet bundle`.
func pack(ctx context.Context, layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	if len(args) > 1 || len(args) == 1 && len(args[0]) > 0 && args[0][0] == '-' {
		fmt.Fprintf(stderr, "error: bundle takes one file name, not %q\nhint: limpet bundle [FILE.tar.gz]\n", args)
		return exitUsage
	}
	file := fmt.Sprintf("limpet-bundle-%s.tar.gz", time.Now().UTC().Format("20060102-150405"))
	if len(args) == 1 {
		file = args[0]
	}
	report := doctor.Examine(ctx, doctor.Options{Layout: layout, Built: builtTime()})
	said, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fail(stderr, err, "")
	}
	listed, err := bundle.Write(ctx, file, bundle.Options{Layout: layout, Version: version, Doctor: said})
	if err != nil {
		return fail(stderr, err, "name a file in a folder that takes one: limpet bundle /tmp/bundle.tar.gz")
	}
	for _, entry := range listed {
		fmt.Fprintln(stdout, entry)
	}
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	fmt.Fprintf(stdout, "\n%s\nKeys, tokens and passwords are left out; look through it before you give it away.\n", file)
	return 0
}

// showBuffer is `limpet buffer`. It reads the files of a live agent and touches none of them.
func showBuffer(layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	asJSON, records := false, false
	for _, a := range args {
		switch a {
		case "--json":
			asJSON = true
		case "--records":
			records = true
		default:
			fmt.Fprintf(stderr, "error: buffer does not know %q\nhint: limpet buffer [--json] [--records]\n", a)
			return exitUsage
		}
	}
	err := buffer.Show(layout.Buffer(), stdout, buffer.ShowOptions{JSON: asJSON, Records: records})
	switch {
	case errors.Is(err, os.ErrPermission):
		return fail(stderr, err, "run it as the user of the agent (root)")
	case err != nil:
		return fail(stderr, err, "")
	}
	return 0
}
