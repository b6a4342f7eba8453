//! The programs ffmpeg and ffprobe: how they are started.

use std::process::{Command, Stdio};

/// A call of `program` without a terminal, so that it neither asks nor takes keys.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        // CREATE_NO_WINDOW: no console flashes up.
        command.creation_flags(0x0800_0000);
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // A group of its own: Ctrl-C is for this program, which ends the child by itself.
        command.process_group(0);
    }
    command
}

/// The last line that ffmpeg said, without the part of it that spoke: "[libx264 @ 0x55d0c8f1b2c0] no room".
pub fn last_line(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let line = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((part, said)) if part.contains(" @ 0x") => said,
        _ => line,
    };
    Some(line.trim_end_matches('.').to_owned())
}
