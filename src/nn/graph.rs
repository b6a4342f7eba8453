//! A student as plain data: typed nodes with their weights, checked, independent of size and device.
//!
//! [`Graph::from_onnx`] reads one from a file (`import`), [`Graph::fold`] fixes its style and folds constants into the
//! convolutions (`fold`), [`Graph::to_onnx`] writes it for ONNX Runtime (`export`); [`super::plan`] makes it a list of
//! kernels for one size. Pure; must not know of GPUs, kernels or memory.
//!
//! A graph is a list of nodes in an order in which they can run. Every node makes one value, so values need no names: value
//! 0 is the image, value `i + 1` is what node `i` makes. Values are pictures: `[1, channels, height, width]`.
//!
//! Beside the image a network may take a *canvas*: a picture of half the image's width and height, of 4, 8, … channels, that
//! tells it where strokes lie. It is what the node [`Op::Canvas`] makes. Where nobody supplies one it is zeros.

use std::sync::Arc;

use crate::units::Extent;

/// Most nodes in a file.
pub const MAX_NODES: usize = 4096;
/// Most channels in one value.
pub const MAX_CHANNELS: usize = 4096;
/// Most numbers in all convolutions together, a weight counted as often as it is used.
pub const MAX_PARAMS: usize = 16 << 20;
/// Longest style vector.
pub const MAX_STYLES: usize = 4096;

/// What is wrong with a network file, or with what is asked of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GraphError {
    #[error("this is not an ONNX file ({0}); fetch or export the network again")]
    NotOnnx(String),
    #[error("the network is too large: its {what} is {found}, the limit is {limit}; use a smaller network")]
    TooLarge { what: &'static str, found: usize, limit: usize },
    #[error("the network cannot be used: {0}; export it again to this program's contract")]
    Contract(String),
    #[error("node '{node}' ({op}) cannot be run: {why}; export the network again to this program's contract")]
    Node { node: String, op: String, why: String },
    #[error("the style has {found} values and the network takes {expected}; give one value for each of its styles")]
    StyleLength { found: usize, expected: usize },
    #[error("the style is a row of {found} numbers and the network takes {expected}; it belongs to another network")]
    RowLength { found: usize, expected: usize },
    #[error("style value {index} is {value}; give a finite number")]
    StyleValue { index: usize, value: f32 },
    #[error("the network cannot run at {extent}: node '{node}' {why}; choose a multiple of its stride, such as 16")]
    Extent { extent: Extent, node: String, why: String },
    #[error("the network still takes a style; fix one first")]
    Unfolded,
}

/// Index of a value: 0 is the image, `i + 1` is made by node `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub usize);

impl ValueId {
    pub const IMAGE: Self = Self(0);
}

/// A convolution with its weights. Padding is with zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// `[out_channels][in_channels / groups][kernel][kernel]`.
    pub weight: Arc<[f32]>,
    /// `[out_channels]`.
    pub bias: Arc<[f32]>,
    pub out_channels: usize,
    pub in_channels: usize,
    /// 1, or as many as channels in and out: depthwise.
    pub groups: usize,
    /// Both sides: 1 or 3.
    pub kernel: usize,
    /// Both ways: 1 or 2.
    pub stride: usize,
    pub pads: Pads,
}

impl Conv {
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1
    }

    /// Multiplications for one output pixel, all channels.
    pub fn macs_per_pixel(&self) -> u64 {
        (self.out_channels * (self.in_channels / self.groups) * self.kernel * self.kernel) as u64
    }
}

/// Rows and columns of zeros around a picture, each at most 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pads {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

impl Pads {
    pub const fn all(n: usize) -> Self {
        Self { top: n, left: n, bottom: n, right: n }
    }

    pub fn is_zero(self) -> bool {
        self == Self::all(0)
    }
}

/// One number for each channel.
#[derive(Clone, Debug, PartialEq)]
pub enum PerChannel {
    Constant(Arc<[f32]>),
    /// The product of the style vector `[K]` with columns `first_column..first_column + channels` of a table
    /// `[K][columns]`.
    Styled {
        table: Arc<[f32]>,
        columns: usize,
        first_column: usize,
        channels: usize,
    },
}

impl PerChannel {
    /// The numbers for `style`, whose length is the table's height.
    pub fn at(&self, style: &[f32]) -> Arc<[f32]> {
        match self {
            Self::Constant(values) => values.clone(),
            Self::Styled { table, columns, first_column, channels } => (0..*channels)
                .map(|c| {
                    let column = table.iter().skip(first_column + c).step_by(*columns);
                    style.iter().zip(column).map(|(s, t)| f64::from(*s) * f64::from(*t)).sum::<f64>() as f32
                })
                .collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Limits to `min..=max`; a missing limit is infinite. ReLU is `0..`.
    Clip {
        min: f32,
        max: f32,
    },
    Sigmoid,
}

impl Activation {
    pub const RELU: Self = Self::Clip { min: 0.0, max: f32::INFINITY };

    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Clip { min, max } => x.max(min).min(max),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Each pixel becomes a square of four.
    Nearest,
    /// Bilinear, pixel centres at halves, clamped at the border.
    Linear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
}

impl Arithmetic {
    pub fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
        }
    }
}

/// What a node does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The second input, at half the image's width and height. A network has one at most.
    Canvas {
        channels: usize,
    },
    Conv(Conv),
    Activate(Activation),
    /// Multiplies each channel.
    Scale(PerChannel),
    /// Adds to each channel.
    Shift(PerChannel),
    /// Two pictures of one shape, number by number.
    Combine(Arithmetic),
    /// One after the other along the channels.
    Concat,
    /// To twice the height and width.
    Resize(Interpolation),
    /// Four channels become a square of four pixels, to twice the height and width: channel `4c + 2 dy + dx` at (y, x)
    /// goes to channel `c` at (2y + dy, 2x + dx). ONNX `DepthToSpace` mode CRD, also known as pixel shuffle.
    DepthToSpace,
}

impl Op {
    /// The ONNX operator.
    pub fn onnx_name(&self) -> &'static str {
        match self {
            Self::Canvas { .. } => "(input)",
            Self::Conv(_) => "Conv",
            Self::Activate(Activation::Clip { min, max }) if *min == 0.0 && *max == f32::INFINITY => "Relu",
            Self::Activate(Activation::Clip { .. }) => "Clip",
            Self::Activate(Activation::Sigmoid) => "Sigmoid",
            Self::Scale(_) | Self::Combine(Arithmetic::Mul) => "Mul",
            Self::Shift(_) | Self::Combine(Arithmetic::Add) => "Add",
            Self::Combine(Arithmetic::Sub) => "Sub",
            Self::Concat => "Concat",
            Self::Resize(_) => "Resize",
            Self::DepthToSpace => "DepthToSpace",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// For people; need not be unique.
    pub name: String,
    pub op: Op,
    pub inputs: Vec<ValueId>,
}

/// Channels, height and width of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub channels: usize,
    pub extent: Extent,
}

/// A checked network from a picture (3 channels, 0..1) to a picture (3 channels).
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    /// For each value.
    channels: Vec<usize>,
    output: ValueId,
    style_len: usize,
}

impl Graph {
    /// Channels of the image and of the painting.
    pub const PICTURE_CHANNELS: usize = 3;

    /// Checks `nodes` and drops those that `output` does not need.
    ///
    /// # Errors
    /// When a node's inputs do not exist before it or do not fit it, when a limit is passed, or when the output has not 3
    /// channels.
    pub fn new(nodes: Vec<Node>, output: ValueId, style_len: usize) -> Result<Self, GraphError> {
        limit("number of nodes", nodes.len(), MAX_NODES)?;
        limit("style length", style_len, MAX_STYLES)?;
        let mut channels = vec![Self::PICTURE_CHANNELS];
        let mut params = 0usize;
        for node in &nodes {
            let fail =
                |why: String| GraphError::Node { node: node.name.clone(), op: node.op.onnx_name().to_owned(), why };
            let inputs = node
                .inputs
                .iter()
                .map(|v| channels.get(v.0).copied().ok_or_else(|| fail(format!("value {} comes later", v.0))))
                .collect::<Result<Vec<_>, _>>()?;
            let out = out_channels(&node.op, &inputs, style_len).map_err(fail)?;
            limit("number of channels", out, MAX_CHANNELS)?;
            if let Op::Conv(conv) = &node.op {
                params = params.saturating_add(conv.weight.len() + conv.bias.len());
                limit("number of weights", params, MAX_PARAMS)?;
            }
            channels.push(out);
        }
        if nodes.iter().filter(|n| matches!(n.op, Op::Canvas { .. })).count() > 1 {
            return Err(GraphError::Contract("it takes more than one canvas".to_owned()));
        }
        match channels.get(output.0) {
            None => return Err(GraphError::Contract("its output is made by no node".to_owned())),
            Some(&Self::PICTURE_CHANNELS) => {}
            Some(n) => return Err(GraphError::Contract(format!("its output has {n} channels and must have 3"))),
        }
        Ok(Self { nodes, channels, output, style_len }.without_dead_nodes())
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The painting.
    pub fn output(&self) -> ValueId {
        self.output
    }

    pub fn channels(&self, value: ValueId) -> usize {
        self.channels[value.0]
    }

    /// Length K of the style vector; 0 when the network takes none.
    pub fn style_len(&self) -> usize {
        self.style_len
    }

    /// The value that is the canvas, in a network that takes one.
    pub fn canvas(&self) -> Option<ValueId> {
        self.nodes.iter().position(|n| matches!(n.op, Op::Canvas { .. })).map(|index| ValueId(index + 1))
    }

    /// How many nodes read each value; the output counts as read once more.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.channels.len()];
        for value in self.nodes.iter().flat_map(|n| &n.inputs) {
            uses[value.0] += 1;
        }
        uses[self.output.0] += 1;
        uses
    }

    /// The shape of every value for an image of this size.
    ///
    /// # Errors
    /// When a value would be empty or larger than 16384 on a side, when two that meet differ in size, or when the output
    /// has not the image's size.
    pub fn shapes(&self, extent: Extent) -> Result<Vec<Shape>, GraphError> {
        let mut extents = vec![extent];
        let fail = |node: &str, why: String| GraphError::Extent { extent, node: node.to_owned(), why };
        if extent.is_empty() || extent.width.max(extent.height) > 16384 {
            return Err(fail("image", "must have sides from 1 to 16384".to_owned()));
        }
        for node in &self.nodes {
            if let Op::Canvas { .. } = node.op {
                if !extent.width.is_multiple_of(2) || !extent.height.is_multiple_of(2) {
                    return Err(fail(&node.name, "is half as large and needs even sides".to_owned()));
                }
                extents.push(Extent::new(extent.width / 2, extent.height / 2));
                continue;
            }
            let first = extents[node.inputs[0].0];
            if let Some(other) = node.inputs[1..].iter().map(|v| extents[v.0]).find(|e| *e != first) {
                return Err(fail(&node.name, format!("joins pictures of {first} and {other}")));
            }
            let out = match &node.op {
                Op::Conv(conv) => {
                    let side = |n: u32, before: usize, after: usize| {
                        let padded = n as usize + before + after;
                        padded.checked_sub(conv.kernel).map_or(0, |rest| (rest / conv.stride + 1) as u32)
                    };
                    Extent::new(
                        side(first.width, conv.pads.left, conv.pads.right),
                        side(first.height, conv.pads.top, conv.pads.bottom),
                    )
                }
                Op::Resize(_) | Op::DepthToSpace => Extent::new(first.width * 2, first.height * 2),
                _ => first,
            };
            if out.is_empty() || out.width.max(out.height) > 16384 {
                return Err(fail(&node.name, format!("would make a picture of {out}")));
            }
            extents.push(out);
        }
        if extents[self.output.0] != extent {
            return Err(fail("painted", format!("would have the size {}", extents[self.output.0])));
        }
        Ok(self.channels.iter().zip(extents).map(|(&channels, extent)| Shape { channels, extent }).collect())
    }

    /// Millions of multiply-accumulates that the convolutions take for an image of this size.
    ///
    /// # Errors
    /// Those of [`Self::shapes`].
    pub fn mmac(&self, extent: Extent) -> Result<f64, GraphError> {
        let shapes = self.shapes(extent)?;
        let macs = self.nodes.iter().zip(&shapes[1..]).map(|(node, shape)| match &node.op {
            Op::Conv(conv) => conv.macs_per_pixel() as f64 * shape.extent.pixels() as f64,
            _ => 0.0,
        });
        Ok(macs.sum::<f64>() / 1e6)
    }

    /// Numbers that came from training: weights, biases, scales, shifts, and the whole style tables while they are there.
    pub fn params(&self) -> usize {
        let mut tables = std::collections::HashSet::new();
        let mut per_channel = |values: &PerChannel| match values {
            PerChannel::Constant(values) => values.len(),
            PerChannel::Styled { table, .. } => {
                if tables.insert(Arc::as_ptr(table).cast::<f32>()) {
                    table.len()
                } else {
                    0
                }
            }
        };
        self.nodes
            .iter()
            .map(|node| match &node.op {
                Op::Conv(conv) => conv.weight.len() + conv.bias.len(),
                Op::Scale(values) | Op::Shift(values) => per_channel(values),
                _ => 0,
            })
            .sum()
    }

    /// The same network without nodes that nothing needs.
    fn without_dead_nodes(self) -> Self {
        let mut needed = vec![false; self.channels.len()];
        needed[self.output.0] = true;
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if needed[index + 1] {
                for input in &node.inputs {
                    needed[input.0] = true;
                }
            }
        }
        let mut moved = vec![ValueId::IMAGE; self.channels.len()];
        let mut nodes = Vec::new();
        let mut channels = vec![Self::PICTURE_CHANNELS];
        for (index, mut node) in self.nodes.into_iter().enumerate() {
            if needed[index + 1] {
                for input in &mut node.inputs {
                    *input = moved[input.0];
                }
                nodes.push(node);
                channels.push(self.channels[index + 1]);
                moved[index + 1] = ValueId(nodes.len());
            }
        }
        Self { nodes, channels, output: moved[self.output.0], style_len: self.style_len }
    }
}

/// An error when `found` is above `limit`.
pub(super) fn limit(what: &'static str, found: usize, limit: usize) -> Result<(), GraphError> {
    if found > limit { Err(GraphError::TooLarge { what, found, limit }) } else { Ok(()) }
}

/// The channels that `op` makes of pictures with these, or why it does not fit them.
fn out_channels(op: &Op, inputs: &[usize], style_len: usize) -> Result<usize, String> {
    let wanted = match op {
        Op::Canvas { .. } => 0..=0,
        Op::Combine(_) => 2..=2,
        Op::Concat => 1..=64,
        _ => 1..=1,
    };
    if !wanted.contains(&inputs.len()) {
        return Err(format!("it has {} picture inputs", inputs.len()));
    }
    let first = inputs.first().copied().unwrap_or_default();
    match op {
        Op::Canvas { channels } if *channels == 0 || !channels.is_multiple_of(4) => {
            Err(format!("{channels} channels are not a multiple of 4"))
        }
        Op::Canvas { channels } => Ok(*channels),
        Op::Conv(conv) => {
            check_conv(conv)?;
            if conv.in_channels != first {
                return Err(format!("its weights are for {} channels and its input has {first}", conv.in_channels));
            }
            Ok(conv.out_channels)
        }
        Op::Activate(Activation::Clip { min, max }) if min.is_nan() || max.is_nan() || min > max => {
            Err(format!("its limits are {min} and {max}"))
        }
        Op::Activate(_) | Op::Resize(_) => Ok(first),
        Op::Scale(values) | Op::Shift(values) => {
            let (found, fits) = match values {
                PerChannel::Constant(values) => (values.len(), true),
                PerChannel::Styled { table, columns, first_column, channels } => (
                    *channels,
                    first_column.checked_add(*channels).is_some_and(|end| end <= *columns)
                        && style_len.checked_mul(*columns) == Some(table.len()),
                ),
            };
            if !fits {
                return Err("its columns lie outside the style table".to_owned());
            }
            if found != first {
                return Err(format!("it has {found} values for {first} channels"));
            }
            Ok(first)
        }
        Op::Combine(_) if inputs[1] != first => Err(format!("its inputs have {first} and {} channels", inputs[1])),
        Op::Combine(_) => Ok(first),
        Op::Concat => Ok(inputs.iter().sum()),
        Op::DepthToSpace if !first.is_multiple_of(4) => Err(format!("{first} channels are not a multiple of 4")),
        Op::DepthToSpace => Ok(first / 4),
    }
}

fn check_conv(conv: &Conv) -> Result<(), String> {
    let Conv { out_channels, in_channels, groups, kernel, stride, pads, .. } = *conv;
    if out_channels == 0 || in_channels == 0 || out_channels > MAX_CHANNELS || in_channels > MAX_CHANNELS {
        return Err(format!("{in_channels} channels in and {out_channels} out; 1 to {MAX_CHANNELS} are possible"));
    }
    if groups != 1 && !(groups == in_channels && groups == out_channels) {
        return Err(format!("{groups} groups of {in_channels} channels; only 1 or one for each channel are possible"));
    }
    if kernel != 1 && kernel != 3 {
        return Err(format!("a kernel of {kernel}x{kernel}; only 1x1 and 3x3 are possible"));
    }
    if stride != 1 && stride != 2 {
        return Err(format!("a stride of {stride}; only 1 and 2 are possible"));
    }
    if [pads.top, pads.left, pads.bottom, pads.right].into_iter().any(|p| p >= kernel) {
        return Err(format!(
            "padding {pads:?} around a kernel of {kernel}x{kernel}; it must be smaller than the kernel"
        ));
    }
    let weights = out_channels * (in_channels / groups) * kernel * kernel;
    if conv.weight.len() != weights || conv.bias.len() != out_channels {
        return Err(format!(
            "{} weights and {} biases where {weights} and {out_channels} are needed",
            conv.weight.len(),
            conv.bias.len()
        ));
    }
    Ok(())
}
