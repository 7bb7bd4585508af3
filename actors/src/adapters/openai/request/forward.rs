//! The caller's body for an OpenAI-compatible provider: its own bytes, less what is ours to say.
//!
//! Values pass as they came, so nothing that we do not understand is lost or changed inside a
//! message. Top-level keys that are not on the allow-list are cut out, and the model, the output limit, the
//! stream options, the user and the cache's name are written by us.

use bytes::Bytes;

use super::Body;
use super::top::is_forwarded;
use super::wire::StreamOptions;
use crate::adapters::Target;
use crate::adapters::fault::BodyError;
use crate::adapters::openai::json;
use crate::adapters::openai::raw::Text;
use crate::adapters::weave::Weave;

/// A body that may be forwarded: what would change the price unseen has been refused.
#[derive(Clone, Copy, Debug)]
pub struct Forwardable<'b> {
    body: &'b Body<'b>,
}

impl Body<'_> {
    /// The body as one to be forwarded. Not for an Anthropic-shaped body.
    ///
    /// # Errors
    /// [`BodyError`] for what changes the price at an OpenAI-compatible provider, by name.
    pub fn forwardable(&self) -> Result<Forwardable<'_>, BodyError> {
        let tier = self.field::<Text<'_>>("service_tier")?;
        if !matches!(tier.as_ref().map_or("auto", Text::as_str), "auto" | "default") {
            return Err(BodyError::unsupported("service_tier", "only the default service tier is served"));
        }
        for (name, message) in
            [("web_search_options", "web search is not served"), ("prediction", "predicted output is not served")]
        {
            if self.raw(name).is_some() {
                return Err(BodyError::unsupported(name, message));
            }
        }
        Ok(Forwardable { body: self })
    }
}

impl Forwardable<'_> {
    /// The body to send, in pieces: long values are parts of `source`, which is what the body was read from.
    pub fn write(&self, target: &Target<'_>, source: &Bytes) -> Vec<Bytes> {
        let fields = self.body.fields.iter().filter(|field| is_forwarded(field.name));
        let size: usize = fields.clone().map(|field| field.name.len() + Weave::room(field.raw) + 4).sum();
        let mut weave = Weave::of(source, size + 192 + target.upstream_model.len());
        weave.own().extend_from_slice(b"{\"model\":");
        json::string(weave.own(), target.upstream_model);
        for field in fields {
            weave.own().extend_from_slice(b",\"");
            weave.own().extend_from_slice(field.name.as_bytes());
            weave.own().extend_from_slice(b"\":");
            weave.value(field.raw);
        }
        let out = weave.own();
        // Providers that know only the older name are told by callers who use it.
        let older_name = self.body.raw("max_completion_tokens").is_none() && self.body.raw("max_tokens").is_some();
        let limit: &[u8] = if older_name { b",\"max_tokens\":" } else { b",\"max_completion_tokens\":" };
        out.extend_from_slice(limit);
        json::number(out, u64::from(target.output_limit));
        if self.body.stream {
            out.extend_from_slice(b",\"stream_options\":{\"include_usage\":true");
            let options = self.body.field::<StreamOptions<'_>>("stream_options").ok().flatten();
            if let Some(obfuscation) = options.and_then(|options| options.include_obfuscation) {
                out.extend_from_slice(b",\"include_obfuscation\":");
                out.extend_from_slice(obfuscation.get().as_bytes());
            }
            out.push(b'}');
        }
        if let Some(user) = target.end_user {
            out.extend_from_slice(b",\"user\":");
            json::string(out, user);
        }
        // Two customers who name their caches alike must not meet in one.
        if let Some(key) = target.cache_key {
            out.extend_from_slice(b",\"prompt_cache_key\":");
            json::string(out, key);
        }
        out.push(b'}');
        weave.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target {
        model: "ours",
        upstream_model: "their\"s",
        output_limit: 512,
        end_user: Some("u-1"),
        cache_key: Some("c-1"),
    };

    fn forwarded(json: &str) -> String {
        let body = Body::read(json.as_bytes()).unwrap();
        let pieces = body.forwardable().unwrap().write(&TARGET, &Bytes::new());
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn values_are_forwarded_byte_for_byte_and_ours_are_spliced_in() {
        let json = r#"{"messages": [ {"role":"user","content":"h\u00e9 \/", "future_field" : {"a":1.50}} ],
            "temperature":0.10, "model":"ours","unknown":{"x":1},"store":true,"metadata":{"k":"v"},"user":"me","prompt_cache_key":"mine",
            "stream":true,"stream_options":{"include_usage":false,"include_obfuscation":false},"seed":null,"n":1,
            "max_completion_tokens":9,"service_tier":"auto"}"#;
        assert_eq!(
            forwarded(json),
            concat!(
                r#"{"model":"their\"s","messages":[ {"role":"user","content":"h\u00e9 \/", "future_field" : {"a":1.50}} ],"#,
                r#""temperature":0.10,"stream":true,"max_completion_tokens":512,"#,
                r#""stream_options":{"include_usage":true,"include_obfuscation":false},"user":"u-1","prompt_cache_key":"c-1"}"#,
            )
        );
    }

    #[test]
    fn the_callers_name_of_the_limit_is_kept() {
        assert!(forwarded(r#"{"model":"ours","messages":[],"max_tokens":9}"#).contains(r#","max_tokens":512"#));
        assert!(forwarded(r#"{"model":"ours","messages":[]}"#).contains(r#","max_completion_tokens":512"#));
        assert!(!forwarded(r#"{"model":"ours","messages":[],"stream":false}"#).contains("stream_options"));
    }

    #[test]
    fn what_changes_the_price_is_refused_by_name() {
        for (extra, param) in [
            (r#""service_tier":"priority""#, "service_tier"),
            (r#""web_search_options":{}"#, "web_search_options"),
            (r#""prediction":{"type":"content","content":"x"}"#, "prediction"),
        ] {
            let json = format!(r#"{{"model":"m","messages":[],{extra}}}"#);
            let body = Body::read(json.as_bytes()).unwrap();
            assert_eq!(body.forwardable().unwrap_err().param.as_deref(), Some(param));
        }
    }
}
