//! NUT, the container through which ffmpeg hands over raw pictures with the exact time of each.
//!
//! Only what one stream of raw pictures needs is read: <https://ffmpeg.org/~michael/nut.txt>. Nothing is sought, so a pipe
//! will do; check sums are passed over, because a pipe does not flip bits.
//!
//! ```text
//! "nut/multimedia container\0"   main header   stream header   info ...
//! ( syncpoint )  frame code [fields] pixels   frame code [fields] pixels ...
//! ```

use std::io::{self, Read};
use std::time::Duration;

use crate::units::Extent;

const FILE_ID: &[u8] = b"nut/multimedia container\0";
const MAIN: u64 = 0x4e4d_7a56_1f5f_04ad;
const STREAM: u64 = 0x4e53_1140_5bf2_f9db;
const SYNCPOINT: u64 = 0x4e4b_e4ad_eeca_4569;
/// A byte that begins one of these and never a frame.
const STARTCODE_BYTE: u8 = b'N';
/// Longer headers are refused.
const MOST_HEADER_BYTES: u64 = 1 << 20;

/// What a frame's code stands for, one of 256.
#[derive(Clone, Copy, Debug, Default)]
struct FrameCode {
    flags: u64,
    pts_delta: i64,
    size_mul: u64,
    size_lsb: u64,
    reserved: u64,
    header: usize,
}

mod flags {
    pub const CODED_PTS: u64 = 1 << 3;
    pub const STREAM_ID: u64 = 1 << 4;
    pub const SIZE_MSB: u64 = 1 << 5;
    pub const CHECKSUM: u64 = 1 << 6;
    pub const RESERVED: u64 = 1 << 7;
    pub const SIDE_DATA: u64 = 1 << 8;
    pub const HEADER: u64 = 1 << 10;
    pub const MATCH_TIME: u64 = 1 << 11;
    pub const CODED: u64 = 1 << 12;
    pub const INVALID: u64 = 1 << 13;
}

/// A stream of pictures that is being read.
pub(super) struct Demuxer<R> {
    input: R,
    codes: Box<[FrameCode; 256]>,
    /// Beginnings that are left out of frames that have them.
    headers: Vec<Vec<u8>>,
    /// Seconds that one unit of a time stamp is, as a fraction.
    time_base: (u64, u64),
    msb_pts_shift: u32,
    last_pts: i64,
    pub extent: Extent,
    /// The beginning of the frame that comes next, from `headers`.
    elided: usize,
}

/// A picture's time stamp, counted from wherever the stream begins, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub pts: i64,
    pub bytes: usize,
}

/// Ends a sentence that begins with "the stream".
type Wrong = String;

fn wrong(what: impl std::fmt::Display) -> Wrong {
    what.to_string()
}

impl<R: Read> Demuxer<R> {
    /// Reads up to the first picture.
    pub(super) fn open(mut input: R) -> Result<Self, Wrong> {
        let mut id = [0; FILE_ID.len()];
        input.read_exact(&mut id).map_err(wrong)?;
        if id != FILE_ID {
            return Err(wrong("is not NUT"));
        }
        let mut demuxer = Self {
            input,
            codes: Box::new([FrameCode::default(); 256]),
            headers: vec![Vec::new()],
            time_base: (0, 0),
            msb_pts_shift: 0,
            last_pts: 0,
            extent: Extent::default(),
            elided: 0,
        };
        while demuxer.extent.is_empty() {
            let byte = demuxer.byte()?.ok_or_else(|| wrong("ends before its first picture"))?;
            if byte != STARTCODE_BYTE {
                return Err(wrong("begins with a picture of no stream"));
            }
            demuxer.packet()?;
        }
        Ok(demuxer)
    }

    /// When a picture with that time stamp is shown. Stamps before 0 count as 0.
    pub(super) fn time_of(&self, pts: i64) -> Duration {
        let (numerator, denominator) = self.time_base;
        let nanos =
            u128::from(pts.unsigned_abs()) * u128::from(numerator) * 1_000_000_000 / u128::from(denominator.max(1));
        if pts < 0 { Duration::ZERO } else { Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)) }
    }

    /// The next picture, whose bytes [`Self::read`] must take then; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Next>, Wrong> {
        loop {
            match self.byte()? {
                None => return Ok(None),
                Some(STARTCODE_BYTE) => self.packet()?,
                Some(code) => return self.frame(code).map(Some),
            }
        }
    }

    /// The bytes of the picture that [`Self::next`] announced.
    pub(super) fn read(&mut self, picture: &mut [u8]) -> Result<(), Wrong> {
        let header = &self.headers[std::mem::take(&mut self.elided)];
        let (front, rest) = picture.split_at_mut(header.len().min(picture.len()));
        front.copy_from_slice(&header[..front.len()]);
        self.input.read_exact(rest).map_err(wrong)
    }

    fn frame(&mut self, code: u8) -> Result<Next, Wrong> {
        use flags::{
            CHECKSUM, CODED, CODED_PTS, HEADER, INVALID, MATCH_TIME, RESERVED, SIDE_DATA, SIZE_MSB, STREAM_ID,
        };
        let FrameCode { mut flags, pts_delta, size_mul, size_lsb, mut reserved, mut header } =
            self.codes[usize::from(code)];
        if flags & INVALID != 0 {
            return Err(wrong(format!("has a frame code {code} that it did not define")));
        }
        if flags & CODED != 0 {
            flags ^= self.number()?;
        }
        if flags & STREAM_ID != 0 && self.number()? != 0 {
            return Err(wrong("holds more than one stream"));
        }
        let pts = if flags & CODED_PTS != 0 { self.coded_pts()? } else { self.last_pts.wrapping_add(pts_delta) };
        let msb = if flags & SIZE_MSB != 0 { self.number()? } else { 0 };
        if flags & MATCH_TIME != 0 {
            self.number()?;
        }
        if flags & HEADER != 0 {
            header = usize::try_from(self.number()?).map_err(wrong)?;
        }
        if flags & RESERVED != 0 {
            reserved = self.number()?;
        }
        for _ in 0..reserved {
            self.number()?;
        }
        if flags & CHECKSUM != 0 {
            self.skip(4)?;
        }
        if flags & SIDE_DATA != 0 {
            return Err(wrong("has data beside its pictures"));
        }
        let bytes = size_mul.checked_mul(msb).and_then(|n| n.checked_add(size_lsb));
        let bytes = bytes.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| wrong("has a picture of no size"))?;
        // The format leaves nothing out of long frames.
        self.elided = if bytes > 4096 { 0 } else { header };
        if self.elided >= self.headers.len() {
            return Err(wrong("leaves out a beginning that it did not define"));
        }
        self.last_pts = pts;
        Ok(Next { pts, bytes })
    }

    fn coded_pts(&mut self) -> Result<i64, Wrong> {
        let coded = i64::try_from(self.number()?).map_err(wrong)?;
        let whole = 1i64 << self.msb_pts_shift;
        if coded >= whole {
            return Ok(coded - whole);
        }
        // The low bits of the stamp nearest to the last one.
        let mask = whole - 1;
        let low = self.last_pts.wrapping_sub(mask / 2);
        Ok((coded.wrapping_sub(low) & mask).wrapping_add(low))
    }

    /// A header of any kind, its first byte taken already.
    fn packet(&mut self) -> Result<(), Wrong> {
        let mut rest = [0; 8];
        rest[0] = STARTCODE_BYTE;
        self.input.read_exact(&mut rest[1..]).map_err(wrong)?;
        let startcode = u64::from_be_bytes(rest);
        let length = self.number()?;
        if length > MOST_HEADER_BYTES {
            return match startcode {
                // The index at the end: of no use here, and as long as the film.
                MAIN | STREAM | SYNCPOINT => Err(wrong(format!("has a header of {length} bytes"))),
                _ => self.skip(length.saturating_add(4)),
            };
        }
        if length > 4096 {
            self.skip(4)?;
        }
        let mut body = vec![0; length as usize];
        self.input.read_exact(&mut body).map_err(wrong)?;
        // The last four bytes are the check sum.
        let body = &body[..body.len().saturating_sub(4)];
        match startcode {
            MAIN => self.main_header(&mut Fields(body)),
            STREAM => self.stream_header(&mut Fields(body)),
            SYNCPOINT => {
                self.last_pts = i64::try_from(Fields(body).number()?).map_err(wrong)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn main_header(&mut self, fields: &mut Fields<'_>) -> Result<(), Wrong> {
        let version = fields.number()?;
        if !(2..=4).contains(&version) {
            return Err(wrong(format!("is NUT of version {version}")));
        }
        if version > 3 {
            fields.number()?;
        }
        if fields.number()? != 1 {
            return Err(wrong("holds more than one stream"));
        }
        let _max_distance = fields.number()?;
        if fields.number()? != 1 {
            return Err(wrong("has more than one time base"));
        }
        self.time_base = (fields.number()?, fields.number()?);
        if self.time_base.0 == 0 || self.time_base.1 == 0 {
            return Err(wrong("has no time base"));
        }
        self.frame_codes(fields)?;
        if !fields.0.is_empty() {
            for _ in 0..fields.number()?.min(128) {
                let len = fields.number()?;
                self.headers.push(fields.take(len)?.to_vec());
            }
        }
        Ok(())
    }

    /// The table of frame codes, run-length coded: each field stands until it is given anew.
    fn frame_codes(&mut self, fields: &mut Fields<'_>) -> Result<(), Wrong> {
        let (mut pts_delta, mut size_mul, mut header) = (0, 1, 0);
        let mut at = 0;
        while at < 256 {
            let flags = fields.number()?;
            let given = fields.number()?;
            let (mut size_lsb, mut reserved, mut count) = (0, 0, None);
            for field in 0..given {
                match field {
                    0 => pts_delta = fields.signed()?,
                    1 => size_mul = fields.number()?,
                    // Which stream: there is one.
                    2 => drop(fields.number()?),
                    3 => size_lsb = fields.number()?,
                    4 => reserved = fields.number()?,
                    5 => count = Some(fields.number()?),
                    7 => header = usize::try_from(fields.number()?).map_err(wrong)?,
                    _ => drop(fields.number()?),
                }
            }
            let count = count.unwrap_or_else(|| size_mul.saturating_sub(size_lsb));
            if count == 0 {
                return Err(wrong("has a table of frame codes that does not go on"));
            }
            let mut done = 0;
            while done < count && at < 256 {
                self.codes[at] = if at == usize::from(STARTCODE_BYTE) {
                    FrameCode { flags: flags::INVALID, ..FrameCode::default() }
                } else {
                    done += 1;
                    FrameCode { flags, pts_delta, size_mul, size_lsb: size_lsb + done - 1, reserved, header }
                };
                at += 1;
            }
        }
        Ok(())
    }

    fn stream_header(&mut self, fields: &mut Fields<'_>) -> Result<(), Wrong> {
        let (_id, class) = (fields.number()?, fields.number()?);
        let fourcc = fields.number()?;
        fields.take(fourcc)?;
        let _time_base = fields.number()?;
        self.msb_pts_shift = u32::try_from(fields.number()?).ok().filter(|shift| *shift < 16).unwrap_or(0);
        let (_distance, _delay, _flags) = (fields.number()?, fields.number()?, fields.number()?);
        let extra = fields.number()?;
        fields.take(extra)?;
        let side = |n: u64| u32::try_from(n).map_err(wrong);
        let extent = Extent::new(side(fields.number()?)?, side(fields.number()?)?);
        if class != 0 || extent.is_empty() {
            return Err(wrong("holds no pictures"));
        }
        self.extent = extent;
        Ok(())
    }

    /// `None` at the end of the input.
    fn byte(&mut self) -> Result<Option<u8>, Wrong> {
        let mut byte = [0];
        loop {
            match self.input.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(wrong(error)),
            }
        }
    }

    /// Seven bits a byte, the highest first; the top bit says that more follow.
    fn number(&mut self) -> Result<u64, Wrong> {
        let mut number = 0u64;
        for _ in 0..10 {
            let byte = self.byte()?.ok_or_else(|| wrong("ends within a number"))?;
            number = number << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(wrong("has a number that is too long"))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Wrong> {
        let skipped = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink()).map_err(wrong)?;
        if skipped == bytes { Ok(()) } else { Err(wrong("ends within a header")) }
    }
}

/// The fields of a header that are not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Result<u64, Wrong> {
        let len = self.0.iter().position(|byte| byte & 0x80 == 0).filter(|len| *len < 10);
        let len = len.ok_or_else(|| wrong("has a header that ends within a number"))? + 1;
        let (number, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(number.iter().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)))
    }

    /// 0, 1, -1, 2, -2 ... are stored as 0, 1, 2, 3, 4 ...
    fn signed(&mut self) -> Result<i64, Wrong> {
        let coded = self.number()?.wrapping_add(1);
        let half = i64::try_from(coded >> 1).map_err(wrong)?;
        Ok(if coded & 1 == 1 { -half } else { half })
    }

    fn take(&mut self, bytes: u64) -> Result<&'a [u8], Wrong> {
        let bytes = usize::try_from(bytes).ok().filter(|n| *n <= self.0.len());
        let (taken, rest) = self.0.split_at(bytes.ok_or_else(|| wrong("has a header that ends early"))?);
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(mut n: u64) -> Vec<u8> {
        let mut bytes = vec![(n & 0x7f) as u8];
        while n >= 0x80 {
            n >>= 7;
            bytes.insert(0, (n & 0x7f) as u8 | 0x80);
        }
        bytes
    }

    fn numbers(all: &[u64]) -> Vec<u8> {
        all.iter().flat_map(|n| number(*n)).collect()
    }

    fn packet(startcode: u64, body: &[u8]) -> Vec<u8> {
        [&startcode.to_be_bytes()[..], &number(body.len() as u64 + 4), body, &[0; 4]].concat()
    }

    /// Pictures of 4x2 pixels, eight bytes each, in thousandths of a second.
    fn stream(stamps: &[i64]) -> Vec<u8> {
        // One code for all: coded time and size.
        let codes =
            [numbers(&[flags::CODED_PTS | flags::SIZE_MSB, 6, 0, 1, 0, 0, 0, 255]).as_slice(), &number(0)].concat();
        let main = [numbers(&[3, 1, 65536, 1, 1, 1000]), codes].concat();
        let stream = [numbers(&[0, 0, 4]), b"RGB\x18".to_vec(), numbers(&[0, 7, 100, 0, 1, 0, 4, 2, 1, 1, 0])].concat();
        let mut bytes = FILE_ID.to_vec();
        bytes.extend(packet(MAIN, &main));
        bytes.extend(packet(STREAM, &stream));
        bytes.extend(packet(0x4e49_ab68_b596_ba78, b"info"));
        for (i, stamp) in stamps.iter().enumerate() {
            if i % 2 == 0 {
                bytes.extend(packet(SYNCPOINT, &numbers(&[*stamp as u64, 0])));
            }
            bytes.push(0);
            // Every third in full, the others by their low bits.
            let coded = if i % 3 == 0 { stamp + 128 } else { stamp & 127 };
            bytes.extend(numbers(&[coded as u64, 8]));
            bytes.extend([i as u8; 8]);
        }
        bytes
    }

    #[test]
    fn pictures_come_with_their_times() {
        let stamps = [0, 33, 74, 125, 138, 169, 1200, 1233, 1266, 1299];
        let bytes = stream(&stamps);
        let mut demuxer = Demuxer::open(&bytes[..]).unwrap();
        assert_eq!(demuxer.extent, Extent::new(4, 2));
        for (i, stamp) in stamps.iter().enumerate() {
            let next = demuxer.next().unwrap().unwrap();
            assert_eq!((next.pts, next.bytes), (*stamp, 8), "picture {i}");
            assert_eq!(demuxer.time_of(next.pts), Duration::from_millis(*stamp as u64));
            let mut picture = [99; 8];
            demuxer.read(&mut picture).unwrap();
            assert_eq!(picture, [i as u8; 8]);
        }
        assert_eq!(demuxer.next().unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut: prop::sample::Index) {
            let mut bytes = stream(&[0, 40, 80]);
            for (index, value) in hits {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(mut demuxer) = Demuxer::open(&bytes[..]) {
                while let Ok(Some(next)) = demuxer.next() {
                    if next.bytes > 1 << 16 || demuxer.read(&mut vec![0; next.bytes]).is_err() {
                        break;
                    }
                }
            }
        }
    }
}
