// Tokens: make one, see it once, revoke it.
import { $, ask, field, set, setTime, stamp } from './shell.js';

const body = $('tokens');

function row(t) {
  const el = stamp('t-token');
  el.dataset.id = t.id;
  set(field(el, 'id'), t.id);
  set(field(el, 'note'), t.note);
  set(field(el, 'uses'), t.uses_left);
  setTime(field(el, 'expires'), t.expires);
  set(field(el, 'ephemeral'), t.ephemeral_ms ? `leave after ${Math.round(t.ephemeral_ms / 60000)} min` : 'stay');
  return el;
}

function empty() { $('notokens').hidden = body.rows.length > 0; }

const enable = () => body.querySelectorAll('[data-revoke]').forEach((b) => { b.disabled = false; });

const form = $('make');
const button = form.querySelector('button');
button.disabled = false;
form.addEventListener('submit', async (e) => {
  e.preventDefault();
  button.disabled = true;
  $('make-problem').hidden = true;
  try {
    const made = await ask('POST', '/tokens', JSON.stringify({ uses: Number(form.uses.value), ttl_ms: Number(form.ttl.value), note: form.note.value.trim(), ephemeral_ms: Number(form.ephemeral.value) }));
    set($('made-token'), made.token);
    set($('made-install'), made.install);
    $('made-install-all').hidden = !made.install;
    set($('made-limits'), `Good for ${made.uses_left === 1 ? 'one box' : made.uses_left + ' boxes'}, until ${new Date(made.expires).toLocaleString()}.`);
    $('made').hidden = false;
    $('made-h').focus();
    body.prepend(row({ ...made, note: form.note.value.trim() }));
    form.note.value = '';
    enable();
    empty();
  } catch (err) {
    $('make-problem').hidden = false;
    set($('make-problem'), err.message);
  }
  button.disabled = false;
});

body.addEventListener('click', async (e) => {
  const revoke = e.target.closest('[data-revoke]');
  if (!revoke) return;
  revoke.disabled = true;
  const line = revoke.closest('tr');
  try {
    await ask('DELETE', '/tokens/' + encodeURIComponent(line.dataset.id));
    line.remove();
    empty();
  } catch (err) {
    set(revoke, 'Not revoked');
    revoke.title = err.message;
  }
});
enable();
