//! From an ONNX file to a [`Graph`]: names to values, the style path to tables, everything else to typed nodes.
//!
//! The style path (`MatMul` of the style with a table, `Split`, `Slice`, `Reshape`) is linear, so it is followed
//! symbolically: what comes out is "columns 40..72 of this table". Constants are read once and shared.

mod style_path;

use std::collections::HashMap;
use std::sync::Arc;

use super::graph::{
    Activation, Arithmetic, Conv, Graph, GraphError, Interpolation, MAX_CHANNELS, MAX_NODES, MAX_STYLES, Node, Op,
    Pads, PerChannel, ValueId, limit,
};
use super::onnx::{self, GraphProto, NodeProto, TensorProto, ValueInfoProto, attribute_type, data_type};

/// Versions of the operator set in which the operators that students use mean the same.
const OPSETS: std::ops::RangeInclusive<i64> = 13..=24;

/// What a name in the file stands for.
#[derive(Clone)]
enum Meaning {
    Picture(ValueId),
    Floats {
        dims: Arc<[usize]>,
        data: Arc<[f32]>,
    },
    Ints(Arc<[i64]>),
    /// The style input, `[1, K]`.
    Style,
    /// Columns of the product of the style and a table, `[1, len]`, or `[1, len, 1, 1]` once `per_channel`.
    Row {
        table: Arc<[f32]>,
        columns: usize,
        first: usize,
        len: usize,
        per_channel: bool,
    },
}

impl Graph {
    /// Reads a student from the bytes of an `.onnx` file: input `image` `[1, 3, H, W]`, optionally `canvas`
    /// `[1, C, H/2, W/2]` and `style` `[1, K]`, one output `[1, 3, H, W]`.
    ///
    /// # Errors
    /// When the bytes are no such network, when an operator or attribute is not supported (naming the node), or when a
    /// limit on size is passed. Any bytes are safe to give.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self, GraphError> {
        let model = onnx::decode(bytes)?;
        let opset = model.opset_import.iter().find(|o| o.domain.is_empty()).map(|o| o.version);
        if !opset.is_some_and(|v| OPSETS.contains(&v)) {
            let found = opset.map_or("none".to_owned(), |v| v.to_string());
            return Err(GraphError::Contract(format!("its operator set is {found}, not {OPSETS:?}")));
        }
        let graph = model.graph.ok_or_else(|| GraphError::NotOnnx("it holds no graph".to_owned()))?;
        limit("number of nodes", graph.node.len(), MAX_NODES)?;
        let mut importer = Importer { meanings: HashMap::new(), nodes: Vec::new(), channels: vec![3], style_len: 0 };
        importer.constants(&graph)?;
        importer.inputs(&graph)?;
        for node in &graph.node {
            importer.node(node)?;
        }
        let [output] = graph.output.as_slice() else {
            return Err(GraphError::Contract(format!("it has {} outputs and must have one", graph.output.len())));
        };
        match importer.meanings.get(output.name.as_str()) {
            Some(&Meaning::Picture(value)) => Graph::new(importer.nodes, value, importer.style_len),
            _ => Err(GraphError::Contract(format!("its output '{}' is not a picture made by a node", output.name))),
        }
    }
}

struct Importer<'a> {
    meanings: HashMap<&'a str, Meaning>,
    nodes: Vec<Node>,
    /// For each value so far.
    channels: Vec<usize>,
    style_len: usize,
}

impl<'a> Importer<'a> {
    fn define(&mut self, name: &'a str, meaning: Meaning) -> Result<(), GraphError> {
        match self.meanings.insert(name, meaning) {
            None => Ok(()),
            Some(_) => Err(GraphError::Contract(format!("the name '{name}' is defined twice"))),
        }
    }

    fn constants(&mut self, graph: &'a GraphProto) -> Result<(), GraphError> {
        for tensor in &graph.initializer {
            let meaning = constant(tensor)
                .map_err(|why| GraphError::Contract(format!("its constant '{}' {why}", tensor.name)))?;
            self.define(&tensor.name, meaning)?;
        }
        Ok(())
    }

    fn inputs(&mut self, graph: &'a GraphProto) -> Result<(), GraphError> {
        let contract = |why: &str| GraphError::Contract(why.to_owned());
        for input in &graph.input {
            // Old files list their constants here too.
            if self.meanings.contains_key(input.name.as_str()) {
                continue;
            }
            match (input.name.as_str(), float_dims(input).as_deref()) {
                ("image", Some([None | Some(1), Some(3), _, _])) => {
                    self.define("image", Meaning::Picture(ValueId::IMAGE))?;
                }
                ("canvas", Some([None | Some(1), Some(channels), _, _])) => {
                    let channels = *channels;
                    let canvas = self.push("canvas", Op::Canvas { channels }, Vec::new(), channels);
                    self.define("canvas", canvas)?;
                }
                ("style", Some([None | Some(1), Some(k @ 1..)])) => {
                    limit("style length", *k, MAX_STYLES)?;
                    self.style_len = *k;
                    self.define("style", Meaning::Style)?;
                }
                ("image", _) => return Err(contract("its input 'image' is not float32 [1, 3, height, width]")),
                ("canvas", _) => return Err(contract("its input 'canvas' is not float32 [1, C, height/2, width/2]")),
                ("style", _) => return Err(contract("its input 'style' is not float32 [1, K]")),
                (other, _) => {
                    return Err(GraphError::Contract(format!(
                        "it has an input '{other}'; only 'image', 'canvas' and 'style' are possible"
                    )));
                }
            }
        }
        if self.meanings.contains_key("image") { Ok(()) } else { Err(contract("it has no input 'image'")) }
    }

    fn push(&mut self, name: &str, op: Op, inputs: Vec<ValueId>, channels: usize) -> Meaning {
        self.nodes.push(Node { name: name.to_owned(), op, inputs });
        self.channels.push(channels);
        Meaning::Picture(ValueId(self.nodes.len()))
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<(), GraphError> {
        let name = if node.name.is_empty() { node.output.first().unwrap_or(&node.op_type) } else { &node.name };
        let fail = |why: String| GraphError::Node { node: name.clone(), op: node.op_type.clone(), why };
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(fail(format!("its domain '{}' is unknown", node.domain)));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for input in &node.input {
            inputs.push(match (input.as_str(), self.meanings.get(input.as_str())) {
                ("", _) => None,
                (_, Some(meaning)) => Some(meaning.clone()),
                (_, None) => return Err(fail(format!("its input '{input}' is made by no node before it"))),
            });
        }
        let attributes = Attributes(node);
        if node.op_type == "Split" {
            let parts = style_path::split(&attributes, &inputs, node.output.len()).map_err(fail)?;
            for (output, part) in node.output.iter().zip(parts) {
                self.define(output, part)?;
            }
            return Ok(());
        }
        let [output] = node.output.as_slice() else {
            return Err(fail(format!("it has {} outputs", node.output.len())));
        };
        let meaning = self.single(name, node, &attributes, &inputs).map_err(fail)?;
        self.define(output, meaning)
    }

    /// What a node with one output makes.
    fn single(
        &mut self,
        name: &str,
        node: &NodeProto,
        attributes: &Attributes<'_>,
        inputs: &[Option<Meaning>],
    ) -> Result<Meaning, String> {
        let picture = |index: usize| match inputs.get(index) {
            Some(Some(Meaning::Picture(value))) => Ok(*value),
            _ => Err(format!("its input {index} is not a picture")),
        };
        let scalar = |index: usize, default: f32| match inputs.get(index) {
            None | Some(None) => Ok(default),
            Some(Some(Meaning::Floats { data, .. })) if data.len() == 1 => Ok(data[0]),
            _ => Err(format!("its input {index} is not one constant number")),
        };
        let activation = match node.op_type.as_str() {
            "Relu" => Some(Activation::RELU),
            "Clip" => Some(Activation::Clip { min: scalar(1, f32::NEG_INFINITY)?, max: scalar(2, f32::INFINITY)? }),
            "Sigmoid" => Some(Activation::Sigmoid),
            _ => None,
        };
        if let Some(activation) = activation {
            let x = picture(0)?;
            return Ok(self.push(name, Op::Activate(activation), vec![x], self.channels[x.0]));
        }
        match node.op_type.as_str() {
            "Identity" => match inputs {
                [Some(same)] => Ok(same.clone()),
                _ => Err("it needs one input".to_owned()),
            },
            "Cast" => match (inputs, attributes.int("to", 0)?) {
                ([Some(floats @ Meaning::Floats { .. })], to) if to == i64::from(data_type::FLOAT) => {
                    Ok(floats.clone())
                }
                _ => Err("only constants can be cast, to float32".to_owned()),
            },
            "MatMul" => style_path::matmul(inputs, self.style_len),
            "Slice" => style_path::slice(inputs),
            "Reshape" => style_path::reshape(attributes, inputs),
            "Conv" => {
                let conv = conv(attributes, inputs)?;
                let channels = conv.out_channels;
                Ok(self.push(name, Op::Conv(conv), vec![picture(0)?], channels))
            }
            "Add" => self.combine(name, Arithmetic::Add, inputs),
            "Sub" => self.combine(name, Arithmetic::Sub, inputs),
            "Mul" => self.combine(name, Arithmetic::Mul, inputs),
            "Concat" => {
                if !matches!(attributes.int("axis", 0)?, 1 | -3) {
                    return Err("only the channels, axis 1, can be joined".to_owned());
                }
                let parts = (0..inputs.len()).map(picture).collect::<Result<Vec<_>, _>>()?;
                let channels: usize = parts.iter().map(|v| self.channels[v.0]).sum();
                if channels > MAX_CHANNELS {
                    return Err(format!("{channels} channels are more than {MAX_CHANNELS}"));
                }
                Ok(self.push(name, Op::Concat, parts, channels))
            }
            "Resize" => {
                let x = picture(0)?;
                Ok(self.push(name, Op::Resize(resize(attributes, inputs)?), vec![x], self.channels[x.0]))
            }
            "DepthToSpace" => {
                if attributes.int("blocksize", 0)? != 2 || attributes.text("mode", "DCR")? != "CRD" {
                    return Err("only blocksize 2 in mode CRD is possible".to_owned());
                }
                let x = picture(0)?;
                Ok(self.push(name, Op::DepthToSpace, vec![x], self.channels[x.0] / 4))
            }
            _ => Err("the operator is not among those that students are made of".to_owned()),
        }
    }

    /// Add, Sub and Mul of two pictures, or of a picture and one number for each channel.
    fn combine(&mut self, name: &str, arithmetic: Arithmetic, inputs: &[Option<Meaning>]) -> Result<Meaning, String> {
        let [Some(a), Some(b)] = inputs else {
            return Err("it needs two inputs".to_owned());
        };
        let (picture, other, swapped) = match (a, b) {
            (&Meaning::Picture(x), &Meaning::Picture(y)) => {
                return Ok(self.push(name, Op::Combine(arithmetic), vec![x, y], self.channels[x.0]));
            }
            (&Meaning::Picture(x), other) => (x, other, false),
            (other, &Meaning::Picture(x)) => (x, other, true),
            _ => return Err("neither input is a picture".to_owned()),
        };
        let channels = self.channels[picture.0];
        let values = per_channel(other, channels)?;
        let (input, op) = match (arithmetic, values) {
            (Arithmetic::Mul, values) => (picture, Op::Scale(values)),
            (Arithmetic::Add, values) => (picture, Op::Shift(values)),
            (Arithmetic::Sub, PerChannel::Constant(values)) if !swapped => {
                (picture, Op::Shift(PerChannel::Constant(values.iter().map(|v| -v).collect())))
            }
            (Arithmetic::Sub, values) if swapped => {
                let minus = PerChannel::Constant(vec![-1.0; channels].into());
                self.push(name, Op::Scale(minus), vec![picture], channels);
                (ValueId(self.nodes.len()), Op::Shift(values))
            }
            (Arithmetic::Sub, _) => return Err("a style cannot be subtracted; add its negative".to_owned()),
        };
        Ok(self.push(name, op, vec![input], channels))
    }
}

/// Attributes by name, with their types checked.
struct Attributes<'a>(&'a NodeProto);

impl Attributes<'_> {
    fn find(&self, name: &str, wanted: i32) -> Result<Option<&onnx::AttributeProto>, String> {
        match self.0.attribute.iter().find(|a| a.name == name) {
            Some(a) if a.r#type != wanted => Err(format!("its attribute '{name}' has the wrong type")),
            found => Ok(found),
        }
    }

    fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.find(name, attribute_type::INT)?.map_or(default, |a| a.i))
    }

    /// Each at most 1000: what counts pixels and channels is small.
    fn sizes<const N: usize>(&self, name: &str, default: [usize; N]) -> Result<[usize; N], String> {
        let Some(attribute) = self.find(name, attribute_type::INTS)? else { return Ok(default) };
        let small = |i: &i64| usize::try_from(*i).ok().filter(|i| *i <= 1000);
        let sizes = attribute.ints.iter().map(small).collect::<Option<Vec<_>>>().and_then(|v| v.try_into().ok());
        sizes.ok_or_else(|| format!("its attribute '{name}' is {:?}", &attribute.ints[..attribute.ints.len().min(8)]))
    }

    fn text(&self, name: &str, default: &'static str) -> Result<&str, String> {
        let Some(attribute) = self.find(name, attribute_type::STRING)? else { return Ok(default) };
        std::str::from_utf8(&attribute.s).map_err(|_| format!("its attribute '{name}' is not text"))
    }
}

fn float_dims(info: &ValueInfoProto) -> Option<Vec<Option<usize>>> {
    let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
    let shape = tensor.shape.as_ref()?;
    if tensor.elem_type != data_type::FLOAT || shape.dim.len() > 8 {
        return None;
    }
    shape.dim.iter().map(|d| d.dim_value.map(|v| usize::try_from(v).ok()).map_or(Some(None), |v| v.map(Some))).collect()
}

fn constant(tensor: &TensorProto) -> Result<Meaning, String> {
    if tensor.data_location != 0 {
        return Err("lies in another file".to_owned());
    }
    if tensor.dims.len() > 8 {
        return Err(format!("has {} dimensions", tensor.dims.len()));
    }
    let dims = tensor
        .dims
        .iter()
        .map(|d| usize::try_from(*d).map_err(|_| format!("has a side of {d}")))
        .collect::<Result<Vec<_>, _>>()?;
    let count = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or("is larger than memory")?;
    let raw = !tensor.raw_data.is_empty();
    let expect = |found: usize| {
        if found == count { Ok(()) } else { Err(format!("has {found} numbers and its shape {dims:?} needs {count}")) }
    };
    let chunks = |bytes: usize| {
        expect(tensor.raw_data.len() / bytes)?;
        if tensor.raw_data.len().is_multiple_of(bytes) { Ok(()) } else { Err("ends inside a number".to_owned()) }
    };
    let floats: Vec<f32> = match tensor.data_type {
        data_type::FLOAT if raw => {
            chunks(4)?;
            tensor.raw_data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        data_type::FLOAT => {
            expect(tensor.float_data.len())?;
            tensor.float_data.clone()
        }
        data_type::FLOAT16 if raw => {
            chunks(2)?;
            tensor.raw_data.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
        }
        data_type::FLOAT16 => {
            expect(tensor.int32_data.len())?;
            tensor.int32_data.iter().map(|bits| half::f16::from_bits(*bits as u16).to_f32()).collect()
        }
        data_type::INT64 => {
            let ints: Vec<i64> = if raw {
                chunks(8)?;
                tensor.raw_data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()
            } else {
                expect(tensor.int64_data.len())?;
                tensor.int64_data.clone()
            };
            return Ok(Meaning::Ints(ints.into()));
        }
        other => return Err(format!("is of type {other}; only float32, float16 and int64 are possible")),
    };
    if let Some(index) = floats.iter().position(|f| !f.is_finite()) {
        return Err(format!("holds {} at index {index}", floats[index]));
    }
    Ok(Meaning::Floats { dims: dims.into(), data: floats.into() })
}

fn conv(attributes: &Attributes<'_>, inputs: &[Option<Meaning>]) -> Result<Conv, String> {
    let Some(Some(Meaning::Floats { dims, data })) = inputs.get(1) else {
        return Err("its weights are not constant".to_owned());
    };
    let &[out_channels, in_group, kernel, kernel_width] = &**dims else {
        return Err(format!("its weights have the shape {dims:?}"));
    };
    if out_channels > MAX_CHANNELS {
        return Err(format!("{out_channels} channels are more than {MAX_CHANNELS}"));
    }
    if attributes.text("auto_pad", "NOTSET")? != "NOTSET" {
        return Err("automatic padding is not possible; write the pads out".to_owned());
    }
    if attributes.sizes("dilations", [1, 1])? != [1, 1] {
        return Err("dilation is not possible".to_owned());
    }
    let strides = attributes.sizes("strides", [1, 1])?;
    let shape = attributes.sizes("kernel_shape", [kernel, kernel_width])?;
    if kernel != kernel_width || shape != [kernel, kernel] || strides[0] != strides[1] {
        return Err(format!("a kernel of {shape:?} with strides {strides:?}; both must be square"));
    }
    let [top, left, bottom, right] = attributes.sizes("pads", [0; 4])?;
    let groups = usize::try_from(attributes.int("group", 1)?).ok().filter(|g| (1..=MAX_CHANNELS).contains(g));
    let groups = groups.ok_or("its number of groups is out of range")?;
    let bias = match inputs.get(2) {
        None | Some(None) => vec![0.0; out_channels].into(),
        Some(Some(Meaning::Floats { data, .. })) => data.clone(),
        _ => return Err("its bias is not constant".to_owned()),
    };
    Ok(Conv {
        weight: data.clone(),
        bias,
        out_channels,
        in_channels: in_group.checked_mul(groups).ok_or("it has too many channels")?,
        groups,
        kernel,
        stride: strides[0],
        pads: Pads { top, left, bottom, right },
    })
}

fn resize(attributes: &Attributes<'_>, inputs: &[Option<Meaning>]) -> Result<Interpolation, String> {
    match inputs.get(2) {
        Some(Some(Meaning::Floats { data, .. })) if **data == [1.0, 1.0, 2.0, 2.0] => {}
        _ => return Err("only the constant scales [1, 1, 2, 2] are possible".to_owned()),
    }
    let coordinates = attributes.text("coordinate_transformation_mode", "half_pixel")?;
    let halves = matches!(coordinates, "half_pixel" | "pytorch_half_pixel");
    match (attributes.text("mode", "nearest")?, attributes.text("nearest_mode", "round_prefer_floor")?) {
        ("nearest", "floor") if coordinates == "asymmetric" => Ok(Interpolation::Nearest),
        // At exactly twice the size all of these take the same pixel.
        ("nearest", "round_prefer_floor" | "round_prefer_ceil") if halves => Ok(Interpolation::Nearest),
        ("linear", _) if halves => Ok(Interpolation::Linear),
        (mode, rounding) => Err(format!("mode {mode}, {coordinates}, {rounding} is not possible")),
    }
}

fn per_channel(meaning: &Meaning, channels: usize) -> Result<PerChannel, String> {
    match meaning {
        Meaning::Floats { dims, data } if data.len() == 1 && dims.len() <= 4 => {
            Ok(PerChannel::Constant(vec![data[0]; channels].into()))
        }
        Meaning::Floats { dims, data } if matches!(**dims, [1, c, 1, 1] | [c, 1, 1] if c == channels) => {
            Ok(PerChannel::Constant(data.clone()))
        }
        Meaning::Floats { dims, .. } => Err(format!("a constant of shape {dims:?} does not fit {channels} channels")),
        Meaning::Row { table, columns, first, len, per_channel: true } => {
            Ok(PerChannel::Styled { table: table.clone(), columns: *columns, first_column: *first, channels: *len })
        }
        _ => Err("its second input is neither a picture nor one number for each channel".to_owned()),
    }
}
