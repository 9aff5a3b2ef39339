package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// hand writes the change down as a request, for others to sign.
func (p *place) hand(ctx context.Context, r *repo.Repo, out output, purpose string, now time.Time) error {
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing was written")
	}
	if err := r.WriteRequest(fsys.Disk{}, p.request, purpose, now); err != nil {
		return err
	}
	q, err := repo.OpenRequest(fsys.Disk{}, p.request)
	if err != nil {
		return err
	}
	out.printf("asked for: %s\n", purpose)
	return p.still(out, q)
}

// still says who has to sign yet, and what comes next.
func (p *place) still(out output, q *repo.Request) error {
	lacks := q.Lacks()
	if len(lacks) == 0 {
		out.printf("enough have signed\nnext: limpet-release collect --dir %s --keys KEYDIR --request %s\n", p.dir, p.request)
		return nil
	}
	for _, l := range lacks {
		out.printf("%s; of these keys: %s\n", l, strings.Join(short(l.Keys), " "))
	}
	out.printf("next: take %s to each keyholder, who runs limpet-release sign --request %s --key FILE; then limpet-release collect\n", p.request, p.request)
	return nil
}

// short is key ids as people compare them.
func short(ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, id[:16])
	}
	return out
}

// hand that signs: one keyholder's machine.
type signature struct {
	*secrets
	request, key, root string
	yes, dry           bool
}

func signCommand(f *flag.FlagSet) action {
	s := &signature{secrets: secretFlags(f)}
	f.StringVar(&s.request, "request", "", "`folder` that another limpet-release made with --request")
	f.StringVar(&s.key, "key", "", "`file` of your key: NAME.key, or NAME.hook with NAME.pub beside it")
	f.StringVar(&s.root, "root", "", "`file` with a root that you trust: the request has to follow from it")
	f.BoolVar(&s.yes, "yes", false, "sign without asking; for those who have read it with --dry-run")
	f.BoolVar(&s.dry, "dry-run", false, "show what would be signed, and sign nothing")
	return func(_ context.Context, out output) error {
		if s.request == "" {
			return usageError("--request is missing")
		}
		if s.key == "" {
			return usageError("--key is missing")
		}
		return s.sign(out)
	}
}

func (s *signature) sign(out output) error {
	q, err := openRequest(s.request)
	if err != nil {
		return err
	}
	signer, err := signing.Open(s.key, s.ask)
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
	next := "next: send the folder back, or its signatures/ alone; limpet-release collect takes them"
	switch {
	case len(done) == len(may):
		out.printf("key %s has signed all of this already\n%s\n", id, next)
		return nil
	case s.dry:
		out.printf("dry run, nothing was signed; key %s would sign %s\nnext: the same without --dry-run\n", id, strings.Join(may, ", "))
		return nil
	}
	if err := s.confirm(out, id, may); err != nil {
		return err
	}
	signed, err := q.Sign(signer)
	if err != nil {
		return err
	}
	out.printf("signed with key %s: %s\n%s\n", id, strings.Join(signed, ", "), next)
	return nil
}

func openRequest(dir string) (*repo.Request, error) {
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
func (s *signature) follows(out output, q *repo.Request) error {
	switch {
	case q.Beginning() && s.root != "":
		return errors.New("this request begins a repository of its own, and does not follow from the root you trust")
	case q.Beginning():
		out.printf("this begins a repository that does not exist yet\n")
		return nil
	case s.root == "":
		out.printf("for the repository whose first root is SHA-256 %s (--root FILE checks it)\n", q.First())
		return nil
	}
	data, err := fsys.Read(fsys.Disk{}, s.root, tuf.MaxRoot)
	if err != nil {
		return fmt.Errorf("read root: %w", err)
	}
	_, _, err = tuf.Refresh(tuf.Stored{"root.json": data}, q.Base().Read, q.Base().Set().Issued())
	if e := (*tuf.Error)(nil); errors.As(err, &e) && e.Kind == tuf.Expired {
		err = nil // who signs is what was asked
	}
	if err != nil {
		return fmt.Errorf("this request is not for the repository of %s: %w", s.root, err)
	}
	out.printf("for the repository of %s\n", s.root)
	return nil
}

// show says in words what the keyholder's key is about to sign.
func show(out output, q *repo.Request, may []string) {
	if q.Development() {
		sayDevelopment(out)
	}
	out.printf("asked for on %s; its maker says: %s\n", stamp(q.Made), plain(q.Purpose))
	for _, s := range q.Sheets() {
		if !slices.Contains(may, s.Role) {
			out.printf("\n%s, version %d: not for this key to sign\n", s.Role, s.Version)
			continue
		}
		out.printf("\n%s, version %d, expires %s, has %d of %d signatures:\n", s.Role, s.Version, stamp(s.Expires), s.Lack.Have, s.Lack.Need)
		for _, line := range s.Words {
			out.printf("  %s\n", plain(line))
		}
	}
	out.printf("\n")
}

// plain keeps what others wrote from steering the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// confirm asks the person at the terminal.
func (s *signature) confirm(out output, id string, may []string) error {
	if s.yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return errors.New("nobody is here to say yes; read it with --dry-run, then add --yes")
	}
	fmt.Fprintf(out.stderr, "sign %s with key %s? [yes/no] ", strings.Join(may, ", "), id[:16])
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if strings.TrimSpace(answer) != "yes" {
		return errors.Join(errors.New("not signed"), err)
	}
	return nil
}

func collectCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	var more words
	f.StringVar(&p.request, "request", "", "`folder` of the request, with the signatures")
	f.Var(&more, "from", "another `folder` that a keyholder sent back: its signatures are added to the request; may be repeated")
	return func(ctx context.Context, out output) error {
		switch {
		case p.request == "":
			return usageError("--request is missing")
		case p.keys == "":
			return usageError("--keys is missing")
		case p.dir == "":
			return usageError("--dir is missing")
		}
		return p.collect(ctx, out, more)
	}
}

// collect publishes a request that enough people have signed.
func (p *place) collect(ctx context.Context, out output, more words) error {
	for _, dir := range more {
		if err := bring(dir, p.request); err != nil {
			return err
		}
	}
	q, err := openRequest(p.request)
	if err != nil {
		return err
	}
	if !p.dry {
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			return fmt.Errorf("make repository folder: %w", err)
		}
		lock, err := p.lock()
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	r, err := p.adoptive(q, out)
	if err != nil {
		return err
	}
	done, err := r.Adopt(q)
	next := "next: limpet-release verify --dir " + p.dir
	switch {
	case err != nil:
		return err
	case done:
		out.printf("nothing to collect: this is published already\n%s\n", next)
		return p.upload(ctx, out)
	case len(q.Lacks()) > 0:
		_ = p.still(out, q)
		return errors.New("not enough have signed yet; nothing was published")
	case p.dry:
		out.printf("dry run, nothing was written; else published: %s\nnext: the same without --dry-run\n", plain(q.Purpose))
		return nil
	}
	if err := p.commit(ctx, r, time.Now()); err != nil {
		return err
	}
	out.printf("published: %s\n%s\n", plain(q.Purpose), next)
	return p.upload(ctx, out)
}

// adoptive is the repository that the request is for.
func (p *place) adoptive(q *repo.Request, out output) (*repo.Repo, error) {
	ring, err := p.ring(q.Development(), out)
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(fsys.Disk{}, p.dir, ring)
	if errors.Is(err, fs.ErrNotExist) && q.Beginning() {
		return repo.Begin(fsys.Disk{}, p.dir, ring)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no repository in %s, and the request changes one", p.dir)
	}
	return r, err
}

// bring copies the signatures of a request that came back into the one that was kept.
func bring(from, to string) error {
	n, err := repo.CopySignatures(fsys.Disk{}, from, to)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("there are no signatures in %s", from)
	}
	return nil
}
