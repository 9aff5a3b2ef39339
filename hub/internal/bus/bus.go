// Package bus is the hub's only way to NATS.
package bus

// Bus is the hub's connection.
type Bus struct{}
