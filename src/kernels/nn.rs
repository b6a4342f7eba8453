//! The kernels of `shaders/nn` and whole networks, in plain Rust.
//!
//! Each kernel is a function of its shader's name, parameters and memory layout (see [`crate::nn::plan`]), written as
//! plainly as possible, one result number at a time: the kernel's definition. [`run_plan`] runs a whole plan with them;
//! [`graph`] runs a whole network without knowing of plans.

pub mod graph;

use crate::nn::graph::Arithmetic;
use crate::nn::plan::{Bank, Finish, KernelKind, Plan, Precision, SecondUse, StepParams, channel_groups};

/// Four channels of one pixel.
pub type Element = [f32; 4];

/// What a kernel works on: the bindings of `shaders/nn/shared/params.wgsl`.
pub struct Task<'a> {
    pub params: &'a StepParams,
    pub source: &'a [Element],
    pub second: &'a [Element],
    pub weights: &'a [Element],
    pub biases: &'a [Element],
    pub result: &'a mut [Element],
}

impl Task<'_> {
    fn source_at(&self, channel: usize, y: usize, x: usize) -> f32 {
        let p = self.params;
        let (w, h) = (p.source_width as usize, p.source_height as usize);
        self.source[p.source_base as usize + (channel / 4 * h + y) * w + x][channel % 4]
    }

    /// Zero outside the picture.
    fn padded(&self, channel: usize, y: isize, x: isize) -> f32 {
        let (w, h) = (self.params.source_width as isize, self.params.source_height as isize);
        if (0..h).contains(&y) && (0..w).contains(&x) { self.source_at(channel, y as usize, x as usize) } else { 0.0 }
    }

    /// The second picture's number at a place of the result.
    fn second_at(&self, group: usize, y: usize, x: usize, lane: usize) -> f32 {
        self.second[self.params.second_base as usize + self.place(group, y, x)][lane]
    }

    /// Elements from the result's first.
    fn place(&self, group: usize, y: usize, x: usize) -> usize {
        let p = self.params;
        (group * p.result_height as usize + y) * p.result_width as usize + x
    }

    fn weight(&self, at: usize, lane: usize) -> f32 {
        self.weights[self.params.weight_base as usize + at][lane]
    }

    fn bias(&self, at: usize, lane: usize) -> f32 {
        self.biases[self.params.bias_base as usize + at][lane]
    }

    fn activated(&self, value: f32) -> f32 {
        if self.params.activation == Finish::Sigmoid.code() {
            1.0 / (1.0 + (-value).exp())
        } else {
            value.clamp(self.params.low, self.params.high)
        }
    }

    fn finished(&self, mut value: f32, group: usize, y: usize, x: usize, lane: usize) -> f32 {
        let second_use = SecondUse::of_code(self.params.second_use);
        if second_use == Some(SecondUse::BeforeActivation(Arithmetic::Add)) {
            value += self.second_at(group, y, x, lane);
        }
        value = self.activated(value);
        if second_use == Some(SecondUse::AddAfterActivation) {
            value += self.second_at(group, y, x, lane);
        }
        value
    }

    /// Sets every result number of every group to `f(group, y, x, lane)`.
    fn fill(&mut self, f: impl Fn(&Self, usize, usize, usize, usize) -> f32) {
        let p = *self.params;
        for group in 0..p.result_groups as usize {
            for y in 0..p.result_height as usize {
                for x in 0..p.result_width as usize {
                    let value = std::array::from_fn(|lane| f(self, group, y, x, lane));
                    self.result[p.result_base as usize + self.place(group, y, x)] = value;
                }
            }
        }
    }
}

/// 1x1 convolution.
pub fn pointwise(task: &mut Task<'_>) {
    let inputs = 4 * task.params.source_groups as usize;
    task.fill(|t, group, y, x, lane| {
        let sum: f32 = (0..inputs).map(|i| t.weight(group * inputs + i, lane) * t.source_at(i, y, x)).sum();
        t.finished(t.bias(group, lane) + sum, group, y, x, lane)
    });
}

/// Dense 3x3 convolution.
pub fn conv3x3(task: &mut Task<'_>, stride: usize) {
    let groups = task.params.source_groups as usize;
    task.fill(|t, group, y, x, lane| {
        let mut sum = t.bias(group, lane);
        for i in 0..4 * groups {
            for tap in 0..9 {
                let row = (y * stride + tap / 3) as isize - t.params.pad_top as isize;
                let column = (x * stride + tap % 3) as isize - t.params.pad_left as isize;
                let weight = t.weight(((group * groups + i / 4) * 9 + tap) * 4 + i % 4, lane);
                sum += weight * t.padded(i, row, column);
            }
        }
        t.finished(sum, group, y, x, lane)
    });
}

/// 3x3 convolution of each channel by itself.
pub fn depthwise3x3(task: &mut Task<'_>, stride: usize) {
    task.fill(|t, group, y, x, lane| {
        let mut sum = t.bias(group, lane);
        for tap in 0..9 {
            let row = (y * stride + tap / 3) as isize - t.params.pad_top as isize;
            let column = (x * stride + tap % 3) as isize - t.params.pad_left as isize;
            sum += t.weight(group * 9 + tap, lane) * t.padded(4 * group + lane, row, column);
        }
        t.finished(sum, group, y, x, lane)
    });
}

/// To twice the width and height.
pub fn resize(task: &mut Task<'_>, linear: bool) {
    let last = |length: u32| length as usize - 1;
    let (last_y, last_x) = (last(task.params.source_height), last(task.params.source_width));
    let far = |at: usize, last: usize| if at % 2 == 1 { (at / 2 + 1).min(last) } else { (at / 2).saturating_sub(1) };
    task.fill(|t, group, y, x, lane| {
        let pixel = |y, x| t.source_at(4 * group + lane, y, x);
        if !linear {
            return pixel(y / 2, x / 2);
        }
        let row = |y| 0.75 * pixel(y, x / 2) + 0.25 * pixel(y, far(x, last_x));
        0.75 * row(y / 2) + 0.25 * row(far(y, last_y))
    });
}

/// Channel `4c + 2 dy + dx` at (y, x) goes to channel `c` at (2y + dy, 2x + dx).
pub fn depth_to_space(task: &mut Task<'_>) {
    task.fill(|t, group, y, x, lane| {
        let channel = 4 * (4 * group + lane) + 2 * (y % 2) + x % 2;
        if channel / 4 < t.params.source_groups as usize { t.source_at(channel, y / 2, x / 2) } else { 0.0 }
    });
}

/// Two pictures of one shape, number by number.
pub fn combine(task: &mut Task<'_>) {
    task.fill(|t, group, y, x, lane| {
        let (a, b) = (t.source_at(4 * group + lane, y, x), t.second_at(group, y, x, lane));
        t.activated(match SecondUse::of_code(t.params.second_use) {
            Some(SecondUse::BeforeActivation(Arithmetic::Sub)) => a - b,
            Some(SecondUse::BeforeActivation(Arithmetic::Mul)) => a * b,
            _ => a + b,
        })
    });
}

/// Each channel times its scale, plus its shift.
pub fn affine(task: &mut Task<'_>) {
    let groups = task.params.result_groups as usize;
    task.fill(|t, group, y, x, lane| {
        t.activated(t.source_at(4 * group + lane, y, x) * t.bias(group, lane) + t.bias(groups + group, lane))
    });
}

/// The source's channels into the result from `channel_offset` on. In the groups that are touched, channels before it stay
/// and those after the last become zero; a whole last group is copied as it is when the offset begins a group.
pub fn copy(task: &mut Task<'_>) {
    let p = *task.params;
    let (offset, channels) = (p.channel_offset as usize, p.channels as usize);
    let whole_groups = offset % 4 == 0;
    for group in offset / 4..(offset + channels).div_ceil(4) {
        for y in 0..p.result_height as usize {
            for x in 0..p.result_width as usize {
                let at = p.result_base as usize + task.place(group, y, x);
                for lane in 0..4 {
                    let channel = 4 * group + lane;
                    task.result[at][lane] = match channel.checked_sub(offset) {
                        None => continue,
                        Some(c) if c < channels || whole_groups => task.source_at(c, y, x),
                        Some(_) => 0.0,
                    };
                }
            }
        }
    }
}

/// Runs the kernel of this kind.
pub fn run_kernel(kernel: KernelKind, task: &mut Task<'_>) {
    match kernel {
        KernelKind::Pointwise { .. } => pointwise(task),
        KernelKind::Conv3x3 { stride, .. } => conv3x3(task, stride as usize),
        KernelKind::Depthwise3x3 { stride } => depthwise3x3(task, stride as usize),
        KernelKind::Resize { linear } => resize(task, linear),
        KernelKind::DepthToSpace => depth_to_space(task),
        KernelKind::Combine => combine(task),
        KernelKind::Affine => affine(task),
        KernelKind::Copy => copy(task),
    }
}

/// Runs a plan as the GPU would, with activations in float32 whatever its precision: `image` and the result have one
/// element for each pixel, row-major; `canvas` is laid out as the plan says, and zeros where there is none.
///
/// # Panics
/// When `image` has another length.
pub fn run_plan(plan: &Plan, image: &[Element], canvas: Option<&[Element]>) -> Vec<Element> {
    let pixels = plan.extent().pixels() as usize;
    assert_eq!(image.len(), pixels, "one element for each pixel");
    let weights: Vec<Element> = match plan.precision() {
        Precision::F32 => bytemuck::pod_collect_to_vec(plan.weights()),
        Precision::F16 => {
            let halves: Vec<half::f16> = bytemuck::pod_collect_to_vec(plan.weights());
            halves.as_chunks().0.iter().map(|four: &[half::f16; 4]| four.map(half::f16::to_f32)).collect()
        }
    };
    let zeros = plan.canvas().map_or(0, |s| channel_groups(s.channels) as usize * s.extent.pixels() as usize);
    let zeros = vec![[0.0; 4]; zeros];
    let canvas = canvas.unwrap_or(&zeros);
    let element_bytes = 4 * plan.precision().bytes();
    let bank = |bytes: &u64| vec![[0.0; 4]; (bytes / element_bytes) as usize];
    let mut arena: Vec<Vec<Element>> = plan.banks().iter().map(bank).collect();
    let mut painted = vec![[0.0; 4]; pixels];
    for step in plan.steps() {
        // Out while it is written: no step reads the bank that it writes.
        let mut result = std::mem::take(match step.target {
            Bank::Arena(n) => &mut arena[n as usize],
            _ => &mut painted,
        });
        let read = |bank: Bank| match bank {
            Bank::Image => image,
            Bank::Canvas => canvas,
            Bank::Painted => &[],
            Bank::Arena(n) => &arena[n as usize],
        };
        let mut task = Task {
            params: &step.params,
            source: read(step.source),
            second: step.second.map_or(&[], read),
            weights: &weights,
            biases: plan.biases(),
            result: &mut result,
        };
        run_kernel(step.kernel, &mut task);
        *match step.target {
            Bank::Arena(n) => &mut arena[n as usize],
            _ => &mut painted,
        } = result;
    }
    painted
}
