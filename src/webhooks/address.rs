//! Where a webhook may go: to addresses of the public Internet, and nowhere else.
//!
//! A URL is looked at when it is set, and its addresses again when the connection is made: a name server may answer
//! otherwise then. The addresses that were checked are the ones that are connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The longest URL.
const URL_BYTES_MAX: usize = 2_000;

/// A webhook cannot go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Not a URL.
    #[error("write a URL such as https://example.com/webhooks")]
    NotAUrl,
    /// Without TLS anybody on the way reads and changes it.
    #[error("a webhook goes to an https:// URL")]
    NotHttps,
    /// A name or password in it would stand in our journal.
    #[error("a webhook's URL has no user name, password or fragment")]
    Credentials,
    /// Inside somebody's network.
    #[error("the address is not one of the public Internet")]
    Private,
}

/// Whether webhooks go to this machine too: for tests and the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// They do, and without TLS.
    pub loopback: bool,
}

impl Allowed {
    /// Whether a connection to this address may be made.
    pub fn address(self, address: IpAddr) -> bool {
        is_public(address) || self.loopback && address.to_canonical().is_loopback()
    }

    /// Looks at a URL as far as it says where it leads.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn url(self, text: &str) -> Result<Url, NoPlace> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= URL_BYTES_MAX).ok_or(NoPlace::NotAUrl)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NoPlace::NotAUrl)?;
        let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let local = literal.is_some_and(|address| address.to_canonical().is_loopback()) || host == "localhost";
        match url.scheme() {
            "https" => {}
            "http" if self.loopback && local => {}
            "http" => return Err(NoPlace::NotHttps),
            _ => return Err(NoPlace::NotAUrl),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(NoPlace::Credentials);
        }
        let private = literal.is_some_and(|address| !self.address(address)) || (host == "localhost" && !self.loopback);
        if private { Err(NoPlace::Private) } else { Ok(url) }
    }
}

/// Whether an address is one of the public Internet (the registries of special addresses of IANA, RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            // Shared by carriers; link-local, where clouds keep their metadata.
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            // Protocols, documentation, relays, benchmarks.
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, ..] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match a {
        // IPv4 through a translator, and 6to4: as public as what they lead to.
        0x0064 if b == 0xff9b && c == 0 => {
            let [.., high, low] = address.segments();
            embedded(high, low)
        }
        0x2002 => embedded(b, c),
        // Teredo, benchmarks, ORCHID and the rest of 2001:0::/23; documentation.
        0x2001 => b > 0x01ff && b != 0x0db8,
        0x3fff => b > 0x0fff,
        // Only 2000::/3 is given out.
        0x2000..=0x3ffe => true,
        _ => false,
    }
}

/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The system's name servers.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    })
}

/// The names of webhooks, whose addresses are looked at before anybody connects to them.
#[derive(Clone)]
pub struct Guarded {
    lookup: Lookup,
    allowed: Allowed,
}

impl Guarded {
    /// Names by this lookup.
    pub const fn new(lookup: Lookup, allowed: Allowed) -> Self {
        Self { lookup, allowed }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { lookup, allowed } = self.clone();
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            // A name that leads inside with one of its addresses is not to be trusted with the others.
            if found.is_empty() || found.iter().any(|address| !allowed.address(*address)) {
                return Err(NoPlace::Private.into());
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// The host of a URL that was taken, without what may be a secret of the receiver's.
pub fn host_of(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "fec0::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_url_is_https_and_leads_outside_however_its_address_is_written() {
        let strict = Allowed { loopback: false };
        assert!(strict.url("https://example.com:8443/hooks?a=b").is_ok());
        for (text, expected) in [
            ("", NoPlace::NotAUrl),
            ("example.com", NoPlace::NotAUrl),
            ("ftp://example.com", NoPlace::NotAUrl),
            ("file:///etc/passwd", NoPlace::NotAUrl),
            ("http://example.com/", NoPlace::NotHttps),
            ("https://name:secret@example.com/", NoPlace::Credentials),
            ("https://example.com/#part", NoPlace::Credentials),
            ("https://localhost/", NoPlace::Private),
            ("https://127.0.0.1/", NoPlace::Private),
            ("https://127.1/", NoPlace::Private),
            ("https://0x7f.0.0.1/", NoPlace::Private),
            ("https://2130706433/", NoPlace::Private),
            ("https://[::1]/", NoPlace::Private),
            ("https://[::ffff:10.0.0.1]/", NoPlace::Private),
            ("https://169.254.169.254/latest/meta-data", NoPlace::Private),
        ] {
            assert_eq!(strict.url(text).map(|url| url.to_string()), Err(expected), "{text}");
        }
        let local = Allowed { loopback: true };
        assert!(local.url("http://127.0.0.1:9/hook").is_ok() && local.url("http://localhost:9/").is_ok());
        assert_eq!(local.url("http://10.0.0.1/"), Err(NoPlace::NotHttps));
        assert_eq!(local.url("https://10.0.0.1/"), Err(NoPlace::Private));
    }
}
