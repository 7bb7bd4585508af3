//! The object store behind a download address: TOS with its signature in the query.
//!
//! The drawing is in the name of the object, and the signature covers name, date and expiry; so an address works in
//! any run with the same seed, and one that was changed does not.

use crate::{
    chance::digest,
    dialect::Refusal,
    media::{
        calendar,
        drawing::Drawing,
        provider::{Incoming, Reply, Studio},
    },
};

const BUCKET: &str = "/tos/ark-content-generation-v2/seedream-5-0/";

/// Seconds that an address is good for, unless a rule says otherwise.
const EXPIRES_S: u64 = 86_400;

/// The address of a picture, signed now.
pub(super) fn address(base: &str, drawing: &Drawing, studio: &Studio<'_>) -> String {
    let path = format!("{BUCKET}{}", drawing.name());
    let date = calendar::compact(studio.seconds());
    let expires = studio.rule.ark.url_expires_s.unwrap_or(EXPIRES_S).to_string();
    let signature = signature(studio.seed, &path, &date, &expires);
    let credential = format!("AKLTsimulated%2F{}%2Fap-southeast-1%2Ftos%2Frequest", date.get(..8).unwrap_or_default());
    format!(
        "{base}{path}?X-Tos-Algorithm=TOS4-HMAC-SHA256&X-Tos-Credential={credential}&X-Tos-Date={date}\
         &X-Tos-Expires={expires}&X-Tos-Signature={signature}&X-Tos-SignedHeaders=host"
    )
}

fn signature(seed: u64, path: &str, date: &str, expires: &str) -> String {
    let part = |round: u64| digest(seed ^ round, &["tos", path, date, expires]);
    format!("{:016x}{:016x}{:016x}{:016x}", part(0), part(1), part(2), part(3))
}

/// `GET /tos/…`: the picture, or 403 when the signature is not ours or its time is over.
#[expect(clippy::unnecessary_wraps, reason = "the type of every route's answer")]
pub(super) fn download(incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let query = |name: &str| incoming.request.query(name).unwrap_or_default();
    let denied = |message: &str| {
        let body = serde_json::json!({"Code": "AccessDenied", "RequestId": studio.request_id, "HostId": "simulated",
            "Message": message, "EC": "0003-00000013"});
        Reply { status: 403, ..Reply::json(&body) }
    };
    let (date, expires) = (query("X-Tos-Date"), query("X-Tos-Expires"));
    if signature(studio.seed, incoming.path, date, expires) != query("X-Tos-Signature") {
        return Ok(denied("The request signature we calculated does not match the signature you provided."));
    }
    let ends =
        calendar::from_compact(date).zip(expires.parse().ok()).map(|(date, expires)| date.saturating_add(expires));
    if ends.is_none_or(|ends: u64| studio.seconds() >= ends) {
        return Ok(denied("Request has expired"));
    }
    // Signed by us and not a drawing: it cannot be, short of a fault here.
    let Some(drawing) = incoming.path.strip_prefix(BUCKET).and_then(Drawing::from_name) else {
        return Ok(Reply { status: 404, ..denied("The specified key does not exist.") });
    };
    Ok(Reply::new(drawing.format.mime(), drawing.bytes()))
}
