//! The page to go to after signing in: one of our own below `/app`, or the dashboard.

use std::fmt::Write;

/// The page, if it is one of ours; the dashboard otherwise. Nothing leads elsewhere: no other host, no scheme, no backslash
/// that a browser reads as a slash, no dots that lead out of `/app`.
pub fn local(wanted: Option<&str>) -> &str {
    wanted.filter(|path| is_local(path)).unwrap_or("/app")
}

fn is_local(path: &str) -> bool {
    let rest = path.strip_prefix("/app");
    let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    // Everything that is written literally in a path and a query, and `%` for the rest.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?&=-._~%+:,@!".contains(&byte);
    let (before, _) = path.split_once('?').unwrap_or((path, ""));
    below
        && path.len() <= 512
        && path.bytes().all(plain)
        && !before.contains("//")
        && !before.contains('%')
        && !before.split('/').any(|part| part == "." || part == "..")
}

/// A text as the value of a query's field.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_gone_to() {
        for good in
            ["/app", "/app/keys", "/app/usage?from=2026-11-01&by=day", "/app?x=1", "/app/invite?token=lnk_0.a-b_c"]
        {
            assert_eq!(local(Some(good)), good);
        }
        for bad in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/app/\\evil",
            "/app//evil.example",
            "/apple",
            "/app/../v1",
            "/app/./x",
            "/app/%2e%2e/v1",
            "javascript:alert(1)",
            "/app\r\nSet-Cookie: a=b",
            "/app/\t",
            "app",
            "/app/<script>",
            "/",
            "/app@evil.example",
            "/app.evil.example",
        ] {
            assert_eq!(local(Some(bad)), "/app", "{bad:?}");
        }
        assert_eq!(local(None), "/app");
    }

    #[test]
    fn a_page_with_a_query_is_one_value() {
        assert_eq!(encode("/app/usage?a=1&b=ü"), "/app/usage%3Fa%3D1%26b%3D%C3%BC");
    }
}
