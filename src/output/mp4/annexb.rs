//! Takes a stream of H.264 in Annex B (start codes, ITU-T H.264 annex B) apart into pictures.
//!
//! Pictures are told apart by access unit delimiters, which the encoder is asked for.

use super::mux::{Parameters, Sample};

/// Types of NAL units (ITU-T H.264, table 7-1).
const SLICE_KEY: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;

/// Bytes in, pictures out.
#[derive(Debug, Default)]
pub struct Splitter {
    /// From the start code of a NAL unit on.
    bytes: Vec<u8>,
    /// How many of them hold no further start code.
    searched: usize,
    picture: Sample,
    parameters: Parameters,
}

impl Splitter {
    /// Takes in `bytes` and hands out the pictures that are complete with them.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Sample)) {
        self.bytes.extend_from_slice(bytes);
        // The unit at the beginning is complete when the next one begins.
        while let Some(next) = self.next_start() {
            let unit: Vec<u8> = self.bytes.drain(..next).collect();
            self.searched = 0;
            self.take(&unit, &mut each);
        }
    }

    /// The stream is over: the last picture.
    pub fn finish(&mut self, mut each: impl FnMut(Sample)) {
        let unit = std::mem::take(&mut self.bytes);
        self.searched = 0;
        self.take(&unit, &mut each);
        if !self.picture.bytes.is_empty() {
            each(std::mem::take(&mut self.picture));
        }
    }

    /// Those that came last. Empty before there were any.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Where the second start code begins, three bytes 0, 0, 1; not before `searched`.
    fn next_start(&mut self) -> Option<usize> {
        let from = self.searched.max(3);
        let found = self.bytes.get(from..)?.windows(3).position(|w| w == [0, 0, 1]);
        match found {
            Some(at) => Some(from + at),
            None => {
                // A code may be cut at the end.
                self.searched = self.bytes.len().saturating_sub(2);
                None
            }
        }
    }

    /// A unit with its start code, and zeros that belong to the next one's.
    fn take(&mut self, unit: &[u8], each: &mut impl FnMut(Sample)) {
        let Some(start) = unit.windows(3).position(|w| w == [0, 0, 1]) else { return };
        let unit = &unit[start + 3..];
        let end = unit.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        let unit = &unit[..end];
        let Some(kind) = unit.first().map(|first| first & 0x1f) else { return };
        match kind {
            DELIMITER => {
                if !self.picture.bytes.is_empty() {
                    each(std::mem::take(&mut self.picture));
                }
            }
            SPS => self.parameters.sps = unit.to_vec(),
            PPS => self.parameters.pps = unit.to_vec(),
            FILLER => {}
            _ => {
                self.picture.key |= kind == SLICE_KEY;
                self.picture.bytes.extend((unit.len() as u32).to_be_bytes());
                self.picture.bytes.extend(unit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut unit = |long: bool, contents: &[u8]| {
            bytes.extend(if long { &[0, 0, 0, 1][..] } else { &[0, 0, 1] });
            bytes.extend(contents);
        };
        unit(true, &[9, 0xf0]);
        unit(true, &[0x67, 100, 0, 31]);
        unit(true, &[0x68, 1, 2]);
        unit(false, &[6, 5, 1]);
        unit(false, &[0x65, 7, 0, 0, 3, 1, 7]);
        unit(true, &[9, 0xf0]);
        unit(false, &[0x41, 8, 8]);
        unit(false, &[0x41, 9]);
        bytes
    }

    #[test]
    fn pictures_come_out_whole_however_the_bytes_come_in() {
        let stream = stream();
        let expected = [
            Sample { bytes: vec![0, 0, 0, 3, 6, 5, 1, 0, 0, 0, 7, 0x65, 7, 0, 0, 3, 1, 7], key: true },
            Sample { bytes: vec![0, 0, 0, 3, 0x41, 8, 8, 0, 0, 0, 2, 0x41, 9], key: false },
        ];
        for chunk in 1..=stream.len() {
            let (mut splitter, mut pictures) = (Splitter::default(), Vec::new());
            stream.chunks(chunk).for_each(|bytes| splitter.feed(bytes, |p| pictures.push(p)));
            assert_eq!(pictures.len(), 1, "the second is known to be whole at the end");
            splitter.finish(|p| pictures.push(p));
            assert_eq!(pictures, expected, "in pieces of {chunk}");
            assert_eq!(splitter.parameters(), &Parameters { sps: vec![0x67, 100, 0, 31], pps: vec![0x68, 1, 2] });
        }
    }

    #[test]
    fn what_is_no_stream_gives_nothing() {
        let mut splitter = Splitter::default();
        splitter.feed(b"Unknown encoder 'h264'", |_| panic!());
        splitter.finish(|_| panic!());
        splitter.feed(&[0; 1000], |_| panic!());
        splitter.finish(|_| panic!());
    }
}
