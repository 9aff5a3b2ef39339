package plugin

import (
	"fmt"
	"os/user"
	"strconv"
	"sync"
	"time"
)

// User is whom a plugin runs as.
type User struct {
	Name, Home string
	UID, GID   uint32
	Groups     []uint32
}

// userKept is how long a looked-up user is believed: plugins start many times a second, users change once a year.
const userKept = time.Minute

var users userTable

type userTable struct {
	mu    sync.Mutex // guards known
	known map[string]knownUser
}

type knownUser struct {
	user User
	err  error
	at   time.Time
}

// LookupUser finds a user of this box by name, with all its groups.
func LookupUser(name string) (*User, error) {
	users.mu.Lock()
	defer users.mu.Unlock()
	k, ok := users.known[name]
	if !ok || time.Since(k.at) > userKept {
		u, err := lookup(name)
		k = knownUser{u, err, time.Now()}
		if users.known == nil || len(users.known) > 100 { // a box has a handful
			users.known = map[string]knownUser{}
		}
		users.known[name] = k
	}
	u := k.user
	return &u, k.err
}

func lookup(name string) (User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return User{}, fmt.Errorf("user %s is not known on this box", name)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		return User{}, fmt.Errorf("user %s: programs cannot be started as another user on this system", name)
	}
	out := User{Name: u.Username, Home: u.HomeDir, UID: uint32(uid), GID: uint32(gid)}
	groups, err := u.GroupIds()
	if err != nil {
		return User{}, fmt.Errorf("groups of user %s: %w", name, err)
	}
	for _, g := range groups {
		if n, err := strconv.ParseUint(g, 10, 32); err == nil {
			out.Groups = append(out.Groups, uint32(n))
		}
	}
	return out, nil
}
