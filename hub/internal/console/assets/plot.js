// Plots: a small one beside a check, a larger one for each of its series. Drawn from points [ms, value]; null is a hole.
import { plain } from './shell.js';

const svgNS = 'http://www.w3.org/2000/svg';
const make = (name, attributes) => {
  const el = document.createElementNS(svgNS, name);
  for (const [k, v] of Object.entries(attributes)) el.setAttribute(k, v);
  return el;
};

// value writes a number with its unit as a person reads it.
export function value(v, unit) {
  if (v == null) return 'not measured';
  if (unit === 'B') return scaled(v, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
  if (unit === 'B/s') return scaled(v, 1024, ['B/s', 'KiB/s', 'MiB/s', 'GiB/s', 'TiB/s']);
  if (unit === 's') {
    const a = Math.abs(v);
    if (a === 0 || (a >= 1 && a < 300)) return round(v) + ' s';
    if (a < 0.001) return round(v * 1e6) + ' µs';
    if (a < 1) return round(v * 1000) + ' ms';
    return a < 7200 ? round(v / 60) + ' min' : a < 172800 ? round(v / 3600) + ' h' : round(v / 86400) + ' days';
  }
  const short = Math.abs(v) >= 1e5 ? scaled(v, 1000, ['', 'k', 'M', 'G', 'T']).trim() : round(v);
  return unit === '%' ? short + ' %' : unit ? `${short} ${unit}` : short;
}

function scaled(v, step, units) {
  let i = 0;
  while (Math.abs(v) >= step && i < units.length - 1) { v /= step; i++; }
  return `${round(v)} ${units[i]}`;
}

function round(v) {
  const a = Math.abs(v);
  return String(a >= 100 ? Math.round(v) : a >= 10 ? Math.round(v * 10) / 10 : a >= 1 ? Math.round(v * 100) / 100 : Number(v.toPrecision(2)));
}

// shown turns a series into what is drawn: a counter (unit c) becomes its rate.
export function shown(series) {
  if (series.unit !== 'c') return series;
  const points = [];
  for (let i = 1; i < series.points.length; i++) {
    const [t0, v0] = series.points[i - 1];
    const [t, v] = series.points[i];
    const ok = v0 != null && v != null && v >= v0 && t > t0;
    points.push([t, ok ? ((v - v0) * 1000) / (t - t0) : null]);
  }
  return { ...series, unit: '/s', points, warn: '', crit: '' };
}

// edges are the numbers of a range of the plugin guidelines: "80", "10:", "~:5", "@1:2".
function edges(range) {
  return (range || '').replace(/^@/, '').split(':').filter((s) => s !== '' && s !== '~').map(Number).filter(Number.isFinite);
}

// range writes a plain threshold with its unit, and any other range as it was printed.
const range = (r, unit) => (Number.isFinite(Number(r)) ? value(Number(r), unit) : r);

function bounds(points, unit) {
  let low = Infinity;
  let high = -Infinity;
  for (const [, v] of points) if (v != null) { low = Math.min(low, v); high = Math.max(high, v); }
  if (low === Infinity) return null;
  if (low >= 0 && low < high * 0.6) low = 0;
  if (unit === '%' && low >= 0 && high <= 100 && high - low > 30) { low = 0; high = 100; }
  if (low === high) { const pad = Math.abs(low) * 0.1 || 1; low = low >= 0 ? Math.max(0, low - pad) : low - pad; high += pad; } else { const pad = (high - low) * 0.08; high += unit === '%' && high <= 100 ? Math.min(pad, 100 - high) : pad; if (low !== 0) low -= pad; }
  return [low, high];
}

// trace gives the path of a line with holes where nothing was measured, or nothing ran for three usual steps.
function trace(points, x, y, gap) {
  let d = '';
  let last = null;
  for (const [t, v] of points) {
    if (v == null) { last = null; continue; }
    d += (last == null || t - last > gap ? 'M' : 'L') + x(t).toFixed(1) + ' ' + y(v).toFixed(1);
    last = t;
  }
  return d;
}

function usualGap(points) {
  if (points.length < 3) return Infinity;
  const steps = points.slice(1).map((p, i) => p[0] - points[i][0]).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] * 3.5;
}

export function spark(slot, series, from, to) {
  const s = shown(series);
  const points = s.points.filter(([t]) => t >= from);
  const box = bounds(points, s.unit);
  if (!box || points.length < 2) { slot.replaceChildren(); return; }
  const [w, h] = [112, 34];
  from = Math.max(from, points[0][0]); // a new agent's first minutes fill the width
  const x = (t) => ((t - from) / Math.max(to - from, 1)) * w;
  const y = (v) => h - 2 - ((v - box[0]) / (box[1] - box[0])) * (h - 4);
  const d = trace(points, x, y, usualGap(points));
  const line = slot.querySelector('.line');
  if (line) { line.setAttribute('d', d); return; }
  const svg = make('svg', { viewBox: `0 0 ${w} ${h}`, preserveAspectRatio: 'none' });
  svg.append(make('path', { class: 'line', d }));
  slot.replaceChildren(svg);
}

// Plot is one figure. update draws it anew; nothing moves but the line.
export class Plot {
  constructor(label) {
    this.el = document.createElement('figure');
    this.el.className = 'plot';
    this.el.innerHTML = '<figcaption><span class="label"></span><span class="value"></span></figcaption>'
      + '<svg viewBox="0 0 600 96" preserveAspectRatio="none" role="img"><path class="area"/><g class="limits"></g><path class="line"/><path class="cursor" d=""/></svg>'
      + '<p class="foot-line"><span class="low"></span><span class="when"></span><span class="high"></span></p>';
    const q = (s) => this.el.querySelector(s);
    this.parts = { label: q('.label'), value: q('.value'), svg: q('svg'), area: q('.area'), limits: q('.limits'), line: q('.line'), cursor: q('.cursor'), low: q('.low'), when: q('.when'), high: q('.high') };
    this.parts.label.textContent = this.parts.label.title = plain(label);
    this.parts.svg.addEventListener('pointermove', (e) => this.point(e));
    this.parts.svg.addEventListener('pointerleave', () => { this.at = null; this.caption(); });
  }

  update(series, from, to) {
    const s = shown(series);
    const points = s.points.filter(([t]) => t >= from);
    const box = bounds(points, s.unit);
    Object.assign(this, { points, unit: s.unit });
    if (!box) { this.parts.line.setAttribute('d', ''); this.parts.area.setAttribute('d', ''); this.caption(); return; }
    const x = (t) => ((t - from) / (to - from)) * 600;
    const y = (v) => 92 - ((v - box[0]) / (box[1] - box[0])) * 88;
    this.x = x;
    this.span = [from, to];
    const d = trace(points, x, y, usualGap(points));
    this.parts.line.setAttribute('d', d);
    this.parts.area.setAttribute('d', d.split('M').filter(Boolean).map((part) => {
      const at = part.split('L');
      return `M${at[0].split(' ')[0]} 96L${at.join('L')}L${at.at(-1).split(' ')[0]} 96Z`;
    }).join(''));
    const limit = (v, kind) => (v >= box[0] && v <= box[1] ? [make('path', { class: 'limit ' + kind, d: `M0 ${y(v)}H600` })] : []);
    this.parts.limits.replaceChildren(...edges(s.warn).flatMap((v) => limit(v, 'warn')), ...edges(s.crit).flatMap((v) => limit(v, 'crit')));
    this.parts.low.textContent = plain(value(box[0], s.unit) + ' to ' + value(box[1], s.unit));
    this.parts.high.textContent = plain([s.warn && 'warning ' + range(s.warn, s.unit), s.crit && 'critical ' + range(s.crit, s.unit)].filter(Boolean).join(', '));
    this.parts.svg.setAttribute('aria-label', `${this.parts.label.textContent}: now ${plain(value(points.at(-1)[1], s.unit))}, ${this.parts.low.textContent}`);
    this.caption();
  }

  point(e) {
    if (!this.x || !this.points.length) return;
    const box = this.parts.svg.getBoundingClientRect();
    const t = this.span[0] + ((e.clientX - box.left) / box.width) * (this.span[1] - this.span[0]);
    this.at = this.points.reduce((a, b) => (Math.abs(b[0] - t) < Math.abs(a[0] - t) ? b : a));
    this.caption();
  }

  caption() {
    const p = this.at || this.points?.at(-1);
    this.parts.value.textContent = p ? plain(value(p[1], this.unit)) : 'no value in this span';
    this.parts.when.textContent = this.at ? new Date(this.at[0]).toLocaleTimeString() : '';
    this.parts.cursor.setAttribute('d', this.at ? `M${this.x(this.at[0])} 0V96` : '');
  }
}
