package confine

import (
	"unsafe"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// What Landlock watches, by the version of its interface that brought it. What is watched and not allowed
// by a rule is refused.
const (
	watched1 = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // all up to it
	watched2 = unix.LANDLOCK_ACCESS_FS_REFER
	watched3 = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	watched5 = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	readFile = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readDir  = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// Of what can be made only plain files and folders: no links, sockets, devices.
	writeDir = readDir | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
)

func landlock(r Rules) error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return plain.Wrap("not in this kernel", errno)
	}
	attr := watchedBy(int(version), r.Network)
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return plain.Wrap("make rules", errno)
	}
	defer unix.Close(int(set))
	for _, path := range r.Read {
		if err := allow(int(set), path, readDir&attr.Handled_access_fs); err != nil {
			return err
		}
	}
	for _, path := range r.Write {
		if err := allow(int(set), path, writeDir&attr.Handled_access_fs); err != nil {
			return err
		}
	}
	if err := everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return plain.Wrap("give up new privileges", err)
	}
	if err := everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0, 0, 0); err != nil {
		return plain.Wrap("enter", err)
	}
	return nil
}

func watchedBy(version int, network bool) unix.LandlockRulesetAttr {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: watched1}
	if version >= 2 {
		attr.Handled_access_fs |= watched2
	}
	if version >= 3 {
		attr.Handled_access_fs |= watched3
	}
	if version >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP
		if !network {
			attr.Handled_access_net |= unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		}
	}
	if version >= 5 {
		attr.Handled_access_fs |= watched5
	}
	return attr
}

// allow lets a file or a folder be used. One that is not there, or that this process may not reach, needs
// no rule.
func allow(set int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.ENOENT, unix.ENOTDIR, unix.EACCES:
		return nil
	default:
		return plain.Wrap("open "+path, err)
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return plain.Wrap("look at "+path, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= readFile | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return plain.Wrap("allow "+path, errno)
	}
	return nil
}
