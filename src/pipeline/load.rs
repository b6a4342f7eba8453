//! Work put on the GPU on purpose, in whole paintings of the same picture.

use std::time::Duration;

use crate::units::{Burden, FrameId};

/// Frames whose measurement is still on its way; more than time stamps that are.
const ON_THEIR_WAY: usize = 8;
/// More than this in one submission would look like a hang to a driver.
const MOST: u32 = 400;

/// How often the student paints each picture.
#[derive(Debug, Default)]
pub(super) struct Load {
    burden: Burden,
    /// What one painting takes, once measured.
    once: Option<Duration>,
    /// How often recent frames were painted, by frame id.
    times: [(FrameId, u32); ON_THEIR_WAY],
}

impl Load {
    pub fn set(&mut self, burden: Burden) {
        self.burden = burden;
    }

    /// How often this frame is to be painted, at least once.
    pub fn times_for(&mut self, frame: FrameId) -> u32 {
        let times = match self.once {
            _ if self.burden == Burden::NONE => 1,
            Some(once) if !once.is_zero() => {
                let on_top = self.burden.on_top_of(once).as_secs_f64() / once.as_secs_f64();
                1 + on_top.round() as u32
            }
            // Not measured yet, or not to be measured on this adapter.
            _ => self.burden.factor.round() as u32 + u32::from(!self.burden.extra.is_zero()),
        };
        let times = times.clamp(1, MOST);
        self.times[frame.0 as usize % ON_THEIR_WAY] = (frame, times);
        times
    }

    /// All paintings of a frame together took so long.
    pub fn measured(&mut self, frame: FrameId, took: Duration) {
        let (of, times) = self.times[frame.0 as usize % ON_THEIR_WAY];
        if of == frame && times > 0 {
            self.once = Some(took / times);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn as_many_paintings_as_take_that_long() {
        let mut load = Load::default();
        assert_eq!(load.times_for(FrameId(0)), 1);
        load.measured(FrameId(0), MS * 5);
        load.set(Burden { extra: MS * 20, factor: 1.0 });
        assert_eq!(load.times_for(FrameId(1)), 5);
        load.set(Burden { extra: MS * 20, factor: 3.0 });
        assert_eq!(load.times_for(FrameId(2)), 7);
        // All seven took 70 ms: one takes 10 now.
        load.measured(FrameId(2), MS * 70);
        assert_eq!(load.times_for(FrameId(3)), 5);
        load.measured(FrameId(1), MS * 9999);
        load.set(Burden::NONE);
        assert_eq!(load.times_for(FrameId(4)), 1);
        // Not measured: whole factors at least.
        let mut blind = Load::default();
        blind.set(Burden { extra: MS, factor: 4.0 });
        assert_eq!(blind.times_for(FrameId(0)), 5);
    }
}
