//! The cookies of people who are signed in: the session's token, and which workspace they look at; and those of operators.
//!
//! Named `__Host-…` with Secure, so that no other host and no plain connection can set or read them. Where the gateway itself is
//! reached over plain HTTP, which is meant for loopback, browsers drop such cookies: there they have neither prefix nor Secure.
//! Cookies know no ports, so an operator's has a name and a path of its own, and no other site's link carries it.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::domain::people::{ABSOLUTE_LIFE, OPERATOR_ABSOLUTE_LIFE};

use super::token::SessionToken;

const SESSION: (&str, &str) = ("__Host-lmhaven", "lmhaven");
const WORKSPACE: (&str, &str) = ("__Host-lmhaven-workspace", "lmhaven-workspace");
const OPERATOR: (&str, &str) = ("__Secure-lmhaven-operator", "lmhaven-operator");

/// How cookies are named and flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    /// By the address that people open.
    pub fn of(public_url: &str) -> Self {
        Self { secure: !public_url.starts_with("http://") }
    }

    /// The session's token in a request. Two different ones are none: somebody planted one of them.
    pub fn session(&self, headers: &HeaderMap) -> Option<SessionToken> {
        SessionToken::parse(self.read(SESSION, headers)?)
    }

    /// The token of an operator's session in a request.
    pub fn operator_session(&self, headers: &HeaderMap) -> Option<SessionToken> {
        SessionToken::parse(self.read(OPERATOR, headers)?)
    }

    /// Keeps the token of an operator's session.
    pub fn keep_operator_session(&self, token: &SessionToken) -> HeaderValue {
        self.write_operator(&token.expose(), OPERATOR_ABSOLUTE_LIFE / 1_000)
    }

    /// Forgets it.
    pub fn forget_operator_session(&self) -> HeaderValue {
        self.write_operator("", 0)
    }

    /// The workspace that the person chose to look at.
    pub fn workspace(&self, headers: &HeaderMap) -> Option<WorkspaceId> {
        self.read(WORKSPACE, headers)?.parse().ok()
    }

    /// Keeps the session's token.
    pub fn keep_session(&self, token: &SessionToken) -> HeaderValue {
        self.write(SESSION, &token.expose(), ABSOLUTE_LIFE / 1_000)
    }

    /// Forgets the session's token.
    pub fn forget_session(&self) -> HeaderValue {
        self.write(SESSION, "", 0)
    }

    /// Keeps which workspace the person looks at.
    pub fn keep_workspace(&self, workspace: WorkspaceId) -> HeaderValue {
        self.write(WORKSPACE, &workspace.to_string(), ABSOLUTE_LIFE / 1_000)
    }

    const fn name(self, (secure, plain): (&'static str, &'static str)) -> &'static str {
        if self.secure { secure } else { plain }
    }

    fn read<'a>(self, name: (&'static str, &'static str), headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.name(name);
        let pairs = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
        let pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(given, _)| *given == name).map(|(_, value)| value);
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    }

    fn write_operator(self, value: &str, seconds: i64) -> HeaderValue {
        let (name, secure) = (self.name(OPERATOR), if self.secure { "; Secure" } else { "" });
        let text = format!("{name}={value}; Path=/operator; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("lmhaven-operator=; Path=/operator; Max-Age=0"))
    }

    fn write(self, name: (&'static str, &'static str), value: &str, seconds: i64) -> HeaderValue {
        let (name, secure) = (self.name(name), if self.secure { "; Secure" } else { "" });
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        // Names, base64 and ids are all that is in it.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("lmhaven=; Path=/; Max-Age=0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::COOKIE, value.parse().unwrap())).collect()
    }

    #[test]
    fn cookies_are_flagged_by_how_the_gateway_is_reached() {
        let token = SessionToken::fresh();
        let of = |url| Cookies::of(url).keep_session(&token).to_str().unwrap().replace(&token.expose(), "T");
        assert_eq!(
            of("https://haven.example"),
            "__Host-lmhaven=T; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(of("http://127.0.0.1:8080"), "lmhaven=T; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn an_operators_cookie_is_its_own() {
        let token = SessionToken::fresh();
        let of = |url| Cookies::of(url).keep_operator_session(&token).to_str().unwrap().replace(&token.expose(), "T");
        let flags = "Path=/operator; Max-Age=43200; HttpOnly; SameSite=Strict";
        assert_eq!(of("https://admin.example"), format!("__Secure-lmhaven-operator=T; {flags}; Secure"));
        assert_eq!(of("http://127.0.0.1:8081"), format!("lmhaven-operator=T; {flags}"));
        let cookies = Cookies::of("http://127.0.0.1:8081");
        let customers = headers(&[&format!("lmhaven={}", token.expose())]);
        assert_eq!((cookies.operator_session(&customers), cookies.session(&customers)), (None, Some(token)));
    }

    #[test]
    fn a_token_is_read_from_its_own_cookie_and_two_tokens_are_none() {
        let cookies = Cookies::of("https://haven.example");
        let (one, two) = (SessionToken::fresh(), SessionToken::fresh());
        let named = |name: &str, token: &SessionToken| format!("{name}={}", token.expose());
        let good = named("__Host-lmhaven", &one);
        assert_eq!(cookies.session(&headers(&[&format!("a=b; {good}; c=d")])), Some(one.clone()));
        assert_eq!(cookies.session(&headers(&[&format!("{good}; {good}")])), Some(one.clone()));
        assert_eq!(cookies.session(&headers(&[&good, &named("__Host-lmhaven", &two)])), None);
        assert_eq!(cookies.session(&headers(&[&named("lmhaven", &one)])), None, "not the host's alone");
    }
}
