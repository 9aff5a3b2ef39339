package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// encoding/json is half a megabyte and brings reflection along, so the one object that the stub
// prints is put together by hand.

// field is one member of an object; value is JSON already.
type field struct{ name, value string }

func object(fields ...field) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text(f.name) + ":" + f.value)
	}
	b.WriteByte('}')
	return b.String()
}

// text is a JSON string. What is not UTF-8 becomes U+FFFD.
func text(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029:
			const digits = "0123456789abcdef"
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(digits[r>>shift&15])
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func number[T int | int64 | uint64](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}

// json is the status for programs, one line; docs/stub-contract.md says what holds.
func (r report) json() string {
	v := r.view
	part := strings.TrimSpace(r.part)
	if part == "" {
		part = "null"
	}
	var list []string
	if r.running {
		for _, w := range v.warnings {
			list = append(list, object(field{"word", text(w.word)}, field{"text", text(w.text)}))
		}
	}
	return object(
		field{"format", "1"},
		field{"stub", object(
			field{"running", strconv.FormatBool(r.running)}, field{"pid", number(v.pid)}, field{"version", text(v.version)},
			field{"state", text(string(v.state))}, field{"since", text(time.Unix(v.since, 0).UTC().Format(time.RFC3339))})},
		field{"release", object(
			field{"version", text(v.core.version)}, field{"counter", number(v.core.counter)},
			field{"hash", text(hexOf(v.core.hash))}, field{"role", text(v.core.role)})},
		field{"process", object(
			field{"pid", number(v.core.pid)}, field{"restarts", number(v.restarts)}, field{"last", text(v.last)})},
		field{"update", object(
			field{"channel", text(v.channel)}, field{"pin", text(v.pin)}, field{"hold", strconv.FormatBool(v.hold)},
			field{"newest", text(v.newest)}, field{"trial", text(v.trial)}, field{"phase", text(firstOf(v.phase, "idle"))},
			field{"why", text(v.word)}, field{"text", text(v.text)}, field{"looked", number(v.looked)},
			field{"came", r.cameJSON()})},
		field{"record", r.recordJSON()},
		field{"warnings", "[" + strings.Join(list, ",") + "]"},
		field{"core", part},
	) + "\n"
}

func (r report) recordJSON() string {
	if !r.found {
		return "null"
	}
	return object(
		field{"sequence", number(r.record.Sequence)},
		field{"good", coreJSON(r.record.Good)}, field{"previous", coreJSON(r.record.Previous)},
		field{"factory", coreJSON(r.record.Factory)}, field{"floor", number(r.record.Floor)})
}

func (r report) cameJSON() string {
	if r.came == "" {
		return "null"
	}
	return object(
		field{"version", text(valueOf(r.came, "came"))}, field{"as", text(valueOf(r.came, "came_as"))}, field{"codec", text(valueOf(r.came, "came_codec"))},
		field{"bytes", firstOf(valueOf(r.came, "came_bytes"), "0")}, field{"of", firstOf(valueOf(r.came, "came_of"), "0")})
}

func coreJSON(c boot.Core) string {
	if c.None() {
		return "null"
	}
	return object(field{"counter", number(c.Counter)}, field{"hash", text(hexOf(c.Hash))})
}

func hexOf(hash [32]byte) string {
	if hash == [32]byte{} {
		return ""
	}
	return plain.Hex(hash[:])
}
