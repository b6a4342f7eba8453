//! Networks of other makers, brought under this program's contract: a picture `image` in, a picture `painted` out, both
//! float32 `[1, 3, height, width]`, red, green and blue in 0..1.
//!
//! ```text
//! file ──read──▶ Foreign (what it declares, its weights gathered) ──wrap(Manner)──▶ bytes that every engine takes
//! ```
//!
//! What a file declares is read: names, layout, type of numbers, sizes, operator set. What it does not say (the range of
//! its numbers, whether blue comes first) is a [`Manner`]; whoever has an engine finds it out by painting ([`judge`]). The
//! network itself is never changed: operators are put before and after it, byte by byte, so that nothing of it is lost that
//! this program does not know. Knows files and bytes; runs nothing. Any bytes are safe to give.

pub mod judge;
mod wire;

use std::path::{Component, Path};

use prost::Message as _;

use super::onnx::{
    AttributeProto, DimensionProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto, attribute_type,
};
use crate::units::Extent;
use wire::{Field, fields, put_bytes};

/// Largest network that is taken, its weights included.
pub const MAX_BYTES: u64 = 128 << 20;
/// Most nodes of a network.
const MAX_NODES: usize = 20_000;
/// Longest declared side of a picture.
const MAX_SIDE: i64 = 8192;

/// Why a file is no network that can paint a picture.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Obstacle {
    #[error(
        "it is a pointer of Git LFS, not the network itself; fetch that with 'git lfs pull', or download the file anew"
    )]
    LfsPointer,
    #[error("it is a web page, not a network; download the file itself (on GitHub: 'Download raw file')")]
    WebPage,
    #[error("it is {0}, not an ONNX network; export it to ONNX first (in PyTorch: torch.onnx.export)")]
    OtherFormat(&'static str),
    #[error("it is empty")]
    Empty,
    #[error("it is no ONNX file, or is cut off ({0}); download or export it again")]
    Damaged(&'static str),
    #[error("it is {bytes} bytes, and at most {MAX_BYTES} are accepted")]
    TooLarge { bytes: u64 },
    #[error("it has {0} nodes, and at most {MAX_NODES} are accepted")]
    TooManyNodes(usize),
    #[error("its weights are in the file '{0}', which is not there; put it beside the network")]
    WeightsMissing(String),
    #[error(
        "its weights are in '{0}', which is outside its folder; put that file beside the network and name it plainly"
    )]
    WeightsOutside(String),
    #[error("its weights do not lie in '{0}' where it says; the two files do not belong together")]
    WeightsElsewhere(String),
    #[error(
        "it is a part of a diffusion model (it takes {0}), which needs many steps for a picture; a network that paints in one step is needed"
    )]
    Diffusion(String),
    #[error("it takes {0}; a network that takes one picture is needed")]
    ManyInputs(String),
    #[error("it gives {0}, not a picture: it looks like a classifier or a detector")]
    NoPicture(String),
    #[error("it takes {0}; a picture of three channels is needed")]
    NotThree(String),
    #[error("it takes numbers of a type (ONNX's number {0}) that is not possible; float32, float16 and uint8 are")]
    NumberType(i32),
    #[error(
        "it takes a picture of {0}, which is not square, and its operator set {1} is too old to pad one; export it with operator set 11 or newer"
    )]
    OldAndOblong(Extent, i64),
    #[error("it names no operator set")]
    NoOperatorSet,
}

/// Where the channels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[1, 3, height, width]`
    Planes,
    /// `[1, height, width, 3]`
    Pixels,
}

/// The type of a picture's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Float32,
    Float16,
    Bytes,
}

impl Element {
    fn of(elem_type: i32) -> Result<Self, Obstacle> {
        match elem_type {
            1 => Ok(Self::Float32),
            10 => Ok(Self::Float16),
            2 => Ok(Self::Bytes),
            other => Err(Obstacle::NumberType(other)),
        }
    }

    fn data_type(self) -> i32 {
        match self {
            Self::Float32 => 1,
            Self::Float16 => 10,
            Self::Bytes => 2,
        }
    }
}

/// What a number of a picture means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Range {
    /// 0..1
    #[value(name = "0..1")]
    Unit,
    /// 0..255
    #[value(name = "0..255")]
    Bytes,
    /// -1..1
    #[value(name = "-1..1")]
    Signed,
    /// 0..1 less ImageNet's means, over its deviations
    #[value(name = "imagenet")]
    ImageNet,
}

impl Range {
    pub const ALL: [Self; 4] = [Self::Unit, Self::Bytes, Self::Signed, Self::ImageNet];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unit => "0..1",
            Self::Bytes => "0..255",
            Self::Signed => "-1..1",
            Self::ImageNet => "ImageNet's mean and deviation",
        }
    }

    /// Factor and offset of red, green and blue, from 0..1.
    fn of_unit(self) -> [(f32, f32); 3] {
        match self {
            Self::Unit => [(1.0, 0.0); 3],
            Self::Bytes => [(255.0, 0.0); 3],
            Self::Signed => [(2.0, -1.0); 3],
            // torchvision's normalisation of ImageNet.
            Self::ImageNet => [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]
                .map(|(mean, deviation)| (1.0 / deviation, -mean / deviation)),
        }
    }

    /// Factor and offset of red, green and blue, to 0..1.
    pub fn to_unit(self) -> [(f32, f32); 3] {
        self.of_unit().map(|(factor, offset)| (1.0 / factor, -offset / factor))
    }
}

/// The order of a picture's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    Rgb,
    Bgr,
}

/// What a file does not say of its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Manner {
    pub channels: Channels,
    pub input: Range,
    pub output: Range,
}

impl Manner {
    /// This program's own.
    pub const OWN: Self = Self { channels: Channels::Rgb, input: Range::Unit, output: Range::Unit };
}

/// How large a picture a network paints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Sizes {
    /// Any whose sides are multiples of so many pixels.
    MultiplesOf(u32),
    /// This one. Smaller pictures are padded to it and cut out of it again.
    Padded(Extent),
    /// This one alone.
    Exactly(Extent),
}

/// A network as it came.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The whole model, its weights in it.
    model: Vec<u8>,
    pub opset: i64,
    input: Port,
    output: Port,
    /// Of the declared input, where it is fixed.
    pub fixed: Option<Extent>,
}

#[derive(Clone, Debug, PartialEq)]
struct Port {
    name: String,
    layout: Layout,
    element: Element,
}

impl Foreign {
    /// Reads a network's file; weights in a second file are taken from its `folder`.
    ///
    /// # Errors
    /// With what the file is instead.
    pub fn read(bytes: &[u8], folder: &Path) -> Result<Self, Obstacle> {
        sniff(bytes)?;
        let model = gathered(bytes, folder)?;
        let mut opset = None;
        let mut graph: &[u8] = &[];
        for field in fields(&model) {
            match field? {
                Field { number: 7, bytes, .. } => graph = bytes,
                Field { number: 8, bytes, .. } => {
                    let set = super::onnx::OperatorSetIdProto::decode(bytes)
                        .map_err(|_| Obstacle::Damaged("operator sets"))?;
                    if set.domain.is_empty() || set.domain == "ai.onnx" {
                        opset = Some(set.version);
                    }
                }
                _ => {}
            }
        }
        let opset = opset.ok_or(Obstacle::NoOperatorSet)?;
        let (mut constants, mut inputs, mut outputs, mut nodes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let port = |bytes: &[u8]| ValueInfoProto::decode(bytes).map_err(|_| Obstacle::Damaged("inputs and outputs"));
        for field in fields(graph) {
            let field = field?;
            match field.number {
                1 => nodes += 1,
                5 => constants.push(name_of(field.bytes, 8)?),
                11 => inputs.push(port(field.bytes)?),
                12 => outputs.push(port(field.bytes)?),
                _ => {}
            }
        }
        if nodes == 0 {
            return Err(Obstacle::Damaged("it holds no nodes"));
        }
        if nodes > MAX_NODES {
            return Err(Obstacle::TooManyNodes(nodes));
        }
        // Old files list their constants among the inputs.
        inputs.retain(|input| !constants.contains(&input.name));
        let input = only_picture(&inputs)?;
        let (input_layout, fixed) = layout_of(input)?.ok_or_else(|| Obstacle::NotThree(words(input)))?;
        let output = outputs
            .iter()
            .find(|output| matches!(layout_of(output), Ok(Some(_))))
            .ok_or_else(|| Obstacle::NoPicture(outputs.first().map_or_else(|| "nothing".to_owned(), words)))?;
        let output_layout = if shape_of(output).iter().all(Option::is_none) {
            input_layout
        } else {
            layout_of(output)?.map_or(input_layout, |(layout, _)| layout)
        };
        let (input, output) = (
            Port { name: input.name.clone(), layout: input_layout, element: Element::of(type_of(input))? },
            Port { name: output.name.clone(), layout: output_layout, element: Element::of(type_of(output))? },
        );
        Ok(Self { model, opset, input, output, fixed })
    }

    /// What was read, in words.
    pub fn words(&self) -> String {
        let layout = |port: &Port| match port.layout {
            Layout::Planes => "planes",
            Layout::Pixels => "pixels",
        };
        let element = |port: &Port| match port.element {
            Element::Float32 => "float32",
            Element::Float16 => "float16",
            Element::Bytes => "uint8",
        };
        let size = self.fixed.map_or("any size".to_owned(), |extent| extent.to_string());
        let (input, output) = (&self.input, &self.output);
        format!(
            "'{}' ({}, {}, {size}) to '{}' ({}, {}), operator set {}",
            input.name,
            element(input),
            layout(input),
            output.name,
            element(output),
            layout(output),
            self.opset
        )
    }

    /// Whether it declares this program's own contract: then its numbers are taken to be 0..1.
    pub fn is_of_our_contract(&self) -> bool {
        let own = |port: &Port, name: &str| {
            port.name == name && port.layout == Layout::Planes && port.element == Element::Float32
        };
        self.fixed.is_none() && own(&self.input, IMAGE) && own(&self.output, PAINTED)
    }

    /// Whether smaller pictures than the network's can be padded to it.
    pub fn can_pad(&self) -> bool {
        self.opset >= 11
    }

    /// The network under this program's contract; `raw` leaves the range of its output as it is, to be looked at.
    ///
    /// # Errors
    /// When the file, which was read once, cannot be walked again: never.
    pub fn wrap(&self, manner: &Manner, sizes: Sizes, raw: bool) -> Result<Vec<u8>, Obstacle> {
        let taken = self.input.name == IMAGE || self.output.name == IMAGE;
        let image = if taken { "impasto image" } else { IMAGE };
        let taken = self.input.name == PAINTED || self.output.name == PAINTED;
        let painted = if taken { "impasto painted" } else { PAINTED };
        let mut before = Chain::new(image, self.opset, "before");
        if let Sizes::Padded(extent) = sizes {
            before.pad(image, extent);
        }
        before.mix(manner.channels, manner.input.of_unit());
        if self.input.element == Element::Bytes {
            before.clip(0.0, 255.0);
        }
        if self.input.element != Element::Float32 {
            before.cast(self.input.element);
        }
        if self.input.layout == Layout::Pixels {
            before.transpose([0, 2, 3, 1]);
        }
        before.finish(&self.input.name);
        let mut after = Chain::new(&self.output.name, self.opset, "after");
        if self.output.layout == Layout::Pixels {
            after.transpose([0, 3, 1, 2]);
        }
        if self.output.element != Element::Float32 {
            after.cast(Element::Float32);
        }
        if let Sizes::Padded(_) = sizes {
            after.cut(image);
        }
        if !raw {
            after.mix(manner.channels, manner.output.to_unit());
            after.clip(0.0, 1.0);
        } else if manner.channels == Channels::Bgr {
            after.mix(manner.channels, [(1.0, 0.0); 3]);
        }
        after.finish(painted);

        let mut graph = Vec::new();
        before.nodes.iter().for_each(|node| put_bytes(&mut graph, 1, &node.encode_to_vec()));
        for field in fields(graph_of(&self.model)?) {
            let field = field?;
            // Shapes of values inside were inferred for the declared size; they may be left out.
            if !matches!(field.number, 11..=13) {
                graph.extend_from_slice(field.whole);
            }
        }
        after.nodes.iter().for_each(|node| put_bytes(&mut graph, 1, &node.encode_to_vec()));
        for constant in before.constants.iter().chain(&after.constants) {
            put_bytes(&mut graph, 5, &constant.encode_to_vec());
        }
        put_bytes(&mut graph, 11, &port(image).encode_to_vec());
        put_bytes(&mut graph, 12, &port(painted).encode_to_vec());

        let mut model = Vec::with_capacity(self.model.len() + graph.len() / 8);
        for field in fields(&self.model) {
            let field = field?;
            if field.number != 7 {
                model.extend_from_slice(field.whole);
            }
        }
        put_bytes(&mut model, 7, &graph);
        Ok(model)
    }
}

const IMAGE: &str = "image";
const PAINTED: &str = "painted";

/// Operators in a row, each taking what the one before gives.
struct Chain {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// What the last one gives.
    last: String,
    opset: i64,
    /// Where it stands, so that no two names are alike.
    side: &'static str,
}

impl Chain {
    fn new(first: &str, opset: i64, side: &'static str) -> Self {
        Self { nodes: Vec::new(), constants: Vec::new(), last: first.to_owned(), opset, side }
    }

    fn name(&self, what: &str) -> String {
        format!("impasto/{}/{}/{what}", self.side, self.nodes.len())
    }

    fn push(&mut self, op_type: &str, more: Vec<String>, attribute: Vec<AttributeProto>) -> String {
        let output = self.name(op_type);
        let input = std::iter::once(self.last.clone()).chain(more).collect();
        let node = NodeProto {
            input,
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op_type.to_owned(),
            attribute,
            domain: String::new(),
        };
        self.nodes.push(node);
        self.last.clone_from(&output);
        output
    }

    fn floats(&mut self, what: &str, dims: &[i64], values: Vec<f32>) -> String {
        let name = self.name(what);
        let tensor = TensorProto { dims: dims.to_vec(), data_type: 1, float_data: values, ..Default::default() };
        self.constants.push(TensorProto { name: name.clone(), ..tensor });
        name
    }

    fn ints(&mut self, what: &str, values: Vec<i64>) -> String {
        let name = self.name(what);
        let dims = vec![values.len() as i64];
        let tensor = TensorProto { dims, data_type: 7, int64_data: values, ..Default::default() };
        self.constants.push(TensorProto { name: name.clone(), ..tensor });
        name
    }

    /// Another order of channels, and a factor and an offset for red, green and blue: a convolution of one pixel.
    fn mix(&mut self, channels: Channels, by: [(f32, f32); 3]) {
        if channels == Channels::Rgb && by == [(1.0, 0.0); 3] {
            return;
        }
        let mut weights = vec![0.0; 9];
        let mut offsets = vec![0.0; 3];
        for (colour, (factor, offset)) in by.into_iter().enumerate() {
            // Factors and offsets belong to colours; in and out have them in opposite orders where one has blue first.
            let at = if channels == Channels::Bgr { 2 - colour } else { colour };
            weights[at * 3 + colour] = factor;
            offsets[at] = offset;
        }
        let weights = self.floats("weights", &[3, 3, 1, 1], weights);
        let offsets = self.floats("offsets", &[3], offsets);
        self.push("Conv", vec![weights, offsets], vec![int_list("kernel_shape", &[1, 1])]);
    }

    fn clip(&mut self, low: f32, high: f32) {
        if self.opset >= 11 {
            let (low, high) = (self.floats("low", &[], vec![low]), self.floats("high", &[], vec![high]));
            self.push("Clip", vec![low, high], Vec::new());
        } else {
            let bound = |name: &str, f: f32| AttributeProto {
                name: name.to_owned(),
                f,
                r#type: attribute_type::FLOAT,
                ..Default::default()
            };
            self.push("Clip", Vec::new(), vec![bound("min", low), bound("max", high)]);
        }
    }

    fn cast(&mut self, to: Element) {
        let i = i64::from(to.data_type());
        let attribute = AttributeProto { name: "to".to_owned(), i, r#type: attribute_type::INT, ..Default::default() };
        self.push("Cast", Vec::new(), vec![attribute]);
    }

    fn transpose(&mut self, order: [i64; 4]) {
        self.push("Transpose", Vec::new(), vec![int_list("perm", &order)]);
    }

    /// To a size, by repeating the last column and row.
    fn pad(&mut self, image: &str, to: Extent) {
        let wanted = self.ints("wanted", vec![1, 3, i64::from(to.height), i64::from(to.width)]);
        let none = self.ints("none", vec![0; 4]);
        let shape = self.push("Shape", Vec::new(), Vec::new());
        let node = |op: &str, input: Vec<String>, output: &str, attribute: Vec<AttributeProto>| NodeProto {
            input,
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op.to_owned(),
            attribute,
            domain: String::new(),
        };
        self.nodes.push(node("Sub", vec![wanted, shape], "impasto/missing", Vec::new()));
        let axis = AttributeProto { name: "axis".to_owned(), i: 0, r#type: attribute_type::INT, ..Default::default() };
        self.nodes.push(node("Concat", vec![none, "impasto/missing".to_owned()], "impasto/pads", vec![axis]));
        image.clone_into(&mut self.last);
        let mode = AttributeProto {
            name: "mode".to_owned(),
            s: b"edge".to_vec(),
            r#type: attribute_type::STRING,
            ..Default::default()
        };
        self.push("Pad", vec!["impasto/pads".to_owned()], vec![mode]);
    }

    /// Back to the size of the picture that came.
    fn cut(&mut self, image: &str) {
        let painted = std::mem::replace(&mut self.last, image.to_owned());
        let shape = self.push("Shape", Vec::new(), Vec::new());
        self.last = painted;
        let starts = self.ints("starts", vec![0; 4]);
        self.push("Slice", vec![starts, shape], Vec::new());
    }

    /// What comes last is called so.
    fn finish(&mut self, name: &str) {
        match self.nodes.last_mut().filter(|node| node.output.first() == Some(&self.last)) {
            Some(node) => node.output = vec![name.to_owned()],
            None => {
                let last = self.push("Identity", Vec::new(), Vec::new());
                debug_assert_eq!(self.last, last);
                if let Some(node) = self.nodes.last_mut() {
                    node.output = vec![name.to_owned()];
                }
            }
        }
        name.clone_into(&mut self.last);
    }
}

fn int_list(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ints: values.to_vec(), r#type: attribute_type::INTS, ..Default::default() }
}

/// A picture of any size, as this program names its sides.
fn port(name: &str) -> ValueInfoProto {
    let fixed = |value: i64| DimensionProto { dim_value: Some(value), dim_param: String::new() };
    let free = |name: &str| DimensionProto { dim_value: None, dim_param: name.to_owned() };
    let dim = vec![fixed(1), fixed(3), free("height"), free("width")];
    let tensor_type = TensorTypeProto { elem_type: 1, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// What a file is that is no network, by how it begins.
fn sniff(bytes: &[u8]) -> Result<(), Obstacle> {
    let begins = |with: &[u8]| bytes.starts_with(with);
    let text = bytes.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| *b == b'<');
    match bytes {
        [] => Err(Obstacle::Empty),
        _ if bytes.len() as u64 > MAX_BYTES => Err(Obstacle::TooLarge { bytes: bytes.len() as u64 }),
        _ if begins(b"version https://git-lfs") => Err(Obstacle::LfsPointer),
        _ if text => Err(Obstacle::WebPage),
        _ if begins(b"PK\x03\x04") => Err(Obstacle::OtherFormat("a PyTorch file or another ZIP archive")),
        _ if begins(b"\x80\x02") => Err(Obstacle::OtherFormat("an old PyTorch file")),
        _ if begins(b"\x89HDF") => Err(Obstacle::OtherFormat("a Keras file")),
        _ if bytes.get(4..8) == Some(b"TFL3") => Err(Obstacle::OtherFormat("a LiteRT (TensorFlow Lite) file")),
        _ if begins(b"GGUF") => Err(Obstacle::OtherFormat("a GGUF language model")),
        _ if begins(b"ORTM") || bytes.get(4..8) == Some(b"ORTM") => {
            Err(Obstacle::OtherFormat("a file of ONNX Runtime's own format"))
        }
        [b'{', ..] => Err(Obstacle::OtherFormat("a JSON file")),
        [..] if bytes.get(8..9) == Some(b"{") => Err(Obstacle::OtherFormat("a safetensors file")),
        _ => Ok(()),
    }
}

fn graph_of(model: &[u8]) -> Result<&[u8], Obstacle> {
    let mut found = Err(Obstacle::Damaged("it holds no graph"));
    for field in fields(model) {
        if let Field { number: 7, bytes, .. } = field? {
            found = Ok(bytes);
        }
    }
    found
}

/// The string in a field of a message.
fn name_of(message: &[u8], number: u64) -> Result<String, Obstacle> {
    for field in fields(message) {
        let field = field?;
        if field.number == number {
            return Ok(String::from_utf8_lossy(field.bytes).into_owned());
        }
    }
    Ok(String::new())
}

/// The model with the weights in it that lie in other files.
fn gathered(bytes: &[u8], folder: &Path) -> Result<Vec<u8>, Obstacle> {
    let graph = graph_of(bytes)?;
    let mut whole = Vec::with_capacity(graph.len());
    let mut changed = false;
    // One file holds the weights of all tensors, as a rule.
    let mut open: Option<(String, Vec<u8>)> = None;
    let mut total = bytes.len() as u64;
    for field in fields(graph) {
        let field = field?;
        let elsewhere = if field.number == 5 { external(field.bytes)? } else { None };
        let Some(place) = elsewhere else {
            whole.extend_from_slice(field.whole);
            continue;
        };
        if open.as_ref().is_none_or(|(name, _)| *name != place.file) {
            open = Some((place.file.clone(), weights(folder, &place.file)?));
        }
        let Some((_, data)) = &open else { continue };
        let wrong = || Obstacle::WeightsElsewhere(place.file.clone());
        let end = match place.length {
            Some(length) => place.offset.checked_add(length).ok_or_else(wrong)?,
            None => data.len(),
        };
        let raw = data.get(place.offset..end).ok_or_else(wrong)?;
        total += raw.len() as u64;
        if total > MAX_BYTES {
            return Err(Obstacle::TooLarge { bytes: total });
        }
        let mut tensor = Vec::with_capacity(raw.len() + 64);
        for field in fields(field.bytes) {
            let field = field?;
            if !matches!(field.number, 13 | 14) {
                tensor.extend_from_slice(field.whole);
            }
        }
        put_bytes(&mut tensor, 9, raw);
        put_bytes(&mut whole, 5, &tensor);
        changed = true;
    }
    if !changed {
        return Ok(bytes.to_vec());
    }
    let mut model = Vec::with_capacity(whole.len() + 256);
    for field in fields(bytes) {
        let field = field?;
        if field.number != 7 {
            model.extend_from_slice(field.whole);
        }
    }
    put_bytes(&mut model, 7, &whole);
    Ok(model)
}

/// Where a tensor's numbers are, if not in it.
struct Place {
    file: String,
    offset: usize,
    length: Option<usize>,
}

fn external(tensor: &[u8]) -> Result<Option<Place>, Obstacle> {
    let mut place = Place { file: String::new(), offset: 0, length: None };
    let mut elsewhere = false;
    for field in fields(tensor) {
        let field = field?;
        match field.number {
            14 => elsewhere = field.value == 1,
            13 => {
                let (key, value) = (name_of(field.bytes, 1)?, name_of(field.bytes, 2)?);
                let number = || value.parse().map_err(|_| Obstacle::Damaged("where its weights lie"));
                match key.as_str() {
                    "location" => place.file = value,
                    "offset" => place.offset = number()?,
                    "length" => place.length = Some(number()?),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(elsewhere.then_some(place))
}

/// A file of weights, which must lie in the network's folder.
fn weights(folder: &Path, file: &str) -> Result<Vec<u8>, Obstacle> {
    let outside = || Obstacle::WeightsOutside(file.to_owned());
    let plain = !file.is_empty() && Path::new(file).components().all(|c| matches!(c, Component::Normal(_)));
    if !plain || file.contains(['\\', ':', '\0']) {
        return Err(outside());
    }
    let missing = |_| Obstacle::WeightsMissing(file.to_owned());
    let path = folder.join(file);
    let (real, root) = (path.canonicalize().map_err(missing)?, folder.canonicalize().map_err(missing)?);
    if !real.starts_with(root) {
        return Err(outside());
    }
    let bytes = std::fs::metadata(&real).map_err(missing)?.len();
    if bytes > MAX_BYTES {
        return Err(Obstacle::TooLarge { bytes });
    }
    std::fs::read(&real).map_err(missing)
}

fn shape_of(info: &ValueInfoProto) -> Vec<Option<i64>> {
    let tensor = info.r#type.as_ref().and_then(|of| of.tensor_type.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    // A length of 0 or below stands for any.
    shape.map(|shape| shape.dim.iter().map(|dim| dim.dim_value.filter(|v| *v > 0)).collect()).unwrap_or_default()
}

fn type_of(info: &ValueInfoProto) -> i32 {
    info.r#type.as_ref().and_then(|of| of.tensor_type.as_ref()).map_or(0, |tensor| tensor.elem_type)
}

/// A port for people: its name and its shape.
fn words(info: &ValueInfoProto) -> String {
    let side = |side: &Option<i64>| side.map_or("any".to_owned(), |v| v.to_string());
    let shape: Vec<_> = shape_of(info).iter().map(side).collect();
    format!("'{}' [{}]", info.name.chars().take(60).collect::<String>(), shape.join(", "))
}

/// The layout of a picture, and its size where that is fixed; `None` for what is none. Without a declared shape it may be one.
#[allow(clippy::type_complexity, reason = "a layout and a size, named here")]
fn layout_of(info: &ValueInfoProto) -> Result<Option<(Layout, Option<Extent>)>, Obstacle> {
    let shape = shape_of(info);
    let (layout, [height, width]) = match shape.as_slice() {
        [] => (Layout::Planes, [None; 2]),
        [_, Some(3), height, width] => (Layout::Planes, [*height, *width]),
        [_, height, width, Some(3)] => (Layout::Pixels, [*height, *width]),
        [_, None, height, width] => (Layout::Planes, [*height, *width]),
        _ => return Ok(None),
    };
    let fixed = match (height, width) {
        (Some(height), Some(width)) if height.max(width) <= MAX_SIDE => Some(Extent::new(width as u32, height as u32)),
        _ => None,
    };
    Ok(Some((layout, fixed)))
}

/// The only input that is no constant.
fn only_picture(inputs: &[ValueInfoProto]) -> Result<&ValueInfoProto, Obstacle> {
    let all = || inputs.iter().map(words).collect::<Vec<_>>().join(", ");
    match inputs {
        [one] => Ok(one),
        [] => Err(Obstacle::ManyInputs("nothing".to_owned())),
        _ => {
            let diffuses = |input: &ValueInfoProto| {
                let name = input.name.to_lowercase();
                ["timestep", "encoder_hidden_states", "sigma", "latent"].iter().any(|word| name.contains(word))
            };
            Err(if inputs.iter().any(diffuses) { Obstacle::Diffusion(all()) } else { Obstacle::ManyInputs(all()) })
        }
    }
}
