// The log: what happens appears at the top.
import { $, ask, field, live, plain, set, setState, setTime, stamp, stateClass, stateWord } from './shell.js';

const list = $('log');
const show = new URLSearchParams(location.search).get('show') || '';
const most = 600;

const groups = { enrolled: 'presence', forgotten: 'presence', came: 'presence', left: 'presence', state: 'state', gap: 'loss', 'lost-run': 'loss' };
const group = (e) => groups[e.kind] || 'other';
const word = (e) => (e.kind === 'state' ? stateWord(e.state) : e.kind.replaceAll('-', ' '));
function look(e) {
  if (e.kind === 'state') return stateClass(e.state);
  if (e.kind === 'left' && e.cause === 'lost') return 'lost';
  return ['gap', 'lost-run', 'warning'].includes(e.kind) ? 'warning' : 'none';
}

function line(e) {
  const el = stamp('t-event');
  el.dataset.id = e.id;
  setTime(field(el, 'at'), e.at);
  setState(field(el, 'state'), look(e), word(e));
  if (e.fingerprint) {
    field(el, 'host').replaceChildren(Object.assign(document.createElement('a'), { href: '/agents/' + e.fingerprint, textContent: plain(e.hostname || e.fingerprint.slice(0, 12)) }));
  }
  set(field(el, 'text'), e.text);
  set(field(el, 'kind'), word(e));
  return el;
}

function add(e, fresh) {
  if (show && group(e) !== show) return;
  if (list.querySelector(`[data-id="${CSS.escape(e.id)}"]`)) return;
  const el = line(e);
  if (fresh) el.classList.add('fresh');
  list.prepend(el);
  $('nolog').hidden = true;
  while (list.children.length > most) list.lastElementChild.remove();
}

live('?kinds=log', async () => {
  const events = await ask('GET', '/log?limit=200').catch(() => []);
  events.reverse().forEach((e) => add(e, false));
}, { log: (e) => add(e, true) });
