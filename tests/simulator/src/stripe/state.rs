//! What the fake knows: sessions, payments, refunds, disputes, events, and the script.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

/// How the fake behaves. All off: every payment succeeds and each webhook is sent once, in order.
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of its own")]
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Script {
    /// No webhook is sent.
    pub never: bool,
    /// How often each is sent; 0 is once.
    pub times: u32,
    /// The last event first.
    pub reversed: bool,
    /// Webhooks are signed with another secret.
    pub wrong_secret: bool,
    /// Events and objects are of live mode.
    pub livemode: bool,
    /// The currency of payments, where it is not `usd`.
    pub currency: Option<String>,
    /// Cents that are paid beyond what was asked for.
    pub surplus: i64,
    /// Payments without the customer are declined.
    pub decline: bool,
    /// Saved cards are gone, and payments with them refused.
    pub cards_gone: bool,
    /// So many writes answer 500 and do nothing.
    pub fail_before: u32,
    /// So many writes are done and answer 503.
    pub lose_answers: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
}

impl Refusal {
    pub(super) const fn new(status: u16, code: &'static str) -> Self {
        Self { status, kind: "invalid_request_error", code }
    }
}

/// A write and what it was answered.
type Answered = (Vec<(String, String)>, Result<Value, Refusal>);
pub(super) type Form = [(String, String)];
pub(super) type Made = Result<(Value, Vec<Value>), Refusal>;

pub(super) struct State {
    secret_key: String,
    webhook_secret: String,
    pub(super) base_url: String,
    pub(super) webhook_url: Option<String>,
    pub(super) script: Script,
    pub(super) sessions: BTreeMap<String, Value>,
    pub(super) intents: BTreeMap<String, Value>,
    refunds: BTreeMap<String, Value>,
    pub(super) events: Vec<Value>,
    pub(super) deliveries: Vec<Value>,
    pub(super) calls: Vec<Value>,
    /// Saved cards that were taken from their customers.
    detached: BTreeSet<String>,
    pub(super) remembered: HashMap<String, Answered>,
    last: u64,
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// The `Stripe-Signature` header of a body.
pub fn sign(secret: &str, time: i64, body: &str) -> String {
    let mut hex = String::new();
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(format!("{time}.{body}").as_bytes());
        for byte in mac.finalize().into_bytes() {
            let _ = write!(hex, "{byte:02x}");
        }
    }
    format!("t={time},v1={hex}")
}

fn field<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The fields `prefix[name]`.
fn map(form: &Form, prefix: &str) -> Value {
    let inner = |key: &str| Some(key.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
    let pairs = form.iter().filter_map(|(key, value)| Some((inner(key)?, Value::from(value.as_str()))));
    Value::Object(pairs.collect())
}

fn get<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// A payment with its method as a whole object instead of its id.
pub(super) fn with_method(intent: &Value) -> Value {
    let mut intent = intent.clone();
    if let Some(id) = intent.get("payment_method").and_then(Value::as_str) {
        let card = json!({ "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030 });
        let method = json!({ "id": id, "object": "payment_method", "type": "card", "card": card });
        set(&mut intent, "payment_method", method);
    }
    intent
}

impl State {
    pub(super) fn new(secret_key: &str, webhook_secret: &str) -> Self {
        Self {
            secret_key: secret_key.to_owned(),
            webhook_secret: webhook_secret.to_owned(),
            base_url: String::new(),
            webhook_url: None,
            script: Script::default(),
            sessions: BTreeMap::new(),
            intents: BTreeMap::new(),
            refunds: BTreeMap::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            calls: Vec::new(),
            detached: BTreeSet::new(),
            remembered: HashMap::new(),
            last: 0,
        }
    }

    fn id(&mut self, prefix: &str) -> String {
        self.last += 1;
        format!("{prefix}_fake_{:06}", self.last)
    }

    pub(super) fn authorise(&self, header: &str, version: &str) -> Result<(), Refusal> {
        if header != format!("Bearer {}", self.secret_key) {
            return Err(Refusal::new(401, "api_key_invalid"));
        }
        if version.is_empty() { Err(Refusal::new(400, "no_version")) } else { Ok(()) }
    }

    /// Where webhooks go and what they are signed with.
    pub(super) fn webhook(&self) -> Option<(String, String)> {
        let secret = if self.script.wrong_secret { "whsec_of_somebody_else" } else { &self.webhook_secret };
        Some((self.webhook_url.clone()?, secret.to_owned()))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "sessions": self.sessions, "intents": self.intents, "refunds": self.refunds,
            "events": self.events, "deliveries": self.deliveries, "calls": self.calls,
        })
    }

    fn event(&mut self, kind: &str, object: &Value) -> Value {
        let event = json!({
            "id": self.id("evt"), "object": "event", "type": kind, "livemode": self.script.livemode,
            "created": now(), "data": { "object": object },
        });
        self.events.push(event.clone());
        event
    }

    fn currency(&self) -> String {
        self.script.currency.clone().unwrap_or_else(|| "usd".to_owned())
    }

    pub(super) fn create_session(&mut self, form: &Form) -> Made {
        let amount = field(form, "line_items[0][price_data][unit_amount]").and_then(|text| text.parse::<i64>().ok());
        let (Some("payment"), Some(amount @ 50..)) = (field(form, "mode"), amount) else {
            return Err(Refusal::new(400, "parameter_invalid"));
        };
        if field(form, "line_items[0][price_data][currency]") != Some("usd") || field(form, "success_url").is_none() {
            return Err(Refusal::new(400, "parameter_missing"));
        }
        let id = self.id("cs");
        let session = json!({
            "id": id, "object": "checkout.session", "url": format!("{}/pay/{id}", self.base_url), "created": now(),
            "status": "open", "payment_status": "unpaid", "amount_total": amount, "currency": self.currency(),
            "client_reference_id": field(form, "client_reference_id"), "payment_intent": null,
            "customer": field(form, "customer"), "metadata": map(form, "metadata"),
            "success_url": field(form, "success_url"), "cancel_url": field(form, "cancel_url"),
            "intent_metadata": map(form, "payment_intent_data[metadata]"),
            "keeps": field(form, "payment_intent_data[setup_future_usage]") == Some("off_session"),
        });
        self.sessions.insert(id, session.clone());
        Ok((session, Vec::new()))
    }

    /// The customer pays.
    pub(super) fn pay(&mut self, id: &str) -> Vec<Value> {
        let Some(mut session) = self.sessions.get(id).cloned().filter(|session| get(session, "status") == "open")
        else {
            return Vec::new();
        };
        let (intent_id, customer) = (self.id("pi"), self.id("cus"));
        let amount = session.get("amount_total").and_then(Value::as_i64).unwrap_or_default() + self.script.surplus;
        let keeps = session.get("keeps") == Some(&Value::Bool(true));
        let customer = if keeps { Value::from(customer) } else { Value::Null };
        let method = if keeps { Value::from(self.id("pm")) } else { Value::Null };
        let intent = json!({
            "id": intent_id, "object": "payment_intent", "status": "succeeded", "amount": amount,
            "amount_received": amount, "currency": self.currency(), "customer": customer, "payment_method": method,
            "metadata": session.get("intent_metadata"), "livemode": self.script.livemode,
        });
        self.intents.insert(intent_id.clone(), intent.clone());
        let currency = self.currency();
        for (name, value) in [
            ("status", Value::from("complete")),
            ("payment_status", Value::from("paid")),
            ("payment_intent", Value::from(intent_id)),
            ("customer", customer),
            ("amount_total", Value::from(amount)),
            ("currency", Value::from(currency)),
        ] {
            set(&mut session, name, value);
        }
        self.sessions.insert(id.to_owned(), session.clone());
        vec![self.event("checkout.session.completed", &session), self.event("payment_intent.succeeded", &intent)]
    }

    pub(super) fn create_intent(&mut self, form: &Form) -> Made {
        let amount = field(form, "amount").and_then(|text| text.parse::<i64>().ok());
        let (Some(amount), Some("true"), Some("true")) = (amount, field(form, "confirm"), field(form, "off_session"))
        else {
            return Err(Refusal::new(400, "parameter_missing"));
        };
        let known = self.intents.values().any(|intent| {
            Some(get(intent, "customer")) == field(form, "customer")
                && Some(get(intent, "payment_method")) == field(form, "payment_method")
        });
        if !known {
            return Err(Refusal::new(400, "resource_missing"));
        }
        if self.script.cards_gone || field(form, "payment_method").is_some_and(|card| self.detached.contains(card)) {
            return Err(Refusal::new(400, "resource_missing"));
        }
        let id = self.id("pi");
        let status = if self.script.decline { "requires_payment_method" } else { "succeeded" };
        let intent = json!({
            "id": id, "object": "payment_intent", "status": status, "amount": amount,
            "amount_received": if self.script.decline { 0 } else { amount }, "currency": "usd",
            "customer": field(form, "customer"), "payment_method": field(form, "payment_method"),
            "metadata": map(form, "metadata"), "livemode": self.script.livemode,
        });
        self.intents.insert(id, intent.clone());
        if self.script.decline {
            self.event("payment_intent.payment_failed", &intent);
            return Err(Refusal { status: 402, kind: "card_error", code: "card_declined" });
        }
        let event = self.event("payment_intent.succeeded", &intent);
        Ok((intent, vec![event]))
    }

    pub(super) fn detach(&mut self, method: &str) -> Made {
        self.card(method)?;
        if !self.detached.insert(method.to_owned()) {
            return Err(Refusal::new(400, "payment_method_unexpected_state"));
        }
        Ok((self.card(method)?, Vec::new()))
    }

    /// A card that something was paid with.
    pub(super) fn card(&self, method: &str) -> Result<Value, Refusal> {
        let paid = self.intents.values().find(|intent| get(intent, "payment_method") == method);
        let paid = paid.ok_or_else(|| Refusal::new(404, "resource_missing"))?;
        let customer = Some(get(paid, "customer")).filter(|_| !self.detached.contains(method));
        Ok(json!({ "id": method, "object": "payment_method", "customer": customer }))
    }

    pub(super) fn create_refund(&mut self, form: &Form) -> Made {
        let amount = field(form, "amount").and_then(|text| text.parse::<i64>().ok());
        let (Some(amount), Some(intent)) = (amount, field(form, "payment_intent")) else {
            return Err(Refusal::new(400, "parameter_missing"));
        };
        self.refund(intent, amount, &map(form, "metadata"))
    }

    fn refund(&mut self, intent: &str, amount: i64, metadata: &Value) -> Made {
        let sum = |values: &BTreeMap<String, Value>| -> i64 {
            let of = values.values().filter(|refund| get(refund, "payment_intent") == intent);
            of.filter_map(|refund| refund.get("amount").and_then(Value::as_i64)).sum()
        };
        let paid = self.intents.get(intent).and_then(|intent| intent.get("amount_received")).and_then(Value::as_i64);
        if paid.is_none_or(|paid| sum(&self.refunds) + amount > paid) {
            return Err(Refusal::new(400, "charge_already_refunded"));
        }
        let id = self.id("re");
        let refund = json!({
            "id": id, "object": "refund", "status": "succeeded", "amount": amount, "currency": "usd",
            "payment_intent": intent, "metadata": metadata,
        });
        self.refunds.insert(id, refund.clone());
        let event = self.event("refund.created", &refund);
        Ok((refund, vec![event]))
    }

    pub(super) fn refund_outside(&mut self, intent: &str, amount: i64) -> Vec<Value> {
        self.refund(intent, amount, &json!({})).map(|(_, events)| events).unwrap_or_default()
    }

    pub(super) fn dispute(&mut self, intent: &str, closed: Option<&str>) -> Vec<Value> {
        let amount = self.intents.get(intent).and_then(|intent| intent.get("amount_received")).cloned();
        let dispute = json!({
            "id": format!("dp_of_{intent}"), "object": "dispute", "amount": amount, "currency": "usd",
            "payment_intent": intent, "reason": "fraudulent", "status": closed.unwrap_or("needs_response"),
        });
        let kind = if closed.is_some() { "charge.dispute.closed" } else { "charge.dispute.created" };
        vec![self.event(kind, &dispute)]
    }
}
