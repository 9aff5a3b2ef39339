//go:build unix

package plugin

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credential is whom the plugin runs as, with all the user's groups; nil = as this process.
func (s Spec) credential() (*syscall.Credential, error) {
	if s.User == "" {
		return nil, nil
	}
	u, err := account(s.User)
	if err != nil {
		return nil, err
	}
	if u.Uid == strconv.Itoa(os.Geteuid()) && s.Group == "" {
		return nil, nil
	}
	group := u.Gid
	if s.Group != "" {
		if group, err = groupID(s.Group); err != nil {
			return nil, &accountError{s.User, err}
		}
	}
	c := &syscall.Credential{}
	if c.Uid, err = id(u.Uid); err == nil {
		c.Gid, err = id(group)
	}
	if err != nil {
		return nil, &accountError{s.User, err}
	}
	if os.Geteuid() != 0 {
		return nil, &accountError{s.User, os.ErrPermission}
	}
	more, err := u.GroupIds()
	if err != nil {
		return nil, &accountError{s.User, err}
	}
	for _, text := range more {
		if one, err := id(text); err == nil {
			c.Groups = append(c.Groups, one)
		}
	}
	return c, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		if _, notNumber := id(name); notNumber == nil {
			return name, nil
		}
		return "", err
	}
	return g.Gid, nil
}

func id(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err
}
