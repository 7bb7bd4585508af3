//! Images in a bucket: the gateway against a small service that speaks as much of S3 as it needs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::Method;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use lmhaven::images::sweep::Swept;

use super::{Tomorrow, png, rest_of};
use crate::harness::Haven;

const DAY: i64 = 86_400;
const ETAG: (&str, &str) = ("etag", "\"0\"");
const LAST_MODIFIED: (&str, &str) = ("last-modified", "Mon, 23 Nov 2026 12:00:00 GMT");

/// One bucket, `haven-images`, by path.
#[derive(Clone, Default)]
struct Bucket {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
    refusing: Arc<Mutex<bool>>,
}

impl Bucket {
    fn start(&self) -> (SocketAddr, ServerHandle) {
        let bucket = self.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(bucket.clone())).default_service(web::to(answer))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        (address, handle)
    }

    fn names(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }
}

async fn answer(bucket: web::Data<Bucket>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap());
    let signed = authorization.is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256 Credential=id-of-the-tests/"));
    if !signed || *bucket.refusing.lock().unwrap() {
        return HttpResponse::Forbidden().body("<Error><Code>AccessDenied</Code></Error>");
    }
    let rest = request.path().strip_prefix("/haven-images").unwrap().trim_start_matches('/').to_owned();
    let mut objects = bucket.objects.lock().unwrap();
    match (request.method(), rest.as_str()) {
        (&Method::GET, "") => HttpResponse::Ok().content_type("application/xml").body(list(&objects, &request)),
        (&Method::POST, "") => {
            let body = String::from_utf8(body.to_vec()).unwrap();
            let keys = body.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap());
            let mut deleted = String::from("<DeleteResult>");
            for key in keys {
                objects.remove(key);
                write!(deleted, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
            }
            HttpResponse::Ok().content_type("application/xml").body(deleted + "</DeleteResult>")
        }
        (&Method::PUT, key) => {
            objects.insert(key.to_owned(), body);
            HttpResponse::Ok().insert_header(ETAG).finish()
        }
        (&Method::GET, key) => match objects.get(key) {
            Some(object) => part(object, request.headers().get("range").unwrap().to_str().unwrap()),
            None => HttpResponse::NotFound().body("<Error><Code>NoSuchKey</Code></Error>"),
        },
        _ => HttpResponse::NotImplemented().finish(),
    }
}

/// `bytes=a-b` or `bytes=-n`: the gateway never asks for more than it needs.
fn part(object: &Bytes, range: &str) -> HttpResponse {
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let last: usize = last.parse().unwrap();
    let (first, end) = match first {
        "" => (object.len() - last, object.len()),
        first => (first.parse().unwrap(), last + 1),
    };
    HttpResponse::PartialContent()
        .insert_header(ETAG)
        .insert_header(LAST_MODIFIED)
        .insert_header(("content-range", format!("bytes {first}-{}/{}", end - 1, object.len())))
        .body(object.slice(first..end))
}

/// `ListObjectsV2`, with and without a delimiter.
fn list(objects: &BTreeMap<String, Bytes>, request: &HttpRequest) -> String {
    let query = request.query_string().replace("%2F", "/");
    let parameter = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    };
    let (prefix, delimited) = (parameter("prefix"), parameter("delimiter") == "/");
    let mut folders = std::collections::BTreeSet::new();
    let mut xml = String::from("<ListBucketResult>");
    for (key, object) in objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if delimited => drop(folders.insert(format!("{prefix}{folder}/"))),
            _ => write!(
                xml,
                "<Contents><Key>{key}</Key><LastModified>2026-11-23T12:00:00.000Z</LastModified><Size>{}</Size></Contents>",
                object.len()
            )
            .unwrap(),
        }
    }
    for folder in folders {
        write!(xml, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>").unwrap();
    }
    xml + "</ListBucketResult>"
}

#[actix_web::test]
async fn a_bucket_keeps_serves_and_loses_images_as_a_folder_does() {
    let bucket = Bucket::default();
    bucket.objects.lock().unwrap().insert("another-prefix/1/1-notes.png".to_owned(), Bytes::from_static(b"mine"));
    let (address, service) = bucket.start();
    let more = format!(
        "\n[images.s3]\nbucket = \"haven-images\"\nregion = \"eu-central-1\"\nendpoint = \"http://{address}\"\n\
         access_key_id = \"id-of-the-tests\"\nsecret_access_key = \"secret-of-the-tests\"\nprefix = \"generated/images\"\n\
         allow_http = true\n"
    );
    let tomorrow = Tomorrow::new();
    let haven = Haven::start_from(&more, &[], tomorrow.clock()).await;
    let bytes = png(200_000);
    let link = haven.keep(bytes.clone()).await;
    let [_, name] = bucket.names().try_into().unwrap();
    assert!(name.starts_with("generated/images/") && name.ends_with(&link.named.file_name()), "{name}");
    assert_eq!(haven.file(&link, &[]).await.bytes, bytes);
    let part = haven.file(&link, &[("range", "bytes=70000-70009")]).await;
    assert_eq!((part.status, &part.bytes), (206, &bytes.slice(70_000..70_010)));
    let head = haven.file_by(reqwest::Method::HEAD, &link, &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, "200000"));
    let images = &haven.server.gateway.images;
    assert_eq!(images.sweep(tomorrow.set(DAY), 10).await.unwrap(), Swept::default());
    assert_eq!(images.sweep(tomorrow.set(DAY + 3600), 10).await.unwrap().deleted, 1);
    assert_eq!(bucket.names(), ["another-prefix/1/1-notes.png"]);
    tomorrow.set(0);
    assert_eq!(haven.refused_file(rest_of(&link)).await.refusal(), (404, "not_found"));
    *bucket.refusing.lock().unwrap() = true;
    let away = haven.refused_file(rest_of(&link)).await;
    assert_eq!((away.refusal(), away.header("retry-after")), ((503, "overloaded"), "1"));
    let images = &haven.server.gateway.images;
    assert!(images.keep(png(10), None, haven.server.gateway.core.clock.now().wall).await.is_err());
    haven.finish().await;
    service.stop(false).await;
}
