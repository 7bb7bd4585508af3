//! Addresses in the configuration: what a base URL may and may not carry.

use reqwest::Url;

/// An `http` or `https` URL without credentials, query and fragment.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("expected an http:// or https:// URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with credentials in it is refused; they would be printed".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL has a query or a fragment".to_owned());
    }
    Ok(url)
}

/// A URL of a host alone, printed without its final slash.
pub(super) fn parse_host(text: &str) -> Result<String, String> {
    let url = parse(text)?;
    if url.path() != "/" {
        return Err("expected a URL without a path".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A URL that ends in `/v1`, as the OpenAI SDKs have it.
pub(super) fn parse_ending_in_v1(text: &str) -> Result<String, String> {
    let url = parse(text)?;
    let trimmed = url.as_str().trim_end_matches('/');
    if !trimmed.ends_with("/v1") {
        return Err("expected a URL that ends in /v1".to_owned());
    }
    Ok(trimmed.to_owned())
}
