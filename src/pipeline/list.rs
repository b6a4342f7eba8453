//! The list of passes, whole and in order: what happens to a frame between the camera's bytes and the window.
//!
//! ```text
//! raw ──ingest──▶ frame ──prepare──▶ image, guide ──paint──▶ painted ──stabilise──▶ steady ──gain──▶ painting, gains
//!                   │                      │                    │                                        │
//!                   │     guide ──pyramid──▶ levels ──search──▶ field ──carry──▶ carried ──stabilise──▶ …   │
//!                   └────────────────────────────────── picture ◀───────────────────────────────────────┘ ──▶ composed
//! ```
//!
//! Which of these lines run is decided by what is wanted of a frame ([`Wanted`]), by pure code: [`passes`]. The back ends
//! execute what it gives, in that order. `impasto plan` prints it.

use super::pass::{
    Pass,
    canvas::SAMPLE_CANVAS,
    carry::CARRY,
    drift::DRIFT_OF_CELLS,
    gain::GAIN,
    ingest::INGEST,
    paint::PAINT,
    picture::PICTURE,
    prepare::PREPARE,
    pyramid::PYRAMID,
    relief::{FLOW_OF_CELLS, TENSOR_OF_CELLS},
    search::SEARCH,
    search::SEARCH_STEP,
    sight, stabilise, stability, upload,
};
use crate::metrics::Stage;

/// One line of the list: a pass, when it runs, and to which stage its time counts.
#[derive(Debug)]
pub struct Line {
    pub pass: &'static Pass,
    pub stage: Stage,
    when: fn(&Wanted) -> bool,
}

const fn line(stage: Stage, pass: &'static Pass, when: fn(&Wanted) -> bool) -> Line {
    Line { pass, stage, when }
}

/// Every pass that there is, in the order in which they run.
pub const LIST: &[Line] = &[
    // What comes from the CPU.
    line(Stage::Upload, &upload::UPLOAD_RAW, Wanted::is_frame),
    line(Stage::Upload, &sight::RECEIVE, Wanted::is_arrival),
    line(Stage::Upload, &upload::UPLOAD_PAINTED, Wanted::brings_painting),
    // The frame's picture, and what the student sees of it.
    line(Stage::Prepare, &INGEST, Wanted::is_frame),
    line(Stage::Prepare, &PREPARE, |w| w.is_frame() && (w.lays() || w.cadenced)),
    // Where motion is looked for; strokes go along with it.
    line(Stage::Prepare, &PYRAMID, |w| {
        w.moves() || (w.cadenced && (w.is_frame() || w.lays() || w.event == Event::Keep))
    }),
    line(Stage::Prepare, &SEARCH_STEP, Wanted::moves),
    line(Stage::Prepare, &DRIFT_OF_CELLS, Wanted::moves),
    // The student, where it paints in place, and the canvas that it may take in.
    line(Stage::Prepare, &SAMPLE_CANVAS, |w| w.canvas && w.paint == Paint::Student),
    line(Stage::Infer, &PAINT, |w| w.paint == Paint::Student),
    // Where there is a cadence: what moved since the frame that was painted last.
    line(Stage::Compose, &SEARCH, |w| w.paint == Paint::Carried),
    line(Stage::Compose, &CARRY, |w| w.paint == Paint::Carried),
    // The painting, steadied, and what brings it to full size.
    line(Stage::Compose, &stabilise::STABILISE, |w| matches!(w.paint, Paint::Student | Paint::Arrived)),
    line(Stage::Compose, &stabilise::STABILISE_CARRIED, |w| w.paint == Paint::Carried),
    line(Stage::Compose, &GAIN, Wanted::lays),
    // Where strokes of the relief go.
    line(Stage::Compose, &TENSOR_OF_CELLS, |w| w.relief && w.lays()),
    line(Stage::Compose, &FLOW_OF_CELLS, |w| w.relief && w.lays()),
    // How steady it is.
    line(Stage::Compose, &stability::COMPARE, |w| w.compared),
    line(Stage::Compose, &stability::GATHER, |w| w.compared),
    // What is remembered of the frame for the ones to come.
    line(Stage::Compose, &sight::REMEMBER, |w| w.cadenced && (w.paint == Paint::Student || w.event == Event::Keep)),
    line(Stage::Compose, &sight::SEND, |w| w.cadenced && w.sent),
    // Onto the window.
    line(Stage::Compose, &PICTURE, |w| w.event == Event::Show),
];

/// Who paints, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nobody: the camera's picture is shown.
    Untouched,
    /// Our own engine, among the other passes.
    InPlace,
    /// A thread that frames are handed to, and which gives back pairs of a frame and its painting.
    RoundTrip,
}

impl Route {
    pub const ALL: [Self; 3] = [Self::Untouched, Self::InPlace, Self::RoundTrip];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "nobody paints",
            Self::InPlace => "painted in place",
            Self::RoundTrip => "painted on a thread",
        }
    }
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame goes through the chain.
    Frame,
    /// The painting of a frame that was shown without it, or with another one carried to it, has come: it is the one to be
    /// carried from now on.
    Arrival,
    /// The shown frame's painting is to be carried from now on.
    Keep,
    /// The newest finished frame is drawn to a target.
    Show,
}

/// What is laid on the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Nothing.
    Nobody,
    /// What the student paints from it, here and now.
    Student,
    /// What was painted from it on another thread.
    Arrived,
    /// The newest painting, carried along by the motion since.
    Carried,
}

/// Everything that decides which passes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub event: Event,
    pub paint: Paint,
    /// Not every frame is painted: motion is looked for.
    pub cadenced: bool,
    /// The frame goes on the round trip afterwards.
    pub sent: bool,
    /// Its painting is compared with that of the frame before.
    pub compared: bool,
    /// The student that paints in place takes a canvas in, now or when it paints next.
    pub canvas: bool,
    /// Strokes and paper are laid on its painting where it is shown.
    pub relief: bool,
}

impl Wanted {
    /// To draw the newest finished frame.
    pub const SHOW: Self = Self {
        event: Event::Show,
        paint: Paint::Nobody,
        cadenced: false,
        sent: false,
        compared: false,
        canvas: false,
        relief: false,
    };

    /// A frame with that laid on it.
    pub const fn frame(paint: Paint) -> Self {
        Self { event: Event::Frame, paint, ..Self::SHOW }
    }

    fn is_frame(&self) -> bool {
        self.event == Event::Frame
    }

    fn is_arrival(&self) -> bool {
        self.event == Event::Arrival
    }

    fn brings_painting(&self) -> bool {
        self.paint == Paint::Arrived || self.is_arrival()
    }

    /// Whether there are strokes that go along with what the frame shows.
    pub fn moves(&self) -> bool {
        self.is_frame() && self.lays() && (self.canvas || self.relief)
    }

    /// Whether anything is laid on the frame.
    pub fn lays(&self) -> bool {
        self.paint != Paint::Nobody
    }

    /// The stage that a pass counts to. A painting that arrives was prepared and painted aside, on the thread's clock: what is
    /// done here counts as laying it on.
    pub fn stage(&self, line: &Line) -> Stage {
        match (self.paint, line.stage) {
            (Paint::Arrived, Stage::Prepare) => Stage::Compose,
            (_, stage) => stage,
        }
    }

    /// Everything that can be wanted on a route.
    pub fn all(route: Route) -> Vec<Self> {
        let frame = Self::frame;
        let keep = Self { event: Event::Keep, cadenced: true, ..Self::SHOW };
        let arrival = |paint| Self { event: Event::Arrival, cadenced: true, paint, ..Self::SHOW };
        let cadenced = |paint| Self { cadenced: true, ..frame(paint) };
        let mut all = match route {
            Route::Untouched => vec![frame(Paint::Nobody)],
            Route::InPlace => vec![frame(Paint::Student), cadenced(Paint::Student), cadenced(Paint::Carried)],
            Route::RoundTrip => vec![
                frame(Paint::Arrived),
                frame(Paint::Nobody),
                cadenced(Paint::Nobody),
                cadenced(Paint::Carried),
                arrival(Paint::Nobody),
                arrival(Paint::Carried),
                keep,
            ],
        };
        if route == Route::RoundTrip {
            let sent = all.iter().filter(|w| w.is_frame() && w.cadenced).map(|w| Self { sent: true, ..*w });
            all.extend(sent.collect::<Vec<_>>());
        }
        if route == Route::InPlace {
            let canvas = all.iter().filter(|w| w.lays()).map(|w| Self { canvas: true, ..*w });
            all.extend(canvas.collect::<Vec<_>>());
        }
        let relief = all.iter().filter(|w| w.lays()).map(|w| Self { relief: true, ..*w });
        all.extend(relief.collect::<Vec<_>>());
        let compared = all.iter().filter(|w| w.is_frame() && w.lays()).map(|w| Self { compared: true, ..*w });
        all.extend(compared.collect::<Vec<_>>());
        all.push(Self::SHOW);
        all
    }
}

/// The passes that are wanted, in order, each with its place in [`LIST`]. Allocates nothing.
pub fn passes(wanted: &Wanted) -> impl Iterator<Item = (usize, &'static Line)> + use<'_> {
    LIST.iter().enumerate().filter(|(_, line)| (line.when)(wanted))
}

/// Whether a pass can be wanted on that route at all: what a pipeline has to make.
pub fn is_possible(index: usize, route: Route) -> bool {
    Wanted::all(route).iter().any(|wanted| (LIST[index].when)(wanted))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::pipeline::pass::OnGpu;
    use crate::pipeline::product::{CANVAS_FIELD, Copies, Memory, PAINTED, Which};

    fn names(wanted: &Wanted) -> Vec<&'static str> {
        passes(wanted).map(|(_, line)| line.pass.name).collect()
    }

    /// What each kind of frame goes through.
    #[test]
    fn the_list_is_what_it_should_be() {
        let frame = Wanted::frame;
        assert_eq!(names(&frame(Paint::Nobody)), ["upload", "ingest"]);
        let painted = ["upload", "ingest", "prepare", "paint", "stabilise", "gain"];
        assert_eq!(names(&frame(Paint::Student)), painted);
        let with_canvas = [
            "upload",
            "ingest",
            "prepare",
            "pyramid",
            "search_step",
            "drift_of_cells",
            "sample_canvas",
            "paint",
            "stabilise",
            "gain",
        ];
        assert_eq!(names(&Wanted { canvas: true, ..frame(Paint::Student) }), with_canvas);
        let with_relief = [
            "prepare",
            "pyramid",
            "search_step",
            "drift_of_cells",
            "paint",
            "stabilise",
            "gain",
            "tensor_of_cells",
            "flow_of_cells",
        ];
        assert_eq!(names(&Wanted { relief: true, ..frame(Paint::Student) })[2..], with_relief);
        let arrived = ["upload", "upload_painted", "ingest", "prepare", "stabilise", "gain", "compare", "gather"];
        assert_eq!(names(&Wanted { compared: true, ..frame(Paint::Arrived) }), arrived);
        let carried =
            ["upload", "ingest", "prepare", "pyramid", "search", "carry", "stabilise_carried", "gain", "send"];
        assert_eq!(names(&Wanted { cadenced: true, sent: true, ..frame(Paint::Carried) }), carried);
        let key = ["upload", "ingest", "prepare", "pyramid", "paint", "stabilise", "gain", "remember"];
        assert_eq!(names(&Wanted { cadenced: true, ..frame(Paint::Student) }), key);
        let arrival = Wanted { event: Event::Arrival, cadenced: true, ..Wanted::SHOW };
        assert_eq!(names(&arrival), ["receive", "upload_painted"]);
        let laid = ["receive", "upload_painted", "pyramid", "search", "carry", "stabilise_carried", "gain"];
        assert_eq!(names(&Wanted { paint: Paint::Carried, ..arrival }), laid);
        assert_eq!(names(&Wanted { event: Event::Keep, cadenced: true, ..Wanted::SHOW }), ["pyramid", "remember"]);
        assert_eq!(names(&Wanted::SHOW), ["picture"]);
    }

    /// What a pass reads was written before it, or lives on from an earlier frame; nothing is written twice; no pass writes the
    /// copy that it reads.
    #[test]
    fn every_list_is_sound() {
        for route in Route::ALL {
            for wanted in Wanted::all(route) {
                let mut written = HashSet::new();
                for (_, line) in passes(&wanted) {
                    for input in line.pass.reads {
                        // What a frame left: its own two copies, what is kept, and in place the student's newest painting.
                        let lives = input.product.copies != Copies::One
                            || input.product.name.starts_with("key_")
                            || *input.product == *PAINTED.info
                            || *input.product == *CANVAS_FIELD.info
                            || wanted.event != Event::Frame;
                        let known = input.which == Which::Before || written.contains(input.product.name) || lives;
                        assert!(known, "{wanted:?}: {} reads {}", line.pass.name, input.product.name);
                        let same = |output: &&crate::pipeline::product::Use| {
                            output.product == input.product && output.which == input.which
                        };
                        assert!(!line.pass.writes.iter().any(|output| same(&output)), "{}", line.pass.name);
                    }
                    for output in line.pass.writes {
                        assert!(written.insert(output.product.name), "{wanted:?}: {} twice", output.product.name);
                        assert_eq!(output.which, Which::Now, "{}", line.pass.name);
                    }
                }
            }
        }
    }

    /// Time stamps are written once for each stage: its passes follow one another without a copy between them.
    #[test]
    fn stages_come_in_order_and_in_one_piece() {
        for wanted in Route::ALL.into_iter().flat_map(Wanted::all) {
            let computes: Vec<Stage> = passes(&wanted)
                .filter(|(_, line)| matches!(line.pass.gpu, OnGpu::Dispatch(_) | OnGpu::Student))
                .map(|(_, line)| wanted.stage(line))
                .collect();
            assert!(computes.is_sorted_by_key(|stage| *stage as usize), "{wanted:?}: {computes:?}");
            let kinds: Vec<bool> =
                passes(&wanted).map(|(_, line)| matches!(line.pass.gpu, OnGpu::Dispatch(_) | OnGpu::Student)).collect();
            let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes <= 2, "{wanted:?}: copies between dispatches");
        }
    }

    #[test]
    fn every_line_is_possible_and_names_are_unique() {
        for (index, line) in LIST.iter().enumerate() {
            assert!(Route::ALL.iter().any(|route| is_possible(index, *route)), "{}", line.pass.name);
        }
        let names: HashSet<_> = LIST.iter().map(|line| line.pass.name).collect();
        assert_eq!(names.len(), LIST.len());
        let products: HashSet<_> = LIST
            .iter()
            .flat_map(|line| line.pass.reads.iter().chain(line.pass.writes))
            .map(|of| (of.product.name, of.product as *const _))
            .collect();
        let by_name: HashSet<_> = products.iter().map(|(name, _)| name).collect();
        // One name is one product; its description may be stored more than once.
        assert!(by_name.len() <= products.len());
    }

    /// What a pass says of its shader is what the shader says: resources by name, and which of them it writes.
    #[test]
    fn passes_read_and_write_what_their_shaders_do() {
        for line in LIST {
            let pass = line.pass;
            let OnGpu::Dispatch(dispatch) = &pass.gpu else { continue };
            for shader in dispatch.shaders {
                let module = naga::front::wgsl::parse_str(&shader.wgsl()).unwrap();
                let mut declared = HashSet::new();
                for (_, variable) in module.global_variables.iter().filter(|(_, v)| v.binding.is_some()) {
                    let name = variable.name.clone().unwrap();
                    let stored = |access: naga::StorageAccess| access.contains(naga::StorageAccess::STORE);
                    let (writes, texture) = match (&variable.space, &module.types[variable.ty].inner) {
                        (naga::AddressSpace::Uniform, _) => {
                            assert_eq!(name, dispatch.layout_name, "{}", shader.name);
                            continue;
                        }
                        (naga::AddressSpace::Storage { access }, _) => (stored(*access), false),
                        (_, naga::TypeInner::Image { class: naga::ImageClass::Storage { access, .. }, .. }) => {
                            (stored(*access), true)
                        }
                        (_, naga::TypeInner::Image { .. }) => (false, true),
                        other => panic!("{}: {name} is {other:?}", shader.name),
                    };
                    let uses = if writes { pass.writes } else { pass.reads };
                    let of = uses.iter().find(|of| of.name == name);
                    let of = of.unwrap_or_else(|| panic!("{}: '{name}' is not in the pass", shader.name));
                    assert_eq!(
                        matches!(of.product.memory, Memory::Texture | Memory::HalfTexture),
                        texture,
                        "{}: {name}",
                        shader.name
                    );
                    declared.insert(name);
                }
                for of in pass.reads.iter().chain(pass.writes) {
                    assert!(declared.contains(of.name), "{}: the shader has no '{}'", shader.name, of.name);
                }
            }
        }
    }
}
