//go:build !protocolnext

package wire

// ProtocolMax is the newest protocol spoken here.
const ProtocolMax = 1

// Novelties are what this version says after a handshake that the one before does not know: nothing.
func Novelties() []*Frame { return nil }
