//! What the user is told on screen and in the log: each message once, those of a part until that part works again.

use std::time::Instant;

use crate::fault::{Fault, FaultBoard, Severity};

/// The part that reported a fault, and takes it back by working again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Source,
    Runtime,
    /// The graphics device itself.
    Gpu,
}

/// What a notice is about where a newer one takes its place: of a choice only the last state is worth reading.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Engine,
    Keep,
}

/// The messages on screen, and whose they are.
#[derive(Default)]
pub(super) struct Notices {
    board: FaultBoard,
    origins: Vec<(Origin, Fault)>,
    /// The newest notice of each topic.
    topics: Vec<(Topic, Fault)>,
}

impl Notices {
    /// Something that `origin` will take back, see [`Self::recovered`].
    pub fn report(&mut self, origin: Origin, fault: Fault, now: Instant) {
        if !self.origins.iter().any(|(o, f)| *o == origin && *f == fault) {
            self.origins.push((origin, fault.clone()));
        }
        self.tell(fault, now);
    }

    /// Something that nobody takes back: a notice goes by itself, the rest with [`Self::clear`].
    pub fn tell(&mut self, fault: Fault, now: Instant) {
        let text = fault.to_string();
        let level = match fault.severity {
            Severity::Notice => log::Level::Info,
            Severity::Degraded | Severity::Failed => log::Level::Warn,
        };
        if self.board.report(fault, now) {
            log::log!(level, "{text}");
        }
    }

    /// What `origin` reported is over. Notices stay for as long as they would have.
    pub fn recovered(&mut self, origin: Origin) {
        let origins = std::mem::take(&mut self.origins);
        let (over, rest): (Vec<_>, Vec<_>) = origins.into_iter().partition(|(o, _)| *o == origin);
        self.board.clear(|fault| fault.severity != Severity::Notice && over.iter().any(|(_, f)| f == fault));
        self.origins = rest;
    }

    /// A notice in place of the last one of that topic.
    pub fn tell_of(&mut self, topic: Topic, notice: Fault, now: Instant) {
        if let Some(place) = self.topics.iter().position(|(of, _)| *of == topic) {
            let (_, old) = self.topics.swap_remove(place);
            self.board.clear(|fault| *fault == old);
        }
        self.topics.push((topic, notice.clone()));
        self.tell(notice, now);
    }

    /// The worst first, with how often each was reported.
    pub fn current(&mut self, now: Instant) -> Vec<(Fault, u32)> {
        self.board.current(now).map(|(f, n)| (f.clone(), n)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_works_again_takes_back_its_own_faults_only() {
        let mut notices = Notices::default();
        let now = Instant::now();
        let (camera, network) = (Fault::failed("The camera is gone", ""), Fault::degraded("No network", ""));
        notices.report(Origin::Source, camera.clone(), now);
        notices.report(Origin::Runtime, network.clone(), now);
        notices.report(Origin::Runtime, Fault::notice("Smaller now", ""), now);
        notices.tell(Fault::failed("Not saved", ""), now);
        notices.recovered(Origin::Source);
        let said = |notices: &mut Notices| notices.current(now).into_iter().map(|(f, _)| f.what).collect::<Vec<_>>();
        assert_eq!(said(&mut notices), ["Not saved", "No network", "Smaller now"]);
        notices.recovered(Origin::Runtime);
        assert_eq!(said(&mut notices), ["Not saved", "Smaller now"]);
        notices.tell_of(Topic::Keep, Fault::notice("Keep: quality", ""), now);
        notices.tell_of(Topic::Engine, Fault::notice("Engine: cpu", ""), now);
        notices.tell_of(Topic::Keep, Fault::notice("Keep: smooth", ""), now);
        assert_eq!(said(&mut notices)[1..], ["Smaller now", "Engine: cpu", "Keep: smooth"]);
    }
}
