// The editor of checks.yaml: problems are shown at their lines.
import { $, ask, plain, set, setTime } from './shell.js';

const text = $('text');
const gutter = $('gutter');
let bad = new Set();

function number() {
  const n = Math.max(text.value.split('\n').length, 1);
  const key = n + ':' + [...bad];
  if (gutter.dataset.key === key) return;
  gutter.dataset.key = key;
  const parts = [];
  let run = '';
  for (let i = 1; i <= n; i++) {
    if (!bad.has(i)) { run += i + '\n'; continue; }
    parts.push(run, Object.assign(document.createElement('b'), { textContent: i }));
    run = '';
  }
  gutter.replaceChildren(...parts, run + '\n\n');
  gutter.scrollTop = text.scrollTop;
}

function go(line, column) {
  const lines = text.value.split('\n');
  const start = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0);
  const length = (lines[line - 1] || '').length;
  text.focus();
  text.setSelectionRange(start + Math.min(Math.max(column - 1, 0), length), start + length);
  text.scrollTop = Math.max(0, (line - 6) * 21);
}

function problems(list) {
  bad = new Set(list.map((p) => p.line));
  number();
  $('problems-list').replaceChildren(...list.map((p) => {
    const button = Object.assign(document.createElement('button'), { type: 'button' });
    const place = Object.assign(document.createElement('span'), { className: 'place', textContent: 'Line ' + p.line });
    button.append(place, Object.assign(document.createElement('span'), { textContent: plain(p.text) }));
    button.addEventListener('click', () => go(p.line, p.column));
    const item = document.createElement('li');
    item.append(button);
    return item;
  }));
}

const agentsWord = (n) => `${n} agent${n === 1 ? '' : 's'}`;

async function send(dry) {
  $('try').disabled = $('apply').disabled = true;
  try {
    const got = await ask('PUT', '/desired' + (dry ? '?dry-run=1' : ''), text.value || '\n', 'application/yaml');
    problems([]);
    const what = dry ? `No mistakes. Applying it changes ${agentsWord(got.changed)} of ${got.agents}.`
      : `Applied as revision ${got.revision}: ${agentsWord(got.changed)} of ${got.agents} get something new.`;
    set($('outcome'), [what, ...(got.notes || []).map((n) => 'Note: ' + n + '.')].join(' '));
    if (!dry) await current();
  } catch (err) {
    problems(err.problems || []);
    set($('outcome'), err.problems?.length ? (err.problems.length === 1 ? 'One mistake; nothing was applied.' : `${err.problems.length} mistakes; nothing was applied.`) : err.message);
  }
  $('try').disabled = $('apply').disabled = false;
}

async function current() {
  const d = await ask('GET', '/desired');
  const time = document.createElement('time');
  setTime(time, d.applied);
  $('revision').replaceChildren(`Revision ${d.revision}, applied `, time, ` by ${d.by}`);
}

$('desired').addEventListener('submit', (e) => { e.preventDefault(); send(false); });
$('try').addEventListener('click', () => send(true));
text.addEventListener('input', () => { set($('outcome'), ''); number(); });
text.addEventListener('scroll', () => { gutter.scrollTop = text.scrollTop; });
text.addEventListener('keydown', (e) => {
  if ((e.ctrlKey || e.metaKey) && e.key === 'Enter') { e.preventDefault(); send(false); }
});
$('try').disabled = $('apply').disabled = false;
const insert = $('insert');
insert.hidden = text.value.trim() !== '';
insert.addEventListener('click', () => { text.value = $('example').textContent + '\n'; insert.hidden = true; number(); text.focus(); });
number();
