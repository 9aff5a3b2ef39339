#!/usr/bin/env python3
"""A second decoder of codec go1, written from docs/delta-format.md alone: what it needs and the page does not say is a
defect of the page. It is slow (minutes for a core) and shares no line with updater/delta.

    go1.py BASE PATCH RESULT
"""
import hashlib
import struct
import sys

M32 = 0xFFFFFFFF
SHORT, B19, B14, CALL, JUMP, COND, DATA, B26, PAGE, LOW12, POINTER, OFFSET, PLACE, LINE, INLINED, PAGEOFF, ULEB = range(1, 18)
(ZERO, TEXT, ETEXT, NAMES, UNITS, FILES, PCS, FUNCTAB, FINDER, FUNCDATA, TYPES, ETYPES, RODATA, LINKS) = range(14)
RELATIVE = {SHORT, CALL, JUMP, COND, DATA, B26, B19, B14}
SIZES = {SHORT: 1, POINTER: 8, PAGEOFF: 2, ULEB: 3}
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
        self.slots, self.site, self.node = [0x80000000] * (1 << 20), {}, {}
        for _ in range(4):
            self.code = self.code << 8 | self.next()

    def next(self):
        self.at += 1
        check(self.at <= len(self.data), "the stream is at its end")
        return self.data[self.at - 1]

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
        mixed, slots, found, inputs = (node >> 4) * 0x9E3779B1 & M32, self.slots, [], []
        for c in self.context:
            h = (c ^ mixed) * 0xC2B2AE35 & M32
            h ^= h >> 15
            h = h * 0x2C1B3C6D & M32
            place = h >> 12 ^ node & 15
            s = slots[place]
            if s >> 7 & 511 != h & 511:
                s = 0x80000000 | (h & 511) << 7
                slots[place] = s
            found.append(place)
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
            v = v << 1 | (self.bit(65536 + (n << 18) + v & M32, site) if i < 12 else self.code1(32768))
        return v - 1

    def signed(self, site):
        v = self.number(site)
        return v >> 1 ^ -(v & 1)

    def byte(self, site):
        group = value = 0
        for _ in range(2):
            node = 1
            while node < 16:
                node = node << 1 | self.bit(group << 4 | node, site)
            group, value = node, value << 4 | node & 15
        return value

    def close(self):
        check(self.spent == self.budget, "another number of units was spent")
        check(self.at == len(self.data), "something follows the stream")
        check(self.code == self.high, "the stream does not end as an encoder ends it")


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
        raw = []
        if self.get(0, 6) == 0x01_02_46_4C_45_7F:
            self.elf(raw)
        elif self.get(0, 2) == 0x5A4D:
            self.pe(raw)
        elif self.get(0, 4) == 0xFEEDFACF:
            self.macho(raw)
        if not self.place(raw):
            self.machine, self.base, self.segments = None, 0, []
            self.pdata = self.reloc = self.rebase = (0, 0)

    def get(self, at, n):
        """The number of n bytes at a place; behind the end of the file are zeros."""
        return int.from_bytes(self.data[at:at + n], "little")

    def arch(self, v):
        self.machine = {62: "amd64", 183: "arm64", 0x8664: "amd64", 0xAA64: "arm64", 0x01000007: "amd64", 0x0100000C: "arm64"}.get(v)

    def elf(self, raw):
        self.arch(self.get(18, 2))
        for i in range(self.get(56, 2)):
            p = self.get(32, 8) + i * self.get(54, 2) & (1 << 64) - 1
            if self.get(p, 4) == 1:
                raw.append((self.get(p + 8, 8), self.get(p + 32, 8), self.get(p + 16, 8), self.get(p + 40, 8), self.get(p + 4, 4) & 1))

    def pe(self, raw):
        at = self.get(60, 4)
        opt = at + 24
        if self.get(at, 4) != 0x4550 or self.get(opt, 2) != 0x20B:
            return
        self.arch(self.get(at + 4, 2))
        base = self.get(opt + 24, 8)
        self.pdata = self.get(opt + 136, 4), self.get(opt + 140, 4)
        self.reloc = self.get(opt + 152, 4), self.get(opt + 156, 4)
        raw.append((0, min(self.get(opt + 60, 4), len(self.data)), base, 0, 0))
        for i in range(self.get(at + 6, 2)):
            s = opt + self.get(at + 20, 2) + 40 * i
            mem, addr, held, off = (self.get(s + k, 4) for k in (8, 12, 16, 20))
            raw.append((off, min(held, mem + 511 & ~511), base + addr & (1 << 64) - 1, mem, self.get(s + 36, 4) & 0x20000000))

    def macho(self, raw):
        self.arch(self.get(4, 4))
        at = 32
        for _ in range(min(self.get(16, 4), 1024)):
            what = self.get(at, 4)
            if what == 0x19:
                addr, mem, off, n = (self.get(at + i, 8) for i in (24, 32, 40, 48))
                if addr or n:
                    raw.append((off, n, addr, mem, self.get(at + 60, 4) & 4))
            elif what in (0x22, 0x80000022) and self.get(at + 8, 4) + self.get(at + 12, 4) <= len(self.data):
                self.rebase = self.get(at + 8, 4), self.get(at + 12, 4)
            at += self.get(at + 4, 4)

    def place(self, raw):
        if not 1 <= len(raw) <= 64:
            return False
        self.base = min(r[2] for r in raw)
        for off, size, addr, mem, code in raw:
            mem, addr = max(mem, size), addr - self.base
            if (off | size | addr | mem) >> 31:
                return False
            self.segments.append((off, size, addr, mem, bool(code)))
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
        if s[2] < end or s[3] < s[1] or s[0] + s[1] > size:
            return segments, False
        end = s[2] + s[3]
    return segments, end < 1 << 32


# 4.2: the module

class Module:
    WORDS = {TEXT: 22, ETEXT: 23, NAMES: 1, UNITS: 4, FILES: 7, PCS: 10, FUNCTAB: 13, FINDER: 19, FUNCDATA: 40, TYPES: 37, ETYPES: 38,
             RODATA: 39, LINKS: 45}

    def __init__(self):
        self.base, self.n, self.functab, self.pcs, self.units, self.links = [0] * 14, 0, b"", b"", b"", 0

    def entry(self, i): return u32(self.functab, 8 * i)
    def record(self, i): return u32(self.functab, 8 * i + 4)
    def start(self, i): return self.base[TEXT] + self.entry(i)

    def ordered(self):
        last = 0
        for i in range(self.n):
            if self.entry(i) < last or self.record(i) >= len(self.functab):
                return False
            last = self.entry(i)
        return self.n > 0 and self.entry(0) == 0 and last <= self.entry(self.n) and self.base[TEXT] + self.entry(self.n) <= self.base[ETEXT]

    def before(self, addr):
        """How many functions begin at an address or before it; the end of the last one counts for one more."""
        lo, hi = 0, self.n + 1
        while lo < hi:
            mid = (lo + hi) // 2
            if self.start(mid) > addr:
                hi = mid
            else:
                lo = mid + 1
        return lo


def find_module(im):
    tries, end = 0, im.end()
    for off, size, addr, _, _ in im.segments:
        for at in range(-addr % 8, size - 8 * 51 + 1, 8):
            v = u64(im.data, off + at) - im.base
            if not 0 <= v < end or tries == 64:
                continue
            head = im.span(v, 8)
            if head is not None and im.data[head:head + 6] == b"\xf1\xff\xff\xff\0\0":
                tries += 1
                m = read_module(im, off + at)
                if m.ordered():
                    return m
    return Module()


def read_module(im, at):
    m, end = Module(), im.end()
    word = lambda i: u64(im.data, at + 8 * i)
    for base, i in Module.WORDS.items():
        m.base[base] = word(i) - im.base
        if not 0 <= m.base[base] <= end:
            return Module()

    def part(base, size):
        n = word(Module.WORDS[base] + 1)
        o = im.span(m.base[base], n * size) if n <= 1 << 28 else None
        return b"" if o is None else im.data[o:o + n * size]

    m.functab, m.pcs, m.units, m.links = part(FUNCTAB, 1), part(PCS, 1), part(UNITS, 4), len(part(LINKS, 4))
    n = word(17)
    if 0 < n <= len(m.functab) // 8 and word(16) == word(13):
        m.n = n - 1
    return m


# 4.3 and 4.4: references are (place, size, kind, target, aux)

ONE = ("mmmmbzxxmmmmbzxx" * 2 + "mmmmbzpxmmmmbzpx" * 2 + "." * 32 + "xxxmppppzZbB...." + "r" * 16 + "BZxBmmmmmmmmmmmm" + "..........x....." +
       "oooo....bz......" + "bbbbbbbbvvvvvvvv" + "BBw...BZe.w..bx." + "mmmmxxx.mmmmmmmm" + "rrrrbbbbRRxr...." + "p.pp..Gg......mm")
TWO = ("mmmmx.....x.xm.m" + "m" * 16 + "mmmmxxxxmmmmmmmm" + "......x.mxmxxxxx" + "m" * 48 + "BBBBmmm.mmmmmmmm" + "R" * 16 + "m" * 16 +
       "...mBmmm...mBmmm" + "mmmmmmmmmmBmmmmm" + "mmBmBBBm........" + "m" * 48)


class Inst:
    len = opcode = sib = disp = imm = kind = rel = 0


def amd64(b):
    """The instruction at the start of b, behind whose end are zeros."""
    b = bytes(b[:16]) + bytes(32)
    i, at = Inst(), 0
    while ONE[b[at]] == "p" and at < 14:
        at += 1
    half, wide = 0x66 in b[:at], False
    if b[at] & 0xF0 == 0x40:
        wide, at = b[at] & 8 != 0, at + 1
    op, table = b[at], 0
    if op == 0x0F:
        at, table = at + 1, 1
        if b[at] in (0x38, 0x3A):
            at, table = at + 1, 2 if b[at] == 0x38 else 3
    elif op in (0xC4, 0xC5, 0x62):
        table = 1 if op == 0xC5 else b[at + 1] & (31 if op == 0xC4 else 7)
        at += {0xC4: 3, 0xC5: 2, 0x62: 4}[op]
    op = b[at]
    what = ONE[op] if table == 0 else TWO[op] if table == 1 else "B" if table == 3 else "m"
    if what in "px":
        return Inst()
    if what in "rR" and table < 2:
        i.kind = COND if table else SHORT if what == "r" else CALL + (op & 1)
    n = {"b": 1, "B": 1, "G": 1, "r": 1, "w": 2, "e": 3, "R": 4, "o": 8}.get(what, 0)
    if what in "zZvg":
        n = 8 if wide and what == "v" else 2 if half and not wide else 4
    i.opcode, at = at, at + 1
    i.sib = i.disp = i.imm = at
    if what in "mBZgG":
        mod, base = b[at] >> 6, b[at] & 7
        if what in "gG" and b[at] >> 3 & 7 >= 2:
            n = 0
        i.sib = i.disp = at + 1
        if mod != 3 and base == 4:
            base = b[i.sib] & 7
            i.disp += 1
        i.imm = i.disp + (1 if mod == 1 else 4 if mod == 2 or mod == 0 and base == 5 else 0)
        if mod == 0 and i.imm > i.disp == i.sib:
            i.kind, i.rel = DATA, i.disp
    if what in "rR":
        i.rel = i.imm
    i.len = i.imm + n
    return i if i.len <= 15 else Inst()


def class_of(i, k):
    if k >= i.len:
        return 0
    sib = i.disp - i.sib
    if k >= i.imm:
        return 15 + k - i.imm
    if k >= i.disp:
        return 5 + sib if i.imm - i.disp == 1 else 7 + 4 * sib + k - i.disp
    return 4 if k >= i.sib else 3 if k > i.opcode else 2 if k == i.opcode else 1


class Source:
    def __init__(self, data, bare=False):
        self.image = Image(b"" if bare else data)
        self.image.data = data
        self.module = find_module(self.image)
        self.base, self.end, self.known, self.charge = self.module.base, self.image.end(), {}, None
        self.lo = self.hi = self.code_from = self.code_to = self.code_addr = 0
        self.find_code()
        found = []
        self.add = lambda pos, kind, target, aux=0: pos + SIZES.get(kind, 4) <= len(data) and found.append((pos, SIZES.get(kind, 4), kind, target & M32, aux))
        if self.module.n:
            self.functions()
        if not bare:
            self.pointers()
            self.words(*self.image.pdata, ZERO, self.end)
            self.relocations()
            self.rebases()
        found.sort(key=lambda r: r[0])
        self.list, end = [], 0
        for r in found:
            if r[0] >= end:
                self.list.append(r)
                end = r[0] + r[1]
        self.starts = [r[0] for r in self.list]

    def off(self, pos, base, scale=0):
        v = u32(self.image.data, pos)
        if v not in (0, M32):
            self.add(pos, OFFSET, self.base[base] + (v << scale), base | scale << 8)

    def words(self, addr, n, base, limit):
        at = self.image.span(addr, n)
        for pos in range(at, at + n - 3, 4) if at is not None else ():
            if u32(self.image.data, pos) < limit:
                self.off(pos, base)

    def functions(self):
        m = self.module
        at = self.image.offset(self.base[FUNCTAB])
        for i in range(m.n):
            self.off(at + 8 * i, TEXT)
            self.off(at + 8 * i + 4, FUNCTAB)
        self.off(at + 8 * m.n, TEXT)
        self.trees = set()
        for i in range(m.n):
            self.function(m.functab[m.record(i):], at + m.record(i), m.start(i), m.start(i + 1) - m.start(i))
        size = self.base[ETYPES] - self.base[TYPES]
        self.words(self.base[UNITS], len(m.units), FILES, self.base[PCS] - self.base[FILES])
        self.words(self.base[LINKS], m.links, TYPES, size)
        at = self.image.span(self.base[TYPES], size) if size > 0 else None
        starts, before = {m.entry(i) for i in range(m.n)}, 0
        for pos in range(at, at + size - 3, 4) if at is not None else ():
            v = u32(self.image.data, pos)
            if v >= 128:
                if (before % 8 == 0 or before == M32) and v in starts:
                    self.off(pos, TEXT)
                elif v < size:
                    self.off(pos, TYPES)
            before = v

    def within_function(self, pos, entry, size):
        v = u32(self.image.data, pos)
        if 0 < v < size:
            self.add(pos, PLACE, entry + v)

    def function(self, r, pos, entry, size):
        if len(r) < 44 or u32(r, 28) > 16 or len(r) < 44 + 4 * u32(r, 28):
            return
        npc = u32(r, 28)
        self.off(pos, TEXT)
        self.off(pos + 4, NAMES)
        self.within_function(pos + 12, entry, size)
        self.off(pos + 32, UNITS, 2)
        self.add(pos + 36, LINE, u32(r, 36))
        for f in [16, 20, 24] + [44 + 4 * k for k in range(npc)]:
            self.off(pos + f, PCS)
        for k in range(r[43]):
            f = 44 + 4 * (npc + k)
            if f + 4 > len(r):
                return
            self.off(pos + f, FUNCDATA)
            if k == 3 and npc > 2 and u32(r, f) != M32:
                self.tree(self.base[FUNCDATA] + u32(r, f) & M32, u32(r, 52), entry, size)

    def tree(self, addr, table, entry, size):
        if table == 0 or table >= len(self.module.pcs) or addr in self.trees:
            return
        self.trees.add(addr)
        most = v = -1
        for dv, _ in read_table(self.module.pcs, table, 1)[0]:
            v = s32(v + dv)
            most = max(most, v)
        n = min(most + 1, 65536)
        at = self.image.span(addr, 16 * n)
        for pos in range(at, at + 16 * n, 16) if at is not None else ():
            self.off(pos + 4, NAMES)
            self.within_function(pos + 8, entry, size)
            self.add(pos + 12, INLINED, u32(self.image.data, pos + 12))

    def pointers(self):
        im, m = self.image, self.module
        for off, size, addr, _, code in im.segments:
            if code and not m.n:
                continue
            for i in range(-addr % 8, size - 7, 8):
                v = u64(im.data, off + i) - im.base
                if not 0 <= v <= self.end or not v and not im.base:
                    continue
                if not self.base[TEXT] <= addr + i < self.base[ETEXT] and not self.base[NAMES] <= addr + i < self.base[FUNCDATA]:
                    self.add(off + i, POINTER, v)

    def relocations(self):
        d, (addr, n) = self.image.data, self.image.reloc
        pos = self.image.span(addr, n)
        end = pos + n if pos is not None else 0
        while pos is not None and pos + 8 <= end:
            block, page, size = pos, u32(d, pos), u32(d, pos + 4)
            self.off(pos, ZERO)
            pos += 8
            while pos + 2 <= end and pos - block < size:
                if u16(d, pos) >> 12 == 10:
                    self.add(pos, PAGEOFF, page + (u16(d, pos) & 0xFFF))
                pos += 2

    def rebases(self):
        off, n = self.image.rebase
        b, i = self.image.data[off:off + n], 0
        while i + 5 <= n:
            s = (b[i] & 15) - 1
            if b[i] & 0xF0 == 0x20 and b[i + 1] & b[i + 2] & 128 and not b[i + 3] & 128 and b[i + 4] == 0x51 and 0 <= s < len(self.image.segments):
                v = b[i + 1] & 127 | (b[i + 2] & 127) << 7 | b[i + 3] << 14
                self.add(off + i + 1, ULEB, self.image.segments[s][2] + v, s)
                i += 4
            i += 1

    def find_code(self):
        im, m = self.image, self.module
        if im.machine is None:
            return
        if m.n:
            at, n, self.code_addr = im.span(self.base[TEXT], self.base[ETEXT] - self.base[TEXT]), self.base[ETEXT] - self.base[TEXT], self.base[TEXT]
            self.code_from, self.code_to = (at, at + n) if at is not None else (0, 0)
            return
        for off, size, addr, _, code in im.segments:
            if code and size:
                self.code_from, self.code_to, self.code_addr = off, off + size, addr
                return

    def code(self, off):
        """(start, end, references by place, classes) of the function at a place of the file; the last two of none where there is no code.
        What is asked for anew is paid for."""
        m, lo, hi, is_code = self.module, self.code_from, self.code_to, True
        if off < lo:
            lo, hi, is_code = 0, lo, False
        elif off >= hi:
            lo, hi, is_code = hi, M32, False
        elif not m.n:
            lo += (off - lo) // 4096 * 4096
            hi = min(lo + 4096, hi)
        else:
            n = m.before(off - self.code_from + self.code_addr)
            lo, hi, is_code = self.code_from + m.entry(n - 1), self.code_from + m.entry(n) if n <= m.n else hi, n <= m.n
        if not self.lo <= off < self.hi:
            self.lo, self.hi = lo, hi
            if is_code and self.charge:
                self.charge(1 + (hi - lo) // 64)
        if not is_code:
            return lo, hi, {}, None
        if lo not in self.known:
            addr = self.code_addr + lo - self.code_from
            self.known[lo] = self.amd64(lo, hi, addr) if self.image.machine == "amd64" else self.arm64(lo, hi, addr)
        return self.known[lo]

    def amd64(self, lo, hi, addr):
        refs, classes, b, at = {}, bytearray(hi - lo), self.image.data[lo:hi], 0
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

    def arm64(self, lo, hi, addr):
        refs, b = {}, self.image.data[lo:hi]
        classes = bytes(64 + 32 * (i & 3) + (b[min(i | 3, len(b) - 1)] >> 3) for i in range(len(b)))
        page, reg, until = None, 0, 0
        for at in range(0, len(b) - 3, 4):
            w, here = u32(b, at), addr + at
            field = lambda bits, low: (w >> low & (1 << bits) - 1) - ((w >> low >> bits - 1 & 1) << bits)
            kind = target = None
            if w & 0x7C000000 == 0x14000000:
                kind, target = B26, here + 4 * field(26, 0)
            elif w & 0xFF000010 == 0x54000000 or w & 0x7E000000 == 0x34000000:
                kind, target = B19, here + 4 * field(19, 5)
            elif w & 0x7E000000 == 0x36000000:
                kind, target = B14, here + 4 * field(14, 5)
            elif w & 0x9F000000 == 0x90000000:
                kind, target = PAGE, (here & ~0xFFF) + (field(19, 5) << 14 | (w >> 29 & 3) << 12)
            elif w & 0xFFC00000 == 0x91000000 or w & 0x3B000000 == 0x39000000:
                if at < until and w >> 5 & 31 == reg:
                    scale = 0 if w & 0xFFC00000 == 0x91000000 else 4 if w & 0x04800000 == 0x04800000 else w >> 30
                    t = refs[page][3] + ((w >> 10 & 0xFFF) << scale) & M32
                    refs[page] = refs[page][:3] + (t, 0)
                    refs[lo + at] = (lo + at, 4, LOW12, t, scale << 8)
                    until = 0
            if kind and target & M32 <= self.end:
                refs[lo + at] = (lo + at, 4, kind, target & M32, 0)
                if kind == PAGE:
                    page, reg, until = lo + at, w & 31, at + 12
        return lo, hi, refs, classes

    def listed(self, lo, hi):
        from bisect import bisect_left
        return self.list[bisect_left(self.starts, lo):bisect_left(self.starts, hi)] if lo < hi else []

    def within(self, lo, hi):
        """The references that begin from lo to hi: those before the code, in it, and those that are not in code."""
        found, at = self.listed(lo, min(hi, self.code_from)), lo
        while at < hi:
            f = self.code(at)
            found += sorted(r for r in f[2].values() if lo <= r[0] < hi)
            at = f[1]
        return found + self.listed(max(lo, self.code_from), hi)

    def class_at(self, place):
        f = self.code(place)
        return f[3][place - f[0]] if f[3] else 0


def read_table(b, at, quantum):
    """The entries (change of the value, pc) of a table, and its length."""
    def number():
        nonlocal at
        v = shift = 0
        while True:
            if at >= len(b) or shift >= 70:
                return None
            c = b[at]
            at += 1
            v |= (c & 127) << shift
            shift += 7
            if c < 128:
                return v if v < 1 << 64 else None
    pairs, pc, start = [], 0, at
    while len(pairs) < 1 << 18:
        v = number()
        if v is None or v == 0 and pairs:
            break
        d = number()
        if d is None or (v | d) >> 32 or pc >> 31:
            break
        pc += d * quantum
        pairs.append((v >> 1 ^ -(v & 1), pc & M32))
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
    return {B26: 2, B19: 2, B14: 2, PAGE: 12}.get(r[2], 0) + (r[4] >> 8)


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
        kept = []
        for old, new, n in sorted(pieces, key=lambda p: p[0]):
            def begin(at):
                nonlocal old, new, n
                gone = min(max(at, old) - old, n)
                old, new, n = old + gone, new + gone, n - gone
            if kept:
                o, t, k = kept.pop()
                begin(o)  # where the last one begins it may have been cut itself
                if k < n:
                    k = min(k, old - o)
                else:
                    begin(o + k)
                if k:
                    kept.append((o, t, k))
            if n:
                kept.append((old, new, n))
        self.steps, end = [(0, 0, False)], 0
        for i, (old, new, n) in enumerate(kept):
            self.steps.append((old - (old - end) // 2 if i else 0, new - old, False))
            end = old + n
            self.steps += [(old, new - old, True), (end, new - old, False)]
        self.starts = [s[0] for s in self.steps]

    def at(self, t):
        from bisect import bisect_right
        _, shift, exact = self.steps[bisect_right(self.starts, t) - 1]
        return t + shift & M32, exact


class Walk:
    def __init__(self, old, size, coder):
        self.c, self.old, self.ob, self.nb = coder, Source(old), old, bytearray(size)
        self.old.charge = coder.charge
        self.plan()
        self.hist = self.since = self.pred = self.was = self.blocks = self.line = 0
        self.outcome, self.kinds, self.recent = {}, [0] * 18, [[0] * 4 for _ in range(18)]
        self.moved, self.inlined, self.last_to = {}, {}, [0] * 18
        self.match = self.length = self.ptr = self.missed = 0
        self.near = None, []
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
        return s32(self.c.signed(site))

    def plan(self):
        c, size, im = self.c, len(self.nb), self.old.image
        high = (im.base >> 32) + self.step(0, 0) & M32
        base = high << 32 | im.base + self.step(0, 1) & M32
        segments = []
        for i in range(self.num(64, 0, 2)):
            was = im.segments[i] if i < len(im.segments) else (0, 0, 0, 0)
            segments.append(tuple(was[k] + self.step(0, 3 + k) & M32 for k in range(4)) + (False,))
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
            d = recent[way] if way < 4 else recent[0] + self.step(3, g) & M32
            front(recent, way, d)
            old = new + d & M32
            last = self.num(min(size - new, len(self.ob) - min(old, len(self.ob))), 4, way, mix(way, g))
            check(last > 0, "a copy is empty")
            self.copies.append((new, old, last))
            at = new + last
        extra, at, shift = [], 0, 0
        for _ in range(self.num(4096, 0, 8)):
            o = at + self.step(5, 1) & M32
            n = self.step(5, 2) & M32
            new = o + shift + self.step(5, 3) & M32
            extra.append((o, new, n))
            at, shift = o + n, new - o
            check(at <= M32, "a piece goes beyond all addresses")
        self.map = Map(clip(self.old.image.segments, segments, self.copies) + extra)
        self.bases = [self.map.at(b)[0] + self.step(6) & M32 for b in self.old.base]
        self.structure(size)

    def structure(self, size):
        m = self.old.module
        was = [len(m.pcs), m.n, len(m.functab), 0, 0, 0]
        v = [was[i] + self.step(0, 9 + i) & M32 for i in range(6)]
        check(max(v) <= size, "a table is not in the file")
        self.pcs, self.n, self.functab, self.finder, self.signed, self.hashes = v
        check(self.pcs == 0 or m.n and 52 * self.n + 4 <= self.functab, "the function table does not fit")
        self.holes, end = [], 0
        for base, n in ((PCS, self.pcs), (FINDER, self.finder)):
            at = self.new.span(self.bases[base], n) if n else 0
            check(at is not None, "a table is not in the file")
            self.holes.append((at, n))
        self.holes.append((self.hashes, (self.signed + 4095) // 4096 * 32))
        for at, n in self.holes:
            check((n == 0 or at >= end) and at + n <= size, "two tables overlap")
            check(not any(new < at + n and new + k > at for new, _, k in self.copies), "a copy lies in a table")
            end = max(end, at + n)

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
            return 14
        best = 0
        for i, v in enumerate(b):
            if b[best] < v <= a:
                best = i
        return best

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
            todo = list(refs)
            while at < to:
                if todo and todo[0][0] == at:
                    r = todo.pop(0)
                    self.reference(r, shift, reg)
                    at += r[1]
                else:
                    self.byte(at, shift, reg)
                    at += 1
        for r in refs:
            if r[2] == LINE:
                self.line_slot(r)[1] = u32(self.nb, r[0] + shift) - r[3] & M32

    def line_slot(self, r):
        """What is known of how far the lines of the function have moved whose line a reference is."""
        back = 32 if r[2] == LINE else 8
        at = r[0] - min(r[0], back)
        name = u32(self.ob, at)
        s = self.inlined.setdefault((name * 0x9E3779B1 & M32) >> 16, [0, 0])
        if s[0] != name:
            s[:] = [name, 0]
        return s

    def write(self, r, pos, field):
        self.nb[pos:pos + r[1]] = put(self.nb[pos:pos + r[1]], r, field)

    def note(self, miss):
        self.hist = (self.hist << 1 | miss) & M32
        self.since = 0 if miss else self.since + 1

    def before(self, at, i):
        at = max(len(self.ob) + at - i, 0)
        return self.ob[at] if at < len(self.ob) else self.nb[at - len(self.ob)]

    def byte(self, at, shift, reg):
        c, n, o, h = self.c, at + shift, self.ob[at], self.hist
        cls = self.old.class_at(at) or 32 + (at & 7)
        x = self.ob[at + 1] if at + 1 < len(self.ob) else self.nb[0]
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
        if CALL <= r[2] <= OFFSET:
            o = self.moved.get((r[3] * 0x9E3779B1 & M32) >> 16)
            if o and o[0] == r[3] and o[1]:
                return o[1], 3
        t, exact = self.map.at(r[3])
        return t, 2 * exact

    def learn(self, target, new):
        self.moved[(target * 0x9E3779B1 & M32) >> 16] = (target, new & M32)

    def field(self, r, pos, t):
        pos_, size, kind, target, aux = r
        if kind in RELATIVE:
            return s32(t - self.new.addr(pos) - aux) >> shift_of(r) & M32
        if kind == PAGE:
            return (t >> 12) - (self.new.addr(pos) >> 12) & M32
        if kind == LOW12:
            return (t & 0xFFF) >> shift_of(r)
        if kind == POINTER:
            return t + self.new.base & (1 << 64) - 1
        if kind == OFFSET:
            if self.pcs and aux == PCS:
                return 0
            return (t - self.bases[aux & 255] & M32) >> (aux >> 8)
        if kind == PLACE:
            entry = self.old.module.start(self.old.module.before(target) - 1)
            return t - self.map.at(entry)[0] & M32
        if kind == LINE:
            return target + self.line & M32
        if kind == INLINED:
            return target + self.line_slot(r)[1] & M32
        if kind == PAGEOFF:
            return t & 0xFFF
        return t - self.map.at(self.old.image.segments[aux][2])[0] & M32

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
        if k == LINE:
            self.line = got - r[3] & M32
        elif k == INLINED:
            self.line_slot(r)[1] = got - r[3] & M32
        else:
            self.learn(r[3], self.target(r)[0] + (d << shift_of(r)))

    @staticmethod
    def hash5(b):
        return (int.from_bytes(b, "little") * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 45

    def at_place(self, place, at):
        if place < len(self.ob):
            return self.ob[place]
        place -= len(self.ob)
        return self.nb[place] if place < at else None

    def literal(self, at, to, fr):
        self.ptr, self.length, self.missed, self.used = fr, 0, 0, [fr] * 18
        reg = self.region(self.new, at, self.bases) if at < to else 0
        self.follow = self.old.image.machine == "amd64" and reg == TEXT
        if self.follow:
            self.start, n = at - min(at, 48), 0
            while self.start + n <= at:
                self.start += n
                n = amd64(self.nb[self.start:min(self.start + 16, at)]).len or 1
        while at < to:
            n = self.literal_ref(at, to) if self.follow else 0
            if n == 0:
                self.literal_byte(at, reg)
                n = 1
            at += n
            if self.follow and (0 < amd64(self.nb[self.start:at]).len <= at - self.start or at - self.start >= 16):
                self.start = at

    def literal_byte(self, at, reg):
        c = self.c
        if at >= 5:
            h = self.hash5(self.nb[at - 5:at])
            place = self.table.get(h)
            if place is not None and self.length == 0:
                n = 0
                while n < 32 and n < place and self.at_place(place - 1 - n, at) == self.before(at, 1 + n):
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
        self.match += 1
        self.length = self.length + 1 if self.length and guess == got + 1 else 0
        self.missed = (self.missed << 1 | (here != got + 1)) & M32
        self.ptr += 1
        if self.length >= 12 and self.match < len(self.ob):
            self.ptr = self.match
    def literal_ref(self, at, to):
        n = at - self.start
        i = amd64(self.nb[self.start:at])
        if n == 0 or to - at < 4 or i.len == 0 or i.kind < CALL or i.rel != n or i.disp > n:
            return 0
        here = self.new.addr(at)
        if here is None:
            return 0
        here += i.len - i.rel
        t = self.code_target(i.kind)
        self.nb[at:at + 4] = struct.pack("<I", t - here & M32)
        self.last_to[i.kind] = t
        self.ptr += 4
        self.match += 4
        return 4

    def code_target(self, k):
        c, mid = self.c, min(self.ptr, len(self.ob)) & ~255
        if self.near[0] != mid:
            self.near = mid, self.old.within(mid - min(mid, 512), min(mid + 1536, len(self.ob)))
        refs, tried = self.near[1], []
        first = next((i for i, r in enumerate(refs) if r[0] >= self.used[k]), len(refs))
        for r in refs[first:] + refs[:first]:
            t = self.target(r)[0]
            if r[2] != k or t in tried:
                continue
            n = len(tried)
            if n == 20:
                break
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
        m.base, m.n = w.bases, w.n
        self.at = w.new.span(w.bases[FUNCTAB], w.functab)
        check(self.at is not None, "the function table is not in the file")
        m.functab = bytes(w.nb[self.at:self.at + w.functab])
        check(m.ordered(), "the functions are not in order")
        self.quantum = 4 if w.old.image.machine == "arm64" else 1
        self.hole, self.out, self.moved = w.holes[0], bytearray(1), {0: 0}
        self.lines, self.ring = {}, 0
        self.old_at = w.old.image.offset(self.om.base[FUNCTAB])
        for i in range(m.n):
            self.load(i)
            if self.partner is not None:
                files, start = self.old_table(u32(self.partner, 20)), s32(u32(self.partner, 36))
                if files:
                    self.learn(self.file_id(s32(files[0][0] - 1)), start, s32(u32(self.rec, 36) - start))
            n = u32(self.rec, 28)
            order = [(0, 16), (1, 20), (2, 24)] + [(3 + k, 44 + 4 * k) for k in range(n) if k != 2] + ([(5, 52)] if n > 2 else [])
            for self.k, f in order:
                self.field(i, f)
        check(len(self.out) == w.pcs, "the tables are not as long as was said")
        w.nb[self.hole[0]:self.hole[0] + w.pcs] = self.out
        if w.finder:
            self.finder()

    def record(self, table, at):
        r = table[at:at + 44 + 64]
        return r if len(r) >= 44 and u32(r, 28) <= 16 and len(r) >= 44 + 4 * u32(r, 28) else None

    def load(self, i):
        m, at = self.m, self.m.record(i)
        self.rec = self.record(m.functab, at)
        check(self.rec is not None, "a record is not there")
        self.entry, self.size, self.starts = m.start(i), m.start(i + 1) - m.start(i), None
        self.code = self.w.new.span(self.entry, self.size)
        self.length = self.size if self.code is not None else 0
        self.pcs_, self.ends, self.partner, place = {}, set(), None, self.at + at
        copy = next((c for c in self.w.copies if c[0] <= place < c[0] + c[2]), None)
        if copy is None or copy[1] + place - copy[0] < self.old_at:
            return
        self.partner = self.record(self.om.functab, copy[1] + place - copy[0] - self.old_at)
        if self.partner is not None:
            self.old_entry = self.om.base[TEXT] + u32(self.partner, 0) & M32

    def instructions(self):
        """Where the instructions of the function begin, when that is asked for."""
        if self.starts is not None:
            return
        self.c.charge(1 + self.length // 32)
        self.starts, at = [], 0
        while at < self.length:
            self.starts.append(at)
            at += self.quantum if self.quantum > 1 else amd64(self.w.nb[self.code + at:min(self.code + at + 16, self.code + self.length)]).len or 1

    def old_table(self, off):
        pairs = read_table(self.om.pcs, off, self.quantum)[0] if 0 < off < len(self.om.pcs) else []
        self.c.charge(1 + len(pairs) // 8)
        return pairs

    def file_id(self, index):
        i = (u32(self.partner, 32) + (index & M32)) * 4
        return 0 if index < 0 or i + 4 > len(self.om.units) else (u32(self.om.units, i) + 1) & M32

    def learn(self, file, line, shift):
        if file:
            key = mix(file, line)
            self.lines[(key * 0x9E3779B1 & M32) >> 16] = key, shift

    def find(self, file, line):
        i = line
        while file and i > line - 128 and i > 0:
            key = mix(file, i)
            s = self.lines.get((key * 0x9E3779B1 & M32) >> 16, (0, 0))
            if s[0] == key:
                return s[1]
            i -= 1
        return None

    def field(self, i, f):
        c, k, end, ring = self.c, self.k, len(self.out), self.ring
        old, state, pred = 0, 0, end
        if self.partner is not None and k < 3 + u32(self.partner, 28):
            old, state = u32(self.partner, f), 1
            if old in self.moved:
                state, pred = 2, self.moved[old]
        c.contexts(mix(k, state), mix(k, state, ring & 15), mix(state, ring & 255), mix(k, pred, 1))
        hit = c.flag(1, 18)
        self.ring = (ring << 1 | (not hit)) & M32
        if hit:
            got = pred
        elif pred != end and c.flag(2, 18):
            got = end
        else:
            c.contexts(k, mix(k, state))
            got = c.number(19) & M32
            check(got < end, "a table is nowhere")
        at = self.at + self.m.record(i) + f
        self.w.nb[at:at + 4] = struct.pack("<I", got)
        if got == end:
            self.make(old)
        if old and got:
            self.moved[old] = got

    def make(self, off):
        c, k, pairs, files, self.old = self.c, self.k, self.old_table(off), [], []
        if k == 2:
            if self.partner is not None:
                files = self.old_table(u32(self.partner, 20))
            c.charge(4 * len(pairs))
        line = file = at = -1
        for dv, pc in pairs:
            while at + 1 < len(files) and (at < 0 or files[at][1] < pc):
                at += 1
                file = s32(file + files[at][0])
            line = s32(line + dv)
            mapped = self.pcs_[pc] if pc in self.pcs_ else self.w.map.at(self.old_entry + pc & M32)[0] - self.entry & M32
            self.old.append((dv, pc, mapped, line, self.file_id(file)))
        self.cur, self.pc, self.n, self.diff, self.th = -1, 0, 0, 0, 0
        right = False
        if self.old:
            c.contexts(k, mix(k, self.ring & 15), mix(k, log(len(self.old))), mix(k, len(self.pcs_) & 3))
            right = c.flag(1, 20)
        if right:
            predicted = []
            for o in self.old:
                dv, self.pc = self.predict(o)
                self.cur = s32(self.cur + dv)
                predicted.append((dv, self.pc))
            self.cur, self.pc = -1, 0
            for o, entry in zip(self.old, predicted):
                self.put(*entry)
                self.take(o)
        else:
            self.steps()
        check(self.n > 0, "a table is empty")
        self.out.append(0)

    def predict(self, o):
        dv, _, pc, line, file = o
        shift = self.find(file, line)
        if shift is not None:
            dv = s32(line + shift - self.cur)
        if pc < self.pc or pc > self.size:
            pc = self.pc
        return dv, pc - (pc - self.pc) % self.quantum

    def put(self, dv, pc):
        check(pc >= self.pc and not (self.n and dv == 0) and len(self.out) < self.w.pcs, "an entry is out of order, or there is no room")
        for v in ((dv << 1 ^ dv >> 31) & M32, (pc - self.pc) // self.quantum):
            while v >= 128:
                self.out.append(v & 127 | 128)
                v >>= 7
            self.out.append(v)
        self.pc, self.cur, self.n = pc, s32(self.cur + dv), self.n + 1
        if pc < self.length:
            self.ends.add(pc)

    def take(self, o):
        _, pc, mapped, line, file = o
        self.learn(file, line, s32(self.cur - line))
        if mapped != self.pc and len(self.pcs_) < 4096:
            self.pcs_[pc] = self.pc

    def steps(self):
        c, k, j, last = self.c, self.k, 0, 0
        while True:
            left, full = min(len(self.old) - j, 3), int(self.pc == self.size)
            c.contexts(mix(k, left, last, full), mix(k, self.th & 255, left), mix(left, last, full, self.th & 3), mix(k, min(self.n, 20), full))
            if left and c.flag(1, 21):
                dv, pc = self.predict(self.old[j])
                self.entry_(dv, pc, self.old[j][0], True)
                self.take(self.old[j])
                j, last = j + 1, 0
            elif left and c.flag(2, 21):
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
        c, k = self.c, self.k
        if matched:
            c.contexts(mix(k, self.th & 255), mix(k, old, 1), mix(k, pred - old, self.th & 3), mix(k, self.diff, 3))
            hit = c.flag(1, 22)
            self.th = (self.th << 1 | (not hit)) & M32
            if hit:
                return pred
        c.contexts(k, mix(k, min(self.n, 3)), mix(k, self.cur, 2), mix(k, old, 3))
        self.diff = s32(c.signed(23))
        return s32(old + self.diff)

    def code_pc(self, pred, matched):
        from bisect import bisect_right
        c, k = self.c, self.k << 1 | int(matched)
        c.contexts(mix(k, self.th & 15), mix(k, min(len(self.ends), 8)), mix(k, min(self.n, 8)), mix(k & 1, log(pred - self.pc)))
        if c.flag(1, 24):
            return pred
        if pred != self.size and c.flag(2, 24):
            return self.size
        self.instructions()
        if c.flag(3, 24):
            before = self.pc
            for s in self.starts[bisect_right(self.starts, self.pc):]:
                if s >= self.pc + 8192:
                    break
                if s != pred and self.boundary(s, before, pred):
                    return s
                before = s
            check(False, "no instruction was taken")
        c.contexts(k)
        return self.pc + self.quantum * c.number(25) & M32

    def boundary(self, s, before, pred):
        c, k, q, nb = self.c, self.k, self.quantum - 1, self.w.nb
        before, after = nb[self.code + before + q], nb[self.code + s + q]
        seen = int(s in self.ends)
        near = 8 + min(log(s - pred), 7) if s > pred else min(log(pred - s), 7)
        c.contexts(mix(k, seen, near), mix(k, before, seen, 1), mix(k, after, seen, 2), mix(k, before, after, seen), mix(k, near, before, 3),
                   mix(k, seen, log(s - self.pc), min(self.n, 3)))
        return c.flag(1, 26)

    def finder(self):
        m, out, fn = self.m, bytearray(), 0
        for i in range(0, m.entry(m.n), 256):
            while fn + 1 < m.n and m.entry(fn + 1) <= i:
                fn += 1
            if i % 4096 == 0:
                first = fn
                out += struct.pack("<I", first)
            out.append(fn - first & 255)
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
