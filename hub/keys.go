package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/hub/internal/authority"
)

// keyRotate gives the hub a new key that its agents come to by the old one's signature.
func keyRotate(_ context.Context, c *call) error {
	var data string
	c.flags.StringVar(&data, "data", "", "the hub's own `folder`, on this machine")
	if err := c.parse(0); err != nil {
		return err
	}
	if data == "" {
		return &misuse{"key rotate needs --data", c.usage()}
	}
	old, next, err := authority.Succeed(filepath.Join(data, "keys"))
	if err != nil {
		return fault(err, "", "the folder is "+data+"; run it as the user of the hub")
	}
	was, is := sha256.Sum256(old), sha256.Sum256(next)
	fmt.Fprintf(c.out, "the hub's key was %x, and is %x; agents follow it by themselves. Take a backup of %s: without it they would not know the hub again\n",
		was[:8], is[:8], filepath.Join(data, "keys"))
	return nil
}
