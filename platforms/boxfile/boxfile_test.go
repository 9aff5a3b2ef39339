package boxfile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseEverything(t *testing.T) {
	yes := true
	box, problems := Parse([]byte("\ufeff# a comment\r\n" + `
hub = https://hub.example:8700
mirror = https://m1.example/release, /srv/mirror
proxy=http://me@proxy:3128
proxy_password_file = /etc/limpet/proxy
ca = /etc/ssl/own.pem
user = limpet
trust = signed
channel = beta
pin = 1.2.3
hold = Yes
tags = web , berlin,
plugin_dirs = /usr/lib/nagios/plugins
allow_args.check_disk = -w \d+% -c \d+% # this is part of it = so is this
allow_args.check_x.sh = .*
collector.metrics = collectd /etc/collectd.conf
never = check_by_ssh
limit.runs = 8
limit.output = 64K
limit.buffer = 2G
limit.buffer_age = 168h
limit.memory = 100M
limit.cpu = 150%
limit.runs.check_ssh = 2
input.graphite = 2003
input.statsd = off
run_as = nagios
run_as.check_smart = root
allow_run_as = nagios, backup
nice = -5
cgroups = yes
macro.USER2 = s3cr=t
limit.run_memory = 512M
limit.run_processes = none
limit.run_cpu = 30s
limit.run_files = 256
limit.run_file_size = 100M
`))
	want := Box{
		Hubs: []string{"https://hub.example:8700"}, Mirror: []string{"https://m1.example/release", "/srv/mirror"},
		Proxy: "http://me@proxy:3128", ProxyPasswordFile: "/etc/limpet/proxy", CA: "/etc/ssl/own.pem",
		User: "limpet", Trust: TrustSigned, Channel: "beta", Pin: "1.2.3", Hold: &yes,
		Tags: []string{"web", "berlin"}, PluginDirs: []string{"/usr/lib/nagios/plugins"},
		AllowArgs: map[string]string{
			"check_disk": `-w \d+% -c \d+% # this is part of it = so is this`, "check_x.sh": ".*",
		},
		Inputs:     map[string]int{"graphite": 2003, "statsd": -1},
		Collectors: map[string]string{"metrics": "collectd /etc/collectd.conf"},
		Never:      []string{"check_by_ssh"},
		RunAs:      map[string]string{"": "nagios", "check_smart": "root"}, AllowRunAs: []string{"nagios", "backup"}, Nice: -5, Cgroups: &yes,
		Macros: map[string]string{"USER2": "s3cr=t"},
		Limit: Limit{Runs: 8, OutputBytes: 64 << 10, BufferBytes: 2 << 30, BufferAge: 168 * time.Hour, MemoryBytes: 100 << 20, CPU: 150, PluginRuns: map[string]int{"check_ssh": 2},
			Run: Run{Memory: 512 << 20, Processes: -1, CPU: 30 * time.Second, Files: 256, FileBytes: 100 << 20}},
	}
	if len(problems) != 0 || !reflect.DeepEqual(box, want) {
		t.Errorf("problems %v\ngot  %+v\nwant %+v", problems, box, want)
	}
}

func TestProblemsNameTheirLineAndTheRestHolds(t *testing.T) {
	tests := []struct{ line, want string }{
		{"hup = x", `unknown key "hup"; did you mean hub?`},
		{"colour = red", `unknown key "colour"`},
		{"just words", "is not `key = value`"},
		{"= x", "is not `key = value`"},
		{"hub =", "hub has no value"},
		{"tags = again", "tags stands in line 1 already; the first one counts"},
		{"trust = everybody", `trust: "everybody" is neither hub nor signed`},
		{"hold = perhaps", `hold: "perhaps" is neither yes nor no`},
		{"limit.runs = 0", `limit.runs: "0" is not a number from 1 to 65535`},
		{"limit.buffer = 9999999999G", `limit.buffer: "9999999999G" is not a size such as 65536, 256K, 64M or 2G`},
		{"limit.runs.x = none", `limit.runs.x: "none" is not a number from 1 to 65535`},
		{"limit.runs. = 1", `unknown key "limit.runs."; did you mean limit.runs?`},
		{"limit.cpu = 50", `limit.cpu: "50" is not percent of one processor such as 50%`},
		{"limit.cpu = 0%", `limit.cpu: "0%" is not percent of one processor such as 50%`},
		{"limit.buffer_age = -1h", `limit.buffer_age: "-1h" is not a time such as 90m or 168h`},
		{"allow_args. = x", `unknown key "allow_args."`},
		{"nice = 20", `nice: "20" is not a number from -20 to 19`},
		{"limit.run_memory = nonesuch", `limit.run_memory: "nonesuch" is not a size such as 65536, 256K, 64M or 2G`},
		{"hub = \xff", "is not UTF-8 text"},
		{"hub = " + strings.Repeat("x", MaxLine), "longer than 4096 bytes"},
	}
	for _, tt := range tests {
		box, problems := Parse([]byte("tags = one\n" + tt.line + "\nuser = limpet\n"))
		if len(problems) != 1 || problems[0] != (Problem{2, tt.want}) {
			t.Errorf("%.40q: %v, want %q", tt.line, problems, tt.want)
		}
		if box.User != "limpet" || len(box.Tags) != 1 || box.Hub() != "" {
			t.Errorf("%.40q: the other lines became %+v", tt.line, box)
		}
	}
}

func TestProblemsAreCapped(t *testing.T) {
	_, problems := Parse([]byte(strings.Repeat("nonsense\n", 250)))
	if len(problems) != MaxProblems || !strings.HasSuffix(problems[MaxProblems-1].Text, "(and 150 more problems after this line)") {
		t.Errorf("%d problems, the last %v", len(problems), problems[len(problems)-1])
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "limpet.conf")
	if box, problems, err := Read(path); err != nil || problems != nil || !reflect.DeepEqual(box, Box{}) {
		t.Errorf("missing: %+v %v %v", box, problems, err)
	}
	if err := os.WriteFile(path, []byte("hub = h"), 0o600); err != nil {
		t.Fatal(err)
	}
	if box, _, err := Read(path); err != nil || box.Hub() != "h" {
		t.Errorf("%+v %v", box, err)
	}
	if err := os.WriteFile(path, make([]byte, MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(path); err == nil {
		t.Error("a box file past its limit was read")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"hub = x\n", "limit.buffer=1G", "a==b\n=\n#", "hold = yes\nhold = no", "allow_args.x = \x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		box, problems := Parse(data)
		lines := strings.Count(string(data), "\n") + 1
		last := 0
		for _, p := range problems {
			if p.Line <= last || p.Line > lines || p.Text == "" {
				t.Fatalf("%v after line %d of %d", p, last, lines)
			}
			last = p.Line
		}
		if box.Limit.Runs < 0 || box.Limit.BufferBytes < 0 || box.Limit.OutputBytes < 0 || box.Limit.BufferAge < 0 {
			t.Fatalf("negative limit: %+v", box.Limit)
		}
	})
}
