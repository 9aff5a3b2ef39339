package doctor

import "golang.org/x/sys/unix"

// inodesUsed is how many of a file system's inodes are used, in percent; false where it does not count them.
func inodesUsed(dir string) (percent int, ok bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || st.Files == 0 {
		return 0, false
	}
	return int((st.Files - st.Ffree) * 100 / st.Files), true
}

func mountedHow(dir string) (noexec, readonly, ok bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false, false, false
	}
	return st.Flags&unix.ST_NOEXEC != 0, st.Flags&unix.ST_RDONLY != 0, true
}

func securityLabel(path string) (string, bool) {
	value := make([]byte, 256)
	n, err := unix.Lgetxattr(path, "security.selinux", value)
	if err != nil {
		return "", false
	}
	return string(value[:n]), true
}
