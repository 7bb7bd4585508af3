//! What a rule can change about pictures and sounds: one struct a protocol, and one for all of them.

use super::{audio::WavSizes, drawing::ImageFormat};
use serde::{Deserialize, Serialize};

/// Changes that every media protocol understands.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaChange {
    /// From the acceptance, when the charge is written, to the answer. A client that hangs up in it has paid.
    pub generate_ms: u64,
    /// Charges exactly so many units.
    pub units: Option<u64>,
    /// Pictures of exactly this width and height, whatever was asked for.
    pub pixels: Option<(u32, u32)>,
    /// Pictures in this format, whatever was asked for; what the answer says of the format stays.
    pub image_format: Option<ImageFormat>,
    /// So many bytes more in each picture, which shows the same.
    pub pad_bytes: u64,
    /// Text beside each picture, in the ways of its format: `metadata-canary: …`.
    pub metadata: bool,
    /// The beginning of a C2PA manifest beside each picture.
    pub signed: bool,
}

/// Changes to an answer of Ark.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArkChange {
    /// The model that the answer names: a successor that replaced the one asked for.
    pub model: Option<String>,
    /// This policy code with status 400. A code that begins with `Output` comes after the time of generation.
    pub refusal: Option<String>,
    /// These pictures, counted from zero, are an error element in `data`, and are not charged.
    pub failures: Vec<u64>,
    /// The code of those errors; `OutputImageSensitiveContentDetected` when missing.
    pub failure_code: Option<String>,
    /// Status 200, no pictures, no charge, and an error with this code at the top.
    pub top_level_error: Option<String>,
    /// How many pictures a sequence has; drawn between one and the most allowed when missing.
    pub images: Option<u64>,
    /// Seconds that a download address is good for; a day when missing.
    pub url_expires_s: Option<u64>,
    /// An empty `data` with status 200. It is charged.
    pub empty: bool,
    /// No usage.
    pub omit_usage: bool,
}

/// In which way an archive is broken.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CorruptZip {
    /// It ends in the middle.
    Truncated,
    /// It has no entries.
    Empty,
    /// Bytes in the middle of the picture are others.
    Garbled,
    /// The entry is text.
    NotAnImage,
    /// It is no archive at all.
    NotAZip,
    /// More entries than anyone asked for: a thousand.
    ManyEntries,
    /// An entry that inflates to a hundred megabytes, and says so.
    Bomb,
}

/// Changes to an answer of `NovelAI`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the script")]
pub struct NovelAiChange {
    /// Status 201 instead of 200.
    pub created: bool,
    /// The content type `binary/octet-stream` instead of `application/x-zip-compressed`.
    pub octet_stream: bool,
    /// Entries with method 8 (deflate) instead of 0.
    pub deflated: bool,
    /// A broken archive. It is charged.
    pub corrupt: Option<CorruptZip>,
    /// Status 429 from the edge: an HTML page.
    pub html_429: bool,
    /// The subscription "Opus": the first picture of a call is free up to a megapixel and 28 steps.
    pub opus: bool,
}

/// Changes to a task of `PixAI`. They are read when the task is created, and hold for its polls.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PixAiChange {
    /// Status 201 for the creation instead of 200.
    pub created: bool,
    /// Polls answered `waiting` first. With this or the next, polls move the task and not the clock.
    pub waiting_polls: u64,
    /// Polls answered `running` after those.
    pub running_polls: u64,
    /// `mediaUrls` are null; the pictures are to be had from their media ids.
    pub null_media_urls: bool,
    /// The status at the end, `completed` when missing: `failed` without a reason, or `cancelled`.
    pub outcome: Option<String>,
    /// Polls less than 1.5 seconds after the creation or the last one get status 429.
    pub strict_polls: bool,
    /// So many pictures, whatever was asked for.
    pub images: Option<u64>,
}

/// Changes to a picture of Gemini.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeminiImageChange {
    /// So many draft pictures before the last one.
    pub drafts: u64,
    /// Whether the drafts are marked `thought`.
    pub thought_drafts: bool,
    /// No candidates, and this `promptFeedback.blockReason`.
    pub block_reason: Option<String>,
    /// A candidate without a picture and with this `finishReason`.
    pub finish_reason: Option<String>,
    /// `STOP` with this text and no picture.
    pub apology: Option<String>,
    /// A text before the picture.
    pub text: Option<String>,
    /// No `usageMetadata`.
    pub omit_usage: bool,
}

/// Changes to an answer of `ElevenLabs`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElevenLabsChange {
    /// This content type, whatever the bytes are.
    pub content_type: Option<String>,
    /// The bytes in this format, whatever was asked for; the content type is that of the format asked for.
    pub format: Option<String>,
    /// About so many milliseconds of sound, whatever the text.
    pub audio_ms: Option<u64>,
    /// What a WAV header says of its sizes; the truth, or the largest number in a stream, when missing.
    pub wav_sizes: Option<WavSizes>,
    /// No ID3 tag before an mp3.
    pub no_id3: bool,
    /// An `Info` frame before the first frame of an mp3.
    pub info_frame: bool,
    /// No `character-cost` and `request-id` headers.
    pub omit_headers: bool,
    /// How many calls of a key may run at a time; ten when missing.
    pub concurrency: Option<u64>,
    /// How many bytes a chunk of `/stream` has; 4,096 when missing.
    pub chunk_bytes: Option<usize>,
}
