package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

// pluginPath is where the interface has a plugin.
func pluginPath(name, platform string) string {
	path := "/plugins/" + url.PathEscape(name)
	if platform != "" {
		path += "?platform=" + url.QueryEscape(platform)
	}
	return path
}

const platformUsage = "for this `GOOS-GOARCH` alone; such a file is taken before one for every platform"

func pluginAdd(ctx context.Context, c *call) error {
	name := c.flags.String("name", "", "what checks.yaml calls it (default: the file's name)")
	platform := c.flags.String("platform", "", platformUsage)
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	data, err := readPlugin(c.args[0])
	if err != nil {
		return err
	}
	if *name == "" {
		*name = filepath.Base(c.args[0])
	}
	if _, err := site.Target(*name, *platform); err != nil {
		return &misuse{err.Error(), "give it another name with --name"}
	}
	answer, err := hub.Do(ctx, "PUT", pluginPath(*name, *platform), data)
	if err != nil {
		return err
	}
	if c.json {
		_, err = c.out.Write(answer)
		return err
	}
	fmt.Fprintf(c.out, "%s is in the catalog (%d bytes); a check runs it with `plugin: %s`\n", *name, len(data), *name)
	return nil
}

// readPlugin reads a plugin's file, at most what boxes take.
func readPlugin(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &client.Fault{Kind: client.NoFile, Text: err.Error(), Hint: "name the plugin's file"}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, site.MaxPlugin+1))
	switch {
	case err != nil:
		return nil, &client.Fault{Kind: client.NoFile, Text: err.Error(), Hint: "name the plugin's file"}
	case len(data) == 0:
		return nil, &client.Fault{Kind: client.Refused, Text: file + " is empty", Hint: "name the plugin's file"}
	case len(data) > site.MaxPlugin:
		return nil, &client.Fault{Kind: client.Refused, Text: fmt.Sprintf("%s has more than %d MiB", file, site.MaxPlugin>>20), Hint: "boxes take no larger plugin; install it there, and name its folder in plugin_dirs of limpet.conf"}
	}
	return data, nil
}

func pluginList(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	var all []site.Plugin
	if done, err := c.fetch(ctx, hub, "/plugins", &all); done || err != nil {
		return err
	}
	return printPlugins(c.out, all)
}

func printPlugins(w io.Writer, all []site.Plugin) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range all {
		platform := p.Platform
		if platform == "" {
			platform = "every platform"
		}
		fmt.Fprintf(t, "%s\t%s\t%d bytes\tSHA-256 %s\n", p.Name, platform, p.Length, p.SHA256)
	}
	return t.Flush()
}

func pluginRemove(ctx context.Context, c *call) error {
	platform := c.flags.String("platform", "", "the file for this `GOOS-GOARCH` alone")
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	if _, err := hub.Do(ctx, "DELETE", pluginPath(c.args[0], *platform), nil); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s is not in the catalog any more; boxes that have a plugin of this name of their own run that\n", c.args[0])
	return nil
}
