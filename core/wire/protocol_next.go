//go:build protocolnext

package wire

import "google.golang.org/protobuf/encoding/protowire"

// ProtocolMax is one more than what is spoken: a program that is built so stands for the next version in tests of today's.
const ProtocolMax = 2

// Novelties are what today's version has to ignore: a kind of frame that it does not know, and a frame with a field more.
func Novelties() []*Frame {
	return []*Frame{
		{unknown: protowire.AppendBytes(protowire.AppendTag(nil, 2000, protowire.BytesType), []byte("of the next version"))},
		{Body: &Frame_Heartbeat{Heartbeat: &Heartbeat{unknown: protowire.AppendVarint(protowire.AppendTag(nil, 2000, protowire.VarintType), 1)}}},
	}
}
