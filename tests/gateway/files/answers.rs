//! What is answered to a good link: headers, ranges, conditions, HEAD and the browser's preflight.

use std::fmt::Write;

use reqwest::Method;

use super::{File, png, rest_of};
use crate::harness::{Haven, within};

/// Status and the headers that this route decides, one a line.
fn outline(file: &File) -> String {
    let mut lines = format!("{}\n", file.status);
    let mut names: Vec<_> = file.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
    names.sort_unstable();
    for name in names.into_iter().filter(|name| !matches!(*name, "date" | "request-id" | "x-request-id")) {
        let value = file.header(name);
        let value = value.split_once("max-age=86").map_or(value.to_owned(), |(start, _)| format!("{start}max-age=86…"));
        writeln!(lines, "{name}: {value}").unwrap();
    }
    lines
}

#[actix_web::test]
async fn a_whole_image_has_headers_that_let_it_be_nothing_but_a_picture() {
    let haven = Haven::start().await;
    let link = haven.keep(png(300_000)).await;
    let file = haven.file(&link, &[]).await;
    assert_eq!(file.bytes, png(300_000));
    insta::assert_snapshot!(outline(&file), @r#"
    200
    accept-ranges: bytes
    access-control-allow-origin: *
    access-control-expose-headers: accept-ranges, content-length, content-range, etag, request-id, x-request-id
    cache-control: private, max-age=86…
    content-disposition: inline; filename="image.png"
    content-length: 300000
    content-security-policy: default-src 'none'; sandbox
    content-type: image/png
    cross-origin-resource-policy: cross-origin
    etag: "db163f9dc1c73a2c68d411cfaa31e65bacb4bc9055d24bf0d877ae596ca7cc5b"
    referrer-policy: no-referrer
    x-content-type-options: nosniff
    "#);
    let head = haven.file_by(Method::HEAD, &link, &[]).await;
    assert!(head.bytes.is_empty());
    assert_eq!(outline(&head), outline(&file), "HEAD says what GET says");
    for (bytes, content_type, name) in [
        (&b"\xff\xd8\xff\xe0 and so on"[..], "image/jpeg", "image.jpg"),
        (&b"RIFF\x10\0\0\0WEBPVP8 and so on"[..], "image/webp", "image.webp"),
    ] {
        let file = haven.file(&haven.keep(bytes.to_vec().into()).await, &[]).await;
        assert_eq!((file.header("content-type"), file.bytes.as_ref()), (content_type, bytes));
        assert_eq!(file.header("content-disposition"), format!("inline; filename=\"{name}\""));
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_range_is_a_part_and_several_are_the_whole() {
    let haven = Haven::start().await;
    let bytes = png(100_000);
    let link = haven.keep(bytes.clone()).await;
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=5-70004", 5, 70_005),
        ("bytes=99999-", 99_999, 100_000),
        ("bytes=50000-500000", 50_000, 100_000),
        ("bytes=-7", 99_993, 100_000),
        ("bytes=-200000", 0, 100_000),
    ] {
        let part = haven.file(&link, &[("range", range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.bytes, bytes[first..end], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {first}-{}/100000", end - 1));
        assert_eq!(part.header("content-length"), (end - first).to_string());
        assert_eq!(part.header("content-type"), "image/png");
        assert!(part.header("etag").starts_with('"'));
    }
    for range in ["bytes=0-1,5-6", "bytes=7-3", "pixels=0-1", "bytes=one-two"] {
        let whole = haven.file(&link, &[("range", range)]).await;
        assert_eq!((whole.status, whole.bytes.len()), (200, 100_000), "{range}");
        assert_eq!(whole.header("content-range"), "");
    }
    for range in ["bytes=100000-", "bytes=-0", "bytes=100000-100001"] {
        let none = haven.file(&link, &[("range", range)]).await;
        assert_eq!((none.status, none.header("content-range")), (416, "bytes */100000"), "{range}");
        assert!(String::from_utf8_lossy(&none.bytes).contains("range_not_satisfiable"));
    }
    let head = haven.file_by(Method::HEAD, &link, &[("range", "bytes=0-0")]).await;
    assert_eq!((head.status, head.header("content-length")), (200, "100000"), "ranges are of GET alone");
    haven.finish().await;
}

#[actix_web::test]
async fn conditions_spare_the_bytes_and_a_part_is_only_of_the_image_that_was_meant() {
    let haven = Haven::start().await;
    let link = haven.keep(png(1000)).await;
    let whole = haven.file(&link, &[]).await;
    let tag = whole.header("etag");
    // The same bytes have the same tag, and others another one.
    assert_eq!(haven.file(&haven.keep(png(1000)).await, &[]).await.header("etag"), tag);
    let other = haven.file(&haven.keep(png(1001)).await, &[]).await;
    assert_ne!(other.header("etag"), tag);
    let (weak, other) = (format!("W/{tag}"), other.header("etag").to_owned());
    let both = format!("{other}, {tag}");
    for method in [Method::GET, Method::HEAD] {
        for value in [tag, &weak, &both, "*"] {
            let same = haven.file_by(method.clone(), &link, &[("if-none-match", value), ("range", "bytes=0-0")]).await;
            assert_eq!((same.status, same.bytes.len()), (304, 0), "{method} {value}");
            assert_eq!(same.header("etag"), tag);
            assert_eq!(same.header("cache-control").split('=').next(), Some("private, max-age"));
            assert_eq!((same.header("content-type"), same.header("content-length")), ("", ""));
        }
        assert_eq!(haven.file_by(method.clone(), &link, &[("if-none-match", &other)]).await.status, 200);
        for (value, status) in [(tag, 200), ("*", 200), (&both, 200), (&other, 412), (&weak, 412)] {
            let file = haven.file_by(method.clone(), &link, &[("if-match", value)]).await;
            assert_eq!(file.status, status, "{method} {value}");
        }
    }
    let part = |value: String| {
        let (haven, link) = (&haven, &link);
        async move {
            let file = haven.file(link, &[("range", "bytes=10-19"), ("if-range", &value)]).await;
            (file.status, file.bytes.len())
        }
    };
    assert_eq!(part(tag.to_owned()).await, (206, 10));
    for value in [other, weak, "Sat, 29 Oct 2094 19:43:31 GMT".to_owned()] {
        assert_eq!(part(value.clone()).await, (200, 1000), "{value}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_script_of_any_origin_may_ask_with_a_range() {
    let haven = Haven::start().await;
    let link = haven.keep(png(10)).await;
    let request = haven
        .file_request(Method::OPTIONS, rest_of(&link))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "range, if-range");
    let response = within("an answer", request.send()).await.unwrap();
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(response.status(), 204);
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    assert_eq!(header("access-control-allow-headers"), "range, if-range, if-match, if-none-match");
    haven.finish().await;
}
