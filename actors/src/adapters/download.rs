//! Fetching a result that a provider left on its own host: which hosts, how often, and what counts as an image.
//!
//! Addresses come from an answer we did not write. A host is either on the adapter's list, over https, or the
//! very origin that the provider is configured with; everything else is never asked. Redirects are checked the
//! same way, and what comes is an image by its own bytes or nothing. Reading costs nothing, so it is repeated.

use super::metadata;
use crate::media::{Answer, Auth, Call, Image, Lost, MediaFault, News, Place, Setting};

/// The largest file of an image.
const IMAGE_BYTES_MAX: usize = 30 * 1024 * 1024;
/// Attempts for one image, redirects not counted.
const ATTEMPTS_MAX: u32 = 3;
/// Redirects in one attempt.
const REDIRECTS_MAX: u32 = 3;
/// Before another attempt.
const PAUSE_MILLIS: u64 = 500;
const URL_BYTES_MAX: usize = 8 * 1024;
const ACCEPT: &str = "image/*";

/// The hosts whose files may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    /// Domains: they and everything below them.
    domains: &'static [&'static str],
    /// Scheme, host and port of the provider as it is configured.
    origin: String,
}

impl Hosts {
    /// The adapter's list, and the origin of the provider.
    pub(super) fn new(domains: &'static [&'static str], setting: &Setting<'_>) -> Self {
        let base = setting.base_url;
        let host = base.find("://").map_or(0, |at| at + 3);
        let end = base.get(host..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| host + at);
        Self { domains, origin: base.get(..end).unwrap_or_default().to_owned() }
    }

    /// The place of a file, if its host may be asked.
    pub(super) fn place(&self, url: &str) -> Option<Place> {
        // One reading of the text: no spaces, controls, backslashes or letters beyond ASCII, which parsers
        // take differently.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if url.len() > URL_BYTES_MAX || !url.bytes().all(is_plain) {
            return None;
        }
        let url = url.split('#').next().unwrap_or_default();
        let is_ours =
            !self.origin.is_empty() && url.strip_prefix(self.origin.as_str()).is_some_and(|rest| rest.starts_with('/'));
        (is_ours || self.is_listed(url)).then(|| Place::Host { url: url.to_owned() })
    }

    fn is_listed(&self, url: &str) -> bool {
        let Some(rest) = url.strip_prefix("https://") else { return false };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
        let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        let is_below = |domain: &&str| {
            host.strip_suffix(*domain).is_some_and(|sub| sub.is_empty() || (sub.len() > 1 && sub.ends_with('.')))
        };
        is_name && self.domains.iter().any(is_below)
    }

    /// Where a redirect leads from `from`, if it may be followed. A path leads nowhere but to the same host.
    fn redirect(&self, from: &Place, location: &str) -> Option<Place> {
        if !location.starts_with('/') {
            return self.place(location);
        }
        if location.starts_with("//") {
            return None;
        }
        match from {
            Place::Provider { .. } => self.place(&format!("{}{location}", self.origin)),
            Place::Host { url } => {
                let host = url.find("://").map_or(0, |at| at + 3);
                let end = url.get(host..)?.find(['/', '?']).map_or(url.len(), |at| host + at);
                self.place(&format!("{}{location}", url.get(..end)?))
            }
        }
    }
}

/// One image that is being fetched.
#[derive(Clone, Debug)]
pub(super) struct Download {
    start: Place,
    current: Place,
    attempts: u32,
    redirects: u32,
}

/// What comes next in a download.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fetch {
    /// Send this.
    Call(Call),
    /// Wait, then go on.
    Wait(u64),
    /// The image.
    Done(Image),
    /// It cannot be had. It was made, and is paid for.
    Failed(MediaFault),
}

impl Download {
    /// From a host that was checked, or from the provider with its key.
    pub(super) fn new(start: Place) -> Self {
        Self { current: start.clone(), start, attempts: 1, redirects: 0 }
    }

    /// From below the provider's base URL.
    pub(super) fn below(path: String, auth: Auth) -> Self {
        Self::new(Place::Provider { path, auth })
    }

    /// The call to send now.
    pub(super) fn call(&self) -> Call {
        Call::read(self.current.clone(), ACCEPT, IMAGE_BYTES_MAX)
    }

    /// Takes what came of the last call or wait.
    pub(super) fn next(&mut self, hosts: &Hosts, news: News) -> Fetch {
        match news {
            News::Waited => Fetch::Call(self.call()),
            // Others may have finished until then.
            News::Lost(Lost::NoRoom) => self.again(MediaFault::NoRoom),
            News::Lost(_) => self.again(malformed("a file that can be fetched")),
            News::Answer(answer) => self.answered(hosts, answer),
        }
    }

    fn answered(&mut self, hosts: &Hosts, answer: Answer) -> Fetch {
        match answer.status {
            200 => match Image::read(metadata::cleaned(answer.body)) {
                Some(image) => Fetch::Done(image),
                None => self.again(malformed("a PNG, JPEG or WebP file")),
            },
            301 | 302 | 303 | 307 | 308 => {
                self.redirects += 1;
                let location = answer.location.as_deref().unwrap_or_default();
                match hosts.redirect(&self.current, location).filter(|_| self.redirects <= REDIRECTS_MAX) {
                    Some(place) => {
                        self.current = place;
                        Fetch::Call(self.call())
                    }
                    None => Fetch::Failed(malformed("a redirect to a host that is allowed")),
                }
            }
            // A file that was announced a moment ago may not be everywhere yet, so even a 404 is asked again.
            _ => self.again(malformed("a file that can be fetched")),
        }
    }

    fn again(&mut self, fault: MediaFault) -> Fetch {
        if self.attempts >= ATTEMPTS_MAX {
            return Fetch::Failed(fault);
        }
        self.attempts += 1;
        self.redirects = 0;
        self.current = self.start.clone();
        Fetch::Wait(PAUSE_MILLIS)
    }
}

const fn malformed(what: &'static str) -> MediaFault {
    MediaFault::Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x08\0\0\0\x04\0\x08\x02\0\0\0";

    fn hosts() -> Hosts {
        let setting = Setting { upstream_model: "m", base_url: "http://127.0.0.1:9/api", seed: 0, budget_millis: 0 };
        Hosts::new(&["volces.com", "cdn.example"], &setting)
    }

    fn answer(status: u16, location: Option<&str>, body: &'static [u8]) -> News {
        let location = location.map(str::to_owned);
        News::Answer(Answer { status, location, body: Bytes::from_static(body), ..Answer::default() })
    }

    fn started() -> Download {
        Download::new(hosts().place("https://a.volces.com/x?sig=1").unwrap())
    }

    #[test]
    fn hosts_on_the_list_and_the_configured_origin_are_asked() {
        for url in [
            "https://volces.com/x",
            "https://a.tos-ap.volces.com/x?X-Tos-Expires=86400",
            "https://A.Volces.COM:443/x",
            "https://cdn.example?q",
            "http://127.0.0.1:9/files/1",
        ] {
            assert_eq!(hosts().place(url), Some(Place::Host { url: url.to_owned() }), "{url}");
        }
    }

    #[test]
    fn every_other_host_is_never_asked() {
        for url in [
            "http://a.volces.com/x",
            "https://evilvolces.com/x",
            "https://volces.com.evil.example/x",
            "https://volces.com@evil.example/x",
            "https://evil.example/volces.com",
            "https://evil.example\\.volces.com/",
            "https://evil.example#.volces.com/",
            "https://evil.example?.volces.com/",
            "https://a.volces.com:8443/x",
            "https://.volces.com/x",
            "https://[::1].volces.com/x",
            "https://a.volces.com\n/x",
            "https://\u{0430}.volces.com/x",
            "http://127.0.0.1:90/files/1",
            "http://127.0.0.1:9@evil.example/",
            "http://127.0.0.1:9",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "//a.volces.com/x",
            "",
        ] {
            assert_eq!(hosts().place(url), None, "{url}");
        }
    }

    #[test]
    fn redirects_are_checked_like_everything_else() {
        let to = |location| started().next(&hosts(), answer(302, Some(location), b""));
        let url = |fetch| match fetch {
            Fetch::Call(Call { place: Place::Host { url }, .. }) => url,
            other => panic!("{other:?}"),
        };
        assert_eq!(url(to("https://cdn.example/y")), "https://cdn.example/y");
        assert_eq!(url(to("/y")), "https://a.volces.com/y");
        for location in ["https://evil.example/", "http://10.0.0.1/", "//evil.example/", "y", ""] {
            assert!(matches!(to(location), Fetch::Failed(_)), "{location}");
        }
        let mut round = started();
        for _ in 0..3 {
            assert!(matches!(round.next(&hosts(), answer(302, Some("/again"), b"")), Fetch::Call(_)));
        }
        assert!(matches!(round.next(&hosts(), answer(302, Some("/again"), b"")), Fetch::Failed(_)));
    }

    #[test]
    fn a_redirect_away_from_the_provider_carries_no_key() {
        let mut download = Download::below("/v1/media/1/image".to_owned(), Auth::Bearer);
        let place = download.call().place;
        assert_eq!(place, Place::Provider { path: "/v1/media/1/image".to_owned(), auth: Auth::Bearer });
        let Fetch::Call(call) = download.next(&hosts(), answer(302, Some("https://cdn.example/y"), b"")) else {
            panic!()
        };
        assert_eq!(call.place, Place::Host { url: "https://cdn.example/y".to_owned() });
    }

    #[test]
    fn a_fetch_that_fails_is_repeated_from_the_start_and_then_given_up() {
        let failures = [
            answer(503, None, b""),
            answer(404, None, b""),
            answer(200, None, b"<html>"),
            News::Lost(Lost::BrokeOff),
            News::Lost(Lost::TooLarge),
        ];
        for failure in failures {
            let mut download = started();
            for _ in 0..2 {
                assert_eq!(download.next(&hosts(), failure.clone()), Fetch::Wait(PAUSE_MILLIS));
                assert_eq!(download.next(&hosts(), News::Waited), Fetch::Call(started().call()));
            }
            assert!(matches!(download.next(&hosts(), failure), Fetch::Failed(_)));
        }
        let mut download = started();
        download.next(&hosts(), News::Lost(Lost::TimedOut));
        let Fetch::Done(image) = download.next(&hosts(), answer(200, None, PNG)) else { panic!() };
        assert_eq!(image.size.to_string(), "2048x1024");
    }

    proptest! {
        #[test]
        fn no_text_but_a_listed_host_passes(scheme in "(https?|ftp)", host in "[a-z@:.\\[\\]%]{0,12}", path in "\\PC{0,8}") {
            let url = format!("{scheme}://{host}/{path}");
            prop_assert_eq!(hosts().place(&url), None);
        }
    }
}
