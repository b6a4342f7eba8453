//! What is to be painted into what: decided before anything is painted, so that nothing is overwritten unasked and what
//! would fail in the end fails at the beginning.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cli::{CliError, RenderArgs};
use crate::fault::Fault;
use crate::output::Format;
use crate::source::{Holds, SourceSpec, holds};
use crate::terminal::{self, counted, say};

/// One input and where its painting goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub input: SourceSpec,
    pub output: Output,
    /// The folder that it goes into under a name of its own, which need not be there yet.
    pub folder: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    File(PathBuf, Format),
    /// Y4M.
    Stdout,
}

impl Output {
    /// The first file that is written.
    fn first_path(&self) -> Option<PathBuf> {
        match self {
            Self::File(path, format) => Some(format.first_path(path)),
            Self::Stdout => None,
        }
    }

    /// Whether there is room for more than one picture.
    pub fn is_clip(&self) -> bool {
        match self {
            Self::File(_, format) => format.is_clip(),
            Self::Stdout => true,
        }
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Stdout => write!(f, "standard output"),
        }
    }
}

/// What the arguments ask for. Asks back where that is wanted and somebody is there.
///
/// # Errors
/// When an output is no format, two inputs would go to one, or one would be overwritten that must not be.
pub(super) fn plan(args: &RenderArgs) -> Result<Vec<Job>, CliError> {
    let mut jobs = jobs(args)?;
    if let Some(job) = jobs.iter().find(|job| !args.force && overwrites_input(job)) {
        return Err(Fault::failed(
            format!("{} would be overwritten by its own painting", job.input),
            "Choose another name, or overwrite it with --force",
        )
        .into());
    }
    let exists = |job: &Job| job.output.first_path().is_some_and(|path| is_taken(&path));
    if args.no_clobber {
        for job in jobs.extract_if(.., |job| exists(job)) {
            say(format_args!("{} is there already and is left as it is", job.output));
        }
    } else if !args.force && terminal::can_ask() {
        let taken: Vec<&Job> = jobs.iter().filter(|job| exists(job)).collect();
        let question = match &taken[..] {
            [] => return Ok(jobs),
            [one] => format!("{} exists. Overwrite it?", one.output),
            more => format!("{} exist. Overwrite them?", counted(more.len() as u64, "output")),
        };
        if !terminal::ask(&question) {
            return Err(Fault::failed(
                "Nothing was painted",
                "Choose another name, or use --force to overwrite and --no-clobber to leave what is there",
            )
            .into());
        }
    }
    Ok(jobs)
}

fn jobs(args: &RenderArgs) -> Result<Vec<Job>, CliError> {
    let into_folder = args.inputs.len() > 1 || names_folder(&args.output);
    if !into_folder {
        let output = if args.output == Path::new("-") {
            Output::Stdout
        } else {
            Output::File(args.output.clone(), Format::of(&args.output)?)
        };
        return Ok(args
            .inputs
            .iter()
            .map(|input| Job { input: spec(input), output: output.clone(), folder: None })
            .collect());
    }
    if args.output == Path::new("-") || args.output.is_file() {
        return Err(Fault::failed(
            format!("{} inputs need a folder to go to, and {} is none", args.inputs.len(), args.output.display()),
            "Name a folder as the last argument",
        )
        .into());
    }
    let mut taken = HashSet::new();
    let mut jobs = Vec::new();
    for input in &args.inputs {
        let name = name_for(input).ok_or_else(|| {
            Fault::failed(format!("{} has no name that its painting could have", input.display()), "Name its output")
        })?;
        let path = args.output.join(name);
        if !taken.insert(path.clone()) {
            return Err(Fault::failed(
                format!("Two inputs would be painted into {}", path.display()),
                "Give them different names, or paint them into different folders",
            )
            .into());
        }
        let format = Format::of(&path)?;
        let folder = Some(args.output.clone());
        jobs.push(Job { input: spec(input), output: Output::File(path, format), folder });
    }
    Ok(jobs)
}

fn spec(input: &Path) -> SourceSpec {
    if input == Path::new("-") { SourceSpec::Stdin } else { SourceSpec::File(input.to_owned()) }
}

/// Whether a path stands for a folder: it is one, or ends as one.
fn names_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// The name of a painting beside others in a folder: the input's own, in a format that can hold what it holds.
fn name_for(input: &Path) -> Option<PathBuf> {
    let mut name = PathBuf::from(if input.is_dir() { input.file_name()? } else { input.file_stem()? });
    let ending = match holds(input) {
        Holds::Photo => "jpg",
        Holds::Picture => "png",
        Holds::Animation => "gif",
        Holds::Clip => "y4m",
        Holds::Folder => {
            name.as_mut_os_string().push("_%04d");
            "png"
        }
    };
    name.as_mut_os_string().push(".");
    name.as_mut_os_string().push(ending);
    Some(name)
}

/// Whether there is something that would be replaced: not a pipe, nor a device.
fn is_taken(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| there.is_file())
}

fn overwrites_input(job: &Job) -> bool {
    let (SourceSpec::File(input), Some(output)) = (&job.input, job.output.first_path()) else { return false };
    let (Ok(input), Ok(output)) = (input.canonicalize(), output.canonicalize()) else { return false };
    // Of a folder, one of its pictures.
    input == output || input.is_dir() && output.parent() == Some(&input)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(words: &[&str]) -> RenderArgs {
        match Cli::try_parse_from([&["impasto", "render"], words].concat()).unwrap().command {
            Some(Command::Render(args)) => args,
            _ => panic!("not render"),
        }
    }

    fn outputs(words: &[&str]) -> Result<Vec<String>, String> {
        jobs(&args(words)).map(|jobs| jobs.iter().map(|j| j.output.to_string()).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn one_input_goes_where_it_is_told() {
        assert_eq!(outputs(&["a.png", "b.png"]).unwrap(), ["b.png"]);
        assert_eq!(outputs(&["-", "-"]).unwrap(), ["standard output"]);
        assert_eq!(jobs(&args(&["-", "b.gif"])).unwrap()[0].input, SourceSpec::Stdin);
        assert!(outputs(&["a.png", "b.tiff"]).unwrap_err().contains("b.tiff"));
    }

    #[test]
    fn many_inputs_go_into_a_folder_under_their_own_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        image::RgbImage::new(2, 2).save(at("a.b.jpg")).unwrap();
        image::RgbImage::new(2, 2).save(at("c.png")).unwrap();
        std::fs::write(at("clip.y4m"), "YUV4MPEG2 W2 H2 F25:1\n").unwrap();
        std::fs::write(at("film.mp4"), "\0\0\0\x18ftypmp42").unwrap();
        std::fs::create_dir(at("frames")).unwrap();
        let inputs = [at("a.b.jpg"), at("c.png"), at("clip.y4m"), at("film.mp4"), at("frames")];
        let words: Vec<&str> = inputs.iter().map(String::as_str).chain(["out"]).collect();
        let wanted = ["a.b.jpg", "c.png", "clip.y4m", "film.y4m", "frames_%04d.png"].map(|name| format!("out/{name}"));
        assert_eq!(outputs(&words).unwrap(), wanted);
        // One alone, where the folder says that it is one.
        assert_eq!(outputs(&[&inputs[0], "new/"]).unwrap(), ["new/a.b.jpg"]);
        assert!(outputs(&[&inputs[0], &inputs[0], "out"]).unwrap_err().contains("Two inputs"));
        assert!(outputs(&[&inputs[0], &inputs[1], &inputs[2]]).unwrap_err().contains("folder"));
    }

    #[test]
    fn an_input_is_not_overwritten_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frame_1.png");
        image::RgbImage::new(2, 2).save(&path).unwrap();
        let (file, dir) = (path.to_str().unwrap(), folder.path().to_str().unwrap());
        let pattern = format!("{dir}/frame_%d.png");
        for words in [[file, file], [dir, &pattern]] {
            assert!(plan(&args(&words)).unwrap_err().to_string().contains("own painting"), "{words:?}");
            assert_eq!(plan(&args(&[words[0], words[1], "--force"])).unwrap().len(), 1);
        }
        let other = folder.path().join("other.png");
        std::fs::write(&other, "there").unwrap();
        let other = other.to_str().unwrap();
        assert_eq!(plan(&args(&[file, other, "--no-clobber"])).unwrap(), []);
        assert_eq!(plan(&args(&[file, other, "--force"])).unwrap().len(), 1);
    }
}
