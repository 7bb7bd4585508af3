//! What a request for a picture may say.

use crate::{
    dialect::Refusal,
    gemini::{self, invalid},
    json::{given, list, text},
    words::token_count,
};
use serde_json::{Value, json};

/// Pixels at 1K; 2K and 4K are exactly twice and four times that (google-genai 3.4.0).
const RATIOS: &[(&str, u32, u32)] = &[
    ("1:1", 1024, 1024),
    ("2:3", 848, 1264),
    ("3:2", 1264, 848),
    ("3:4", 896, 1200),
    ("4:3", 1200, 896),
    ("4:5", 928, 1152),
    ("5:4", 1152, 928),
    ("9:16", 768, 1376),
    ("16:9", 1376, 768),
    ("21:9", 1584, 672),
];

const REFERENCES_MAX: usize = 14;

/// What a picture to look at counts as.
const REFERENCE_TOKENS: u64 = 560;

/// A request that was found good.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) prompt: String,
    pub(super) size: (u32, u32),
    /// 1,120 up to 2K, 2,000 for 4K.
    pub(super) image_tokens: u64,
    pub(super) prompt_tokens: u64,
    /// Whether pictures are wanted at all.
    pub(super) wants_image: bool,
}

/// Checks a request.
pub(super) fn read(body: &Value) -> Result<Order, Refusal> {
    let body = gemini::normalised(body)?;
    let parts: Vec<&Value> = list(&body, "contents").iter().flat_map(|content| list(content, "parts")).collect();
    if parts.is_empty() {
        return Err(invalid("* GenerateContentRequest.contents: contents is not specified"));
    }
    let texts: Vec<&str> = parts.iter().filter_map(|part| text(part, "text")).collect();
    let references = parts.iter().filter(|part| part.get("inlineData").is_some()).count();
    if references > REFERENCES_MAX {
        return Err(invalid(format!("Too many images: at most {REFERENCES_MAX} are supported.")));
    }
    let nothing = json!({});
    let config = given(&body, "generationConfig").unwrap_or(&nothing);
    if given(config, "candidateCount").and_then(Value::as_i64).is_some_and(|count| count != 1) {
        return Err(invalid("Multiple candidates is not enabled for this model"));
    }
    let modalities: Vec<&str> = list(config, "responseModalities").iter().filter_map(Value::as_str).collect();
    if let Some(unknown) = modalities.iter().find(|modality| !["TEXT", "IMAGE"].contains(*modality)) {
        return Err(invalid(format!("Model does not support the requested response modalities: {unknown}")));
    }
    let image = given(config, "imageConfig").unwrap_or(&nothing);
    let ratio = text(image, "aspectRatio").unwrap_or("1:1");
    let Some((_, width, height)) = RATIOS.iter().find(|(name, ..)| *name == ratio) else {
        return Err(invalid(format!("Invalid aspect ratio: {ratio}")));
    };
    // A capital K or nothing.
    let (scale, image_tokens) = match text(image, "imageSize").unwrap_or("1K") {
        "1K" => (1, 1120),
        "2K" => (2, 1120),
        "4K" => (4, 2000),
        other => return Err(invalid(format!("Invalid image size: {other}. Supported sizes: 1K, 2K, 4K."))),
    };
    let words: u64 = texts.iter().map(|text| token_count(text)).sum();
    Ok(Order {
        prompt: texts.join("\n"),
        size: (width * scale, height * scale),
        image_tokens,
        prompt_tokens: words + REFERENCE_TOKENS * u64::try_from(references).unwrap_or(0),
        wants_image: modalities.is_empty() || modalities.contains(&"IMAGE"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(config: &Value) -> Result<Order, String> {
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "a cat"}]}], "generationConfig": config});
        read(&body).map_err(|refusal| refusal.message)
    }

    #[test]
    fn sizes_follow_ratio_and_tier() {
        let image = |image: Value| with(&json!({"responseModalities": ["IMAGE"], "imageConfig": image})).unwrap();
        assert_eq!((image(json!({})).size, image(json!({})).image_tokens), ((1024, 1024), 1120));
        assert_eq!(image(json!({"aspectRatio": "16:9", "imageSize": "2K"})).size, (2752, 1536));
        let large = image(json!({"aspectRatio": "2:3", "imageSize": "4K"}));
        assert_eq!((large.size, large.image_tokens), ((3392, 5056), 2000));
        assert!(!with(&json!({"responseModalities": ["TEXT"]})).unwrap().wants_image);
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        for (config, message) in [
            (json!({"candidateCount": 2}), "Multiple candidates is not enabled for this model"),
            (json!({"imageConfig": {"imageSize": "2k"}}), "Invalid image size: 2k"),
            (json!({"imageConfig": {"aspectRatio": "1:8"}}), "Invalid aspect ratio: 1:8"),
            (json!({"imageConfig": {"outputMimeType": "image/png"}}), "Unknown name \"outputMimeType\""),
            (json!({"responseModalities": ["AUDIO"]}), "response modalities: AUDIO"),
        ] {
            let refused = with(&config).unwrap_err();
            assert!(refused.contains(message), "{refused}");
        }
        assert!(read(&json!({"contents": []})).is_err());
    }
}
