//! Packs, good and bad, and the gallery made of them.

use std::fs;
use std::path::Path;

use impasto::canvas::Relief;
use impasto::effect::{
    EffectKind, Gallery, Loaded, Pack, PackCanvas, PackError, StyleCanvas, StylePack, models_dirs, own_models_dir,
};
use impasto::fault::Severity;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const NETWORK: &[u8] = b"stands for a network";

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn manifest(name: &str) -> String {
    let sha256 = sum(NETWORK);
    format!(
        r#"
schema = "impasto.pack/1"
name = "{name}"
kind = "painting"
licence = "MIT OR Apache-2.0"
command = "made by hand"
credits = ["nobody"]
multiple_of = 16
value_range = [0.0, 1.0]

[[variants]]
id = "m"
file = "m.onnx"
sha256 = "{sha256}"
width = 512
height = 288
pixel_budget = 147456
mmac = 1035.3
params = 350146
bytes = 20

[[variants]]
id = "s"
file = "s.onnx"
sha256 = "{sha256}"
width = 320
height = 192
pixel_budget = 61440

[[effects]]
name = "{name}-one"
title = "One"
artist = "Somebody, 1900"
style = 0
thumbnail = "one.jpg"

[[effects]]
name = "{name}-two"
title = "Two"
style = 1
"#
    )
}

/// A folder with a pack in it, whose manifest went through `change`.
fn pack(models: &TempDir, name: &str, change: impl FnOnce(String) -> String) -> std::path::PathBuf {
    let folder = models.path().join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("pack.toml"), change(manifest(name))).unwrap();
    for file in ["s.onnx", "m.onnx"] {
        fs::write(folder.join(file), NETWORK).unwrap();
    }
    fs::write(folder.join("one.jpg"), b"a picture").unwrap();
    folder
}

fn load(change: impl FnOnce(String) -> String) -> Result<Pack, PackError> {
    let models = TempDir::new().unwrap();
    let folder = pack(&models, "good", change);
    Pack::load(&folder)
}

#[test]
fn a_good_pack_is_read_whole() {
    let models = TempDir::new().unwrap();
    let folder = pack(&models, "good", |m| m);
    let (gallery, faults) = Gallery::load(&[models.path().to_owned()]);
    assert_eq!(faults, []);
    let effect = gallery.find("GOOD-ONE").unwrap();
    assert_eq!(gallery.find("one").unwrap().name, effect.name, "by its title");
    assert_eq!((effect.title.as_str(), effect.artist.as_str()), ("One", "Somebody, 1900"));
    assert_eq!(effect.table_style(), Some(0));
    assert_eq!(effect.kind, EffectKind::Painting);
    assert_eq!(effect.thumbnail, Some(folder.join("one.jpg")));
    // Smallest first, whatever the order in the file.
    assert_eq!(effect.variants().iter().map(|v| v.id.as_str()).collect::<Vec<_>>(), ["s", "m"]);
    assert_eq!(effect.variant(None).unwrap().id, "s");
    assert_eq!(effect.variant(Some("M")).unwrap().read().unwrap(), NETWORK);
    let wrong = effect.variant(Some("xl")).unwrap_err();
    assert!(wrong.remedy.contains("s, m"), "{wrong}");

    assert_eq!(effect.style_weights(3).unwrap(), [1.0, 0.0, 0.0]);
    assert_eq!(gallery.find("good-two").unwrap().style_weights(2).unwrap(), [0.0, 1.0]);
    assert!(gallery.find("good-two").unwrap().style_weights(1).is_err());

    let unknown = gallery.find("three").unwrap_err();
    assert!(unknown.remedy.contains("good-one, good-two"), "{unknown}");
}

#[test]
fn the_listing_has_what_scripts_rely_on() {
    let models = TempDir::new().unwrap();
    pack(&models, "good", |m| m);
    let (gallery, _) = Gallery::load(&[models.path().to_owned()]);
    let json = serde_json::to_value(gallery.listing()).unwrap();
    assert_eq!(json["effects"].as_array().unwrap().len(), 2);
    assert_eq!(json["effects"][0]["name"], "good-one");
    assert_eq!(json["effects"][0]["kind"], "painting");
    let variant = &json["effects"][0]["variants"][1];
    for (key, value) in [("width", 512.0), ("height", 288.0), ("mmac", 1035.3), ("params", 350_146.0), ("bytes", 20.0)]
    {
        assert_eq!(variant[key].as_f64(), Some(value), "{key}");
    }
    assert_eq!(variant["id"], "m");
}

#[test]
fn an_effect_has_a_kind_and_the_numbers_of_its_card() {
    let models = TempDir::new().unwrap();
    pack(&models, "good", |m| {
        m.replace("bytes = 20\n", "bytes = 20\nmachine = \"a laptop\"\n[variants.measured]\nparity_psnr = 81\n")
            .replace("style = 1\n", "style = 1\nkind = \"pencil\"\n[effects.scores.m]\nstudent_lpips = 0.19\n")
    });
    let (gallery, faults) = Gallery::load(&[models.path().to_owned()]);
    assert_eq!(faults, []);
    let kinds: Vec<_> = gallery.effects().iter().map(|e| e.kind).collect();
    assert_eq!(kinds, [EffectKind::Painting, EffectKind::Pencil]);
    let json = serde_json::to_value(gallery.listing()).unwrap();
    let (one, two) = (&json["effects"][0], &json["effects"][1]);
    assert_eq!((one["kind"].as_str(), two["kind"].as_str()), (Some("painting"), Some("pencil")));
    assert_eq!(two["variants"][1]["scores"]["student_lpips"], 0.19);
    assert!(one["variants"][1]["scores"].is_null() && two["variants"][0]["scores"].is_null());
    assert_eq!(two["variants"][1]["measured"]["parity_psnr"], 81.0);
    assert_eq!(two["variants"][1]["machine"], "a laptop");
    assert_eq!((two["command"].as_str(), two["credits"][0].as_str()), (Some("made by hand"), Some("nobody")));
}

#[test]
fn a_changed_network_is_never_handed_out() {
    let models = TempDir::new().unwrap();
    let folder = pack(&models, "good", |m| m);
    let loaded = Pack::load(&folder).unwrap();
    fs::write(folder.join("s.onnx"), b"stands for a Network").unwrap();
    assert!(matches!(Pack::load(&folder), Err(PackError::Sum { .. })));
    // Changed after the pack was loaded.
    assert!(matches!(loaded.variants[0].read(), Err(PackError::Sum { .. })));
    assert_eq!(loaded.variants[1].read().unwrap(), NETWORK);
}

#[test]
fn files_outside_the_pack_are_refused() {
    for file in
        ["../secret.onnx", "/etc/hostname", "sub/../../secret.onnx", "..\\\\secret.onnx", "C:secret.onnx", ".", ""]
    {
        let refused = load(|m| m.replace("s.onnx", file));
        assert!(matches!(refused, Err(PackError::Outside { .. })), "{file}: {refused:?}");
    }
    assert!(matches!(load(|m| m.replace("one.jpg", "../../one.jpg")), Err(PackError::Outside { .. })));
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_pack_is_refused() {
    let models = TempDir::new().unwrap();
    let folder = pack(&models, "good", |m| m);
    fs::write(models.path().join("elsewhere.onnx"), NETWORK).unwrap();
    fs::remove_file(folder.join("s.onnx")).unwrap();
    std::os::unix::fs::symlink("../elsewhere.onnx", folder.join("s.onnx")).unwrap();
    assert!(matches!(Pack::load(&folder), Err(PackError::Outside { .. })));
}

#[test]
fn what_cannot_be_right_is_refused() {
    let changes: [(&str, &str); 21] = [
        ("impasto.pack/1", "impasto.pack/2"),
        ("\"painting\"", "\"sculpture\""),
        ("multiple_of = 16", "multiple_of = 0"),
        ("multiple_of = 16", "multiple_of = -16"),
        ("multiple_of = 16", "multiple_of = 100000"),
        ("[0.0, 1.0]", "[-1.0, 1.0]"),
        ("width = 512", "width = 0"),
        ("height = 288", "height = 99999999"),
        ("pixel_budget = 147456", "pixel_budget = 0"),
        ("mmac = 1035.3", "mmac = nan"),
        ("bytes = 20", "bytes = 21"),
        ("id = \"m\"", "id = \"s\""),
        ("id = \"m\"", "id = \"M/../..\""),
        ("good-two", "good-one"),
        ("title = \"One\"", "title = \"One\\n\\u001b[2J\""),
        ("style = 1", "style = 100000"),
        ("style = 1", "style = 1\n[effects.scores.m]\nlpips = inf"),
        ("style = 1", "style = 1\n[effects.scores.m]\n\"../x\" = 1.0"),
        ("style = 1", "style = 1\nkind = \"sculpture\""),
        ("bytes = 20", "bytes = 20\nmachine = \"\\u0007\""),
        ("bytes = 20", "bytes = 20\n[variants.measured]\nparity = nan"),
    ];
    for (from, to) in changes {
        let refused = load(|m| {
            assert!(m.contains(from), "{from}");
            m.replace(from, to)
        });
        assert!(matches!(refused, Err(PackError::Invalid { .. } | PackError::Syntax { .. })), "{to}: {refused:?}");
    }
    assert!(matches!(load(|m| m.replace(&sum(NETWORK), "abc")), Err(PackError::Invalid { .. })));
    assert!(matches!(load(|m| m.replace("s.onnx", "absent.onnx")), Err(PackError::Read { .. })));
    // A picture is not worth an effect.
    assert!(load(|m| m.replace("one.jpg", "absent.jpg")).unwrap().styles[0].thumbnail.is_none());
}

#[test]
fn bad_packs_are_told_and_good_ones_work_beside_them() {
    let models = TempDir::new().unwrap();
    pack(&models, "good", |m| m);
    pack(&models, "garbage", |_| "\u{0}[[[not toml".into());
    pack(&models, "truncated", |m| m[..m.len() / 2].to_owned());
    pack(&models, "huge", |m| m + &"#".repeat(1 << 20));
    let absent = pack(&models, "absent", |m| m);
    fs::remove_file(absent.join("m.onnx")).unwrap();
    let binary = pack(&models, "binary", |m| m);
    fs::write(binary.join("pack.toml"), [0xff, 0xfe, 0x00]).unwrap();
    fs::create_dir(models.path().join("no-pack")).unwrap();
    fs::write(models.path().join("stray-file"), b"").unwrap();

    let (gallery, faults) = Gallery::load(&[models.path().to_owned()]);
    assert_eq!(gallery.effects().iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["good-one", "good-two"]);
    assert_eq!(faults.len(), 5, "{faults:#?}");
    for (fault, name) in faults.iter().zip(["absent", "binary", "garbage", "huge", "truncated"]) {
        assert!(
            fault.severity == Severity::Degraded && fault.what.contains(name) && !fault.remedy.is_empty(),
            "{fault}"
        );
    }
}

#[test]
fn the_first_of_two_effects_with_one_name_stays() {
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = pack(&a, "good", |m| m);
    pack(&b, "good", |m| m);
    let (gallery, faults) = Gallery::load(&[a.path().to_owned(), b.path().to_owned()]);
    assert_eq!(gallery.effects().len(), 2);
    assert_eq!(gallery.find("good-one").unwrap().pack.folder, first);
    assert!(faults.len() == 1 && faults[0].severity == Severity::Notice, "{faults:?}");
    // Another pack that has an effect of that name keeps its others.
    pack(&b, "other", |m| m.replace("other-two", "good-two"));
    let (gallery, faults) = Gallery::load(&[a.path().to_owned(), b.path().to_owned()]);
    assert_eq!(gallery.effects().len(), 3);
    assert_eq!(gallery.find("good-two").unwrap().pack.folder, first);
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn a_folder_without_packs_says_what_to_do() {
    let empty = TempDir::new().unwrap();
    for folders in [vec![], vec![empty.path().to_owned()], vec![empty.path().join("absent")]] {
        let (gallery, faults) = Gallery::load(&folders);
        assert!(gallery.is_empty());
        assert!(faults.len() == 1 && faults[0].remedy.contains("--models"), "{faults:?}");
        assert!(gallery.find("anything").unwrap_err().remedy.contains("--models"));
    }
    assert_eq!(models_dirs(Some(Path::new("here"))), [Path::new("here")]);
}

#[test]
fn a_network_of_the_users_own_is_an_effect() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("My Network v2.onnx");
    fs::write(&path, NETWORK).unwrap();
    let effect = Gallery::default().find(path.to_str().unwrap()).unwrap();
    assert_eq!(
        (effect.kind, effect.name.as_str(), effect.title.as_str()),
        (EffectKind::Custom, "my-network-v2", "My Network v2")
    );
    assert_eq!(effect.variant(None).unwrap().read().unwrap(), NETWORK);
    assert!(effect.style_weights(0).unwrap().is_empty());
    let absent = Gallery::default().find("absent.onnx").unwrap_err();
    assert!(absent.what.contains("absent.onnx"), "{absent}");
}

/// A style pack for the pack "good", changed by `change` after its row was written.
fn style_pack(models: &TempDir, name: &str, row: &[u8], change: impl FnOnce(String) -> String) -> std::path::PathBuf {
    let folder = models.path().join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("s.style"), row).unwrap();
    let text = format!(
        r#"
schema = "impasto.pack/1"
name = "{name}"
kind = "painting"
licence = "CC0-1.0"
base = "good"

[[variants]]
id = "s"
sha256 = "{}"
base_sha256 = "{}"

[[effects]]
name = "{name}"
title = "My own"
artist = "Me"
"#,
        sum(row),
        sum(NETWORK)
    );
    fs::write(folder.join("pack.toml"), change(text)).unwrap();
    folder
}

/// 0.5, -2 and 1 as float16.
const ROW: [u8; 6] = [0x00, 0x38, 0x00, 0xc0, 0x00, 0x3c];

fn load_style(row: &[u8], change: impl FnOnce(String) -> String) -> Result<StylePack, PackError> {
    let models = TempDir::new().unwrap();
    match Loaded::read(&style_pack(&models, "mine", row, change))? {
        Loaded::Style(style) => Ok(style),
        Loaded::Networks(pack) => panic!("{pack:?}"),
    }
}

#[test]
fn a_style_pack_is_one_more_effect_of_its_base() {
    let models = TempDir::new().unwrap();
    pack(&models, "good", |m| m);
    let folder = style_pack(&models, "amine", &ROW, |m| m);
    let (gallery, faults) = Gallery::load(&[models.path().to_owned()]);
    assert_eq!(faults, []);
    // After those of its base, whatever its name.
    assert_eq!(
        gallery.effects().iter().map(|e| e.name.as_str()).collect::<Vec<_>>(),
        ["good-one", "good-two", "amine"]
    );
    let effect = gallery.find("My own").unwrap();
    assert!(effect.shares_network(&gallery.find("good-one").unwrap()));
    assert_eq!((effect.pack_name(), effect.table_style(), effect.about().licence.as_str()), ("amine", None, "CC0-1.0"));
    // It has a row for one of the base's two variants.
    assert_eq!(effect.variants().iter().map(|v| v.id.as_str()).collect::<Vec<_>>(), ["s"]);
    assert_eq!(effect.own_row("s").unwrap().to_vec(), [0.5, -2.0, 1.0]);
    assert!(effect.own_row("m").is_none() && effect.style_weights(2).is_err());
    assert!(matches!(Pack::load(&folder), Err(PackError::Invalid { .. })), "it has no network");
    let json = serde_json::to_value(gallery.listing()).unwrap();
    assert!(json["effects"][2]["style"].is_null());
    assert_eq!(
        (json["effects"][2]["pack"].as_str(), json["effects"][2]["network"].as_str()),
        (Some("amine"), Some("good"))
    );
}

#[test]
fn a_style_without_its_base_is_told_and_the_others_work() {
    let models = TempDir::new().unwrap();
    pack(&models, "good", |m| m);
    style_pack(&models, "fits", &ROW, |m| m);
    style_pack(&models, "homeless", &ROW, |m| m.replace("base = \"good\"", "base = \"gone\""));
    style_pack(&models, "outdated", &ROW, |m| m.replace(&sum(NETWORK), &sum(b"another")));
    style_pack(&models, "stray", &ROW, |m| m.replace("id = \"s\"", "id = \"xl\"\nfile = \"s.style\""));
    let (gallery, faults) = Gallery::load(&[models.path().to_owned()]);
    assert_eq!(gallery.effects().iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["good-one", "good-two", "fits"]);
    assert_eq!(faults.len(), 3, "{faults:#?}");
    for (fault, (name, remedy)) in faults.iter().zip([("homeless", "good"), ("outdated", "good"), ("stray", "again")]) {
        assert_eq!(fault.severity, Severity::Degraded);
        assert!(fault.what.contains(name) && fault.remedy.contains(remedy), "{fault}");
    }
}

#[test]
fn styles_that_cannot_be_right_are_refused() {
    assert_eq!(load_style(&ROW, |m| m).unwrap().rows[0].values.len(), 3);
    // Infinity and what is not a number, in float16.
    for bad in [[0x00, 0x7c], [0x01, 0x7e], [0x00, 0xfc]] {
        let refused = load_style(&[&ROW[..], &bad].concat(), |m| m);
        assert!(matches!(&refused, Err(PackError::Invalid { what, .. }) if what.contains("number 3")), "{refused:?}");
    }
    for cut in [&ROW[..5], &[]] {
        assert!(matches!(load_style(cut, |m| m), Err(PackError::Invalid { .. })), "{} bytes", cut.len());
    }
    assert!(matches!(load_style(&vec![0; (1 << 20) + 2], |m| m), Err(PackError::TooLarge { .. })));
    assert!(matches!(load_style(&ROW, |m| m.replace(&sum(&ROW), &sum(b"other"))), Err(PackError::Sum { .. })));
    for file in ["../s.style", "/etc/hostname", "sub/../../s.style"] {
        let named = format!("id = \"s\"\nfile = \"{file}\"");
        assert!(
            matches!(load_style(&ROW, |m| m.replace("id = \"s\"", &named)), Err(PackError::Outside { .. })),
            "{file}"
        );
    }
    let absent = load_style(&ROW, |m| m.replace("id = \"s\"", "id = \"s\"\nfile = \"absent.style\""));
    assert!(matches!(absent, Err(PackError::Read { .. })));
    for (from, to) in [
        ("base = \"good\"", "base = \"../good\""),
        ("base = \"good\"", "base = 3"),
        ("[[effects]]", "[[effects]]\nname = \"two\"\ntitle = \"Two\"\n[[effects]]"),
        ("base_sha256 = \"", "base_sha256 = \"x"),
        ("impasto.pack/1", "impasto.pack/2"),
    ] {
        let refused = load_style(&ROW, |m| {
            assert!(m.contains(from), "{from}");
            m.replace(from, to)
        });
        assert!(matches!(refused, Err(PackError::Invalid { .. } | PackError::Syntax { .. })), "{to}: {refused:?}");
    }
}

#[test]
fn the_users_own_folder_is_looked_at_even_before_it_is_there() {
    if std::env::var_os("IMPASTO_MODELS").is_none() {
        assert_eq!(models_dirs(None).last(), own_models_dir().as_ref());
    }
}

#[test]
fn the_packs_of_this_repository_are_good() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let (gallery, faults) = Gallery::load(&[models]);
    assert_eq!(faults, []);
    assert!(gallery.effects().len() >= 2, "{} effects", gallery.effects().len());
    for effect in gallery.effects() {
        let ids: Vec<_> = effect.variants().iter().map(|v| v.id.as_str()).collect();
        assert!(ids.starts_with(&["s", "m"]), "{}: {ids:?}", effect.name);
        assert!(effect.thumbnail.is_some(), "{} has no picture", effect.name);
    }
}

#[test]
fn a_pack_describes_its_canvas_and_an_effect_how_it_is_used() {
    let with = |canvas: &str, effect: &str| {
        load(|m| {
            m.replace("value_range = [0.0, 1.0]\n", &format!("value_range = [0.0, 1.0]\n{canvas}\n"))
                .replace("style = 1\n", &format!("style = 1\n{effect}\n"))
        })
    };
    let canvas = "[canvas]\nseed = 7\nchannels = 8";
    let pack = with(canvas, "canvas = { strength = 0.8, scale = 1.4 }").unwrap();
    assert_eq!(pack.canvas, Some(PackCanvas { seed: 7, channels: 8 }));
    assert_eq!(pack.styles[0].canvas, StyleCanvas { strength: 0.0, scale: 1.0 }, "empty where nothing is said");
    assert_eq!(pack.styles[1].canvas, StyleCanvas { strength: 0.8, scale: 1.4 });
    let usual = with(canvas, "canvas = { strength = 1 }").unwrap();
    assert_eq!(usual.styles[1].canvas, StyleCanvas { strength: 1.0, scale: 1.0 });
    assert_eq!(with("", "").unwrap().canvas, None);
    for (canvas, effect, told) in [
        ("[canvas]\nseed = -1\nchannels = 8", "", "seed"),
        ("[canvas]\nseed = 7\nchannels = 9", "", "9 channels"),
        ("[canvas]\nseed = 7\nchannels = 0", "", "0 channels"),
        (canvas, "canvas = { strength = -0.1 }", "strength"),
        (canvas, "canvas = { strength = nan }", "strength"),
        (canvas, "canvas = { strength = 1.0, scale = 0.0 }", "scale"),
        (canvas, "canvas = { strength = 1.0, scale = inf }", "scale"),
        (canvas, "canvas = { scale = 1.0 }", "strength"),
    ] {
        let error = with(canvas, effect).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn an_effect_describes_its_relief() {
    let with = |relief: &str| load(|m| m.replace("style = 1\n", &format!("style = 1\n{relief}\n")));
    let pack = with("relief = { thickness = 0.5, width = 2, length = 1.5 }").unwrap();
    let expected = Relief { thickness: 0.5, width: 2.0, length: 1.5, ..Relief::default() };
    assert_eq!((pack.styles[1].relief, pack.styles[0].relief), (expected, Relief::default()));
    assert!(pack.styles[0].relief.is_flat() && !expected.is_flat() && expected.turned(0.0, 1.0).is_flat());
    for (relief, told) in [
        ("relief = { thickness = -1 }", "thickness"),
        ("relief = { gloss = nan }", "gloss"),
        ("relief = { width = 0 }", "width"),
        ("relief = { length = 9 }", "length"),
        ("relief = { paper = \"much\" }", "paper"),
    ] {
        let error = with(relief).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
