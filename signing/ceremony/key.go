package ceremony

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/signing"
)

// NewKey is a key that is to be made, on its keyholder's machine.
type NewKey struct {
	*Secrets
	Name        string // NAME.key
	Work        int    // log2
	Plain       bool   // without a passphrase
	Development bool
	Dry         bool
}

// KeyFlags adds the flags of the command that makes a key.
func KeyFlags(f *flag.FlagSet) *NewKey {
	k := &NewKey{Secrets: SecretFlags(f)}
	f.StringVar(&k.Name, "out", "", "`file` for the key, NAME.key; its public half goes to NAME.pub beside it")
	f.BoolVar(&k.Plain, "no-passphrase", false, "leave the key unprotected: for snapshot and timestamp, which a timer signs")
	f.IntVar(&k.Work, "work", signing.DefaultWork, fmt.Sprintf("`log2` of how much work a guess at the passphrase is, %d to %d", signing.MinWork, signing.MaxWork))
	f.BoolVar(&k.Dry, "dry-run", false, "say what would be made, and make nothing")
	return k
}

// Wrong is what is wrong with the flags, "" = nothing.
func (k *NewKey) Wrong() string {
	switch {
	case k.Name == "":
		return "--out is missing"
	case filepath.Ext(k.Name) != signing.KeyEnd:
		return "--out ends in " + signing.KeyEnd
	case k.Work < signing.MinWork || k.Work > signing.MaxWork:
		return fmt.Sprintf("--work is %d to %d", signing.MinWork, signing.MaxWork)
	}
	return ""
}

// Make makes a key, unless it is there. An interrupt between the two files leaves a
// key whose public half the next run writes. use says which command takes it.
func (k *NewKey) Make(o People, use string) error {
	name := k.Name
	next := fmt.Sprintf("next: hand around %s, never %s; %s\n", signing.PublicOf(name), name, use)
	old, err := signing.Open(name, nil)
	if err == nil {
		id := signing.PublicHalf(old).ID()
		if k.Dry {
			o.Printf("dry run, nothing was written; %s is there already: key %s\n", name, id)
			return nil
		}
		if err := ensurePublic(name, old); err != nil {
			return err
		}
		o.Printf("%s is there already: key %s\n%s", name, id, next)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(signing.PublicOf(name)); err == nil {
		return fmt.Errorf("%s is there without %s: it is another key's; choose another name", signing.PublicOf(name), name)
	}
	if k.Dry {
		o.Printf("dry run, nothing was written; else: a key in %s, its public half in %s\nnext: the same without --dry-run\n", name, signing.PublicOf(name))
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("make key folder: %w", err)
	}
	key, err := signing.Generate(k.Development)
	if err != nil {
		return err
	}
	if k.Plain {
		err = key.Save(name)
	} else {
		var passphrase []byte
		if passphrase, err = k.Choose(name); err == nil {
			err = key.SaveLocked(name, passphrase, k.Work)
		}
	}
	if err != nil {
		return err
	}
	if err := ensurePublic(name, key); err != nil {
		return err
	}
	o.Printf("made %s: key %s\n%s", name, key.ID(), next)
	return nil
}

func ensurePublic(name string, s signing.Signer) error {
	public, err := signing.LoadPublic(signing.PublicOf(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return signing.PublicHalf(s).Save(signing.PublicOf(name))
	case err != nil:
		return err
	case !public.Key.Equal(s.Public()):
		return fmt.Errorf("%s is not the public half of %s", signing.PublicOf(name), name)
	}
	return nil
}
