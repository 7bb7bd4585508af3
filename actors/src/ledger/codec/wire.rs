//! The primitives of stored records: fixed big-endian integers, variable-length integers, texts.
//!
//! A reader never trusts a length: whatever does not fit what is left is an error, and so is a byte left over.

use super::CodecError;
use std::sync::Arc;

/// Appends primitives to a buffer.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// Seven bits a byte, the lowest first; the high bit says that more follow.
    pub(super) fn varint(&mut self, mut value: u64) {
        loop {
            let low = u8::try_from(value & 0x7f).unwrap_or(0x7f);
            value >>= 7;
            if value == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    /// Zigzag: small amounts are short whatever their sign.
    pub(super) fn signed(&mut self, value: i64) {
        self.varint((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.varint(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// Takes primitives from the front of a slice.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u128(&mut self) -> Result<u128, CodecError> {
        self.array().map(u128::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, CodecError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn bool(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::Value("a flag is neither 0 nor 1")),
        }
    }

    pub(super) fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            if low << shift >> shift != low {
                return Err(CodecError::Value("an integer is out of range"));
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError::Value("an integer is out of range"))
    }

    pub(super) fn varint_u32(&mut self) -> Result<u32, CodecError> {
        self.varint()?.try_into().map_err(|_| CodecError::Value("an integer is out of range"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn text(&mut self) -> Result<Arc<str>, CodecError> {
        let length = usize::try_from(self.varint()?).map_err(|_| CodecError::Truncated)?;
        let text = std::str::from_utf8(self.bytes(length)?).map_err(|_| CodecError::Value("a text is not UTF-8"))?;
        Ok(Arc::from(text))
    }

    pub(super) fn end(&self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::Value("bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_integer_of_more_than_64_bits_is_refused() {
        let mut most = vec![0xff; 9];
        most.push(1);
        assert_eq!(Reader(&most).varint().unwrap(), u64::MAX);
        most[9] = 2;
        assert!(Reader(&most).varint().is_err());
        assert!(Reader(&[0x80; 11]).varint().is_err());
    }

    #[test]
    fn a_text_longer_than_the_record_is_refused() {
        assert_eq!(Reader(&[5, b'a']).text(), Err(CodecError::Truncated));
        assert!(Reader(&[2, 0xc3, 0x28]).text().is_err(), "not UTF-8");
    }

    proptest! {
        #[test]
        fn integers_come_back(unsigned: u64, signed: i64) {
            let mut bytes = Vec::new();
            let mut writer = Writer(&mut bytes);
            writer.varint(unsigned);
            writer.signed(signed);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.varint(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }
}
