//! Networks of other makers as effects: looked at, brought under this program's contract, and made into packs.
//!
//! What a network's file does not say is found out by painting with it, in a process of its own ([`inspect()`]): a hostile
//! file can take no more memory and time than that process may, and what breaks down there breaks nothing here. Knows files,
//! packs and engines; not who paints with them.

mod card;
mod inspect;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::fault::Fault;
use crate::nn::adapt::{Channels, Foreign, MAX_BYTES, Range};
use crate::nn::graph::Graph;
use crate::output;
pub use inspect::{Found, inspect};

/// The longest that a network is looked at.
const MOST_TIME: Duration = Duration::from_secs(180);
/// Longest name of an effect.
const MAX_NAME: usize = 64;

/// What somebody says of a network that its file does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub input: Option<Range>,
    pub output: Option<Range>,
    pub channels: Option<Channels>,
}

/// The folder that holds the pack of a network which is not of this program's contract; made at the first time, which takes
/// seconds, and kept in the user's cache. `None` for a network that can be painted with as it is.
///
/// # Errors
/// With what the file is instead of a network that paints.
pub fn adapted(file: &Path) -> Result<Option<PathBuf>, Fault> {
    let failed = |why: String| Fault::failed(format!("{} cannot be painted with: {why}", file.display()), "");
    let bytes = read(file)?;
    if Graph::from_onnx(&bytes).is_ok() {
        return Ok(None);
    }
    let beside = folder_of(file);
    let foreign = Foreign::read(&bytes, beside).map_err(|why| failed(why.to_string()))?;
    if foreign.is_of_our_contract() {
        return Ok(None);
    }
    let sum = Sha256::digest(&bytes);
    let short: String = sum.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let cache = crate::folders::caches().into_iter().next();
    let cache = cache.unwrap_or_else(|| std::env::temp_dir().join("impasto"));
    let folder = cache.join("networks").join(short);
    let name = name_of(file);
    if !folder.join(&name).join("pack.toml").is_file() {
        let found = make_pack(file, Told::default(), (&name, &title_of(&name)), &folder.join(&name))?;
        found.lines().iter().for_each(|line| log::info!("{name}: {line}"));
    }
    Ok(Some(folder))
}

/// Looks at a network and writes its pack, whole or not at all, into the folder `pack`; what is there is replaced. Takes
/// seconds.
///
/// # Errors
/// With what the file is instead, or what stood in the way.
pub fn make_pack(file: &Path, told: Told, (name, title): (&str, &str), pack: &Path) -> Result<Found, Fault> {
    let unwritable = |e: std::io::Error| {
        Fault::failed(format!("{} cannot be written: {e}", pack.display()), "Name another folder with --models FOLDER")
    };
    let parent = folder_of(pack);
    std::fs::create_dir_all(parent).map_err(unwritable)?;
    let part = parent.join(format!(".{name}.part-{}", std::process::id()));
    let made = fill(file, told, (name, title), &part).and_then(|found| {
        if pack.exists() {
            std::fs::remove_dir_all(pack).map_err(unwritable)?;
        }
        std::fs::rename(&part, pack).map_err(unwritable)?;
        Ok(found)
    });
    if made.is_err() {
        // What is left of it is of no use to anybody.
        drop(std::fs::remove_dir_all(&part));
    }
    made
}

/// Writes the pack's files into the folder `part`.
fn fill(file: &Path, told: Told, (name, title): (&str, &str), part: &Path) -> Result<Found, Fault> {
    std::fs::create_dir_all(part)
        .map_err(|e| Fault::failed(format!("{} cannot be made: {e}", part.display()), "Name another folder"))?;
    let found = inspected(file, told, part)?;
    let network = read(&part.join(inspect::NETWORK))?;
    let of = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let write = |name: &str, text: String| {
        let path = part.join(name);
        output::write_whole(&path, text.as_bytes()).map_err(|e| Fault::failed(e.to_string(), ""))
    };
    write("pack.toml", card::pack(name, title, &of, &network, &found))?;
    write("CARD.md", card::card(title, &of, &found))?;
    drop(std::fs::remove_file(part.join(inspect::REPORT)));
    Ok(found)
}

/// A file of bounded size.
fn read(file: &Path) -> Result<Vec<u8>, Fault> {
    let failed = |why: &dyn std::fmt::Display| {
        Fault::failed(
            format!("{} cannot be read: {why}", file.display()),
            "Check the path, and that it is yours to read",
        )
    };
    let bytes = std::fs::metadata(file).map_err(|e| failed(&e))?.len();
    if bytes > MAX_BYTES {
        return Err(failed(&format!("it is {bytes} bytes, and at most {MAX_BYTES} are accepted")));
    }
    std::fs::read(file).map_err(|e| failed(&e))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Has the network looked at by this very program, with limits.
fn inspected(file: &Path, told: Told, part: &Path) -> Result<Found, Fault> {
    let program = std::env::current_exe()
        .map_err(|e| Fault::failed(format!("This program does not find itself: {e}"), "Start it by its full path"))?;
    let mut command = Command::new(program);
    command.arg("import").arg(file).arg("--inspect-into").arg(part);
    let options = [
        ("--input-range", told.input.as_ref().and_then(value_name)),
        ("--output-range", told.output.as_ref().and_then(value_name)),
        ("--channels", told.channels.as_ref().and_then(value_name)),
    ];
    for (name, value) in options.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        command.arg(format!("{name}={value}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|e| Fault::failed(format!("The network cannot be looked at: {e}"), "Close other programs"))?;
    let began = Instant::now();
    let stderr = child.stderr.take();
    let words = std::thread::spawn(move || {
        use std::io::Read as _;
        let mut text = Vec::new();
        // As much as anybody reads.
        let _ = stderr.map(|stderr| stderr.take(1 << 16).read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if began.elapsed() < MOST_TIME => std::thread::sleep(Duration::from_millis(30)),
            Ok(None) | Err(_) => {
                drop(child.kill());
                drop(child.wait());
                break None;
            }
        }
    };
    let words = words.join().unwrap_or_default();
    let name = file.display();
    let Some(status) = status else {
        let text = format!("{name} took more than {} s for a few small pictures", MOST_TIME.as_secs());
        return Err(Fault::failed(text, "It is too slow for video on this machine, or it never ends"));
    };
    if status.success() {
        let report = std::fs::read(part.join(inspect::REPORT)).ok();
        let found = report.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        return found.ok_or_else(|| Fault::failed(format!("{name} was looked at, and nothing was found"), "Try again"));
    }
    let said = words.lines().rev().find_map(|line| line.strip_prefix("error: ")).map(str::to_owned);
    Err(match said {
        Some(said) if status.code() == Some(1) => Fault::failed(said, ""),
        _ => Fault::failed(
            format!(
                "{name} brought down the process that looked at it ({status}): it is damaged, hostile, or needs more than {} GiB",
                inspect::MEMORY >> 30
            ),
            "Nothing else was harmed. Export the network again, or take another one",
        ),
    })
}

fn value_name<T: clap::ValueEnum>(value: &T) -> Option<String> {
    Some(value.to_possible_value()?.get_name().to_owned())
}

/// What an effect made of that file is called: lower-case letters, digits and dashes.
pub fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let stem: String = stem.chars().map(plain).collect();
    let name: String = stem.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let name: String = name.chars().take(MAX_NAME).collect();
    if name.is_empty() { "network".to_owned() } else { name }
}

/// `la-muse` is La Muse.
pub fn title_of(name: &str) -> String {
    let words = name.split(['-', '_']).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    };
    words.map(capital).collect::<Vec<_>>().join(" ")
}
