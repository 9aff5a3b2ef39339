// Package twenty is twenty checks of Debian's plugins as a box has them, for whatever is measured of a result: what is said of the buffer on disk and of
// the line is said of the same results. It is for tests and measures alone.
package twenty

// Checks are a plugin's name and its arguments each.
var Checks = [][]string{
	{"check_load", "-w", "50,50,50", "-c", "90,90,90"}, {"check_load", "-r", "-w", "9,9,9", "-c", "20,20,20"},
	{"check_disk", "-w", "5%", "-c", "2%", "-p", "/"}, {"check_disk", "-w", "5%", "-c", "2%", "-p", "/tmp"}, {"check_disk", "-W", "5%", "-K", "2%", "-p", "/"},
	{"check_swap", "-w", "0", "-c", "0"}, {"check_users", "-w", "50", "-c", "90"}, {"check_procs", "-w", "5000", "-c", "9000"},
	{"check_procs", "-w", "50", "-c", "90", "-s", "Z"}, {"check_procs", "-m", "CPU", "-w", "90", "-c", "99"}, {"check_procs", "-m", "RSS", "-w", "9000000", "-c", "99000000"},
	{"check_procs", "-c", "0:", "-C", "cron"}, {"check_procs", "-c", "0:", "-C", "sshd"}, {"check_file_age", "-w", "999999999", "-c", "9999999999", "-f", "/etc/passwd"},
	{"check_dummy", "0", "all is well"}, {"check_dummy", "1", "nearly"}, {"check_procs", "-m", "VSZ", "-w", "900000000", "-c", "990000000"}, {"check_tcp", "-H", "127.0.0.1", "-p", "9", "-r", "ok"},
	{"check_tcp", "-H", "127.0.0.1", "-p", "22"}, {"check_file_age", "-w", "60", "-c", "90", "-f", "/etc/hostname"},
}
