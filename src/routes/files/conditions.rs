//! What a conditional or partial request is answered with (RFC 9110 §13 and §14): pure, for one image with a strong
//! entity tag and a known length.
//!
//! Images have no modification date: they are made once and never changed. So conditions by date do not apply, as
//! §13.1.3 and §13.1.4 have it, and an `If-Range` with a date never holds. Several ranges at once are ignored, which
//! §14.2 permits: the answer is the whole image. So is a `Range` that is spelled wrongly.

use std::ops::RangeInclusive;

use actix_web::HttpMessage;
use actix_web::http::Method;
use actix_web::http::header::{
    ByteRangeSpec, EntityTag, Header, HeaderMap, IF_MATCH, IF_NONE_MATCH, IF_RANGE, IfMatch, IfNoneMatch, IfRange,
    RANGE,
};

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200 with all bytes.
    Whole,
    /// 206 with these.
    Part(RangeInclusive<u64>),
    /// 304: the caller has it.
    NotModified,
    /// 412: the caller means another image.
    PreconditionFailed,
    /// 416: nothing is there.
    NotSatisfiable,
}

/// Decides in the order of RFC 9110 §13.2.2.
pub(super) fn decide(method: &Method, request: &impl HttpMessage, tag: &EntityTag, length: u64) -> Answer {
    let headers = request.headers();
    if headers.contains_key(IF_MATCH) && !matches_strongly(request, tag) {
        return Answer::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) && matches_weakly(request, tag) {
        return Answer::NotModified;
    }
    // Only of GET is a range defined (§14.2).
    if *method != Method::GET || !range_applies(request, tag) {
        return Answer::Whole;
    }
    match range(headers) {
        None => Answer::Whole,
        Some(spec) => match spec.to_satisfiable_range(length) {
            Some((first, last)) => Answer::Part(first..=last),
            None => Answer::NotSatisfiable,
        },
    }
}

/// `If-Match` compares strongly; what cannot be read matches nothing.
fn matches_strongly(request: &impl HttpMessage, tag: &EntityTag) -> bool {
    match IfMatch::parse(request) {
        Ok(IfMatch::Any) => true,
        Ok(IfMatch::Items(tags)) => tags.iter().any(|other| other.strong_eq(tag)),
        Err(_) => false,
    }
}

/// `If-None-Match` compares weakly; what cannot be read matches nothing.
fn matches_weakly(request: &impl HttpMessage, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|other| other.weak_eq(tag)),
        Err(_) => false,
    }
}

/// `If-Range` compares strongly (§13.1.5); where it does not hold the range is ignored.
fn range_applies(request: &impl HttpMessage, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(IF_RANGE) {
        return true;
    }
    matches!(IfRange::parse(request), Ok(IfRange::EntityTag(other)) if other.strong_eq(tag))
}

/// The one range of bytes that is asked for.
fn range(headers: &HeaderMap) -> Option<ByteRangeSpec> {
    let mut values = headers.get_all(RANGE);
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Several ranges have a comma, which is no digit.
    let (first, last) = set.trim().split_once('-')?;
    match (first, last) {
        ("", last) => Some(ByteRangeSpec::Last(position(last)?)),
        (first, "") => Some(ByteRangeSpec::From(position(first)?)),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then_some(ByteRangeSpec::FromTo(first, last))
        }
    }
}

/// Digits and nothing else; more of them than fit are as many as fit (§14.1.2 forbids to fail on large numbers).
fn position(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const LENGTH: u64 = 1000;

    fn answer(method: &Method, headers: &[(&'static str, &str)]) -> Answer {
        let request = headers.iter().fold(TestRequest::default(), |request, header| request.append_header(*header));
        decide(method, &request.to_http_request(), &EntityTag::new_strong("abc".to_owned()), LENGTH)
    }

    fn get(headers: &[(&'static str, &str)]) -> Answer {
        answer(&Method::GET, headers)
    }

    #[test]
    fn one_range_of_bytes_is_a_part() {
        let cases = [
            ("bytes=0-0", 0..=0),
            ("bytes=0-999", 0..=999),
            ("bytes=10-5000", 10..=999),
            ("bytes=999-", 999..=999),
            ("bytes=-1", 999..=999),
            ("bytes=-5000", 0..=999),
            ("Bytes=0-1", 0..=1),
            ("bytes= 0-1 ", 0..=1),
            ("bytes=0-99999999999999999999999", 0..=999),
            ("bytes=-99999999999999999999999", 0..=999),
        ];
        for (range, part) in cases {
            assert_eq!(get(&[("range", range)]), Answer::Part(part), "{range}");
        }
    }

    #[test]
    fn a_range_behind_the_end_or_of_nothing_is_not_satisfiable() {
        for range in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(get(&[("range", range)]), Answer::NotSatisfiable, "{range}");
        }
    }

    #[test]
    fn several_ranges_and_what_is_no_range_are_ignored() {
        let cases = [
            "bytes=0-0,5-6",
            "bytes=5-4",
            "bytes=",
            "bytes=-",
            "bytes=+1-2",
            "bytes=a-b",
            "bytes=0-1-2",
            "bytes 0-1",
            "lines=0-1",
            "0-1",
            "",
        ];
        for range in cases {
            assert_eq!(get(&[("range", range)]), Answer::Whole, "{range}");
        }
        assert_eq!(get(&[("range", "bytes=0-0"), ("range", "bytes=1-1")]), Answer::Whole);
        assert_eq!(answer(&Method::HEAD, &[("range", "bytes=0-0")]), Answer::Whole);
    }

    #[test]
    fn if_range_needs_the_same_strong_tag() {
        let with = |value| get(&[("range", "bytes=0-0"), ("if-range", value)]);
        assert_eq!(with("\"abc\""), Answer::Part(0..=0));
        for other in ["W/\"abc\"", "\"xyz\"", "Sat, 29 Oct 2094 19:43:31 GMT", "abc", ""] {
            assert_eq!(with(other), Answer::Whole, "{other}");
        }
        // A range that would not be satisfiable does not matter then either.
        assert_eq!(get(&[("range", "bytes=5000-"), ("if-range", "\"xyz\"")]), Answer::Whole);
    }

    #[test]
    fn conditions_come_before_ranges_and_if_match_before_if_none_match() {
        let range = ("range", "bytes=0-0");
        for method in [Method::GET, Method::HEAD] {
            for value in ["\"abc\"", "W/\"abc\"", "*", "\"x\", \"abc\""] {
                assert_eq!(answer(&method, &[("if-none-match", value), range]), Answer::NotModified, "{value}");
            }
            for value in ["\"abc\"", "*", "\"x\", \"abc\""] {
                assert_eq!(answer(&method, &[("if-match", value)]), Answer::Whole, "{value}");
            }
            for value in ["W/\"abc\"", "\"x\"", "abc", ""] {
                let headers = [("if-match", value), ("if-none-match", "*"), range];
                assert_eq!(answer(&method, &headers), Answer::PreconditionFailed, "{value}");
            }
        }
        assert_eq!(get(&[("if-none-match", "\"x\""), range]), Answer::Part(0..=0));
        assert_eq!(get(&[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")]), Answer::NotModified);
        assert_eq!(get(&[("if-none-match", "abc")]), Answer::Whole);
    }

    #[test]
    fn dates_do_not_apply_to_what_has_none() {
        let headers = [
            ("if-modified-since", "Sat, 29 Oct 2094 19:43:31 GMT"),
            ("if-unmodified-since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ];
        assert_eq!(get(&headers), Answer::Whole);
    }
}
