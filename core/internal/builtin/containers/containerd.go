package containers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
)

// containerd asks containerd. Its API is gRPC, of which three calls without streams are needed: over HTTP/2 in clear that is one POST each, with five
// bytes before each message, and the status in the trailer.
func (o options) containerd(ctx context.Context) ([]container, error) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{DialContext: o.dial, Protocols: &protocols}
	defer transport.CloseIdleConnections()
	g := grpc{&http.Client{Transport: transport}}
	namespaces := []string{o.namespace}
	if o.namespace == "" {
		var err error
		if namespaces, err = g.namespaces(ctx); err != nil {
			return nil, err
		}
	}
	var list []container
	for _, ns := range namespaces {
		some, err := g.containers(ctx, ns)
		if err != nil {
			return nil, err
		}
		if list = append(list, some...); len(list) > maxContainers {
			return nil, fmt.Errorf("more than %d containers", maxContainers)
		}
	}
	return list, nil
}

// grpc calls methods.
type grpc struct{ client *http.Client }

// call makes one call whose request has no fields that matter.
func (g grpc) call(ctx context.Context, method, namespace string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://containerd/"+method, bytes.NewReader(make([]byte, 5)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	if namespace != "" {
		r.Header.Set("Containerd-Namespace", namespace)
	}
	answer, err := g.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxRead+1))
	if err != nil {
		return nil, err
	}
	status := answer.Trailer
	if answer.Header.Get("Grpc-Status") != "" { // nothing but a status
		status = answer.Header
	}
	switch {
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("containerd answers %s", answer.Status)
	case status.Get("Grpc-Status") != "0":
		return nil, fmt.Errorf("containerd: %s (code %s)", reach.OneLine(status.Get("Grpc-Message"), 200), status.Get("Grpc-Status"))
	case len(body) < 5 || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-5:
		return nil, errors.New("containerd's answer makes no sense")
	}
	return body[5:], nil
}

func (g grpc) namespaces(ctx context.Context) ([]string, error) {
	b, err := g.call(ctx, "containerd.services.namespaces.v1.Namespaces/List", "")
	if err != nil {
		return nil, err
	}
	var names []string
	err = each(b, 1, func(one []byte) error {
		name, err := text(one, 1)
		names = append(names, name)
		return err
	})
	return names, err
}

// containers lists those of a namespace. A container without a task does not run.
func (g grpc) containers(ctx context.Context, namespace string) ([]container, error) {
	b, err := g.call(ctx, "containerd.services.containers.v1.Containers/List", namespace)
	if err != nil {
		return nil, err
	}
	var list []container
	if err := each(b, 1, func(one []byte) error {
		c, err := parseContainer(one)
		list = append(list, c)
		return err
	}); err != nil {
		return nil, err
	}
	if b, err = g.call(ctx, "containerd.services.tasks.v1.Tasks/List", namespace); err != nil {
		return nil, err
	}
	err = each(b, 1, func(one []byte) error {
		id, err := text(one, 1)
		if id == "" && err == nil {
			id, err = text(one, 2)
		}
		for i := range list {
			if list[i].note == id {
				list[i].state, list[i].exit = taskState(one)
			}
		}
		return err
	})
	for i := range list {
		if list[i].note == list[i].name {
			list[i].note = ""
		}
	}
	return list, err
}

// parseContainer reads containerd.services.containers.v1.Container: id 1, labels 2, image 3. Kubernetes names a container by its labels.
func parseContainer(b []byte) (container, error) {
	c := container{state: "stopped", exit: -1}
	var err, err2 error
	c.note, err = text(b, 1)
	c.image, err2 = text(b, 3)
	labels := map[string]string{}
	err3 := each(b, 2, func(one []byte) error {
		k, err := text(one, 1)
		v, err2 := text(one, 2)
		labels[k] = v
		return errors.Join(err, err2)
	})
	c.name = c.note
	switch pod, name := labels["io.kubernetes.pod.name"], labels["io.kubernetes.container.name"]; {
	case name != "":
		c.name = pod + "/" + name
	case labels["nerdctl/name"] != "":
		c.name = labels["nerdctl/name"]
	}
	if i := strings.LastIndexByte(c.image, '@'); i > 0 {
		c.image = c.image[:i]
	}
	return c, errors.Join(err, err2, err3)
}

// taskStates are containerd.v1.types.Status.
var taskStates = []string{"unknown", "created", "running", "stopped", "paused", "paused"}

// taskState reads containerd.v1.types.Process: status 4, exit_status 9.
func taskState(b []byte) (state string, exit int) {
	state, exit = "unknown", -1
	if n, ok := number(b, 4); ok && n < uint64(len(taskStates)) {
		state = taskStates[n]
	}
	if state == "stopped" {
		n, _ := number(b, 9)
		exit = int(uint32(n))
	}
	return state, exit
}

var errMessage = errors.New("containerd sent what is no message")

// fields calls f for each field of a message.
func fields(b []byte, f func(num protowire.Number, kind protowire.Type, value []byte) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errMessage
		}
		size := protowire.ConsumeFieldValue(num, kind, b[n:])
		if size < 0 {
			return errMessage
		}
		if err := f(num, kind, b[n:n+size]); err != nil {
			return err
		}
		b = b[n+size:]
	}
	return nil
}

// each calls f for each message in a repeated field.
func each(b []byte, want protowire.Number, f func([]byte) error) error {
	return fields(b, func(num protowire.Number, kind protowire.Type, value []byte) error {
		if num != want || kind != protowire.BytesType {
			return nil
		}
		one, n := protowire.ConsumeBytes(value)
		if n < 0 {
			return errMessage
		}
		return f(one)
	})
}

// text reads a string, "" when it is not there.
func text(b []byte, want protowire.Number) (s string, err error) {
	err = each(b, want, func(value []byte) error { s = string(value); return nil })
	return s, err
}

func number(b []byte, want protowire.Number) (v uint64, ok bool) {
	fields(b, func(num protowire.Number, kind protowire.Type, value []byte) error {
		if num == want && kind == protowire.VarintType {
			v, _ = protowire.ConsumeVarint(value)
			ok = true
		}
		return nil
	})
	return v, ok
}
