package ceremony

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// Grants is a flag given as ROLE=N:FILE.pub,FILE.pub,..., once a role: any N of the
// keys sign it. A role is one of the four, or a channel.
type Grants map[string]repo.Grant

// GrantUsage is the flag's text of help.
const GrantUsage = "`ROLE=N:FILE.pub,...`: any N of these keys sign the role, which is root, targets, snapshot, timestamp or a channel; may be repeated"

// String is empty: a flag has no default.
func (g Grants) String() string { return "" }

// Set reads one role's grant.
func (g Grants) Set(s string) error {
	role, rest, ok := strings.Cut(s, "=")
	number, list, ok2 := strings.Cut(rest, ":")
	threshold, err := strconv.Atoi(number)
	if !ok || !ok2 || err != nil || role == "" || list == "" {
		return errors.New("it is ROLE=N:FILE.pub,FILE.pub,..., such as root=3:a.pub,b.pub,c.pub,d.pub,e.pub")
	}
	if _, twice := g[role]; twice {
		return fmt.Errorf("%s is there twice", role)
	}
	grant := repo.Grant{Threshold: threshold}
	for _, name := range strings.Split(list, ",") {
		p, err := signing.LoadPublic(name)
		if err != nil {
			return err
		}
		grant.Keys = append(grant.Keys, p.Key)
		if p.Development {
			grant.Development = true
		}
	}
	g[role] = grant
	return nil
}

// Development reports whether one of the keys is for development only.
func (g Grants) Development() bool {
	for _, grant := range g {
		if grant.Development {
			return true
		}
	}
	return false
}

// GrantText is a grant for people.
func GrantText(role string, g repo.Grant) string {
	return fmt.Sprintf("%s by any %d of %d keys", role, g.Threshold, len(g.Keys))
}
