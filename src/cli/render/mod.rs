//! `impasto render IN... OUT`: every picture once, in order, into files.
//!
//! Decoding ([`reading`]), painting (here) and encoding ([`writing`]) go on side by side. What is to be written where is
//! decided first ([`plan`]).

mod plan;
mod progress;
mod reading;
mod writing;

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::painter::{Painter, look_of};
use super::{CliError, Common, Incomplete, RenderArgs, describe};
use crate::clock::Clock;
use crate::effect::{Touch, models_dirs};
use crate::fault::Fault;
use crate::frame::CameraFrame;
use crate::gpu::Gpu;
use crate::output::{Encoder, Finished, Options, OutputError, Writer};
use crate::runtime::{Catalog, EffectRequest, PipelineFactory};
use crate::signals;
use crate::source::{SourceInfo, Stop};
use crate::terminal::counted;
use plan::{Job, Output};
use progress::Progress;
use reading::{Event, Input, Manner};
use writing::Writing;

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// How often to look for a signal while no picture comes.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Encoders, unless told otherwise: the network wants the processor too.
const MOST_JOBS: usize = 4;

/// Paints all inputs.
///
/// # Errors
/// When an input or an output fails; as [`Incomplete`] when all that is missing was missing in the inputs.
pub fn run(args: &RenderArgs, common: &Common) -> Result<(), CliError> {
    let jobs = plan::plan(args)?;
    if jobs.is_empty() {
        return Ok(());
    }
    let mut rendering = Rendering::new(args, common, jobs)?;
    let result = rendering.paint_all();
    rendering.progress.end();
    result
}

/// An input on its way to its output.
struct Current {
    info: SourceInfo,
    /// Once there is a picture.
    encoder: Option<Arc<Encoder>>,
    pictures: u64,
}

struct Rendering<'a> {
    args: &'a RenderArgs,
    jobs: Vec<Job>,
    /// One for each input.
    stops: Vec<Stop>,
    painter: Painter,
    writing: Option<Writing>,
    progress: Progress,
    /// What was not there to be painted, or could not be: for each input that has it.
    lacking: Vec<bool>,
    failed: Vec<Option<CliError>>,
}

impl<'a> Rendering<'a> {
    fn new(args: &'a RenderArgs, common: &Common, jobs: Vec<Job>) -> Result<Self, CliError> {
        let factory = PipelineFactory {
            gpu: Gpu::headless_as(&args.paint.gpu(None, None))?,
            catalog: Catalog::new(models_dirs(common.models.as_deref())),
            format: FORMAT,
            chain: args.paint.chain.unwrap_or_default(),
            waker: Arc::new(|| {}),
            clock: Clock::default(),
        };
        let request = EffectRequest {
            effect: args.paint.effect.clone(),
            blend: args.paint.blend.clone(),
            variant: args.paint.variant.clone(),
            engine: args.paint.engine.unwrap_or_default(),
            size: args.paint.size,
            rung: None,
            touch: args.paint.touch(Touch::default()).on_canvas(),
        };
        let encoders =
            args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from).min(MOST_JOBS));
        Ok(Self {
            args,
            stops: jobs.iter().map(|_| Stop::default()).collect(),
            painter: Painter::new(factory, request, look_of(&args.look, args.paint.touch(Touch::default()))),
            writing: Some(Writing::start(encoders)?),
            progress: Progress::new(jobs.len()),
            lacking: vec![false; jobs.len()],
            failed: jobs.iter().map(|_| None).collect(),
            jobs,
        })
    }

    fn paint_all(&mut self) -> Result<(), CliError> {
        let stops = self.stops.clone();
        signals::listen(move || stops.iter().for_each(Stop::set));
        let inputs = self.jobs.iter().zip(&self.stops);
        let inputs = inputs.map(|(job, stop)| Input { spec: job.input.clone(), stop: stop.clone() }).collect();
        let manner = Manner { limit: self.args.frames.unwrap_or(u64::MAX), ground: self.args.ground.0 };
        let events = reading::start(inputs, manner)?;
        let mut index = 0;
        let mut current: Option<Current> = None;
        while index < self.jobs.len() {
            let event = match events.recv_timeout(LOOK_EVERY) {
                _ if signals::received().is_some() => return self.stopped(current.as_ref()),
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Err("the reader ended before its inputs".into()),
            };
            match event {
                Event::Begin(info) => {
                    self.painter.begin();
                    self.progress.begin(&info, self.args.frames);
                    current = Some(Current { info: *info, encoder: None, pictures: 0 });
                }
                Event::Picture { frame, shown_for, more } => {
                    // Pictures that were read before it was known that they are not wanted.
                    let wanted = self.failed[index].is_none() && !self.stops[index].is_set();
                    let Some(current) = current.as_mut().filter(|_| wanted) else { continue };
                    if let Err(error) = self.picture(index, current, frame, shown_for, more) {
                        self.fail(index, error);
                    }
                }
                Event::Trouble(fault) => {
                    self.progress.say(fault);
                    self.lacking[index] = true;
                }
                Event::End(ended) => {
                    self.end(index, current.take(), ended);
                    index += 1;
                }
            }
        }
        self.finish()
    }

    /// Paints a picture and hands it on.
    fn picture(
        &mut self,
        index: usize,
        current: &mut Current,
        frame: CameraFrame,
        shown_for: Duration,
        more: bool,
    ) -> Result<(), CliError> {
        let job = &self.jobs[index];
        if more && !job.output.is_clip() {
            // Said before anything is painted.
            let Output::File(path, _) = &job.output else { return Ok(()) };
            return Err(OutputError::OnePicture { path: path.clone() }.into());
        }
        let options = self.options(current, &frame);
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let encoder = match &current.encoder {
            Some(encoder) => encoder.clone(),
            None => {
                let writer = open(job, &options)?;
                let encoder = Arc::new(writer.encoder().clone());
                current.encoder = Some(encoder.clone());
                writing.open(index, writer, self.stops[index].clone());
                encoder
            }
        };
        let painted = self.painter.paint(frame)?;
        writing.picture(index, current.pictures, encoder, painted, shown_for);
        current.pictures += 1;
        self.progress.advance();
        Ok(())
    }

    fn options(&self, current: &Current, first: &CameraFrame) -> Options {
        let shape = first.shape();
        Options {
            extent: shape.extent,
            rate: current.info.timeline.and_then(|timeline| timeline.rate),
            interval: current.info.interval,
            range: shape.color.range,
            quality: self.args.quality,
        }
    }

    fn fail(&mut self, index: usize, error: CliError) {
        self.stops[index].set();
        // The only one's is the command's own.
        if self.jobs.len() > 1 {
            self.progress.say(describe(error.as_ref()));
        }
        self.failed[index] = Some(error);
    }

    /// An input is over. What was painted of one that broke off is kept.
    fn end(&mut self, index: usize, current: Option<Current>, ended: Result<(), Fault>) {
        let painted = current.as_ref().map_or(0, |current| current.pictures);
        match ended {
            Err(fault) if painted == 0 && self.failed[index].is_none() => self.fail(index, fault.into()),
            Err(fault) => {
                self.progress.say(format_args!("{fault}; {} before that", counted(painted, "picture")));
                self.lacking[index] = true;
            }
            Ok(()) if painted == 0 && self.failed[index].is_none() && !self.stops[index].is_set() => {
                let nothing = format!("{} holds no picture", self.jobs[index].input);
                self.fail(index, Fault::failed(nothing, "Choose another file").into());
            }
            Ok(()) => {}
        }
        if self.failed[index].is_none()
            && let Some(writing) = &mut self.writing
        {
            writing.close(index);
        }
    }

    /// Waits for what is still being written, and sums up.
    fn finish(&mut self) -> Result<(), CliError> {
        let outcomes = self.writing.take().map(Writing::finish).unwrap_or_default();
        let mut painted = 0;
        for (index, outcome) in outcomes {
            match outcome {
                Ok(finished) => {
                    painted += finished.pictures;
                    self.tell(index, &finished);
                }
                // Whoever read it has seen enough.
                Err(error) if error.is_closed_pipe() => {}
                Err(error) => self.fail(index, error.into()),
            }
        }
        self.progress.end();
        let failures = self.failed.iter().filter(|failed| failed.is_some()).count();
        if let (1, 1) = (failures, self.jobs.len()) {
            return Err(self.failed[0].take().unwrap_or_else(|| "it could not be painted".into()));
        }
        if failures > 0 {
            return Err(
                format!("{failures} of {} could not be painted", counted(self.jobs.len() as u64, "input")).into()
            );
        }
        match self.lacking.iter().filter(|lacking| **lacking).count() {
            0 => Ok(()),
            n => {
                let (pictures, inputs) = (counted(painted, "picture"), self.jobs.len());
                let of = if inputs == 1 { String::new() } else { format!("; {n} of {inputs} inputs are not whole") };
                Err(Incomplete(format!("painted what there is, {pictures}{of}")).into())
            }
        }
    }

    /// What is not as one would expect of an output.
    fn tell(&self, index: usize, finished: &Finished) {
        let output = &self.jobs[index].output;
        if let Some(rate) = finished.mean_rate {
            let fps = (rate.fps() * 100.0).round() / 100.0;
            self.progress.say(format_args!(
                "{output}: the pictures are shown for times of their own, and Y4M has one rate for all: {fps} a second, their mean"
            ));
        }
        if finished.left_out > 0 {
            self.progress.say(format_args!(
                "{output}: a GIF shows fifty pictures a second at most, so {} of {} were left out",
                finished.left_out, finished.pictures
            ));
        }
    }

    /// A signal ends it: what is complete stays, what is half written goes.
    fn stopped(&mut self, current: Option<&Current>) -> Result<(), CliError> {
        let pictures = current.map_or(0, |current| current.pictures);
        drop(self.writing.take());
        self.progress.end();
        self.progress
            .say(format_args!("stopped after {}; nothing half-painted was kept", counted(pictures, "picture")));
        Ok(())
    }
}

/// A writer for a job's output. A folder that was named for many is made now, when there is something to go into it.
fn open(job: &Job, options: &Options) -> Result<Writer, CliError> {
    if let Some(folder) = &job.folder {
        std::fs::create_dir_all(folder)
            .map_err(|e| Fault::failed(format!("{} cannot be made: {e}", folder.display()), "Choose another folder"))?;
    }
    Ok(match &job.output {
        Output::File(path, _) => Writer::new(path, options)?,
        Output::Stdout => Writer::stdout(options),
    })
}
