//! What each figure means, for the pointer that rests on it. One or two sentences each, in plain words.

use crate::metrics::Stage;

pub const FPS: &str =
    "Pictures per second that reached the screen and had not been shown before. A repeated picture does not count.";
pub const LATENCY: &str = "How old the picture is when it is handed to the display: from the moment of capture to present, the \
     median. What the screen itself adds is not in it.";
pub const WORK: &str = "What the program did for one frame, the median: everything but the camera's own time and waiting. This is \
     what has to fit into the budget.";
pub const BUDGET: &str = "The budget is the time between two pictures of the source. The bar shows the mean work of a frame by \
     stage; the white mark is the budget. Work beyond it means dropped pictures.";
pub const VERDICT: &str = "How many frames of the window needed more work than the budget allows. Up to 5 % counts as within \
     budget.";
pub const BOTTLENECK: &str = "What held most frames up: the longest of camera, transfer and decoding, upload, GPU or CPU \
     inference, compose, interface, and waiting for the display; or the governor, when it skips frames on purpose.";
pub const GRAPH: &str = "One column per frame, stacked by stage, newest at the right; where frames are too close to be told apart the \
     slowest is shown. The dashed line is the budget for work; capture and wait are stacked on top in grey. Click a column \
     to pause and open that frame.";
pub const HISTOGRAM: &str = "How long the frames of the window took from capture to present. One bar per span of time; its height \
     grows with the square root of the frames in it, so that a few slow ones can be seen beside many. A second hump means \
     that something happens only now and then.";
pub const QUANTILES: &str = "p50 is the median; one frame in twenty is slower than p95, one in a hundred slower than p99. Worst \
     is the slowest of the window.";
pub const LOWS: &str = "The rate in pictures per second that 99 of 100, and 999 of 1000, pictures kept to since what paints now \
     began: what a stutter feels like. A dash while there are too few pictures to say.";
pub const OVERRUN: &str = "When the work was done against its deadline: minus is early, plus is late. Late frames miss their turn \
     on the display.";
pub const JITTER: &str = "How unevenly pictures reached the screen: the standard deviation of the time between two of them. 0 is \
     a perfect rhythm.";
pub const TOTAL: &str = "From capture to present. The means of the stages above add up to it.";
pub const RATES: &str = "Pictures per second that the source delivered, that went through the whole chain, and that reached the \
     screen. Where one is lower than the one before it, pictures were dropped or are late.";
pub const LOSSES: &str = "Frames that the source had and did not deliver: lost by the driver (it had no free buffer, or the bus no room), \
     damaged (an error flag, too short, or not a picture), or skipped because their time had gone by.";
pub const COUNTS: &str = "Since the start. Dropped: replaced by a newer picture before it was its turn; nothing queues up here. \
     Repeated: shown again because no newer one was ready.";
pub const CLOCK: &str = "Where the moment of capture comes from. The driver's time stamp is the best; the time at which the \
     program got the frame leaves out what camera and cable took.";
pub const SUBJECT: &str = "What paints: the effect, the size of its network, the size of the picture that it works on, and the \
     engine and device that run it.";
pub const GOVERNOR: &str = "The governor keeps the work within the budget: it goes down a rung as soon as frames are late, and up \
     again when the rung above has proved to fit. Choosing a size by hand stops it.";
pub const KEEP: &str =
    "What the governor is to keep: quality, balanced, smooth (the rate first) or battery; fixed switches it off.";
pub const WAITING_FOR: &str = "What has to hold, and for how long, before the governor takes the next step.";
pub const WHY: &str = "Why this engine and this device were chosen.";
pub const HITCHES: &str = "Frames that took over twice the median, newest first: how long ago, how long they took, and what held them \
     up. Click one to open it.";
pub const STABILITY: &str = "How much the painting flickers: the mean change of brightness, of 255 steps, between successive paintings \
     where the camera picture did not change. Lower is calmer.";
pub const OWN_COST: &str = "What these figures and controls cost themselves, the mean of CPU and GPU time per picture, and its share of \
     the budget.";
pub const TEMPERATURE: &str = "The hottest of the processor's and the graphics card's sensors.";
pub const THERMAL: &str = "Whether the machine slows itself down because it is hot.";
pub const POWER: &str = "Mains or battery, and how much power the machine draws where it can be read.";
pub const CPU_LOAD: &str = "How busy all processor cores together are, with everything that runs on this machine.";
pub const GPU_LOAD: &str = "How busy the graphics processor is, with everything that runs on this machine.";
pub const MEMORY: &str = "Memory of this program that is in RAM.";
pub const MACHINE: &str = "What the machine says about itself, once a second. A dash stands for what it does not say.";
pub const TIMELINE: &str = "One frame from capture to present. Bars with an outline were placed by clock readings; hatched bars have \
     only a duration, so where they stand is not known.";

/// What a stage does.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Capture => {
            "capture: from the capture time to the frame being in our hands: exposure read-out, driver, transfer, decoding."
        }
        Stage::Wait => {
            "wait: whatever no other stage claims: waiting for the painter, for the GPU, or for the next turn of the window."
        }
        Stage::Upload => "upload: copying the camera's bytes to the GPU.",
        Stage::Prepare => "prepare: bytes to colours, then to the size that the network works on.",
        Stage::Infer => "infer: the network paints.",
        Stage::Compose => "compose: the painting is put onto the picture it was made from, at full size.",
        Stage::Interface => "interface: these figures and controls: the overlay's own cost.",
        Stage::Present => "present: handing the picture to the display, and waiting until it takes it.",
    }
}
