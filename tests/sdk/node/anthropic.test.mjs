// The Anthropic SDK for Node. Run unchanged under every version in `environments.py`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CITY, CLAUDE, GEMINI, KEY, MODELS, ONE_OF_EACH, PNG, REFUSALS, UNICODE, URL, collect, errorOf, marker, script, sdk,
  upstreamBody, upstreamCalls, workspaceKey,
} from './gateway.mjs';

const { Anthropic } = sdk('@anthropic-ai/sdk');
const options = { baseURL: URL, apiKey: KEY, maxRetries: 0, timeout: 30_000 };
const client = new Anthropic(options);
const patient = new Anthropic({ ...options, maxRetries: 2 });
// The address that the old public documentation named: the SDK then calls /v1/v1/messages.
const doubled = new Anthropic({ ...options, baseURL: `${URL}/v1` });

const TOOLS = ['get_weather', 'get_time'].map((name) => ({
  name,
  description: `${name} of a city`,
  input_schema: CITY,
}));
const user = (content) => ({ role: 'user', content });
const ask = (model, content, more = {}) => ({ model, messages: [user(content)], max_tokens: 2000, ...more });
const textOf = (message) => message.content.map((block) => block.text ?? '').join('');
const usesOf = (message) => message.content.filter((block) => block.type === 'tool_use');
const thinkingOf = (model) =>
  ['claude-opus-4-7', 'claude-sonnet-4-6'].includes(model)
    ? { type: 'adaptive', display: 'summarized' }
    : { type: 'enabled', budget_tokens: 1024 };

// Sends the tools' results back and checks that they reached the model, with the signature that Gemini insists on.
async function finishRoundTrip(asked, name, content, uses) {
  const results = uses.map(({ id }, n) => ({ type: 'tool_result', tool_use_id: id, content: `${name} result ${n}` }));
  const messages = [...asked.messages, { role: 'assistant', content }, user(results)];
  const final = await client.messages.create({ ...asked, messages });
  assert.equal(final.stop_reason, 'end_turn');
  assert.ok(textOf(final).includes(`${name} result 0`));
  const sent = await upstreamBody(name);
  for (const result of results) assert.ok(sent.includes(result.content));
  if (GEMINI.includes(asked.model)) {
    assert.ok(sent.includes('thoughtSignature') && !sent.includes('skip_thought_signature_validator'));
  }
}

for (const model of MODELS) {
  for (const [where, own] of [['the host', client], ['the host and /v1', doubled]]) {
    test(`${model}: plain and streaming at ${where}`, async () => {
      const text = marker();
      await script(text, { text: UNICODE, split: true });
      const { data, response } = await own.messages.create(ask(model, text)).withResponse();
      assert.deepEqual([data.model, data.role, data.stop_reason], [model, 'assistant', 'end_turn']);
      assert.equal(textOf(data), UNICODE);
      assert.ok(data.usage.input_tokens > 0 && data.usage.output_tokens > 0);
      assert.match(data._request_id, /^req_/);
      assert.equal(response.headers.get('x-request-id'), data._request_id);
      assert.ok(Number(response.headers.get('lmhaven-cost-usd')) > 0);

      const events = await collect(await own.messages.create(ask(model, text, { stream: true })));
      assert.equal(events[0].type, 'message_start');
      assert.equal(events[0].message.model, model);
      assert.equal(events.map((event) => event.delta?.text ?? '').join(''), UNICODE);
      const [delta, stop] = events.slice(-2);
      assert.deepEqual([delta.type, delta.delta.stop_reason, stop.type], ['message_delta', 'end_turn', 'message_stop']);
      assert.ok(Number(delta.usage.cost_usd) > 0);
    });

    test(`${model}: count_tokens at ${where}`, async () => {
      const count = async (text) =>
        (await own.messages.countTokens({ model, messages: [user(text)] })).input_tokens;
      const short = await count('Hello.');
      assert.ok(short > 0 && short < (await count('Hello, and a good many words more. '.repeat(20))));
    });
  }

  test(`${model}: stream helper`, async () => {
    const asked = ask(model, marker());
    const plain = await client.messages.create(asked);
    const stream = client.messages.stream(asked);
    const pieces = [];
    stream.on('text', (piece) => pieces.push(piece));
    const final = await stream.finalMessage();
    assert.ok(pieces.length > 1);
    assert.equal(pieces.join(''), textOf(final));
    assert.equal(textOf(final), textOf(plain));
    assert.equal(final.usage.output_tokens, plain.usage.output_tokens);
    assert.equal(final.usage.input_tokens, plain.usage.input_tokens);
  });

  for (const count of [1, 2]) {
    for (const way of ['plain', 'streamed']) {
      for (const echo of ['echoed', 'rebuilt']) {
        test(`${model}: ${count === 2 ? 'parallel tools' : 'a tool'}, ${way}, ${echo}`, async () => {
          const name = marker();
          const text = `${name} What is the weather in Paris? ${count === 2 ? 'parallel' : ''}`;
          const asked = ask(model, text, { tools: TOOLS });
          const message =
            way === 'plain' ? await client.messages.create(asked) : await client.messages.stream(asked).finalMessage();
          assert.equal(message.stop_reason, 'tool_use');
          const uses = usesOf(message);
          assert.deepEqual(uses.map((use) => use.name), ['get_weather', 'get_time'].slice(0, count));
          assert.equal(new Set(uses.map((use) => use.id)).size, count);
          for (const use of uses) assert.deepEqual(use.input, { city: 'Paris' });
          const rebuilt = uses.map(({ id, name, input }) => ({ type: 'tool_use', id, name, input }));
          await finishRoundTrip(asked, name, echo === 'echoed' ? message.content : rebuilt, uses);
        });
      }
    }
  }

  test(`${model}: structured output`, async () => {
    const output_config = { format: { type: 'json_schema', schema: CITY } };
    const asked = ask(model, marker(), { output_config });
    assert.deepEqual(JSON.parse(textOf(await client.messages.create(asked))), { city: 'Paris' });
    assert.deepEqual(JSON.parse(textOf(await client.messages.stream(asked).finalMessage())), { city: 'Paris' });
    assert.deepEqual(JSON.parse(textOf(await client.messages.parse(asked))), { city: 'Paris' });
  });

  test(`${model}: an image`, async () => {
    const name = marker();
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } };
    assert.ok(textOf(await client.messages.create(ask(model, [{ type: 'text', text: name }, image]))));
    assert.ok((await upstreamBody(name)).includes(PNG));
  });
}

for (const model of [...CLAUDE, ...GEMINI]) {
  for (const way of ['plain', 'streamed']) {
    test(`${model}: thinking and its signature make the round trip, ${way}`, async () => {
      const name = marker();
      const asked = ask(model, `${name} What is the weather in Paris?`, { tools: TOOLS, thinking: thinkingOf(model) });
      const message =
        way === 'plain' ? await client.messages.create(asked) : await client.messages.stream(asked).finalMessage();
      const [thought] = message.content;
      assert.equal(thought.type, 'thinking');
      assert.ok(thought.thinking && thought.signature);
      await finishRoundTrip(asked, name, message.content, usesOf(message));
    });
  }
}

test('models', async () => {
  for (const own of [client, doubled]) {
    const listed = (await collect(own.models.list({ limit: 1000 }))).map((model) => model.id);
    for (const model of MODELS) {
      assert.ok(listed.includes(model));
      assert.equal((await own.models.retrieve(model)).id, model);
    }
  }
});

const CLASSES = {
  400: Anthropic.BadRequestError, 401: Anthropic.AuthenticationError,
  // A class of its own only since 1.0.
  402: Anthropic.PaymentRequiredError ?? Anthropic.APIError,
  403: Anthropic.PermissionDeniedError, 404: Anthropic.NotFoundError, 429: Anthropic.RateLimitError,
};

function check(error, status, type, code) {
  assert.ok(error instanceof CLASSES[status], String(error));
  assert.deepEqual([error.status, error.type, error.error.error.code], [status, type, code]);
  assert.match(error.requestID, /^req_/);
  assert.equal(error.error.request_id, error.requestID);
}

for (const [name, status, type, code, keyOf] of REFUSALS) {
  test(`refused: ${name}`, async () => {
    const text = marker();
    const refused = new Anthropic({ ...options, maxRetries: 2, apiKey: await keyOf() });
    for (const stream of [false, true]) {
      const asked = ask('claude-haiku-4-5', text, { stream });
      check(await errorOf(refused.messages.create(asked)), status, type, code);
    }
    assert.deepEqual(await upstreamCalls(text), []);
  });
}

test('an unknown model', async () => {
  const error = await errorOf(client.messages.create(ask('no-such-model', marker())));
  check(error, 404, 'not_found_error', 'model_not_found');
});

test('a parameter that changes the price', async () => {
  const error = await errorOf(client.messages.create(ask('claude-haiku-4-5', marker(), { speed: 'fast' })));
  check(error, 400, 'invalid_request_error', 'unsupported_parameter');
  assert.equal(error.error.error.param, 'speed');
});

test('the rate limit', async () => {
  const limited = new Anthropic({ ...options, apiKey: await workspaceKey({ limits: { requests_per_minute: 1 } }) });
  await limited.messages.create(ask('claude-haiku-4-5', marker()));
  const error = await errorOf(limited.messages.create(ask('claude-haiku-4-5', marker())));
  check(error, 429, 'rate_limit_error', 'rate_limit_exceeded');
  const header = (name) => Number(error.headers.get(name));
  assert.ok(header('retry-after') >= 1 && header('retry-after') <= 60);
  assert.equal(header('retry-after'), Math.ceil(header('retry-after-ms') / 1000));
});

for (const model of ONE_OF_EACH) {
  for (const stream of [false, true]) {
    const way = stream ? 'streamed' : 'plain';
    const isWhole = async (answer) =>
      stream ? (await collect(answer)).at(-1).type === 'message_stop' : answer.stop_reason === 'end_turn';

    test(`${model}: one upstream failure is not seen, ${way}`, async () => {
      const text = marker();
      await script(text, { status: 503 }, 1);
      assert.ok(await isWhole(await client.messages.create(ask(model, text, { stream }))));
      assert.equal((await upstreamCalls(text)).length, 2);
    });

    test(`${model}: a failed retry is not repeated by the SDK, ${way}`, async () => {
      const text = marker();
      await script(text, { status: 529 });
      const error = await errorOf(patient.messages.create(ask(model, text, { stream })));
      assert.ok(error instanceof Anthropic.InternalServerError, String(error));
      assert.deepEqual([error.status, error.type], [529, 'overloaded_error']);
      assert.equal((await upstreamCalls(text)).length, 2);
    });

    test(`${model}: the SDK waits out an upstream rate limit, ${way}`, async () => {
      const text = marker();
      await script(text, { status: 429, retry_after: '1' }, 1);
      assert.ok(await isWhole(await patient.messages.create(ask(model, text, { stream }))));
      assert.equal((await upstreamCalls(text)).length, 2);
    });
  }

  for (const cut of ['after_events', 'reset_after_events']) {
    test(`${model}: a stream cut by ${cut} raises`, async () => {
      const name = marker();
      await script(name, { cut: { [cut]: 5 }, events: 12 });
      let text = '';
      const error = await errorOf(
        (async () => {
          const stream = await patient.messages.create(ask(model, name, { stream: true }));
          for await (const event of stream) text += event.delta?.text ?? '';
        })(),
      );
      assert.ok(text, 'what came before the cut is delivered');
      assert.ok(error instanceof Anthropic.APIError, String(error));
      assert.equal(error.type, 'api_error');
      assert.equal((await upstreamCalls(name)).length, 1);
    });

    test(`${model}: a stream cut by ${cut} raises in the helper`, async () => {
      const name = marker();
      await script(name, { cut: { [cut]: 5 }, events: 12 });
      const error = await errorOf(patient.messages.stream(ask(model, name)).finalMessage());
      assert.ok(error instanceof Anthropic.APIError, String(error));
    });
  }
}
