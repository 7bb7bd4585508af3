//! One call's life: noted, scripted, authorised, checked, answered, delivered.
//!
//! The script speaks first, as an overloaded edge would: a scripted status or hang does not look at the key or the
//! body. Only a request that is not refused meets the faults of the body. The response itself is put together in
//! `respond`.

use crate::{
    call::{Call, Ending, Usage},
    chance::Rng,
    compose,
    control::{Control, OpenCall},
    dialect::{CacheAsk, Dialect, Protocol, Refusal, Reply, Request},
    respond::{Form, Prepared, drawn},
    script::{Fault, Rule, Sought, Status},
    server::Latency,
    socket::{HungUp, Socket},
};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime};

/// What the worker threads share.
pub(crate) struct Shared {
    pub(crate) control: Control,
    pub(crate) seed: u64,
    pub(crate) latency: Latency,
}

/// What the route says about a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) model: Option<String>,
    pub(crate) streams: bool,
    pub(crate) counts_only: bool,
}

/// Why a call gets no answer.
pub(crate) enum Failure {
    Refused(Refusal),
    HungUp,
    /// The socket is broken already; whatever is answered goes nowhere.
    Broken,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<HungUp> for Failure {
    fn from(_: HungUp) -> Self {
        Self::HungUp
    }
}

/// One call and everything that its answer depends on.
pub(crate) struct Exchange<'a> {
    pub(crate) dialect: &'a dyn Dialect,
    pub(crate) shared: &'a Shared,
    pub(crate) rule: &'a Rule,
    pub(crate) socket: Socket,
    pub(crate) rng: Rng,
    pub(crate) response_id: String,
}

pub(crate) async fn serve(
    dialect: &dyn Dialect,
    target: Target,
    http: &HttpRequest,
    body: &[u8],
    shared: &Shared,
) -> HttpResponse {
    let headers: Vec<(String, String)> = http
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let parsed: Result<Value, String> = serde_json::from_slice(body).map_err(|error| error.to_string());
    let body_value = parsed.as_ref().unwrap_or(&Value::Null);
    let request = Request {
        counts_only: target.counts_only,
        model: target.model.as_deref(),
        streams: target.streams,
        query: http.query_string(),
        headers: &headers,
        body: body_value,
        body_bytes: body.len(),
        seed: shared.seed,
    };
    let key = dialect.key(&request);
    let model = target.model.clone().or_else(|| body_value.get("model")?.as_str().map(str::to_owned));
    let streamed = target.streams || body_value.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let call = shared.control.open(Call {
        id: 0,
        protocol: dialect.protocol(),
        method: http.method().as_str().to_owned(),
        path: http.path().to_owned(),
        query: http.query_string().to_owned(),
        model: model.clone(),
        key: key.clone(),
        headers: headers.clone(),
        body: body_value.clone(),
        streamed: streamed && !target.counts_only,
        started: SystemTime::now(),
        status: None,
        events: 0,
        ending: None,
        usage: None,
    });
    let text = String::from_utf8_lossy(body);
    let rule = shared.control.take_rule(&Sought {
        protocol: dialect.protocol(),
        model: model.as_deref(),
        key: key.as_deref(),
        path: http.path(),
        text: &text,
        is_generation: true,
    });
    let exchange = Exchange {
        dialect,
        shared,
        rule: &rule.unwrap_or_default(),
        socket: http.conn_data::<Socket>().cloned().unwrap_or_else(Socket::unknown),
        rng: compose::rng_for(shared.seed, model.as_deref().unwrap_or_default(), body_value),
        response_id: Rng::new(shared.seed ^ shared.control.response_number()).id(""),
    };
    let accepted = key.as_deref().is_some_and(|key| shared.control.accepts(key));
    let broken = parsed.as_ref().err().cloned();
    let checked = || {
        if !accepted {
            return Err(dialect.bad_key(key.as_deref()));
        }
        broken.map_or(Ok(()), |error| Err(dialect.bad_json(&error)))
    };
    exchange.run(&request, call, checked).await
}

impl Exchange<'_> {
    async fn run(
        &self,
        request: &Request<'_>,
        mut call: OpenCall,
        checked: impl FnOnce() -> Result<(), Refusal>,
    ) -> HttpResponse {
        match self.attempt(request, &mut call, checked).await {
            Ok(prepared) => {
                let usage = prepared.usage();
                if lose_reply(self.rule.fault.as_ref(), &self.socket, &mut call, usage).await {
                    return HttpResponse::ServiceUnavailable().force_close().finish();
                }
                self.deliver(prepared, call)
            }
            Err(Failure::Refused(refusal)) => {
                call.answered(refusal.status);
                call.end(Ending::Refused);
                self.refuse(&refusal)
            }
            Err(Failure::HungUp) => {
                call.end(Ending::HungUp);
                HttpResponse::ServiceUnavailable().force_close().finish()
            }
            Err(Failure::Broken) => {
                call.end(Ending::Cut);
                HttpResponse::ServiceUnavailable().force_close().finish()
            }
        }
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
        call: &mut OpenCall,
        checked: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Prepared, Failure> {
        let mut rng = self.rng.clone();
        let Latency { first_byte, jitter, .. } = self.shared.latency;
        let wait = first_byte + Duration::from_millis(self.rule.delay_ms) + drawn(jitter, &mut rng);
        if !wait.is_zero() {
            self.socket.pause(Some(wait), &self.shared.control).await?;
        }
        break_before_headers(self.rule.fault.as_ref(), &self.socket, &self.shared.control).await?;
        if let Some(status) = &self.rule.status {
            return Err(self.scripted(status).into());
        }
        checked()?;
        let ask = self.dialect.read(request)?;
        if request.counts_only {
            call.answered(200);
            return Ok(Prepared::Whole(self.dialect.count(ask.input_tokens), Usage::default()));
        }
        let change = &self.rule.answer;
        let mut answer = compose::compose(&ask, change, self.rng.clone());
        let split = self.shared.control.with_cache(|cache| match &ask.cache {
            CacheAsk::None => crate::cache::Split::default(),
            CacheAsk::Marked(places) => cache.explicit(places, Instant::now()),
            CacheAsk::Automatic { prefix, tokens, tokens_min } => crate::cache::Split {
                read: cache.implicit(*prefix, *tokens, *tokens_min, Instant::now()),
                ..crate::cache::Split::default()
            },
        });
        answer.usage = compose::usage(&ask, change, split, answer.usage);
        let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let reply = Reply {
            ask: &ask,
            answer: &answer,
            change,
            seed: self.shared.seed,
            rng: self.rng.clone(),
            response_id: self.response_id.clone(),
            created,
        };
        if ask.stream {
            return Ok(Prepared::Frames(
                self.dialect.frames(&reply),
                if ask.as_array { Form::Array } else { Form::Events },
            ));
        }
        if let Some(Fault::ErrorEvent { .. }) = &self.rule.fault {
            return Err(self.mid_stream_error().into());
        }
        Ok(Prepared::Whole(self.dialect.whole(&reply), answer.usage))
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let mut refusal = self.dialect.scripted(status);
        if let Some(message) = &status.message {
            refusal.message.clone_from(message);
        }
        refusal
    }

    /// The error of a scripted error event: the provider's overload, under another name where the script has one.
    pub(crate) fn mid_stream_error(&self) -> Refusal {
        let mut refusal = self.dialect.overloaded();
        if let Some(Fault::ErrorEvent { error_type, message, .. }) = &self.rule.fault {
            if let Some(kind) = error_type {
                refusal.kind = kind.as_str().into();
            }
            if let Some(message) = message {
                refusal.message.clone_from(message);
            }
        }
        refusal
    }
}

/// The faults that strike before the request is looked at.
pub(crate) async fn break_before_headers(
    fault: Option<&Fault>,
    socket: &Socket,
    control: &Control,
) -> Result<(), Failure> {
    match fault {
        Some(Fault::HangBeforeHeaders { ms }) => Ok(socket.pause(ms.map(Duration::from_millis), control).await?),
        Some(Fault::ResetBeforeHeaders) => {
            socket.reset();
            Err(Failure::Broken)
        }
        Some(Fault::CloseBeforeHeaders) => {
            socket.close();
            Err(Failure::Broken)
        }
        _ => Ok(()),
    }
}

/// The faults that strike when the call is charged and its answer ready. Answers whether the call is over with it.
pub(crate) async fn lose_reply(fault: Option<&Fault>, socket: &Socket, call: &mut OpenCall, usage: Usage) -> bool {
    match fault {
        Some(Fault::ResetAfterCharge) => {
            call.sent(usage);
            call.end(Ending::Cut);
            socket.reset();
            true
        }
        Some(Fault::HangAfterCharge { ms }) => {
            let is_left = socket.pause(ms.map(Duration::from_millis), call.control()).await.is_err();
            if is_left {
                call.sent(usage);
                call.end(Ending::HungUp);
            }
            is_left
        }
        _ => false,
    }
}

impl dyn Dialect + '_ {
    fn overloaded(&self) -> Refusal {
        let code = match self.protocol() {
            Protocol::Anthropic => 529,
            Protocol::Gemini => 503,
            _ => 500,
        };
        self.scripted(&Status { code, ..Status::default() })
    }
}
