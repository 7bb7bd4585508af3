//! What images of 15 MB cost a process in memory, as the kernel counts it: at most twice an answer for each request,
//! however they are handed over, and no more than the budget of bytes allows for all of them.

use std::fmt::Write;

use lmhaven_simulator::Rule;
use serde_json::{Value, json};

use crate::harness::{Process, Site, Workspace, within};

/// The body of one answer.
const BODY: u64 = 15_000_000;
/// A provider and its model of each kind, and how many bytes of padding make an answer of [`BODY`]: Gemini's is in
/// base 64.
const MODELS: [(&str, &str, u64); 4] = [
    ("ark", "seedream-5-0-260128", BODY),
    ("novelai", "nai-diffusion-4-full", BODY),
    ("pixai", "1983308862240288769", BODY),
    ("gemini", "gemini-3-pro-image", BODY / 4 * 3),
];

fn more(simulator: &str, budget: &str) -> String {
    let mut text = format!("\n[limits.edge]\nbody_bytes_in_flight = \"{budget}\"\n");
    for (kind, upstream_model, _) in MODELS {
        let _ = write!(
            text,
            "\n[[providers]]\nid = \"{kind}\"\nkind = \"{kind}\"\nbase_url = \"{simulator}\"\napi_keys = [\"k\"]\n\
             \n[[models]]\nid = \"{kind}\"\nmodality = \"image\"\nprovider = \"{kind}\"\n\
             upstream_model = \"{upstream_model}\"\nratio = 1\n\
             list_price = {{ 1K = \"0.1\", \"1.5K\" = \"0.1\", 2K = \"0.1\", 3K = \"0.1\", 4K = \"0.1\" }}\n"
        );
    }
    text
}

/// Asks for an image, and answers the status and how many bytes the answer has, which are not kept.
async fn draw(process: &Process, workspace: &Workspace, model: &str, format: &str) -> (u16, u64) {
    let body = json!({ "model": model, "prompt": "a lighthouse", "response_format": format });
    let request = process.post(&workspace.keys[0], "/v1/images/generations", &body).send();
    let mut response = within("an answer", request).await.unwrap();
    let mut bytes = 0;
    while let Some(chunk) = within("the answer", response.chunk()).await.unwrap() {
        bytes += chunk.len() as u64;
    }
    (response.status().as_u16(), bytes)
}

fn script(site: &Site, rule: &Value) {
    site.control.reset();
    site.control.script(serde_json::from_value::<Rule>(rule.clone()).unwrap());
}

#[actix_web::test]
async fn an_image_of_15_mb_takes_at_most_twice_its_size() {
    let site = Site::with_more("5s", |simulator| more(simulator, "512 MiB")).await;
    for (model, _, pad_bytes) in MODELS {
        for (format, split) in [("b64_json", None), ("url", None), ("b64_json", Some(65_536))] {
            // A new process each, which gives back what it frees: memory that is there already is no measure.
            let process = site.start_with(&[("MIMALLOC_PURGE_DELAY", "0")]).await;
            let workspace = process.workspace("10").await;
            site.control.reset();
            // Everything but the bytes is there.
            assert_eq!(draw(&process, &workspace, model, format).await.0, 200);
            // Without a length the answer grows as it comes.
            script(&site, &json!({ "media": { "pad_bytes": pad_bytes }, "wire": { "split": split } }));
            process.forget_peak();
            let (before, _) = process.memory();
            let (status, bytes) = draw(&process, &workspace, model, format).await;
            let (_, peak) = process.memory();
            assert_eq!(status, 200, "{model} {format}");
            let grown = peak - before;
            // NovelAI's padding is metadata, which is stripped.
            let is_whole = model == "novelai" || format == "url" || bytes >= BODY;
            assert!(is_whole, "{model} {format}: an answer of {bytes} bytes");
            // A measure that shows nothing would hold for anything.
            assert!(grown > BODY / 2, "{model} {format}: {grown} bytes for an answer of {BODY}");
            assert!(grown <= 2 * BODY, "{model} {format} {split:?}: {grown} bytes for an answer of {BODY}");
            process.signal(rustix::process::Signal::TERM);
            assert_eq!(process.exit_code().await, 0);
        }
    }
    site.finish().await;
}

#[actix_web::test]
async fn all_images_together_take_no_more_than_twice_their_budget() {
    const BUDGET: u64 = 64 * 1024 * 1024;
    let site = Site::with_more("5s", |simulator| more(simulator, "64 MiB")).await;
    let process = site.start_with(&[("MIMALLOC_PURGE_DELAY", "0")]).await;
    let workspace = process.workspace("10").await;
    assert_eq!(draw(&process, &workspace, "gemini", "b64_json").await.0, 200);
    script(&site, &json!({ "media": { "pad_bytes": BODY / 4 * 3, "generate_ms": 1_000 } }));
    process.forget_peak();
    let (before, _) = process.memory();
    let draw_all = || futures_util::future::join_all((0..12).map(|_| draw(&process, &workspace, "gemini", "b64_json")));
    let mut statuses: Vec<u16> = draw_all().await.into_iter().map(|(status, _)| status).collect();
    let (_, peak) = process.memory();
    statuses.sort_unstable();
    // 16 MiB for each image: four, less the bytes of the requests themselves.
    let good = statuses.iter().filter(|status| **status == 200).count();
    assert!((3..=4).contains(&good), "{statuses:?}");
    assert!(statuses[good..].iter().all(|status| *status == 503), "{statuses:?}");
    assert!(peak - before <= 2 * BUDGET, "{} bytes by a budget of {BUDGET}", peak - before);
    // What was taken has come back.
    script(&site, &json!({ "media": { "pad_bytes": BODY / 4 * 3 } }));
    for _ in 0..5 {
        assert_eq!(draw(&process, &workspace, "gemini", "b64_json").await.0, 200);
    }
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    site.finish().await;
}
