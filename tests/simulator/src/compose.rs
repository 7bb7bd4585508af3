//! What the models answer: a pure function of the seed, the model and the request.
//!
//! Some words in the last text of the user ask for something: "weather" for a call of a tool that is offered,
//! "parallel" for two calls at once, "redacted" for a redacted thought. A tool result is mentioned in the answer to
//! it. Whether the answer is streamed makes no difference to it.

use crate::{
    call::Usage,
    chance::{Rng, digest},
    dialect::{Answer, Ask, Choice, Finish, Part, Thinking, Tool},
    example::example,
    json::{canonical, without},
    script::AnswerChange,
    words::{first_chars, prose, prose_of, thought, token_count},
};
use serde_json::Value;

/// How many characters of a tool result are mentioned in the answer.
const RESULT_CHARS_MAX: usize = 80;

/// The generator for an answer: the same for the same request, streamed or not.
pub(crate) fn rng_for(seed: u64, model: &str, body: &Value) -> Rng {
    Rng::new(digest(seed, &[model, &canonical(&without(body, &["stream", "stream_options"]))]))
}

/// The answer, with the output part of its usage. The input part is the caller's to fill in.
pub(crate) fn compose(ask: &Ask, change: &AnswerChange, mut rng: Rng) -> Answer {
    let thoughts = thoughts(ask, change, &mut rng);
    let calls = calls(ask, change, &mut rng);
    let text = text(ask, change, !calls.is_empty(), &mut rng);
    let mut budget = Budget { left: if change.text.is_some() { None } else { ask.tokens_max }, is_short: false };

    let mut answer = Answer::default();
    for part in thoughts {
        let tokens = match &part {
            Part::Thought(text) => token_count(text),
            // Unreadable, but as long as a thought.
            Part::Redacted | Part::Text(_) | Part::Call { .. } => 16,
        };
        let paid = budget.pay(tokens);
        answer.usage.thinking += paid;
        match part {
            Part::Thought(text) if paid < tokens => answer.parts.push(Part::Thought(cut(&text, paid))),
            whole if paid == tokens => answer.parts.push(whole),
            Part::Thought(_) | Part::Redacted | Part::Text(_) | Part::Call { .. } => {}
        }
    }
    answer.usage.output = answer.usage.thinking;
    if let Some((text, stop)) = text.map(|text| stop_at(text, ask, change)) {
        let tokens = token_count(&text);
        let paid = budget.pay(tokens);
        answer.usage.output += paid;
        let text = if paid < tokens { cut(&text, paid) } else { text };
        if !text.is_empty() {
            answer.parts.push(Part::Text(text));
        }
        if let Some(stop) = stop {
            answer.finish = Finish::Sequence(stop);
        }
    }
    for part in calls {
        let Part::Call { name, arguments, raw, .. } = &part else { continue };
        let tokens =
            token_count(name) + raw.as_deref().map_or_else(|| token_count(&arguments.to_string()), token_count);
        if budget.pay(tokens) == tokens {
            answer.usage.output += tokens;
            answer.parts.push(part);
            answer.finish = Finish::Calls;
        }
    }
    if budget.is_short {
        answer.finish = Finish::Length;
    }
    answer
}

/// The whole usage: the scripted one, or the input split over the cache and the output of the answer.
pub(crate) fn usage(ask: &Ask, change: &AnswerChange, split: crate::cache::Split, output: Usage) -> Usage {
    let crate::cache::Split { read, write_5m, write_1h } = split;
    change.usage.unwrap_or(Usage {
        input: ask.input_tokens.saturating_sub(read + write_5m + write_1h),
        cache_read: read,
        cache_write_5m: write_5m,
        cache_write_1h: write_1h,
        ..output
    })
}

/// The output limit, spent part by part. What does not fit marks the answer as cut short.
struct Budget {
    left: Option<u64>,
    is_short: bool,
}

impl Budget {
    fn pay(&mut self, tokens: u64) -> u64 {
        let Some(left) = &mut self.left else { return tokens };
        let paid = tokens.min(*left);
        *left -= paid;
        self.is_short |= paid < tokens;
        paid
    }
}

fn cut(text: &str, tokens: u64) -> String {
    first_chars(text, usize::try_from(tokens.saturating_mul(4)).unwrap_or(usize::MAX)).to_owned()
}

fn thoughts(ask: &Ask, change: &AnswerChange, rng: &mut Rng) -> Vec<Part> {
    if let Some(text) = &change.thinking {
        return vec![Part::Thought(text.clone())];
    }
    if ask.thinking == Thinking::Off {
        return Vec::new();
    }
    let mut parts = vec![Part::Thought(thought(rng))];
    if ask.last_text.contains("redacted") {
        parts.push(Part::Redacted);
    }
    parts
}

fn text(ask: &Ask, change: &AnswerChange, calls: bool, rng: &mut Rng) -> Option<String> {
    if let Some(text) = &change.text {
        return Some(text.clone());
    }
    if let Some(tokens) = change.output_tokens {
        return Some(prose_of(rng, tokens));
    }
    if calls {
        // Models often say what they are about to do, unless they are forced to call.
        let speaks = change.tool_calls.is_none() && ask.choice == Choice::Auto && rng.below(2) == 1;
        return speaks.then(|| "Let me look that up. 🔎".to_owned());
    }
    if let Some(schema) = &ask.schema {
        return Some(example(schema, rng).to_string());
    }
    match &ask.tool_result {
        Some(result) => Some(format!("The tool says: {} — voilà ✨.", first_chars(result, RESULT_CHARS_MAX))),
        None => Some(prose(rng)),
    }
}

/// The text up to the first stop sequence. Scripted texts are exact and not cut.
fn stop_at(text: String, ask: &Ask, change: &AnswerChange) -> (String, Option<String>) {
    let found = ask.stops.iter().filter_map(|stop| Some((text.find(stop.as_str())?, stop.clone()))).min();
    match found {
        Some((at, stop)) if change.text.is_none() => (text.get(..at).unwrap_or_default().to_owned(), Some(stop)),
        _ => (text, None),
    }
}

fn calls(ask: &Ask, change: &AnswerChange, rng: &mut Rng) -> Vec<Part> {
    if let Some(scripted) = &change.tool_calls {
        let call = |call: &crate::script::ToolCallChange| Part::Call {
            id: call.id.clone().unwrap_or_else(|| rng.id(ask.call_prefix)),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            raw: call.arguments.as_str().map(str::to_owned),
        };
        return scripted.iter().map(call).collect();
    }
    if change.text.is_some() || change.output_tokens.is_some() {
        return Vec::new();
    }
    let offered: Vec<&Tool> = match &ask.choice {
        Choice::Never => Vec::new(),
        Choice::Auto if ask.tool_result.is_some() || !ask.last_text.to_lowercase().contains("weather") => Vec::new(),
        Choice::Auto | Choice::Any => ask.tools.iter().collect(),
        Choice::OneOf(names) => ask.tools.iter().filter(|tool| names.contains(&tool.name)).collect(),
    };
    // The tool that the user names, or the first.
    let named = offered.iter().copied().find(|tool| ask.last_text.contains(&tool.name));
    let Some(first) = named.or(offered.first().copied()) else { return Vec::new() };
    let mut chosen = vec![first];
    if ask.parallel && ask.last_text.contains("parallel") {
        chosen.push(offered.iter().copied().find(|tool| tool.name != first.name).unwrap_or(first));
    }
    let call = |tool: &Tool| Part::Call {
        id: rng.id(ask.call_prefix),
        name: tool.name.clone(),
        arguments: example(&tool.schema, rng),
        raw: None,
    };
    chosen.into_iter().map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(text: &str) -> Ask {
        let tool = |name: &str| Tool {
            name: name.to_owned(),
            schema: json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
        };
        Ask { last_text: text.to_owned(), tools: vec![tool("a"), tool("b")], parallel: true, ..Ask::default() }
    }

    fn called(answer: &Answer) -> Vec<&str> {
        fn name(part: &Part) -> Option<&str> {
            match part {
                Part::Call { name, .. } => Some(name),
                Part::Thought(_) | Part::Redacted | Part::Text(_) => None,
            }
        }
        answer.parts.iter().filter_map(name).collect()
    }

    #[test]
    fn tools_are_called_when_asked_for() {
        let change = AnswerChange::default();
        let answer = |ask: &Ask| compose(ask, &change, Rng::new(1));
        assert!(called(&answer(&ask("hello"))).is_empty());
        assert_eq!(called(&answer(&ask("the weather"))), ["a"]);
        assert_eq!(called(&answer(&ask("weather in parallel"))), ["a", "b"]);
        let forced = Ask { choice: Choice::OneOf(vec!["b".to_owned()]), ..ask("hello") };
        assert_eq!(called(&answer(&forced)), ["b"]);
        assert_eq!(answer(&forced).finish, Finish::Calls);
        let answered = Ask { tool_result: Some("21 °C".to_owned()), ..ask("weather") };
        assert!(matches!(answer(&answered).parts.as_slice(), [Part::Text(text)] if text.contains("21 °C")));
    }

    #[test]
    fn limits_cut_thinking_first() {
        let limited = |tokens| Ask { tokens_max: Some(tokens), thinking: Thinking::Shown, ..ask("hello") };
        let answer = compose(&limited(3), &AnswerChange::default(), Rng::new(1));
        assert_eq!((answer.usage.output, answer.usage.thinking, answer.finish), (3, 3, Finish::Length));
        assert!(matches!(answer.parts.as_slice(), [Part::Thought(text)] if text.chars().count() == 12));
        assert_eq!(compose(&limited(9000), &AnswerChange::default(), Rng::new(1)).finish, Finish::Stop);
    }

    #[test]
    fn streaming_does_not_change_the_answer() {
        let plain = rng_for(1, "m", &json!({"messages": []})).draw();
        let streamed = rng_for(1, "m", &json!({"messages": [], "stream": true})).draw();
        assert_eq!(plain, streamed);
        assert_ne!(plain, rng_for(2, "m", &json!({"messages": []})).draw());
    }
}
