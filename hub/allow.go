package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/ceremony"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// allowance is what `site sign` is asked to sign for.
type allowance struct {
	checks         string
	document       *desired.Document // of checks
	prune          bool
	allow, revoke  names
	plugins, drops names // FILE or NAME=FILE; NAME
	platform       string
}

func siteSign(_ context.Context, c *call) error {
	r, a := c.rite(), &allowance{}
	var root string
	var yes bool
	c.flags.StringVar(&a.checks, "checks", "", "a checks.yaml: sign for every line that this `file` can have boxes run, beside those that are signed")
	c.flags.BoolVar(&a.prune, "prune", false, "with --checks: take back every line that the file does not need")
	c.flags.Var(&a.allow, "allow", "sign for this `LINE`, such as 'plugin check_http -H localhost'; may be given again")
	c.flags.Var(&a.revoke, "revoke", "take back this `LINE`; may be given again")
	c.flags.Var(&a.plugins, "plugin", "put this `FILE`, or NAME=FILE, into the catalog; may be given again")
	c.flags.StringVar(&a.platform, "platform", "", "with --plugin: "+platformUsage)
	c.flags.Var(&a.drops, "remove-plugin", "take the plugin with this `NAME` out of the catalog; may be given again")
	c.flags.StringVar(&root, "root", "", "as a keyholder: `file` with a root that you trust, from which the request has to follow")
	c.flags.BoolVar(&yes, "yes", false, "as a keyholder: sign without asking")
	if err := c.parse(0); err != nil {
		return err
	}
	if r.data == "" && r.request != "" {
		if len(r.keys) != 1 {
			return &misuse{"a keyholder signs a request with one --key", c.usage()}
		}
		s := &ceremony.Signature{Secrets: r.Secrets, Request: r.request, Key: r.keys[0], Root: root, Yes: yes, Dry: r.dry}
		return siteFault(s.Sign(c.people()))
	}
	if err := a.read(c); err != nil {
		return err
	}
	return r.write(c, func(_ site.Place, there *repo.Repo) (string, error) { return a.sign(there) })
}

// read reads the files that the command names, before anything is changed.
func (a *allowance) read(c *call) error {
	if a.checks == "" && len(a.allow)+len(a.revoke)+len(a.plugins)+len(a.drops) == 0 {
		return &misuse{"sign what?", "give --checks FILE, --allow LINE or --plugin FILE; or, as a keyholder, --request DIR --key FILE without --data"}
	}
	if a.prune && a.checks == "" {
		return &misuse{"--prune needs --checks", c.usage()}
	}
	for _, line := range a.allow {
		kind, rest, ok := strings.Cut(line, " ")
		kind, _, _ = strings.Cut(kind, "[")
		if !ok || rest == "" || !slices.Contains([]string{"plugin", "catalog", "builtin", "collector"}, kind) || strings.ContainsFunc(line, unicode.IsControl) {
			return &misuse{fmt.Sprintf("%q is no line", line), "a line is `plugin NAME ARGUMENTS`, `catalog NAME ARGUMENTS`, `builtin NAME ARGUMENTS` or `collector[…] KIND ARGUMENTS`, as a rejected check or collector names it"}
		}
	}
	if a.checks == "" {
		return nil
	}
	text, err := c.document(a.checks)
	if err != nil {
		return err
	}
	document, problems := desired.Parse(text)
	if document == nil {
		return c.mistakes(a.checks, &client.Fault{Kind: client.Invalid, Problems: problems})
	}
	a.document = document
	return nil
}

// sign puts everything into an opened repository and says what that changes.
func (a *allowance) sign(r *repo.Repo) (string, error) {
	var done []string
	for _, word := range a.plugins {
		name, file, named := strings.Cut(word, "=")
		if !named {
			name, file = filepath.Base(word), word
		}
		data, err := readPlugin(file)
		if err != nil {
			return "", err
		}
		changed, err := site.Put(r, name, a.platform, data)
		if err != nil {
			return "", &misuse{err.Error(), "write it as --plugin NAME=FILE"}
		}
		if changed {
			done = append(done, "+ catalog has "+name)
		}
	}
	for _, name := range a.drops {
		if err := site.Drop(r, name, ""); errors.Is(err, fs.ErrNotExist) {
			return "", &client.Fault{Kind: client.NotFound, Text: err.Error(), Hint: "limpet-hub site show lists what it has"}
		} else if err != nil {
			return "", err
		}
		done = append(done, "- catalog does not have "+name+" any more")
	}
	lines, err := a.lines(r)
	return strings.Join(append(done, lines...), "\n"), err
}

// lines puts the new list into the repository and says what it changes.
func (a *allowance) lines(r *repo.Repo) (done []string, err error) {
	v, err := site.ViewOf(r)
	if err != nil {
		return nil, err
	}
	after := maps.Clone(v.Lines)
	if a.document != nil {
		wanted, err := a.document.Lines(v)
		if err != nil {
			return nil, &client.Fault{Kind: client.Invalid, Text: a.checks + ": " + err.Error(), Hint: "a line cannot hold it, so nobody can sign for it: put it into a plugin"}
		}
		if a.prune {
			after = map[string]bool{}
		}
		for _, line := range wanted {
			after[line] = true
		}
	}
	for _, line := range a.allow {
		after[line] = true
	}
	for _, line := range a.revoke {
		if !after[line] {
			return nil, &client.Fault{Kind: client.NotFound, Text: fmt.Sprintf("nobody signed for %q", line), Hint: "limpet-hub site show lists the lines"}
		}
		delete(after, line)
	}
	if maps.Equal(v.Lines, after) {
		return nil, nil
	}
	for _, line := range slices.Sorted(maps.Keys(after)) {
		if !v.Lines[line] {
			done = append(done, "+ may run: "+line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(v.Lines)) {
		if !after[line] {
			done = append(done, "- may not run any more: "+line)
		}
	}
	data := check.FormatLines(after)
	if len(data) > site.MaxAllowed {
		return nil, fmt.Errorf("the list of lines has %d bytes, and boxes take %d at most; --prune takes back what is not needed", len(data), site.MaxAllowed)
	}
	_, err = r.SetTarget(repo.AllowedPath, data)
	return done, err
}

func siteShow(_ context.Context, c *call) error {
	var data, checks string
	c.flags.StringVar(&data, "data", "", "the hub's own `folder`, on this machine")
	c.flags.StringVar(&checks, "checks", "", "a checks.yaml: say which of its lines nobody signed for")
	if err := c.parse(0); err != nil {
		return err
	}
	if data == "" {
		return &misuse{"site show needs --data", c.usage()}
	}
	r, err := repo.Open(fsys.Disk{}, site.Place(filepath.Join(data, "keys")).Dir(), nil)
	if err != nil {
		return siteFault(err)
	}
	v, err := site.ViewOf(r)
	if err != nil {
		return siteFault(err)
	}
	c.showRoles(r, v)
	if err := printPlugins(c.out, v.Plugins); err != nil {
		return err
	}
	for _, line := range slices.Sorted(maps.Keys(v.Lines)) {
		fmt.Fprintln(c.out, "may run: "+clean(line))
	}
	if checks == "" {
		return nil
	}
	return c.showMissing(checks, v)
}

// showRoles says who signs what, and until when that is good.
func (c *call) showRoles(r *repo.Repo, v *site.View) {
	if v.Offline {
		fmt.Fprintf(c.out, "people sign root and targets; version %d of the targets\n", v.Version)
	} else {
		fmt.Fprintf(c.out, "the hub itself holds the key: boxes with trust = signed take nothing from it (limpet-hub site init); version %d of the targets\n", v.Version)
	}
	for _, e := range r.Set().Expiries() {
		ids, threshold := r.GrantOf(e.Role)
		for i := range ids {
			ids[i] = ids[i][:16]
		}
		fmt.Fprintf(c.out, "%s: any %d of %s; expires %s\n", e.Role, threshold, strings.Join(ids, " "), e.Expires.UTC().Format(time.RFC3339))
	}
}

// showMissing says which lines of a document nobody signed for; some = exit code 65.
func (c *call) showMissing(checks string, v *site.View) error {
	text, err := c.document(checks)
	if err != nil {
		return err
	}
	document, problems := desired.Parse(text)
	if document == nil {
		return c.mistakes(checks, &client.Fault{Kind: client.Invalid, Problems: problems})
	}
	lines, err := document.Lines(v)
	if err != nil {
		return &client.Fault{Kind: client.Invalid, Text: checks + ": " + err.Error(), Hint: "put it into a plugin"}
	}
	missing := slices.DeleteFunc(lines, func(line string) bool { return v.Lines[line] })
	for _, line := range missing {
		fmt.Fprintln(c.out, "nobody signed for: "+clean(line))
	}
	if len(missing) > 0 {
		return &client.Fault{Kind: client.Invalid, Text: fmt.Sprintf("%s names %s that nobody signed for", checks, count(len(missing), "line")), Hint: "limpet-hub site sign --data DIR --checks " + checks}
	}
	return nil
}
