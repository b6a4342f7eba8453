//! H.264 pictures into a fragmented MP4 (ISO/IEC 14496-12, 14496-15): what was written plays, however the file ends.
//!
//! ```text
//! ftyp  moov(mvhd, trak, mvex)  moof(mfhd, traf(tfhd, tfdt, trun)) mdat   moof mdat   …
//!       └ what the pictures are └ one fragment: at most FRAGMENT of them, with their own times
//! ```
//!
//! Every picture keeps its own time: a sample lasts until the next one. There is no index that would have to be written at the end.

use std::io::{self, Write};
use std::time::Duration;

use crate::units::Extent;

/// A fragment holds so much time at most: what is lost when the program is killed.
pub const FRAGMENT: Duration = Duration::from_millis(500);
/// Parts of a second in which times are written.
pub const TIMESCALE: u64 = 90_000;

/// A coded picture: NAL units, each with its length before it (4 bytes, big endian).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub bytes: Vec<u8>,
    /// Can be decoded without those before it.
    pub key: bool,
}

/// Parameter sets of a stream, as NAL units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Sequence parameter set, at least 4 bytes.
    pub sps: Vec<u8>,
    pub pps: Vec<u8>,
}

/// Where a clip goes: what comes before the pictures, and then fragments, each in one piece.
pub trait Sink {
    /// # Errors
    /// When it takes no more.
    fn head(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// # Errors
    /// When it takes no more.
    fn fragment(&mut self, fragment: Fragment<'_>) -> io::Result<()>;
}

/// Pictures that are written in one piece. Times in parts of a second, [`TIMESCALE`] of them.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    pub bytes: &'a [u8],
    /// Can be decoded without those before it.
    pub key: bool,
    pub begin: u64,
    pub end: u64,
}

impl<W: Write> Sink for W {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn fragment(&mut self, fragment: Fragment<'_>) -> io::Result<()> {
        self.write_all(fragment.bytes)?;
        self.flush()
    }
}

/// Where in a fragment its time stands: behind the heads of moof, mfhd, traf, tfhd and tfdt.
const TIME_AT: usize = 8 + 16 + 8 + 16 + 12;

/// Has a fragment begin at another time.
pub fn begin_at(fragment: &mut [u8], begin: u64) {
    fragment[TIME_AT..TIME_AT + 8].copy_from_slice(&begin.to_be_bytes());
}

/// Writes one video track.
pub struct Muxer<S> {
    out: S,
    /// Number of the next fragment, from 1.
    sequence: u32,
    /// Not written yet, with their times; the last one's duration is not known.
    waiting: Vec<(u64, Sample)>,
    written: u64,
}

impl<S: Sink> Muxer<S> {
    /// Writes what comes before the pictures.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn new(mut out: S, extent: Extent, parameters: &Parameters) -> io::Result<Self> {
        let mut head = Vec::with_capacity(1024);
        atom(&mut head, b"ftyp", |b| {
            b.extend(b"iso6");
            b.extend(1_u32.to_be_bytes());
            b.extend(b"iso6isomavc1mp41");
        });
        movie(&mut head, extent, parameters);
        out.head(&head)?;
        Ok(Self { out, sequence: 1, waiting: Vec::new(), written: head.len() as u64 })
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The next picture, which is shown `at` this time after the beginning. A time that is not later than the one before is moved
    /// behind it.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn push(&mut self, sample: Sample, at: Duration) -> io::Result<()> {
        let least = self.waiting.last().map_or(0, |(last, _)| last + 1);
        let at = ticks(at).max(least);
        // Where decoding can begin a fragment begins: that a clip can be cut there.
        let full = self.waiting.first().is_some_and(|(first, _)| at - first >= ticks(FRAGMENT) || sample.key);
        if full {
            self.fragment(at)?;
        }
        self.waiting.push((at, sample));
        Ok(())
    }

    /// Writes the rest. The last picture is shown until `end`. Returns what was written to, and how many bytes there are.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn finish(mut self, end: Duration) -> io::Result<(S, u64)> {
        let last = self.waiting.last().map(|(at, _)| *at);
        if let Some(last) = last {
            self.fragment(ticks(end).max(last + 1))?;
        }
        Ok((self.out, self.written))
    }

    /// Writes all that waits as one fragment; the last picture lasts until `end`.
    fn fragment(&mut self, end: u64) -> io::Result<()> {
        let samples = std::mem::take(&mut self.waiting);
        let Some((begin, first)) = samples.first() else { return Ok(()) };
        let mut bytes = Vec::with_capacity(256 + 16 * samples.len());
        // Where in the atom the distance to the pictures' bytes stands: it is known when the atom is.
        let mut distance_at = 0;
        atom(&mut bytes, b"moof", |moof| {
            full_atom(moof, b"mfhd", 0, 0, |b| b.extend(self.sequence.to_be_bytes()));
            atom(moof, b"traf", |traf| {
                // Offsets count from the beginning of this atom.
                full_atom(traf, b"tfhd", 0, 0x02_0000, |b| b.extend(1_u32.to_be_bytes()));
                full_atom(traf, b"tfdt", 1, 0, |b| b.extend(begin.to_be_bytes()));
                // Distance to the pictures, then for each its duration, size and flags.
                full_atom(traf, b"trun", 0, 0x701, |b| {
                    b.extend((samples.len() as u32).to_be_bytes());
                    distance_at = b.len();
                    b.extend([0; 4]);
                    let ends = samples.iter().skip(1).map(|(at, _)| *at).chain([end]);
                    for ((at, sample), end) in samples.iter().zip(ends) {
                        b.extend(u32::try_from(end - at).unwrap_or(u32::MAX).to_be_bytes());
                        b.extend((sample.bytes.len() as u32).to_be_bytes());
                        // Depends on nothing; or on others, and is none that can be begun with.
                        b.extend(if sample.key { 0x0200_0000_u32 } else { 0x0101_0000 }.to_be_bytes());
                    }
                });
            });
        });
        let distance = bytes.len() as u32 + 8;
        bytes[distance_at..distance_at + 4].copy_from_slice(&distance.to_be_bytes());
        let size: usize = samples.iter().map(|(_, s)| s.bytes.len()).sum();
        let size = u32::try_from(size + 8).map_err(|_| io::Error::other("half a second takes more than 4 GB"))?;
        bytes.extend(size.to_be_bytes());
        bytes.extend(b"mdat");
        samples.iter().for_each(|(_, sample)| bytes.extend(&sample.bytes));
        // In one go, so that as little as possible of a fragment is ever missing.
        self.out.fragment(Fragment { bytes: &bytes, key: first.key, begin: *begin, end })?;
        self.written += bytes.len() as u64;
        self.sequence += 1;
        Ok(())
    }
}

fn ticks(at: Duration) -> u64 {
    (at.as_micros() as u64).saturating_mul(TIMESCALE) / 1_000_000
}

/// An atom (box): its size, its name, and what `fill` appends.
fn atom(out: &mut Vec<u8>, name: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(name);
    fill(out);
    let size = (out.len() - at) as u32;
    out[at..at + 4].copy_from_slice(&size.to_be_bytes());
}

/// An atom with a version and flags.
fn full_atom(out: &mut Vec<u8>, name: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    atom(out, name, |b| {
        b.extend((u32::from(version) << 24 | flags).to_be_bytes());
        fill(b);
    });
}

/// A transformation that leaves everything where it is: 3x3, fixed point.
fn identity(out: &mut Vec<u8>) {
    for value in [0x1_0000_u32, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] {
        out.extend(value.to_be_bytes());
    }
}

fn zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, 0);
}

fn movie(out: &mut Vec<u8>, extent: Extent, parameters: &Parameters) {
    let Extent { width, height } = extent;
    atom(out, b"moov", |moov| {
        full_atom(moov, b"mvhd", 0, 0, |b| {
            zeros(b, 8);
            b.extend((TIMESCALE as u32).to_be_bytes());
            zeros(b, 4);
            // Rate 1, volume 1.
            b.extend([0, 1, 0, 0, 1, 0]);
            zeros(b, 10);
            identity(b);
            zeros(b, 24);
            b.extend(2_u32.to_be_bytes());
        });
        atom(moov, b"trak", |trak| {
            // Enabled, in the movie.
            full_atom(trak, b"tkhd", 0, 3, |b| {
                zeros(b, 8);
                b.extend(1_u32.to_be_bytes());
                zeros(b, 24);
                identity(b);
                b.extend((width << 16).to_be_bytes());
                b.extend((height << 16).to_be_bytes());
            });
            atom(trak, b"mdia", |mdia| {
                full_atom(mdia, b"mdhd", 0, 0, |b| {
                    zeros(b, 8);
                    b.extend((TIMESCALE as u32).to_be_bytes());
                    zeros(b, 4);
                    // Language: undetermined.
                    b.extend([0x55, 0xc4, 0, 0]);
                });
                full_atom(mdia, b"hdlr", 0, 0, |b| {
                    zeros(b, 4);
                    b.extend(b"vide");
                    zeros(b, 12);
                    b.extend(b"Impasto\0");
                });
                atom(mdia, b"minf", |minf| {
                    full_atom(minf, b"vmhd", 0, 1, |b| zeros(b, 8));
                    atom(minf, b"dinf", |dinf| {
                        full_atom(dinf, b"dref", 0, 0, |b| {
                            b.extend(1_u32.to_be_bytes());
                            // The pictures are in this file.
                            full_atom(b, b"url ", 0, 1, |_| {});
                        });
                    });
                    atom(minf, b"stbl", |stbl| {
                        full_atom(stbl, b"stsd", 0, 0, |b| {
                            b.extend(1_u32.to_be_bytes());
                            sample_entry(b, extent, parameters);
                        });
                        // Where the pictures are is told by the fragments.
                        for name in [b"stts", b"stsc", b"stco"] {
                            full_atom(stbl, name, 0, 0, |b| zeros(b, 4));
                        }
                        full_atom(stbl, b"stsz", 0, 0, |b| zeros(b, 8));
                    });
                });
            });
        });
        atom(moov, b"mvex", |mvex| {
            full_atom(mvex, b"trex", 0, 0, |b| {
                b.extend(1_u32.to_be_bytes());
                b.extend(1_u32.to_be_bytes());
                zeros(b, 12);
            });
        });
    });
}

fn sample_entry(out: &mut Vec<u8>, extent: Extent, parameters: &Parameters) {
    let Extent { width, height } = extent;
    atom(out, b"avc1", |b| {
        zeros(b, 6);
        b.extend(1_u16.to_be_bytes());
        zeros(b, 16);
        b.extend((width as u16).to_be_bytes());
        b.extend((height as u16).to_be_bytes());
        // 72 dots per inch, both ways.
        b.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0]);
        zeros(b, 4);
        b.extend(1_u16.to_be_bytes());
        zeros(b, 32);
        // 24 bits, no table of colours.
        b.extend([0, 24, 0xff, 0xff]);
        atom(b, b"avcC", |b| {
            let Parameters { sps, pps } = parameters;
            let byte = |at: usize| sps.get(at).copied().unwrap_or_default();
            // Profile, compatibility, level; lengths have 4 bytes.
            b.extend([1, byte(1), byte(2), byte(3), 0xff]);
            b.push(0xe1);
            b.extend((sps.len() as u16).to_be_bytes());
            b.extend(sps);
            b.push(1);
            b.extend((pps.len() as u16).to_be_bytes());
            b.extend(pps);
            if matches!(byte(1), 100 | 110 | 122 | 144) {
                // 4:2:0, 8 bits, no extension.
                b.extend([0xfd, 0xf8, 0xf8, 0]);
            }
        });
        // BT.709 in primaries, transfer and matrix; limited range.
        atom(b, b"colr", |b| b.extend(b"nclx\x00\x01\x00\x01\x00\x01\x00"));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The atoms at the beginning of `bytes`: name and contents.
    fn atoms(mut bytes: &[u8]) -> Vec<(String, &[u8])> {
        let mut found = Vec::new();
        while let Some((head, _)) = bytes.split_at_checked(8) {
            let size = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
            assert!(size >= 8 && size <= bytes.len(), "{size} of {}", bytes.len());
            found.push((String::from_utf8_lossy(&head[4..]).into_owned(), &bytes[8..size]));
            bytes = &bytes[size..];
        }
        assert!(bytes.is_empty());
        found
    }

    fn inside<'a>(bytes: &'a [u8], path: &[&str]) -> &'a [u8] {
        path.iter().fold(bytes, |bytes, name| {
            let found = atoms(bytes).into_iter().find(|(n, _)| n == name);
            found.unwrap_or_else(|| panic!("no {name}")).1
        })
    }

    fn clip() -> Vec<u8> {
        let parameters = Parameters { sps: vec![0x67, 100, 0, 31, 9], pps: vec![0x68, 1] };
        let mut muxer = Muxer::new(Vec::new(), Extent::new(64, 32), &parameters).unwrap();
        // 25 a second, with a gap of half a second after the third.
        for i in 0..20_u64 {
            let at = Duration::from_millis(i * 40 + if i > 2 { 500 } else { 0 });
            muxer.push(Sample { bytes: vec![i as u8; 5 + i as usize], key: i == 0 }, at).unwrap();
        }
        let written = muxer.written();
        let (bytes, all) = muxer.finish(Duration::from_millis(1300)).unwrap();
        assert!(written < all && all == bytes.len() as u64);
        bytes
    }

    #[test]
    fn times_sizes_and_bytes_are_those_of_the_pictures() {
        let bytes = clip();
        let top = atoms(&bytes);
        assert_eq!(top[..2].iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["ftyp", "moov"]);
        let (mut at, mut index, mut time) = (0, 0_u64, 0_u64);
        for (name, contents) in &top {
            let size = contents.len() + 8;
            if name == "moof" {
                let u32_at = |b: &[u8], at: usize| u64::from(u32::from_be_bytes(b[at..at + 4].try_into().unwrap()));
                let decode = inside(contents, &["traf", "tfdt"]);
                assert_eq!(u64::from_be_bytes(decode[4..12].try_into().unwrap()), time, "fragments follow each other");
                let run = inside(contents, &["traf", "trun"]);
                let mut data = at + u32_at(run, 8) as usize;
                assert_eq!(&bytes[data - 4..data], b"mdat");
                for sample in run[12..].chunks(12) {
                    let expected = index * 3600 + if index > 2 { 45_000 } else { 0 };
                    assert_eq!(time, expected, "picture {index}");
                    let len = u32_at(sample, 4) as usize;
                    assert_eq!(bytes[data..data + len], vec![index as u8; 5 + index as usize]);
                    assert_eq!(sample[8..12], if index == 0 { [2, 0, 0, 0] } else { [1, 1, 0, 0] });
                    (data, time, index) = (data + len, time + u32_at(sample, 0), index + 1);
                }
            }
            at += size;
        }
        assert_eq!((index, time), (20, 1300 * 90));
        assert!(top.iter().filter(|(n, _)| n == "moof").count() >= 2);
    }

    /// Keeps what it is given, apart.
    #[derive(Default)]
    struct Kept(Vec<(Vec<u8>, bool, u64, u64)>);

    impl Sink for Kept {
        fn head(&mut self, _bytes: &[u8]) -> io::Result<()> {
            Ok(())
        }

        fn fragment(&mut self, Fragment { bytes, key, begin, end }: Fragment<'_>) -> io::Result<()> {
            self.0.push((bytes.to_vec(), key, begin, end));
            Ok(())
        }
    }

    #[test]
    fn fragments_begin_where_decoding_can_and_can_be_moved_in_time() {
        let parameters = Parameters { sps: vec![0x67, 66, 0, 31], pps: vec![0x68] };
        let mut muxer = Muxer::new(Kept::default(), Extent::new(16, 16), &parameters).unwrap();
        for i in 0..10_u64 {
            muxer.push(Sample { bytes: vec![7; 9], key: i % 4 == 0 }, Duration::from_millis(i * 40)).unwrap();
        }
        let (kept, _) = muxer.finish(Duration::from_millis(400)).unwrap();
        let found: Vec<_> = kept.0.iter().map(|(_, key, begin, end)| (*key, begin / 90, end / 90)).collect();
        assert_eq!(found, [(true, 0, 160), (true, 160, 320), (true, 320, 400)]);
        let mut moved = kept.0[1].0.clone();
        begin_at(&mut moved, 5);
        let time = inside(&moved, &["moof", "traf", "tfdt"])[4..12].to_vec();
        assert_eq!(u64::from_be_bytes(time.try_into().unwrap()), 5);
        begin_at(&mut moved, kept.0[1].2);
        assert!(moved == kept.0[1].0, "nothing else changes");
    }

    #[test]
    fn times_that_go_back_are_moved_on() {
        let parameters = Parameters { sps: vec![0x67, 66, 0, 31], pps: vec![0x68] };
        let mut muxer = Muxer::new(Vec::new(), Extent::new(16, 16), &parameters).unwrap();
        for at in [100, 50, 50] {
            muxer.push(Sample::default(), Duration::from_millis(at)).unwrap();
        }
        let (bytes, _) = muxer.finish(Duration::ZERO).unwrap();
        let run = inside(&bytes, &["moof", "traf", "trun"]);
        let durations: Vec<u8> = run[12..].chunks(12).map(|s| s[3]).collect();
        assert_eq!(durations, [1, 1, 1]);
    }
}
