//! The body of `/v1/images/generations`, read once into our own request.
//!
//! A parameter whose effect we cannot keep is refused by name; hints that change neither the picture's
//! format nor its price (`quality`, `style`, `moderation`) are read and passed over, and so are keys that we
//! do not know. What one model takes and another does not is refused by the plan of its adapter.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::Text;
use super::request::object::object;
use super::request::position::refusal;
use crate::adapters::fault::BodyError;
use crate::media::{ImageFormat, ImageRequest, Pixels, ResponseFormat, Size};

object! {
    /// The keys that mean something to us, each as it stands.
    struct ImageFields<'a> {
        "model" => model: &'a RawValue,
        "prompt" => prompt: &'a RawValue,
        "n" => n: &'a RawValue,
        "size" => size: &'a RawValue,
        "response_format" => response_format: &'a RawValue,
        "output_format" => output_format: &'a RawValue,
        "output_compression" => output_compression: &'a RawValue,
        "background" => background: &'a RawValue,
        "quality" => quality: &'a RawValue,
        "style" => style: &'a RawValue,
        "moderation" => moderation: &'a RawValue,
        "stream" => stream: &'a RawValue,
        "partial_images" => partial_images: &'a RawValue,
        "user" => user: &'a RawValue,
        "safety_identifier" => safety_identifier: &'a RawValue,
        "image" => image: &'a RawValue,
        "images" => images: &'a RawValue,
        "mask" => mask: &'a RawValue,
        "svg" => svg: &'a RawValue,
        "frame_count" => frame_count: &'a RawValue,
        "frame_rate" => frame_rate: &'a RawValue,
    }
}

/// Reads a body.
///
/// # Errors
/// [`BodyError`] names the field: what is not JSON or has a key twice, what cannot be, and what is not served.
pub fn read_image_request(bytes: &[u8]) -> Result<ImageRequest, BodyError> {
    let text = std::str::from_utf8(bytes).map_err(|_| BodyError::invalid_json("the body is not UTF-8"))?;
    let fields: ImageFields<'_> = serde_json::from_str(text).map_err(|error| refusal(text, "", &error))?;
    let model = text_of(fields.model, "model")?.unwrap_or_default();
    if model.is_empty() {
        return Err(BodyError::invalid("model", "model is required"));
    }
    refuse_what_is_not_served(&fields)?;
    let end_user = match text_of(fields.user, "user")? {
        None => text_of(fields.safety_identifier, "safety_identifier")?,
        user => user,
    };
    Ok(ImageRequest {
        model,
        prompt: prompt(fields.prompt)?.into(),
        size: size(fields.size)?,
        count: count(fields.n)?,
        response_format: response_format(fields.response_format)?,
        output_format: output_format(fields.output_format)?,
        end_user,
    })
}

/// What would change the answer in a way that no model of ours can.
fn refuse_what_is_not_served(fields: &ImageFields<'_>) -> Result<(), BodyError> {
    if value::<bool>(fields.stream, "stream")? == Some(true) {
        return Err(BodyError::unsupported("stream", "images are not streamed"));
    }
    if value::<u32>(fields.partial_images, "partial_images")?.is_some_and(|images| images > 0) {
        return Err(BodyError::unsupported("partial_images", "images are not streamed"));
    }
    for (given, name) in [(fields.image, "image"), (fields.images, "images"), (fields.mask, "mask")] {
        if given.is_some() {
            return Err(BodyError::unsupported(name, "images are made from text only"));
        }
    }
    for (given, name) in [(fields.svg, "svg"), (fields.frame_count, "frame_count"), (fields.frame_rate, "frame_rate")] {
        if given.is_some() {
            return Err(BodyError::unsupported(name, "only single raster images are made"));
        }
    }
    match text_of(fields.background, "background")?.as_deref() {
        None | Some("auto" | "opaque") => {}
        Some("transparent") => {
            return Err(BodyError::unsupported("background", "transparent backgrounds are not made"));
        }
        Some(_) => return Err(BodyError::invalid("background", "expected auto or opaque")),
    }
    match value::<u32>(fields.output_compression, "output_compression")? {
        None | Some(100) => {}
        Some(0..=99) => {
            return Err(BodyError::unsupported("output_compression", "the compression cannot be chosen"));
        }
        Some(_) => return Err(BodyError::invalid("output_compression", "expected a number from 0 to 100")),
    }
    let hints: [(_, _, &[&str]); 3] = [
        (fields.quality, "quality", &["auto", "low", "medium", "high", "standard", "hd"]),
        (fields.style, "style", &["vivid", "natural"]),
        (fields.moderation, "moderation", &["auto", "low"]),
    ];
    for (given, name, known) in hints {
        if text_of(given, name)?.is_some_and(|hint| !known.contains(&hint.as_str())) {
            return Err(BodyError::invalid(name, format!("expected one of {}", known.join(", "))));
        }
    }
    Ok(())
}

fn prompt(raw: Option<&RawValue>) -> Result<String, BodyError> {
    let prompt = text_of(raw, "prompt")?.unwrap_or_default();
    if prompt.trim().is_empty() {
        return Err(BodyError::invalid("prompt", "prompt is required"));
    }
    // Characters are counted only where there may be too many.
    let max = ImageRequest::PROMPT_CHARS_MAX;
    if prompt.len() > max && prompt.chars().count() > max {
        return Err(BodyError::invalid("prompt", format!("expected at most {max} characters")));
    }
    Ok(prompt)
}

fn count(raw: Option<&RawValue>) -> Result<u32, BodyError> {
    let max = ImageRequest::COUNT_MAX;
    let wrong = || BodyError::invalid("n", format!("expected a number from 1 to {max}"));
    let Some(raw) = raw else { return Ok(1) };
    let count = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    if (1..=max).contains(&count) { Ok(count) } else { Err(wrong()) }
}

fn size(raw: Option<&RawValue>) -> Result<Size, BodyError> {
    let Some(text) = text_of(raw, "size")? else { return Ok(Size::Auto) };
    if text == "auto" {
        return Ok(Size::Auto);
    }
    let side = |digits: &str| {
        let is_plain = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let pixels = digits.parse().ok().filter(|_| is_plain)?;
        (1..=Pixels::SIDE_MAX).contains(&pixels).then_some(pixels)
    };
    let pixels =
        text.split_once('x').and_then(|(width, height)| Some(Pixels { width: side(width)?, height: side(height)? }));
    pixels.map(Size::Pixels).ok_or_else(|| {
        let message = format!("expected auto or WIDTHxHEIGHT such as 1024x1024, each from 1 to {}", Pixels::SIDE_MAX);
        BodyError::invalid("size", message)
    })
}

fn response_format(raw: Option<&RawValue>) -> Result<ResponseFormat, BodyError> {
    match text_of(raw, "response_format")?.as_deref() {
        None | Some("url") => Ok(ResponseFormat::Url),
        Some("b64_json") => Ok(ResponseFormat::Base64),
        Some(_) => Err(BodyError::invalid("response_format", "expected url or b64_json")),
    }
}

fn output_format(raw: Option<&RawValue>) -> Result<Option<ImageFormat>, BodyError> {
    match text_of(raw, "output_format")?.as_deref() {
        None => Ok(None),
        Some("png") => Ok(Some(ImageFormat::Png)),
        Some("jpeg" | "jpg") => Ok(Some(ImageFormat::Jpeg)),
        Some("webp") => Ok(Some(ImageFormat::Webp)),
        Some("gif" | "svg") => Err(BodyError::unsupported("output_format", "only png, jpeg and webp are made")),
        Some(_) => Err(BodyError::invalid("output_format", "expected png, jpeg or webp")),
    }
}

fn text_of(raw: Option<&RawValue>, name: &str) -> Result<Option<String>, BodyError> {
    Ok(value::<Text<'_>>(raw, name)?.map(|text| text.as_str().to_owned()))
}

fn value<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, name: &str) -> Result<Option<T>, BodyError> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(|error| refusal(raw.get(), name, &error))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::fault::BodyErrorCode;
    use proptest::prelude::*;

    fn with(more: &str) -> Result<ImageRequest, BodyError> {
        read_image_request(format!(r#"{{"model":"m","prompt":"a cat"{more}}}"#).as_bytes())
    }

    #[test]
    fn what_sdks_send_is_read() {
        let request = with(
            r#","n":3,"size":"1536x1024","response_format":"b64_json","output_format":"png","quality":"hd",
               "style":"vivid","moderation":"low","background":"auto","stream":false,"partial_images":0,
               "output_compression":100,"user":"u-1","safety_identifier":"s","unknown":{"a":1}"#,
        );
        let expected = ImageRequest {
            model: "m".to_owned(),
            prompt: "a cat".into(),
            size: Size::Pixels(Pixels { width: 1536, height: 1024 }),
            count: 3,
            response_format: ResponseFormat::Base64,
            output_format: Some(ImageFormat::Png),
            end_user: Some("u-1".to_owned()),
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn what_is_left_out_or_null_has_its_default() {
        for more in ["", r#","n":null,"size":null,"response_format":null,"stream":null,"image":null,"quality":null"#] {
            let request = with(more).unwrap();
            assert_eq!((request.count, request.size), (1, Size::Auto));
            assert_eq!((request.response_format, request.output_format), (ResponseFormat::Url, None));
        }
        assert_eq!(with(r#","size":"auto""#).unwrap().size, Size::Auto);
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        for (more, param) in [
            (r#""stream":true"#, "stream"),
            (r#""partial_images":1"#, "partial_images"),
            (r#""background":"transparent""#, "background"),
            (r#""output_compression":50"#, "output_compression"),
            (r#""output_format":"svg""#, "output_format"),
            (r#""image":"x""#, "image"),
            (r#""mask":{}"#, "mask"),
            (r#""svg":{}"#, "svg"),
        ] {
            let error = with(&format!(",{more}")).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (BodyErrorCode::UnsupportedParameter, Some(param)));
        }
    }

    #[test]
    fn values_that_cannot_be_are_refused_by_name_without_the_content() {
        for (more, param) in [
            (r#""n":0"#, "n"),
            (r#""n":11"#, "n"),
            (r#""n":-1"#, "n"),
            (r#""n":1.5"#, "n"),
            (r#""n":"2""#, "n"),
            (r#""size":"big-secret""#, "size"),
            (r#""size":"1024""#, "size"),
            (r#""size":"0x1024""#, "size"),
            (r#""size":"1024x99999""#, "size"),
            (r#""size":"+1024x1024""#, "size"),
            (r#""size":1024"#, "size"),
            (r#""response_format":"secret""#, "response_format"),
            (r#""output_format":"secret""#, "output_format"),
            (r#""quality":"secret""#, "quality"),
            (r#""stream":"secret""#, "stream"),
            (r#""user":7"#, "user"),
        ] {
            let error = with(&format!(",{more}")).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (BodyErrorCode::InvalidRequest, Some(param)), "{more}");
            assert!(!error.message.contains("secret"), "{error}");
        }
        let param = |json: &str| read_image_request(json.as_bytes()).unwrap_err().param;
        for json in [r#"{"model":"m"}"#, r#"{"model":"m","prompt":" \n"}"#, r#"{"model":"m","prompt":["a"]}"#] {
            assert_eq!(param(json).as_deref(), Some("prompt"), "{json}");
        }
        assert_eq!(param(r#"{"prompt":"a"}"#).as_deref(), Some("model"));
    }

    #[test]
    fn a_key_twice_and_broken_json_are_refused() {
        for json in [r#"{"model":"m","prompt":"a","n":1,"n":10}"#, r#"{"model":"m","x":1,"x":2}"#, "{", "\u{1}"] {
            assert_eq!(read_image_request(json.as_bytes()).unwrap_err().code, BodyErrorCode::InvalidJson, "{json}");
        }
        assert!(read_image_request(b"{\"model\":\"\xff\"}").is_err());
        assert!(read_image_request(b"[]").is_err());
    }

    #[test]
    fn a_prompt_is_bounded_in_characters() {
        let max = ImageRequest::PROMPT_CHARS_MAX;
        assert!(with(&format!(r#","user":"{}""#, "x".repeat(9))).is_ok());
        let of = |prompt: String| read_image_request(format!(r#"{{"model":"m","prompt":"{prompt}"}}"#).as_bytes());
        assert!(of("\u{732b}".repeat(max)).is_ok());
        assert_eq!(of("\u{732b}".repeat(max + 1)).unwrap_err().param.as_deref(), Some("prompt"));
    }

    proptest! {
        #[test]
        fn any_size_is_read_or_refused(width in 0_u32..40_000, height in 0_u32..40_000, junk in ".{0,12}") {
            let read = with(&format!(r#","size":"{width}x{height}""#));
            let legal = (1..=Pixels::SIDE_MAX).contains(&width) && (1..=Pixels::SIDE_MAX).contains(&height);
            prop_assert_eq!(read.is_ok(), legal);
            let _ = read_image_request(junk.as_bytes());
        }
    }
}
