//! A whole network on the CPU, node by node as ONNX defines them, on plain planar pictures: the oracle for the engines.
//!
//! Shares no code or layout with the kernels or their plan.

use crate::nn::graph::{Conv, Graph, GraphError, Interpolation, Op, Shape, ValueId};
use crate::units::Extent;

/// A picture `[channels][height][width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Planar {
    pub shape: Shape,
    pub data: Vec<f32>,
}

impl Planar {
    /// A picture whose numbers are `f(channel, y, x)`.
    pub fn from_fn(shape: Shape, mut f: impl FnMut(usize, usize, usize) -> f32) -> Self {
        let (w, h) = (shape.extent.width as usize, shape.extent.height as usize);
        let data = (0..shape.channels * h * w).map(|i| f(i / (h * w), i / w % h, i % w)).collect();
        Self { shape, data }
    }

    pub fn width(&self) -> usize {
        self.shape.extent.width as usize
    }

    pub fn height(&self) -> usize {
        self.shape.extent.height as usize
    }

    pub fn at(&self, channel: usize, y: usize, x: usize) -> f32 {
        self.data[(channel * self.height() + y) * self.width() + x]
    }

    /// Zero outside the picture.
    fn at_padded(&self, channel: usize, y: isize, x: isize) -> f32 {
        match (usize::try_from(y), usize::try_from(x)) {
            (Ok(y), Ok(x)) if y < self.height() && x < self.width() => self.at(channel, y, x),
            _ => 0.0,
        }
    }
}

/// What a network is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// `[3][height][width]`.
    pub image: &'a [f32],
    /// `[channels][height / 2][width / 2]`; zeros where there is none.
    pub canvas: Option<&'a [f32]>,
    /// Empty for a network that takes none.
    pub style: &'a [f32],
}

/// Runs `graph` on `inputs`.
///
/// # Errors
/// Those of [`Graph::shapes`], or when the style has the wrong length.
pub fn run(graph: &Graph, extent: Extent, inputs: Inputs<'_>) -> Result<Planar, GraphError> {
    let Inputs { image, canvas, style } = inputs;
    if style.len() != graph.style_len() {
        return Err(GraphError::StyleLength { found: style.len(), expected: graph.style_len() });
    }
    let shapes = graph.shapes(extent)?;
    let mut values = vec![Planar { shape: shapes[0], data: image.to_vec() }];
    for (node, &shape) in graph.nodes().iter().zip(&shapes[1..]) {
        if let Op::Canvas { .. } = node.op {
            values.push(match canvas {
                Some(canvas) => Planar { shape, data: canvas.to_vec() },
                None => Planar::from_fn(shape, |_, _, _| 0.0),
            });
            continue;
        }
        let input = |i: usize| &values[node.inputs[i].0];
        let x = input(0);
        let made = match &node.op {
            Op::Canvas { .. } => continue,
            Op::Conv(weights) => conv(weights, x, shape),
            Op::Activate(activation) => map(x, |_, v| activation.apply(v)),
            Op::Scale(scale) => {
                let scale = scale.at(style);
                map(x, |c, v| v * scale[c])
            }
            Op::Shift(shift) => {
                let shift = shift.at(style);
                map(x, |c, v| v + shift[c])
            }
            Op::Combine(arithmetic) => {
                let data = x.data.iter().zip(&input(1).data).map(|(a, b)| arithmetic.apply(*a, *b)).collect();
                Planar { shape, data }
            }
            Op::Concat => {
                let parts = node.inputs.iter().flat_map(|v| &values[v.0].data);
                Planar { shape, data: parts.copied().collect() }
            }
            Op::Resize(interpolation) => resize(*interpolation, x, shape),
            Op::DepthToSpace => Planar::from_fn(shape, |c, y, col| x.at(4 * c + 2 * (y % 2) + col % 2, y / 2, col / 2)),
        };
        values.push(made);
    }
    let ValueId(output) = graph.output();
    Ok(values.swap_remove(output))
}

fn map(x: &Planar, f: impl Fn(usize, f32) -> f32) -> Planar {
    let plane = (x.height() * x.width()).max(1);
    Planar { shape: x.shape, data: x.data.iter().enumerate().map(|(i, v)| f(i / plane, *v)).collect() }
}

fn conv(conv: &Conv, input: &Planar, shape: Shape) -> Planar {
    let per_group = conv.in_channels / conv.groups;
    let out_per_group = conv.out_channels / conv.groups;
    let k = conv.kernel;
    Planar::from_fn(shape, |o, y, x| {
        let mut sum = f64::from(conv.bias[o]);
        for i in 0..per_group {
            for (ky, kx) in (0..k * k).map(|t| (t / k, t % k)) {
                let weight = conv.weight[((o * per_group + i) * k + ky) * k + kx];
                let row = (y * conv.stride + ky) as isize - conv.pads.top as isize;
                let column = (x * conv.stride + kx) as isize - conv.pads.left as isize;
                let channel = o / out_per_group * per_group + i;
                sum += f64::from(weight) * f64::from(input.at_padded(channel, row, column));
            }
        }
        sum as f32
    })
}

fn resize(interpolation: Interpolation, input: &Planar, shape: Shape) -> Planar {
    Planar::from_fn(shape, |c, y, x| match interpolation {
        Interpolation::Nearest => input.at(c, y / 2, x / 2),
        Interpolation::Linear => {
            let (y0, y1, fy) = neighbours(y, input.height());
            let (x0, x1, fx) = neighbours(x, input.width());
            let row = |y: usize| input.at(c, y, x0) * (1.0 - fx) + input.at(c, y, x1) * fx;
            row(y0) * (1.0 - fy) + row(y1) * fy
        }
    })
}

/// The two positions in a row of `length` around the centre of position `at` in a row of twice that, and the weight of the
/// second.
fn neighbours(at: usize, length: usize) -> (usize, usize, f32) {
    let position = ((at as f32 + 0.5) / 2.0 - 0.5).max(0.0);
    let low = position.floor() as usize;
    (low, (low + 1).min(length - 1), position - position.floor())
}
