// What every page shares: the line to the hub, times that stay true, requests, and small ways to fill a row.

export const $ = (id) => document.getElementById(id);

// plain writes what nobody would see, or what turns the direction of reading, as its number: what a plugin or a box says of itself may have any character
// in it. All text of theirs goes through here; check.Unseen has the same ones.
const unseen = /[\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{180e}\u{200b}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2060}-\u{2064}\u{2066}-\u{2069}\u{feff}\u{e0000}-\u{e007f}]/gu;
export const plain = (text) => String(text).replace(unseen, (c) => '\\u' + c.codePointAt(0).toString(16).padStart(4, '0'));

// set writes text only where it differs, so that an update without news costs no layout.
export function set(el, text) {
  text = text == null ? '' : plain(text);
  if (el && el.textContent !== text) el.textContent = text;
}

export const field = (root, name) => root.querySelector(`[data-f="${name}"]`);

export function stamp(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

// --- words, as words.go has them

const causes = {
  lost: 'lost', stop: 'stopped', reload: 'restarting', upgrade: 'upgrading', shutdown: 'box shut down',
  deregister: 'deregistered', 'hub-stopped': 'the hub stopped', replaced: 'replaced',
};
export const isLost = (a) => a.presence === 'offline' && a.cause === 'lost';
export const stateClass = (s) => (s === 'LOST' ? 'lost' : ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'].includes(s) ? s.toLowerCase() : 'none');
export const stateWord = (s) => (s === 'OK' ? 'OK' : s ? s[0] + s.slice(1).toLowerCase() : 'No result');
export const agentClass = (a) => (isLost(a) ? 'lost' : a.presence === 'offline' ? 'none' : stateClass(a.state));
export const agentWord = (a) => (isLost(a) ? 'Lost' : a.presence === 'offline' ? 'Away' : stateWord(a.state));
export const presenceWord = (a) => (a.presence === 'offline' ? causes[a.cause] || a.cause || 'away' : a.presence);
export const severity = (s) => ({ LOST: 0, CRITICAL: 1, WARNING: 2, UNKNOWN: 3, OK: 4 })[s] ?? 5;
export const platform = (a) => [a.platform || a.os, a.arch].filter(Boolean).join(' · ');

export function span(ms) {
  if (ms < 0) return 'in ' + span(-ms);
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} days`;
}
export const ago = (ms) => (ms < 5000 ? 'just now' : ms < 0 ? span(ms) : span(ms) + ' ago');
export const took = (ms) => (ms < 1 ? 'under 1 ms' : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

// --- times. Relative to the hub's clock, which the line tells; this machine's may be wrong.

let clockOffset = 0;
export const hubNow = () => Date.now() + clockOffset;

export function setTime(slot, iso) {
  const el = slot && (slot.matches('time') ? slot : slot.querySelector('time'));
  if (!el || el.dateTime === (iso || '')) return;
  if (!iso) { el.removeAttribute('datetime'); el.removeAttribute('title'); set(el, 'never'); return; }
  el.dateTime = iso;
  el.title = new Date(iso).toLocaleString() + ' (' + iso.slice(0, 19).replace('T', ' ') + ' UTC)';
  tick(el);
}

function tick(el) {
  const past = hubNow() - Date.parse(el.dateTime);
  if (el.dataset.span !== undefined) set(el, span(Math.max(past, 0)));
  else set(el, past < 0 && past > -5000 ? 'just now' : past < 0 ? span(past) : ago(past));
}
const tickAll = () => { if (!document.hidden) document.querySelectorAll('time[datetime]').forEach(tick); };
setInterval(tickAll, 5000);
document.addEventListener('visibilitychange', tickAll);

// --- states

export function setState(el, cls, word) {
  if (!el) return;
  const name = 's-' + cls;
  if (!el.classList.contains(name)) {
    el.className = 'state ' + name;
    el.querySelector('use').setAttribute('href', '#m-' + cls);
  }
  set(el.lastElementChild, word);
}

export function mark(cls) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'mark');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', '#m-' + cls);
  svg.append(use);
  return svg;
}

export function setCounts(el, c) {
  const key = [c.critical, c.warning, c.unknown, c.ok].join();
  if (!el || el.dataset.key === key) return;
  el.dataset.key = key;
  el.replaceChildren(...[['critical', ' critical'], ['warning', ' warning'], ['unknown', ' unknown'], ['ok', ' OK']]
    .filter(([k]) => c[k] > 0).map(([k, word]) => {
      const part = document.createElement('span');
      part.className = 's-' + k;
      const away = document.createElement('span');
      away.className = 'away';
      away.textContent = word;
      part.append(mark(k), String(c[k]), away);
      return part;
    }));
}

export function setPresence(root, a) {
  const word = field(root, 'presence');
  set(word, presenceWord(a));
  word.classList.toggle('s-lost', isLost(a));
  setTime(field(root, 'since'), a.since);
}

// --- requests

// ask gives the JSON of an answer; a refusal is thrown with its hint.
export async function ask(method, path, body, type = 'application/json') {
  let answer;
  try {
    answer = await fetch('/api/v1' + path, { method, body, headers: { 'X-Limpet': '1', ...(body ? { 'Content-Type': type } : {}) } });
  } catch {
    throw new Error('The hub does not answer. Is it running?');
  }
  if (answer.status === 401) { location.assign('/'); throw new Error('Signed out.'); }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw await refusal(answer);
}

export async function refusal(answer) {
  let said = {};
  try { said = await answer.json(); } catch { /* no JSON: an answer of something in between */ }
  const err = new Error([said.error || `The hub answered ${answer.status}`, said.hint].filter(Boolean).join('. '));
  return Object.assign(err, { problems: said.problems || [], status: answer.status });
}

// --- the line

// live follows the hub's events. hello is called at each (re)connection: read the lists anew there.
export function live(query, hello, on) {
  let source;
  const show = (yes) => {
    $('live').dataset.live = yes ? 'yes' : 'no';
    set($('live').querySelector('.word'), yes ? 'live' : 'no line to the hub');
  };
  const open = () => {
    source = new EventSource('/api/v1/events' + query);
    source.addEventListener('hello', (e) => {
      clockOffset = Date.parse(JSON.parse(e.data).time) - Date.now();
      show(true);
      hello();
    });
    for (const [kind, fn] of Object.entries(on)) source.addEventListener(kind, (e) => fn(JSON.parse(e.data)));
    source.onerror = () => {
      show(false);
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      setTimeout(async () => {
        const answer = await fetch('/api/v1/hub').catch(() => null);
        if (answer && answer.status === 401) location.reload();
        else open();
      }, 3000);
    };
  };
  open();
  addEventListener('pagehide', () => source.close());
  addEventListener('pageshow', (e) => { if (e.persisted) open(); });
}

// soon calls fn once for any number of calls within a frame, or within ms where that is given.
export function soon(fn, ms) {
  let waiting = false;
  const run = () => { waiting = false; fn(); };
  return () => {
    if (waiting) return;
    waiting = true;
    if (ms) setTimeout(run, ms); else requestAnimationFrame(run);
  };
}

// --- copying, signing out

document.addEventListener('click', async (e) => {
  const button = e.target.closest('[data-copy]');
  if (!button) return;
  await navigator.clipboard.writeText(button.parentElement.querySelector('code').textContent);
  set(button, 'Copied');
  setTimeout(() => set(button, 'Copy'), 1500);
});
if (navigator.clipboard) document.querySelectorAll('[data-copy]').forEach((b) => { b.hidden = false; });

const out = $('signout');
if (out) {
  out.hidden = false;
  out.addEventListener('click', async () => { await ask('DELETE', '/session'); location.assign('/'); });
}
// A page without lists still says whether the hub is there.
if (['missing', 'tokens', 'checks'].includes(document.body.dataset.page)) live('?kinds=none', () => {}, {});
