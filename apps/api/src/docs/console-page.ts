/** The first page after the sign-in: how the funnel does. One page and one script, both from here; figures are asked of the API. */

const STYLE = `
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--good:#1a7f37;--bad:#b3261e;--link:#0b57d0}
@media (prefers-color-scheme:dark){:root{--good:#57c96b;--bad:#ff8a80;--link:#8ab4f8}}
*{box-sizing:border-box}
body{font:16px/1.45 system-ui;max-width:72rem;margin:0 auto;padding:0 1rem 4rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:baseline;padding:1.25rem 0 .5rem}
h1{font-size:1.5rem;margin:0 auto 0 0}
h2{font-size:1.1rem;margin:2rem 0 .5rem}
a,button.figure{color:var(--link)}
button.figure{font:inherit;background:none;border:0;padding:0;text-decoration:underline;text-underline-offset:.15em;cursor:pointer}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.5rem,1fr));gap:.75rem}
.card{border:1px solid var(--line);border-radius:.5rem;padding:.75rem 1rem}
.card h2{font-size:.95rem;font-weight:600;margin:0}
.card .big{font-size:2rem;line-height:1.25;font-variant-numeric:tabular-nums}
.card p{margin:.1rem 0 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}
td{overflow-wrap:anywhere}
.bar{display:block;height:.5rem;min-width:4rem;border-radius:.25rem;background:var(--soft);margin-top:.45rem}
.bar i{display:block;height:100%;border-radius:inherit;background:var(--link)}
.good{color:var(--good)}.bad{color:var(--bad)}
.note{opacity:.75}
form{display:flex;flex-wrap:wrap;gap:.5rem;margin:1rem 0}
input,select,form button{font:inherit;padding:.4rem .6rem}
input{flex:1 1 14rem;min-width:0}
@media (max-width:600px){.wide{display:none}}
`;

/** As wide as the device is, and no icon to be asked for: there is none. */
export const CONSOLE_PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>Funnel health</title><style>${STYLE}</style>
<header><h1>Funnel health</h1>
<label>Period <select id="period">
<option value="30">30 days</option><option value="90" selected>90 days</option><option value="365">365 days</option><option value="">all time</option>
</select></label><a href="/docs">API documentation</a><button class="figure" id="leave" hidden>Sign out</button></header>
<main id="main" aria-live="polite"></main>
<noscript>This page needs JavaScript; <a href="/docs">the API</a> does not.</noscript>
<script type="module" src="/console.js"></script></html>`;

/** Runs in the browser. The key stays in this tab, until it is closed or signed out. */
export const CONSOLE_SCRIPT = `
const KEY = 'lead-ledger-key';
const told = document.getElementById('key');
const main = document.getElementById('main');
if (told) sessionStorage.setItem(KEY, told.textContent);

const make = (tag, props = {}, ...inside) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...inside.filter((one) => one !== null && one !== undefined));
  return element;
};
const show = (...parts) => main.replaceChildren(...parts.filter(Boolean));
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const percent = (rate) => (rate === null ? '–' : number.format(rate * 100) + '\u00a0%');
const tz = Intl.DateTimeFormat().resolvedOptions().timeZone;
const names = {
  handoff_response: 'Answer to a handoff', first_contact: 'First contact', contact_cadence: 'Next attempt',
  recycle_reengagement: 'Re-engagement', post_sale_followup: 'Follow-up after the sale',
};

async function ask(path) {
  const answer = await fetch(path, { headers: { authorization: 'Bearer ' + sessionStorage.getItem(KEY) } });
  const body = await answer.json();
  if (answer.ok) return body;
  throw Object.assign(new Error(body.detail ?? body.title ?? 'status ' + answer.status), { status: answer.status });
}

/** A figure that shows its leads. */
const figure = (text, drill, title) =>
  make('button', { className: 'figure', onclick: () => leads(drill, title) }, text);
const share = ({ denominator, drill, drillDenominator, numerator }, title) =>
  make('span', {}, figure(number.format(numerator), drill, title), ' of ', figure(number.format(denominator), drillDenominator, title + ': all'));
const card = (title, big, ...notes) =>
  make('section', { className: 'card' }, make('h2', {}, title), make('div', { className: 'big' }, big),
    ...notes.map((note) => make('p', {}, note)));

function table(heads, rows) {
  const cells = (row, tag) => make('tr', {}, ...row.map((cell, index) => make(tag, { className: heads[index][1] ?? '' }, cell)));
  const body = make('tbody', {}, ...rows.map((row) => cells(row, 'td')));
  return make('div', { className: 'scroll' }, make('table', {}, make('thead', {}, cells(heads.map(([name]) => name), 'th')), body));
}
const bar = (rate) => {
  const inside = make('i');
  inside.style.width = (rate ?? 0) * 100 + '%';
  return make('span', { className: 'bar' }, inside);
};

function health({ asOf, total }) {
  const { acceptance, conversions, cycleLength, leadToCustomer, openQualified, qualified, sla, stale } = total;
  const target = 'target ' + percent(acceptance.target);
  const mark = { null: 'note', true: 'good', false: 'bad' }[acceptance.meetsTarget];
  show(
    make('div', { className: 'cards' },
      card('Qualified leads', figure(number.format(qualified.count), qualified.drill, 'Qualified leads'),
        make('span', {}, 'open now: ', figure(number.format(openQualified.count), openQualified.drill, 'Qualified and open'))),
      card('Lead to customer', percent(leadToCustomer.rate), share(leadToCustomer, 'Lead to customer')),
      card('Sales cycle', cycleLength.mean === null ? '–' : number.format(cycleLength.mean) + ' days',
        make('span', {}, cycleLength.p50 === null ? '' : 'half within ' + number.format(cycleLength.p50) + ' days, ',
          figure(number.format(cycleLength.n) + ' won', cycleLength.drill, 'Won deals'))),
      card('Accepted by sales', percent(acceptance.rate),
        make('span', {}, share(acceptance, 'Accepted by sales'), ', ', make('span', { className: mark }, target))),
      card('Stale leads', percent(stale.rate), share(stale, 'Stale leads')),
    ),
    make('h2', {}, 'From stage to stage'),
    table([['Step'], ['Leads', 'n'], ['Rate', 'n'], ['', 'wide']], conversions.map((one) => {
      const step = one.from + ' → ' + one.to;
      return [step, share(one, step), percent(one.rate), bar(one.rate)];
    })),
    make('h2', {}, 'Promises kept'),
    sla.length === 0
      ? make('p', { className: 'note' }, 'None fell due in this period.')
      : table([['Promise'], ['Kept', 'n'], ['Rate', 'n'], ['', 'wide']], sla.map(({ attainment, clockType }) => [
          names[clockType] ?? clockType, share(attainment, names[clockType] ?? clockType), percent(attainment.rate), bar(attainment.rate)])),
    make('p', { className: 'note' }, 'As of ' + new Date(asOf).toLocaleString() + '. Every number shows its leads.'),
  );
}

async function leads(drill, title) {
  try {
    const { count, items } = await ask(drill);
    const back = make('button', { className: 'figure', onclick: start }, 'Back');
    const rest = count > items.length ? 'The first ' + items.length + ' of ' + number.format(count) + '.' : '';
    show(make('p', {}, back), make('h2', {}, title + ' (' + number.format(count) + ')'),
      table([['Lead'], ['State'], ['Owner'], ['Source', 'wide'], ['Last change', 'wide']], items.map((one) => [
        one.leadId, one.state, one.ownerId ?? '–', one.source ?? '–', new Date(one.changedAt).toLocaleString()])),
      make('p', { className: 'note' }, rest));
  } catch (error) {
    failed(error);
  }
}

function failed(error) {
  if (error.status === 401) return signIn('This key is not known here.');
  show(make('p', { className: 'bad', role: 'alert' }, error.message), make('button', { className: 'figure', onclick: start }, 'Try again'));
}

function signIn(complaint) {
  sessionStorage.removeItem(KEY);
  document.getElementById('leave').hidden = true;
  const key = make('input', { type: 'password', required: true, autocomplete: 'off', placeholder: 'API key', ariaLabel: 'API key' });
  const onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, key.value.trim());
    void start();
  };
  show(
    complaint ? make('p', { className: 'bad', role: 'alert' }, complaint) : null,
    make('p', {}, 'Use the link that the start printed, or an API key. It stays in this tab.'),
    make('form', { onsubmit }, key, make('button', {}, 'Sign in')),
  );
}

async function start() {
  if (sessionStorage.getItem(KEY) === null) return signIn();
  document.getElementById('leave').hidden = false;
  const days = document.getElementById('period').value;
  const from = days === '' ? '' : '&from=' + new Date(Date.now() - days * 86400000).toISOString();
  try {
    health(await ask('/v1/reports/health?tz=' + encodeURIComponent(tz) + from));
  } catch (error) {
    failed(error);
  }
}

if (main) {
  document.getElementById('period').onchange = start;
  document.getElementById('leave').onclick = () => signIn();
  void start();
}
`;
