//! Signed links: `{public_url}/v1/files/{id}.{ext}?exp=…&kid=…&sig=…`, made and checked, good for 24 hours.
//!
//! Pure: keys, time and randomness are passed in. The signature covers the canonical text
//! `v1\n{host}\n{path}\n{exp}\n{kid}`, host being that of `server.public_url` and never a request's, so that a
//! key shared with another deployment opens nothing here. A link has exactly one spelling: every part is parsed so
//! strictly that no other text gives the same values, and parameters stand once and in their order.
//! Whether the object exists is `store`'s business, and what a refused caller reads is `routes`'.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use lmhaven_actors::domain::ids::{decode_base32, encode_base32};
use lmhaven_actors::domain::time::UnixMillis;
use sha2::Sha256;

use super::format::Format;

/// How long a link is good for, in seconds.
pub const GOOD_FOR_SECONDS: i64 = 86_400;
/// Where images are served.
pub const PATH: &str = "/v1/files/";

/// The name of an image: 128 random bits, so that nobody finds one by guessing, even without the signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(u128);

impl ImageId {
    const PREFIX: &str = "img_";

    /// An id of these random bits.
    pub const fn from_random(random: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(random))
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, encode_base32(self.0))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no image's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id that starts with img_")]
pub struct NoImageId;

impl FromStr for ImageId {
    type Err = NoImageId;

    fn from_str(text: &str) -> Result<Self, NoImageId> {
        text.strip_prefix(Self::PREFIX).and_then(decode_base32).map(Self).ok_or(NoImageId)
    }
}

/// What a link names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which image.
    pub id: ImageId,
    /// Its format.
    pub format: Format,
    /// From this second on the link is refused; Unix time.
    pub expires_at: i64,
}

impl Named {
    /// Whether the link is over.
    pub const fn is_over(&self, now: UnixMillis) -> bool {
        now.0 >= self.expires_at.saturating_mul(1000)
    }

    /// `{id}.{ext}`.
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.id, self.format.extension())
    }

    /// The id and the format in `{id}.{ext}`.
    pub(super) fn parse_file_name(text: &str) -> Option<(ImageId, Format)> {
        let (id, extension) = text.split_once('.')?;
        Some((id.parse().ok()?, Format::of_extension(extension)?))
    }
}

/// A link as a customer gets it. Its signature is not printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// What it names.
    pub named: Named,
    url: String,
}

impl Link {
    /// The whole URL, for the one answer that shows it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} until {})", self.named.file_name(), self.named.expires_at)
    }
}

/// Why a link is refused. Callers are told none of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not spelled as a link.
    #[error("not a link of ours")]
    Malformed,
    /// No such key, or no longer.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// Something was changed.
    #[error("the signature does not fit")]
    BadSignature,
    /// It was good once.
    #[error("the link is over")]
    Over,
}

/// Makes and checks links.
pub struct Signer {
    /// What links start with, without a final slash.
    public_url: String,
    /// The host of it, with the port where it has one.
    host: String,
    /// By kid. The last one signs.
    keys: BTreeMap<u32, Hmac<Sha256>>,
    newest: (u32, Hmac<Sha256>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, kids {:?})", self.public_url, self.keys.keys().collect::<Vec<_>>())
    }
}

impl Signer {
    /// A signer for links below `public_url`; `None` without a key. The highest kid signs, all verify.
    pub fn new<'a>(public_url: &str, keys: impl IntoIterator<Item = (u32, &'a [u8])>) -> Option<Self> {
        // HMAC takes keys of any length.
        let keyed = |(kid, key)| Some((kid, Hmac::<Sha256>::new_from_slice(key).ok()?));
        let keys: BTreeMap<_, _> = keys.into_iter().filter_map(keyed).collect();
        let newest = keys.last_key_value().map(|(kid, key)| (*kid, key.clone()))?;
        let host = public_url.split_once("://").map_or(public_url, |(_, host)| host);
        Some(Self { public_url: public_url.to_owned(), host: host.to_owned(), keys, newest })
    }

    /// The link of an image that is made `now`.
    pub fn sign(&self, id: ImageId, format: Format, now: UnixMillis) -> Link {
        let expires_at = now.0.div_euclid(1000).saturating_add(GOOD_FOR_SECONDS);
        let named = Named { id, format, expires_at };
        let (kid, key) = &self.newest;
        let signature = URL_SAFE_NO_PAD.encode(self.mac(key, &named, *kid).finalize().into_bytes());
        let file = named.file_name();
        let url = format!("{}{PATH}{file}?exp={expires_at}&kid={kid}&sig={signature}", self.public_url);
        Link { named, url }
    }

    /// What a link names, given the path and the query of a request as they came, not decoded.
    ///
    /// # Errors
    /// [`LinkError`]; that a link is over is only found out where its signature fits.
    pub fn verify(&self, path: &str, query: &str, now: UnixMillis) -> Result<Named, LinkError> {
        let (named, kid, signature) = parse(path, query).ok_or(LinkError::Malformed)?;
        let key = self.keys.get(&kid).ok_or(LinkError::UnknownKey)?;
        // Compares in constant time.
        self.mac(key, &named, kid).verify_slice(&signature).map_err(|_| LinkError::BadSignature)?;
        if named.is_over(now) { Err(LinkError::Over) } else { Ok(named) }
    }

    fn mac(&self, key: &Hmac<Sha256>, named: &Named, kid: u32) -> Hmac<Sha256> {
        let canonical = format!("v1\n{}\n{PATH}{}\n{}\n{kid}", self.host, named.file_name(), named.expires_at);
        key.clone().chain_update(canonical)
    }
}

fn parse(path: &str, query: &str) -> Option<(Named, u32, [u8; 32])> {
    let (id, format) = Named::parse_file_name(path.strip_prefix(PATH)?)?;
    let mut parameters = query.split('&');
    let mut parameter = |name: &str| parameters.next()?.strip_prefix(name)?.strip_prefix('=');
    let (expires_at, kid, signature) = (parameter("exp")?, parameter("kid")?, parameter("sig")?);
    if parameters.next().is_some() {
        return None;
    }
    // The decoder refuses padding and last bits that are not zero.
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?.try_into().ok()?;
    Some((Named { id, format, expires_at: number(expires_at)? }, number(kid)?, signature))
}

/// A number in the one spelling that it is printed in.
fn number<T: FromStr + fmt::Display>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const URL: &str = "https://lm.example:8443";
    const NOW: UnixMillis = UnixMillis(1_795_392_000_999);
    const OLD: &[u8] = b"an old key of at least as many bytes as digests have";
    const NEW: &[u8] = b"a new key of at least as many bytes as digests have!";

    fn signer() -> Signer {
        Signer::new(URL, [(9, NEW), (3, OLD)]).unwrap()
    }

    fn link() -> Link {
        signer().sign(ImageId::from_random([0xa5; 16]), Format::Webp, NOW)
    }

    /// What the gateway makes of a URL's part after the host.
    fn verify(signer: &Signer, rest: &str, now: UnixMillis) -> Result<Named, LinkError> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        signer.verify(path, query, now)
    }

    fn rest_of(link: &Link) -> &str {
        link.url().strip_prefix(URL).unwrap()
    }

    #[test]
    fn a_link_looks_as_documented_and_names_what_was_signed() {
        let link = link();
        let start = "https://lm.example:8443/v1/files/img_55mpjtb9d5mpjtb9d5mpjtb9d5.webp?exp=1795478400&kid=9&sig=";
        assert!(link.url().starts_with(start), "{}", link.url());
        assert_eq!(link.url().len(), start.len() + 43);
        assert_eq!(verify(&signer(), rest_of(&link), NOW), Ok(link.named));
        assert!(!format!("{link:?} {:?}", signer()).contains("sig="));
    }

    #[test]
    fn it_is_good_for_24_hours_less_a_second_and_over_at_24_hours() {
        let (link, signer) = (link(), signer());
        let at = |seconds: i64| verify(&signer, rest_of(&link), NOW.plus_millis(seconds * 1000));
        assert_eq!(at(GOOD_FOR_SECONDS - 1), Ok(link.named));
        assert_eq!(at(GOOD_FOR_SECONDS), Err(LinkError::Over));
        let last = UnixMillis(link.named.expires_at * 1000);
        assert_eq!(verify(&signer, rest_of(&link), last.plus_millis(-1)), Ok(link.named));
        assert_eq!(verify(&signer, rest_of(&link), last), Err(LinkError::Over));
    }

    #[test]
    fn every_other_byte_at_every_place_is_refused() {
        let (link, signer) = (link(), signer());
        let rest = rest_of(&link);
        let mut tried = 0;
        for place in 0..rest.len() {
            for other in (1..=127_u8).filter(|other| *other != rest.as_bytes()[place]) {
                let mut changed = rest.as_bytes().to_vec();
                changed[place] = other;
                let changed = String::from_utf8(changed).unwrap();
                assert!(verify(&signer, &changed, NOW).is_err(), "{changed}");
                tried += 1;
            }
        }
        assert_eq!(tried, rest.len() * 126);
    }

    #[test]
    fn no_other_spelling_of_the_same_values_is_taken() {
        let (link, signer) = (link(), signer());
        let rest = rest_of(&link);
        let (path, query) = rest.split_once('?').unwrap();
        let [exp, kid, sig] = query.split('&').collect::<Vec<_>>().try_into().unwrap();
        let others = [
            format!("{rest}&exp=1795478400"),
            format!("{rest}&x=1"),
            format!("{rest}&"),
            format!("{rest}="),
            format!("{rest}#"),
            format!("{path}?{kid}&{exp}&{sig}"),
            format!("{path}?{exp}&{kid}"),
            format!("{path}?{exp}&{exp}&{kid}&{sig}"),
            format!("{path}?exp=+1795478400&{kid}&{sig}"),
            format!("{path}?exp=01795478400&{kid}&{sig}"),
            format!("{path}?exp=1795478400%20&{kid}&{sig}"),
            format!("{path}?{exp}&kid=09&{sig}"),
            path.to_owned(),
            rest.replace("img_", "img%5f"),
            rest.replace(".webp", ".webp/"),
            rest.replace(".webp", ".png"),
            rest.replace("/v1/files/", "/v1/files//"),
            rest.to_uppercase(),
        ];
        for other in others {
            assert_ne!(other, rest);
            assert!(verify(&signer, &other, NOW).is_err(), "{other}");
        }
    }

    #[test]
    fn an_old_key_verifies_until_it_is_taken_out_and_another_host_never() {
        let before = Signer::new(URL, [(3, OLD)]).unwrap();
        let link = before.sign(ImageId::from_random([1; 16]), Format::Png, NOW);
        assert!(link.url().contains("&kid=3&"));
        assert_eq!(verify(&signer(), rest_of(&link), NOW), Ok(link.named));
        let after = Signer::new(URL, [(9, NEW)]).unwrap();
        assert_eq!(verify(&after, rest_of(&link), NOW), Err(LinkError::UnknownKey));
        let elsewhere = Signer::new("https://other.example", [(3, OLD)]).unwrap();
        assert_eq!(verify(&elsewhere, rest_of(&link), NOW), Err(LinkError::BadSignature));
        // A key must not be usable under another number.
        let renumbered = Signer::new(URL, [(3, NEW), (9, OLD)]).unwrap();
        assert_eq!(verify(&renumbered, rest_of(&link), NOW), Err(LinkError::BadSignature));
        assert!(Signer::new(URL, []).is_none());
    }

    #[test]
    fn an_over_link_that_was_changed_is_a_changed_one() {
        let (link, signer) = (link(), signer());
        let changed = rest_of(&link).replace("exp=1795478400", "exp=1");
        assert_eq!(verify(&signer, &changed, NOW), Err(LinkError::BadSignature));
    }

    proptest! {
        #[test]
        fn whatever_is_signed_verifies_and_is_told_apart(random: [u8; 16], which in 0_usize..3, now in 0_i64..1 << 45) {
            let (signer, now) = (signer(), UnixMillis(now));
            let link = signer.sign(ImageId::from_random(random), Format::ALL[which], now);
            prop_assert_eq!(verify(&signer, rest_of(&link), now), Ok(link.named));
            prop_assert_eq!(Named::parse_file_name(&link.named.file_name()), Some((link.named.id, link.named.format)));
        }

        #[test]
        fn nothing_that_was_not_signed_verifies(path in "/v1/files/.{0,40}", query in ".{0,80}") {
            prop_assert!(signer().verify(&path, &query, NOW).is_err());
        }
    }
}
