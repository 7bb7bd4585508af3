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
mod exchange;
mod jpeg;
mod novelai;
mod png;
mod provider;
mod script;

use crate::exchange::Shared;
use actix_web::{
    HttpRequest,
    web::{self, Bytes, Data},
};
pub use audio::WavSizes;
pub use drawing::ImageFormat;
use provider::Route;
pub use script::{ArkChange, CorruptZip, ElevenLabsChange, GeminiImageChange, MediaChange, NovelAiChange, PixAiChange};

#[derive(Default)]
pub(crate) struct Tasks;

/// The paths of all media protocols.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/v3/images/generations", to(web::post(), &ark::GENERATE))
        .route("/tos/{name:.*}", to(web::get(), &ark::DOWNLOAD))
        .route("/ai/generate-image", to(web::post(), &novelai::GENERATE))
        .route("/user/subscription", to(web::get(), &novelai::SUBSCRIPTION));
}

/// A path's answers in actix's words.
fn to(method: actix_web::Route, route: &'static Route) -> actix_web::Route {
    method.to(move |http: HttpRequest, body: Bytes, shared: Data<Shared>| async move {
        exchange::serve(route, &http, &body, &shared).await
    })
}
