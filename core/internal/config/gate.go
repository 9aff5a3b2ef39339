package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/check/cron"
)

// harmless are the plugins that take any argument unless the box file says otherwise: those of the Monitoring Plugins that start no
// program named by their arguments, load no code from a file so named, and write no file so named. Left out on purpose, with what
// their arguments can do: check_apt (runs upgrades, takes options of apt), check_by_ssh, check_nrpe, negate (run what they are told),
// check_cluster (a command line's data, of no use from a hub), check_log (writes its -O file), check_snmp and check_dig
// (pass options on to another program), check_dbi (loads drivers), check_oracle, check_flexlm, check_disk_smb, check_mailq (scripts around other programs).
var harmless = map[string]bool{
	"check_clamd": true, "check_curl": true, "check_dhcp": true, "check_disk": true, "check_dns": true, "check_dummy": true,
	"check_file_age": true, "check_fping": true, "check_ftp": true, "check_host": true, "check_http": true, "check_icmp": true,
	"check_ifoperstatus": true, "check_ifstatus": true, "check_imap": true, "check_ircd": true, "check_jabber": true, "check_ldap": true,
	"check_ldaps": true, "check_load": true, "check_mrtg": true, "check_mrtgtraf": true, "check_mysql": true, "check_mysql_query": true,
	"check_nagios": true, "check_nntp": true, "check_nntps": true, "check_nt": true, "check_ntp": true, "check_ntp_peer": true,
	"check_ntp_time": true, "check_nwstat": true, "check_overcr": true, "check_pgsql": true, "check_ping": true, "check_pop": true,
	"check_procs": true, "check_radius": true, "check_real": true, "check_rta_multi": true, "check_sensors": true, "check_simap": true,
	"check_smtp": true, "check_spop": true, "check_ssh": true, "check_ssl_validity": true, "check_ssmtp": true, "check_swap": true,
	"check_tcp": true, "check_time": true, "check_udp": true, "check_ups": true, "check_uptime": true, "check_users": true,
}

// gate judges one valid check after the other by the owner's rules.
type gate struct {
	rules    Rules
	patterns map[string]*regexp.Regexp // of allow_args, compiled when first asked for
}

func newGate(r Rules) gate { return gate{rules: r, patterns: map[string]*regexp.Regexp{}} }

func (g *gate) maxChecks() int { return cmp.Or(g.rules.Box.MaxChecks, DefaultMaxChecks) }

// pass returns what speaks against a check, and what the owner should know although nothing does.
func (g *gate) pass(c check.Check) (problems []string, note string) {
	add := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	if c.Cron != "" {
		_, err := cron.Parse(c.Cron)
		add(err)
	}
	add(g.times(c))
	if word := g.never(c); word != "" {
		add(fmt.Errorf("the box file says never = %s: it does not run here, mean other boxes with `on`", word))
	}
	if c.Builtin != "" {
		add(g.builtin(c))
		return problems, ""
	}
	add(g.plugin(c))
	if len(problems) == 0 && c.Hash == "" && g.rules.Plugins != nil {
		if err := g.rules.Plugins(c.Plugin); err != nil {
			note = err.Error() + "; until then it is UNKNOWN"
		}
	}
	return problems, note
}

// times holds a check against the box's own limits; those of the protocol have been checked.
func (g *gate) times(c check.Check) error {
	box := g.rules.Box
	if box.MinEvery > 0 && c.Cron == "" && c.Every < box.MinEvery {
		return fmt.Errorf("every %s: the box file allows %s at the shortest", c.Every, box.MinEvery)
	}
	if box.MaxTimeout > 0 && c.Timeout > box.MaxTimeout {
		return fmt.Errorf("timeout %s: the box file allows %s at most", c.Timeout, box.MaxTimeout)
	}
	return nil
}

// never returns the entry of the box file's list that keeps a check from this box, or "".
func (g *gate) never(c check.Check) string {
	for _, word := range g.rules.Box.Never {
		if matches(word, c.Name) || c.Plugin != "" && matches(word, c.Plugin) || len(c.Command) > 0 && matches(word, filepath.Base(c.Command[0])) ||
			c.Builtin != "" && (matches(word, c.Builtin) || word == "builtin:"+c.Builtin) {
			return word
		}
	}
	return ""
}

func (g *gate) trustsHub() bool { return g.rules.Box.Trust == TrustHub || g.rules.Box.Trust == "" }

func (g *gate) builtin(c check.Check) error {
	names := g.rules.Builtins.Names()
	if !slices.Contains(names, c.Builtin) {
		return fmt.Errorf("no builtin %q%s; there are %s", c.Builtin, didYouMean(c.Builtin, names), strings.Join(names, ", "))
	}
	if err := g.rules.Builtins.Valid(c.Builtin, c.Args); err != nil {
		return err
	}
	if !g.trustsHub() && !g.asDefault(c) {
		if why := g.unsigned(c); why != nil {
			return fmt.Errorf("builtin %s with other arguments than by default is not signed, and the box file says trust = signed: %w", c.Builtin, why)
		}
	}
	return nil
}

// unsigned says why what a check runs is not signed by the owner's offline keys; nil = it is.
func (g *gate) unsigned(c check.Check) error {
	line, err := c.Line()
	if err != nil {
		return err
	}
	return g.unsignedLine(line)
}

func (g *gate) unsignedLine(line string) error {
	if g.rules.Site == nil {
		return errors.New("nothing that the site's owner signed has come to this box yet")
	}
	if err := g.rules.Site.Signed(line); err != nil {
		return fmt.Errorf("%.300s: %w", line, err)
	}
	return nil
}

// asDefault says whether a builtin is asked for just as it runs without any configuration.
func (g *gate) asDefault(c check.Check) bool {
	return slices.ContainsFunc(g.rules.Builtins.Defaults(), func(d check.Check) bool {
		return d.Builtin == c.Builtin && slices.Equal(d.Args, c.Args)
	})
}

// plugin judges a plugin and its arguments. Whose word is needed depends on the box; a pattern of the box file counts always, the list of
// harmless plugins only where it is the hub that gives arguments to programs of the box's own.
func (g *gate) plugin(c check.Check) error {
	if c.Hash != "" {
		if err := g.listed(c); err != nil {
			return fmt.Errorf("plugin %s of the catalog: %w", c.Plugin, err)
		}
	}
	if !g.trustsHub() {
		if why := g.unsigned(c); why != nil {
			return fmt.Errorf("plugin %s is not signed, and the box file says trust = signed: %w", c.Plugin, why)
		}
	}
	if err := g.user(c); err != nil {
		return err
	}
	// The pattern is for what the plugin gets. Of macros only the hub's own are put in: the others are the box's word.
	c.Args = check.Expand(c.Args, g.hubMacros(c))
	if text, ok := g.rules.Box.AllowArgs[c.Plugin]; ok {
		return g.matchArgs(c, text)
	}
	if c.Hash != "" || !g.trustsHub() || len(c.Args) == 0 || harmless[strings.TrimSuffix(c.Plugin, ".exe")] {
		return nil
	}
	return fmt.Errorf("plugin %s takes no arguments from the hub on this box: %s", c.Plugin, allowHint(c))
}

func (g *gate) listed(c check.Check) error {
	if g.rules.Site == nil {
		return errors.New("nothing that the site's owner signed has come to this box yet")
	}
	return g.rules.Site.Listed(c.Plugin, c.Hash)
}

// user passes a user whom the box file allows. Where it says nothing of users at all, plugins run as the agent itself, and anybody else can do
// no more than that.
func (g *gate) user(c check.Check) error {
	box := g.rules.Box
	if c.User == "" || slices.Contains(box.AllowRunAs, c.User) || slices.Contains(box.AllowRunAs, "*") {
		return nil
	}
	if !box.RunsAs && len(box.AllowRunAs) == 0 {
		return nil
	}
	return fmt.Errorf("user %q: the box file does not let the hub run plugins as this user (allow_run_as)", c.User)
}

func (g *gate) hubMacros(c check.Check) map[string]string {
	own := make(map[string]string, len(c.Macros))
	for name, value := range c.Macros {
		if _, boxes := g.rules.Box.Macros[name]; !boxes {
			own[name] = value
		}
	}
	return own
}

func (g *gate) matchArgs(c check.Check, text string) error {
	pattern := g.patterns[c.Plugin]
	if pattern == nil {
		if _, err := regexp.Compile(text); err != nil { // alone, so that no stray parenthesis opens the anchors
			return fmt.Errorf("allow_args.%s in the box file is not a regular expression, so no arguments pass: %w", c.Plugin, err)
		}
		pattern = regexp.MustCompile(`\A(?:` + text + `)\z`)
		g.patterns[c.Plugin] = pattern
	}
	line := check.ArgLine(c.Args)
	if !pattern.MatchString(line) {
		return fmt.Errorf("arguments %.200q of %s do not match the box file's allow_args.%s = %s", line, c.Plugin, c.Plugin, text)
	}
	return nil
}

// allowHint is the line that would let these very arguments pass; only short ones are worth quoting.
func allowHint(c check.Check) string {
	line := regexp.QuoteMeta(check.ArgLine(c.Args))
	if len(line) > 120 || strings.ContainsFunc(line, unicode.IsControl) {
		line = "REGEX"
	}
	return fmt.Sprintf("allow them in limpet.conf with allow_args.%s = %s", c.Plugin, line)
}

// didYouMean names the known word that is likely meant, or says nothing.
func didYouMean(word string, known []string) string {
	best, distance := "", len(word)/3+1
	for _, k := range known {
		if len(word) <= check.MaxName {
			if d := edits(word, k); d <= distance && d < len(word) {
				best, distance = k, d-1
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// edits counts the letters to change, add or drop between two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
