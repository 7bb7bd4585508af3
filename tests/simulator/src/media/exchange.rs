//! One media call's life: noted, scripted, authorised, charged, generated, delivered.
//!
//! The order is that of the text protocols (`crate::exchange`): the script speaks first, then the key, then the
//! protocol. What is new is the time between the acceptance, which charges, and the answer: a client that leaves in it
//! has paid.

use super::provider::{Body, Incoming, Reply, Route, Studio};
use crate::{
    call::{Call, Ending},
    chance::Rng,
    compose,
    control::OpenCall,
    deliver::{self, Manner, Piece},
    dialect::{Refusal, Request},
    exchange::{Failure, Shared, break_before_headers, lose_reply},
    respond::{EDGE_PAGE, drawn},
    script::{Fault, Rule, Sought, Status},
    server::Latency,
    socket::Socket,
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web::Bytes,
};
use serde_json::Value;
use std::time::{Duration, SystemTime};

struct Exchange<'a> {
    route: &'a Route,
    shared: &'a Shared,
    rule: &'a Rule,
    socket: Socket,
    rng: Rng,
    request_id: String,
    key: Option<String>,
}

/// Serves one request.
pub(super) async fn serve(route: &'static Route, http: &HttpRequest, body: &[u8], shared: &Shared) -> HttpResponse {
    let provider = route.provider;
    let headers: Vec<(String, String)> = http
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    // Requests without a body are not asked for JSON.
    let parsed: Result<Value, String> =
        if body.is_empty() && http.method() == "GET" { Ok(Value::Null) } else { read(body) };
    let body_value = parsed.as_ref().unwrap_or(&Value::Null);
    let base = base(http);
    let incoming = Incoming {
        request: Request {
            counts_only: false,
            model: http.match_info().get("model"),
            streams: false,
            query: http.query_string(),
            headers: &headers,
            body: body_value,
            body_bytes: body.len(),
            seed: shared.seed,
        },
        path: http.path(),
        name: http.match_info().get("name").unwrap_or_default(),
        base: &base,
    };
    let key = provider.key(&incoming.request);
    let model = provider.model(&incoming);
    let streamed =
        http.path().ends_with("/stream") || body_value.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let call = shared.control.open(Call {
        id: 0,
        protocol: provider.protocol(),
        method: http.method().as_str().to_owned(),
        path: http.path().to_owned(),
        query: http.query_string().to_owned(),
        model: model.clone(),
        key: key.clone(),
        headers: headers.clone(),
        body: body_value.clone(),
        streamed,
        started: SystemTime::now(),
        status: None,
        events: 0,
        ending: None,
        usage: None,
    });
    let text = String::from_utf8_lossy(body);
    let rule = shared.control.take_rule(&Sought {
        protocol: provider.protocol(),
        model: model.as_deref(),
        key: key.as_deref(),
        path: http.path(),
        text: if body.is_empty() { http.query_string() } else { &text },
        is_generation: route.generates,
    });
    let exchange = Exchange {
        route,
        shared,
        rule: &rule.unwrap_or_default(),
        socket: http.conn_data::<Socket>().cloned().unwrap_or_else(Socket::unknown),
        rng: compose::rng_for(shared.seed, model.as_deref().unwrap_or_default(), body_value),
        request_id: Rng::new(shared.seed ^ shared.control.response_number()).id(""),
        key,
    };
    exchange.run(&incoming, call, parsed.as_ref().err().cloned()).await
}

fn read(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// The address by which the caller reached the simulator.
fn base(http: &HttpRequest) -> String {
    let host = http.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let own = || http.app_config().local_addr().to_string();
    format!("http://{}", host.filter(|host| host.contains(':')).map_or_else(own, str::to_owned))
}

impl Exchange<'_> {
    async fn run(&self, incoming: &Incoming<'_>, mut call: OpenCall, broken_json: Option<String>) -> HttpResponse {
        let attempt = self.attempt(incoming, &mut call, broken_json).await;
        let failure = match attempt {
            Ok(reply) => {
                if lose_reply(self.rule.fault.as_ref(), &self.socket, &mut call, reply.usage).await {
                    return HttpResponse::ServiceUnavailable().force_close().finish();
                }
                return self.deliver(reply, call);
            }
            Err(failure) => failure,
        };
        match failure {
            Failure::Refused(refusal) => {
                call.answered(refusal.status);
                call.end(Ending::Refused);
                return self.refuse(&refusal);
            }
            Failure::HungUp => call.end(Ending::HungUp),
            Failure::Broken => call.end(Ending::Cut),
        }
        HttpResponse::ServiceUnavailable().force_close().finish()
    }

    async fn attempt(
        &self,
        incoming: &Incoming<'_>,
        call: &mut OpenCall,
        broken_json: Option<String>,
    ) -> Result<Reply, Failure> {
        let provider = self.route.provider;
        let mut rng = self.rng.clone();
        let Latency { first_byte, jitter, generation, .. } = self.shared.latency;
        let wait = first_byte + Duration::from_millis(self.rule.delay_ms) + drawn(jitter, &mut rng);
        if !wait.is_zero() {
            self.socket.pause(Some(wait), &self.shared.control).await?;
        }
        break_before_headers(self.rule.fault.as_ref(), &self.socket, &self.shared.control).await?;
        if let Some(status) = &self.rule.status {
            return Err(self.scripted(status).into());
        }
        let key = self.key.as_deref();
        if self.route.needs_key && !key.is_some_and(|key| self.shared.control.accepts(key)) {
            return Err(provider.bad_key(key).into());
        }
        if let Some(error) = broken_json {
            return Err(provider.bad_json(&error).into());
        }
        let studio = Studio {
            control: &self.shared.control,
            protocol: provider.protocol(),
            rule: self.rule,
            seed: self.shared.seed,
            rng: self.rng.clone(),
            request_id: &self.request_id,
            key: key.unwrap_or_default(),
            call: call.id(),
            now: SystemTime::now(),
            generation: generation + Duration::from_millis(self.rule.media.generate_ms) + drawn(jitter, &mut rng),
        };
        let mut reply = (self.route.answer)(incoming, &studio)?;
        call.hold(reply.permit.take());
        if !reply.generation.is_zero() {
            self.socket.pause(Some(reply.generation), &self.shared.control).await?;
        }
        match reply.body {
            Body::Refusal(refusal) => Err(refusal.into()),
            Body::Whole(_) if matches!(self.rule.fault, Some(Fault::ErrorEvent { .. })) => {
                Err(self.error_event().into())
            }
            Body::Whole(_) | Body::Chunks(_) => Ok(reply),
        }
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let mut refusal = self.route.provider.scripted(status);
        if let Some(message) = &status.message {
            refusal.message.clone_from(message);
        }
        refusal
    }

    fn error_event(&self) -> Refusal {
        let Some(Fault::ErrorEvent { error_type, message, .. }) = &self.rule.fault else {
            return self.scripted(&Status { code: 500, ..Status::default() });
        };
        let (error_code, message) = (error_type.clone(), message.clone());
        self.scripted(&Status { code: 500, error_code, message, ..Status::default() })
    }

    fn refuse(&self, refusal: &Refusal) -> HttpResponse {
        let mut response = self.response(refusal.status);
        let body = self.rule.status.as_ref().and_then(|status| {
            if let Some(value) = &status.retry_after {
                response.insert_header((header::RETRY_AFTER, value.as_str()));
            }
            status.body.as_ref().map(|body| (body, status.content_type.as_deref()))
        });
        if let Some((body, content_type)) = body {
            let own = if body.is_string() { "text/html; charset=UTF-8" } else { "application/json" };
            response.content_type(content_type.unwrap_or(own));
            return response.body(body.as_str().map_or_else(|| body.to_string(), str::to_owned));
        }
        if refusal.kind.as_ref() == HTML {
            return response.content_type("text/html; charset=UTF-8").body(refusal.message.clone());
        }
        response.json(self.route.provider.error(refusal, &self.request_id))
    }

    fn response(&self, status: u16) -> HttpResponseBuilder {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.route.provider.headers(&self.request_id) {
            response.insert_header((name, value));
        }
        response
    }

    fn deliver(&self, reply: Reply, mut call: OpenCall) -> HttpResponse {
        let Reply { status, content_type, headers, body, usage, .. } = reply;
        let mut response = self.response(status);
        call.answered(status);
        if matches!(self.rule.fault, Some(Fault::Html)) {
            call.end(Ending::Cut);
            return response.content_type("text/html; charset=UTF-8").body(EDGE_PAGE);
        }
        response.content_type(content_type.as_str());
        for (name, value) in headers {
            response.insert_header((name, value));
        }
        for (name, value) in &self.rule.headers {
            response.insert_header((name.as_str(), value.as_str()));
        }
        let chunks = match body {
            Body::Chunks(chunks) => chunks,
            Body::Whole(bytes) => {
                let Some(parts) = self.parts(&bytes) else {
                    call.sent(usage);
                    call.end(Ending::Complete);
                    return response.body(bytes);
                };
                parts
            }
            // Never delivered: `attempt` makes it a failure.
            Body::Refusal(_) => Vec::new(),
        };
        let mut rng = self.rng.clone();
        let Latency { gap, jitter, .. } = self.shared.latency;
        let gap = gap + Duration::from_millis(self.rule.gap_ms);
        // The first chunk has waited already.
        let gaps = (0..chunks.len()).map(|at| if at == 0 { Duration::ZERO } else { gap + drawn(jitter, &mut rng) });
        let is_plain = gap.is_zero() && jitter.is_zero();
        let manner = Manner {
            fault: self.rule.fault.clone(),
            wire: self.rule.wire.clone(),
            crlf: false,
            gaps: if is_plain { Vec::new() } else { gaps.collect() },
            error_frame: format!("data: {}\n\n", self.route.provider.error(&self.error_event(), &self.request_id)),
        };
        let pieces = chunks.into_iter().map(|bytes| Piece { bytes, usage }).collect();
        response.streaming(deliver::body(deliver::plan(pieces, &manner), call, self.socket.clone()))
    }

    /// The parts of a body that is to be sent in parts: as the wire form splits it, so that gaps make it a slow drip,
    /// or two halves, so that a fault can strike in the middle.
    fn parts(&self, bytes: &Bytes) -> Option<Vec<Bytes>> {
        let split = self.rule.wire.split.filter(|split| *split > 0);
        let length = match (&self.rule.fault, split) {
            (_, Some(split)) => split,
            (Some(fault), None) if deliver::concerns_body(fault) => match fault {
                Fault::Malformed { .. } | Fault::HangAfterHeaders { .. } => bytes.len().max(1),
                _ => bytes.len().div_ceil(2).max(1),
            },
            _ => return None,
        };
        Some(bytes.chunks(length).map(|part| bytes.slice_ref(part)).collect())
    }
}

/// The kind of a refusal whose message is a page and not a sentence.
pub(super) const HTML: &str = "html";
