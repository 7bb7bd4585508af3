//! What may be asked for: voice, model, text, settings and format.

use super::refusal;
use crate::{
    dialect::Refusal,
    json::{given, text},
    media::{audio::Format, provider::Incoming},
    words::size,
};
use serde_json::{Value, json};

/// The model where none is named.
pub(super) const USUAL_MODEL: &str = "eleven_multilingual_v2";
const V3: &str = "eleven_v3";

/// Models and the most characters of each.
const MODELS: &[(&str, u64)] = &[
    (V3, 5_000),
    ("eleven_v4", 5_000),
    ("eleven_v4_turbo", 5_000),
    (USUAL_MODEL, 10_000),
    ("eleven_flash_v2_5", 40_000),
];

/// A request that was found good.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) model: String,
    pub(super) text: String,
    pub(super) format: Format,
    pub(super) format_name: String,
}

/// An error of validation, as the framework there writes it.
pub(super) fn unprocessable(field: &str, message: &str) -> Refusal {
    let detail = json!({"type": "value_error", "loc": ["body", field], "msg": message});
    Refusal { details: vec![detail], ..Refusal::new(422, "validation_error", message) }
}

/// Checks a request.
pub(super) fn read(incoming: &Incoming<'_>) -> Result<Order, Refusal> {
    let (body, voice) = (incoming.request.body, incoming.name);
    // An id is twenty letters and digits; a name such as "alloy" is none.
    if voice.len() != 20 || !voice.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = format!("A voice with voice_id '{voice}' was not found.");
        return Err(Refusal { message, param: Some("voice_id".to_owned()), ..refusal("voice_not_found") });
    }
    let Some(spoken) = given(body, "text") else { return Err(unprocessable("text", "Field required")) };
    let Some(spoken) = spoken.as_str() else { return Err(unprocessable("text", "Input should be a valid string")) };
    let model = text(body, "model_id").unwrap_or(USUAL_MODEL);
    let Some((_, characters_max)) = MODELS.iter().find(|(name, _)| *name == model) else {
        return Err(refusal("model_not_found"));
    };
    if spoken.trim().is_empty() {
        return Err(unprocessable("text", "String should have at least 1 character"));
    }
    if size(spoken.chars().count()) > *characters_max {
        return Err(refusal("max_character_limit_exceeded"));
    }
    check_settings(given(body, "voice_settings"), model)?;
    if given(body, "seed").is_some_and(|seed| seed.as_u64().is_none_or(|seed| u32::try_from(seed).is_err())) {
        return Err(unprocessable("seed", "Input should be between 0 and 4294967295"));
    }
    let format_name = incoming.request.query("output_format").unwrap_or("mp3_44100_128");
    let Some(format) = Format::parse(format_name) else { return Err(refusal("invalid_output_format")) };
    Ok(Order { model: model.to_owned(), text: spoken.to_owned(), format, format_name: format_name.to_owned() })
}

fn check_settings(settings: Option<&Value>, model: &str) -> Result<(), Refusal> {
    let Some(stability) = settings.and_then(|settings| given(settings, "stability")) else { return Ok(()) };
    let stability = stability.as_f64().filter(|stability| (0.0..=1.0).contains(stability));
    let Some(stability) = stability else {
        return Err(unprocessable("voice_settings", "stability must be between 0 and 1"));
    };
    // Exactly these: the third version knows three ways to speak.
    if model == V3 && ![0.0, 0.5, 1.0].contains(&stability) {
        return Err(refusal("invalid_ttd_stability"));
    }
    Ok(())
}
