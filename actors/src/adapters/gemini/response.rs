//! What Gemini answers when the answer is not streamed, and its counts of tokens.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::reader::Reader;
use super::wire::Count;
use crate::adapters::fault::{Malformed, UpstreamFault};
use crate::adapters::stream::StreamFault;
use crate::chat::{Answer, Event, FinishReason, Part};
use crate::domain::usage::Usage;

/// A body with status 200 is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It does not follow the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It says that the provider, or its model, failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamFault),
}

impl From<StreamFault> for AnswerFault {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::Malformed(malformed) => Self::Malformed(malformed),
            StreamFault::Upstream(upstream) => Self::Upstream(upstream),
        }
    }
}

/// A whole answer in our own terms; `model` is ours, and tags its signatures. Ids of tool calls are made
/// from `id_seed`.
///
/// # Errors
/// [`AnswerFault::Malformed`] for anything but an answer that gives its finish reason, and
/// [`AnswerFault::Upstream`] where it holds an error or a function call that the model gave up on.
pub fn read_answer(bytes: &[u8], model: &str, id_seed: &str) -> Result<Answer, AnswerFault> {
    let mut reader = Reader::new(model, id_seed);
    let mut joined = Joined::default();
    reader.read(bytes, &mut |event| joined.take(event))?;
    let Some(finish) = joined.finish else {
        return Err(Malformed { what: "a finish reason" }.into());
    };
    let Joined { upstream_id, parts, usage, .. } = joined;
    let parts = parts.into_iter().map(Piece::into_part).collect::<Result<_, _>>()?;
    Ok(Answer { upstream_id, parts, finish, stop_sequence: None, usage })
}

/// Events joined to an answer.
#[derive(Debug, Default)]
struct Joined {
    upstream_id: Option<String>,
    parts: Vec<Piece>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
}

/// A part that is being joined; the arguments of a call are parsed when they are whole.
#[derive(Debug)]
enum Piece {
    Part(Part),
    Call { call: Part, arguments: String },
}

impl Piece {
    fn into_part(self) -> Result<Part, Malformed> {
        match self {
            Self::Call { call: Part::ToolCall { id, name, signature, cache, .. }, arguments }
                if !arguments.is_empty() =>
            {
                let arguments =
                    serde_json::from_str(&arguments).map_err(|_| Malformed { what: "arguments as JSON" })?;
                Ok(Part::ToolCall { id, name, arguments, signature, cache })
            }
            Self::Part(part) | Self::Call { call: part, .. } => Ok(part),
        }
    }
}

impl Joined {
    fn take(&mut self, event: Event) {
        match (event, self.parts.last_mut()) {
            (Event::Start { upstream_id }, _) => self.upstream_id = upstream_id,
            (Event::Text(more), Some(Piece::Part(Part::Text { text, .. })))
            | (Event::Thinking(more), Some(Piece::Part(Part::Thinking { text, signature: None }))) => {
                text.push_str(&more);
            }
            (Event::Text(text), _) => self.parts.push(Piece::Part(Part::Text { text, cache: None })),
            (Event::Thinking(text), _) => self.parts.push(Piece::Part(Part::Thinking { text, signature: None })),
            (Event::ThinkingSignature(value), Some(Piece::Part(Part::Thinking { signature, .. })))
                if signature.is_none() =>
            {
                *signature = Some(value);
            }
            (Event::ThinkingSignature(value), _) => {
                self.parts.push(Piece::Part(Part::Thinking { text: String::new(), signature: Some(value) }));
            }
            (Event::ToolCall { id, name, signature }, _) => {
                let arguments = Value::Object(Map::new());
                let call = Part::ToolCall { id, name, arguments, signature, cache: None };
                self.parts.push(Piece::Call { call, arguments: String::new() });
            }
            (Event::ToolArguments(more), Some(Piece::Call { arguments, .. })) => arguments.push_str(&more),
            (Event::Usage(usage), _) => self.usage = Some(usage),
            (Event::Finish { reason, .. }, _) => self.finish = Some(reason),
            (Event::ToolArguments(_) | Event::RedactedThinking(_) | Event::BlockEnd, _) => {}
        }
    }
}

/// How many tokens a prompt has, from the answer of [`super::count_endpoint`].
///
/// # Errors
/// [`Malformed`] where it does not say.
pub fn read_count(bytes: &[u8]) -> Result<u64, Malformed> {
    #[derive(Deserialize)]
    struct Counted {
        #[serde(rename = "totalTokens")]
        total_tokens: Count,
    }
    let counted: Counted = serde_json::from_slice(bytes).map_err(|_| Malformed { what: "a count of tokens" })?;
    Ok(counted.total_tokens.0)
}

#[cfg(test)]
mod tests;
