package ceremony

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Signature is one keyholder's look at a request, and their hand.
type Signature struct {
	*Secrets
	Request, Key string
	Root         string // a root that the keyholder trusts; "" = none is at hand
	Yes, Dry     bool
}

// SignFlags adds the flags of a keyholder's command.
func SignFlags(f *flag.FlagSet) *Signature {
	s := &Signature{Secrets: SecretFlags(f)}
	f.StringVar(&s.Request, "request", "", "`folder` that another machine made with --request")
	f.StringVar(&s.Key, "key", "", "`file` of your key: NAME.key, or NAME.hook with NAME.pub beside it")
	f.StringVar(&s.Root, "root", "", "`file` with a root that you trust: the request has to follow from it")
	f.BoolVar(&s.Yes, "yes", false, "sign without asking; for those who have read it with --dry-run")
	f.BoolVar(&s.Dry, "dry-run", false, "show what would be signed, and sign nothing")
	return s
}

// Missing is the flag that was left out, "" = none.
func (s *Signature) Missing() string {
	switch {
	case s.Request == "":
		return "--request"
	case s.Key == "":
		return "--key"
	}
	return ""
}

// Sign shows what the request changes, asks, and signs what the key may sign.
func (s *Signature) Sign(out People) error {
	q, err := OpenRequest(s.Request)
	if err != nil {
		return err
	}
	signer, err := signing.Open(s.Key, s.Ask)
	if err != nil {
		return err
	}
	id := signing.KeyID(signer.Public())
	may, done := q.For(id)
	if len(may) == 0 {
		return fmt.Errorf("key %s signs nothing in this request", id)
	}
	if err := s.follows(out, q); err != nil {
		return err
	}
	show(out, q, may)
	next := "next: send the folder back, or its signatures/ alone; " + out.Collect() + " takes them"
	switch {
	case len(done) == len(may):
		out.Printf("key %s has signed all of this already\n%s\n", id, next)
		return nil
	case s.Dry:
		out.Printf("dry run, nothing was signed; key %s would sign %s\nnext: the same without --dry-run\n", id, strings.Join(may, ", "))
		return nil
	}
	if err := s.confirm(out, id, may); err != nil {
		return err
	}
	signed, err := q.Sign(signer)
	if err != nil {
		return err
	}
	out.Printf("signed with key %s: %s\n%s\n", id, strings.Join(signed, ", "), next)
	return nil
}

// OpenRequest opens a request for people: what is missing is said in their words.
func OpenRequest(dir string) (*repo.Request, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("there is no request in %s", dir)
	}
	q, err := repo.OpenRequest(fsys.Disk{}, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no request in %s, or not all of it: %w", dir, err)
	}
	return q, err
}

// follows holds the request against the root that the keyholder trusts.
func (s *Signature) follows(out People, q *repo.Request) error {
	switch {
	case q.Beginning() && s.Root != "":
		return errors.New("this request begins a repository of its own, and does not follow from the root you trust")
	case q.Beginning():
		out.Printf("this begins a repository that does not exist yet\n")
		return nil
	case s.Root == "":
		out.Printf("for the repository whose first root is SHA-256 %s (--root FILE checks it)\n", q.First())
		return nil
	}
	data, err := fsys.Read(fsys.Disk{}, s.Root, tuf.MaxRoot)
	if err != nil {
		return fmt.Errorf("read root: %w", err)
	}
	_, _, err = tuf.Refresh(tuf.Stored{"root.json": data}, q.Base().Read, q.Base().Set().Issued())
	if e := (*tuf.Error)(nil); errors.As(err, &e) && e.Kind == tuf.Expired {
		err = nil // who signs is what was asked
	}
	if err != nil {
		return fmt.Errorf("this request is not for the repository of %s: %w", s.Root, err)
	}
	out.Printf("for the repository of %s\n", s.Root)
	return nil
}

// show says in words what the keyholder's key is about to sign.
func show(out People, q *repo.Request, may []string) {
	if q.Development() {
		SayDevelopment(out)
	}
	out.Printf("asked for on %s; its maker says: %s\n", stamp(q.Made), Plain(q.Purpose))
	for _, s := range q.Sheets() {
		if !slices.Contains(may, s.Role) {
			out.Printf("\n%s, version %d: not for this key to sign\n", s.Role, s.Version)
			continue
		}
		out.Printf("\n%s, version %d, expires %s, has %d of %d signatures:\n", s.Role, s.Version, stamp(s.Expires), s.Lack.Have, s.Lack.Need)
		for _, line := range s.Words {
			out.Printf("  %s\n", Plain(line))
		}
	}
	out.Printf("\n")
}

// Plain keeps what others wrote from steering the terminal.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// confirm asks the person at the terminal.
func (s *Signature) confirm(out People, id string, may []string) error {
	if s.Yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return errors.New("nobody is here to say yes; read it with --dry-run, then add --yes")
	}
	fmt.Fprintf(out.Err, "sign %s with key %s? [yes/no] ", strings.Join(may, ", "), id[:16])
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if strings.TrimSpace(answer) != "yes" {
		return errors.Join(errors.New("not signed"), err)
	}
	return nil
}

// Bring copies the signatures of a request that came back into the one that was kept.
func Bring(from, to string) error {
	n, err := repo.CopySignatures(fsys.Disk{}, from, to)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("there are no signatures in %s", from)
	}
	return nil
}

// Still says who has to sign yet, and what comes next: collect is the command that publishes the request.
func Still(out People, q *repo.Request, dir, collect string) {
	lacks := q.Lacks()
	if len(lacks) == 0 {
		out.Printf("enough have signed\nnext: %s\n", collect)
		return
	}
	for _, l := range lacks {
		out.Printf("%s; of these keys: %s\n", l, strings.Join(short(l.Keys), " "))
	}
	out.Printf("next: take %s to each keyholder, who runs %s --request %s --key FILE; then %s\n", dir, out.SignCommand(), dir, out.Collect())
}

// short is key ids as people compare them.
func short(ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, id[:16])
	}
	return out
}
