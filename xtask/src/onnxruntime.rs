//! The ONNX Runtime library: pinned builds, from the wheels that their makers publish, checked by their sums, kept in the
//! user's cache folder, where Impasto looks for them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::Outcome;
use crate::shell::{program, say, works};

/// Which build is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Its makers' own, for processors.
    Plain,
    /// With OpenVINO, for Intel's processors, GPUs and NPUs.
    OpenVino,
}

impl Build {
    /// The name of the package on PyPI.
    const fn package(self) -> &'static str {
        match self {
            Self::Plain => "onnxruntime",
            Self::OpenVino => "onnxruntime-openvino",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Plain => "1.32.0",
            Self::OpenVino => "1.24.1",
        }
    }
}

/// The wheel for one platform. All wheels of a platform hold the same kind of library, whatever Python they are for.
struct Wheel {
    build: Build,
    os: &'static str,
    arch: &'static str,
    file: &'static str,
    /// Where PyPI keeps it, below `https://files.pythonhosted.org/packages/`.
    folder: &'static str,
    sha256: &'static str,
    library: &'static str,
    library_sha256: &'static str,
    /// What else of the wheel's folder `capi` the library needs beside it.
    beside: &'static [&'static str],
}

const WHEELS: &[Wheel] = &[
    Wheel {
        build: Build::Plain,
        os: "linux",
        arch: "x86_64",
        file: "onnxruntime-1.32.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        folder: "a3/81/55845186c20cba59f614991f4065dea148e48eeb9749893768c85ce64327",
        sha256: "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
        library: "libonnxruntime.so.1.32.0",
        library_sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
        beside: &[],
    },
    Wheel {
        build: Build::Plain,
        os: "linux",
        arch: "aarch64",
        file: "onnxruntime-1.32.0-cp312-cp312-manylinux_2_28_aarch64.whl",
        folder: "4a/8f/1e43fb994513c7c7a9c6965272ef89d963c1bd4080993a6267bf913701d1",
        sha256: "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
        library: "libonnxruntime.so.1.32.0",
        library_sha256: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
        beside: &[],
    },
    Wheel {
        build: Build::Plain,
        os: "macos",
        arch: "aarch64",
        file: "onnxruntime-1.32.0-cp312-cp312-macosx_14_0_arm64.whl",
        folder: "6f/a4/480cd367bc135dd9951c89d461cc6af6be9302cd2ce91e231f6cb0e7ee1b",
        sha256: "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e",
        library: "libonnxruntime.1.32.0.dylib",
        library_sha256: "fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7",
        beside: &[],
    },
    Wheel {
        build: Build::Plain,
        os: "windows",
        arch: "x86_64",
        file: "onnxruntime-1.32.0-cp312-cp312-win_amd64.whl",
        folder: "a9/3e/27039badc39a1b01628b6b40b1ff1bf4a886e6dfb2f311c483606b7c86f7",
        sha256: "efe7456952c243a05a53d5b8732953625144642c2f3989094277f6217f0c0c40",
        library: "onnxruntime.dll",
        library_sha256: "443c0065fcdba17618ddef05050308f4b471893c5c7da0337d6957c9073ad8a7",
        beside: &[],
    },
    Wheel {
        build: Build::Plain,
        os: "windows",
        arch: "aarch64",
        file: "onnxruntime-1.32.0-cp312-cp312-win_arm64.whl",
        folder: "5d/e1/2ee4e15cebe7c2868e1d9ef391450db0951e6bbb2f01b2eb926722e19397",
        sha256: "64d394c69d561af3efd4d4f49dcac8f11d0ce135a20701c16d53b74056cd4cf8",
        library: "onnxruntime.dll",
        library_sha256: "a5c1951a7d495fa0c22a0865fe36981fe67f9d5dc7ba3893c20fa7266dd1e994",
        beside: &[],
    },
    Wheel {
        build: Build::OpenVino,
        os: "linux",
        arch: "x86_64",
        file: "onnxruntime_openvino-1.24.1-cp312-cp312-manylinux_2_28_x86_64.whl",
        folder: "50/cf/17ba72de2df0fcba349937d2788f154397bbc2d1a2d67772a97e26f6bc5f",
        sha256: "d617fac2f59a6ab5ea59a788c3e1592240a129642519aaeaa774761dfe35150e",
        library: "libonnxruntime.so.1.24.1",
        library_sha256: "c7b0590c7825f7029ba17e20a5dea27f7f570d8241d60584caacd363648aa8e2",
        beside: &[
            "libonnxruntime_providers_openvino.so",
            "libonnxruntime_providers_shared.so",
            "libopenvino.so.2541",
            "libopenvino_intel_cpu_plugin.so",
            "libopenvino_intel_gpu_plugin.so",
            "libopenvino_intel_npu_plugin.so",
            "libopenvino_onnx_frontend.so.2541",
            "libtbb.so.12",
        ],
    },
];

/// Downloading, hashing and unzipping are Python's, whose standard library has all three.
const FETCH: &str = include_str!("fetch.py");

/// Fetches the library unless it is there already, and returns its path. Either way its sum is right. `None` where its
/// makers publish none for the platform; Impasto paints without it.
///
/// # Errors
/// When there is no Python, no network, or a wrong sum; with what to do.
pub fn fetch(build: Build) -> Outcome<Option<PathBuf>> {
    let (package, version) = (build.package(), build.version());
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let Some(wheel) = WHEELS.iter().find(|w| w.build == build && w.os == os && w.arch == arch) else {
        say(&format!("there is no {package} {version} for {os} on {arch}: going on without"));
        return Ok(None);
    };
    let folder = cache()
        .ok_or("there is no home folder to keep ONNX Runtime in; set HOME")?
        .join(format!("{package}-{version}"));
    let library = folder.join(wheel.library);
    let python = python()?;
    let mut child = program(python)
        .arg("-")
        .args([package, wheel.file, wheel.sha256, wheel.library, wheel.library_sha256])
        .arg(format!("https://files.pythonhosted.org/packages/{}/{}", wheel.folder, wheel.file))
        .arg(&folder)
        .args(wheel.beside)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{python} could not be started: {e}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(FETCH.as_bytes()).map_err(|e| format!("{python} ended early: {e}"))?;
    }
    let status = child.wait().map_err(|e| format!("{python} was lost: {e}"))?;
    if !status.success() {
        return Err(format!(
            "{package} {version} could not be fetched. Without a network: download {} elsewhere and name it with IMPASTO_ORT_WHEEL",
            wheel.file
        ));
    }
    say(&format!("{package} {version}: {}", library.display()));
    Ok(Some(library))
}

/// The name under which a Python that is new enough goes here.
pub fn python() -> Outcome<&'static str> {
    ["python3", "python", "py"]
        .into_iter()
        .find(|p| works(program(p).args(["-c", "import sys; sys.exit(sys.version_info < (3, 7))"])))
        .ok_or_else(|| "Python 3.7 or newer is needed; on Debian: sudo apt-get install python3 python3-venv".to_owned())
}

/// The folder that `directories::BaseDirs::cache_dir` names, and `impasto` below it.
pub fn cache() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = if cfg!(target_os = "windows") {
        var("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        var("HOME").map(|home| home.join("Library/Caches"))
    } else {
        var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")))
    };
    Some(base?.join("impasto"))
}
