//! Impasto repaints a live webcam picture with a neural network, and shows what every frame cost.
//!
//! # The way of a frame
//!
//! ```text
//!  source ──CameraFrame──▶ pipeline: upload ▶ ingest ▶ prepare ▶ student ▶ compose ▶ present ──▶ window, file
//!    │                        ▲   │                                ▲  │
//!    │ newest wins            │   │ spans                          │  └ in place: nn::gpu, in the same command buffer
//!  mailbox                runtime  └──▶ metrics ──▶ ui              └ round trip: roundtrip ▶ nn::ort, on a thread
//! ```
//!
//! A [`source`] delivers raw bytes with the identity and the capture time of their frame ([`frame`], [`units`]). A
//! [`mailbox`] with one slot hands the newest to the [`pipeline`], whose list of passes shows the whole chain in order. The
//! student is an ONNX file of an [`effect`] pack; [`nn`] reads it into a graph, folds the chosen style into its weights, and
//! runs it either in place, between the passes of the frame (on the GPU, or on the processor), or through ONNX Runtime on a
//! thread of its own ([`roundtrip`]). Two back ends run the same list of passes: the GPU records it into one command buffer;
//! where there is no real GPU a thread of the processor runs the [`kernels`], composes the picture at the window's size, and
//! the adapter only shows it. [`foreign`] brings networks of other makers under the program's contract. [`runtime`] is the loop that the window ([`app`]), `render` and `bench` ([`cli`]) share: it feeds frames,
//! collects the spans of every stage into [`metrics`], and swaps in a pipeline that was built aside when the effect, the
//! engine or the source changes. [`ui`] turns figures and [`fault`]s into an overlay, and clicks into actions.
//!
//! [`quality`] looks at the figures and at the machine's sensors ([`system`]) and decides which rung of its ladder is painted
//! on; [`runtime`] carries that out. [`autotune`] times engines and networks aside, once for each machine. [`inject`] makes
//! faults on purpose. [`watch`] names the thread that hangs. Whatever decides by time is given `now`, or a [`clock`] where it
//! runs on a thread of its own. [`export`] writes figures to files, reports what broke down, and sends figures where the user
//! asked for it; [`settings`] remembers what was chosen.
//!
//! # Dependencies point one way
//!
//! ```text
//! terminal, signals, clock, settle, watch, folders, ffmpeg, units, pool, wide ◀ frame, mailbox, metrics, fault, system, picture, canvas
//!   ◀ quality | source | gpu | effect | output | nn (graph, plan, import, adapt, onnx, fold, style, export)
//!   ◀ kernels ◀ roundtrip ◀ nn (engines) ◀ autotune | pipeline | inject | foreign ◀ runtime | ui | export ◀ settings ◀ cli ◀ app ◀ main
//! ```
//!
//! Nothing uses what stands to its right; modules with a bar between them do not use each other (`tests/architecture.rs`).
//!
//! Each of the large packages is named in one place: `nokhwa` in `source/camera/nokhwa.rs`, `v4l` in `source/camera/v4l2` and `output/virtual_camera.rs`,
//! `ort` in `nn/ort.rs`, `winit` in [`app`], `egui` in [`ui`] and in the part of [`app`] that draws it.
//!
//! # What holds everywhere
//!
//! - **The picture never stops.** The event loop and the frame path never wait for a network, a camera or a file. What
//!   fails is replaced by the newest good picture, in the end the camera's own, and said on screen with a remedy.
//! - **Newest frame wins.** One frame in work and one waiting; the rest is dropped and counted.
//! - **A painting belongs to its frame.** It is composed onto the very picture that it was made from; at a cadence below
//!   every frame it is first carried along by the motion since.
//! - **No pixel comes back** from the GPU on the way to the screen. Stills and `render` read back, and say so.
//! - **Steady state makes nothing new.** Buffers go round; pipelines are made aside and swapped in whole. What wgpu itself
//!   allocates for a command buffer is outside our reach.
//! - **Every number was measured.** What was not measured is a dash.
//! - **Every moment of a frame counts once.** CPU and GPU stand on one time line, and the rows add up to the total.
//! - **A shader is defined by its CPU kernel.** Each compute shader under `shaders/` has a plain function of the same name in
//!   [`kernels`], and a test that compares the two.
//! - **Library code does not panic and does not exit.** Errors become a [`fault::Fault`] once, where they are handled.
//!
//! # Words
//!
//! | word | means |
//! |---|---|
//! | effect | a way of painting that the user picks by name |
//! | pack | a folder with networks and the effects that they paint |
//! | variant | one size class of a pack's networks: `s`, `m`, `l` |
//! | student | the network that paints, at its own size; what it gives is the *painting* |
//! | frame | a picture from the source, with its [`units::FrameStamp`] |
//! | pass | one step of the list: what it reads, what it writes, its shader, its kernel |
//! | product | what a pass writes, typed; it knows which frame it belongs to |
//! | chain | the back end that runs the list: GPU or CPU |
//! | engine | what runs the student: our own on the GPU, our own on the processor, ONNX Runtime |
//! | canvas | fixed noise at stroke scales that tells a student where strokes lie |
//! | relief | ridges of paint, grain of paper, laid on the painting at the window's size |
//! | drift | how far strokes have gone along with what moves |
//! | rung | one step of the governor's ladder: network, size, cadence |
//! | cadence | the student paints every n-th frame, and its painting is carried along in between |
//! | tap | who takes the finished picture beside the window: a still, a recording, the last seconds, a stream, a virtual camera |
//! | fault | what went wrong, in a sentence, with what the user can do |

// In live video a panic is a black window. What can fail returns an error; what cannot says why with `expect`. Printing
// panics where nobody listens any more: `terminal::say` does not.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::panic, clippy::unreachable, clippy::print_stderr, clippy::print_stdout)
)]

pub mod app;
pub mod autotune;
pub mod canvas;
pub mod cli;
pub mod clock;
pub mod effect;
pub mod export;
pub mod fault;
pub mod ffmpeg;
pub mod folders;
pub mod foreign;
pub mod frame;
pub mod gpu;
pub mod inject;
pub mod kernels;
pub mod mailbox;
pub mod metrics;
pub mod nn;
pub mod output;
pub mod picture;
pub mod pipeline;
pub mod pool;
pub mod quality;
pub mod roundtrip;
pub mod runtime;
pub mod settings;
pub mod settle;
pub mod signals;
pub mod source;
pub mod system;
pub mod terminal;
pub mod ui;
pub mod units;
pub mod watch;
pub mod wide;
