//! Pictures made and written down: as one object, or as the events of a stream.

use super::{
    refusal,
    request::{self, Order, Product},
    sentence, storage,
};
use crate::{
    books::{Draft, Unit},
    dialect::Refusal,
    media::{
        drawing::Drawing,
        provider::{Body, Incoming, Reply, Studio},
    },
    words::size,
};
use actix_web::web::Bytes;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// One element of `data`.
enum Made {
    Picture(Drawing),
    Failure(String),
}

/// `POST /api/v3/images/generations`
pub(super) fn generate(incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let order = request::read(incoming.request.body)?;
    let change = &studio.rule.ark;
    if let Some(code) = &change.refusal {
        if code.starts_with("Output") {
            return Ok(Reply::refused(refusal(code)).after(studio.generation));
        }
        return Err(refusal(code));
    }
    let model = change.model.clone().unwrap_or_else(|| order.model.clone());
    if let Some(code) = &change.top_level_error {
        let error = json!({"code": code, "message": sentence(code)});
        let usage = json!({"generated_images": 0, "output_tokens": 0, "total_tokens": 0});
        let body = json!({"model": model, "created": studio.seconds(), "data": [], "usage": usage, "error": error});
        return Ok(Reply::json(&body).after(studio.generation));
    }
    let made = pictures(&order, studio);
    let drawings: Vec<&Drawing> = made.iter().filter_map(Made::drawing).collect();
    if let Some(first) = drawings.first() {
        charge(&order, &model, &drawings, first, studio)?;
    }
    let tokens: u64 = drawings.iter().map(|drawing| drawing.pixels() / 256).sum();
    let mut usage = json!({"generated_images": drawings.len(), "output_tokens": tokens, "total_tokens": tokens});
    if let (Some(usage), true) = (usage.as_object_mut(), order.references > 0) {
        usage.insert("input_images".to_owned(), order.references.into());
    }
    let usage = (!change.omit_usage).then_some(usage);
    let elements: Vec<Value> = made.iter().map(|made| element(made, &order, incoming, studio)).collect();
    let reply = if order.streamed {
        stream(&model, elements, usage, studio)
    } else {
        let data = if change.empty { Vec::new() } else { elements };
        let mut body = json!({"model": model, "created": studio.seconds(), "data": data});
        if let (Some(body), Some(usage)) = (body.as_object_mut(), usage) {
            body.insert("usage".to_owned(), usage);
        }
        Reply::json(&body)
    };
    Ok(reply.after(studio.generation))
}

impl Made {
    fn drawing(&self) -> Option<&Drawing> {
        match self {
            Self::Picture(drawing) => Some(drawing),
            Self::Failure(_) => None,
        }
    }
}

fn pictures(order: &Order, studio: &Studio<'_>) -> Vec<Made> {
    let (change, media) = (&studio.rule.ark, &studio.rule.media);
    let drawn = 1 + studio.rng.clone().below(order.images_max);
    let number = change.images.unwrap_or(if order.images_max > 1 { drawn } else { 1 });
    let make = |at: u64| {
        if change.failures.contains(&at) {
            let code = change.failure_code.as_deref().unwrap_or("OutputImageSensitiveContentDetected");
            return Made::Failure(code.to_owned());
        }
        let format = media.image_format.unwrap_or(order.format);
        let pixels = media.pixels.unwrap_or(order.size);
        let drawing = Drawing::new(studio.seed, &order.prompt, at, pixels, format);
        let crate::MediaChange { pad_bytes, metadata, signed, .. } = *media;
        Made::Picture(Drawing { watermarked: order.watermarked, pad_bytes, metadata, signed, ..drawing })
    };
    (0..number).map(make).collect()
}

/// Successes are what is billed; the price of Pro depends on the size.
fn charge(
    order: &Order,
    model: &str,
    drawings: &[&Drawing],
    first: &Drawing,
    studio: &Studio<'_>,
) -> Result<(), Refusal> {
    let images = size(drawings.len());
    let each = match order.product {
        Product::Lite => 35_000_000,
        Product::Pro if first.pixels() <= 2_360_000 => 45_000_000,
        Product::Pro => 90_000_000,
    };
    let draft = Draft {
        model: model.to_owned(),
        what: format!("{images} images {}", first.size()),
        units: images,
        unit: Unit::Image,
        nano_usd: each * images,
        images,
        pixels: Some((first.width, first.height)),
        watermarked: order.watermarked,
        audio_micros: None,
        reference: studio.request_id.to_owned(),
    };
    studio.charge(draft).map(drop).map_err(|_broke| refusal("AccountOverdueError"))
}

fn element(made: &Made, order: &Order, incoming: &Incoming<'_>, studio: &Studio<'_>) -> Value {
    match made {
        Made::Failure(code) => json!({"error": {"code": code, "message": sentence(code)}}),
        Made::Picture(drawing) if order.as_base64 => {
            json!({"b64_json": STANDARD.encode(drawing.bytes()), "size": drawing.size()})
        }
        Made::Picture(drawing) => {
            json!({"url": storage::address(incoming.base, drawing, studio), "size": drawing.size()})
        }
    }
}

/// An event for each element, then the end with the usage.
fn stream(model: &str, elements: Vec<Value>, usage: Option<Value>, studio: &Studio<'_>) -> Reply {
    let event = |name: &str, more: Value| {
        let name = format!("image_generation.{name}");
        let mut event = json!({"type": name, "model": model, "created": studio.seconds()});
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        Bytes::from(format!("event: {name}\ndata: {event}\n\n"))
    };
    let mut chunks = Vec::new();
    for (at, mut element) in elements.into_iter().enumerate() {
        let name = if element.get("error").is_some() { "partial_failed" } else { "partial_succeeded" };
        if let Some(element) = element.as_object_mut() {
            element.insert("image_index".to_owned(), at.into());
        }
        chunks.push(event(name, element));
    }
    chunks.push(event("completed", usage.map_or(json!({}), |usage| json!({"usage": usage}))));
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    Reply { body: Body::Chunks(chunks), ..Reply::new("text/event-stream; charset=utf-8", "") }
}
