//! Stylesheet, scripts and icon, built into the binary and served under a path that carries their digest.
//!
//! The digest makes a path good for ever: a browser never asks twice, and a new build never meets an old file. A path with
//! another digest is 404, so a page of the last build does not get the next build's script.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{Embed, EmbeddedFile};

/// Where the routing table puts [`serve`].
pub const PATTERN: &str = "/assets/{digest}/{name}";
/// Bytes of the digest that stand in a path: enough to tell builds apart.
const DIGEST_BYTES: usize = 8;

#[derive(Embed)]
#[folder = "assets/"]
struct Files;

/// The path of an asset; what templates write. An asset that is not there gives a path that answers 404.
pub fn url(name: &str) -> String {
    let digest = Files::get(name).map_or_else(String::new, |file| digest(&file));
    format!("/assets/{digest}/{name}")
}

fn digest(file: &EmbeddedFile) -> String {
    let sha256 = file.metadata.sha256_hash();
    let first = sha256.first_chunk::<DIGEST_BYTES>().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}

/// One asset: 304 where the caller has it, 404 for another digest.
pub async fn serve(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (asked, name) = path.into_inner();
    let Some(file) = Files::get(&name) else { return missing() };
    let digest = digest(&file);
    if asked != digest {
        return missing();
    }
    let tag = format!("\"{digest}\"");
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged =
        known.is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
    let mut response = HttpResponse::build(if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    response
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")))
        .insert_header((header::ETAG, tag))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        // An SVG that is opened by itself is a document.
        .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")));
    if unchanged {
        return response.finish();
    }
    response.content_type(content_type(&name)).body(file.data.into_owned())
}

fn missing() -> HttpResponse {
    HttpResponse::NotFound()
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .content_type("text/plain; charset=utf-8")
        .body("no such asset\n")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        String::from_utf8(Files::get(name).unwrap().data.into_owned()).unwrap()
    }

    #[test]
    fn a_path_carries_the_digest_of_its_file() {
        let url = url("app.css");
        let digest = url.strip_prefix("/assets/").and_then(|rest| rest.strip_suffix("/app.css")).unwrap();
        assert_eq!(digest.len(), DIGEST_BYTES * 2);
        assert_ne!(super::url("app.js").get(..24), url.get(..24), "another file, another digest");
    }

    #[test]
    fn our_script_stays_within_its_150_lines() {
        let lines: usize = ["app.js", "theme.js"].map(|name| text(name).lines().count()).iter().sum();
        assert!(lines <= 150, "{lines} lines");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for name in Files::iter() {
            let text = text(&name).replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("@import"), "{name}");
        }
    }

    /// Every colour of the stylesheet as its light and its dark value.
    fn colours() -> std::collections::BTreeMap<String, [[u8; 3]; 2]> {
        let css = text("app.css");
        let hex = |text: &str| {
            let digits = text.trim().trim_start_matches('#').to_owned();
            assert_eq!(digits.len(), 6, "{text}");
            [0, 2, 4].map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        };
        let pairs = css.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": light-dark("));
        pairs
            .map(|(name, values)| {
                let (light, dark) = values.trim_end_matches(");").split_once(',').unwrap();
                (name.to_owned(), [hex(light), hex(dark)])
            })
            .collect()
    }

    /// WCAG 2.2: relative luminance, and the ratio of two of them.
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let luminance = |colour: [u8; 3]| {
            let [red, green, blue] = colour.map(|channel| {
                let value = f64::from(channel) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_and_controls_have_enough_contrast_in_both_themes() {
        let colours = colours();
        let grounds = ["bg", "surface", "sunken"];
        let mut pairs: Vec<(&str, &str, f64)> = Vec::new();
        for ground in grounds {
            pairs.extend(["text", "muted", "accent", "accent-hover", "danger"].map(|ink| (ink, ground, 4.5)));
        }
        for (ink, ground) in [
            ("on-accent", "accent"),
            ("on-accent", "accent-hover"),
            ("on-danger", "danger"),
            ("accent", "accent-soft"),
            ("ok", "ok-soft"),
            ("warn", "warn-soft"),
            ("danger", "danger-soft"),
            ("text", "accent-soft"),
            ("text", "ok-soft"),
            ("text", "warn-soft"),
            ("text", "danger-soft"),
            ("ok", "surface"),
        ] {
            pairs.push((ink, ground, 4.5));
        }
        for graphic in ["field-line", "chart-1", "chart-2", "chart-3", "chart-4"] {
            pairs.extend(["bg", "surface"].map(|ground| (graphic, ground, 3.0)));
        }
        for (ink, ground, least) in pairs {
            for (theme, name) in ["light", "dark"].into_iter().enumerate() {
                let ratio = contrast(colours[ink][theme], colours[ground][theme]);
                assert!(ratio >= least, "{ink} on {ground} in {name}: {ratio:.2} is below {least}");
            }
        }
    }

    #[test]
    fn every_colour_in_use_is_one_of_the_pairs() {
        let css = text("app.css");
        let colours = colours();
        for used in css.split("var(--").skip(1).filter_map(|rest| rest.split(')').next()) {
            let known = colours.contains_key(used) || ["radius", "sans", "mono"].contains(&used);
            assert!(known, "--{used} is not defined");
        }
    }
}
