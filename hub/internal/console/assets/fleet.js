// The fleet: agents come, change and leave in place; what is wrong is read anew when something changed.
import { $, agentClass, agentWord, ask, field, isLost, live, plain, platform, set, setCounts, setPresence, setState, setTime, severity, soon, stamp, stateClass, stateWord } from './shell.js';

const body = $('agents');
const agents = new Map(); // fingerprint → agent, as the hub last said
const rows = new Map(); // fingerprint → its row
const dirty = new Set();
let show = new URLSearchParams(location.search).get('show') || '';
const shownProblems = 8;

for (const row of body.rows) rows.set(row.dataset.fp, row);

const rank = (a) => (isLost(a) ? severity('LOST') : a.presence === 'offline' ? severity('') : severity(a.state));
const compare = (a, b) => rank(a) - rank(b) || cmp(a.name, b.name) || cmp(a.fingerprint, b.fingerprint);
const cmp = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function haystack(a) {
  return [a.name, a.hostname, a.fingerprint, a.platform, a.core_version, ...(a.tags || []), ...(a.addresses || [])].join(' ').toLowerCase();
}

function fits(a, words) {
  return (!show || agentClass(a) === show) && words.every((w) => a.haystack.includes(w));
}

function fill(row, a) {
  row.dataset.fp = a.fingerprint;
  setState(field(row, 'state'), agentClass(a), agentWord(a));
  const name = field(row, 'name');
  set(name, a.name);
  if (!name.href.endsWith(a.fingerprint)) name.href = '/agents/' + a.fingerprint;
  set(field(row, 'platform'), platform(a));
  setPresence(row, a);
  setCounts(field(row, 'counts'), a.counts);
  set(field(row, 'core'), a.offer.version && a.offer.why ? `${a.core_version} → ${a.offer.version}` : a.core_version);
  const tags = field(row, 'tags');
  const key = (a.tags || []).join('\0');
  if (tags.dataset.key !== key) {
    tags.dataset.key = key;
    tags.replaceChildren(...(a.tags || []).map((t) => Object.assign(document.createElement('span'), { className: 'tag', textContent: plain(t) })));
  }
}

const draw = soon(() => {
  for (const fp of dirty) {
    const a = agents.get(fp);
    if (!a) { rows.get(fp)?.remove(); rows.delete(fp); continue; }
    let row = rows.get(fp);
    if (!row) {
      row = stamp('t-agent');
      rows.set(fp, row);
      if (settled) row.classList.add('fresh');
    }
    fill(row, a);
  }
  dirty.clear();
  arrange();
  head();
});
let settled = false; // what comes after the first list is news

// arrange puts rows in order and hides what does not fit. While somebody points at the table or walks through it rows stay
// where they are, so that nobody clicks what has just moved under the hand.
function arrange(force) {
  const words = $('q').value.toLowerCase().split(/\s+/).filter(Boolean);
  const still = !force && (body.matches(':hover') || body.contains(document.activeElement));
  let at = body.firstElementChild;
  let shown = 0;
  for (const a of [...agents.values()].sort(compare)) {
    const row = rows.get(a.fingerprint);
    if (!row) continue;
    const hidden = !fits(a, words);
    if (row.hidden !== hidden) row.hidden = hidden;
    if (!hidden) shown++;
    if (!row.isConnected) body.insertBefore(row, still ? null : at);
    else if (!still && row !== at) body.insertBefore(row, at);
    else if (row === at) at = at.nextElementSibling;
  }
  $('nomatch').hidden = shown > 0;
}
body.addEventListener('pointerleave', () => arrange());

function head() {
  const all = [...agents.values()];
  const online = all.filter((a) => a.presence !== 'offline').length;
  set($('summary'), `${all.length} agent${all.length === 1 ? '' : 's'}, ${online} online`);
  $('nobody').hidden = all.length > 0;
  $('everybody').hidden = all.length === 0;
  const count = { '': all.length };
  for (const a of all) count[agentClass(a)] = (count[agentClass(a)] || 0) + 1;
  document.querySelectorAll('[data-show]').forEach((chip) => set(chip.querySelector('b'), count[chip.dataset.show] || 0));
}

function changed(a) {
  a.haystack = haystack(a);
  agents.set(a.fingerprint, a);
  dirty.add(a.fingerprint);
  draw();
}

// --- what is wrong

const lines = new Map();
for (const line of $('problems').children) lines.set(line.dataset.key, line);

const wrong = soon(async () => {
  const answer = await fetch(`/api/v1/problems?limit=${shownProblems}`).catch(() => null);
  if (!answer?.ok) return; // the line says so, and asks again
  const problems = await answer.json();
  const all = Number(answer.headers.get('X-Total-Count'));
  set($('wrong-count'), all);
  $('calm').hidden = all > 0;
  const seen = new Set();
  let at = $('problems').firstElementChild;
  for (const p of problems) {
    const key = plain(p.fingerprint + '/' + (p.check || ' ' + p.text)); // an agent may have several of its own
    seen.add(key);
    let line = lines.get(key);
    if (!line) { line = stamp('t-problem'); line.dataset.key = key; lines.set(key, line); }
    setState(field(line, 'state'), stateClass(p.state), stateWord(p.state));
    set(field(line, 'host'), p.name);
    set(field(line, 'check'), p.check ? ' ' + p.check : '');
    set(field(line, 'text'), p.text);
    field(line, 'text').title = plain(p.text);
    field(line, 'where').href = '/agents/' + p.fingerprint + (p.check ? '#' + encodeURIComponent(p.check) : '');
    setTime(field(line, 'since'), p.since);
    if (line === at) at = at.nextElementSibling; else $('problems').insertBefore(line, at);
  }
  for (const [key, line] of lines) if (!seen.has(key)) { line.remove(); lines.delete(key); }
  const more = all - problems.length;
  $('more').hidden = more <= 0;
  set($('more').querySelector('span'), more);
}, 300);

// --- rollouts that the hub stopped

const stopped = soon(async () => {
  const answer = await ask('GET', '/rollouts').catch(() => null);
  if (!answer) return;
  const lines = answer.rollouts.filter((r) => r.stopped).map((r) => {
    const line = stamp('t-rollout');
    line.dataset.key = r.version;
    set(field(line, 'version'), r.version);
    set(field(line, 'why'), r.why);
    setTime(field(line, 'since'), r.stopped);
    line.querySelector('[data-resume]').hidden = false;
    return line;
  });
  $('rollouts').replaceChildren(...lines);
  $('stopped').hidden = lines.length === 0;
}, 300);
$('rollouts').addEventListener('click', async (e) => {
  const button = e.target.closest('[data-resume]');
  if (!button) return;
  const line = button.closest('[data-key]');
  button.disabled = true;
  try {
    await ask('POST', `/rollouts/${encodeURIComponent(line.dataset.key)}/resume`);
    stopped();
  } catch (err) { set(field(line, 'why'), err.message); }
});

// --- search and filter

const search = new URLSearchParams(location.search);
function remember() {
  for (const [k, v] of [['q', $('q').value], ['show', show]]) if (v) search.set(k, v); else search.delete(k);
  history.replaceState(null, '', '/' + (search.size ? '?' + search : ''));
}
$('q').addEventListener('input', soon(() => { arrange(true); remember(); }));
$('q').form.addEventListener('submit', (e) => e.preventDefault());
document.querySelector('.chips').addEventListener('click', (e) => {
  const chip = e.target.closest('[data-show]');
  if (!chip || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  show = chip.dataset.show;
  document.querySelectorAll('[data-show]').forEach((c) => { if (c === chip) c.setAttribute('aria-current', 'true'); else c.removeAttribute('aria-current'); });
  arrange(true);
  remember();
});

live('?kinds=agent,agent-gone,log', async () => {
  const all = await ask('GET', '/agents').catch(() => null);
  if (!all) return;
  const here = new Set(all.map((a) => a.fingerprint));
  for (const fp of [...agents.keys(), ...rows.keys()]) if (!here.has(fp)) { agents.delete(fp); dirty.add(fp); }
  all.forEach(changed);
  draw();
  wrong();
  stopped();
  setTimeout(() => { settled = true; }, 500);
}, {
  agent: (a) => { changed(a); wrong(); },
  'agent-gone': ({ fingerprint }) => { agents.delete(fingerprint); dirty.add(fingerprint); draw(); wrong(); },
  log: (e) => { if (e.kind === 'state') wrong(); if (e.kind === 'rollout') stopped(); },
});
