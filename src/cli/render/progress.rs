//! How far it is: a bar where somebody watches, a line now and then where not.

use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::source::SourceInfo;
use crate::terminal::{self, counted};

/// Between two lines where nobody watches.
const TELL_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Progress {
    /// `None` where nobody watches.
    bar: Option<ProgressBar>,
    jobs: usize,
    begun: usize,
    pictures: u64,
    told: Instant,
    since: Instant,
}

impl Progress {
    /// For so many inputs.
    pub fn new(jobs: usize) -> Self {
        let now = Instant::now();
        let bar = terminal::is_watched().then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        Self { bar, jobs, begun: 0, pictures: 0, told: now, since: now }
    }

    /// The next input is open.
    pub fn begin(&mut self, info: &SourceInfo, limit: Option<u64>) {
        self.begun += 1;
        self.pictures = 0;
        self.since = Instant::now();
        let Some(bar) = &self.bar else { return };
        let pictures = info.timeline.and_then(|timeline| timeline.pictures);
        let total = [pictures, limit].into_iter().flatten().min();
        let template = match total {
            Some(_) => "{prefix}{wide_bar} {pos} of {len}, {per_sec}, {eta} left",
            None => "{prefix}{spinner} {pos}, {per_sec}, {elapsed}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.reset();
        bar.set_style(style);
        bar.set_prefix(match self.jobs {
            0 | 1 => String::new(),
            jobs => format!("{} of {jobs}, {}  ", self.begun, info.name),
        });
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(0);
    }

    /// One more picture is painted.
    pub fn advance(&mut self) {
        self.pictures += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.pictures > 1 && self.told.elapsed() > TELL_EVERY => {
                self.told = Instant::now();
                let speed = self.pictures as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
                terminal::say(format_args!("{}, {speed:.1} a second", counted(self.pictures, "picture")));
            }
            None => {}
        }
    }

    /// A line for the user, above the bar.
    pub fn say(&self, line: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::say(line)),
            None => terminal::say(line),
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
