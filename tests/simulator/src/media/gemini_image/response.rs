//! Pictures with their drafts, and the refusals that look like answers.

use super::request::{self, Order};
use crate::{
    books::{Draft, Unit},
    call::Usage,
    dialect::Refusal,
    media::{
        drawing::{Drawing, ImageFormat},
        provider::{Incoming, Reply, Studio},
    },
    words::token_count,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// What an answer counts as, in tokens.
#[derive(Clone, Copy, Default)]
struct Tokens {
    prompt: u64,
    text: u64,
    image: u64,
    thoughts: u64,
}

/// `POST /v1beta/models/{model}:generateContent`
pub(super) fn generate(incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let order = request::read(incoming.request.body)?;
    let change = &studio.rule.gemini_image;
    let prompt = Tokens { prompt: order.prompt_tokens, ..Tokens::default() };
    let refused = |value: Value| Ok(Reply::json(&value).after(studio.generation));
    if let Some(reason) = &change.block_reason {
        let mut value = response(None, prompt, incoming, studio);
        if let Some(map) = value.as_object_mut() {
            map.insert("promptFeedback".to_owned(), json!({"blockReason": reason}));
        }
        return refused(value);
    }
    if let Some(reason) = &change.finish_reason {
        let message = "Unable to show the generated image. The model could not generate the image based on the prompt.";
        let candidate = json!({"content": {}, "finishReason": reason, "finishMessage": message, "index": 0});
        return refused(response(Some(candidate), prompt, incoming, studio));
    }
    if let Some(apology) = &change.apology {
        return refused(response(Some(candidate(&[json!({ "text": apology })])), prompt, incoming, studio));
    }

    let text = change.text.clone().or_else(|| (!order.wants_image).then(|| "Pictures are not asked for.".to_owned()));
    let tokens = Tokens {
        text: text.as_deref().map_or(0, token_count),
        image: if order.wants_image { order.image_tokens } else { 0 },
        thoughts: 100 + studio.rng.clone().below(200),
        ..prompt
    };
    let mut parts: Vec<Value> = text.into_iter().map(|text| json!({ "text": text })).collect();
    if order.wants_image {
        parts.extend(pictures(&order, studio));
    }
    charge(&order, tokens, incoming, studio)?;
    let usage = Usage {
        input: tokens.prompt,
        output: tokens.text + tokens.image + tokens.thoughts,
        thinking: tokens.thoughts,
        ..Usage::default()
    };
    let value = response(Some(candidate(&parts)), tokens, incoming, studio);
    Ok(Reply { usage, ..Reply::json(&value) }.after(studio.generation))
}

fn candidate(parts: &[Value]) -> Value {
    json!({"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0})
}

/// The drafts, then the picture: the last one that is no thought.
fn pictures(order: &Order, studio: &Studio<'_>) -> Vec<Value> {
    let (change, media) = (&studio.rule.gemini_image, &studio.rule.media);
    let format = media.image_format.unwrap_or(ImageFormat::Jpeg);
    let part = |number: u64, pad_bytes: u64, is_thought: bool| {
        let drawing = Drawing::new(studio.seed, &order.prompt, number, media.pixels.unwrap_or(order.size), format);
        let data =
            STANDARD.encode(Drawing { pad_bytes, metadata: media.metadata, signed: media.signed, ..drawing }.bytes());
        // What is said of the format is what this model always makes.
        let mut part = json!({"inlineData": {"mimeType": ImageFormat::Jpeg.mime(), "data": data}});
        if let (Some(part), true) = (part.as_object_mut(), is_thought) {
            part.insert("thought".to_owned(), true.into());
        }
        part
    };
    let drafts = (1..=change.drafts).map(|number| part(number, 0, change.thought_drafts));
    drafts.chain(std::iter::once(part(0, media.pad_bytes, false))).collect()
}

/// List prices: 2 dollars a million for the prompt, 12 for text and thoughts, 120 for the picture.
fn charge(order: &Order, tokens: Tokens, incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<(), Refusal> {
    let Tokens { prompt, text, image, thoughts } = tokens;
    let images = u64::from(order.wants_image);
    let (width, height) = studio.rule.media.pixels.unwrap_or(order.size);
    let draft = Draft {
        model: incoming.request.model.unwrap_or_default().to_owned(),
        what: format!("{images} images {width}x{height}"),
        units: prompt + text + image + thoughts,
        unit: Unit::Token,
        nano_usd: prompt * 2_000 + (text + thoughts) * 12_000 + image * 120_000,
        images,
        pixels: order.wants_image.then_some((width, height)),
        watermarked: false,
        audio_micros: None,
        reference: studio.request_id.to_owned(),
    };
    let broke = "You exceeded your current quota, please check your plan and billing details.";
    studio.charge(draft).map(drop).map_err(|_broke| Refusal::new(429, "RESOURCE_EXHAUSTED", broke))
}

fn response(candidate: Option<Value>, tokens: Tokens, incoming: &Incoming<'_>, studio: &Studio<'_>) -> Value {
    let Tokens { prompt, text, image, thoughts } = tokens;
    let mut value = json!({});
    let Some(map) = value.as_object_mut() else { return value };
    if let Some(candidate) = candidate {
        map.insert("candidates".to_owned(), json!([candidate]));
    }
    if !studio.rule.gemini_image.omit_usage {
        let mut usage = json!({
            "promptTokenCount": prompt,
            "candidatesTokenCount": text + image,
            "totalTokenCount": prompt + text + image + thoughts,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        });
        if let (Some(usage), true) = (usage.as_object_mut(), image > 0) {
            usage.insert("candidatesTokensDetails".to_owned(), json!([{"modality": "IMAGE", "tokenCount": image}]));
        }
        if let (Some(usage), true) = (usage.as_object_mut(), thoughts > 0) {
            usage.insert("thoughtsTokenCount".to_owned(), thoughts.into());
        }
        map.insert("usageMetadata".to_owned(), usage);
    }
    map.insert("modelVersion".to_owned(), incoming.request.model.into());
    map.insert("responseId".to_owned(), studio.request_id.into());
    value
}
