//! Audio made up for tests: valid, silent, and of a length that is known.

/// A frame's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mp3 {
    /// 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5.
    pub(crate) version: u8,
    pub(crate) kbps: u32,
    pub(crate) kbps_index: u8,
    pub(crate) rate: u32,
    pub(crate) rate_index: u8,
    pub(crate) mono: bool,
}

/// The kinds of frames that providers send, and the others of layer III.
pub(crate) const MP3_KINDS: [Mp3; 5] = [
    Mp3 { version: 3, kbps: 128, kbps_index: 9, rate: 44_100, rate_index: 0, mono: true },
    Mp3 { version: 3, kbps: 64, kbps_index: 5, rate: 48_000, rate_index: 1, mono: false },
    Mp3 { version: 2, kbps: 48, kbps_index: 6, rate: 24_000, rate_index: 1, mono: true },
    Mp3 { version: 2, kbps: 32, kbps_index: 4, rate: 22_050, rate_index: 0, mono: false },
    Mp3 { version: 0, kbps: 16, kbps_index: 2, rate: 8_000, rate_index: 2, mono: true },
];

impl Mp3 {
    pub(crate) fn samples(&self) -> u32 {
        if self.version == 3 { 1152 } else { 576 }
    }

    /// A silent frame: side information of nothing but zeros.
    pub(crate) fn frame(&self, padding: bool) -> Vec<u8> {
        let length = self.samples() / 8 * self.kbps * 1000 / self.rate + u32::from(padding);
        let mut frame = vec![0; length as usize];
        frame[0] = 0xff;
        frame[1] = 0xe0 | self.version << 3 | 1 << 1 | 1;
        frame[2] = self.kbps_index << 4 | self.rate_index << 2 | u8::from(padding) << 1;
        frame[3] = if self.mono { 0xc0 } else { 0 };
        frame
    }

    /// A frame that holds a table of the others and no sound.
    pub(crate) fn table(&self, name: [u8; 4], frames: u32) -> Vec<u8> {
        let mut frame = self.frame(false);
        let side = match (self.version, self.mono) {
            (3, true) => 17,
            (3, false) => 32,
            (_, true) => 9,
            (_, false) => 17,
        };
        frame[4 + side..8 + side].copy_from_slice(&name);
        frame[8 + side..12 + side].copy_from_slice(&1_u32.to_be_bytes());
        frame[12 + side..16 + side].copy_from_slice(&frames.to_be_bytes());
        frame
    }

    /// A file of `frames` frames, every third of them padded, with a tag before and after.
    pub(crate) fn file(&self, frames: u32) -> Vec<u8> {
        let mut file = id3(300);
        file.extend(self.table(*b"Info", frames));
        for n in 0..frames {
            file.extend(self.frame(n % 3 == 2));
        }
        let mut last = vec![0; 128];
        last[..3].copy_from_slice(b"TAG");
        file.extend(last);
        file
    }

    pub(crate) fn microseconds(&self, frames: u32) -> u64 {
        u64::from(frames) * u64::from(self.samples()) * 1_000_000 / u64::from(self.rate)
    }
}

/// An ID3v2.4 tag of padding.
pub(crate) fn id3(size: u16) -> Vec<u8> {
    let mut tag = b"ID3\x04\0\0\0\0".to_vec();
    tag.extend([(size >> 7).to_be_bytes()[1] & 0x7f, size.to_be_bytes()[1] & 0x7f]);
    tag.extend(vec![0; size.into()]);
    tag
}

/// Samples of a quiet tone.
pub(crate) fn pcm(samples: u32) -> Vec<u8> {
    (0..samples).flat_map(|n| i16::try_from(n % 200).unwrap().to_le_bytes()).collect()
}

/// A WAV of 24 kHz whose `data` says that it has `size` bytes, with a chunk of an odd length before it.
pub(crate) fn wav(samples: u32, size: u32) -> Vec<u8> {
    let all = if size == 0 { 0 } else { size.saturating_add(52) };
    let mut file = b"RIFF".to_vec();
    file.extend(all.to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(24_000_u32.to_le_bytes());
    file.extend(48_000_u32.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"junk");
    file.extend(7_u32.to_le_bytes());
    file.extend(b"of text\0");
    file.extend(b"data");
    file.extend(size.to_le_bytes());
    file.extend(pcm(samples));
    file
}

/// One Ogg page of whole packets, with its checksum.
fn page(flags: u8, granule: u64, serial: u32, sequence: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(vec![255; packet.len() / 255]);
        lacing.push(u8::try_from(packet.len() % 255).unwrap());
    }
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(granule.to_le_bytes());
    page.extend(serial.to_le_bytes());
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(u8::try_from(lacing.len()).unwrap());
    page.extend(lacing);
    page.extend(packets.concat());
    let check = crc(&page);
    page[22..26].copy_from_slice(&check.to_le_bytes());
    page
}

/// The checksum of Ogg: polynomial 0x04c11db7, neither reflected nor inverted.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    })
}

/// Opus of `pages` pages of ten silent packets of 20 ms each; of the last page, `trim` samples are cut.
pub(crate) fn opus(serial: u32, pages: u32, pre_skip: u16, trim: u64) -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(pre_skip.to_le_bytes());
    head.extend(24_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    let mut tags = b"OpusTags".to_vec();
    tags.extend(300_u32.to_le_bytes());
    tags.extend(vec![b'x'; 300]);
    tags.extend(0_u32.to_le_bytes());
    let mut file = page(2, 0, serial, 0, &[head]);
    file.extend(page(0, 0, serial, 1, &[tags]));
    for n in 1..=pages {
        let is_last = n == pages;
        let granule = u64::from(n) * 10 * 960 - if is_last { trim } else { 0 };
        let flags = if is_last { 4 } else { 0 };
        // One frame of 20 ms of the full band, that says nothing.
        file.extend(page(flags, granule, serial, n + 1, &vec![vec![0xf8, 0xff, 0xfe]; 10]));
    }
    file
}

pub(crate) fn opus_microseconds(pages: u32, pre_skip: u16, trim: u64) -> u64 {
    (u64::from(pages) * 9_600 - trim - u64::from(pre_skip)) * 1_000_000 / 48_000
}
