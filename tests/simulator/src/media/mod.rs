//! Pictures and sounds: Ark (Seedream), `NovelAI`, `PixAI`, Gemini's pictures and `ElevenLabs`, with their ledger.
//!
//! A folder or file per protocol says what is accepted and how it is answered; `provider` is the seam between them and
//! `exchange`, the life of one call. `drawing`, `png`, `jpeg`, `archive` and `audio` make bytes that any decoder
//! reads. What a rule can change is in `script`. Text protocols live beside this folder and know nothing of it.

mod archive;
mod ark;
mod audio;
mod calendar;
mod drawing;
mod elevenlabs;
mod exchange;
mod gemini_image;
mod jpeg;
mod novelai;
mod pixai;
mod png;
mod provider;
mod script;

use crate::exchange::Shared;
use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Bytes, Data},
};
pub use audio::WavSizes;
pub use drawing::ImageFormat;
pub(crate) use pixai::Tasks;
use provider::Route;
pub use script::{ArkChange, CorruptZip, ElevenLabsChange, GeminiImageChange, MediaChange, NovelAiChange, PixAiChange};

/// The paths of all media protocols.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/v3/images/generations", to(web::post(), &ark::GENERATE))
        .route("/tos/{name:.*}", to(web::get(), &ark::DOWNLOAD))
        .route("/ai/generate-image", to(web::post(), &novelai::GENERATE))
        .route("/user/subscription", to(web::get(), &novelai::SUBSCRIPTION))
        .route("/v2/image/create", to(web::post(), &pixai::CREATE))
        .route("/v1/task/{name}", to(web::get(), &pixai::POLL))
        .route("/v1/media/{name}/image", to(web::get(), &pixai::MEDIA))
        .route("/cdn/pixai/orig/{name}", to(web::get(), &pixai::DOWNLOAD))
        .route("/v1/text-to-speech/{name}", to(web::post(), &elevenlabs::SPEAK))
        .route("/v1/text-to-speech/{name}/stream", to(web::post(), &elevenlabs::STREAM));
}

/// Whether a path of Gemini's is for a picture; text shares the paths.
pub(crate) fn makes_pictures(model: &str, operation: &str) -> bool {
    operation == "generateContent" && gemini_image::makes(model)
}

/// A picture of Gemini's.
pub(crate) async fn gemini_image(http: &HttpRequest, body: &[u8], shared: &Shared) -> HttpResponse {
    exchange::serve(&gemini_image::GENERATE, http, body, shared).await
}

/// A path's answers in actix's words.
fn to(method: actix_web::Route, route: &'static Route) -> actix_web::Route {
    method.to(move |http: HttpRequest, body: Bytes, shared: Data<Shared>| async move {
        exchange::serve(route, &http, &body, &shared).await
    })
}
