//! ONNX Runtime: finding its library, and running a student with it on the CPU. The only file that names `ort`.
//!
//! The library is loaded while the program runs, so the program starts without it and says what to do. It is also the
//! oracle that our own engine is compared with, and the way to run a user's network whose operators we lack.
//!
//! Knows networks as ONNX bytes and pictures as planar floats. It must not know the GPU, frames or windows; what thread
//! it runs on is decided in `roundtrip`.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::AsPointer as _;
use ort::environment::Environment;
use ort::ep::ExecutionProvider;
use ort::memory::Allocator;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, Session};
use ort::value::{Tensor, TensorElementType, ValueType};

use crate::fault::Fault;
use crate::nn::engines::Provider;
use crate::nn::graph::Graph;
use crate::roundtrip::Painter;
use crate::system::physical_cores;
use crate::units::Extent;

/// What was wrong with the library, a network, or a run.
#[derive(Debug, thiserror::Error)]
pub enum OrtError {
    #[error("ONNX Runtime was not found in any of {} places; run 'cargo xtask setup --onnxruntime' to fetch it, or name the library with IMPASTO_ORT_LIB", looked.len())]
    NotFound { looked: Vec<PathBuf> },
    #[error(
        "{path} is not a usable ONNX Runtime: {cause}; version 1.{} or newer is needed, 'cargo xtask setup --onnxruntime' fetches one",
        ort::MINOR_VERSION
    )]
    Load { path: PathBuf, cause: String },
    #[error(
        "ONNX Runtime is already loaded from {loaded}, and a program can only load one; start again to use {wanted}"
    )]
    AlreadyLoaded { loaded: PathBuf, wanted: PathBuf },
    #[error(
        "ONNX Runtime does not accept the network: {cause}; check that the file is an ONNX network with operators that this version knows"
    )]
    Network { cause: String },
    #[error(
        "the network's {what} is {found}, expected {expected}; export it with a three-channel picture in and out, and free height and width"
    )]
    Shape { what: String, found: String, expected: String },
    #[error("{expected} numbers were expected, {found} were given")]
    Length { expected: usize, found: usize },
    #[error("ONNX Runtime failed on a picture, which is shown as it was: {cause}")]
    Run { cause: String },
}

/// What is known of a loaded library; plain data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OrtInfo {
    pub path: PathBuf,
    /// `1.32.0`
    pub version: String,
    /// Execution providers compiled into it, by short name: `CPU`, `CUDA`, `OpenVINO` …
    pub providers: Vec<String>,
}

/// The loaded library. Cheap to clone; lives until the program ends, because the library cannot be unloaded safely.
#[derive(Clone, Debug)]
pub struct OrtRuntime {
    env: Environment,
    info: Arc<OrtInfo>,
}

/// One library per process: the `ort` crate keeps it in a global of its own.
static LOADED: Mutex<Option<OrtRuntime>> = Mutex::new(None);

impl OrtRuntime {
    /// Loads the library. Looks at `explicit` alone if given, else at `$IMPASTO_ORT_LIB` alone if set, else beside the
    /// executable (and in `../lib`), in the cache folder that `cargo xtask setup --onnxruntime` fills, and where the system keeps its
    /// libraries. A second call returns what the first one loaded.
    ///
    /// # Errors
    /// When there is none, when what there is cannot be used, or when another one is loaded already.
    pub fn find(explicit: Option<&Path>) -> Result<Self, OrtError> {
        let named = explicit
            .map(Path::to_owned)
            .or_else(|| std::env::var_os("IMPASTO_ORT_LIB").filter(|v| !v.is_empty()).map(PathBuf::from));
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return match named {
                Some(wanted) if !same_file(&wanted, &runtime.info.path) => {
                    Err(OrtError::AlreadyLoaded { loaded: runtime.info.path.clone(), wanted })
                }
                _ => Ok(runtime.clone()),
            };
        }
        let runtime = match named {
            Some(path) => Self::load(&path)?,
            None => Self::load_first(candidates())?,
        };
        Ok(loaded.insert(runtime).clone())
    }

    /// Where it was found, its version, what it offers.
    pub fn info(&self) -> &OrtInfo {
        &self.info
    }

    /// The first that loads. A library that is there and does not load is the error to report, if none loads.
    fn load_first(candidates: Vec<PathBuf>) -> Result<Self, OrtError> {
        let mut broken = None;
        for path in &candidates {
            // A bare name goes to the system's loader, which has folders of its own.
            let bare = path.components().count() == 1;
            if !bare && !path.is_file() {
                continue;
            }
            match Self::load(path) {
                Ok(runtime) => return Ok(runtime),
                Err(error) if !bare => broken = broken.or(Some(error)),
                Err(_) => {}
            }
        }
        Err(broken.unwrap_or(OrtError::NotFound { looked: candidates }))
    }

    fn load(path: &Path) -> Result<Self, OrtError> {
        let load = |cause: String| OrtError::Load { path: path.to_owned(), cause };
        let bare = path.components().count() == 1;
        if !bare && !path.is_file() {
            return Err(load("there is no such file".into()));
        }
        // `ort` takes a relative path as relative to the executable.
        let absolute =
            if bare { path.to_owned() } else { std::path::absolute(path).map_err(|e| load(e.to_string()))? };
        if std::env::var_os(TELEMETRY_OFF.0).is_none() {
            log::warn!("{} is not set: ONNX Runtime may send figures of its own", TELEMETRY_OFF.0);
        }
        // Held until `ort` has opened the library too, so that it is loaded once.
        let (_library, version) = open_library(&absolute).map_err(load)?;
        let minor = version.split('.').nth(1).and_then(|n| n.parse::<u32>().ok());
        if minor.is_none_or(|minor| minor < ort::MINOR_VERSION) {
            return Err(load(format!("it is version {version}")));
        }
        let env = ort::init_from(&absolute)
            .map_err(|e| load(e.to_string()))?
            .with_name("impasto")
            .with_telemetry(false)
            .with_logger(Arc::new(log_message))
            .build()
            .map_err(|e| load(e.to_string()))?;
        env.set_log_level(ort::logging::LogLevel::Warning);
        let info = OrtInfo { path: absolute, version, providers: providers() };
        Ok(Self { env, info: Arc::new(info) })
    }
}

/// What must stand in the environment before ONNX Runtime is loaded, as name and value. From 1.32 on its Linux library
/// writes events (path of the program, device id, model facts) into the user's cache folder and holds what uploads them to its
/// makers; the switch in its C interface comes after the first of them.
pub const TELEMETRY_OFF: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// Opens the library and asks for its version, which `ort` keeps to itself.
#[allow(unsafe_code, reason = "a library is loaded and called by its C interface")]
fn open_library(path: &Path) -> Result<(libloading::Library, String), String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's initialisers. ONNX Runtime's are sound; of another library at this path nobody
    // can say more than that the user, or the system, put it there.
    let library = unsafe { libloading::Library::new(path) }
        .map_err(|e| std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string))?;
    // SAFETY: every ONNX Runtime exports this function with this signature (onnxruntime_c_api.h), unchanged since 1.0.
    let get_base = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| "it does not export OrtGetApiBase".to_owned())?;
    // SAFETY: as above; the result points to a constant inside the library, or is null.
    let base = unsafe { get_base().as_ref() }.ok_or("OrtGetApiBase returned nothing")?;
    // SAFETY: as above; the string is a constant inside the library, which is still open.
    let version = unsafe { std::ffi::CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    Ok((library, version))
}

/// Asks the library whether it was built with an execution provider, by its name in ONNX Runtime.
macro_rules! built_in {
    ($found:ident: $($short:literal = $name:literal),+ $(,)?) => {$({
        struct Probe;
        impl ExecutionProvider for Probe {
            const NAME: &'static str = $name;
            fn register(&self, _: &mut SessionBuilder) -> ort::Result<()> {
                Err(ort::Error::new("this type only asks whether the provider is there"))
            }
        }
        if Probe::is_available().unwrap_or(false) {
            $found.push($short.to_owned());
        }
    })+};
}

fn providers() -> Vec<String> {
    let mut found = Vec::new();
    built_in!(found:
        "TensorRT" = "TensorrtExecutionProvider",
        "CUDA" = "CUDAExecutionProvider",
        "MIGraphX" = "MIGraphXExecutionProvider",
        "ROCm" = "ROCMExecutionProvider",
        "DirectML" = "DmlExecutionProvider",
        "CoreML" = "CoreMLExecutionProvider",
        "WebGPU" = "WebGpuExecutionProvider",
        "OpenVINO" = "OpenVINOExecutionProvider",
        "QNN" = "QNNExecutionProvider",
        "oneDNN" = "DnnlExecutionProvider",
        "XNNPACK" = "XnnpackExecutionProvider",
        "CPU" = "CPUExecutionProvider",
    );
    found
}

/// The library's own messages, under the target `ort`. It calls many harmless things warnings.
fn log_message(level: ort::logging::LogLevel, category: &str, _id: &str, _location: &str, message: &str) {
    use ort::logging::LogLevel;
    let level = match level {
        LogLevel::Verbose => log::Level::Trace,
        LogLevel::Info | LogLevel::Warning => log::Level::Debug,
        LogLevel::Error | LogLevel::Fatal => log::Level::Warn,
    };
    log::log!(target: "ort", level, "{category}: {message}");
}

/// The names under which the library's file goes on this platform.
fn is_library_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    if cfg!(target_os = "windows") {
        name.eq_ignore_ascii_case("onnxruntime.dll")
    } else if cfg!(target_os = "macos") {
        name.starts_with("libonnxruntime") && name.ends_with(".dylib") && !name.contains("providers")
    } else {
        name.starts_with("libonnxruntime.so")
    }
}

/// Where a library may be, best first. Files in folders, then names for the system's loader.
fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(beside) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        folders.push(beside.to_owned());
        folders.push(beside.join("lib"));
        folders.push(beside.join("../lib"));
        folders.push(beside.join("../Frameworks"));
    }
    // `cargo xtask setup --onnxruntime` makes one folder per build: onnxruntime-1.32.0, onnxruntime-openvino-1.24.1. The latter comes
    // first: it is there because it was asked for.
    for cache in crate::folders::caches() {
        let mut versions = listed(&cache, |name| name.to_string_lossy().starts_with("onnxruntime-"));
        versions.reverse();
        folders.append(&mut versions);
    }
    let mut found: Vec<PathBuf> = folders.iter().flat_map(|folder| listed(folder, is_library_name)).collect();
    let bare: &[&str] = if cfg!(target_os = "windows") {
        &["onnxruntime.dll"]
    } else if cfg!(target_os = "macos") {
        &["libonnxruntime.dylib"]
    } else {
        &["libonnxruntime.so", "libonnxruntime.so.1"]
    };
    found.extend(bare.iter().map(PathBuf::from));
    found
}

/// Entries of a folder whose names fit, sorted; none when it cannot be read.
fn listed(folder: &Path, fits: impl Fn(&OsStr) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.flatten().filter(|e| fits(&e.file_name())).map(|e| e.path()).collect();
    found.sort();
    found
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// How a student runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrtOptions {
    /// Threads that share the work of one operator, the calling one included.
    pub threads: NonZeroUsize,
    /// Whether idle threads poll for work: a little faster, and a core each burnt all the time.
    pub spin: bool,
    pub provider: Provider,
}

impl Default for OrtOptions {
    /// One thread per physical core, or as many as `IMPASTO_ORT_THREADS` says; without spinning, which on two cores that
    /// also draw was measured to double the time of a picture.
    fn default() -> Self {
        let named = std::env::var("IMPASTO_ORT_THREADS").ok().and_then(|n| n.parse::<NonZeroUsize>().ok());
        let threads = named.map_or_else(physical_cores, |n| n.min(MOST_THREADS));
        Self { threads, spin: false, provider: Provider::Cpu }
    }
}

/// More than a student has work for, whatever is asked for.
const MOST_THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// A network with its input fixed to one size, ready to run over and over in the same memory.
#[derive(Debug)]
pub struct OrtStudent {
    session: Session,
    binding: IoBinding,
    /// `[1, 3, height, width]`, f32; bound as the network's input.
    image: Tensor<f32>,
    /// As `image`; bound as its output.
    painted: Tensor<f32>,
    /// `[1, channels, height / 2, width / 2]`, f32; bound as the network's input `canvas`, where it has one.
    canvas: Option<Tensor<f32>>,
    /// `[1, n]`, f32; bound as the network's input `style`, where it has one.
    style: Option<Tensor<f32>>,
    extent: Extent,
}

impl OrtStudent {
    /// Prepares a network whose style is fixed (see [`Graph::fold`]). Otherwise as [`Self::from_onnx`].
    ///
    /// # Errors
    /// When the graph still takes a style, or ONNX Runtime refuses it.
    pub fn new(runtime: &OrtRuntime, folded: &Graph, extent: Extent, options: OrtOptions) -> Result<Self, OrtError> {
        Self::from_onnx(runtime, &folded.to_onnx(), &[], extent, options)
    }

    /// Prepares a network given as the bytes of an ONNX file: input `image` and output `painted` (or the only ones there
    /// are), f32 `[1, 3, height, width]` with values 0..1, where the network takes one `canvas` f32
    /// `[1, channels, height / 2, width / 2]`, and, when `style` is not empty, an input `style` f32 `[1, style.len()]` that
    /// has this value. Takes tens of milliseconds: not for the render thread.
    ///
    /// # Errors
    /// When ONNX Runtime refuses the network, or its inputs and outputs are others.
    pub fn from_onnx(
        runtime: &OrtRuntime,
        onnx: &[u8],
        style: &[f32],
        extent: Extent,
        options: OrtOptions,
    ) -> Result<Self, OrtError> {
        let network = |cause: ort::Error| OrtError::Network { cause: cause.message().trim().to_owned() };
        let session =
            builder(runtime, extent, options).and_then(|mut b| b.commit_from_memory(onnx)).map_err(network)?;

        let image_name = outlet_name(session.inputs(), "image", style.len())?;
        let painted_name = outlet_name(session.outputs(), "painted", 0)?;
        let (height, width) = (i64::from(extent.height), i64::from(extent.width));
        let shape = [1, 3, height, width];
        check_outlet(session.inputs(), &image_name, shape)?;
        check_outlet(session.outputs(), &painted_name, shape)?;

        let image = Tensor::<f32>::new(&Allocator::default(), shape).map_err(network)?;
        let mut painted = Tensor::<f32>::new(&Allocator::default(), shape).map_err(network)?;
        let mut binding = session.create_binding().map_err(network)?;
        binding.bind_input(&*image_name, &image).map_err(network)?;
        binding.bind_output(&*painted_name, &mut painted).map_err(network)?;
        let canvas = match canvas_channels(session.inputs())? {
            None => None,
            Some(channels) => {
                let shape = [1, channels, height / 2, width / 2];
                check_outlet(session.inputs(), "canvas", shape)?;
                let mut canvas = Tensor::<f32>::new(&Allocator::default(), shape).map_err(network)?;
                canvas.extract_tensor_mut().1.fill(0.0);
                binding.bind_input("canvas", &canvas).map_err(network)?;
                Some(canvas)
            }
        };
        let style = match style {
            [] => None,
            values => {
                let style = Tensor::from_array(([1, values.len()], values.to_vec())).map_err(network)?;
                binding.bind_input("style", &style).map_err(network)?;
                Some(style)
            }
        };
        let mut student = Self { session, binding, image, painted, canvas, style, extent };
        // The first run plans memory and packs weights: here, not on the first frame.
        student.image.extract_tensor_mut().1.fill(0.0);
        student.run_bound()?;
        Ok(student)
    }

    /// The size of the pictures that it takes and gives.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Numbers in a picture: three planes.
    pub fn numbers(&self) -> usize {
        3 * self.extent.width as usize * self.extent.height as usize
    }

    /// Paints one picture. Both slices are three planes (red, green, blue) of `height` rows of `width` values in 0..1.
    /// Allocates nothing on our side; ONNX Runtime reuses its arena.
    ///
    /// # Errors
    /// When a slice has the wrong length, or ONNX Runtime fails; `painted` is then unchanged.
    pub fn run(&mut self, image: &[f32], painted: &mut [f32]) -> Result<(), OrtError> {
        let expected = self.numbers();
        for found in [image.len(), painted.len()] {
            if found != expected {
                return Err(OrtError::Length { expected, found });
            }
        }
        self.image_mut().copy_from_slice(image);
        painted.copy_from_slice(self.run_in_place()?);
        Ok(())
    }

    /// The network's input memory, for whoever would rather write the picture there than copy it.
    pub fn image_mut(&mut self) -> &mut [f32] {
        self.image.extract_tensor_mut().1
    }

    /// Where the canvas goes of a network that takes one: `[channels][height / 2][width / 2]`. It stays from picture to
    /// picture; zeros at first. Empty for a network that takes none.
    pub fn canvas_mut(&mut self) -> &mut [f32] {
        self.canvas.as_mut().map_or(&mut [][..], |canvas| canvas.extract_tensor_mut().1)
    }

    /// Changes the value of the network's input `style`, from the next picture on.
    ///
    /// # Errors
    /// When it has another length than the one that the network was prepared with.
    pub fn set_style(&mut self, values: &[f32]) -> Result<(), OrtError> {
        let held = self.style.as_mut().map_or(&mut [][..], |style| style.extract_tensor_mut().1);
        if held.len() != values.len() {
            return Err(OrtError::Length { expected: held.len(), found: values.len() });
        }
        held.copy_from_slice(values);
        Ok(())
    }

    /// Paints what is in [`Self::image_mut`] and shows the result in the network's output memory.
    ///
    /// # Errors
    /// When ONNX Runtime fails.
    pub fn run_in_place(&mut self) -> Result<&[f32], OrtError> {
        self.run_bound()?;
        Ok(self.painted.extract_tensor().1)
    }

    #[allow(
        unsafe_code,
        reason = "the safe call makes a handful of heap objects for each run to return the outputs that we already hold"
    )]
    fn run_bound(&mut self) -> Result<(), OrtError> {
        let run = |cause: ort::Error| OrtError::Run { cause: cause.message().trim().to_owned() };
        let (session, binding) = (self.session.ptr().cast_mut(), self.binding.ptr());
        // SAFETY: both pointers come from live values that `self` owns; `&mut self` keeps other runs out; input and output
        // memory is owned by `self` and stays bound; null options mean the defaults.
        let status = unsafe { (ort::api().RunWithBinding)(session, std::ptr::null(), binding) };
        // SAFETY: the status was just returned to us and is used once.
        unsafe { ort::Error::result_from_status(status) }.map_err(run)
    }
}

fn builder(runtime: &OrtRuntime, extent: Extent, options: OrtOptions) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(&runtime.env)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(options.threads.get())?
        .with_inter_threads(1)?
        .with_intra_op_spinning(options.spin)?
        // Denormals cost a hundred times a normal number, and a picture does not miss them.
        .with_flush_to_zero()?
        .with_dimension_override("height", extent.height.into())?
        .with_dimension_override("width", extent.width.into())?
        .with_dimension_override("half_height", (extent.height / 2).into())?
        .with_dimension_override("half_width", (extent.width / 2).into())?)
}

/// The name of the picture among a network's inputs or outputs: `wanted`, or that of the only one.
fn outlet_name(outlets: &[ort::value::Outlet], wanted: &str, style_len: usize) -> Result<String, OrtError> {
    let names: Vec<&str> = outlets.iter().map(|o| o.name()).collect();
    let wrong =
        |expected: String| OrtError::Shape { what: "inputs or outputs".into(), found: names.join(", "), expected };
    let has_style = names.contains(&"style");
    if has_style != (style_len > 0) {
        return Err(wrong(if has_style { "a value for its input 'style'".into() } else { "an input 'style'".into() }));
    }
    if names.contains(&wanted) {
        return Ok(wanted.to_owned());
    }
    match *names.as_slice() {
        [only] => Ok(only.to_owned()),
        _ => Err(wrong(format!("one called '{wanted}'"))),
    }
}

/// Channels of the input `canvas`; `None` for a network that has none.
fn canvas_channels(inputs: &[ort::value::Outlet]) -> Result<Option<i64>, OrtError> {
    let Some(outlet) = inputs.iter().find(|o| o.name() == "canvas") else { return Ok(None) };
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } if shape.len() == 4 && shape[1] > 0 => {
            Ok(Some(shape[1]))
        }
        other => Err(OrtError::Shape {
            what: "'canvas'".into(),
            found: other.to_string(),
            expected: "f32 [1, C, height / 2, width / 2]".into(),
        }),
    }
}

/// Free dimensions are -1 and fit everything.
fn check_outlet(outlets: &[ort::value::Outlet], name: &str, expected: [i64; 4]) -> Result<(), OrtError> {
    let Some(outlet) = outlets.iter().find(|o| o.name() == name) else { return Ok(()) };
    let fits = match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            shape.len() == 4 && shape.iter().zip(expected).all(|(&found, wanted)| found == -1 || found == wanted)
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(OrtError::Shape {
        what: format!("'{name}'"),
        found: outlet.dtype().to_string(),
        expected: format!("f32 {expected:?}"),
    })
}

impl Painter for OrtStudent {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn image_mut(&mut self) -> &mut [f32] {
        self.image.extract_tensor_mut().1
    }

    fn canvas_mut(&mut self) -> &mut [f32] {
        OrtStudent::canvas_mut(self)
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        self.run_in_place().map_err(|e| Fault::degraded(e.to_string(), "Choose another effect, or --engine wgpu"))
    }
}
