//! Which adapter serves which pair of dialects: the one place that knows them all.
//!
//! The same dialect on both sides is forwarded byte for byte; any other pair goes through our own request,
//! answer and events.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use bytes::Bytes;
use lmhaven_actors::adapters::{
    BodyError, Decoder, Label, Malformed, StreamRelay, Target, Translated, UpstreamFault, anthropic, gemini, openai,
};
use lmhaven_actors::chat::{Answer, Dialect, Part, Request, Signature, Summary};
use lmhaven_actors::domain::usage::Usage;
use lmhaven_actors::provider::{Call, Pieces};
use lmhaven_actors::workspace::WorkspaceHandle;
use reqwest::header::{HeaderName, HeaderValue};

use crate::config::Model;
use crate::relay::signatures::SignatureCache;

pub(super) const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// The same names as the front end's own type: looked up by text, each would be parsed and allocated anew.
pub(super) const CALLERS_VERSION: header::HeaderName = header::HeaderName::from_static("anthropic-version");
const CALLERS_BETA: header::HeaderName = header::HeaderName::from_static("anthropic-beta");

/// A caller's body, read once.
pub enum Body<'a> {
    /// Chat completions, or an Anthropic-shaped body on that route.
    Openai(openai::Body<'a>),
    /// Messages.
    Anthropic(anthropic::Body<'a>),
}

/// One request as its caller sent it.
pub struct Client<'a> {
    body: Body<'a>,
    /// What the body was read from.
    source: Bytes,
    reply: Dialect,
    end_user: Arc<str>,
    cache_key: Option<String>,
    version: Option<String>,
    betas: Option<String>,
    /// Our own form of the body, where some provider needs a translation.
    translated: Option<Request>,
}

/// What is to be sent for one request, and how its answer is read: owns all it needs.
pub struct Prepared {
    /// What the caller reads.
    pub reply: Dialect,
    /// The output limit that is sent.
    pub output_limit: u32,
    calls: Vec<(Dialect, Call)>,
    /// The caller's own dialect, where a provider of it is forwarded to.
    forwards: Option<Dialect>,
    legacy_functions: bool,
}

/// A provider's plain answer.
pub enum PlainAnswer {
    /// To be forwarded as it came.
    Forward(Bytes),
    /// To be written in the caller's dialect.
    Translate(Box<Answer>),
}

/// What a plain answer used and delivered.
pub struct PlainMeter {
    /// What the provider reported.
    pub reported: Option<Usage>,
    /// Bytes of text in it.
    pub delivered_bytes: u64,
}

/// A provider's answer with status 200 is none.
#[derive(Debug)]
pub enum AnswerFault {
    /// It does not follow the protocol.
    Malformed(Malformed),
    /// It carries an error.
    Upstream(UpstreamFault),
}

impl From<Malformed> for AnswerFault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Reads the body of a chat route. `route` is the dialect that the route speaks; a body of the other shape
/// that names its version is answered in its own.
///
/// # Errors
/// What is wrong with it.
pub fn read<'a>(route: Dialect, headers: &HeaderMap, bytes: &'a [u8]) -> Result<(Body<'a>, Dialect), BodyError> {
    if route == Dialect::Anthropic {
        return Ok((Body::Anthropic(anthropic::Body::read(bytes)?), Dialect::Anthropic));
    }
    let body = openai::Body::read(bytes)?;
    if body.is_anthropic_shaped() && headers.contains_key(CALLERS_VERSION) {
        return Ok((Body::Anthropic(anthropic::Body::read(bytes)?), Dialect::Anthropic));
    }
    Ok((Body::Openai(body), Dialect::Openai))
}

impl Body<'_> {
    /// The dialect of providers that get the bytes as they came.
    fn forwards(&self) -> Option<Dialect> {
        match self {
            Self::Openai(body) => (!body.is_anthropic_shaped()).then_some(Dialect::Openai),
            Self::Anthropic(_) => Some(Dialect::Anthropic),
        }
    }

    /// What admission needs.
    pub fn summary(&self) -> Summary {
        match self {
            Self::Openai(body) => body.summary(),
            Self::Anthropic(body) => body.summary(),
        }
    }
}

impl<'a> Client<'a> {
    /// A request whose model is known to be served by providers of these dialects. Parses the body into
    /// our own form where one of them needs it, and puts back signatures that the caller's client dropped.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn new(
        (body, source): (Body<'a>, Bytes),
        reply: Dialect,
        headers: &HeaderMap,
        workspace: &WorkspaceHandle,
        upstreams: &[Dialect],
        cache: &SignatureCache,
    ) -> Result<Self, BodyError> {
        let betas: Vec<&str> = headers.get_all(CALLERS_BETA).filter_map(|value| value.to_str().ok()).collect();
        let forwards = body.forwards();
        let mut translated = None;
        if upstreams.iter().any(|upstream| Some(*upstream) != forwards) {
            let mut request = match &body {
                Body::Openai(body) => body.to_chat()?,
                Body::Anthropic(body) => body.to_chat()?,
            };
            cache.restore(workspace.id(), &mut request);
            translated = Some(request);
        }
        // What the caller calls its users and its caches is nobody's business upstream, and no other customer's.
        let aliases = workspace.aliases();
        let (user, cache) = match &body {
            Body::Openai(body) => (body.end_user().map(Cow::Owned), body.cache_key()?),
            Body::Anthropic(body) => (body.end_user().map(Cow::Borrowed), None),
        };
        let end_user = user.map_or_else(|| aliases.own().clone(), |user| aliases.user(&user));
        let cache_key = cache.map(|key| aliases.cache(&key));
        Ok(Self {
            body,
            source,
            reply,
            end_user,
            cache_key,
            version: headers.get(CALLERS_VERSION).and_then(|value| value.to_str().ok()).map(str::to_owned),
            betas: if betas.is_empty() { None } else { anthropic::allowed_betas(&betas.join(",")) },
            translated,
        })
    }

    /// The caller asked to see thoughts.
    pub fn shows_thoughts(&self) -> bool {
        self.translated.as_ref().is_some_and(|request| request.show_thoughts)
    }

    /// What is sent to providers of these dialects, with this output limit.
    ///
    /// # Errors
    /// The body cannot be written in one of the dialects.
    pub fn prepare(
        &self,
        model: &Model,
        output_limit: u32,
        stream: bool,
        upstreams: &[Dialect],
    ) -> Result<Prepared, BodyError> {
        let target = Target {
            model: &model.id,
            upstream_model: &model.upstream_model,
            output_limit,
            end_user: Some(&self.end_user),
            cache_key: self.cache_key.as_deref(),
        };
        let calls = upstreams
            .iter()
            .map(|upstream| Ok((*upstream, self.call(*upstream, &target, stream)?)))
            .collect::<Result<_, BodyError>>()?;
        Ok(Prepared {
            reply: self.reply,
            output_limit,
            calls,
            forwards: self.body.forwards(),
            legacy_functions: matches!(&self.body, Body::Openai(body) if body.uses_legacy_functions()),
        })
    }

    fn call(&self, upstream: Dialect, target: &Target<'_>, stream: bool) -> Result<Call, BodyError> {
        let body: Pieces = match (&self.body, &self.translated) {
            (Body::Openai(body), _) if self.body.forwards() == Some(upstream) => {
                body.forwardable()?.write(target, &self.source).into_iter().collect()
            }
            (Body::Anthropic(body), _) if self.body.forwards() == Some(upstream) => {
                body.forward(target, &self.source).into_iter().collect()
            }
            (_, None) => return Err(BodyError::invalid("messages", "cannot be translated")),
            (_, Some(request)) => match upstream {
                Dialect::Openai => openai::render(request, target),
                Dialect::Anthropic => anthropic::render(request, target),
                Dialect::Gemini => gemini::render(request, target),
            }
            .map(|body| Bytes::from(body).into())?,
        };
        let mut headers = vec![(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let path = match upstream {
            Dialect::Openai => openai::ENDPOINT.to_owned(),
            Dialect::Anthropic => {
                headers.extend(self.anthropic_headers());
                anthropic::ENDPOINT.to_owned()
            }
            Dialect::Gemini => gemini::endpoint(target.upstream_model, stream),
        };
        Ok(Call { path, headers, body })
    }

    /// The caller's own version on a forwarded body; the one that translations are written for otherwise.
    fn anthropic_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let forwarded = self.body.forwards() == Some(Dialect::Anthropic);
        let version = self.version.as_deref().filter(|_| forwarded).unwrap_or(anthropic::VERSION_FOR_TRANSLATION);
        let version =
            HeaderValue::from_str(version).unwrap_or(HeaderValue::from_static(anthropic::VERSION_FOR_TRANSLATION));
        let betas = self.betas.as_deref().filter(|_| forwarded).and_then(|betas| HeaderValue::from_str(betas).ok());
        std::iter::once((ANTHROPIC_VERSION, version)).chain(betas.map(|betas| (ANTHROPIC_BETA, betas))).collect()
    }
}

impl Prepared {
    /// What is sent to a provider of this dialect.
    pub fn call(&self, upstream: Dialect) -> Option<Call> {
        self.calls.iter().find(|(dialect, _)| *dialect == upstream).map(|(_, call)| call.clone())
    }

    /// Bytes of the largest body that is sent.
    pub fn sent_bytes_max(&self) -> usize {
        self.calls.iter().map(|(_, call)| call.body.len()).max().unwrap_or(0)
    }

    /// Whether bytes go through as they came.
    pub fn forwards_to(&self, upstream: Dialect) -> bool {
        self.forwards == Some(upstream)
    }

    /// Lets the bodies go: no further attempt follows.
    pub fn forget_calls(&mut self) {
        self.calls = Vec::new();
    }

    /// The relay of a streamed answer from a provider of this dialect.
    pub fn stream_relay(&self, upstream: Dialect, label: Label, model: &Model) -> Box<dyn StreamRelay> {
        if self.forwards_to(upstream) {
            return match upstream {
                // Claude answers an alias with its dated name: the caller reads the one that was asked for.
                Dialect::Anthropic => Box::new(anthropic::Passthrough::new(label, true)),
                _ => Box::new(openai::ChunkRelay::new(label, &model.upstream_model)),
            };
        }
        let (id, estimate) = (label.id.clone(), label.input_estimate);
        match upstream {
            Dialect::Openai => self.translated(openai::ChunkDecoder::new(&model.id, &id), label),
            Dialect::Anthropic => self.translated(anthropic::StreamDecoder::new(model.id.clone(), estimate), label),
            Dialect::Gemini => self.translated(gemini::StreamDecoder::new(&model.id, &id), label),
        }
    }

    fn translated(&self, decoder: impl Decoder + 'static, label: Label) -> Box<dyn StreamRelay> {
        match self.reply {
            Dialect::Anthropic => Box::new(Translated::new(decoder, anthropic::StreamEncoder::new(label))),
            Dialect::Openai | Dialect::Gemini => {
                Box::new(Translated::new(decoder, openai::ChunkEncoder::new(&label, self.legacy_functions)))
            }
        }
    }

    /// Reads a provider's plain answer.
    ///
    /// # Errors
    /// [`AnswerFault`].
    pub fn read_plain(
        &self,
        upstream: Dialect,
        bytes: Bytes,
        label: &Label,
        model: &Model,
    ) -> Result<(PlainAnswer, PlainMeter), AnswerFault> {
        if self.forwards_to(upstream) {
            if upstream == Dialect::Anthropic {
                let meter = anthropic::read_usage(&bytes)?;
                let meter = PlainMeter { reported: meter.usage, delivered_bytes: meter.delivered_bytes };
                return Ok((PlainAnswer::Forward(anthropic::splice_model(bytes, &model.id)), meter));
            }
            let meter = openai::read_usage(&bytes)?;
            let meter = PlainMeter { reported: meter.usage, delivered_bytes: meter.delivered_bytes };
            let splice = *model.id != *model.upstream_model;
            let bytes = if splice { openai::splice_model(bytes, &model.id) } else { bytes };
            return Ok((PlainAnswer::Forward(bytes), meter));
        }
        let answer = match upstream {
            Dialect::Openai => openai::read_answer(&bytes, &model.id, &label.id)?,
            Dialect::Anthropic => anthropic::read_answer(&bytes, &model.id)?,
            Dialect::Gemini => gemini::read_answer(&bytes, &model.id, &label.id).map_err(|fault| match fault {
                gemini::AnswerFault::Malformed(malformed) => AnswerFault::Malformed(malformed),
                gemini::AnswerFault::Upstream(fault) => AnswerFault::Upstream(fault),
            })?,
        };
        let meter = PlainMeter { reported: answer.usage, delivered_bytes: text_bytes(&answer.parts) };
        Ok((PlainAnswer::Translate(Box::new(answer)), meter))
    }

    /// Writes a plain answer in the caller's dialect.
    pub fn write_plain(&self, answer: PlainAnswer, label: &Label, usage: &Usage) -> Bytes {
        match (answer, self.reply) {
            (PlainAnswer::Forward(bytes), _) => bytes,
            (PlainAnswer::Translate(answer), Dialect::Anthropic) => {
                Bytes::from(anthropic::render_answer(&answer, label, usage))
            }
            (PlainAnswer::Translate(answer), _) => {
                Bytes::from(openai::render_answer(&answer, label, usage, self.legacy_functions))
            }
        }
    }
}

/// Signatures of the tool calls in an answer.
pub fn signatures(answer: &Answer) -> impl Iterator<Item = (&str, &Signature)> {
    answer.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, signature: Some(signature), .. } => Some((id.as_str(), signature)),
        _ => None,
    })
}

/// What a provider's error answer means.
pub fn fault(upstream: Dialect, status: u16, retry_after: Option<&str>, body: &[u8]) -> UpstreamFault {
    match upstream {
        Dialect::Openai => openai::fault(status, retry_after, body),
        Dialect::Anthropic => anthropic::fault(status, retry_after, body),
        Dialect::Gemini => gemini::fault(status, body),
    }
}

/// What is sent in silence so that the connection lives.
pub const fn keep_alive(reply: Dialect) -> &'static [u8] {
    match reply {
        Dialect::Anthropic => anthropic::KEEP_ALIVE,
        Dialect::Openai | Dialect::Gemini => openai::KEEP_ALIVE,
    }
}

/// An error after the 200 was sent.
pub fn error_event(reply: Dialect, envelope: &str) -> Bytes {
    let mut out = bytes::BytesMut::new();
    match reply {
        Dialect::Anthropic => anthropic::error_event(envelope.as_bytes(), &mut out),
        Dialect::Openai | Dialect::Gemini => openai::error_event(envelope, &mut out),
    }
    out.freeze()
}

fn text_bytes(parts: &[Part]) -> u64 {
    let bytes: usize = parts
        .iter()
        .map(|part| match part {
            Part::Text { text, .. } | Part::Thinking { text, .. } => text.len(),
            Part::ToolCall { name, arguments, .. } => name.len() + arguments.to_string().len(),
            Part::Media { .. } | Part::ToolResult { .. } | Part::RedactedThinking { .. } => 0,
        })
        .sum();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
