//! The HTTP response of a call: status, headers, and the body with the faults and the wire form of its rule.

use crate::{
    call::{Ending, Usage},
    chance::Rng,
    control::OpenCall,
    deliver::{self, Manner},
    dialect::{Frame, Refusal},
    exchange::Exchange,
    script::{Fault, Status},
    server::Latency,
    words::size,
};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use serde_json::Value;
use std::time::Duration;

pub(crate) const EDGE_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Error 502 (Server Error)!!1</title></head><body><h1>502. \
                         That’s an error.</h1></body></html>\n";

/// An answer ready to be sent.
pub(crate) enum Prepared {
    Whole(Value, Usage),
    Frames(Vec<Frame>, Form),
}

impl Prepared {
    /// What the whole answer costs.
    pub(crate) fn usage(&self) -> Usage {
        match self {
            Self::Whole(_, usage) => *usage,
            Self::Frames(frames, _) => frames.last().map(|frame| frame.usage).unwrap_or_default(),
        }
    }
}

/// What the body looks like.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Events,
    Array,
    Whole,
}

impl Exchange<'_> {
    pub(crate) fn refuse(&self, refusal: &Refusal) -> HttpResponse {
        let mut response = self.response(refusal.status);
        if let Some(Status { retry_after, body, content_type, .. }) = &self.rule.status {
            if let Some(value) = retry_after {
                response.insert_header((header::RETRY_AFTER, value.as_str()));
            }
            if let Some(body) = body {
                let own = if body.is_string() { "text/html; charset=UTF-8" } else { "application/json" };
                response.content_type(content_type.as_deref().unwrap_or(own));
                return response.body(body.as_str().map_or_else(|| body.to_string(), str::to_owned));
            }
        }
        response.json(self.dialect.error(refusal, &self.response_id))
    }

    pub(crate) fn deliver(&self, prepared: Prepared, mut call: OpenCall) -> HttpResponse {
        let mut response = self.response(200);
        call.answered(200);
        let fault = &self.rule.fault;
        if matches!(fault, Some(Fault::Html)) {
            call.end(Ending::Cut);
            return response.content_type("text/html; charset=UTF-8").body(EDGE_PAGE);
        }
        let in_steps = self.rule.wire.split.is_some() || fault.as_ref().is_some_and(deliver::concerns_body);
        let (frames, form) = match prepared {
            Prepared::Whole(value, usage) if in_steps => {
                (halves(&value.to_string(), usage, fault.as_ref()), Form::Whole)
            }
            Prepared::Whole(value, usage) => {
                call.sent(usage);
                call.end(Ending::Complete);
                return response.json(value);
            }
            Prepared::Frames(frames, form) => (frames, form),
        };
        let manner = self.manner(&frames, form);
        let steps = deliver::plan(frames.into_iter().map(Into::into).collect(), &manner);
        match form {
            Form::Events => {
                response.content_type("text/event-stream; charset=utf-8");
                response.insert_header((header::CACHE_CONTROL, "no-cache"));
            }
            Form::Array | Form::Whole => {
                response.content_type("application/json");
            }
        }
        response.streaming(deliver::body(steps, call, self.socket.clone()))
    }

    fn manner(&self, frames: &[Frame], form: Form) -> Manner {
        let is_event_stream = form == Form::Events;
        let mut rng = self.rng.clone();
        let Latency { gap, jitter, .. } = self.shared.latency;
        let gap = gap + Duration::from_millis(self.rule.gap_ms);
        let gaps = match form {
            Form::Whole => Vec::new(),
            _ if gap.is_zero() && jitter.is_zero() => Vec::new(),
            // The first event has waited already.
            Form::Events | Form::Array => {
                let waits = (1..frames.len()).map(|_| gap + drawn(jitter, &mut rng));
                std::iter::once(Duration::ZERO).chain(waits).collect()
            }
        };
        Manner {
            fault: self.rule.fault.clone(),
            wire: self.rule.wire.clone(),
            crlf: is_event_stream && self.rule.wire.crlf.unwrap_or(self.dialect.has_crlf()),
            gaps,
            error_frame: self.dialect.error_frame(&self.mid_stream_error(), &self.response_id),
        }
    }

    fn response(&self, status: u16) -> HttpResponseBuilder {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.dialect.headers(&self.response_id) {
            response.insert_header((name, value));
        }
        for (name, value) in &self.rule.headers {
            response.insert_header((name.as_str(), value.as_str()));
        }
        response
    }
}

/// A body that is not streamed, as frames: two halves, so that a fault can strike in the middle, or one piece where
/// the fault is about its JSON.
fn halves(body: &str, usage: Usage, fault: Option<&Fault>) -> Vec<Frame> {
    let frame = |text: &str| Frame { text: text.to_owned(), usage };
    if matches!(fault, None | Some(Fault::Malformed { .. } | Fault::HangAfterHeaders { .. })) {
        return vec![frame(body)];
    }
    let (first, second) = body.split_at(body.floor_char_boundary(body.len() / 2));
    vec![frame(first), frame(second)]
}

/// A wait of at most `jitter`.
pub(crate) fn drawn(jitter: Duration, rng: &mut Rng) -> Duration {
    let micros = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(rng.below(micros.max(size(1))))
}
