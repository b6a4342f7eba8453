//! `impasto sheet PICTURE...`: contact sheets, for judging effects by eye. Every effect paints every picture through the
//! real chain, at a camera's size, and the results stand side by side with their names.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbaImage;

use super::painter::{frame_of, paint, rgb_of};
use super::{CliError, Common, SheetArgs};
use crate::clock::Clock;
use crate::effect::{Effect, models_dirs};
use crate::fault::Fault;
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::gpu::Gpu;
use crate::metrics::Subject as Painter;
use crate::output::{self, Tile};
use crate::pipeline::{ChainWish, Look};
use crate::runtime::{BuiltPipeline, Catalog, EffectRequest, PipelineFactory};
use crate::source::{Pacing, SourceSpec, SourceWish};
use crate::terminal::{counted, say};
use crate::ui::Words;
use crate::units::{Extent, FrameId};

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// Height of letters, as a share of a tile's.
const LETTERS: f32 = 0.05;
const SMALLEST_LETTERS_PX: f32 = 11.0;
/// Width of a sheet for one effect, in tiles of 16:9.
const TILES_ABREAST: f32 = 4.0;
/// Tiles of the sheet of all effects are so much smaller than those of a sheet for one.
const OVERVIEW: u32 = 2;

/// A picture to be painted.
struct Subject {
    name: String,
    /// As a camera would deliver it.
    frame: RgbaImage,
    /// Where the picture itself lies in the frame: left, top, width, height.
    inside: [u32; 4],
}

/// Runs the command.
pub fn run(args: &SheetArgs, common: &Common) -> Result<(), CliError> {
    if args.out.is_none() && args.per_effect.is_none() {
        return Err(Fault::failed(
            "No place was named for the sheets",
            "Add --out FILE.jpg for one sheet of all effects, or --per-effect FOLDER for one of each",
        )
        .into());
    }
    let began = Instant::now();
    let subjects = args.pictures.iter().map(|path| open(path, args.picture)).collect::<Result<Vec<_>, _>>()?;
    let factory = PipelineFactory {
        gpu: Gpu::headless_as(&args.gpu)?,
        catalog: Catalog::new(models_dirs(common.models.as_deref())),
        format: FORMAT,
        chain: ChainWish::Auto,
        waker: Arc::new(|| {}),
        clock: Clock::default(),
    };
    let found = factory.catalog.found();
    found.faults.iter().for_each(say);
    let effects = wished(args, &found.gallery)?;
    if let Some(folder) = &args.per_effect {
        std::fs::create_dir_all(folder)
            .map_err(|e| Fault::failed(format!("{} cannot be made: {e}", folder.display()), "Choose another folder"))?;
    }

    let mut sheets = Sheets { words: Words::default(), height: args.tile_height, overview: Vec::new(), args };
    let untouched = subjects.iter().map(|s| cut(&s.frame, s.inside)).collect();
    sheets.add("untouched", "Untouched", "Untouched", &subjects, untouched)?;
    let mut chain = Chain::default();
    for effect in &effects {
        let (painted, subject) = chain.paint_all(&factory, effect, args, &subjects)?;
        let caption =
            format!("{}  ({}, {} {}x{})", effect.title, effect.name, subject.variant, subject.width, subject.height);
        sheets.add(&effect.name, &effect.title, &caption, &subjects, painted)?;
        let pictures = counted(subjects.len() as u64, "picture");
        say(format_args!("{}: {pictures}, {:.1} s", effect.name, began.elapsed().as_secs_f32()));
    }
    sheets.finish(&subjects)
}

/// Reads a picture, or the first of a clip, and makes a camera's frame of it.
fn open(path: &Path, extent: Extent) -> Result<Subject, CliError> {
    let request = SourceWish { max_extent: None, looping: false, pacing: Pacing::Offline, ..SourceWish::default() };
    let mut source = crate::source::open(&SourceSpec::File(path.to_owned()), &request).map_err(|e| e.fault())?;
    let frame = source.next(&FramePool::default()).map_err(|e| e.fault())?;
    let picture = image::DynamicImage::from(rgb_of(frame)?).into_rgba8();
    let (frame, inside) = output::framed(&picture, extent.width, extent.height);
    let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Subject { name, frame, inside })
}

/// The effects that were named, in that order; all when none or `all` is.
fn wished(args: &SheetArgs, gallery: &crate::effect::Gallery) -> Result<Vec<Effect>, CliError> {
    if args.effects.is_empty() || args.effects.iter().any(|e| e.eq_ignore_ascii_case("all")) {
        if gallery.is_empty() {
            return Err(Fault::failed("No effects were found", "Name their folder with --models FOLDER").into());
        }
        return Ok(gallery.effects().to_vec());
    }
    Ok(args.effects.iter().map(|name| gallery.find(name)).collect::<Result<_, _>>()?)
}

/// The pipeline that paints one effect after the other.
#[derive(Default)]
struct Chain {
    built: Option<BuiltPipeline>,
    /// Through the present pipeline and those before it: a frame's number tells it from all others.
    frames: u64,
}

impl Chain {
    /// All pictures in one effect, by the pipeline of the one before where it has the same network.
    fn paint_all(
        &mut self,
        factory: &PipelineFactory,
        effect: &Effect,
        args: &SheetArgs,
        subjects: &[Subject],
    ) -> Result<(Vec<RgbaImage>, Painter), CliError> {
        let request = EffectRequest {
            effect: Some(effect.name.clone()),
            variant: args.variant.clone(),
            engine: args.engine,
            ..EffectRequest::default()
        };
        let shape = FrameShape::packed(PixelFormat::Rgba8, args.picture);
        let restyled = self.built.as_mut().and_then(|built| {
            let of = built.restylable.as_ref()?;
            built.subject = factory.restyle(&request, shape, of)?;
            of.switch();
            factory.settle(&request, shape, of);
            Some(())
        });
        if restyled.is_none() {
            let new = factory.build(&request, shape)?;
            new.notices.iter().for_each(say);
            self.built = Some(new);
        }
        let built = self.built.as_mut().ok_or("no pipeline was made")?;
        // Each picture stands for itself: nothing of the one before may show through.
        let look = Look { strength: args.strength, blend: 0.0, ..Look::default() };
        built.pipeline.set_blend(0.0);
        let mut painted = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let id = FrameId(self.frames);
            self.frames += 1;
            let frame = frame_of(subject.frame.clone(), id)?;
            built.pipeline.start_afresh();
            let picture = paint(&mut built.pipeline, frame, shape.extent, &look)?;
            painted.push(cut(&picture, subject.inside));
        }
        Ok((painted, built.subject.clone()))
    }
}

fn cut(picture: &RgbaImage, [left, top, width, height]: [u32; 4]) -> RgbaImage {
    image::imageops::crop_imm(picture, left, top, width, height).to_image()
}

/// The sheets as they come to be.
struct Sheets<'a> {
    words: Words,
    height: u32,
    /// For the sheet of all effects: one row each, with its title.
    overview: Vec<(String, Vec<RgbaImage>)>,
    args: &'a SheetArgs,
}

impl Sheets<'_> {
    fn letters(height: u32) -> f32 {
        (height as f32 * LETTERS).max(SMALLEST_LETTERS_PX)
    }

    /// One effect is done: its own sheet is written, and its row kept for the one of all.
    fn add(
        &mut self,
        name: &str,
        title: &str,
        caption: &str,
        subjects: &[Subject],
        pictures: Vec<RgbaImage>,
    ) -> Result<(), CliError> {
        if let Some(folder) = &self.args.per_effect {
            let letters = Self::letters(self.height);
            let names = subjects.iter().map(|s| s.name.as_str());
            let tiles: Vec<Tile> = names
                .zip(&pictures)
                .map(|(name, picture)| Tile { picture: picture.clone(), words: self.words.line(name, letters) })
                .collect();
            let title = self.words.line(caption, letters * 1.6);
            let abreast = (self.height as f32 * 16.0 / 9.0 * TILES_ABREAST) as u32;
            let sheet = output::compose(&title, &tiles, self.height, abreast);
            save(&folder.join(format!("{name}.jpg")), sheet)?;
        }
        if self.args.out.is_some() {
            let height = (self.height / OVERVIEW).max(16);
            let small = pictures.iter().map(|p| output::at_height(p, height)).collect();
            self.overview.push((title.to_owned(), small));
        }
        Ok(())
    }

    /// Writes the sheet of all effects: a row for each, the untouched pictures first.
    fn finish(mut self, subjects: &[Subject]) -> Result<(), CliError> {
        let Some(path) = &self.args.out else { return Ok(()) };
        let height = (self.height / OVERVIEW).max(16);
        let letters = Self::letters(height);
        let mut tiles = Vec::new();
        let mut widest = 0;
        for (caption, pictures) in &self.overview {
            // Gaps are added by the sheet; a row ends where the next one's first picture no longer fits.
            widest = widest.max(pictures.iter().map(|p| p.width() + output::SHEET_GAP).sum::<u32>());
            for (index, picture) in pictures.iter().enumerate() {
                let words = match (index, subjects.get(index)) {
                    (0, _) => caption.as_str(),
                    (_, Some(subject)) => subject.name.as_str(),
                    _ => "",
                };
                tiles.push(Tile { picture: picture.clone(), words: self.words.line(words, letters) });
            }
        }
        let sheet = output::compose(&image::GrayImage::new(0, 0), &tiles, height, widest + output::SHEET_GAP);
        save(path, sheet)
    }
}

fn save(path: &Path, sheet: RgbaImage) -> Result<(), CliError> {
    let extent = Extent::new(sheet.width(), sheet.height());
    let mut writer = output::Writer::new(path, &output::Options::still(extent))?;
    writer.write(sheet, Duration::ZERO)?;
    writer.finish()?;
    say(path.display());
    Ok(())
}
