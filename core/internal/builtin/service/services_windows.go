package service

import (
	"context"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// services lists the services with their states; how they start is asked only where it matters.
func services(ctx context.Context, o options) ([]found, error) {
	h, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT|windows.SC_MANAGER_ENUMERATE_SERVICE)
	if err != nil {
		return nil, fmt.Errorf("open the service control manager: %w", err)
	}
	m := &mgr.Mgr{Handle: h}
	defer m.Disconnect()
	all, err := enumerate(h)
	if err != nil {
		return nil, err
	}
	var list []found
	for _, s := range all {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		f := found{name: windows.UTF16PtrToString(s.ServiceName), title: windows.UTF16PtrToString(s.DisplayName), state: "unknown"}
		if n := int(s.ServiceStatusProcess.CurrentState); n >= 1 && n <= len(states) {
			f.state = states[n-1]
		}
		if len(o.names) == 0 {
			f.automatic = automatic(h, s.ServiceName)
		}
		list = append(list, f)
	}
	return list, nil
}

func enumerate(h windows.Handle) ([]windows.ENUM_SERVICE_STATUS_PROCESS, error) {
	var needed, n uint32
	const most = 8 << 20
	buf := make([]byte, 64<<10)
	for {
		err := windows.EnumServicesStatusEx(h, windows.SC_ENUM_PROCESS_INFO, windows.SERVICE_WIN32, windows.SERVICE_STATE_ALL,
			&buf[0], uint32(len(buf)), &needed, &n, nil, nil)
		if err == nil {
			break
		}
		if err != windows.ERROR_MORE_DATA || len(buf)+int(needed) > most {
			return nil, fmt.Errorf("list the services: %w", err)
		}
		buf = make([]byte, len(buf)+int(needed))
	}
	return unsafe.Slice((*windows.ENUM_SERVICE_STATUS_PROCESS)(unsafe.Pointer(&buf[0])), n), nil
}

// automatic says whether a service is meant to run: it starts with the system, and nothing else starts or ends it.
func automatic(h windows.Handle, name *uint16) bool {
	s, err := windows.OpenService(h, name, windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return false
	}
	x := &mgr.Service{Name: windows.UTF16PtrToString(name), Handle: s}
	defer x.Close()
	c, err := x.Config()
	return err == nil && c.StartType == mgr.StartAutomatic && !triggered(s)
}

// triggered says whether something starts the service when it is needed: then it may well be stopped.
func triggered(s windows.Handle) bool {
	var needed uint32
	buf := make([]byte, 8<<10)
	const triggerInfo = 8 // SERVICE_CONFIG_TRIGGER_INFO
	if err := windows.QueryServiceConfig2(s, triggerInfo, &buf[0], uint32(len(buf)), &needed); err != nil {
		return false
	}
	return *(*uint32)(unsafe.Pointer(&buf[0])) > 0
}
