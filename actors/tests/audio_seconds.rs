//! The seconds that are billed, by an independent decoder: within 0.1 s for every format that is delivered.

#![allow(clippy::unwrap_used, reason = "a test stops at the first file that cannot be decoded")]
#![allow(clippy::indexing_slicing, reason = "files are made up byte by byte")]
#![allow(clippy::cast_precision_loss, reason = "seconds are compared to a tenth")]

#[path = "../src/media/audio/samples.rs"]
#[allow(dead_code, reason = "shared with the unit tests, which use the rest")]
mod samples;

use std::io::Cursor;

use lmhaven_actors::media::audio::AudioMeter;
use lmhaven_actors::media::speech::AudioFormat;
use samples::MP3_KINDS;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Seconds that come out of the decoder, or, where there is none for the codec, that the packets say they last.
fn decoded_seconds(extension: &str, file: &[u8]) -> f64 {
    let source = MediaSourceStream::new(Box::new(Cursor::new(file.to_vec())), MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    hint.with_extension(extension);
    let probe = symphonia::default::get_probe();
    let mut reader = probe.probe(&hint, source, FormatOptions::default(), MetadataOptions::default()).unwrap();
    let track = reader.default_track(TrackType::Audio).unwrap().clone();
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    let rate = f64::from(parameters.sample_rate.unwrap());
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(&parameters, &options).ok();
    assert_eq!(decoder.is_none(), extension == "opus", "a decoder for {extension}");
    let (mut frames, mut ticks) = (0_usize, 0_u64);
    while let Ok(Some(packet)) = reader.next_packet() {
        ticks += packet.dur.get();
        if let Some(decoder) = &mut decoder {
            frames += decoder.decode(&packet).unwrap().frames();
        }
    }
    if decoder.is_some() {
        return frames as f64 / rate;
    }
    let base = track.time_base.unwrap();
    ticks as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get())
}

#[track_caller]
fn agree(format: AudioFormat, file: &[u8], at_least: f64) {
    let mut meter = AudioMeter::new(format);
    file.chunks(997).for_each(|piece| meter.push(piece).unwrap());
    let billed = meter.microseconds() as f64 / 1e6;
    let decoded = decoded_seconds(format.name(), file);
    assert!(decoded > at_least, "{format:?}: the decoder heard only {decoded} s");
    assert!((billed - decoded).abs() < 0.1, "{format:?}: {billed} s billed, {decoded} s decoded");
}

#[test]
fn mp3_of_every_version() {
    for kind in MP3_KINDS {
        agree(AudioFormat::Mp3, &kind.file(400), 9.0);
    }
}

#[test]
fn wav_with_a_size_and_streamed() {
    agree(AudioFormat::Wav, &samples::wav(24_000 * 11, 48_000 * 11), 10.9);
    agree(AudioFormat::Wav, &samples::wav(24_000 * 11, u32::MAX), 10.9);
}

/// The reader trims the end of what is played but not the start, so the skip is one that encoders write.
#[test]
fn opus_with_samples_skipped_and_trimmed() {
    for (pages, pre_skip, trim) in [(55, 312, 0), (55, 3_840, 700), (50, 312, 9_599)] {
        agree(AudioFormat::Opus, &samples::opus(7, pages, pre_skip, trim), 8.0);
    }
}

/// Samples alone have no decoder: they are put behind a header that says what they are.
#[test]
fn pcm_as_the_same_samples_in_a_file() {
    let count = 24_000 * 7 + 123;
    let mut meter = AudioMeter::new(AudioFormat::Pcm);
    meter.push(&samples::pcm(count)).unwrap();
    let decoded = decoded_seconds("wav", &samples::wav(count, count * 2));
    assert!((meter.microseconds() as f64 / 1e6 - decoded).abs() < 0.001, "{decoded}");
}

/// Speech that breaks off is billed by what came: cut anywhere, it lasts as long as a decoder finds in that part. Of a
/// page of Ogg that is not whole, a decoder hears nothing.
#[test]
fn a_part_of_every_format() {
    let files = [
        (AudioFormat::Mp3, MP3_KINDS[0].file(200)),
        (AudioFormat::Wav, samples::wav(24_000 * 5, u32::MAX)),
        (AudioFormat::Opus, samples::opus(7, 30, 312, 700)),
    ];
    for (format, file) in files {
        for eighth in 2..=7 {
            // Within a frame, a sample, a page.
            agree(format, &file[..file.len() * eighth / 8 + 3], 0.5);
        }
    }
    let pcm = samples::pcm(24_000 * 5);
    let mut meter = AudioMeter::new(AudioFormat::Pcm);
    meter.push(&pcm[..pcm.len() / 3]).unwrap();
    let decoded = decoded_seconds("wav", &samples::wav(24_000 * 5, u32::MAX)[..pcm.len() / 3 + 59]);
    assert!((meter.microseconds() as f64 / 1e6 - decoded).abs() < 0.1, "{decoded}");
}
