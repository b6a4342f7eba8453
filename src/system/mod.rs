//! What the machine says about itself: heat, throttling, power, load and memory.
//!
//! [`Sensors`] reads once per interval on a thread of its own and keeps the newest [`Reading`] at hand; asking for it
//! waits for no sensor, because some take milliseconds to answer. Each system has one file behind the same interface:
//! `linux` reads sysfs and procfs, `macos` asks `NSProcessInfo`, `windows` the Win32 power and process functions. What a
//! machine does not say is `None` and shown as a dash: nothing here guesses. Knows nothing of GPUs, frames or windows.

#[cfg(any(target_os = "linux", test))]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(any(target_os = "linux", test))]
pub use linux::Linux;

use std::num::NonZeroUsize;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How hot the machine is, in the words of the systems that have words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Thermal {
    Nominal,
    /// Fans may be heard; nothing is slower yet.
    Fair,
    /// Clocks are being held down.
    Serious,
    /// Close to the temperature at which the machine protects itself.
    Critical,
}

impl Thermal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nominal => "nominal",
            Self::Fair => "fair",
            Self::Serious => "serious",
            Self::Critical => "critical",
        }
    }
}

/// What the machine runs on.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    Mains,
    Battery {
        /// Charge that is left, 0..=100.
        percent: Option<f32>,
    },
}

/// What the sensors said last. `None` where the machine does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Reading {
    /// Of the hotter one of GPU and CPU, degrees Celsius; see [`Self::temperature_of`].
    pub temperature_c: Option<f32>,
    /// Whose temperature that is, for people: `GPU`, `CPU`, `mainboard`.
    pub temperature_of: Option<&'static str>,
    pub thermal: Option<Thermal>,
    /// Whether a processor is held below its full clock: by heat, by the firmware or by a policy.
    pub throttled: Option<bool>,
    pub power: Option<Power>,
    /// Power that is drawn, in watts; see [`Self::watts_of`].
    pub watts: Option<f32>,
    /// What draws that power, for people: `whole machine` (from the battery), `GPU`.
    pub watts_of: Option<&'static str>,
    /// Whether the user asked the system to save power.
    pub saver: Option<bool>,
    /// Share of all processors' time that was spent working since the last reading, by any program, 0..=1.
    pub cpu_load: Option<f32>,
    /// Share of all processors' time that this process spent, 0..=1.
    pub process_load: Option<f32>,
    /// Share of the time that the busiest GPU was at work, by any program, 0..=1.
    pub gpu_load: Option<f32>,
    /// Memory of this process that is in RAM.
    pub memory_bytes: Option<u64>,
}

/// Reads the machine's sensors, each time anew. One per system, on the sensors' thread.
trait Probe: Send {
    /// `now` never goes back: rates are taken between two calls.
    fn read(&mut self, now: Instant) -> Reading;
}

fn probe() -> Box<dyn Probe> {
    #[cfg(target_os = "linux")]
    return Box::new(Linux::new(std::path::Path::new("/")));
    #[cfg(target_os = "macos")]
    return Box::new(macos::MacOs);
    #[cfg(windows)]
    return Box::new(windows::Windows::default());
    #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
    return Box::new(Blind);
}

/// A system that this program cannot ask.
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
struct Blind;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
impl Probe for Blind {
    fn read(&mut self, _now: Instant) -> Reading {
        Reading::default()
    }
}

/// One reading, now: rates, which need two, are `None`. Can take some milliseconds.
pub fn read_once() -> Reading {
    probe().read(Instant::now())
}

/// The thread that reads. Dropping it ends the thread without waiting for a slow sensor.
pub struct Sensors {
    latest: Arc<Mutex<Reading>>,
    /// Dropped to end the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sensors {
    /// What the overlay and the governor need: heat and load change over seconds.
    pub const EVERY: Duration = Duration::from_secs(1);

    /// Starts reading. When the system starts no more threads, [`Self::latest`] stays empty, and the log says so.
    pub fn spawn(interval: Duration) -> Self {
        let latest = Arc::new(Mutex::new(Reading::default()));
        let (stop, stopped) = mpsc::channel::<()>();
        let shared = latest.clone();
        let thread = std::thread::Builder::new().name("sensors".into()).spawn(move || {
            let mut probe = probe();
            loop {
                let reading = probe.read(Instant::now());
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = reading;
                match stopped.recv_timeout(interval) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        if let Err(error) = &thread {
            log::warn!("the sensors are not read: their thread could not be started: {error}");
        }
        Self { latest, stop: Some(stop), thread: thread.ok() }
    }

    /// The newest reading. Waits for no sensor: the lock is held only while a reading is copied.
    pub fn latest(&self) -> Reading {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sensors {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Whatever it reads just now is finished without us.
        drop(self.thread.take());
    }
}

impl std::fmt::Debug for Sensors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sensors").field("latest", &self.latest()).finish_non_exhaustive()
    }
}

/// Cores that this process may use, a pair of hyper-threads counting once where that is known.
pub fn physical_cores() -> NonZeroUsize {
    let usable = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    NonZeroUsize::new(num_cpus::get_physical()).map_or(usable, |cores| cores.min(usable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_at_first() {
        let reading = Reading::default();
        assert_eq!(reading.temperature_c, None);
        assert_eq!(reading.power, None);
        assert!(Thermal::Critical > Thermal::Serious && Thermal::Fair > Thermal::Nominal);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_is_read_by_the_thread() {
        let sensors = Sensors::spawn(Duration::from_millis(5));
        let deadline = Instant::now() + Duration::from_secs(20);
        // Every Linux tells a process its memory, and after two readings its load.
        while sensors.latest().process_load.is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let reading = sensors.latest();
        assert!(reading.memory_bytes.is_some_and(|b| b > 1 << 16), "{reading:?}");
        assert!(reading.process_load.is_some_and(|l| (0.0..=1.0).contains(&l)), "{reading:?}");
    }
}
