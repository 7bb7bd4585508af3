//! What a page was asked with: names and values of a query or a form, read once, without an error that repeats them.

use std::fmt::Write;

use actix_web::HttpRequest;
use actix_web::web;

/// The longest value that is looked at; no field of ours takes more.
const VALUE_LEN_MAX: usize = 10_000;

/// Names and values, in order.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of a query; nothing where it cannot be read.
    pub fn of_query(request: &HttpRequest) -> Self {
        web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_or_else(|_| Self::default(), |pairs| Self(pairs.into_inner()))
    }

    /// Those of a form's body; nothing where it is none.
    pub fn of_form(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        web::Query::<Vec<(String, String)>>::from_query(text)
            .map_or_else(|_| Self::default(), |pairs| Self(pairs.into_inner()))
    }

    /// The first value of that name, without space around it; `None` where it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of that name as it was sent, however long: passwords, and texts that are pasted.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of that name that is not empty.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, value)| known == name && value.len() <= VALUE_LEN_MAX);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The same fields as a query that is added to a path, `name` left out: what a link to the next page carries.
    pub fn query_without(&self, names: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, value)| !names.contains(&name.as_str()) && !value.is_empty());
        kept.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
    }
}

/// A text as it stands in a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn fields_are_read_decoded_and_written_back() {
        let request =
            TestRequest::with_uri("/app?from=2026-11-01&model=a%2Fb%26c&model=d&empty=&x=+y+").to_http_request();
        let fields = Fields::of_query(&request);
        assert_eq!((fields.get("from"), fields.get("x"), fields.get("empty")), (Some("2026-11-01"), Some("y"), None));
        assert_eq!(fields.all("model").collect::<Vec<_>>(), ["a/b&c", "d"]);
        assert_eq!(fields.query_without(&["from", "x"]), "model=a%2Fb%26c&model=d");
        let broken = TestRequest::with_uri("/app?%ff").to_http_request();
        assert_eq!(Fields::of_query(&broken).get("anything"), None);
    }
}
