//! What each Seedream model accepts.

use super::{invalid, refusal};
use crate::{
    dialect::Refusal,
    json::{given, list, text},
    media::drawing::ImageFormat,
};
use serde_json::Value;

/// Ids of Lite: the plain name is Lite too.
const LITE: &[&str] = &["seedream-5-0-260128", "seedream-5-0-lite-260128", "doubao-seedream-5-0-260128"];
const PRO: &[&str] = &["dola-seedream-5-0-pro-260628"];

const REFERENCES_MAX: usize = 14;

/// Which of the two products a model id stands for. An endpoint of the account's own counts as Lite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Product {
    Lite,
    Pro,
}

/// A request that was found good.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) model: String,
    pub(super) product: Product,
    pub(super) prompt: String,
    pub(super) size: (u32, u32),
    pub(super) format: ImageFormat,
    pub(super) as_base64: bool,
    pub(super) watermarked: bool,
    pub(super) streamed: bool,
    /// The most pictures of a sequence; one where none was asked for.
    pub(super) images_max: u64,
    pub(super) references: usize,
}

/// Checks a request. Fields that are null count as missing: the vendor's own client sends all it has.
pub(super) fn read(body: &Value) -> Result<Order, Refusal> {
    let missing = |name: &str| Refusal {
        param: Some(name.to_owned()),
        message: format!("The request is missing the `{name}` parameter."),
        ..super::refusal("MissingParameter")
    };
    let model = text(body, "model").ok_or_else(|| missing("model"))?;
    let product = match model {
        model if LITE.contains(&model) || model.starts_with("ep-") => Product::Lite,
        model if PRO.contains(&model) => Product::Pro,
        _ => return Err(refusal("InvalidEndpointOrModel.NotFound")),
    };
    let prompt = match given(body, "prompt") {
        Some(Value::String(prompt)) if !prompt.trim().is_empty() => prompt.clone(),
        Some(Value::String(_)) | None => return Err(missing("prompt")),
        Some(_) => return Err(invalid("prompt", "The parameter `prompt` specified in the request is not a string.")),
    };
    let streamed = flag(body, "stream")?.unwrap_or(false);
    if streamed && product == Product::Pro {
        return Err(invalid("stream", "The parameter `stream` is not supported by the current model."));
    }
    // Only models of the third generation know these.
    for name in ["seed", "guidance_scale"] {
        if given(body, name).is_some() {
            return Err(invalid(name, format!("The parameter `{name}` is not supported by the current model.")));
        }
    }
    let references = references(body)?;
    Ok(Order {
        model: model.to_owned(),
        product,
        prompt,
        size: size(body, product)?,
        format: match choice(body, "output_format", &["jpeg", "png"])? {
            Some("png") => ImageFormat::Png,
            _ => ImageFormat::Jpeg,
        },
        as_base64: choice(body, "response_format", &["url", "b64_json"])? == Some("b64_json"),
        watermarked: flag(body, "watermark")?.unwrap_or(true),
        streamed,
        images_max: sequence(body, product, references)?,
        references,
    })
}

fn flag(body: &Value, name: &str) -> Result<Option<bool>, Refusal> {
    match given(body, name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(invalid(name, format!("The parameter `{name}` specified in the request is not a boolean."))),
    }
}

fn choice<'a>(body: &'a Value, name: &str, choices: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match given(body, name) {
        None => Ok(None),
        Some(Value::String(own)) if choices.contains(&own.as_str()) => Ok(Some(own)),
        Some(_) => Err(invalid(name, format!("The parameter `{name}` specified in the request is not valid."))),
    }
}

fn references(body: &Value) -> Result<usize, Refusal> {
    let images = match given(body, "image") {
        None => return Ok(0),
        Some(one @ Value::String(_)) => std::slice::from_ref(one),
        Some(_) => list(body, "image"),
    };
    let is_reference = |image: &Value| {
        image.as_str().is_some_and(|image| image.starts_with("http") || image.starts_with("data:image/"))
    };
    if images.is_empty() || images.len() > REFERENCES_MAX || !images.iter().all(is_reference) {
        return Err(invalid("image", "The parameter `image` specified in the request is not valid."));
    }
    Ok(images.len())
}

fn sequence(body: &Value, product: Product, references: usize) -> Result<u64, Refusal> {
    const NAME: &str = "sequential_image_generation";
    if choice(body, NAME, &["disabled", "auto"])? != Some("auto") {
        return Ok(1);
    }
    if product == Product::Pro {
        return Err(invalid(NAME, format!("The parameter `{NAME}` is not supported by the current model.")));
    }
    let options = given(body, "sequential_image_generation_options");
    let most = match options.and_then(|options| given(options, "max_images")) {
        None => 15,
        Some(most) => most.as_u64().filter(|most| (1..=15).contains(most)).ok_or_else(|| {
            invalid(
                "sequential_image_generation_options.max_images",
                "The parameter `max_images` specified in the request is not valid: expected 1 to 15.",
            )
        })?,
    };
    // References and pictures together are at most fifteen.
    Ok(most.min(15_u64.saturating_sub(u64::try_from(references).unwrap_or(15))).max(1))
}

fn size(body: &Value, product: Product) -> Result<(u32, u32), Refusal> {
    let refuse = |reason: &str| {
        Err(invalid("size", format!("The parameter `size` specified in the request is not valid: {reason}")))
    };
    let asked = match given(body, "size") {
        None => "2K",
        Some(Value::String(size)) => size,
        Some(_) => return refuse("expected a string."),
    };
    match (asked, product) {
        ("2K", _) => return Ok((2048, 2048)),
        ("3K", Product::Lite) => return Ok((3072, 3072)),
        ("1K", Product::Pro) => return Ok((1024, 1024)),
        ("1.5K", Product::Pro) => return Ok((1536, 1536)),
        _ => {}
    }
    let parsed = asked.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let Some((width, height)): Option<(u32, u32)> = parsed else {
        return refuse("expected a resolution supported by the model, or WxH.");
    };
    let (least, most) = match product {
        Product::Lite => (3_686_400, 10_404_496),
        Product::Pro => (921_600, 4_624_220),
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels < least {
        return refuse(&format!("image size must be at least {least} pixels."));
    }
    if pixels > most {
        return refuse(&format!("image size must be at most {most} pixels."));
    }
    if u64::from(width) > 16 * u64::from(height) || u64::from(height) > 16 * u64::from(width) {
        return refuse("the aspect ratio must be in the range [1/16, 16].");
    }
    Ok((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn size_of(model: &str, size: &str) -> Result<(u32, u32), String> {
        let body = json!({"model": model, "prompt": "x", "size": size});
        read(&body).map(|order| order.size).map_err(|refusal| refusal.param.unwrap_or_default())
    }

    #[test]
    fn each_product_has_its_own_sizes() {
        let (lite, pro) = ("seedream-5-0-260128", "dola-seedream-5-0-pro-260628");
        assert_eq!(size_of(lite, "1024x1024"), Err("size".to_owned()));
        assert_eq!(size_of(pro, "1024x1024"), Ok((1024, 1024)));
        assert_eq!(size_of(lite, "3K"), Ok((3072, 3072)));
        assert_eq!(size_of(pro, "3K"), Err("size".to_owned()));
        assert_eq!(size_of(lite, "1K"), Err("size".to_owned()));
        assert_eq!(size_of(pro, "1.5K"), Ok((1536, 1536)));
        assert_eq!(size_of(pro, "2848x1600"), Ok((2848, 1600)));
        assert_eq!(size_of(pro, "3072x3072"), Err("size".to_owned()));
        assert_eq!(size_of(lite, "16000x400"), Err("size".to_owned()));
        assert_eq!(size_of(lite, "auto"), Err("size".to_owned()));
    }

    #[test]
    fn null_is_missing_and_the_mark_is_on_unless_refused() {
        let body = json!({"model": "ep-20260101-abcde", "prompt": "x", "size": null, "seed": null, "stream": null,
            "watermark": null, "image": null, "guidance_scale": null, "sequential_image_generation": null});
        let order = read(&body).unwrap();
        assert_eq!((order.size, order.watermarked, order.images_max), ((2048, 2048), true, 1));
        assert_eq!(read(&json!({"model": "x"})).unwrap_err().status, 404);
        assert_eq!(read(&json!({"model": "ep-1"})).unwrap_err().code.unwrap(), "MissingParameter");
        for (name, wrong) in [
            ("seed", json!(1)),
            ("stream", json!("yes")),
            ("response_format", json!("png")),
            ("image", json!([1])),
            ("sequential_image_generation", json!("on")),
        ] {
            let mut body = json!({"model": "ep-1", "prompt": "x"});
            body[name] = wrong;
            assert_eq!(read(&body).unwrap_err().param.unwrap(), name);
        }
    }
}
