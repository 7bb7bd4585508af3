// What the Node suites know besides an SDK: where the gateway is, and how to reach its two neighbours.
//
// The SDK under test is loaded from the environment that `launch.py` names, so one file serves every version.
// Charges are recomputed by the Python suites; here the models are only names.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const required = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; start the suites with tests/sdk/launch.py`);
  return value;
};

export const URL = required('LMHAVEN_URL');
export const KEY = required('LMHAVEN_KEY');
const ADMIN = required('LMHAVEN_ADMIN_URL');
const ADMIN_TOKEN = required('LMHAVEN_ADMIN_TOKEN');
const SIMULATOR = required('LMHAVEN_SIMULATOR');

export const sdk = createRequire(join(required('LMHAVEN_SDK_HOME'), 'package.json'));

export const CLAUDE = ['claude-opus-4-7', 'claude-sonnet-4-6', 'claude-haiku-4-5'];
export const GEMINI = ['gemini-3-1-pro', 'gemini-3-flash'];
export const MODELS = [...CLAUDE, ...GEMINI, 'gpt-sim'];
// One model of every upstream protocol, for what depends on the protocol alone.
export const ONE_OF_EACH = ['claude-haiku-4-5', 'gemini-3-flash', 'gpt-sim'];

// Two to four bytes per character, combining marks, and the separators that careless line splitters break at.
export const UNICODE = 'Grüße, 世界 🌍 — e\u0301, line\u2028separator, next\u0085line, tab\tand "quotes" \\ backslash.';

// A red pixel.
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';

export const CITY = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};

// A text that no other test uses: rules and calls at the simulator are found by it.
export const marker = () => `case-${randomUUID()}`;

async function exchange(method, url, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

// Tells the simulator how to answer calls whose body contains the text; `times: null` is every time.
export const script = (text, act, times = null) =>
  exchange('POST', `${SIMULATOR}/__script`, { marker: text, times, act });

// The calls that the simulator got with this text in their body, oldest first.
export async function upstreamCalls(text) {
  const calls = await exchange('GET', `${SIMULATOR}/__calls`);
  return calls.filter((call) => JSON.stringify(call.body).includes(text));
}

// The body of the newest call with this text, as JSON.
export async function upstreamBody(text) {
  return JSON.stringify((await upstreamCalls(text)).at(-1).body);
}

// A key of a new workspace.
export async function workspaceKey({ verified = true, credit = '5.00', limits = null, ...key } = {}) {
  const name = marker();
  const body = { name, owner_email: `${name}@example.com`, email_verified: verified };
  const created = await exchange('POST', `${ADMIN}/admin/v1/workspaces`, body, ADMIN_TOKEN);
  const workspace = `${ADMIN}/admin/v1/workspaces/${created.id}`;
  if (credit !== null) {
    const entry = { amount_usd: credit, reason: 'SDK tests', idempotency_key: name };
    await exchange('POST', `${workspace}/credits`, entry, ADMIN_TOKEN);
  }
  if (limits !== null) await exchange('PATCH', workspace, limits, ADMIN_TOKEN);
  return (await exchange('POST', `${workspace}/keys`, { name, ...key }, ADMIN_TOKEN)).secret;
}

// Every refusal that needs no upstream: its name, status, `error.type`, `error.code`, and how to get such a key.
export const REFUSALS = [
  ['bad key', 401, 'authentication_error', 'invalid_api_key', async () => 'sk-lmh-this-is-no-key'],
  ['no money', 402, 'billing_error', 'insufficient_balance', () => workspaceKey({ credit: null })],
  ['spent key', 402, 'billing_error', 'key_spend_limit', () => workspaceKey({ spend_limit_usd: '0.000000001' })],
  ['unverified', 403, 'permission_error', 'email_not_verified', () => workspaceKey({ verified: false })],
];

// All items of a stream.
export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

// The error that a promise ends with; ending without one fails.
export async function errorOf(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`no error, but ${JSON.stringify(value)}`);
}
