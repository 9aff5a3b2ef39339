// Package wire is the session protocol limpet.v1: its messages, their limits, and what each side checks
// of the other's. Agent and hub both speak it, so it is a leaf and knows neither. The order in which
// messages travel is docs/wire.md.
package wire
