//! A request's head within bounds: how many headers, how many bytes of them, how long an address.
//!
//! Called for every request that has to name a key, before the key is looked for. What is served without one reads
//! nothing of the head. actix has bounds of its own above these, which every request meets: 96 headers (431) and
//! 128 KiB (the connection closes), both without our envelope.

use actix_web::HttpRequest;

use crate::error::{ApiError, Code};

/// SDKs send some twenty, proxies add a dozen.
const HEADERS_MAX: usize = 64;
/// Of all header lines together.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Of the path and the query.
const URL_BYTES_MAX: usize = 2 * 1024;
/// What a header line has beside its name and value: `: ` and the end of the line.
const LINE_BYTES: usize = 4;

/// Refuses a head that is larger than any client of ours sends.
///
/// # Errors
/// 431, and the connection closes.
pub fn check(request: &HttpRequest) -> Result<(), ApiError> {
    let (mut headers, mut bytes) = (0, 0);
    for (name, value) in request.headers() {
        headers += 1;
        bytes += name.as_str().len() + value.len() + LINE_BYTES;
    }
    let too_large = |what: String| Err(ApiError::new(Code::HeadersTooLarge, what).closing());
    if headers > HEADERS_MAX {
        return too_large(format!("a request has at most {HEADERS_MAX} headers"));
    }
    if bytes > HEADER_BYTES_MAX {
        return too_large(format!("the headers of a request have at most {HEADER_BYTES_MAX} bytes"));
    }
    if request.uri().path_and_query().is_some_and(|url| url.as_str().len() > URL_BYTES_MAX) {
        return too_large(format!("path and query of a request have at most {URL_BYTES_MAX} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn code(request: TestRequest) -> Option<Code> {
        check(&request.to_http_request()).err().map(|error| error.code)
    }

    #[test]
    fn each_bound_holds_to_the_byte() {
        let headers = |count: usize| {
            (0..count).fold(TestRequest::get(), |request, n| request.append_header((format!("x-{n}"), "v")))
        };
        assert_eq!((code(headers(64)), code(headers(65))), (None, Some(Code::HeadersTooLarge)));
        // One name as often counts as many.
        let repeated = |count| (0..count).fold(TestRequest::get(), |request, _| request.append_header(("x-a", "v")));
        assert_eq!((code(repeated(64)), code(repeated(65))), (None, Some(Code::HeadersTooLarge)));
        let value = |bytes: usize| TestRequest::get().append_header(("x-a", "v".repeat(bytes - "x-a: \r\n".len())));
        assert_eq!((code(value(16_384)), code(value(16_385))), (None, Some(Code::HeadersTooLarge)));
        let url = |bytes: usize| TestRequest::with_uri(&format!("/v1/models?{}", "q".repeat(bytes - 11)));
        assert_eq!((code(url(2_048)), code(url(2_049))), (None, Some(Code::HeadersTooLarge)));
    }
}
