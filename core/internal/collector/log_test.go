package collector

import "testing"

// What the programs said themselves of configurations that are wrong.
func TestTheReasonIsWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, said, want string }{
		{"fluentd, whose parsers fail back before", `2026-11-27 03:44:43 +0000 [info]: parsing config file is succeeded path="fluent.conf"
2026-11-27 03:44:43 +0000 [info]: Oj is not installed, and failing back to Yajl for json parser
2026-11-27 03:44:43 +0000 [info]: Oj is not installed, and failing back to Yajl for json parser
2026-11-27 03:44:43 +0000 [warn]: invalid option is ignored
2026-11-27 03:44:43 +0000 [error]: config error file="fluent.conf" error_class=Fluent::ConfigError error="<parse> section is required."
`, `2026-11-27 03:44:43 +0000 [error]: config error file="fluent.conf" error_class=Fluent::ConfigError error="<parse> section is required."`},
		{"telegraf", `2026-11-27T03:00:00Z I! Loading config: telegraf.conf failed over
error loading config file telegraf.conf: line 14: invalid TOML syntax
`, "error loading config file telegraf.conf: line 14: invalid TOML syntax"},
		{"nothing that tells", "a\nb\nc\nd\n", "b; c; d"},
		{"nothing but what is harmless", "x [info] failed over\n", "x [info] failed over"},
	} {
		if got := reason(c.said); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
