package input

import "net"

// given is what another core gave of one input: nothing here.
type given struct {
	listener net.Listener
	packets  net.PacketConn
	conns    map[net.Conn]string
	gauges   map[string]float64
}

// Leave ends the inputs: sockets cannot be given here. The next core listens anew, senders connect again.
func (i *Inputs) Leave(string) <-chan struct{} {
	i.Close()
	done := make(chan struct{})
	close(done)
	return done
}

// Adopt is Apply.
func (i *Inputs) Adopt(_ string, w Want) { i.Apply(w) }
