//! Our engine on the processor as one side of a comparison: runs a network alone, in turns with others.
//!
//! ```text
//! cargo run --release --example peer -- FILE.onnx WIDTHxHEIGHT THREADS
//! ```
//! Each line on stdin is a command, answered by a line on stdout:
//!
//! - `paint IN OUT`: paints the float32 picture `[3, height, width]` in the file IN, writes the painting to OUT, answers `ok`;
//! - `time N`: paints N times, answers the milliseconds of each;
//! - `onnx OUT`: writes the network as it runs, one style folded into the weights, to OUT, answers `ok`.
//!
//! The first line on stdout says what runs. `models/training/peers` speaks this, `cargo xtask peers` runs both.

use std::io::{BufRead as _, Write as _};
use std::num::NonZeroUsize;
use std::time::Instant;

use impasto::nn::cpu::{CpuOptions, CpuStudent};
use impasto::nn::graph::Graph;
use impasto::units::Extent;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, extent, threads] = &args[..] else {
        return Err("usage: peer FILE.onnx WIDTHxHEIGHT THREADS".into());
    };
    let (extent, threads) = (extent.parse::<Extent>()?, threads.parse::<NonZeroUsize>()?);
    let graph = folded(file)?;
    let mut student = CpuStudent::new(&graph, extent, CpuOptions::threads(threads))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "impasto {}, {:?}, {} threads", env!("CARGO_PKG_VERSION"), student.isa(), student.threads())?;
    stdout.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["paint", from, to] => {
                let bytes = std::fs::read(from)?;
                let image = student.image_mut();
                if bytes.len() != 4 * image.len() {
                    return Err(format!("{from} has {} bytes, {} are needed", bytes.len(), 4 * image.len()).into());
                }
                for (value, four) in image.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*four);
                }
                let painted: Vec<u8> = student.paint()?.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(to, painted)?;
                writeln!(stdout, "ok")?;
            }
            ["time", count] => {
                for _ in 0..count.parse::<usize>()? {
                    let start = Instant::now();
                    student.paint()?;
                    write!(stdout, "{:.4} ", 1e3 * start.elapsed().as_secs_f64())?;
                }
                writeln!(stdout)?;
            }
            ["onnx", to] => {
                std::fs::write(to, graph.to_onnx())?;
                writeln!(stdout, "ok")?;
            }
            _ => return Err(format!("'{line}' is not a command").into()),
        }
        stdout.flush()?;
    }
    Ok(())
}

/// The network with its first style folded into the weights, as the app runs it.
fn folded(file: &str) -> Outcome<Graph> {
    let graph = Graph::from_onnx(&std::fs::read(file)?)?;
    Ok(match graph.row(0) {
        Some(row) => graph.fold_row(&row)?,
        None => graph,
    })
}
