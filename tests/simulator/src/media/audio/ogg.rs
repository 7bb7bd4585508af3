//! Opus in Ogg, mono, silent, at the bit rate asked for (RFC 3533, RFC 6716, RFC 7845).
//!
//! A packet is twenty milliseconds of CELT silence, padded to its size as section 3.2.5 of RFC 6716 has it. The length
//! of the whole is exact to the sample: the last page says where the sound ends.

/// Samples that a player drops at the start: what the usual encoder needs to settle.
const PRE_SKIP: u16 = 312;
const SAMPLES_PER_PACKET: u64 = 960;
/// A page holds a second.
const PACKETS_PER_PAGE: usize = 50;

/// Silence of so many samples at 48 kHz.
pub(super) fn record(samples: u64, kbps: u32, seed: u64) -> Vec<u8> {
    let [.., a, b, c, d] = seed.to_be_bytes();
    let mut pages = Pages { out: Vec::new(), serial: [a, b, c, d], number: 0 };
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(PRE_SKIP.to_le_bytes());
    // The rate of the input, no gain, mono or stereo without a mapping.
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    pages.write(&[head], 0, FIRST);
    let vendor = b"libopus 1.5.2";
    let mut tags = b"OpusTags".to_vec();
    tags.extend(u32::try_from(vendor.len()).unwrap_or(0).to_le_bytes());
    tags.extend(vendor);
    tags.extend([0; 4]);
    pages.write(&[tags], 0, 0);

    let end = samples + u64::from(PRE_SKIP);
    let packets = end.div_ceil(SAMPLES_PER_PACKET);
    let packet = packet(usize::try_from(kbps).unwrap_or(0) * 1000 / 8 / 50);
    let mut written = 0;
    while written < packets {
        let count = (packets - written).min(u64::try_from(PACKETS_PER_PAGE).unwrap_or(1));
        written += count;
        let granule = (written * SAMPLES_PER_PACKET).min(end);
        let flags = if written == packets { LAST } else { 0 };
        pages.write(&vec![packet.clone(); usize::try_from(count).unwrap_or(0)], granule, flags);
    }
    pages.out
}

/// Twenty milliseconds of silence in so many bytes.
fn packet(length: usize) -> Vec<u8> {
    // CELT, fullband, 20 ms, mono, the number of frames in the next byte: one, with padding.
    let mut packet = vec![0xfb, 0x41];
    let mut left = length.saturating_sub(2 + 2 + 1);
    // 255 stands for 254 bytes and another byte of length.
    while left >= 255 {
        packet.push(255);
        left = left.saturating_sub(255);
    }
    packet.push(u8::try_from(left).unwrap_or(0));
    // The frame: nothing to hear.
    packet.extend([0xff, 0xfe]);
    packet.resize(length.max(packet.len()), 0);
    packet
}

const FIRST: u8 = 2;
const LAST: u8 = 4;

struct Pages {
    out: Vec<u8>,
    serial: [u8; 4],
    number: u32,
}

impl Pages {
    fn write(&mut self, packets: &[Vec<u8>], granule: u64, flags: u8) {
        let lacing: Vec<u8> = packets.iter().flat_map(|packet| lacing(packet.len())).collect();
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend(granule.to_le_bytes());
        page.extend(self.serial);
        page.extend(self.number.to_le_bytes());
        let checksum_at = page.len();
        page.extend([0; 4]);
        page.push(u8::try_from(lacing.len()).unwrap_or(u8::MAX));
        page.extend(lacing);
        page.extend(packets.concat());
        let sum = checksum(&page).to_le_bytes();
        for (at, byte) in page.iter_mut().skip(checksum_at).zip(sum) {
            *at = byte;
        }
        self.out.extend(page);
        self.number += 1;
    }
}

/// The length of a packet in bytes of 255 and one below.
fn lacing(length: usize) -> Vec<u8> {
    let mut lacing = vec![255; length / 255];
    lacing.push(u8::try_from(length % 255).unwrap_or(0));
    lacing
}

/// Ogg's checksum: polynomial 04c11db7, not reflected, from zero.
fn checksum(page: &[u8]) -> u32 {
    let mut sum = 0_u32;
    for byte in page {
        sum ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            sum = (sum << 1) ^ if sum & 0x8000_0000 == 0 { 0 } else { 0x04c1_1db7 };
        }
    }
    sum
}
