//! The list of passes as it is printed: what runs for each kind of frame on each route, and what it moves. Pure.

use super::list::{Event, Paint, Route, Wanted, passes};
use super::pass::OnGpu;
use super::product::{Sizes, Use, Which};

/// The passes of one kind of frame.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Listing {
    /// Who paints.
    pub route: &'static str,
    /// What it is that goes through these passes, for people.
    pub of: String,
    pub passes: Vec<PassListing>,
}

/// One pass of a [`Listing`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PassListing {
    pub name: &'static str,
    /// To which stage its time counts.
    pub stage: &'static str,
    pub reads: Vec<String>,
    pub writes: Vec<String>,
    /// On the GPU; those of a student that paints in place are not among them.
    pub dispatches: usize,
    /// Bytes of what is read and written on the GPU, each once; the target not counted.
    pub bytes: u64,
}

/// Everything that can run on a route; what is only measured now and then is left out.
pub fn listings(route: Route, sizes: &Sizes) -> Vec<Listing> {
    let takes_canvas = |wanted: &Wanted| route == Route::InPlace && wanted.lays() && sizes.canvas_channels > 0;
    let kinds =
        Wanted::all(route).into_iter().filter(|w| !w.compared && w.canvas == takes_canvas(w) && w.relief == w.lays());
    kinds.map(|wanted| listing(route, &wanted, sizes)).collect()
}

fn listing(route: Route, wanted: &Wanted, sizes: &Sizes) -> Listing {
    let entry = |of: &Use| match of.which {
        Which::Now => of.product.name.to_owned(),
        Which::Before => format!("{} before", of.product.name),
    };
    let passes = passes(wanted).map(|(_, line)| {
        let pass = line.pass;
        let used = || pass.reads.iter().chain(pass.writes);
        PassListing {
            name: pass.name,
            stage: wanted.stage(line).name(),
            reads: pass.reads.iter().map(entry).collect(),
            writes: pass.writes.iter().map(entry).collect(),
            dispatches: if let OnGpu::Dispatch(dispatch) = &pass.gpu { dispatch.count } else { 0 },
            bytes: used().map(|of| of.product.bytes(sizes)).sum(),
        }
    });
    Listing { route: route.name(), of: what(wanted), passes: passes.collect() }
}

fn what(wanted: &Wanted) -> String {
    let of = match (wanted.event, wanted.paint) {
        (Event::Show, _) => "the newest frame, drawn",
        (Event::Keep, _) => "the painting that is shown, to be carried from now on",
        (Event::Arrival, Paint::Nobody) => "a painting that comes late, to be carried from now on",
        (Event::Arrival, _) => "a painting that comes late, laid on the frame that is shown",
        (Event::Frame, Paint::Nobody) => "a frame without a painting",
        (Event::Frame, Paint::Student) => "a frame that is painted",
        (Event::Frame, Paint::Arrived) => "a frame with its painting",
        (Event::Frame, Paint::Carried) => "a frame with a painting carried to it",
    };
    let mut text = of.to_owned();
    if wanted.event == Event::Frame && wanted.cadenced {
        text.push_str(", not every frame being painted");
    }
    if wanted.sent {
        text.push_str(", and handed to the painter");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameShape, PixelFormat};
    use crate::units::Extent;

    #[test]
    fn bytes_are_those_of_what_is_read_and_written() {
        let shape = FrameShape::packed(PixelFormat::Rgb8, Extent::new(640, 480));
        let sizes = Sizes::new(shape, Some(Extent::new(272, 208)), 0);
        let all = listings(Route::InPlace, &sizes);
        let painted = all.iter().find(|l| l.of == "a frame that is painted").unwrap();
        let of = |name: &str| painted.passes.iter().find(|p| p.name == name).unwrap();
        let (frame, student) = (640 * 480, 272 * 208);
        assert_eq!(of("ingest").bytes, frame * 3 + frame * 4);
        assert_eq!(of("prepare").bytes, frame * 4 + student * (16 + 4));
        assert_eq!(of("stabilise").reads, ["painted", "image", "guide", "guide before", "steady before"]);
        assert_eq!(of("gain").stage, "compose");
        // Four, and with a relief two that find its strokes and five that take them along.
        assert_eq!(painted.passes.iter().map(|p| p.dispatches).sum::<usize>(), 11);
    }
}
