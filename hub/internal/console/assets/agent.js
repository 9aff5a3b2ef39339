// One agent: checks worst first, plots that grow as results come, and runs that stream.
import { $, agentClass, agentWord, ask, field, hubNow, live, plain, refusal, set, setCounts, setPresence, setState, setTime, severity, soon, span, stamp, stateClass, stateWord, took } from './shell.js';
import { Plot, spark } from './plot.js';

const fp = $('agent').dataset.fp;
const path = '/agents/' + fp;
const list = $('checks');
const cards = new Map();
const spans = { '1h': 3600e3, '6h': 6 * 3600e3, '24h': 24 * 3600e3, '7d': 7 * 24 * 3600e3 };
const queryOf = { '7d': '168h' };
const firstPlots = 24; // a box with a hundred disks draws the rest when asked
const maxPanel = 256 * 1024; // characters of a run's output, the newest

class Card {
  constructor(el) {
    this.el = el;
    this.name = el.dataset.check;
    this.path = `${path}/checks/${encodeURIComponent(this.name)}`;
    this.since = '1h';
    this.plots = new Map();
    this.draw = soon(() => this.redraw());
    const q = (s) => el.querySelector(s);
    this.run = q('[data-run]');
    this.run.disabled = false;
    this.run.addEventListener('click', () => this.start());
    q('[data-close]').addEventListener('click', () => { q('[data-panel]').hidden = true; });
    q('[data-ranges]').addEventListener('click', (e) => { if (e.target.dataset.since) { this.since = e.target.dataset.since; this.load(); } });
    el.addEventListener('toggle', () => { if (el.open) { history.replaceState(null, '', '#' + encodeURIComponent(this.name)); this.load(); } });
    watcher.observe(el);
  }

  fill(c) {
    this.el.dataset.rank = severity(c.state);
    const f = (name) => field(this.el, name);
    setState(f('state'), stateClass(c.state), stateWord(c.state));
    set(f('check'), c.check);
    set(f('text'), c.text);
    f('text').title = plain(c.text);
    setTime(f('last'), c.last.received);
    f('stale').hidden = !c.stale;
    set(f('word'), stateWord(c.state));
    setTime(f('since'), c.since);
    set(f('every'), c.every_ms ? 'every ' + span(c.every_ms) : 'by cron');
    set(f('plugin'), c.plugin);
    set(f('took'), 'took ' + took(c.last.duration_ms));
    const s = c.last.standing;
    const standing = s && [!s.hard && `soft ${s.attempt}/${s.attempts}`, s.flapping && `flapping (${s.flap_percent.toFixed(0)} %)`].filter(Boolean).join(', ');
    const remarks = [standing, c.last.timed_out && 'ended by its deadline', c.last.signal && 'ended by signal ' + c.last.signal,
      c.last.truncated && 'the output was longer than the limit and was cut', ...(c.last.problems || [])].filter(Boolean);
    f('remarks').replaceChildren(...remarks.map((r) => Object.assign(document.createElement('li'), { textContent: plain(r) })));
  }

  // take puts a new result into the row and at the end of each series.
  take(c) {
    this.fill(c);
    if (this.series) this.append(c.last);
    if (this.el.open) this.longSoon();
  }

  append(result) {
    const t = Date.parse(result.start);
    for (const p of result.perfdata || []) {
      let s = this.series.find((l) => l.label === p.label);
      if (!s) { s = { label: p.label, points: [] }; this.series.push(s); }
      Object.assign(s, { unit: p.unit, warn: p.warn, crit: p.crit });
      if (!s.points.length || s.points.at(-1)[0] < t) s.points.push([t, p.value]);
      while (s.points.length > 2000) s.points.shift();
    }
    this.draw();
  }

  async load() {
    const since = this.since;
    try {
      const got = await ask('GET', `${this.path}/series?since=${queryOf[since] || since}`);
      if (since !== this.since) return;
      this.series = got.labels;
    } catch { return; } // drawn when the line is back
    this.el.querySelectorAll('[data-since]').forEach((b) => b.setAttribute('aria-pressed', b.dataset.since === since));
    this.redraw();
    if (this.el.open) this.long();
  }

  redraw() {
    if (!this.series) return;
    const to = hubNow();
    const from = to - spans[this.since];
    const lead = this.series.find((s) => s.points.length > 1);
    if (lead) spark(field(this.el, 'spark'), lead, to - spans['1h'], to);
    if (!this.el.open) return;
    const box = this.el.querySelector('[data-plots]');
    this.el.querySelector('[data-ranges]').hidden = this.series.length === 0;
    this.series.slice(0, this.all ? undefined : firstPlots).forEach((s) => {
      let plot = this.plots.get(s.label);
      if (!plot) { plot = new Plot(s.label); this.plots.set(s.label, plot); box.insertBefore(plot.el, box.querySelector('.plots-more')); }
      plot.update(s, from, to);
    });
    if (!this.all && this.series.length > firstPlots && !box.querySelector('.plots-more')) {
      const more = Object.assign(document.createElement('button'), { type: 'button', className: 'quiet plots-more', textContent: `Show all ${this.series.length} series` });
      more.addEventListener('click', () => { this.all = true; more.remove(); this.redraw(); });
      box.append(more);
    }
  }

  longSoon = soon(() => this.long(), 500);

  async long() {
    let c;
    try { c = await ask('GET', this.path); } catch { return; }
    const pre = this.el.querySelector('[data-long]');
    pre.hidden = !c.last.long;
    set(pre, c.last.long || '');
  }

  async start() {
    const q = (s) => this.el.querySelector(s);
    const [head, out] = [q('[data-panel-head]'), q('[data-output]')];
    q('[data-panel]').hidden = false;
    out.replaceChildren();
    delete out.dataset.left;
    set(head, 'Running…');
    this.run.disabled = true;
    try {
      const answer = await fetch('/api/v1' + this.path + '/run', { method: 'POST', headers: { 'X-Limpet': '1' } });
      if (!answer.ok) throw await refusal(answer);
      let ended = false;
      for await (const said of lines(answer.body)) {
        if (said.output !== undefined) show(out, said.output, said.stderr);
        else if (said.error) throw new Error([said.error, said.hint].filter(Boolean).join('. '));
        else if (said.result) { ended = true; set(head, verdict(said)); }
      }
      if (!ended) throw new Error('The hub went away before the end. The run goes on, its result comes by itself');
    } catch (err) {
      set(head, err.message);
    }
    this.run.disabled = false;
  }
}

function verdict({ result, joined }) {
  const how = result.timed_out ? 'ended by its deadline' : result.signal ? 'ended by ' + result.signal : `exit ${result.exit}`;
  return `${stateWord(result.state)}: ${how}, took ${took(result.duration_ms)}${joined ? ' (joined a run in flight)' : ''}`;
}

function show(out, text, stderr) {
  const follow = out.scrollTop + out.clientHeight >= out.scrollHeight - 8;
  const part = document.createElement('span');
  if (stderr) part.className = 'err';
  part.textContent = plain(text);
  out.append(part);
  shorten(out);
  if (follow) out.scrollTop = out.scrollHeight;
}

// shorten leaves out what came first where the panel would hold too much, and says so.
function shorten(out) {
  const parts = out.getElementsByTagName('span');
  let size = 0;
  for (const p of parts) size += p.textContent.length;
  let left = Number(out.dataset.left || 0);
  while (size > maxPanel && parts.length > 1) {
    size -= parts[0].textContent.length;
    left += parts[0].textContent.length;
    parts[0].remove();
  }
  if (!left) return;
  out.dataset.left = left;
  let note = out.querySelector('em');
  if (!note) { note = document.createElement('em'); out.prepend(note); }
  note.textContent = `… the first ${Math.round(left / 1024)} KiB are not shown here; the result has what the agent keeps of them\n`;
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    for (const line of parts) if (line) yield JSON.parse(line);
  }
  if (rest.trim()) yield JSON.parse(rest);
}

// --- plots are read for what is seen, two at a time

const waiting = new Set();
let reading = 0;
const watcher = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    const card = cards.get(target.dataset.check);
    if (isIntersecting && card && !card.series) waiting.add(card);
  }
  more();
}, { rootMargin: '200px' });

function more() {
  for (const card of waiting) {
    if (reading >= 2) return;
    waiting.delete(card);
    reading++;
    card.load().finally(() => { reading--; more(); });
  }
}

// --- the list

function take(c) {
  let card = cards.get(c.check);
  if (!card) {
    const el = stamp('t-check');
    el.dataset.check = c.check;
    card = new Card(el);
    cards.set(c.check, card);
    card.fill(c);
    list.append(el);
    $('nochecks').hidden = true;
    arrange();
    return card;
  }
  const before = card.el.dataset.rank;
  card.take(c);
  if (before !== card.el.dataset.rank) arrange();
  return card;
}

// arrange puts the worst first, but never moves rows under somebody's hand.
function arrange() {
  if (list.matches(':hover') || list.contains(document.activeElement)) return;
  const order = [...cards.values()].sort((a, b) => a.el.dataset.rank - b.el.dataset.rank || (a.name < b.name ? -1 : 1));
  let at = list.firstElementChild;
  for (const { el } of order) {
    if (el === at) at = at.nextElementSibling; else list.insertBefore(el, at);
  }
}
list.addEventListener('pointerleave', arrange);

function head(a) {
  const root = document.querySelector('.head');
  set(field(root, 'name'), a.name);
  setState(field(root, 'state'), agentClass(a), agentWord(a));
  setCounts(field(root, 'counts'), a.counts);
  setPresence(root, a);
  $('rejected').hidden = !(a.revision_problems || []).length;
  set(field(root, 'wanted'), a.wanted_revision);
  set(field(root, 'why'), (a.revision_problems || []).join('; '));
  const aside = document.querySelector('.facts');
  const runs = a.revision ? String(a.revision) : 'defaults alone';
  const o = a.offer;
  set(field(aside, 'offer'), o.why ? (o.version ? `${o.version}: ${o.why}` : o.why) : o.version ? `${o.version}, which it runs` : '-');
  const u = a.update;
  const how = `${u.as} ${u.codec}`.trim();
  set(field(aside, 'update'), u.version ? `${u.version} cost ${u.bytes} bytes (${how})${u.of ? ` of ${u.of}` : ''}` : '-');
  set(field(aside, 'revision'), a.revision === a.wanted_revision ? runs : `${runs}, wanted ${a.wanted_revision}`);
  set(field(aside, 'results'), a.results);
  setTime(field(aside, 'last_seen'), a.last_seen);
}

for (const el of list.children) cards.set(el.dataset.check, new Card(el));

function openNamed() {
  const card = cards.get(decodeURIComponent(location.hash.slice(1)));
  if (!card) return;
  card.el.open = true;
  card.el.scrollIntoView({ block: 'nearest' });
}
openNamed();
addEventListener('hashchange', openNamed);

live(`?kinds=agent,agent-gone,check&agent=${fp}`, async () => {
  const a = await ask('GET', path).catch((err) => { if (err.status === 404) location.assign('/'); return null; });
  if (!a) return;
  head(a);
  a.checks.forEach((c) => take(c));
  const here = new Set(a.checks.map((c) => c.check));
  for (const [name, card] of cards) if (!here.has(name)) { card.el.remove(); cards.delete(name); }
  for (const card of cards.values()) if (card.series) card.load();
  arrange();
}, {
  agent: head,
  'agent-gone': () => location.assign('/'),
  check: ({ check }) => take(check),
});

// --- forget

const forget = $('forget');
forget.disabled = false;
forget.addEventListener('click', async () => {
  if (!confirm(`Forget ${field(document.querySelector('.head'), 'name').textContent}? Its key is refused until it enrols again.`)) return;
  try {
    await ask('DELETE', path);
    location.assign('/');
  } catch (err) {
    $('forget-problem').hidden = false;
    set($('forget-problem'), err.message);
  }
});

// Samples come through the inputs of the box, at most once in ten seconds each; they are asked for, as they are in no stream of events.
const samples = $('samples');
const short = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 6, useGrouping: false });

function row(sample) {
  const el = $('t-sample').content.querySelector('tr').cloneNode(true);
  set(field(el, 'name'), sample.name);
  set(field(el, 'value'), sample.value === null ? 'not measured' : short.format(sample.value));
  set(field(el, 'kind'), sample.kind);
  set(field(el, 'input'), sample.input);
  setTime(field(el, 'received'), sample.received);
  return el;
}

async function refreshSamples() {
  if (document.hidden) return;
  try {
    const { samples: all, more } = await ask('GET', path + '/samples');
    samples.hidden = all.length === 0;
    set(field(samples, 'count'), all.length + (more ? ' and more' : ''));
    samples.querySelector('tbody').replaceChildren(...all.map(row));
  } catch { /* the hub is away; the next time */ }
}
setInterval(refreshSamples, 10_000);
