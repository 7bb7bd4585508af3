//! Every kind of audio, cut at every byte, and its length by another method.

use proptest::prelude::*;

use super::samples::{self, MP3_KINDS, id3};
use super::*;

fn measured(format: AudioFormat, pieces: &[&[u8]]) -> u64 {
    let mut meter = AudioMeter::new(format);
    for piece in pieces {
        meter.push(piece).unwrap();
    }
    assert!(meter.is_recognised());
    assert_eq!(meter.bytes(), pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
    meter.microseconds()
}

/// Whole, in bytes, and in two pieces at every place it is the same; and a longer part never lasts less.
fn check(format: AudioFormat, file: &[u8], expected: u64) {
    assert_eq!(measured(format, &[file]), expected);
    assert_eq!(measured(format, &file.chunks(1).collect::<Vec<_>>()), expected);
    let mut grown = AudioMeter::new(format);
    let mut last = 0;
    for cut in 0..=file.len() {
        let (first, second) = file.split_at(cut);
        assert_eq!(measured(format, &[first, second]), expected, "cut at {cut}");
        let mut part = AudioMeter::new(format);
        part.push(first).unwrap();
        assert!((last..=expected).contains(&part.microseconds()), "the first {cut} bytes");
        assert_eq!(part.microseconds(), grown.microseconds());
        last = part.microseconds();
        if let Some(byte) = file.get(cut..=cut) {
            grown.push(byte).unwrap();
        }
    }
}

#[test]
fn mp3_of_every_version_lasts_as_long_as_its_frames() {
    for kind in MP3_KINDS {
        check(AudioFormat::Mp3, &kind.file(9), kind.microseconds(9));
    }
}

#[test]
fn tables_and_tags_are_no_sound_wherever_streams_were_joined() {
    let kind = MP3_KINDS[0];
    for name in [*b"Xing", *b"Info"] {
        let file = [kind.table(name, 1), kind.frame(false), id3(5), kind.table(name, 1), kind.frame(true)].concat();
        check(AudioFormat::Mp3, &file, kind.microseconds(2));
    }
    let mut vbri = kind.frame(false);
    vbri[36..40].copy_from_slice(b"VBRI");
    check(AudioFormat::Mp3, &[vbri, kind.frame(false)].concat(), kind.microseconds(1));
}

#[test]
fn a_lost_place_is_found_again_and_half_a_frame_is_not_counted() {
    let kind = MP3_KINDS[2];
    let file = [kind.frame(false), vec![0xff, 0xfb, 0x90, 7, 0], kind.frame(false), kind.frame(false)].concat();
    assert_eq!(measured(AudioFormat::Mp3, &[&file]), kind.microseconds(3));
    assert_eq!(measured(AudioFormat::Mp3, &[&file[..file.len() - 1]]), kind.microseconds(2));
}

#[test]
fn rates_that_are_no_whole_microseconds_do_not_drift() {
    let kind = MP3_KINDS[0];
    let hour = 137_812;
    assert_eq!(measured(AudioFormat::Mp3, &vec![kind.frame(false).as_slice(); hour as usize]), kind.microseconds(hour));
}

#[test]
fn pcm_lasts_as_long_as_its_samples() {
    check(AudioFormat::Pcm, &samples::pcm(1_000), 41_666);
    assert_eq!(measured(AudioFormat::Pcm, &[&[0; 9]]), 166, "half a sample is none");
}

#[test]
fn wav_lasts_as_long_as_its_data_whether_or_not_its_size_is_known() {
    for size in [0, u32::MAX, 0x7fff_ffff, 2_000] {
        check(AudioFormat::Wav, &samples::wav(1_000, size), 41_666);
    }
    let mut text_after = samples::wav(1_000, 2_000);
    text_after.extend(b"LIST\x04\0\0\0INFO");
    check(AudioFormat::Wav, &text_after, 41_666);
    let cut = samples::wav(1_000, 4_000);
    assert_eq!(measured(AudioFormat::Wav, &[&cut]), 41_666, "what did not come is not charged");
}

#[test]
fn opus_lasts_until_its_last_granule_without_what_is_skipped() {
    check(AudioFormat::Opus, &samples::opus(7, 4, 312, 480), samples::opus_microseconds(4, 312, 480));
    let whole = samples::opus(7, 4, 312, 0);
    let cut = &whole[..whole.len() - 1];
    assert_eq!(measured(AudioFormat::Opus, &[cut]), samples::opus_microseconds(3, 312, 0), "the last page is cut");
    let joined = [whole.clone(), samples::opus(8, 1, 312, 0)].concat();
    let both = (4 * 9_600 + 9_600 - 2 * 312) * 1_000_000 / 48_000;
    check(AudioFormat::Opus, &joined, both);
}

#[test]
fn a_page_that_ends_no_packet_says_nothing() {
    let mut file = samples::opus(7, 2, 312, 0);
    let last = file.windows(4).rposition(|four| four == b"OggS").unwrap();
    file[last + 6..last + 14].copy_from_slice(&u64::MAX.to_le_bytes());
    check(AudioFormat::Opus, &file, samples::opus_microseconds(1, 312, 0));
}

#[test]
fn another_format_is_told_by_its_first_bytes() {
    let files = [
        (AudioFormat::Mp3, MP3_KINDS[0].file(2)),
        (AudioFormat::Opus, samples::opus(7, 2, 312, 0)),
        (AudioFormat::Wav, samples::wav(100, 200)),
        (AudioFormat::Pcm, samples::pcm(100)),
    ];
    let json = br#"{"detail":{"status":"quota_exceeded"}}"#.as_slice();
    for asked in AudioFormat::ALL {
        for (sent, file) in &files {
            if asked == *sent {
                continue;
            }
            let mut meter = AudioMeter::new(asked);
            let refused_at = file.chunks(1).position(|byte| meter.push(byte).is_err());
            assert!(refused_at.is_some_and(|at| at < 12), "{sent:?} for {asked:?}: {refused_at:?}");
            assert!(!meter.is_recognised() && meter.microseconds() == 0);
        }
        assert_eq!(AudioMeter::new(asked).push(json), Err(WrongFormat), "{asked:?}");
        assert!(!AudioMeter::new(asked).is_recognised(), "nothing came yet");
    }
    let vorbis = [b"OggS\0\x02".as_slice(), &[0; 20], &[1, 30], b"\x01vorbis", &[0; 23]].concat();
    assert_eq!(AudioMeter::new(AudioFormat::Opus).push(&vorbis), Err(WrongFormat));
}

proptest! {
    #[test]
    fn any_bytes_are_measured_or_refused_whatever_the_pieces(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), sizes in proptest::collection::vec(1_usize..50, 1..20),
        start in 0_usize..5, which in 0_usize..4,
    ) {
        let format = AudioFormat::ALL[which];
        let starts: [&[u8]; 5] = [b"", b"\xff\xfb\x90\x00", b"ID3\x04", b"RIFF\0\0\0\0WAVE", b"OggS\0\x02"];
        let bytes = [starts[start], &bytes].concat();
        let mut whole = AudioMeter::new(format);
        let outcome = whole.push(&bytes);
        let mut cut = AudioMeter::new(format);
        let mut rest = bytes.as_slice();
        let mut refused = Ok(());
        for size in sizes.iter().cycle() {
            if rest.is_empty() || refused.is_err() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            refused = cut.push(piece);
            rest = after;
        }
        prop_assert_eq!(refused, outcome);
        prop_assert!(outcome.is_err() || cut.microseconds() == whole.microseconds());
    }
}
