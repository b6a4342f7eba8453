//! The command line as typed: names, help, and types that parse. Decides nothing.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::effect::Blend;
use crate::effect::Touch;
use crate::export::Endpoint;
use crate::gpu::GpuChoice;
use crate::inject::Script;
use crate::nn::adapt::{Channels, Range};
use crate::nn::engines::EngineWish;
use crate::output::JPEG_QUALITY;
use crate::pipeline::ChainWish;
use crate::quality::Keep;
use crate::source::SourceSpec;
use crate::units::Extent;

/// The device that stands for the first that is free.
pub const AUTO: &str = "auto";

/// Repaints a live webcam picture with a neural network on your own GPU, and shows what every frame cost.
///
/// Without a command a window opens with the first camera's picture, painted. F1 shows more or less of the figures,
/// 1 to 9 choose an effect, G shows all of them, R records, S splits before and after, P saves a picture, Q quits.
#[derive(Debug, Parser)]
#[command(name = "impasto", version, max_term_width = 110, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub window: WindowArgs,
    #[command(flatten)]
    pub common: Common,
}

impl Cli {
    /// Whether this process is the child of `import` that runs a network of unknown origin.
    pub fn inspects(&self) -> bool {
        matches!(&self.command, Some(Command::Import(import)) if import.inspect_into.is_some())
    }
}

#[derive(Debug, Args)]
pub struct Common {
    /// Folder with effect packs, instead of the installed ones [also: IMPASTO_MODELS]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub models: Option<PathBuf>,
    /// Tell more on stderr; twice for everything [also: RUST_LOG]
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Paint a picture or a clip into a file; needs neither window nor display
    Render(RenderArgs),
    /// Paint pictures in every effect, side by side on contact sheets
    Sheet(SheetArgs),
    /// Measure what a frame costs on this machine, without a window
    Bench(BenchArgs),
    /// List the effects and their networks
    Effects(ListArgs),
    /// List the cameras and what they deliver
    Cameras(ListArgs),
    /// Print the passes that a frame goes through, what each reads and writes; needs no graphics device
    Plan(PlanArgs),
    /// Say what this machine has, what would be chosen, and why
    Doctor(DoctorArgs),
    /// Make an effect of a network that somebody else trained, or of a painting
    Import(ImportArgs),
    /// Say which figures can be sent to an address of yours, and turn it on or off; it is off at first
    Telemetry(TelemetryArgs),
    /// Print what a shell needs to complete this program's commands and options
    Completions(CompletionsArgs),
}

#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

#[derive(Clone, Debug, Args)]
pub struct PaintArgs {
    /// Effect, by its name in `impasto effects`, or the path of an ONNX file [default: the first; in the window, that of the
    /// last time]
    #[arg(long, value_name = "NAME")]
    pub effect: Option<String>,
    /// A second effect of the same pack to blend in, and how much of it: udnie=0.4 or udnie=40%
    #[arg(long, value_name = "NAME=SHARE")]
    pub blend: Option<Blend>,
    /// Size of the network, by its id in `impasto effects` [default: what suits the engine]
    #[arg(long, value_name = "ID")]
    pub variant: Option<String>,
    /// What runs the network: auto, wgpu or cpu (this program's own, on the GPU or the processor), ort (ONNX Runtime) or
    /// ort:PROVIDER, as `impasto doctor` lists them [default: auto]
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineWish>,
    /// Graphics adapter: part of its name as `impasto doctor` lists it, or fastest, thrifty, discrete, integrated, software
    /// [default: fastest; thrifty with --keep battery]
    #[arg(long, value_name = "NAME")]
    pub gpu: Option<GpuChoice>,
    /// Size at which the network paints, instead of the variant's own, for example 512x288
    #[arg(long, value_name = "WxH")]
    pub size: Option<Extent>,
    /// How thick the effect's paint or paper is, 0 to 200 percent of what the effect says; 0 is flat [default: 100; in the
    /// window, that of the last time, as what follows]
    #[arg(long, value_name = "PERCENT", value_parser = |text: &str| percent_within(text, Touch::THICKNESS))]
    pub thickness: Option<f32>,
    /// How wide its brush strokes are, 25 to 400 percent of what the effect says [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = |text: &str| percent_within(text, Touch::BRUSH))]
    pub brush: Option<f32>,
    /// How much a network that takes a canvas heeds it, 0 to 150 percent of what the effect says [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = |text: &str| percent_within(text, Touch::BOLDNESS))]
    pub boldness: Option<f32>,
    /// Another hand: strokes lie elsewhere for each number, 0 to 999 [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..i64::from(Touch::HANDS)))]
    pub hand: Option<u32>,
    /// What does everything around the network: gpu, cpu, or auto for the CPU where there is no real GPU [default: auto]
    #[arg(long, value_name = "WHERE")]
    pub chain: Option<ChainWish>,
}

impl PaintArgs {
    /// The adapter to open where `keep` is kept; `known` is what was chosen earlier.
    pub fn gpu(&self, known: Option<&GpuChoice>, keep: Option<Keep>) -> GpuChoice {
        let saving = keep == Some(Keep::Battery);
        let fallback = if saving { GpuChoice::Thrifty } else { GpuChoice::Fastest };
        self.gpu.as_ref().or(known).cloned().unwrap_or(fallback)
    }

    /// What was said of the paint, over `known`.
    pub fn touch(&self, known: Touch) -> Touch {
        Touch {
            thickness: self.thickness.unwrap_or(known.thickness),
            brush: self.brush.unwrap_or(known.brush),
            boldness: self.boldness.unwrap_or(known.boldness),
            hand: self.hand.unwrap_or(known.hand),
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct LookArgs {
    /// How much of the painting is shown, 0 to 100 percent
    /// [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub strength: Option<f32>,
    /// How much of the painting before is kept where nothing moves, 0 to 100 percent [default: 50]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub steadiness: Option<f32>,
    /// Show the untouched picture left of this share of the width, 0 to 100 percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub split: Option<f32>,
    /// Swap left and right, as a mirror does
    #[arg(long)]
    pub mirror: bool,
}

#[derive(Clone, Debug, Args)]
pub struct QualityArgs {
    /// What to keep by changing size and cadence of the network: quality, balanced, smooth (the camera's rate before the
    /// painting), battery, or fixed for changing nothing [default: balanced in the window, else fixed]
    #[arg(long, value_name = "WHAT")]
    pub keep: Option<Keep>,
    /// Faults at set times, to see what becomes of them: load=20ms@5s..10s (or load=3x), stall@12s..14s,
    /// thermal=serious@15s..20s, saver@15s..20s, gpu-loss@25s, panic@30s, with commas between them
    #[arg(long, value_name = "FAULTS")]
    pub inject: Option<Script>,
}

#[derive(Clone, Debug, Args)]
pub struct WindowArgs {
    /// Where the picture comes from: camera, camera:N, demo, or the path of a picture or clip [default: the first
    /// camera, else the demo scene]
    #[arg(long, value_name = "SOURCE", value_parser = SourceSpec::parse)]
    pub source: Option<SourceSpec>,
    #[command(flatten)]
    pub paint: PaintArgs,
    #[command(flatten)]
    pub look: LookArgs,
    #[command(flatten)]
    pub quality: QualityArgs,
    /// Quit after this many pictures were shown
    #[arg(long, value_name = "N")]
    pub frames: Option<u64>,
    /// Write the figures of the run to this file, as JSON, when the program ends
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
    /// Write one line per frame of the last ten seconds to this file when the program ends, for spreadsheets
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Write the last ten seconds to this file when the program ends, as a trace that ui.perfetto.dev and chrome://tracing
    /// open
    #[arg(long, value_name = "FILE.json")]
    pub trace: Option<PathBuf>,
    /// How much of the figures to show at first: full, compact, line or none [default: as last time, else line]
    #[arg(long, value_name = "LEVEL")]
    pub overlay: Option<OverlayLevel>,
    /// Serve the picture to programs on this machine, as MJPEG over HTTP: 127.0.0.1:8080, for example, for a browser or OBS
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub serve: Option<std::net::SocketAddr>,
    /// Be a camera for video calls: write the picture to a virtual camera (v4l2loopback), to the first that is free or to
    /// this device, =/dev/video10 for example
    #[arg(long, value_name = "DEVICE", num_args = 0..=1, require_equals = true, default_missing_value = AUTO)]
    pub virtual_camera: Option<PathBuf>,
    /// Start over the whole screen
    #[arg(long)]
    pub fullscreen: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum OverlayLevel {
    Full,
    Compact,
    Line,
    None,
}

#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Pictures (PNG, JPEG, WebP, TIFF, BMP), clips (GIF, Y4M, others with ffmpeg), folders of pictures, or - for Y4M on
    /// standard input
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Where to write: .png, .jpg, .gif, .y4m, .mp4 (with ffmpeg), a sequence such as out_%04d.png, - for Y4M on standard output, or a folder, into
    /// which each input goes under its own name
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub paint: PaintArgs,
    #[command(flatten)]
    pub look: LookArgs,
    /// Stop after this many frames of each input
    #[arg(long, value_name = "N")]
    pub frames: Option<u64>,
    /// Quality of JPEG files, 1 to 100
    #[arg(long, value_name = "N", default_value_t = JPEG_QUALITY, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// What transparent pixels of an input lie on: white, black, or a colour such as #c0ffee
    #[arg(long, value_name = "COLOUR", default_value = "white")]
    pub ground: Ground,
    /// Pictures that are encoded at the same time [default: as many as there are processors, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub jobs: Option<usize>,
    /// Overwrite what is there without asking, the inputs too
    #[arg(long, conflicts_with = "no_clobber")]
    pub force: bool,
    /// Leave outputs alone that are there already
    #[arg(long)]
    pub no_clobber: bool,
}

/// A colour without alpha: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground(pub [u8; 3]);

impl std::str::FromStr for Ground {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a colour: write white, black, or #RRGGBB");
        match text.to_ascii_lowercase().as_str() {
            "white" => Ok(Self([255; 3])),
            "black" => Ok(Self([0; 3])),
            hex => {
                let digits = hex.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
                let number = u32::from_str_radix(digits.ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
                let [_, red, green, blue] = number.to_be_bytes();
                Ok(Self([red, green, blue]))
            }
        }
    }
}

#[derive(Debug, Args)]
pub struct SheetArgs {
    /// Pictures to paint (PNG, JPEG, WebP); of a clip, its first picture
    #[arg(value_name = "PICTURE", required = true)]
    pub pictures: Vec<PathBuf>,
    /// One sheet of everything: a row for each effect
    #[arg(long, value_name = "FILE.jpg")]
    pub out: Option<PathBuf>,
    /// A sheet for each effect, named after it, in this folder
    #[arg(long, value_name = "FOLDER")]
    pub per_effect: Option<PathBuf>,
    /// Effects by name, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub effects: Vec<String>,
    /// Size of the network, by its id in `impasto effects` [default: what suits the engine]
    #[arg(long, value_name = "ID")]
    pub variant: Option<String>,
    /// What runs the network: auto, wgpu, cpu, ort or ort:PROVIDER
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: EngineWish,
    /// Graphics adapter: part of its name as `impasto doctor` lists it, or fastest, thrifty, discrete, integrated, software
    #[arg(long, value_name = "NAME", default_value = "fastest")]
    pub gpu: GpuChoice,
    /// How much of the painting is shown, 0 to 100 percent
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = percent)]
    pub strength: f32,
    /// Size at which each picture goes through the chain, as from a camera
    #[arg(long, value_name = "WxH", default_value = "1280x720")]
    pub picture: Extent,
    /// Height of a picture on the sheets of single effects, in pixels; half of it on the sheet of all
    #[arg(long, value_name = "PX", default_value_t = 360, value_parser = clap::value_parser!(u32).range(16..=2160))]
    pub tile_height: u32,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure with: demo, camera, camera:N, or the path of a picture or clip
    #[arg(long, value_name = "SOURCE", default_value = "demo", value_parser = SourceSpec::parse)]
    pub source: SourceSpec,
    #[command(flatten)]
    pub paint: PaintArgs,
    #[command(flatten)]
    pub quality: QualityArgs,
    /// Frames that are counted
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: u64,
    /// Frames before those, which are not counted
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub warm_up: u64,
    /// Take frames when they are due, as in life, instead of as fast as they can be painted
    #[arg(long)]
    pub paced: bool,
    /// Size of the demo scene and of the picture that is put together
    #[arg(long, value_name = "WxH", default_value = "640x480")]
    pub picture: Extent,
    /// Write one line per counted frame to this file, for spreadsheets
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Write the counted frames to this file as a trace that ui.perfetto.dev and chrome://tracing open
    #[arg(long, value_name = "FILE.json")]
    pub trace: Option<PathBuf>,
    /// Instead of frames, measure each part of the network beside what the device can do at best: the bandwidth of a copy and
    /// the rate of multiply-adds, taken in the same run; on both of this program's engines, or on the one of --engine
    #[arg(long)]
    pub roofline: bool,
    /// Draw it into this file
    #[arg(long, value_name = "FILE.svg", requires = "roofline")]
    pub plot: Option<PathBuf>,
    /// Measure nothing; say what changed from report A to report B beyond noise. Ends with 0 when nothing got slower, with 3
    /// when something did, with 1 when it cannot be told
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"])]
    pub compare: Option<Vec<PathBuf>>,
    /// Compare runs of different things all the same
    #[arg(long, requires = "compare")]
    pub anyway: bool,
    /// Take smaller changes than this for noise, in percent [default: 3]
    #[arg(long, value_name = "PERCENT", requires = "compare", value_parser = percent)]
    pub threshold: Option<f32>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Effect, by its name in `impasto effects` [default: the first]
    #[arg(value_name = "EFFECT")]
    pub effect: Option<String>,
    /// Size of the network, by its id in `impasto effects` [default: the smallest]
    #[arg(long, value_name = "ID")]
    pub variant: Option<String>,
    /// Size at which the network paints, instead of the variant's own
    #[arg(long, value_name = "WxH")]
    pub size: Option<Extent>,
    /// Size of the camera's picture
    #[arg(long, value_name = "WxH", default_value = "640x480")]
    pub picture: Extent,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub paint: PaintArgs,
    /// Time all engines on all networks again, also those that were timed before
    #[arg(long)]
    pub retime: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// An ONNX network that takes a picture and gives one; or a JPEG or PNG of a painting
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the effect is called by; lower-case letters, digits, - and _ [default: from the file's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What it is called where it is shown [default: from the name]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Range of the numbers that it takes [default: found out by painting]
    #[arg(long, value_name = "RANGE")]
    pub input_range: Option<Range>,
    /// Range of the numbers that it gives [default: found out by painting]
    #[arg(long, value_name = "RANGE")]
    pub output_range: Option<Range>,
    /// Order of its colours [default: found out by painting]
    #[arg(long, value_name = "ORDER")]
    pub channels: Option<Channels>,
    /// Replace an effect of that name
    #[arg(long)]
    pub force: bool,
    /// Look at the network, and write what was found into this folder: done in a process of its own, with limits
    #[arg(long, hide = true, value_name = "FOLDER")]
    pub inspect_into: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct TelemetryArgs {
    /// Send figures to this OpenTelemetry (OTLP/HTTP) address, for example http://localhost:4318
    #[arg(long, value_name = "ADDRESS", conflicts_with = "off")]
    pub on: Option<Endpoint>,
    /// You have read what is sent, and want it
    #[arg(long, requires = "on")]
    pub agree: bool,
    /// Send nothing
    #[arg(long)]
    pub off: bool,
    /// Print one message, as it would be sent
    #[arg(long)]
    pub example: bool,
}

/// 0 to 100 to a share of 0 to 1.
fn percent(text: &str) -> Result<f32, String> {
    percent_within(text, [0, 100])
}

fn percent_within(text: &str, [least, most]: [u16; 2]) -> Result<f32, String> {
    let number = text.trim_end_matches('%').trim().parse::<f32>().ok();
    match number.filter(|n| (f32::from(least)..=f32::from(most)).contains(n)) {
        Some(n) => Ok(n / 100.0),
        None => Err(format!("write a number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_is_explained() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn colours_are_read() {
        assert_eq!("White".parse(), Ok(Ground([255; 3])));
        assert_eq!("#C0ffee".parse(), Ok(Ground([0xc0, 0xff, 0xee])));
        for wrong in ["", "#fff", "c0ffee", "#c0ffeg", "#é0ffe"] {
            assert!(wrong.parse::<Ground>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn percentages_become_shares() {
        assert_eq!(percent("50"), Ok(0.5));
        assert_eq!(percent("100 %"), Ok(1.0));
        for wrong in ["-1", "101", "x", "NaN", ""] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
