//! Decoders by other hands read the sounds and find the lengths that the recordings tell.

use super::{Format, Recording, WavSizes, Wrapping};
use std::io::Cursor;
use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};

const PLAIN: Wrapping = Wrapping { wav_sizes: WavSizes::Exact, id3: true, info_frame: false };

fn opened(bytes: &[u8]) -> Box<dyn FormatReader> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes.to_vec())), MediaSourceStreamOptions::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    symphonia::default::get_probe().probe(&Hint::new(), source, format, metadata).unwrap()
}

/// The rate and the number of samples that a decoder makes of it.
fn decoded(bytes: &[u8]) -> (u32, u64) {
    let mut reader = opened(bytes);
    let track = reader.default_track(TrackType::Audio).unwrap();
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(&parameters, &options).unwrap();
    let mut samples = 0;
    while let Some(packet) = reader.next_packet().unwrap() {
        samples += decoder.decode(&packet).unwrap().frames();
    }
    (parameters.sample_rate.unwrap(), u64::try_from(samples).unwrap())
}

fn record(name: &str, wrapping: Wrapping) -> Recording {
    Format::parse(name).unwrap().record(2_345_678, 5, wrapping)
}

fn assert_near(micros: u64, samples: u64, rate: u32) {
    let measured = samples * 1_000_000 / u64::from(rate);
    assert!(micros.abs_diff(measured) <= 1, "{micros} {measured}");
}

#[test]
fn mp3_decodes_to_its_length_at_every_rate() {
    for (name, rate) in [
        ("mp3_22050_32", 22_050),
        ("mp3_24000_48", 24_000),
        ("mp3_44100_32", 44_100),
        ("mp3_44100_64", 44_100),
        ("mp3_44100_96", 44_100),
        ("mp3_44100_128", 44_100),
        ("mp3_44100_192", 44_100),
    ] {
        let recording = record(name, PLAIN);
        assert!(recording.bytes.starts_with(b"ID3\x04"));
        let (own_rate, samples) = decoded(&recording.bytes);
        assert_eq!(own_rate, rate, "{name}");
        assert_near(recording.micros, samples, rate);
        // What a constant bit rate says of the length agrees to a tenth of a millisecond.
        let kbps: u64 = name.rsplit('_').next().unwrap().parse().unwrap();
        let bare = record(name, Wrapping { id3: false, ..PLAIN });
        let by_bytes = u64::try_from(bare.bytes.len()).unwrap() * 8_000 / kbps;
        assert!(by_bytes.abs_diff(bare.micros) < 250, "{name}: {by_bytes} {}", bare.micros);
        assert!(bare.bytes.starts_with(&[0xff]));
    }
}

#[test]
fn an_info_frame_holds_no_sound() {
    let plain = record("mp3_44100_128", PLAIN);
    let with_info = record("mp3_44100_128", Wrapping { info_frame: true, ..PLAIN });
    assert!(with_info.bytes.len() > plain.bytes.len() && with_info.micros == plain.micros);
    assert_eq!(decoded(&with_info.bytes), decoded(&plain.bytes));
}

#[test]
fn wav_decodes_to_its_length() {
    for rate in [8_000_u32, 24_000, 44_100, 48_000] {
        let recording = record(&format!("wav_{rate}"), PLAIN);
        let (own_rate, samples) = decoded(&recording.bytes);
        assert_eq!(own_rate, rate);
        assert_near(recording.micros, samples, rate);
        let pcm = record(&format!("pcm_{rate}"), PLAIN);
        assert_eq!(recording.bytes[44..], pcm.bytes);
        assert!(pcm.bytes.iter().any(|byte| *byte != 0), "a tone, not silence");
    }
    let streamed = |wav_sizes| record("wav_24000", Wrapping { wav_sizes, ..PLAIN }).bytes[4..8].to_vec();
    assert_eq!((streamed(WavSizes::Max), streamed(WavSizes::Zero)), (vec![0xff; 4], vec![0; 4]));
}

#[test]
fn ogg_holds_opus_of_its_length() {
    for (name, bytes_per_second) in [("opus_48000_32", 4_000), ("opus_48000_64", 8_000), ("opus_48000_192", 24_000)] {
        let recording = record(name, PLAIN);
        let mut reader = opened(&recording.bytes);
        let track = reader.default_track(TrackType::Audio).unwrap();
        assert_eq!(track.codec_params.as_ref().unwrap().audio().unwrap().sample_rate, Some(48_000));
        // The demuxer checks the sums of the pages; it drops a page whose sum is wrong.
        let mut packets = 0;
        while let Some(packet) = reader.next_packet().unwrap() {
            packets += 1;
            assert_eq!(packet.data.len(), bytes_per_second / 50);
            // One frame of 20 ms with padding, whose two bytes of sound say "silence".
            assert_eq!(packet.data[..2], [0xfb, 0x41]);
        }
        // 2,345,678 µs are 112,593 samples, and 312 more are skipped.
        assert_eq!(packets, 118, "{name}");
        let last = recording.bytes.windows(5).rposition(|five| five == b"OggS\0").unwrap();
        let granule = u64::from_le_bytes(recording.bytes[last + 6..last + 14].try_into().unwrap());
        assert_eq!(recording.bytes[last + 5], 4, "the last page says so");
        assert_near(recording.micros, granule - 312, 48_000);
    }
}

#[test]
fn the_telephone_formats_are_a_byte_a_sample() {
    for name in ["ulaw_8000", "alaw_8000"] {
        let recording = record(name, PLAIN);
        assert_near(recording.micros, u64::try_from(recording.bytes.len()).unwrap(), 8_000);
    }
    for unknown in ["mp3_44100_160", "mp3_44100", "opus_44100_64", "pcm_11025", "aac_44100_128", "mp3_44100_128_2", ""]
    {
        assert_eq!(Format::parse(unknown), None, "{unknown}");
    }
}
