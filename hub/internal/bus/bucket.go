package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bucket keeps the newest value of each key. Keys are letters, digits and . _ - / =; a dot separates levels.
type Bucket struct {
	name string
	kv   jetstream.KeyValue
}

// Entry is one key as a bucket holds it.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64 // rises over the whole bucket with every write
	Deleted  bool   // only in Watch
}

// Bucket opens a bucket of that name (letters, digits, _ and -), made when missing. age > 0 drops keys that were not written
// for that long.
func (b *Bus) Bucket(ctx context.Context, name string, age time.Duration) (*Bucket, error) {
	kv, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, History: 1, TTL: age, Storage: jetstream.FileStorage})
	if err != nil {
		return nil, fmt.Errorf("make bucket %s: %w", name, err)
	}
	return &Bucket{name: name, kv: kv}, nil
}

// Get is the newest value. ErrNone.
func (k *Bucket) Get(ctx context.Context, key string) (Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	e, err := k.kv.Get(ctx, key)
	if err != nil {
		return Entry{}, k.failed("read", key, err)
	}
	return entry(e), nil
}

// Put writes whatever was there, and returns the new revision.
func (k *Bucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	rev, err := k.kv.Put(ctx, key, value)
	return rev, k.failed("write", key, err)
}

// Create writes a key that is not there. ErrConflict when it is.
func (k *Bucket) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	rev, err := k.kv.Create(ctx, key, value)
	return rev, k.failed("create", key, err)
}

// Update writes a key whose newest revision is the given one. ErrConflict when it is not.
func (k *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	rev, err := k.kv.Update(ctx, key, value, revision)
	return rev, k.failed("update", key, err)
}

// Delete removes a key; one that is not there is no error.
func (k *Bucket) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := k.kv.Purge(ctx, key); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return k.failed("delete", key, err)
	}
	return nil
}

// List gives every entry to fn, in the order of their last writes.
func (k *Bucket) List(ctx context.Context, fn func(Entry)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := k.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return k.failed("list", "*", err)
	}
	defer func() { _ = w.Stop() }()
	return k.untilKnown(ctx, w, fn)
}

// Watch gives every entry to fn and returns; then it goes on with every later write and deletion, in order, from one goroutine,
// until ctx ends. fn must be quick.
func (k *Bucket) Watch(ctx context.Context, fn func(Entry)) error {
	w, err := k.kv.WatchAll(ctx)
	if err != nil {
		return k.failed("watch", "*", err)
	}
	if err := k.untilKnown(ctx, w, fn); err != nil {
		_ = w.Stop()
		return err
	}
	go func() {
		defer func() { _ = w.Stop() }()
		for {
			select {
			case e, open := <-w.Updates():
				if !open {
					return
				}
				if e != nil {
					fn(entry(e))
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

// untilKnown reads a watcher up to the mark behind everything that was there.
func (k *Bucket) untilKnown(ctx context.Context, w jetstream.KeyWatcher, fn func(Entry)) error {
	for {
		select {
		case e, open := <-w.Updates():
			if !open {
				return k.failed("list", "*", context.Canceled)
			}
			if e == nil {
				return nil
			}
			fn(entry(e))
		case <-ctx.Done():
			return k.failed("list", "*", ctx.Err())
		}
	}
}

func (k *Bucket) failed(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s in bucket %s: %w", verb, key, k.name, translate(err))
}

func entry(e jetstream.KeyValueEntry) Entry {
	return Entry{Key: e.Key(), Value: e.Value(), Revision: e.Revision(), Deleted: e.Operation() != jetstream.KeyValuePut}
}
