#!/usr/bin/env python3
"""A second decoder of codec go1, written from docs/delta-format.md alone: what it needs and the page does not say is a
defect of the page. It is slow (minutes for a core) and shares no line with updater/delta.

    go1.py BASE PATCH RESULT
"""
import hashlib
import struct
import sys

M32 = 0xFFFFFFFF
SHORT, CALL, JUMP, COND, DATA, B26, B19, B14, PAGE, LOW12, POINTER, OFFSET, PLACE, LINE, INLINED, PAGEOFF, ULEB = range(1, 18)
(ZERO, TEXT, ETEXT, NAMES, UNITS, FILES, PCS, FUNCTAB, FINDER, FUNCDATA, TYPES, ETYPES, RODATA, EPCLN) = range(14)
RELATIVE = {SHORT, CALL, JUMP, COND, DATA, B26, B19, B14}
LEARN = {CALL, JUMP, COND, DATA, B26, PAGE, POINTER, OFFSET}
PARTIAL = {B26, B19, B14, PAGE, LOW12, PAGEOFF, ULEB, POINTER}
PARTS = {SHORT: [(0, 8)], B26: [(0, 26)], B19: [(5, 19)], B14: [(5, 14)], PAGE: [(29, 2), (5, 19)], LOW12: [(10, 12)],
         POINTER: [(0, 64)], PAGEOFF: [(0, 12)], ULEB: [(0, 7), (8, 7), (16, 7)]}


def u16(b, at): return int.from_bytes(b[at:at + 2], "little")
def u32(b, at): return int.from_bytes(b[at:at + 4], "little")
def u64(b, at): return int.from_bytes(b[at:at + 8], "little")


def check(ok, what):
    if not ok:
        raise ValueError(what)


# 3.1 to 3.3: the coder

def tables():
    squash, e, one = [0] * 6143, 1 << 32, 1 << 32
    for i in range(3072):
        v = min(65536 * e // (e + one), 65535)
        squash[3071 + i], squash[3071 - i] = v, 65536 - max(v, 1) & 0xFFFF
        e = e * 4311777323 >> 32
    stretch, x = [], -3071
    for i in range(4096):
        while x < 3071 and squash[3071 + x] < 16 * i + 8:
            x += 1
        stretch.append(max(-2047, min(2047, x)))
    return squash, stretch


SQUASH, STRETCH = tables()
RATE = [655360 // (10 * i + 14) for i in range(128)]


def squash(x): return SQUASH[max(-3071, min(3071, x)) + 3071]
def s32(v): return (v & M32) - ((v & 0x80000000) << 1)
def log(v): return (v & M32).bit_length()


def mix(*values):
    h = 0
    for v in values:
        h = (h ^ (v & M32)) * 0x9E3779B1 & M32
        h ^= h >> 15
    return h


class Coder:
    def __init__(self, data, budget):
        self.data, self.at, self.budget, self.spent = data, 0, budget, 0
        self.low, self.high, self.code = 0, M32, 0
        self.slots, self.site, self.node = [0] * (1 << 20), {}, {}
        for _ in range(4):
            self.code = self.code << 8 | self.next()

    def next(self):
        self.at += 1
        check(self.at <= len(self.data) + 4, "the stream is at its end")
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def charge(self, n):
        self.spent += n
        check(self.spent <= self.budget, "the budget is exhausted")

    def contexts(self, *values):
        self.context = [(v + (i + 1) * 0x9E3779B1) * 0x85EBCA6B & M32 for i, v in enumerate(values)]

    def code1(self, p):
        r = self.high - self.low
        mid = self.low + (r >> 16) * p + ((r & 0xFFFF) * p >> 16)
        bit = self.code <= mid
        if bit:
            self.high = mid
        else:
            self.low = mid + 1
        while (self.low ^ self.high) >> 24 == 0:
            self.low, self.high = self.low << 8 & M32, self.high << 8 & M32 | 0xFF
            self.code = self.code << 8 & M32 | self.next()
        return int(bit)

    def raw(self):
        self.charge(1)
        return self.code1(32768)

    @staticmethod
    def weights():
        return [19660 if i % 2 == 0 else 0 for i in range(16)] + [0]

    def bit(self, node, site):
        self.charge(1)
        a, b = self.site.get(site), self.node.get((site, node % 256))
        if a is None:
            a = self.site[site] = self.weights()
        if b is None:
            b = self.node[site, node % 256] = self.weights()
        mixed, slots, found, inputs = node * 0x9E3779B1 & M32, self.slots, [], []
        for c in self.context:
            h = (c ^ mixed) * 0xC2B2AE35 & M32
            h ^= h >> 15
            h = h * 0x2C1B3C6D & M32
            s = slots[h >> 12]
            if s == 0 or s >> 7 & 511 != h & 511:
                s = 0x80000000 | (h & 511) << 7
                slots[h >> 12] = s
            found.append(h >> 12)
            n = s & 127
            inputs.append(STRETCH[s >> 20] if n else 0)
            inputs.append(((s >> 16) - 32768 >> 4) * (min(n, 30) + 2) >> 5)
        # "The last" weight goes with the input that is always 256, which stands behind those of all contexts.
        n = len(self.context)
        dot_a = sum(x * y for x, y in zip(inputs, a)) + 256 * self.last(a, n)
        dot_b = sum(x * y for x, y in zip(inputs, b)) + 256 * self.last(b, n)
        bit = self.code1(max(4, min(65532, squash(dot_a + dot_b >> 17))))
        for w, dot in ((a, dot_a), (b, dot_b)):
            err = ((bit << 16) - squash(dot >> 16)) * 6
            for i, x in enumerate(inputs):
                w[i] += x * err + (1 << 17) >> 18
            self.last(w, n, 256 * err + (1 << 17) >> 18)
        for at in found:
            s = slots[at]
            p, n = s >> 16, s & 127
            p = p + ((65535 - p) * RATE[n] >> 16) if bit else p - (p * RATE[n] >> 16)
            slots[at] = p << 16 | s & 0xFF80 | min(n + 1, 127)
        return bit

    @staticmethod
    def last(w, n, add=0):
        """The weight of the constant: of the first input of context n, which is not there; of a ninth with eight of them."""
        i = 2 * n
        w[i] += add
        return w[i]

    def flag(self, node, site): return self.bit(node, site) == 1

    def number(self, site):
        n = 1
        while n < 63 and self.bit(1 + n, site):
            n += 1
        v = 1
        for i in range(n - 1):
            v = v << 1 | (self.bit(65536 + (n << 18) + v & M32, site) if i < 12 else self.raw())
        return v - 1

    def signed(self, site):
        v = self.number(site)
        return v >> 1 ^ -(v & 1)

    def byte(self, site):
        node = 1
        for _ in range(8):
            node = node << 1 | self.bit(node, site)
        return node & 255

    def close(self):
        check(self.spent == self.budget, "another number of units was spent")
        check(self.at >= len(self.data), "something follows the stream")
        v = self.low
        for shift in (24, 16, 8):
            up = (self.low + (1 << shift) - 1) >> shift << shift
            if up <= self.high:
                v = up
                break
        check(self.code == v, "the stream does not end as an encoder ends it")


def recall(c, values, node, site):
    """The number of the value among the last ones that is meant, or how many there are."""
    i = 0
    while i < len(values) and not c.flag(node + i, site):
        i += 1
    return i


def front(values, i, v):
    del values[min(i, len(values) - 1)]
    values.insert(0, v)


# 4.1: images

class Image:
    def __init__(self, data):
        self.data, self.machine, self.base, self.segments = data, None, 0, []
        self.pdata = self.reloc = self.rebase = (0, 0)
        found, raw = None, []
        if len(data) >= 64 and data[:6] == b"\x7fELF\x02\x01":
            found = self.elf(data, raw)
        elif len(data) >= 64 and data[:2] == b"MZ":
            found = self.pe(data, raw)
        elif len(data) >= 32 and u32(data, 0) == 0xFEEDFACF:
            found = self.macho(data, raw)
        if not found or not self.place(raw):
            self.machine, self.base, self.segments = None, 0, []
            self.pdata = self.reloc = self.rebase = (0, 0)

    def elf(self, b, raw):
        self.machine = {62: "amd64", 183: "arm64"}.get(u16(b, 18))
        at, size, n = u64(b, 32), u16(b, 54), u16(b, 56)
        if size < 56 or at + n * size > len(b):
            return False
        for p in range(at, at + n * size, size):
            if u32(b, p) == 1:
                raw.append((u64(b, p + 8), u64(b, p + 32), u64(b, p + 16), u64(b, p + 40), u32(b, p + 4) & 1))
        return True

    def pe(self, b, raw):
        at = u32(b, 60)
        if len(b) - at < 264 or b[at:at + 4] != b"PE\0\0":
            return False
        coff, opt = at + 4, at + 24
        self.machine = {0x8664: "amd64", 0xAA64: "arm64"}.get(u16(b, coff))
        n, size = u16(b, coff + 2), u16(b, coff + 16)
        if u16(b, opt) != 0x20B or size < 240 or opt + size + 40 * n > len(b):
            return False
        base = u64(b, opt + 24)
        raw.append((0, min(u32(b, opt + 60), len(b)), base, 0, 0))
        for s in range(opt + size, opt + size + 40 * n, 40):
            mem, addr, held, off = (u32(b, s + i) for i in (8, 12, 16, 20))
            raw.append((off, min(held, mem + 511 & ~511), base + addr, mem, u32(b, s + 36) & 0x20000000))
            for number, name in ((3, "pdata"), (5, "reloc")):
                va, length = u32(b, opt + 112 + 8 * number), u32(b, opt + 116 + 8 * number)
                if length and va >= addr and va - addr + length <= held:
                    setattr(self, name, (va - addr + off, length))
        return all(o + n <= len(b) for o, n in (self.pdata, self.reloc))

    def macho(self, b, raw):
        self.machine = {0x01000007: "amd64", 0x0100000C: "arm64"}.get(u32(b, 4))
        at = 32
        for _ in range(u32(b, 16)):
            if at + 8 > len(b):
                return False
            what, size = u32(b, at), u32(b, at + 4)
            if size < 8 or at + size > len(b):
                return False
            if what == 0x19 and size >= 72:
                addr, mem, off, n = (u64(b, at + i) for i in (24, 32, 40, 48))
                if addr or n:
                    raw.append((off, n, addr, mem, u32(b, at + 60) & 4))
            elif what in (0x22, 0x80000022) and size >= 48 and u32(b, at + 8) + u32(b, at + 12) <= len(b):
                self.rebase = u32(b, at + 8), u32(b, at + 12)
            at += size
        return True

    def place(self, raw):
        if not 1 <= len(raw) <= 64:
            return False
        self.base = min(r[2] for r in raw)
        for off, size, addr, mem, code in raw:
            mem = max(mem, size)
            if off + size > len(self.data) or addr - self.base >= 1 << 31 or mem >= 1 << 31:
                return False
            self.segments.append((off, size, addr - self.base, mem, bool(code)))
        self.segments, ok = sound(self.segments, len(self.data))
        return ok

    def segment(self, off):
        return next((s for s in self.segments if s[0] <= off < s[0] + s[1]), None)

    def addr(self, off):
        s = self.segment(off)
        return None if s is None else s[2] + off - s[0]

    def offset(self, addr):
        return next((s[0] + addr - s[2] for s in self.segments if s[2] <= addr < s[2] + s[1]), None)

    def span(self, addr, n):
        """Where n bytes at an address are, if one segment has them."""
        return next((s[0] + addr - s[2] for s in self.segments if s[2] <= addr and addr + n <= s[2] + s[1]), None)

    def end(self):
        return max((s[2] + s[3] for s in self.segments), default=0)


def sound(segments, size):
    segments = sorted(segments, key=lambda s: s[2])
    end = 0
    for s in segments:
        if s[2] < end or s[3] < s[1]:
            return segments, False
        end = s[2] + s[3]
    if end >= 1 << 32:
        return segments, False
    segments, end = sorted(segments, key=lambda s: s[0]), 0
    for s in segments:
        if s[1]:
            if s[0] < end or s[0] + s[1] > size:
                return segments, False
            end = s[0] + s[1]
    return segments, True


# 4.2: the module

class Module:
    WORDS = {TEXT: 22, ETEXT: 23, NAMES: 1, UNITS: 4, FILES: 7, PCS: 10, FUNCTAB: 13, FINDER: 19, FUNCDATA: 40, TYPES: 37, ETYPES: 38,
             RODATA: 39, EPCLN: 41}

    def __init__(self):
        self.ok, self.base, self.n, self.functab, self.at = False, [0] * 14, 0, b"", 0

    def entry(self, i): return u32(self.functab, 8 * i)
    def record(self, i): return u32(self.functab, 8 * i + 4)
    def start(self, i): return self.base[TEXT] + self.entry(i)

    def ordered(self):
        if self.base[ETEXT] < self.base[TEXT] or self.base[ETYPES] < self.base[TYPES]:
            return False
        last = 0
        for i in range(self.n):
            if self.entry(i) < last or self.record(i) >= len(self.functab):
                return False
            last = self.entry(i)
        return last <= self.entry(self.n) <= self.base[ETEXT] - self.base[TEXT]

    def function(self, addr):
        if not self.ok or self.n == 0 or addr < self.base[TEXT]:
            return None
        off = addr - self.base[TEXT]
        if not self.entry(0) <= off < self.entry(self.n):
            return None
        lo, hi = 0, self.n
        while hi - lo > 1:
            mid = (lo + hi) // 2
            lo, hi = (mid, hi) if self.entry(mid) <= off else (lo, mid)
        return lo


def find_module(im):
    at = -1
    for _ in range(64):
        at = im.data.find(b"\xf1\xff\xff\xff\0\0", at + 1)
        if at < 0:
            break
        if at + 8 > len(im.data) or im.data[at + 6] not in (1, 4) or im.data[at + 7] != 8:
            continue
        addr = im.addr(at)
        if addr is None or addr % 8:
            continue
        want = struct.pack("<Q", im.base + addr & (1 << 64) - 1)
        for off, size, base, _, _ in im.segments:
            i = off - 1
            while True:
                i = im.data.find(want, i + 1, off + size)
                if i < 0:
                    break
                if (base + i - off) % 8 == 0 and off + size - i >= 8 * 51:
                    m = read_module(im, i)
                    if m.ok:
                        return m
    return Module()


def read_module(im, at):
    m, none, end = Module(), Module(), im.end()
    word = lambda i: u64(im.data, at + 8 * i)
    for base, i in Module.WORDS.items():
        m.base[base] = word(i) - im.base
        if not 0 <= m.base[base] <= end:
            return none

    def table(i, size, held=True):
        n = word(i + 1)
        a = word(i) - im.base
        if n > 1 << 28 or n != word(i + 2) or not 0 <= a <= end:
            return None
        o = im.span(a, n * size) if n else 0
        return None if held and o is None else (a, o or 0, n * size)

    functab, pcs, units = table(13, 1), table(10, 1), table(4, 4)
    entries, types, itabs = table(16, 8), table(45, 4), table(48, 8)
    if None in (functab, pcs, units, entries, types, itabs) or word(13) != word(16) or entries[2] < 16:
        return none
    m.n, m.at = entries[2] // 8 - 1, functab[1]
    m.functab = im.data[functab[1]:functab[1] + functab[2]]
    m.pcs = im.data[pcs[1]:pcs[1] + pcs[2]]
    m.units = im.data[units[1]:units[1] + units[2]]
    m.types, m.itabs = types, itabs
    m.ok = m.n * 8 + 4 <= len(m.functab) and m.ordered()
    return m if m.ok else none


# 4.3 and 4.4: references are (place, size, kind, target, aux)

ONE = ("mmmmbzxxmmmmbzxx" * 4 + "." * 32 + "xxxm....zZbB...." + "r" * 16 + "BZxBmmmmmmmmmmmm" + "..........x....." + "oooo....bz......" +
       "bbbbbbbbvvvvvvvv" + "BBw...BZe.w..bx." + "mmmmxxx.mmmmmmmm" + "rrrrbbbbRRxr...." + "......gg......mm")
TWO = ("mmmmx.....x.xm.m" + "m" * 16 + "mmmmxxxxmmmmmmmm" + "......x.mxmxxxxx" + "m" * 48 + "BBBBmmm.mmmmmmmm" + "R" * 16 + "m" * 16 +
       "...mBmmm...mBmmm" + "mmmmmmmmmmBmmmmm" + "mmBmBBBm........" + "m" * 48)
PREFIXES = bytes.fromhex("6667f2f3f02e363e266465")


class Inst:
    len = opcode = modrm = sib = disp = dispn = imm = immn = kind = rel = head = 0


def amd64(b):
    """The instruction at the start of b, behind whose end are zeros."""
    b = bytes(b[:16]) + bytes(32)
    i, at = Inst(), 0
    while b[at] in PREFIXES:
        at += 1
        if at == 14:
            return Inst()
    half, wide = 0x66 in b[:at], False
    if b[at] & 0xF0 == 0x40:
        wide, at = b[at] & 8 != 0, at + 1
    op = b[at]
    what = ONE[op]
    if op == 0x0F:
        at += 1
        op = b[at]
        what = TWO[op]
        if op == 0x38:
            at += 1
        elif op == 0x3A:
            at, what = at + 1, "B"
        elif what == "R":
            i.kind = COND
    elif op in (0xC4, 0xC5, 0x62):
        m = 1 if op == 0xC5 else b[at + 1] & (31 if op == 0xC4 else 7)
        at += {0xC4: 3, 0xC5: 2, 0x62: 4}[op]
        v = b[at]
        what = "." if m == 1 and v == 0x77 else "B" if m == 3 or m == 1 and (0x70 <= v <= 0x73 or v == 0xC2 or 0xC4 <= v <= 0xC6) else "m"
    elif what in "rR":
        i.kind = SHORT if what == "r" else CALL if op == 0xE8 else JUMP
    if what == "x":
        return Inst()
    n = {"b": 1, "B": 1, "r": 1, "w": 2, "e": 3, "R": 4, "o": 8}.get(what, 0)
    if what in "zZvg":
        n = 8 if wide and what == "v" else 2 if half and not wide else 4
    i.opcode, i.head = at, at + 1
    at += 1
    if what in "mBZg":
        i.modrm, m = at, b[at]
        mod, rm = m >> 6, m & 7
        if what == "g":
            n = 0 if m >> 3 & 7 >= 2 else 1 if op == 0xF6 else n
        at += 1
        base = rm
        if mod != 3 and rm == 4:
            i.sib, base = at, b[at] & 7
            at += 1
        i.head = at
        i.dispn = 1 if mod == 1 else 4 if mod == 2 or mod == 0 and base == 5 else 0
        if i.dispn:
            i.disp = at
            if mod == 0 and rm == 5:
                i.kind, i.rel = DATA, at
            at += i.dispn
    elif what in "rR":
        i.rel = at
    if n:
        i.imm, i.immn = at, n
        at += n
    if at > 15:
        return Inst()
    i.len = at
    return i


def class_of(i, k):
    if k <= i.opcode:
        return 1 if k < i.opcode else 2
    if k == i.modrm:
        return 3
    if k == i.sib:
        return 4
    if i.dispn and i.disp <= k < i.disp + i.dispn:
        if i.dispn == 1:
            return 6 if i.sib else 5
        return (15 if i.sib else 7) + k - i.disp
    return 20 + k - i.imm if i.immn and k >= i.imm else 0


class Source:
    def __init__(self, data, bare=False):
        self.image = Image(b"" if bare else data)
        self.image.data = data
        self.module = find_module(self.image)
        self.base, self.end, self.known = self.module.base, self.image.end(), {}
        found = []
        self.add = lambda pos, size, kind, target, aux=0: pos + size <= len(data) and found.append((pos, size, kind, target & M32, aux))
        if self.module.ok:
            self.functions()
            self.typed()
        if not bare:
            self.pointers()
            self.pe()
            self.rebases()
        found.sort(key=lambda r: r[0])
        self.places, end = {}, 0
        for r in found:
            if r[0] >= end:
                self.places[r[0]] = r
                end = r[0] + r[1]

    def off(self, pos, value, base, scale=0):
        self.add(pos, 4, OFFSET, self.base[base] + (value << scale), base | scale << 8)

    def functions(self):
        m, d = self.module, self.image.data
        for i in range(m.n):
            self.off(m.at + 8 * i, m.entry(i), TEXT)
            self.off(m.at + 8 * i + 4, m.record(i), FUNCTAB)
        self.off(m.at + 8 * m.n, m.entry(m.n), TEXT)
        self.trees = set()
        for i in range(m.n):
            self.function(m, m.record(i), m.entry(i + 1) - m.entry(i))
        for addr, n, base in ((self.base[UNITS], len(m.units) // 4, FILES), (m.types[0], m.types[2] // 4, TYPES)):
            at = self.image.offset(addr)
            for i in range(n if at is not None else 0):
                if u32(d, at + 4 * i) != M32:
                    self.off(at + 4 * i, u32(d, at + 4 * i), base)

    def function(self, m, rec, size):
        r = m.functab[rec:rec + 44 + 4 * (16 + 255)]
        if len(r) < 44 or u32(r, 28) > 16 or len(r) < 44 + 4 * (u32(r, 28) + r[43]):
            return
        pos, entry, npc = m.at + rec, self.base[TEXT] + u32(r, 0), u32(r, 28)
        self.off(pos, u32(r, 0), TEXT)
        self.off(pos + 4, u32(r, 4), NAMES)
        if 0 < u32(r, 12) < size:
            self.add(pos + 12, 4, PLACE, entry + u32(r, 12))
        if u32(r, 32) != M32:
            self.off(pos + 32, u32(r, 32), UNITS, 2)
        self.add(pos + 36, 4, LINE, u32(r, 36))
        for f in [16, 20, 24] + [44 + 4 * k for k in range(npc)]:
            if u32(r, f):
                self.off(pos + f, u32(r, f), PCS)
        for k in range(r[43]):
            f = 44 + 4 * (npc + k)
            if u32(r, f) != M32:
                self.off(pos + f, u32(r, f), FUNCDATA)
                if k == 3 and npc > 2:
                    self.tree(self.base[FUNCDATA] + u32(r, f) & M32, u32(r, 52), entry, size)

    def tree(self, addr, table, entry, size):
        if table == 0 or addr in self.trees:
            return
        self.trees.add(addr)
        values, v = [-1], -1
        if table < len(self.module.pcs):
            for dv, _ in read_table(self.module.pcs, table, 1, 1 << 30)[0]:
                v += dv
                values.append(v)
        n = 0 if max(values) >= 65536 else max(values) + 1
        at = self.image.span(addr, 16 * n)
        for i in range(n if at is not None else 0):
            pos = at + 16 * i
            self.off(pos + 4, u32(self.image.data, pos + 4), NAMES)
            if u32(self.image.data, pos + 8) < size:
                self.add(pos + 8, 4, PLACE, entry + u32(self.image.data, pos + 8))
            self.add(pos + 12, 4, INLINED, u32(self.image.data, pos + 12))

    def typed(self):
        im, m = self.image, self.module
        addr, length = self.base[TYPES], self.base[ETYPES] - self.base[TYPES]
        start = im.span(addr, length)
        if start is None:
            return
        b, seen, stack = im.data[start:start + length], set(), []

        def visit(at):
            if at is not None and at % 8 == 0 and at + 48 <= length and at not in seen:
                seen.add(at)
                if 1 <= b[at + 23] & 31 <= 26:
                    stack.append(at)

        def pointed(at, data=b):
            if at + 8 > len(data):
                return None
            v = u64(data, at) - im.base - addr
            return v if 0 <= v < length else None

        def off(at, base=TYPES):
            if at + 4 > length:
                return None
            v = u32(b, at)
            if v not in (0, M32):
                self.off(start + at, v, base)
            return v

        def listed(at):
            v = pointed(at) if at + 16 <= length else None
            return (0, 0) if v is None or u64(b, at + 8) > 65536 else (v, u64(b, at + 8))

        at = im.span(m.types[0], m.types[2])
        for i in range(m.types[2] // 4 if at is not None else 0):
            visit(u32(im.data, at + 4 * i))
        at = im.span(m.itabs[0], m.itabs[2])
        for i in range(m.itabs[2] // 8 if at is not None else 0):
            itab = im.span(u64(im.data, at + 8 * i) - im.base & M32, 16)
            if itab is not None:
                visit(pointed(itab, im.data))
                visit(pointed(itab + 8, im.data))
        sizes = {17: 72, 18: 64, 19: 56, 20: 80, 21: 104, 22: 56, 23: 56, 25: 80}
        while stack:
            at = stack.pop()
            off(at + 40)
            visit(off(at + 44) or None)
            kind, named = b[at + 23] & 31, b[at + 20] & 1
            for o in {17: (48, 56), 18: (48,), 21: (48, 56, 64), 22: (48,), 23: (48,)}.get(kind, ()):
                visit(pointed(at + o))
            if kind == 19 and at + 52 <= length:
                for i in range(u16(b, at + 48) + (u16(b, at + 50) & 0x7FFF)):
                    visit(pointed(at + (72 if named else 56) + 8 * i))
            elif kind == 20:
                first, n = listed(at + 56)
                for i in range(n):
                    off(first + 8 * i)
                    visit(off(first + 8 * i + 4))
            elif kind == 25:
                first, n = listed(at + 56)
                for i in range(n):
                    visit(pointed(first + 24 * i + 8))
            more = at + sizes.get(kind, 48)
            if named and more + 16 <= length:
                off(more)
                first, n = more + u32(b, more + 8), u16(b, more + 4)
                for i in range(first, first + 16 * n if first + 16 * n <= length else first, 16):
                    off(i)
                    visit(off(i + 4))
                    off(i + 8, TEXT)
                    off(i + 12, TEXT)

    def pointers(self):
        im, m = self.image, self.module
        skips = [(self.base[TEXT], self.base[ETEXT]), (self.base[NAMES], self.base[FUNCDATA])] if m.ok else []
        for off, size, addr, _, code in im.segments:
            if code and not m.ok:
                continue
            i = -addr % 8
            while i + 8 <= size:
                skip = next((hi for lo, hi in skips if lo <= addr + i < hi), None)
                if skip is not None:
                    i += skip - addr - i + 7 & ~7
                    continue
                v = u64(im.data, off + i) - im.base
                if 0 <= v <= self.end and (v or im.base):
                    self.add(off + i, 8, POINTER, v)
                i += 8

    def pe(self):
        d, (off, n) = self.image.data, self.image.pdata
        for i in range(off, off + n - 3, 4):
            if u32(d, i):
                self.off(i, u32(d, i), ZERO)
        off, n = self.image.reloc
        end = off + n
        while end - off >= 8:
            page, size = u32(d, off), u32(d, off + 4)
            if size < 8 or size > end - off:
                break
            self.off(off, page, ZERO)
            for i in range(off + 8, off + size - 1, 2):
                if u16(d, i) >> 12 == 10:
                    self.add(i, 2, PAGEOFF, page + (u16(d, i) & 0xFFF))
            off += size

    def rebases(self):
        off, n = self.image.rebase
        b, i = self.image.data[off:off + n], 0
        while i + 5 <= n:
            s = (b[i] & 15) - 1
            if b[i] & 0xF0 == 0x20 and b[i + 1] & b[i + 2] & 128 and not b[i + 3] & 128 and b[i + 4] == 0x51 and 0 <= s < len(self.image.segments):
                v = b[i + 1] & 127 | (b[i + 2] & 127) << 7 | b[i + 3] << 14
                self.add(off + i + 1, 3, ULEB, self.image.segments[s][2] + v, 32 + s)
                i += 4
            i += 1

    def code(self, off):
        """(start, end, references by place, classes) of the function at a place of the file, or None."""
        im, m = self.image, self.module
        g = im.segment(off)
        if g is None or im.machine is None:
            return None
        if m.ok:
            i = m.function(g[2] + off - g[0])
            if i is None or m.start(i) < g[2] or m.start(i + 1) > g[2] + g[1]:
                return None
            lo, hi = m.start(i) - g[2] + g[0], m.start(i + 1) - g[2] + g[0]
        elif g[4]:
            lo = g[0] + (off - g[0]) // 4096 * 4096
            hi = min(lo + 4096, g[0] + g[1])
        else:
            return None
        if lo not in self.known:
            self.known[lo] = self.amd64(lo, hi, g) if im.machine == "amd64" else self.arm64(lo, hi, g)
        return self.known[lo]

    def amd64(self, lo, hi, g):
        refs, classes, b = {}, bytearray(hi - lo), self.image.data[lo:hi]
        at, addr = 0, g[2] + lo - g[0]
        while at < len(b):
            i = amd64(b[at:at + 16])
            if i.len == 0 or i.len > len(b) - at:
                at += 1
                continue
            for k in range(i.len):
                classes[at + k] = class_of(i, k)
            if i.kind:
                f, size = at + i.rel, 1 if i.kind == SHORT else 4
                t = addr + at + i.len + int.from_bytes(b[f:f + size], "little", signed=True) & M32
                if t <= self.end:
                    refs[lo + f] = (lo + f, size, i.kind, t, i.len - i.rel)
            at += i.len
        return lo, hi, refs, classes

    def arm64(self, lo, hi, g):
        refs, classes, b = {}, bytearray(hi - lo), self.image.data[lo:hi]
        for i in range(len(b)):
            classes[i] = 64 + 32 * (i & 3) | (b[i + 3] >> 3 if i + 4 <= len(b) else 0)

        def add(at, kind, target, aux=0):
            if target & M32 <= self.end:
                refs.setdefault(lo + at, (lo + at, 4, kind, target & M32, aux))

        lows = []
        for at in range(0, len(b) - 3, 4):
            w, here = u32(b, at), g[2] + lo - g[0] + at
            field = lambda bits, low: (w >> low & (1 << bits) - 1) - ((w >> low >> bits - 1 & 1) << bits)
            if w & 0x7C000000 == 0x14000000:
                add(at, B26, here + 4 * field(26, 0))
            elif w & 0xFF000010 == 0x54000000 or w & 0x7E000000 == 0x34000000:
                add(at, B19, here + 4 * field(19, 5))
            elif w & 0x7E000000 == 0x36000000:
                add(at, B14, here + 4 * field(14, 5))
            elif w & 0x9F000000 == 0x90000000:
                target = (here & ~0xFFF) + (field(19, 5) << 14 | (w >> 29 & 3) << 12)
                for i in (at + 4, at + 8):
                    low = low12(u32(b, i), w & 31) if i + 4 <= len(b) else None
                    if low:
                        add(at, PAGE, target + low[0])
                        lows.append((i, target + low[0], low[1], at))
                        add(i, LOW12, target + low[0], low[1])
                        break
                else:
                    add(at, PAGE, target)
        return lo, hi, refs, classes

    def ref(self, place):
        f = self.code(place)
        return self.places.get(place) or (f[2].get(place) if f else None)

    def within(self, lo, hi):
        """The references that begin from lo to hi, in order: those outside of code first where both begin at one place."""
        found, at = [self.places[p] for p in range(lo, hi) if p in self.places], lo
        f = None
        for at in range(lo, hi):
            if f is None or not f[0] <= at < f[1]:
                f = self.code(at)
            if f and at in f[2]:
                found.append(f[2][at])
        return sorted(found, key=lambda r: r[0])

    def class_at(self, place):
        f = self.code(place)
        return f[3][place - f[0]] if f else 0


def low12(w, base):
    if w >> 5 & 31 != base:
        return None
    imm = w >> 10 & 0xFFF
    if w & 0xFFC00000 == 0x91000000:
        return imm, 0
    if w & 0x3B000000 == 0x39000000:
        scale = (w >> 30) + (4 if w & 0x04800000 == 0x04800000 else 0)
        return (imm << scale, scale) if scale <= 4 else None
    return None


def read_table(b, at, quantum, most=1 << 18):
    """The entries (change of the value, pc) of a table, and its length."""
    def short():
        nonlocal at
        v = shift = 0
        first = at
        while True:
            if at >= len(b) or at - first >= 5:
                return None
            c = b[at]
            at += 1
            v |= (c & 127) << shift
            shift += 7
            if c < 128:
                return None if v >> 32 or at - first > 1 and c == 0 else v
    pairs, pc, start = [], 0, at
    while len(pairs) < most:
        v = short()
        if v is None or v == 0 and pairs:
            break
        d = short()
        if d is None:
            break
        pc += d * quantum
        if pc > 1 << 31:
            break
        pairs.append((v >> 1 ^ -(v & 1), pc))
    return pairs, at - start


def get(b, r):
    v, field, done = int.from_bytes(b, "little"), 0, 0
    for at, n in PARTS.get(r[2], [(0, 32)]):
        field |= (v >> at & (1 << n) - 1) << done
        done += n
    return field


def put(b, r, field):
    v = int.from_bytes(b, "little")
    for at, n in PARTS.get(r[2], [(0, 32)]):
        mask = (1 << n) - 1
        v = v & ~(mask << at) | (field & mask) << at
        field >>= n
    return v.to_bytes(r[1], "little")


def wrap(r, d):
    n = sum(n for _, n in PARTS.get(r[2], [(0, 32)]))
    d &= (1 << n) - 1
    return d - (1 << n) if d >> n - 1 else d


def shift_of(r):
    return {B26: 2, B19: 2, B14: 2, PAGE: 12, LOW12: r[4], OFFSET: r[4] >> 8}.get(r[2], 0)


# 5: the plan

def clip(old, new, copies):
    pieces = []
    for n, o, length in copies:
        for to in new:
            for fr in old:
                lo = max(to[0] - n, fr[0] - o, 0)
                hi = min(to[0] + to[1] - n, fr[0] + fr[1] - o, length)
                if lo < hi:
                    pieces.append((fr[2] + o + lo - fr[0], to[2] + n + lo - to[0], hi - lo))
    return pieces


class Map:
    def __init__(self, pieces):
        self.pieces = []
        for old, new, n in sorted((p for p in pieces if p[2]), key=lambda p: p[0]):
            if self.pieces:
                o, t, k = self.pieces[-1]
                if old < o:  # where the last one begins it was cut itself
                    if old + n <= o:
                        continue
                    old, new, n = o, new + o - old, n - (o - old)
                if old < o + k:
                    if n <= k:
                        if old + n <= o + k:
                            continue
                        cut = o + k - old
                        old, new, n = old + cut, new + cut, n - cut
                    else:
                        self.pieces[-1] = (o, t, old - o)
            self.pieces.append((old, new, n))
        self.pieces = [p for p in self.pieces if p[2]]
        self.starts = [p[0] for p in self.pieces]

    def at(self, t):
        from bisect import bisect_right
        if not self.pieces:
            return t, False
        n = bisect_right(self.starts, t)
        if n == 0:
            return self.pieces[0][1] + t - self.pieces[0][0] & M32, False
        o, new, k = self.pieces[n - 1]
        if t - o < k:
            return new + t - o & M32, True
        if n < len(self.pieces) and self.pieces[n][0] - t < t - (o + k) + 1:
            return self.pieces[n][1] + t - self.pieces[n][0] & M32, False
        return new + t - o & M32, False


class Walk:
    def __init__(self, old, size, coder):
        self.c, self.old, self.ob, self.nb = coder, Source(old), old, bytearray(size)
        self.plan()
        self.hist = self.since = self.pred = self.was = self.blocks = self.line = 0
        self.outcome, self.kinds, self.recent = {}, [0] * 18, [[0] * 4 for _ in range(18)]
        self.moved, self.inlined, self.last_to = {}, {}, [0] * 18
        self.match = self.length = self.ptr = self.missed = 0
        self.table = {}
        for i in range(len(old) - 4):
            self.table[self.hash5(old[i:i + 5])] = i + 5
        at = fr = 0
        for new, o, n in self.copies:
            self.gap(at, new, fr)
            self.copy(new, o, n)
            at, fr = new + n, o + n
        self.gap(at, size, fr)
        if self.pcs:
            Tables(self)
        if self.signed:
            for k, i in enumerate(range(0, self.signed, 4096)):
                h = hashlib.sha256(self.nb[i:min(i + 4096, self.signed)]).digest()
                self.nb[self.hashes + 32 * k:self.hashes + 32 * k + 32] = h

    def num(self, limit, site, *contexts):
        self.c.contexts(*contexts, 0)
        v = self.c.number(site)
        check(v <= limit, "a number is over its limit of %d" % limit)
        return v

    def step(self, site, *contexts):
        self.c.contexts(*contexts, 0)
        return self.c.signed(site)

    def plan(self):
        c, size, im = self.c, len(self.nb), self.old.image
        base = im.base + self.step(0, 1) & (1 << 64) - 1
        segments = []
        for i in range(self.num(64, 0, 2)):
            was = im.segments[i] if i < len(im.segments) else (0, 0, 0, 0)
            segments.append(tuple(was[k] + self.step(0, 3 + k) for k in range(4)) + (False,))
        check(all(0 <= v <= M32 for s in segments for v in s[:4]), "a segment is out of 32 bits")
        segments, ok = sound(segments, size)
        check(ok, "the segments overlap")
        self.new = Image(b"")
        self.new.base, self.new.segments, self.new.data = base, segments, self.nb
        if not segments:
            self.old = Source(self.ob, bare=True)
        self.copies, recent, at, way, last = [], [0] * 4, 0, 0, 0
        for _ in range(self.num(size // 64 + 1024, 0, 7)):
            gap = self.num(size - at, 1, way, mix(way, log(last)))
            new = at + gap
            g = log(gap)
            c.contexts(0, way, mix(way, g), g)
            way = recall(c, recent, 1, 2)
            if way < 4:
                d = recent[way]
            else:
                k = c.bit(6, 2)
                d = recent[k] + self.step(3, g, k)
            front(recent, way, d)
            check(0 <= new + d < len(self.ob), "a copy comes from nowhere")
            last = self.num(min(size - new, len(self.ob) - new - d), 4, way, mix(way, g))
            check(last > 0, "a copy is empty")
            self.copies.append((new, new + d, last))
            at = new + last
        extra, at, shift = [], 0, 0
        for _ in range(self.num(4096, 0, 8)):
            o = at + self.num(M32, 5, 1) & M32
            n = self.num(M32 - o, 5, 2)
            shift = shift + self.step(5, 3) & M32
            extra.append((o, o + shift & M32, n))
            at = o + n & M32
        self.map = Map(clip(self.old.image.segments, segments, self.copies) + extra)
        self.bases = [self.map.at(b)[0] + self.step(6) & M32 for b in self.old.base]
        self.structure(size)

    def structure(self, size):
        m, self.holes = self.old.module, []
        self.pcs, self.signed = self.num(size, 0, 9), 0
        if self.pcs:
            self.n = m.n + self.step(0, 10)
            self.functab = len(m.functab) + self.step(0, 11)
            self.finder = self.num(size, 0, 12)
            check(m.ok and 0 <= self.functab <= size and 52 * self.n + 4 <= self.functab, "the function table does not fit")
            for base, n in ((PCS, self.pcs), (FINDER, self.finder)):
                if n:
                    at = self.new.span(self.bases[base], n)
                    check(at is not None, "a table is not in the file")
                    self.holes.append((at, n))
        self.signed = self.num(size, 0, 13)
        if self.signed:
            self.hashes = self.signed + self.num(size - self.signed, 0, 14)
            self.holes.append((self.hashes, (self.signed + 4095) // 4096 * 32))
        end = 0
        for at, n in self.holes:
            check(at >= end and at + n <= size, "two tables overlap")
            check(not any(new < at + n and new + k > at for new, _, k in self.copies), "a copy lies in a table")
            end = at + n

    # 6: content

    def gap(self, at, to, fr):
        for h, n in self.holes:
            if at <= h and h + n <= to:
                self.literal(at, h, fr)
                at = h + n
        self.literal(at, to, fr)

    @staticmethod
    def region(im, off, b):
        a = im.addr(off)
        if a is None:
            return 0
        for i, (lo, hi) in enumerate(((TEXT, ETEXT), (NAMES, UNITS), (UNITS, FILES), (FILES, PCS), (PCS, FUNCTAB), (FUNCTAB, FUNCDATA),
                                      (FUNCDATA, FINDER), (FINDER, EPCLN), (TYPES, ETYPES))):
            if b[lo] <= a < b[hi]:
                return 2 + i
        return 11 if b[RODATA] <= a < b[NAMES] and b[RODATA] > b[TEXT] else 1

    def copy(self, new, old, n):
        shift, end, at = new - old, old + n, old
        while at < end:
            to = min(end, (at & ~255) + 256)
            refs = self.old.within(at, to)
            if refs:
                e = refs[-1][0] + refs[-1][1]
                if e > end:
                    refs.pop()
                else:
                    to = max(to, e)
            self.block(at, to, shift, refs, int(at == old or to == end))
            at = to

    def block(self, at, to, shift, refs, edge):
        c = self.c
        self.nb[at + shift:to + shift] = self.ob[at:to]
        for r in refs:
            self.write(r, r[0] + shift, self.field(r, r[0] + shift, self.target(r)[0]))
        reg, hist = self.region(self.old.image, at, self.old.base), self.blocks
        c.contexts(mix(hist & 255, reg), mix(hist & 0xFFFF, 1), mix(reg, min(len(refs), 40)), mix(edge, hist & 7, log(to - at)), mix(reg, edge))
        right = c.flag(1, 7)
        self.blocks = (hist << 1 | (not right)) & M32
        if not right:
            by = {r[0]: r for r in refs}
            while at < to:
                if at in by:
                    self.reference(by[at], shift, reg)
                    at += by[at][1]
                else:
                    self.byte(at, shift, reg)
                    at += 1
        for r in refs:
            if r[2] == LINE and r[0] >= 32:
                self.learn_line(u32(self.ob, r[0] - 32), u32(self.nb, r[0] + shift) - r[3])

    def learn_line(self, name, shift):
        self.inlined[(name * 0x9E3779B1 & M32) >> 17] = (name, shift & M32)

    def write(self, r, pos, field):
        self.nb[pos:pos + r[1]] = put(self.nb[pos:pos + r[1]], r, field)

    def note(self, miss):
        self.hist = (self.hist << 1 | miss) & M32
        self.since = 0 if miss else self.since + 1

    def before(self, at, i):
        return self.nb[at - i] if at >= i else 0

    def byte(self, at, shift, reg):
        c, n, o, h = self.c, at + shift, self.ob[at], self.hist
        cls = self.old.class_at(at) or 32 + (at & 7)
        x = self.ob[at + 1] if at + 1 < len(self.ob) else 0
        p1, p2 = self.before(n, 1), self.before(n, 2)
        pair, out, dist = self.pred << 8 | self.was, self.outcome.get((cls, o), 0), min(log(self.since), 12)
        c.contexts(mix(h & 255, reg, cls), mix(o, reg, cls), mix(dist, h & 0xFFF), mix(o, p1, p2), mix(o, x, 5), mix(pair, o, dist),
                   mix(o, out, cls), mix(cls, dist, h & 15))
        if c.flag(1, 8):
            self.nb[n] = o
            self.outcome[cls, o] = 1
            self.note(0)
            return
        diff = self.was - self.pred & 255
        c.contexts(mix(o, reg), mix(o, p1), mix(p1, p2, 2), mix(o, diff, 3), mix(o, x, 4), mix(pair, o), mix(out, cls, o), mix(cls, diff, o, 7))
        got = c.byte(9)
        self.nb[n] = got
        self.outcome[cls, o] = 2 + got
        self.pred, self.was = o, got
        self.note(1)

    def target(self, r):
        if r[2] in LEARN or r[2] == LOW12:
            o = self.moved.get((r[3] * 0x9E3779B1 & M32) >> 16)
            if o and o[0] == r[3] and o[1]:
                return o[1], 3
        t, exact = self.map.at(r[3])
        return t, 2 * exact

    def learn(self, target, new):
        self.moved[(target * 0x9E3779B1 & M32) >> 16] = (target, new & M32)

    def count_from(self, base):
        if base >= 32:
            return self.new.segments[base - 32][2] if base - 32 < len(self.new.segments) else 0
        return self.bases[base]

    def field(self, r, pos, t):
        pos_, size, kind, target, aux = r
        if kind in RELATIVE:
            return s32(t - self.new.addr(pos) - aux) >> shift_of(r) & M32
        if kind == PAGE:
            return (t >> 12) - (self.new.addr(pos) >> 12) & M32
        if kind == LOW12:
            return (t & 0xFFF) >> aux
        if kind == POINTER:
            return t + self.new.base & (1 << 64) - 1
        if kind == OFFSET:
            if self.pcs and aux == PCS:
                return 0
            return (t - self.count_from(aux & 255) & M32) >> (aux >> 8)
        if kind == PLACE:
            f = self.old.module.function(target)
            entry = target if f is None else self.old.module.start(f)
            return t - self.map.at(entry)[0] & M32
        if kind == LINE:
            return target + self.line & M32
        if kind == INLINED:
            shift = 0
            if pos_ >= 8:
                name = u32(self.ob, pos_ - 8)
                known = self.inlined.get((name * 0x9E3779B1 & M32) >> 17, (0, 0))
                shift = known[1] if known[0] == name else 0
            return target + shift & M32
        if kind == PAGEOFF:
            return t & 0xFFF
        return t - self.count_from(aux) & M32

    def reference(self, r, shift, reg):
        c, k, pos, aux = self.c, r[2], r[0] + shift, r[4]
        t, state = self.target(r)
        pred = self.field(r, pos, t)
        self.nb[pos:pos + r[1]] = self.ob[r[0]:r[0] + r[1]]
        self.write(r, pos, pred)
        kh, dist = self.kinds[k], min(log(self.since), 12)
        c.contexts(mix(k, kh & 255, state), mix(k, self.hist & 255), mix(k, r[3], 3), mix(k, dist, state), mix(k, aux, reg, state),
                   mix(k, kh & 7, self.hist & 7, dist))
        hit = c.flag(1, 10)
        self.kinds[k] = (kh << 1 | (not hit)) & M32
        self.note(int(not hit))
        if hit:
            return
        if k in PARTIAL:
            c.contexts(k, mix(k, kh & 255), mix(k, self.hist & 255))
            if not c.flag(1, 14):
                for i in range(r[1]):
                    self.byte(r[0] + i, shift, reg)
                return
        kh = self.kinds[k]
        if state & 1:
            plain_t = self.map.at(r[3])[0]
            plain = self.field(r, pos, plain_t)
            c.contexts(k, mix(k, kh & 255))
            if c.flag(1, 11):
                self.write(r, pos, plain)
                self.learn(r[3], plain_t)
                return
        c.contexts(k, mix(k, kh & 255), mix(k, state, aux), mix(k, r[3]))
        recent = self.recent[k]
        i = recall(c, recent, 1, 12)
        if i < 4:
            d = recent[i]
        else:
            c.contexts(k, mix(k, state, aux), mix(k, kh & 7))
            d = wrap(r, c.signed(13))
        front(recent, i, d)
        got = pred + d
        self.write(r, pos, got & (1 << 64) - 1)
        if k in LEARN:
            self.learn(r[3], t + (d << shift_of(r)))
        if k == LINE:
            self.line = got - r[3] & M32
        if k == INLINED and r[0] >= 8:
            self.learn_line(u32(self.ob, r[0] - 8), got - r[3])

    @staticmethod
    def hash5(b):
        return (int.from_bytes(b, "little") * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 45

    def at_place(self, place, at):
        if place < len(self.ob):
            return self.ob[place]
        place -= len(self.ob)
        return self.nb[place] if place < at else None

    def literal(self, at, to, fr):
        if at == to:
            return
        self.ptr, self.length, self.match, self.missed, self.used = fr, 0, 0, 0, [fr] * 18
        reg = self.region(self.new, at, self.bases)
        self.follow = self.old.image.machine == "amd64" and reg == 2
        if self.follow:
            s = at - min(at, 48)
            while s < at:
                n = amd64(self.nb[s:min(s + 16, at)]).len or 1
                if s + n > at:
                    break
                s += n
            self.start = s
        while at < to:
            n = self.literal_ref(at, to) if self.follow else 0
            if n == 0:
                self.literal_byte(at, reg)
                n = 1
            at += n

    def literal_byte(self, at, reg):
        c = self.c
        if at >= 5:
            h = self.hash5(self.nb[at - 5:at])
            place = self.table.get(h)
            if place is not None and self.length == 0:
                n, edge = 0, len(self.ob) if place > len(self.ob) else 0
                while n < 32 and n < at and place - 1 - n >= edge and self.at_place(place - 1 - n, at) == self.nb[at - 1 - n]:
                    n += 1
                if n >= 4:
                    self.match, self.length = place, n
            self.table[h] = len(self.ob) + at
        cls, opcode = at & 7, 0
        if self.follow:
            i = amd64(self.nb[self.start:at])
            n = at - self.start
            cls = 32 + class_of(i, n)
            if i.opcode < n:
                opcode = 1 + self.nb[self.start + i.opcode]
        guess = level = 0
        if self.length:
            b = self.at_place(self.match, at)
            if b is None:
                self.length = 0
            else:
                guess = 1 + b
                level = self.length if self.length <= 15 else 15 + min(log(self.length >> 4), 8)
        here = 1 + self.ob[self.ptr] if self.ptr < len(self.ob) else 0
        p = [self.before(at, i) for i in range(1, 5)]
        c.contexts(mix(reg, cls, opcode), mix(p[0], cls), mix(p[0], p[1], 2), mix(p[0], p[1], p[2], 3), mix(*p), mix(guess, level),
                   mix(guess, p[0], min(level, 1)), mix(here, self.missed & 7, p[0]))
        got = self.nb[at] = c.byte(15)
        if self.length and guess == got + 1:
            self.length += 1
            self.match += 1
        else:
            self.length = 0
        self.missed = (self.missed << 1 | (here != got + 1)) & M32
        self.ptr += 1
        if self.length >= 12 and self.match < len(self.ob):
            self.ptr = self.match
        if self.follow:
            n = at + 1 - self.start
            if 0 < amd64(self.nb[self.start:at + 1]).len <= n or n >= 16:
                self.start = at + 1

    def literal_ref(self, at, to):
        n = at - self.start
        i = amd64(self.nb[self.start:at])
        if n == 0 or to - at < 4 or i.len == 0 or i.kind <= SHORT or i.rel != n or i.head > n:
            return 0
        here = self.new.addr(at)
        if here is None:
            return 0
        here += i.len - i.rel
        t = self.code_target(i.kind)
        self.nb[at:at + 4] = struct.pack("<I", t - here & M32)
        self.last_to[i.kind] = t
        for k in range(4):
            guess = self.at_place(self.match, at)
            self.ptr += 1
            if self.length:
                self.length += guess == self.nb[at + k]
                self.match += 1
        if i.rel + 4 == i.len:
            self.start = at + 4
        return 4

    def code_target(self, k):
        c, mid = self.c, min(self.ptr, len(self.ob)) & ~255
        refs = self.old.within(mid - min(mid, 512), min(mid + 1536, len(self.ob)))
        ahead = [r for r in refs if r[2] == k and r[0] >= self.used[k]][:28]
        back = [r for r in reversed(refs) if r[2] == k and r[0] < self.used[k]][:12]
        tried = []
        for r in ahead + back:
            if len(tried) >= 20:
                break
            t = self.target(r)[0]
            if t in tried:
                continue
            n = len(tried)
            tried.append(t)
            c.contexts(mix(k, n), mix(k, min(n, 1), self.missed & 15), mix(r[3], 1), mix(n, self.missed & 255))
            if c.flag(1 + n, 16):
                self.used[k] = r[0] + 1
                return t
        v = 0
        for i in range(4):
            c.contexts(mix(k, i, v), mix(i, v, 1), mix(k, i, v, self.last_to[k] >> (24 - 8 * i)), mix(k, i))
            v = v << 8 | c.byte(17)
        return v


# 7: tables of pcs

class Tables:
    def __init__(self, w):
        self.w, self.c, self.om = w, w.c, w.old.module
        self.m = m = Module()
        m.ok, m.base, m.n = True, w.bases, w.n
        self.at = w.new.span(w.bases[FUNCTAB], w.functab)
        check(self.at is not None, "the function table is not in the file")
        m.functab = bytes(w.nb[self.at:self.at + w.functab])
        check(m.ordered(), "the functions are not in order")
        self.quantum = 4 if w.old.image.machine == "arm64" else 1
        self.hole, self.out, self.moved = w.holes[0], bytearray(1), {}
        self.hot, self.changes, self.lines, self.ring = [[0] * 4 for _ in range(20)], [[0] * 3 for _ in range(20)], {}, 0
        self.old_at = w.old.image.offset(self.om.base[FUNCTAB])
        self.old_records = {self.om.record(i): i for i in reversed(range(self.om.n))}
        for i in range(m.n):
            self.load(i)
            if self.partner is not None:
                files, read = self.old_table(u32(self.partner, 20))
                if read:
                    self.c.charge(1 + len(files) // 8)
                if files:
                    start = s32(u32(self.partner, 36))
                    self.learn(self.file_id(files[0][0] - 1), start, s32(u32(self.rec, 36) - start))
        for i in range(m.n):
            self.load(i)
            self.instructions()
            n = u32(self.rec, 28)
            order = [(0, 16), (1, 20), (2, 24)] + [(3 + k, 44 + 4 * k) for k in range(n) if k != 2] + ([(5, 52)] if n > 2 else [])
            for self.k, f in order:
                self.field(i, f)
        check(len(self.out) == w.pcs, "the tables are not as long as was said")
        w.nb[self.hole[0]:self.hole[0] + w.pcs] = self.out
        if w.finder:
            self.finder()

    def load(self, i):
        m, at = self.m, self.m.record(i)
        self.rec = m.functab[at:at + 44 + 64]
        check(len(self.rec) >= 44 and u32(self.rec, 28) <= 16 and len(self.rec) >= 44 + 4 * u32(self.rec, 28), "a record is not there")
        self.entry, self.size = m.start(i), m.entry(i + 1) - m.entry(i)
        self.pcs_, self.ends, self.partner, place = {}, set(), None, self.at + at
        copy = next((c for c in self.w.copies if c[0] <= place < c[0] + c[2]), None)
        if copy is None or self.old_at is None:
            return
        was = copy[1] + place - copy[0] - self.old_at
        j = self.old_records.get(was)
        if was < 0 or j is None:
            return
        rec = self.om.functab[was:was + 44 + 64]
        if len(rec) >= 44 and u32(rec, 28) <= 16 and len(rec) >= 44 + 4 * u32(rec, 28):
            self.partner, self.old_entry = rec, self.om.start(j)

    def instructions(self):
        self.starts = []
        code = self.code = self.w.new.span(self.entry, self.size)
        if code is None:
            return
        at, amd = 0, self.w.old.image.machine == "amd64"
        while at < self.size and len(self.starts) < 1 << 20:
            self.starts.append(at)
            at += (amd64(self.w.nb[code + at:min(code + at + 16, code + self.size)]).len or 1) if amd else self.quantum
        self.c.charge(1 + len(self.starts) // 8)

    def old_table(self, off):
        if off == 0 or off >= len(self.om.pcs):
            return [], False
        return read_table(self.om.pcs, off, self.quantum)[0], True

    def file_id(self, index):
        i = (u32(self.partner, 32) + (index & M32)) * 4
        return 0 if index < 0 or i + 4 > len(self.om.units) else (u32(self.om.units, i) + 1) & M32

    def learn(self, file, line, shift):
        if file:
            self.lines[(mix(file, line) * 0x85EBCA6B & M32) >> 15] = (file, line, shift)

    def find(self, file, line):
        if file:
            i = line
            while i > line - 128 and i > 0:
                s = self.lines.get((mix(file, i) * 0x85EBCA6B & M32) >> 15)
                if s and s[:2] == (file, i):
                    return s[2]
                i -= 1
        return None

    def field(self, i, f):
        c, k, end = self.c, self.k, len(self.out)
        old, state, pred = 0, 0, end
        if self.partner is not None and f < 44 + 4 * u32(self.partner, 28):
            old = u32(self.partner, f)
            if old == 0:
                state, pred = 1, 0
            elif old in self.moved:
                state, pred = 3, self.moved[old]
            else:
                state = 2
        ring = self.ring
        c.contexts(mix(k, state), mix(k, state, ring & 15), mix(state, ring & 255), mix(k, pred, 1))
        hit = c.flag(1, 18)
        self.ring = (ring << 1 | (not hit)) & M32
        if hit:
            got = pred
        elif pred != 0 and c.flag(2, 18):
            got = 0
        elif pred != end and c.flag(3, 18):
            got = end
        else:
            hot = self.hot[k]
            c.contexts(mix(k, 1), mix(k, state, 2), mix(k, hot[0], 3))
            n = recall(c, hot, 4, 18)
            if n < 4:
                got = hot[n]
            else:
                c.contexts(k, mix(k, hot[0]), 99)
                got = c.number(19) & M32
                check(0 < got < end, "a table is nowhere")
            front(hot, n, got)
        at = self.at + self.m.record(i) + f
        self.w.nb[at:at + 4] = struct.pack("<I", got)
        if got == end:
            self.make(old, f == 24)
        if old and got:
            self.moved[old] = got

    def make(self, off, line):
        c, k = self.c, self.k
        self.old, read = self.old_table(off)
        if read:
            c.charge(1 + len(self.old) // 8)
        self.isline, self.prev, self.cur, self.pc, self.n, self.file, self.diff, self.th = line, -1, -1, 0, 0, 0, 0, 0
        self.files = []
        if line and self.partner is not None:
            v = -1
            for dv, pc in self.old_table(u32(self.partner, 20))[0]:
                v = s32(v + dv)
                self.files.append((v, pc))
        right = False
        if self.old:
            c.contexts(k, mix(k, self.ring & 15), mix(k, log(len(self.old))), mix(k, len(self.pcs_) & 3))
            right = c.flag(1, 20)
        if right:
            for j in range(len(self.old)):
                self.put(*self.predict(j))
                self.take(j)
        else:
            self.steps()
        check(self.n > 0, "a table is empty")
        self.out.append(0)

    def file_at(self, pc):
        if self.partner is None or not self.files:
            return 0
        if self.file > 0 and self.files[self.file - 1][1] >= pc:
            self.file = 0
        while self.file < len(self.files) - 1 and self.files[self.file][1] < pc:
            self.file += 1
        return self.file_id(self.files[self.file][0])

    def map_pc(self, pc):
        if pc in self.pcs_:
            return self.pcs_[pc]
        return self.w.map.at(self.old_entry + pc & M32)[0] - self.entry & M32

    def predict(self, j):
        dv, opc = self.old[j]
        self.mapped = pc = self.map_pc(opc)
        if self.isline:
            was = s32(self.prev + dv)
            shift = self.find(self.file_at(opc), was)
            if shift is not None:
                dv = s32(was + shift - self.cur)
        if pc < self.pc or pc > self.size:
            pc = self.pc
        return dv, pc - (pc - self.pc) % self.quantum

    def put(self, dv, pc):
        check(pc >= self.pc and not (self.n and dv == 0), "an entry is out of order")
        for v in ((dv << 1 ^ dv >> 31) & M32, (pc - self.pc) // self.quantum):
            while v >= 128:
                self.out.append(v & 127 | 128)
                v >>= 7
            self.out.append(v)
        if self.isline:
            self.c.charge(4)
        self.pc, self.cur, self.n = pc, s32(self.cur + dv), self.n + 1
        if len(self.ends) < 65536:
            self.ends.add(pc)

    def take(self, j):
        dv, pc = self.old[j]
        self.prev = s32(self.prev + dv)
        if self.isline:
            self.learn(self.file_at(pc), self.prev, s32(self.cur - self.prev))
        if self.mapped != self.pc and (pc in self.pcs_ or len(self.pcs_) < 4096):
            self.pcs_[pc] = self.pc

    def steps(self):
        c, k, j, last = self.c, self.k, 0, 0
        while True:
            left, full = min(len(self.old) - j, 3), int(self.pc == self.size)
            c.contexts(mix(k, left, last, full), mix(k, self.th & 255, left), mix(left, last, full, self.th & 3), mix(k, min(self.n, 20), full))
            if left and c.flag(1, 21):
                dv, pc = self.predict(j)
                self.entry_(dv, pc, self.old[j][0], True)
                self.take(j)
                j, last = j + 1, 0
            elif left and c.flag(2, 21):
                self.prev = s32(self.prev + self.old[j][0])
                j, last = j + 1, 1
            elif c.flag(3, 21):
                self.entry_(0, self.size, 0, False)
                last = 2
            else:
                return

    def entry_(self, dv, pc, old, matched):
        dv = self.value(dv, old, matched)
        self.put(dv, self.code_pc(pc, matched))

    def value(self, pred, old, matched):
        c, k, changes = self.c, self.k, self.changes[self.k]
        if matched:
            c.contexts(mix(k, self.th & 255), mix(k, old, 1), mix(k, pred - old, self.th & 3), mix(k, self.diff, 3))
            hit = c.flag(1, 22)
            self.th = (self.th << 1 | (not hit)) & M32
            if hit:
                return pred
            tried = []
            for i, v in enumerate([old, s32(old - self.diff)] + [s32(old + d) for d in changes]):
                if v != pred and v not in tried and c.flag(2 + i, 22):
                    self.diff = s32(v - old)
                    return v
                tried.append(v)
        c.contexts(k, mix(k, min(self.n, 3)), mix(k, self.cur, 2), mix(k, old, 3))
        self.diff = s32(c.signed(23))
        if matched:
            front(changes, 3, self.diff)
        return s32(old + self.diff)

    def code_pc(self, pred, matched):
        from bisect import bisect_right
        c, k, m = self.c, self.k, int(matched)
        c.contexts(mix(k, m, self.th & 15), mix(k, m, min(len(self.ends), 8)), mix(k, m, min(self.n, 8)), mix(m, log(pred - self.pc)))
        if matched and c.flag(1, 24):
            return pred
        if (pred != self.size or not matched) and c.flag(2, 24):
            return self.size
        first = bisect_right(self.starts, self.pc)
        following = self.starts[first:first + 2000]
        if following and c.flag(3, 24):
            for i, s in enumerate(following):
                if not (matched and s == pred) and self.boundary(first + i, pred, matched):
                    return s
            check(False, "no instruction was taken")
        c.contexts(k, mix(k, 1))
        return self.pc + self.quantum * c.number(25) & M32

    def boundary(self, i, pred, matched):
        c, k, s, nb = self.c, self.k, self.starts[i], self.w.nb
        off = self.code + s
        before, after = nb[self.code + self.starts[max(i - 1, 0)]], nb[off]
        if self.quantum == 4:
            before, after = nb[off - 1], nb[off + 3]
        seen = int(s in self.ends)
        near = 16 if not matched else min(log(pred - s), 7) if s < pred else 8 + min(log(s - pred), 7)
        c.contexts(mix(k, seen, near), mix(k, before, seen, 1), mix(k, after, seen, 2), mix(k, before, after, seen), mix(k, near, before, 3),
                   mix(k, seen, log(s - self.pc), min(self.n, 3)))
        return c.flag(1, 26)

    def finder(self):
        m, out, fn = self.m, bytearray(), 0
        first, size = m.entry(0), m.entry(m.n) - m.entry(0)
        for i in range((size + 255) // 256):
            while fn + 1 < m.n and m.entry(fn + 1) - first <= 256 * i:
                fn += 1
            if i % 16 == 0:
                base = fn
                out += struct.pack("<I", base)
            out.append(fn - base)
        at, n = self.w.holes[1]
        check(len(out) == n, "the function finder does not fit")
        self.w.nb[at:at + n] = out


def main(base, patch, result):
    old, p = open(base, "rb").read(), open(patch, "rb").read()
    check(p[:4] == b"LPD1", "this is no go1 patch")
    size = int.from_bytes(p[4:12], "big")
    check(hashlib.sha256(old).digest() == p[12:44], "the base is another file")
    budget, at, shift = 0, 76, 0
    while True:
        budget |= (p[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if p[at - 1] < 128:
            break
    check(budget <= 64 << 20, "the budget is too large")
    coder = Coder(p[at:], budget)
    walk = Walk(old, size, coder)
    coder.close()
    check(hashlib.sha256(walk.nb).digest() == p[44:76], "the result is another file")
    open(result, "wb").write(walk.nb)
    print("%d bytes, %d units" % (size, coder.spent))


if __name__ == "__main__":
    main(*sys.argv[1:])
