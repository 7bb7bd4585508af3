//! Where somebody signs in from, in words that are good enough to recognise and too few to track anybody.

use std::net::IpAddr;

/// Browser and system, from closed lists: nothing of the header itself is kept.
pub fn describe(user_agent: &str) -> String {
    // The order matters: Edge and Opera call themselves Chrome, and Chrome calls itself Safari.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "an unknown browser".to_owned(),
    }
}

/// The network of an address: /24, or /64 of IPv6.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        address if address.is_loopback() => "this machine".to_owned(),
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => format!("{}/64", prefix(address)),
    }
}

/// The first 64 bits: what one household or one machine of a data centre has for itself.
pub fn prefix(address: std::net::Ipv6Addr) -> std::net::Ipv6Addr {
    std::net::Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_apart_and_nothing_else_of_the_header_is_kept() {
        let cases = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iOS"),
            ("curl/8.5.0", "curl"),
            ("<script>alert(1)</script>", "an unknown browser"),
        ];
        for (header, expected) in cases {
            assert_eq!(describe(header), expected);
        }
    }

    #[test]
    fn addresses_are_shortened() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("203.0.113.9"), "203.0.113.0/24");
        assert_eq!(network("::ffff:203.0.113.9"), "203.0.113.0/24");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("::1"), "this machine");
    }
}
