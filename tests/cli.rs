//! The command line, through the real program: what goes to stdout and stderr, exit codes, and the JSON that others script
//! against. What paints needs an adapter (lavapipe will do) and the effect packs of the source tree.

mod cli_support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cli_support::*;

/// ONNX Runtime has a telemetry of its own, which leaves its traces in the user's cache folder.
#[test]
fn nothing_is_kept_or_sent_behind_the_users_back() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a-home-of-its-own");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).unwrap();
    let runtime = impasto::nn::ort::OrtRuntime::find(None).map(|r| r.info().path.clone());
    let Ok(runtime) = runtime else {
        println!("skipped: no ONNX Runtime here");
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_impasto"))
        .args(["doctor", "--json"])
        .env("HOME", &home)
        .env("IMPASTO_ORT_LIB", runtime)
        .env("IMPASTO_CACHE", home.join("impasto"))
        .env_remove("XDG_CACHE_HOME")
        .env_remove("ORT_DISABLE_TELEMETRY")
        .output()
        .unwrap();
    assert!(!json(&output)["onnx_runtime"].is_null(), "ONNX Runtime was loaded");
    let left = |folder: &Path| std::fs::read_dir(folder).map(|d| d.flatten().map(|e| e.path()).collect::<Vec<_>>());
    let strangers: Vec<_> = left(&home.join(".cache")).unwrap_or_default();
    assert!(strangers.is_empty(), "{strangers:?}");
}

/// The smallest size that every network takes: quick even where the GPU is a CPU.
const SMALL: [&str; 2] = ["--size", "64x48"];

fn render(input: &Path, output: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["render", input.to_str().unwrap(), output.to_str().unwrap()];
    arguments.extend(SMALL);
    arguments.extend(more);
    impasto(&arguments)
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = impasto(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success());
    for word in ["render", "bench", "effects", "cameras", "doctor", "--source", "--frames", "--report"] {
        assert!(text.contains(word), "{word} is not in the help");
    }
    let version = impasto(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), format!("impasto {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn mistakes_in_the_command_line_end_with_2() {
    for wrong in [
        &["--engine", "cuda"][..],
        &["bench", "--size", "huge"],
        &["bench", "--frames", "0"],
        &["render"],
        &["--strength", "101"],
        &["nonsense"],
    ] {
        let output = impasto(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn effects_as_json() {
    let listing = json(&impasto(&["effects", "--json"]));
    assert_eq!(listing["schema"], "impasto.effects/1");
    let effects = listing["effects"].as_array().unwrap();
    assert!(effects.len() >= 2);
    for effect in effects {
        assert!(effect["name"].is_string() && effect["kind"].is_string());
        for variant in effect["variants"].as_array().unwrap() {
            assert!(variant["id"].is_string());
            for number in ["width", "height", "mmac", "params", "bytes"] {
                assert!(variant[number].as_f64().unwrap() > 0.0, "{number}");
            }
        }
    }
    let told = impasto(&["effects"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains(effects[0]["name"].as_str().unwrap()));
}

/// The list of passes needs no device.
#[test]
fn plan_as_json_and_as_a_table() {
    let plan = json(&impasto(&["plan", "--variant", "s", "--picture", "640x360", "--json"]));
    let lists = plan["lists"].as_array().unwrap();
    let painted = lists.iter().find(|list| list["of"] == "a frame that is painted").unwrap();
    let names: Vec<_> = painted["passes"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    // With the canvas and the relief that most effects have, whose strokes go along with what is painted.
    let strokes = ["pyramid", "search_step", "drift_of_cells", "sample_canvas", "tensor_of_cells", "flow_of_cells"];
    let others: Vec<_> = names.iter().copied().filter(|name| !strokes.contains(name)).collect();
    assert_eq!(others, ["upload", "ingest", "prepare", "paint", "stabilise", "gain"]);
    assert_eq!(names.len(), others.len() + strokes.len());
    // Of the network, each dispatch of the GPU and each block of the processor; fused blocks move less.
    let network = &plan["network"];
    assert!(network["gpu"]["dispatches"].as_array().unwrap().iter().all(|d| d["bytes"].as_u64().unwrap() > 0));
    let (blocks, cpu) = (network["cpu"]["blocks"].as_array().unwrap(), &network["cpu"]);
    assert!(blocks.len() < network["gpu"]["dispatches"].as_array().unwrap().len());
    assert!(cpu["bytes"].as_u64().unwrap() * 2 < cpu["bytes_unfused"].as_u64().unwrap(), "{cpu}");
    let told = impasto(&["plan", "--variant", "s"]);
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("stabilise") && text.contains("steady before"), "{text}");
    assert!(!impasto(&["plan", "nothing"]).status.success());
}

/// Each part of a network beside its floor, as a table for scripts and as a picture.
#[test]
fn a_roofline_in_numbers_and_as_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("roof.svg");
    let small = ["bench", "--roofline", "--engine", "cpu", "--variant", "s", "--size", "64x48", "--json", "--plot"];
    let roofline = json(&command().args(small).arg(&picture).output().unwrap());
    assert_eq!(roofline["schema"], "impasto.roofline/1");
    let engine = &roofline["engines"][0];
    assert_eq!((engine["engine"].as_str(), roofline["engines"].as_array().unwrap().len()), (Some("cpu"), 1));
    assert!(engine["ceiling"]["flop_per_s"].as_f64().unwrap() > 1e8);
    assert!(engine["parts"].as_array().unwrap().iter().all(|part| part["floor_s"].as_f64().unwrap() > 0.0));
    let drawn = std::fs::read_to_string(picture).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.matches("<circle").count() > 5, "{drawn}");
    failed(&impasto(&["bench", "--roofline", "--engine", "ort"]), "--engine wgpu or --engine cpu");
}

#[test]
fn the_graphics_adapter_can_be_named() {
    if !can_paint() {
        return;
    }
    let doctor = json(&impasto(&["doctor", "--json", "--gpu", "software"]));
    assert!(doctor["gpu"].is_null() || doctor["gpu"]["software"] == true, "{}", doctor["gpu"]);
    if let Some(name) = doctor["gpu"]["name"].as_str() {
        let part = name.split(' ').next().unwrap().to_uppercase();
        assert_eq!(json(&impasto(&["doctor", "--json", "--gpu", &part]))["gpu"]["name"], name);
    }
    failed(&impasto(&["bench", "--frames", "1", "--gpu", "Voodoo 2"]), "there is no graphics adapter 'Voodoo 2'");
}

#[test]
fn cameras_and_doctor_as_json() {
    assert!(json(&impasto(&["cameras", "--json"]))["cameras"].is_array());
    let doctor = json(&impasto(&["doctor", "--json"]));
    assert_eq!(doctor["schema"], "impasto.doctor/1");
    for field in ["adapters", "cameras"] {
        assert!(doctor[field].is_array(), "{field}");
    }
    assert!(doctor["healthy"].is_boolean());
    assert!(doctor["choice"].is_object() || doctor["choice_trouble"].is_string());
}

#[test]
fn a_folder_without_packs_is_an_error() {
    let empty = tempfile::tempdir().unwrap();
    let output = impasto(&["effects", "--json", "--models", empty.path().to_str().unwrap()]);
    failed(&output, "No effects");
}

#[test]
fn bench_as_json() {
    if !can_paint() {
        return;
    }
    let report = json(&impasto(&["bench", "--frames", "6", "--warm-up", "2", "--size", "64x48", "--json"]));
    assert_eq!(report["schema"], "impasto.bench/1");
    for text in ["effect", "variant", "engine", "device", "why"] {
        assert!(!report[text].as_str().unwrap().is_empty(), "{text}");
    }
    assert_eq!((&report["width"], &report["height"]), (&64.into(), &48.into()));
    let frames = &report["frames"];
    let count = |name: &str| frames[name].as_u64().unwrap();
    assert!(count("processed") >= 8 && count("captured") >= count("processed") + count("dropped"));
    assert!(report["fps"]["processed"].as_f64().unwrap() > 0.0);
    for times in ["total_ms", "infer_ms"] {
        let [p50, p95, p99] = ["p50", "p95", "p99"].map(|p| report[times][p].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{times}");
    }
    let stages = report["stages"].as_array().unwrap();
    let mean: f64 = stages.iter().map(|s| s["mean_ms"].as_f64().unwrap()).sum();
    let total = report["total_ms"]["mean"].as_f64().unwrap();
    assert!((mean - total).abs() <= 0.02 * total, "rows make {mean}, the total is {total}");
    for stage in stages {
        assert!(stage["name"].is_string() && stage["p50_ms"].is_number() && stage["p95_ms"].is_number());
    }
    let units = report["units"].as_array().unwrap();
    let charged: f64 = units.iter().map(|u| u["charged_ms"].as_f64().unwrap()).sum();
    assert!((charged - total).abs() <= 0.02 * total, "units make {charged}, the total is {total}");
    let named = |unit: &serde_json::Value| units.iter().any(|u| u["unit"] == *unit);
    assert!(report["bottleneck"].is_string() && named(&report["bound_by"]), "{}", report["bound_by"]);
    assert_eq!(report["runs"][0]["frames"], 6);
}

#[test]
fn bench_names_what_it_does_not_know() {
    if !can_paint() {
        return;
    }
    failed(&impasto(&["bench", "--effect", "no-such-effect"]), "no-such-effect");
    failed(&impasto(&["bench", "--variant", "xxl"]), "xxl");
    failed(&impasto(&["bench", "--size", "65x48"]), "--size 64x48");
    failed(&impasto(&["bench", "--source", "/no/such/clip.gif"]), "/no/such/clip.gif");
}

#[test]
fn a_still_is_painted_at_its_own_size() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.png"), folder.path().join("out.png"));
    let original = photo(123, 91, 0);
    original.save(&input).unwrap();
    let done = render(&input, &output, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(done.stdout.is_empty());
    let painted = image::open(&output).unwrap().into_rgb8();
    assert_eq!(painted.dimensions(), (123, 91));
    let difference = |a: &image::RgbImage| {
        let sum: u64 = a.iter().zip(original.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / a.len() as f64
    };
    assert!(difference(&painted) > 3.0, "the picture was hardly changed");

    // Without strength it is the picture itself, and left of the split line too.
    let done = render(&input, &output, &["--strength", "0"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(difference(&image::open(&output).unwrap().into_rgb8()) < 1.0);
    let done = render(&input, &folder.path().join("split.jpg"), &["--split", "50"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(names(folder.path()), ["in.png", "out.png", "split.jpg"], "nothing half-written is left");
}

#[test]
fn a_gif_stays_a_gif_of_as_many_pictures() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.gif"), folder.path().join("out.gif"));
    let delays = [40, 120, 60];
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(std::fs::File::create(&input).unwrap());
        for (i, ms) in delays.into_iter().enumerate() {
            let picture = image::DynamicImage::ImageRgb8(photo(64, 40, i as u32 * 4)).into_rgba8();
            let delay = image::Delay::from_numer_denom_ms(ms, 1);
            encoder.encode_frame(image::Frame::from_parts(picture, 0, 0, delay)).unwrap();
        }
    }
    let done = render(&input, &output, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    use image::AnimationDecoder as _;
    let file = std::io::BufReader::new(std::fs::File::open(&output).unwrap());
    let frames = image::codecs::gif::GifDecoder::new(file).unwrap().into_frames().collect_frames().unwrap();
    let told: Vec<_> = frames.iter().map(|f| f.delay().numer_denom_ms().0 / f.delay().numer_denom_ms().1).collect();
    assert_eq!(told[..2], delays[..2]);
    assert_eq!((frames.len(), frames[0].buffer().dimensions()), (3, (64, 40)));

    let pattern = folder.path().join("frame_%03d.png");
    let done = render(&input, &pattern, &["--frames", "2"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(names(folder.path()), ["frame_001.png", "frame_002.png", "in.gif", "out.gif"]);

    let clip = folder.path().join("out.y4m");
    let done = render(&input, &clip, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    let bytes = std::fs::read(&clip).unwrap();
    assert!(bytes.starts_with(b"YUV4MPEG2 W64 H40 "));
    let again = render(&clip, &folder.path().join("again_%d.png"), &[]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(folder.path().join("again_3.png").exists());
}

#[test]
fn what_cannot_be_rendered_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.png");
    photo(32, 32, 0).save(&input).unwrap();
    let out = |name: &str| folder.path().join(name);
    failed(&render(&input, &out("out.mkv"), &[]), "out.mkv");
    failed(&render(&out("missing.png"), &out("out.png"), &[]), "missing.png");
    let broken = out("broken.png");
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\nnot really").unwrap();
    failed(&render(&broken, &out("out.png"), &[]), "broken.png");
    assert_eq!(names(folder.path()), ["broken.png", "in.png"]);
    if can_paint() {
        let nowhere: PathBuf = out("no/such/folder/out.png");
        failed(&render(&input, &nowhere, &[]), "folder");
        assert_eq!(names(folder.path()), ["broken.png", "in.png"]);
    }
}

#[test]
fn a_window_without_a_display_is_an_error_with_a_remedy() {
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_impasto"))
        .env("IMPASTO_CACHE", env!("CARGO_TARGET_TMPDIR"))
        .args(["--source", "demo", "--frames", "1"])
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .unwrap();
    failed(&output, "render");
}

/// `average_pool.onnx` is one 3x3 average pooling: an operator that ONNX Runtime has and our own engine lacks.
#[test]
fn a_network_of_the_users_own_runs_where_an_engine_knows_its_operators() {
    let doctor = json(&impasto(&["doctor", "--json"]));
    if !can_paint() || doctor["onnx_runtime"]["version"].is_null() {
        println!("skipped: no ONNX Runtime here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (photo_path, painted_path) = (folder.path().join("photo.png"), folder.path().join("painted.png"));
    photo(64, 48, 0).save(&photo_path).unwrap();
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/average_pool.onnx");
    let network = network.to_str().unwrap();

    let refused = render(&photo_path, &painted_path, &["--effect", network, "--engine", "wgpu"]);
    failed(&refused, "AveragePool");
    assert!(!painted_path.exists());

    let painted = render(&photo_path, &painted_path, &["--effect", network, "--engine", "ort", "--steadiness", "0"]);
    assert!(painted.status.success(), "{}", stderr(&painted));
    assert_ne!(image::open(&painted_path).unwrap().to_rgb8(), photo(64, 48, 0));
}

#[test]
fn contact_sheets_hold_every_effect() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let picture = folder.path().join("photo.png");
    photo(60, 90, 0).save(&picture).unwrap();
    let (each, all) = (folder.path().join("each"), folder.path().join("all.jpg"));
    let list = json(&impasto(&["effects", "--json"]));
    let effects: Vec<&str> = list["effects"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    let (picture, wanted) = (picture.to_str().unwrap(), effects[..3].join(","));
    let places = ["--per-effect", each.to_str().unwrap(), "--out", all.to_str().unwrap()];
    let sizes = ["--variant", "s", "--picture", "160x96", "--tile-height", "96"];
    let sheets = impasto(&[&["sheet", picture, picture, "--effects", &wanted][..], &places, &sizes].concat());
    assert!(sheets.status.success(), "{}", stderr(&sheets));
    let sheet = |name: &str| image::open(each.join(format!("{name}.jpg"))).unwrap().into_rgb8();
    let (untouched, first) = (sheet("untouched"), sheet(effects[0]));
    assert!(untouched.width() > 2 * 64 && untouched.height() > 96);
    for name in &effects[1..3] {
        assert!(sheet(name) != first, "{name} looks like {}", effects[0]);
    }
    // A row for each effect and one for the untouched pictures.
    assert!(image::open(&all).unwrap().height() > 4 * 48);
    failed(&impasto(&["sheet", picture]), "--out");
}

#[test]
fn shells_complete_the_command_line() {
    for (shell, begins) in [("bash", "_impasto()"), ("zsh", "#compdef impasto"), ("fish", "# Print an optspec")] {
        let output = Command::new(env!("CARGO_BIN_EXE_impasto")).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.starts_with(begins), "{shell}: {script}");
        assert!(["doctor", "virtual-camera", "effect"].iter().all(|word| script.contains(word)), "{shell}");
    }
    let script = Command::new(env!("CARGO_BIN_EXE_impasto")).args(["completions", "bash"]).output().unwrap().stdout;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("impasto.bash");
    std::fs::write(&file, script).unwrap();
    let asked = format!(
        ". '{}'; COMP_WORDS=(impasto do); COMP_CWORD=1; _impasto impasto do impasto; echo \"${{COMPREPLY[*]}}\"",
        file.display()
    );
    let reply = Command::new("bash").args(["-c", &asked]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&reply.stdout).trim(), "doctor", "{reply:?}");
}
