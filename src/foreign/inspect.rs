//! Looking at a network by painting with it, in a process of its own.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use image::RgbImage;

use super::Told;
use crate::fault::Fault;
use crate::nn::adapt::judge::{self, PAINTING, Verdict};
use crate::nn::adapt::{Channels, Foreign, Manner, Range, Sizes};
use crate::nn::cpu::{CpuOptions, CpuStudent};
use crate::nn::graph::Graph;
use crate::nn::ort::{OrtError, OrtOptions, OrtRuntime, OrtStudent};
use crate::output;
use crate::source::demo::DemoScene;
use crate::units::Extent;

/// What it writes into its folder.
pub const NETWORK: &str = "network.onnx";
pub const THUMBNAIL: &str = "thumbnail.jpg";
pub const REPORT: &str = "report.json";

/// Memory that the process may take, in bytes.
pub const MEMORY: u64 = 6 << 30;
/// Processor time that it may take, in seconds.
const SECONDS: u64 = 150;
/// What sides of pictures may have to be multiples of.
const MULTIPLES: [u32; 5] = [4, 8, 16, 32, 64];
/// Runs for a time.
const RUNS: usize = 5;
/// The picture that times hold for.
const TIMED: Extent = Extent::new(320, 192);
const THUMBNAIL_SIDE: u32 = 160;
/// Frame of the demo scene that is painted.
const FRAME: u64 = 40;
/// By how much another manner must be better to be taken, of a score of at most 1.
const BETTER: f32 = 0.04;

/// What was found.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// What the file declares, in words.
    pub declared: String,
    pub manner: Manner,
    /// Whether the manner was given, and not found out.
    pub given: bool,
    /// Whether the order of its colours could be told.
    pub order_is_sure: bool,
    pub sizes: Sizes,
    pub verdict: Verdict,
    pub timed: Extent,
    /// Milliseconds for a picture of that size: ONNX Runtime, and our engine where it can run the network.
    pub ort_ms: f64,
    pub own_ms: Option<f64>,
    /// dB, our engine against ONNX Runtime; infinite where they give the same.
    pub parity: Option<f64>,
    /// Why our engine cannot run it.
    pub own_obstacle: Option<String>,
    pub onnx_runtime: String,
}

impl Found {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let Manner { channels, input, output } = self.manner;
        let order = if channels == Channels::Rgb { "red first" } else { "blue first" };
        let unsure = ", which cannot be told from this network: if colours look wrong, say --channels bgr";
        let order = format!("{order}{}", if self.order_is_sure { "" } else { unsure });
        let how = if self.given { "as you said" } else { "found out by painting" };
        let sizes = match self.sizes {
            Sizes::MultiplesOf(multiple) => format!("any size in multiples of {multiple} pixels"),
            Sizes::Padded(extent) => format!("{extent}, smaller pictures padded"),
            Sizes::Exactly(extent) => format!("{extent} alone"),
        };
        let mut lines = vec![
            format!("it declares {}", self.declared),
            format!("it takes {} and gives {}, {order} ({how}); {sizes}", input.name(), output.name()),
            format!("ONNX Runtime: {:.1} ms for {}", self.ort_ms, self.timed),
        ];
        lines.push(match (self.own_ms, self.parity, &self.own_obstacle) {
            (Some(ms), Some(parity), _) if parity.is_finite() => {
                format!("this program's own engine: {ms:.1} ms, {parity:.1} dB from ONNX Runtime")
            }
            (Some(ms), ..) => format!("this program's own engine: {ms:.1} ms, the same numbers"),
            (.., Some(why)) => format!("this program's own engine cannot run it: {why}"),
            _ => "this program's own engine was not tried".to_owned(),
        });
        lines
    }
}

/// Looks at the network and writes what was found into `folder`. Limits this process: to be called in one of its own.
///
/// # Errors
/// With what the file is instead, or why it cannot paint.
pub fn inspect(file: &Path, told: Told, folder: &Path) -> Result<(), Fault> {
    limit_this_process();
    let bytes = super::read(file)?;
    let beside = super::folder_of(file);
    let file = file.display();
    let fault = |what: String| Fault::failed(format!("{file} cannot become an effect: {what}"), "");
    let foreign = Foreign::read(&bytes, beside).map_err(|why| fault(why.to_string()))?;
    let runtime = OrtRuntime::find(None).map_err(|e| Fault::failed(e.to_string(), ""))?;
    let probe = Probe { foreign: &foreign, runtime: &runtime };
    let sizes = probe.sizes().map_err(&fault)?;
    let (manner, verdict, order_is_sure) = probe.manner(told, sizes).map_err(&fault)?;
    let given = told.input.is_some() && told.output.is_some() && told.channels.is_some();
    if verdict.score() < PAINTING && !given {
        return Err(fault(format!(
            "whichever way it is given a picture, the result does not look like one (structure {:.2}, contrast {:.2}, {:.0} % out of range); if you know what it takes, say so with --input-range, --output-range and --channels",
            verdict.structure,
            verdict.contrast,
            verdict.clipped * 100.0
        )));
    }
    let wrapped = foreign.wrap(&manner, sizes, false).map_err(|why| fault(why.to_string()))?;
    let extent = fitting(sizes, TIMED);
    let (ort_ms, painted) = probe.timed(&wrapped, extent).map_err(&fault)?;
    let own = own_engine(&wrapped, extent, &painted);
    let found = Found {
        declared: foreign.words(),
        manner,
        given,
        order_is_sure,
        sizes,
        verdict,
        timed: extent,
        ort_ms,
        own_ms: own.as_ref().ok().map(|(ms, _)| *ms),
        parity: own.as_ref().ok().map(|(_, parity)| *parity).filter(|parity| parity.is_finite()),
        own_obstacle: own.err(),
        onnx_runtime: runtime.info().version.clone(),
    };
    let write = |name: &str, bytes: &[u8]| {
        output::write_whole(&folder.join(name), bytes).map_err(|e| Fault::failed(e.to_string(), ""))
    };
    write(NETWORK, &wrapped)?;
    thumbnail(&probe, &wrapped, sizes, &folder.join(THUMBNAIL)).map_err(&fault)?;
    let report = serde_json::to_vec(&found).map_err(|e| fault(e.to_string()))?;
    write(REPORT, &report)
}

/// A size that a network takes, near the one that is wanted.
fn fitting(sizes: Sizes, wanted: Extent) -> Extent {
    match sizes {
        Sizes::Exactly(extent) => extent,
        Sizes::Padded(extent) => Extent::new(wanted.width.min(extent.width), wanted.height.min(extent.height)),
        Sizes::MultiplesOf(multiple) => {
            let near = |side: u32| (side / multiple).max(1) * multiple;
            Extent::new(near(wanted.width), near(wanted.height))
        }
    }
}

struct Probe<'a> {
    foreign: &'a Foreign,
    runtime: &'a OrtRuntime,
}

impl Probe<'_> {
    fn student(&self, network: &[u8], extent: Extent) -> Result<OrtStudent, String> {
        let options = OrtOptions { threads: NonZeroUsize::MIN, ..OrtOptions::default() };
        OrtStudent::from_onnx(self.runtime, network, &[], extent, options).map_err(|e| self.words(&e))
    }

    /// What ONNX Runtime said, without the places in its sources.
    fn words(&self, error: &OrtError) -> String {
        let version = &self.runtime.info().version;
        match error {
            OrtError::Network { cause } if cause.contains("opset") || cause.contains("Opset") => {
                format!(
                    "its operator set {} is newer than ONNX Runtime {version} knows; export it with an older one",
                    self.foreign.opset
                )
            }
            OrtError::Run { cause } | OrtError::Network { cause } => {
                if ["allocate memory", "bad_alloc", "BFCArena"].iter().any(|word| cause.contains(word)) {
                    return format!("it asks for more memory than {} GiB for a small picture", MEMORY >> 30);
                }
                // Status messages begin with the place in the sources; the last sentence says what is wrong.
                let said = cause.rsplit("Status Message: ").next().unwrap_or(cause);
                let said =
                    if said.starts_with("/") { said.split_once(' ').map_or(said, |(_, rest)| rest) } else { said };
                let short: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
                format!("ONNX Runtime {version} says: {}", short.trim())
            }
            other => other.to_string(),
        }
    }

    /// What the network makes of a picture, its range left as it is.
    fn raw(&self, manner: &Manner, sizes: Sizes, picture: &[f32], extent: Extent) -> Result<Vec<f32>, String> {
        let network = self.foreign.wrap(manner, sizes, true).map_err(|e| e.to_string())?;
        let mut student = self.student(&network, extent)?;
        let mut painted = vec![0.0; picture.len()];
        student.run(picture, &mut painted).map_err(|e| self.words(&e))?;
        Ok(painted)
    }

    /// Which sizes it takes: free ones by trying, even where one is declared; else the declared one.
    fn sizes(&self) -> Result<Sizes, String> {
        let manner = Manner { input: Range::Bytes, output: Range::Bytes, channels: Channels::Rgb };
        let mut why = String::new();
        for multiple in MULTIPLES {
            // Neither square nor divisible by the next one.
            let extent =
                Extent::new(multiple * (96 / multiple * 2 + 1).min(49), multiple * (48 / multiple * 2 + 1).min(25));
            let sizes = Sizes::MultiplesOf(multiple);
            match self.raw(&manner, sizes, &picture(extent), extent) {
                Ok(_) => return Ok(sizes),
                Err(error) => why = error,
            }
        }
        let Some(fixed) = self.foreign.fixed else {
            return Err(format!("it paints no picture of any size that was tried; {why}"));
        };
        let tries = [
            self.foreign
                .can_pad()
                .then(|| (Sizes::Padded(fixed), Extent::new(fixed.width, fixed.height * 3 / 4 / 2 * 2))),
            (fixed.width == fixed.height).then_some((Sizes::Exactly(fixed), fixed)),
        ];
        let mut tried = false;
        for (sizes, extent) in tries.into_iter().flatten() {
            tried = true;
            match self.raw(&manner, sizes, &picture(extent), extent) {
                Ok(_) => return Ok(sizes),
                Err(error) => why = error,
            }
        }
        if !tried {
            return Err(crate::nn::adapt::Obstacle::OldAndOblong(fixed, self.foreign.opset).to_string());
        }
        Err(why)
    }

    /// In which manner it paints what looks most like the picture that it was given, and whether the order of its colours
    /// makes a difference to that.
    fn manner(&self, told: Told, sizes: Sizes) -> Result<(Manner, Verdict, bool), String> {
        let extent = fitting(sizes, Extent::new(256, 192));
        let picture = picture(extent);
        let mut tried: Vec<(Manner, Verdict, f32)> = Vec::new();
        let mut why = "it gives numbers that are not finite".to_owned();
        let ranges: Vec<Range> = told.input.map_or(Range::ALL.to_vec(), |range| vec![range]);
        let orders = told.channels.map_or(vec![Channels::Rgb, Channels::Bgr], |channels| vec![channels]);
        for channels in orders {
            for (place, &input) in ranges.iter().enumerate() {
                let manner = Manner { channels, input, output: Range::Unit };
                let painted = match self.raw(&manner, sizes, &picture, extent) {
                    Ok(painted) => painted,
                    Err(error) => {
                        why = error;
                        continue;
                    }
                };
                let Some(verdict) = judge::verdict(&picture, &painted, extent) else { continue };
                let output = told.output.unwrap_or(verdict.range);
                // Networks give what they take, as a rule; and red comes first, unless colours say otherwise.
                let usual = if output == input { 0.15 } else { 0.0 };
                let red_first = if channels == Channels::Rgb { BETTER } else { 0.0 };
                let score = verdict.score() + usual + red_first + 0.25 * verdict.colour.max(0.0)
                    // Of ranges that do alike, the more usual one.
                    - 0.02 * place as f32;
                tried.push((Manner { output, ..manner }, verdict, score));
            }
        }
        let best = |channels: Option<Channels>| {
            let fits = |(manner, ..): &&(Manner, Verdict, f32)| channels.is_none_or(|order| manner.channels == order);
            tried.iter().filter(fits).max_by(|a, b| a.2.total_cmp(&b.2))
        };
        let scores = [Channels::Rgb, Channels::Bgr].map(|order| best(Some(order)).map(|(.., score)| *score));
        let sure = match scores {
            [Some(rgb), Some(bgr)] => (rgb - BETTER - bgr).abs() > BETTER,
            _ => true,
        };
        best(None).map(|(manner, verdict, _)| (*manner, *verdict, sure)).ok_or(why)
    }

    /// Milliseconds for a picture, the median of some runs; and the picture.
    fn timed(&self, network: &[u8], extent: Extent) -> Result<(f64, Vec<f32>), String> {
        let options = OrtOptions::default();
        let mut student =
            OrtStudent::from_onnx(self.runtime, network, &[], extent, options).map_err(|e| e.to_string())?;
        student.image_mut().copy_from_slice(&picture(extent));
        let mut painted = Vec::new();
        let times = (0..RUNS).map(|_| {
            let began = Instant::now();
            painted = student.run_in_place().map_err(|e| e.to_string())?.to_vec();
            Ok(began.elapsed().as_secs_f64() * 1e3)
        });
        let mut times = times.collect::<Result<Vec<_>, String>>()?;
        times.sort_by(f64::total_cmp);
        Ok((times[RUNS / 2], painted))
    }
}

/// Our engine's time for the picture, and how far what it paints is from `other`, in dB; or why it cannot run the network.
fn own_engine(network: &[u8], extent: Extent, other: &[f32]) -> Result<(f64, f64), String> {
    // What to do about it is for those who trained it.
    let short = |why: String| why.split("; export").next().unwrap_or_default().to_owned();
    let graph = Graph::from_onnx(network).map_err(|e| short(e.to_string()))?;
    let mut student = CpuStudent::new(&graph, extent, CpuOptions::default()).map_err(|e| short(e.to_string()))?;
    student.image_mut().copy_from_slice(&picture(extent));
    let mut times = Vec::with_capacity(RUNS);
    let mut squared = 0.0;
    for _ in 0..RUNS {
        let began = Instant::now();
        let painted = student.paint().map_err(|fault| fault.to_string())?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        squared = painted.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / other.len() as f64;
    }
    times.sort_by(f64::total_cmp);
    Ok((times[RUNS / 2], -10.0 * squared.log10()))
}

/// The demo scene as three planes of 0..1.
fn picture(extent: Extent) -> Vec<f32> {
    let scene = DemoScene::new(extent, DemoScene::DEFAULT_FPS);
    let mut bytes = vec![0; scene.shape().min_bytes()];
    scene.draw(FRAME, &mut bytes);
    let pixels = bytes.as_chunks::<4>().0;
    (0..3).flat_map(|channel| pixels.iter().map(move |pixel| f32::from(pixel[channel]) / 255.0)).collect()
}

/// The middle of the painted demo scene.
fn thumbnail(probe: &Probe<'_>, network: &[u8], sizes: Sizes, path: &Path) -> Result<(), String> {
    let extent = fitting(sizes, Extent::new(320, 240));
    let mut student = probe.student(network, extent)?;
    let mut painted = vec![0.0; student.numbers()];
    student.run(&picture(extent), &mut painted).map_err(|e| e.to_string())?;
    let plane = extent.pixels() as usize;
    let image = RgbImage::from_fn(extent.width, extent.height, |x, y| {
        let at = (y * extent.width + x) as usize;
        image::Rgb([0, 1, 2].map(|channel| (painted[channel * plane + at].clamp(0.0, 1.0) * 255.0).round() as u8))
    });
    let side = extent.width.min(extent.height);
    let middle =
        image::imageops::crop_imm(&image, (extent.width - side) / 2, (extent.height - side) / 2, side, side).to_image();
    let small =
        image::imageops::resize(&middle, THUMBNAIL_SIDE, THUMBNAIL_SIDE, image::imageops::FilterType::CatmullRom);
    let mut bytes = std::io::Cursor::new(Vec::new());
    small.write_to(&mut bytes, image::ImageFormat::Jpeg).map_err(|e| e.to_string())?;
    output::write_whole(path, bytes.get_ref()).map_err(|e| e.to_string())
}

/// A hostile network may take no more than this.
fn limit_this_process() {
    #[cfg(unix)]
    for (what, most) in [(libc::RLIMIT_AS, MEMORY), (libc::RLIMIT_CPU, SECONDS), (libc::RLIMIT_CORE, 0)] {
        let limit = libc::rlimit { rlim_cur: most as libc::rlim_t, rlim_max: most as libc::rlim_t };
        #[allow(unsafe_code, reason = "limits of a process are set by a call of the system")]
        // SAFETY: the call reads the struct, which lives until it returns, and changes nothing of ours.
        let status = unsafe { libc::setrlimit(what, &limit) };
        if status != 0 {
            log::warn!("a limit of this process could not be set: {}", std::io::Error::last_os_error());
        }
    }
}
