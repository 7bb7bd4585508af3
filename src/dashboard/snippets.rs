//! Programs to paste: the same few calls in every SDK, with the address of this gateway and a key in them.
//!
//! The front page, the docs and the page that shows a new key all take them from here, so that they say the same.

use lmhaven_actors::domain::key::KeyKind;

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// Its id in the page, for the copy button.
    pub id: &'static str,
    /// What it is, for people who do not see it.
    pub title: &'static str,
    /// What is run or typed before it, such as `pip install openai`.
    pub install: &'static str,
    /// The text.
    pub code: String,
}

/// What stands where a key goes in pages that know none.
pub const KEY_PLACEHOLDER: &str = "sk-lmh-…";

fn fill(text: &str, base: &str, key: &str) -> String {
    text.trim().replace("{base}", base).replace("{key}", key)
}

/// The first call in every SDK: `base` is the public address without a final slash.
pub fn quick_starts(base: &str, key: &str) -> Vec<Snippet> {
    let snippet = |id, title, install, text: &str| Snippet { id, title, install, code: fill(text, base, key) };
    vec![
        snippet("curl", "curl", "", CURL),
        snippet("openai-python", "OpenAI, Python", "pip install openai", OPENAI_PYTHON),
        snippet("openai-node", "OpenAI, Node", "npm install openai", OPENAI_NODE),
        snippet("anthropic-python", "Anthropic, Python", "pip install anthropic", ANTHROPIC_PYTHON),
        snippet("anthropic-node", "Anthropic, Node", "npm install @anthropic-ai/sdk", ANTHROPIC_NODE),
    ]
}

/// The first calls with a key of this kind.
pub fn first_calls(base: &str, key: &str, kind: KeyKind) -> Vec<Snippet> {
    let snippet = |id, title, text: &str| Snippet { id, title, install: "", code: fill(text, base, key) };
    match kind {
        KeyKind::Inference => quick_starts(base, key),
        KeyKind::ReadOnly => vec![snippet("account", "Balance and usage, curl", ACCOUNT)],
        KeyKind::Management => vec![
            snippet("create", "Make a key, curl", MAKE_KEY),
            snippet("list", "List, rotate and revoke keys, curl", CHANGE_KEYS),
            snippet("account", "Balance and usage, curl", ACCOUNT),
        ],
    }
}

/// What the docs show beyond the first call.
pub struct More {
    /// A stream with its usage at the end.
    pub streaming: Snippet,
    /// An image by link.
    pub image: Snippet,
    /// A spoken sentence into a file.
    pub speech: Snippet,
    /// Balance and usage.
    pub account: Snippet,
}

/// What the docs show beyond the first call.
pub fn more(base: &str, key: &str) -> More {
    let snippet = |id, title, text: &str| Snippet { id, title, install: "", code: fill(text, base, key) };
    More {
        streaming: snippet("streaming", "A stream, OpenAI, Python", STREAMING),
        image: snippet("image", "An image, OpenAI, Python", IMAGE),
        speech: snippet("speech", "Speech, OpenAI, Python", SPEECH),
        account: snippet("account", "Balance and usage, curl", ACCOUNT),
    }
}

const CURL: &str = r#"
curl {base}/v1/chat/completions \
  -H "Authorization: Bearer {key}" \
  -H "Content-Type: application/json" \
  -d '{"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hello"}]}'
"#;

const OPENAI_PYTHON: &str = r#"
from openai import OpenAI

client = OpenAI(base_url="{base}/v1", api_key="{key}")
answer = client.chat.completions.create(
    model="claude-opus-4-7",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)
"#;

const OPENAI_NODE: &str = r#"
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "{base}/v1", apiKey: "{key}" });
const answer = await client.chat.completions.create({
  model: "gemini-3-flash",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);
"#;

const ANTHROPIC_PYTHON: &str = r#"
from anthropic import Anthropic

client = Anthropic(base_url="{base}", api_key="{key}")
answer = client.messages.create(
    model="claude-sonnet-4-6",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)
"#;

const ANTHROPIC_NODE: &str = r#"
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: "{base}", apiKey: "{key}" });
const answer = await client.messages.create({
  model: "claude-sonnet-4-6",
  max_tokens: 1024,
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.content[0].text);
"#;

const STREAMING: &str = r#"
stream = client.chat.completions.create(
    model="claude-haiku-4-5",
    messages=[{"role": "user", "content": "Tell me a story."}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")
    if chunk.usage:
        print("\ncost: $" + chunk.usage.cost_usd)
"#;

const IMAGE: &str = r#"
image = client.images.generate(model="nano-banana-pro", prompt="a lighthouse at dusk", size="1024x1024")
print(image.data[0].url)
"#;

const SPEECH: &str = r#"
speech = client.audio.speech.create(model="elevenlabs-v3", voice="alloy", input="Good evening.")
speech.write_to_file("evening.mp3")
"#;

const ACCOUNT: &str = r#"
curl {base}/v1/balance -H "Authorization: Bearer {key}"
curl "{base}/v1/usage?from=2026-11-01&group_by=day,model" -H "Authorization: Bearer {key}"
"#;

const MAKE_KEY: &str = r#"
curl {base}/v1/keys \
  -H "Authorization: Bearer {key}" \
  -H "Content-Type: application/json" \
  -d '{"name": "customer 17", "spend_limit_usd": "5.00", "spend_limit_reset": "monthly"}'
"#;

const CHANGE_KEYS: &str = r#"
curl {base}/v1/keys -H "Authorization: Bearer {key}"
curl -X POST {base}/v1/keys/KEY_ID/rotate -H "Authorization: Bearer {key}" \
  -H "Content-Type: application/json" -d '{"overlap": "24h"}'
curl -X DELETE {base}/v1/keys/KEY_ID -H "Authorization: Bearer {key}"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_the_address_and_the_key() {
        let of_kind = |kind| first_calls("https://lmhaven.test", "sk-lmh-1", kind);
        for snippet in KeyKind::ALL.into_iter().flat_map(of_kind) {
            let code = &snippet.code;
            assert!(code.contains("https://lmhaven.test") && code.contains("sk-lmh-1"), "{code}");
            assert!(!code.contains("{base}") && !code.contains("{key}"), "{code}");
        }
        assert!(more("https://lmhaven.test", "k").account.code.contains("https://lmhaven.test/v1/balance"));
    }
}
