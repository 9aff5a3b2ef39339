package dial

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Limits of the files that a box file names, in bytes.
const (
	maxCAFile   = 1 << 20
	maxPassword = 4 << 10
)

// FromBox are the options that a box file sets: its proxy, with the password of proxy_password_file, and its ca. The files are read at each call, so a password
// that was changed counts from the next one on. An error names the key of the box file, and never a password.
func FromBox(b boxfile.Box) (Options, error) {
	o := Options{Proxy: b.Proxy}
	switch b.Proxy {
	case "environment":
		o.Proxy = ""
	case "direct":
		o.Proxy = "none"
	}
	if b.CA != "" {
		pem, err := fsys.Read(fsys.Disk{}, b.CA, maxCAFile)
		if err != nil {
			return o, fmt.Errorf("read ca of the box file: %w", err)
		}
		o.ExtraCA = string(pem)
	}
	if b.ProxyPasswordFile == "" || !strings.Contains(o.Proxy, "://") {
		return o, nil
	}
	password, err := fsys.Read(fsys.Disk{}, b.ProxyPasswordFile, maxPassword)
	if err != nil {
		return o, fmt.Errorf("read proxy_password_file of the box file: %w", err)
	}
	proxy, err := url.Parse(o.Proxy)
	if err != nil {
		return o, errors.New("read proxy of the box file: not a URL") // the cause would print a password
	}
	proxy.User = url.UserPassword(proxy.User.Username(), strings.TrimSpace(string(password)))
	o.Proxy = proxy.String()
	return o, nil
}
