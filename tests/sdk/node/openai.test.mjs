// The OpenAI SDK for Node. Run unchanged under every version in `environments.py`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BREAKS,
  CITY,
  CITY_NAME,
  CLAUDE,
  GEMINI,
  KEY,
  MODELS,
  ONE_OF_EACH,
  PNG,
  REFUSALS,
  UNICODE,
  URL,
  collect,
  errorOf,
  marker,
  script,
  sdk,
  upstreamBody,
  upstreamCalls,
  workspaceKey,
} from './gateway.mjs';

const { OpenAI } = sdk('openai');
const options = { baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0, timeout: 30_000 };
const client = new OpenAI(options);
const patient = new OpenAI({ ...options, maxRetries: 2 });
// The helpers left the beta namespace with version 5.
const helpers = (of) => (of.chat.completions.stream ? of.chat.completions : of.beta.chat.completions);

const TOOLS = ['get_weather', 'get_time'].map((name) => ({
  type: 'function',
  function: { name, description: `${name} of a city`, parameters: CITY },
}));
const user = (content) => ({ role: 'user', content });
const ask = (model, text, more = {}) => ({ model, messages: [user(text)], max_completion_tokens: 2000, ...more });

for (const model of MODELS) {
  test(`${model}: plain`, async () => {
    const text = marker();
    await script(text, { answer: { text: UNICODE } });
    const { data, response } = await client.chat.completions.create(ask(model, text)).withResponse();
    assert.equal(data.model, model);
    assert.equal(data.choices.length, 1);
    assert.equal(data.choices[0].message.role, 'assistant');
    assert.equal(data.choices[0].message.content, UNICODE);
    assert.equal(data.choices[0].finish_reason, 'stop');
    assert.ok(data.usage.prompt_tokens > 0 && data.usage.completion_tokens > 0);
    assert.match(data._request_id, /^req_/);
    assert.equal(response.headers.get('request-id'), data._request_id);
    assert.equal(response.headers.get('lmhaven-model'), model);
    assert.ok(Number(response.headers.get('lmhaven-cost-usd')) > 0);
  });

  test(`${model}: streaming`, async () => {
    const text = marker();
    await script(text, { answer: { text: UNICODE }, wire: { split: 1 } });
    const asked = ask(model, text, { stream: true, stream_options: { include_usage: true } });
    const chunks = await collect(await client.chat.completions.create(asked));
    const last = chunks.pop();
    assert.ok(chunks.every((chunk) => chunk.model === model && chunk.choices.length === 1));
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), UNICODE);
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
    assert.deepEqual(last.choices, []);
    assert.ok(last.usage.completion_tokens > 0 && Number(last.usage.cost_usd) > 0);
  });

  test(`${model}: stream helper`, async () => {
    const asked = ask(model, marker());
    const plain = await client.chat.completions.create(asked);
    const stream = helpers(client).stream({ ...asked, stream_options: { include_usage: true } });
    const pieces = [];
    stream.on('content', (piece) => pieces.push(piece));
    const final = await stream.finalChatCompletion();
    assert.ok(pieces.length > 1);
    assert.equal(final.choices[0].message.content, pieces.join(''));
    assert.equal(final.choices[0].message.content, plain.choices[0].message.content);
    assert.equal(final.usage.total_tokens, plain.usage.total_tokens);
  });

  for (const count of [1, 2]) {
    for (const way of ['plain', 'streamed']) {
      for (const echo of ['echoed', 'rebuilt']) {
        test(`${model}: ${count === 2 ? 'parallel tools' : 'a tool'}, ${way}, ${echo}`, async () => {
          const name = marker();
          const text = `${name} What is the weather in Paris? ${count === 2 ? 'parallel' : ''}`;
          const asked = ask(model, text, { tools: TOOLS });
          const answer =
            way === 'plain'
              ? await client.chat.completions.create(asked)
              : await helpers(client).stream(asked).finalChatCompletion();
          const [{ message, finish_reason }] = answer.choices;
          assert.equal(finish_reason, 'tool_calls');
          const calls = message.tool_calls;
          assert.deepEqual(
            calls.map((call) => call.function.name),
            ['get_weather', 'get_time'].slice(0, count),
          );
          assert.equal(new Set(calls.map((call) => call.id)).size, count);
          for (const call of calls) assert.deepEqual(JSON.parse(call.function.arguments), { city: CITY_NAME });

          const rebuilt = {
            role: 'assistant',
            content: null,
            tool_calls: calls.map(({ id, function: { name, arguments: input } }) => ({
              id,
              type: 'function',
              function: { name, arguments: input },
            })),
          };
          const results = calls.map(({ id }, n) => ({
            role: 'tool',
            tool_call_id: id,
            content: `${name} result ${n}`,
          }));
          const messages = [user(text), echo === 'echoed' ? message : rebuilt, ...results];
          const final = await client.chat.completions.create({ ...asked, messages });
          assert.equal(final.choices[0].finish_reason, 'stop');
          assert.ok(final.choices[0].message.content.includes(results.at(-1).content));
          const sent = await upstreamBody(name);
          for (const { content } of results) assert.ok(sent.includes(content));
          if (GEMINI.includes(model)) {
            assert.ok(sent.includes('thoughtSignature') && !sent.includes('skip_thought_signature_validator'));
          }
        });
      }
    }
  }

  test(`${model}: structured output`, async () => {
    const response_format = { type: 'json_schema', json_schema: { name: 'place', strict: true, schema: CITY } };
    const asked = ask(model, marker(), { response_format });
    const plain = await client.chat.completions.create(asked);
    assert.deepEqual(JSON.parse(plain.choices[0].message.content), { city: CITY_NAME });
    const parsed = await helpers(client).parse(asked);
    assert.equal(parsed.choices[0].message.content, plain.choices[0].message.content);
    const streamed = await helpers(client).stream(asked).finalChatCompletion();
    assert.equal(streamed.choices[0].message.content, plain.choices[0].message.content);
  });

  test(`${model}: an image`, async () => {
    const name = marker();
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } };
    const answer = await client.chat.completions.create(ask(model, [{ type: 'text', text: name }, image]));
    assert.ok(answer.choices[0].message.content);
    assert.ok((await upstreamBody(name)).includes(PNG));
  });
}

for (const model of [...CLAUDE, ...GEMINI]) {
  test(`${model}: reasoning is shown beside the answer`, async () => {
    const asked = ask(model, marker(), { reasoning_effort: 'low' });
    const { message } = (await client.chat.completions.create(asked)).choices[0];
    assert.ok(message.content && message.reasoning_content);
    const chunks = await collect(await client.chat.completions.create({ ...asked, stream: true }));
    const shown = chunks.map((chunk) => chunk.choices[0].delta.reasoning_content ?? '').join('');
    assert.equal(shown, message.reasoning_content);
  });
}

test('models', async () => {
  const listed = (await collect(client.models.list())).map((model) => model.id);
  for (const model of MODELS) {
    assert.ok(listed.includes(model));
    assert.equal((await client.models.retrieve(model)).id, model);
  }
});

const CLASSES = {
  400: OpenAI.BadRequestError,
  401: OpenAI.AuthenticationError,
  402: OpenAI.APIError,
  403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError,
  429: OpenAI.RateLimitError,
};

function check(error, status, type, code) {
  assert.ok(error instanceof CLASSES[status], String(error));
  assert.deepEqual([error.status, error.type, error.code], [status, type, code]);
  assert.match(error.requestID ?? error.request_id, /^req_/);
}

for (const [name, status, type, code, keyOf] of REFUSALS) {
  test(`refused: ${name}`, async () => {
    const text = marker();
    const refused = new OpenAI({ ...options, maxRetries: 2, apiKey: await keyOf() });
    for (const stream of [false, true]) {
      const asked = ask('claude-haiku-4-5', text, { stream });
      check(await errorOf(refused.chat.completions.create(asked)), status, type, code);
    }
    assert.deepEqual(await upstreamCalls(text), []);
  });
}

test('an unknown model', async () => {
  const error = await errorOf(client.chat.completions.create(ask('no-such-model', marker())));
  check(error, 404, 'not_found_error', 'model_not_found');
  check(await errorOf(client.models.retrieve('no-such-model')), 404, 'not_found_error', 'model_not_found');
});

test('a parameter that the model lacks', async () => {
  const error = await errorOf(client.chat.completions.create(ask('claude-haiku-4-5', marker(), { n: 2 })));
  check(error, 400, 'invalid_request_error', 'unsupported_parameter');
  assert.equal(error.param, 'n');
});

test('the rate limit', async () => {
  const limited = new OpenAI({ ...options, apiKey: await workspaceKey({ limits: { requests_per_minute: 1 } }) });
  await limited.chat.completions.create(ask('gpt-sim', marker()));
  const error = await errorOf(limited.chat.completions.create(ask('gpt-sim', marker())));
  check(error, 429, 'rate_limit_error', 'rate_limit_exceeded');
  // Plain headers up to version 4.
  const header = (name) => Number(error.headers.get?.(name) ?? error.headers[name]);
  assert.ok(header('retry-after') >= 1 && header('retry-after') <= 60);
  assert.equal(header('retry-after'), Math.ceil(header('retry-after-ms') / 1000));
});

for (const model of ONE_OF_EACH) {
  for (const stream of [false, true]) {
    const way = stream ? 'streamed' : 'plain';

    test(`${model}: one upstream failure is not seen, ${way}`, async () => {
      const text = marker();
      await script(text, { times: 1, status: { code: 529 } });
      const answer = await client.chat.completions.create(ask(model, text, { stream }));
      const last = stream ? (await collect(answer)).at(-1) : answer;
      assert.equal(last.choices[0].finish_reason, 'stop');
      assert.equal((await upstreamCalls(text)).length, 2);
    });

    test(`${model}: a failed retry is not repeated by the SDK, ${way}`, async () => {
      const text = marker();
      await script(text, { status: { code: 500 } });
      const error = await errorOf(patient.chat.completions.create(ask(model, text, { stream })));
      assert.ok(error instanceof OpenAI.InternalServerError, String(error));
      assert.equal(error.status, 500);
      assert.equal((await upstreamCalls(text)).length, 2);
    });

    test(`${model}: the SDK waits out an upstream rate limit, ${way}`, async () => {
      const text = marker();
      await script(text, { times: 1, status: { code: 429, retry_after: '1' } });
      const answer = await patient.chat.completions.create(ask(model, text, { stream }));
      const last = stream ? (await collect(answer)).at(-1) : answer;
      assert.equal(last.choices[0].finish_reason, 'stop');
      assert.equal((await upstreamCalls(text)).length, 2);
    });
  }

  for (const [kind, broken] of BREAKS) {
    test(`${model}: a broken stream (${kind}) raises`, async () => {
      const name = marker();
      await script(name, broken);
      let text = '';
      const error = await errorOf(
        (async () => {
          const stream = await patient.chat.completions.create(ask(model, name, { stream: true }));
          for await (const chunk of stream) {
            const { content, reasoning_content } = chunk.choices[0].delta;
            text += (content ?? '') + (reasoning_content ?? '');
          }
        })(),
      );
      assert.ok(text, 'what came before the break is delivered');
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.equal(error.code, 'upstream_error');
      assert.equal((await upstreamCalls(name)).length, 1);
    });

    test(`${model}: a broken stream (${kind}) raises in the helper`, async () => {
      const name = marker();
      await script(name, broken);
      const error = await errorOf(helpers(patient).stream(ask(model, name)).finalChatCompletion());
      assert.equal(error.code, 'upstream_error');
    });
  }
}

const isImage = (bytes) => ['89504e47', 'ffd8ffe0', 'ffd8ffdb', 'ffd8ffe1'].includes(bytes.subarray(0, 4).toString('hex'));

// Every documented class of sizes; what is not made exactly is made as near as the model can.
const SIZES = {
  'seedream-5': ['auto', '1024x1024', '2048x2048', '1536x1024', '1024x1536', '1792x1024', '512x512'],
  'novelai-v4': ['auto', '1024x1024', '1536x1024', '1024x1536', '1792x1024', '256x256'],
  'pixai-v4': ['auto', '1024x1024', '1536x1024', '1024x1536', '1792x1024'],
  'nano-banana-pro': ['auto', '1024x1024', '1536x1024', '1024x1536', '2048x2048', '4096x4096'],
};

for (const [model, sizes] of Object.entries(SIZES)) {
  for (const size of sizes) {
    test(`${model}: an image of ${size}`, async () => {
      const prompt = `${marker()} a lighthouse`;
      const inside = await client.images.generate({ model, prompt, size, response_format: 'b64_json' });
      assert.equal(inside.data[0].url, undefined);
      assert.ok(isImage(Buffer.from(inside.data[0].b64_json, 'base64')));
      const ask = { model, prompt, size, response_format: 'url' };
      const { data, response } = await client.images.generate(ask).withResponse();
      assert.equal(response.headers.get('lmhaven-model'), model);
      assert.equal(data.data[0].b64_json, undefined);
      const file = await fetch(data.data[0].url);
      assert.equal(file.status, 200);
      assert.ok(isImage(Buffer.from(await file.arrayBuffer())));
    });
  }
}

for (const [format, type] of [['mp3', 'audio/mpeg'], ['opus', 'audio/ogg'], ['wav', 'audio/wav'], ['pcm', 'audio/pcm']]) {
  test(`speech: ${format}`, async () => {
    const ask = { model: 'elevenlabs-v3', voice: 'alloy', input: `${marker()} is read aloud.`, response_format: format };
    const whole = await client.audio.speech.create(ask);
    assert.equal(whole.headers.get('content-type'), type);
    assert.ok((await whole.arrayBuffer()).byteLength > 1000);
    const streamed = await client.audio.speech.create(ask);
    let bytes = 0;
    for await (const piece of streamed.body) bytes += piece.length;
    assert.ok(bytes > 1000);
  });
}

test('speech: an unknown voice', async () => {
  await assert.rejects(client.audio.speech.create({ model: 'elevenlabs-v3', voice: 'nobody', input: 'Hello' }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.param, 'voice');
    return true;
  });
});
