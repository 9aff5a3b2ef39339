package builtin

import (
	"github.com/limpet-monitoring/limpet/core/internal/builtin/cert"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/clock"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/closed"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/containers"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/cpu"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/disk"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/diskio"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/dns"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/file"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/http"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/load"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/logfile"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/memory"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/network"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/ntp"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/ping"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/procs"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/self"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/service"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/swap"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/systemd"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/tcp"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/uptime"
)

// New gives a registry of all builtin checks.
func New(env Env) *Registry {
	proc, sys := env.ProcRoot, env.SysRoot
	if proc == "" {
		proc = procRoot
	}
	if sys == "" {
		sys = "/sys"
	}
	r := &Registry{instances: make(map[string]*instance)}
	r.families = map[string]family{
		"cpu":    {cpu.Valid, func() Func { return cpu.New(proc, sys).Run }},
		"load":   {load.Valid, func() Func { return load.New(proc, sys).Run }},
		"memory": {memory.Valid, func() Func { return memory.New(proc, sys).Run }},
		"swap":   {swap.Valid, func() Func { return swap.New(proc).Run }},
		"disk":   {disk.Valid, func() Func { return disk.New(proc).Run }},
		"net":    {network.Valid, func() Func { return network.New(proc, sys).Run }},
		"procs":  {procs.Valid, func() Func { return procs.New(proc).Run }},
		"uptime": {uptime.Valid, func() Func { return uptime.New(proc).Run }},
		"clock":  {clock.Valid, func() Func { return clock.New(env.HubOffset).Run }},
		"agent":  {self.Valid, func() Func { return self.New(proc, env.Agent, r.Stuck).Run }},

		"diskio":     {diskio.Valid, func() Func { return diskio.New(proc, sys).Run }},
		"file":       {file.Valid, func() Func { return file.New().Run }},
		"log":        {logfile.Valid, func() Func { return logfile.New(env.StateDir).Run }},
		"systemd":    {systemd.Valid, func() Func { return systemd.New().Run }},
		"service":    {service.Valid, func() Func { return service.Run }},
		"containers": {containers.Valid, func() Func { return containers.Run }},

		"tcp":    {tcp.Valid, func() Func { return tcp.Run }},
		"closed": {closed.Valid, func() Func { return closed.Run }},
		"http":   {http.Valid, func() Func { return http.Run }},
		"cert":   {cert.Valid, func() Func { return cert.New().Run }},
		"dns":    {dns.Valid, func() Func { return dns.New(env.Hub).Run }},
		"ntp":    {ntp.Valid, func() Func { return ntp.Run }},
		"ping":   {ping.Valid, func() Func { return ping.Run }},
	}
	return r
}
