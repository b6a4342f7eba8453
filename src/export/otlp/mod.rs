//! Figures to an address of the user's: OpenTelemetry metrics over HTTP. Off unless the user turned it on and gave an address.
//!
//! [`Telemetry`] counts on the event loop, where a frame costs some additions, and every ten seconds hands what it counted
//! to a thread that makes the message and sends it. The queue between the two has room for a few messages: where the
//! receiver is away or slow, what does not fit is dropped, never waited for. Nothing is kept for later, nothing is asked
//! for twice. [`METRICS`] and [`ATTRIBUTES`] are all that is ever sent.

mod figures;
mod message;

use std::fmt::Write as _;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use figures::{Figures, Key};
pub use message::{ATTRIBUTES, Field, METRICS, encode};

use super::Endpoint;
use crate::metrics::{Counts, Meter, Stage};
use crate::system::Reading;
use crate::units::FrameId;

/// What became of the messages so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub sent: u64,
    /// Refused, or nobody answered in time.
    pub failed: u64,
    /// Not tried, because those before were still on their way.
    pub dropped: u64,
    /// Why the last one failed; `None` when it did not.
    pub trouble: Option<String>,
}

/// See the module's text.
pub struct Telemetry {
    figures: Figures,
    newest: Option<FrameId>,
    counts: Option<Counts>,
    sent_at: Instant,
    sender: Sender,
}

impl Telemetry {
    /// How often a message is sent.
    pub const EVERY: Duration = Duration::from_secs(10);

    /// Begins to count, and to send to `endpoint`.
    pub fn start(endpoint: &Endpoint, now: Instant) -> Self {
        Self {
            figures: Figures::new(Key::default(), SystemTime::now()),
            newest: None,
            counts: None,
            sent_at: now,
            sender: Sender::spawn(endpoint, Timeouts::default()),
        }
    }

    /// Another thing paints from now on.
    pub fn switch(&mut self, key: Key) {
        self.figures.switch(key);
    }

    /// Counts what `meter` settled since the last call, and hands over a message when one is due. Never waits.
    pub fn follow(&mut self, meter: &Meter, reading: &Reading, now: Instant) {
        let newest = self.newest;
        let new = meter.history().rev().take_while(|c| Some(c.stamp.id) != newest).count();
        self.newest = meter.history().next_back().map(|c| c.stamp.id);
        for cost in meter.history().skip(meter.history().len() - new) {
            self.figures.record(cost);
        }
        let counts = meter.counts();
        self.counts.get_or_insert(counts);
        if now.saturating_duration_since(self.sent_at) >= Self::EVERY {
            self.sent_at = now;
            self.hand_over(counts, reading);
        }
    }

    fn hand_over(&mut self, counts: Counts, reading: &Reading) {
        let before = self.counts.replace(counts).unwrap_or_default();
        let mut figures = self.figures.take(SystemTime::now());
        figures.frames = Counts {
            captured: counts.captured.saturating_sub(before.captured),
            processed: counts.processed.saturating_sub(before.processed),
            presented: counts.presented.saturating_sub(before.presented),
            dropped: counts.dropped.saturating_sub(before.dropped),
            ..Counts::default()
        };
        figures.reading = *reading;
        self.sender.offer(figures);
    }

    /// Sends the rest: at the end of a run. Waits a moment for the receiver, no longer.
    pub fn finish(mut self, meter: &Meter, reading: &Reading) {
        self.hand_over(meter.counts(), reading);
        self.sender.finish(Duration::from_millis(500));
    }

    pub fn status(&self) -> Status {
        self.sender.status()
    }
}

/// How long a receiver may take.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    connect: Duration,
    whole: Duration,
    /// How long not to try after a failure; doubles with each further one, up to 32 times as long.
    pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), whole: Duration::from_secs(10), pause: Duration::from_secs(10) }
    }
}

/// The thread that sends.
struct Sender {
    queue: Option<SyncSender<Figures>>,
    ended: Receiver<()>,
    status: Arc<Mutex<Status>>,
}

impl Sender {
    /// Messages that may wait.
    const ROOM: usize = 4;

    /// When the system starts no more threads, everything is dropped and counted.
    fn spawn(endpoint: &Endpoint, timeouts: Timeouts) -> Self {
        let (queue, messages) = mpsc::sync_channel::<Figures>(Self::ROOM);
        let (ending, ended) = mpsc::channel::<()>();
        let status = Arc::new(Mutex::new(Status::default()));
        let shared = status.clone();
        let url = endpoint.metrics_url();
        let thread = std::thread::Builder::new().name("telemetry".into()).spawn(move || {
            send_all(&url, timeouts, &messages, &shared);
            // Nobody may be waiting for it.
            let _ = ending.send(());
        });
        if let Err(error) = thread {
            log::warn!("no figures are sent: the thread 'telemetry' could not be started: {error}");
        }
        Self { queue: Some(queue), ended, status }
    }

    /// Never waits.
    fn offer(&self, figures: Figures) {
        let taken = self.queue.as_ref().is_some_and(|queue| queue.try_send(figures).is_ok());
        if !taken {
            self.status.lock().unwrap_or_else(PoisonError::into_inner).dropped += 1;
        }
    }

    fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the thread send what it has, and waits for that for `patience` at most.
    fn finish(mut self, patience: Duration) {
        drop(self.queue.take());
        let _ = self.ended.recv_timeout(patience);
    }
}

fn send_all(url: &str, timeouts: Timeouts, messages: &Receiver<Figures>, status: &Mutex<Status>) {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(timeouts.connect))
        .timeout_global(Some(timeouts.whole))
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("impasto/", env!("CARGO_PKG_VERSION")))
        // The address is the user's; so is the decision to go through anything else.
        .proxy(None)
        .build();
    let agent: ureq::Agent = config.into();
    let mut pause = timeouts.pause;
    let mut silent_until = None;
    for figures in messages {
        if silent_until.is_some_and(|until| Instant::now() < until) {
            status.lock().unwrap_or_else(PoisonError::into_inner).dropped += 1;
            continue;
        }
        let sent = post(&agent, url, encode(&figures).to_string().as_bytes());
        let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(()) => {
                if status.trouble.take().is_some() {
                    log::info!("figures are sent to {url} again");
                }
                status.sent += 1;
                (pause, silent_until) = (timeouts.pause, None);
            }
            Err(what) => {
                if status.trouble.is_none() {
                    log::warn!("figures could not be sent to {url}: {what}; the picture goes on, and so do attempts");
                }
                status.failed += 1;
                status.trouble = Some(what);
                silent_until = Some(Instant::now() + pause);
                pause = (pause * 2).min(timeouts.pause * 32);
            }
        }
    }
}

/// Sends one message, and says what came back when that was not success.
fn post(agent: &ureq::Agent, url: &str, body: &[u8]) -> Result<(), String> {
    let mut response =
        agent.post(url).header("Content-Type", "application/json").send(body).map_err(|e| e.to_string())?;
    let status = response.status();
    // An answer is short, or nobody needs to read it.
    let answer = response.body_mut().with_config().limit(16 * 1024).read_to_string().unwrap_or_default();
    if !status.is_success() {
        let line: String = answer.lines().next().unwrap_or_default().chars().take(200).collect();
        return Err(format!("it answered {status} {line}"));
    }
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    match answer["partialSuccess"]["errorMessage"].as_str() {
        Some(what) if !what.is_empty() => Err(format!("it took a part of the figures only: {what}")),
        _ => Ok(()),
    }
}

/// Made-up figures of ten seconds in which everything was measured: what a message looks like.
pub fn example() -> Figures {
    let key = Key {
        effect: "ink".to_owned(),
        variant: "m".to_owned(),
        engine: "wgpu".to_owned(),
        device_class: "integrated".to_owned(),
    };
    let until = SystemTime::now();
    let mut figures = Figures::new(key, until.checked_sub(Telemetry::EVERY).unwrap_or(until));
    for (stage, ms) in [
        (Stage::Capture, 4.0),
        (Stage::Wait, 3.0),
        (Stage::Upload, 0.4),
        (Stage::Prepare, 0.3),
        (Stage::Infer, 9.0),
        (Stage::Compose, 0.5),
        (Stage::Interface, 0.3),
        (Stage::Present, 1.0),
    ] {
        (0..300).for_each(|_| figures.series[0].stages[stage as usize].record(ms / 1e3));
    }
    (0..300).for_each(|_| figures.series[0].total.record(18.5e-3));
    let mut figures = figures.take(until);
    figures.frames = Counts { captured: 300, processed: 300, presented: 300, ..Counts::default() };
    figures.reading = Reading {
        temperature_c: Some(61.0),
        temperature_of: Some("CPU"),
        power: Some(crate::system::Power::Battery { percent: Some(80.0) }),
        watts: Some(14.0),
        watts_of: Some("whole machine"),
        cpu_load: Some(0.2),
        gpu_load: Some(0.4),
        memory_bytes: Some(300 << 20),
        ..Reading::default()
    };
    figures
}

/// Everything that is sent, in words: shown before anybody turns it on.
pub fn disclosure() -> String {
    let mut text = String::from(
        "Impasto sends no figures unless you turn it on and give an address of your own.\n\
         Then an OpenTelemetry message goes there every 10 seconds, with these figures and nothing else:\n\n",
    );
    let rows = |text: &mut String, fields: &[Field]| {
        for field in fields {
            let unit = if field.unit.is_empty() { String::new() } else { format!(" [{}]", field.unit) };
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {:<34}{}", format!("{}{unit}", field.name), field.what);
        }
    };
    rows(&mut text, &METRICS);
    text.push_str("\nwith these attributes:\n\n");
    rows(&mut text, &ATTRIBUTES);
    text.push_str(
        "\nNever sent: pictures, names of people, machines, cameras, files or folders, serial numbers, or anything that\n\
         would tell one run of the program from another. Figures are not kept for later when they cannot be sent.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use super::message::tests::{Request, figures};
    use super::*;

    fn timeouts() -> Timeouts {
        Timeouts { connect: Duration::from_secs(5), whole: Duration::from_secs(5), pause: Duration::ZERO }
    }

    /// Answers one request after the other with `answers`, and hands out what came: request line, headers, body.
    fn receiver(answers: &'static [&'static str]) -> (Endpoint, mpsc::Receiver<(String, String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (out, requests) = mpsc::channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let (mut line, mut headers) = (String::new(), String::new());
                reader.read_line(&mut line).unwrap();
                while !headers.ends_with("\r\n\r\n") && reader.read_line(&mut headers).unwrap() > 2 {}
                let length = headers
                    .lines()
                    .find_map(|l| l.to_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()));
                let mut body = vec![0; length.unwrap()];
                reader.read_exact(&mut body).unwrap();
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
                out.send((line, headers, body)).unwrap();
            }
        });
        (endpoint, requests)
    }

    const OK: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate";
    const PART: &str = "HTTP/1.1 200 OK\r\nContent-Length: 43\r\nConnection: close\r\n\r\n{\"partialSuccess\":{\"errorMessage\":\"no hw\"}}";

    fn settled(sender: &Sender, done: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let status = sender.status();
            if done(&status) || Instant::now() > deadline {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_receiver_gets_what_the_definitions_say() {
        let (endpoint, requests) = receiver(&[OK, BUSY, PART, OK]);
        let sender = Sender::spawn(&endpoint, timeouts());
        sender.offer(figures());
        let (line, headers, body) = requests.recv().unwrap();
        assert_eq!(line, "POST /v1/metrics HTTP/1.1\r\n");
        let headers = headers.to_lowercase();
        assert!(
            headers.contains("content-type: application/json") && headers.contains("user-agent: impasto/"),
            "{headers}"
        );
        let request: Request = serde_json::from_slice(&body).unwrap();
        assert_eq!(request.resource_metrics[0].scope_metrics[0].metrics.len(), 9);
        assert_eq!(settled(&sender, |s| s.sent == 1), Status { sent: 1, ..Status::default() });

        sender.offer(figures());
        let refused = settled(&sender, |s| s.failed == 1);
        assert!(refused.trouble.as_deref().is_some_and(|t| t.contains("503") && t.contains("late")), "{refused:?}");
        sender.offer(figures());
        let part = settled(&sender, |s| s.failed == 2);
        assert!(part.trouble.as_deref().is_some_and(|t| t.contains("no hw")), "{part:?}");
        sender.offer(figures());
        assert_eq!(settled(&sender, |s| s.sent == 2).trouble, None, "over as soon as one is taken");
        sender.finish(Duration::from_secs(60));
    }

    #[test]
    fn a_receiver_that_never_answers_holds_nobody_up() {
        // Accepts connections (the system does it) and says nothing for as long as the test runs.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let forever = Timeouts { whole: Duration::from_secs(3600), ..timeouts() };
        let sender = Sender::spawn(&endpoint, forever);
        // An offer that waited for the receiver would never come back.
        for _ in 0..1000 {
            sender.offer(figures());
        }
        let status = sender.status();
        assert_eq!((status.sent, status.failed), (0, 0));
        assert!(status.dropped >= 1000 - Sender::ROOM as u64 - 1, "{status:?}");
        sender.finish(Duration::from_millis(1));
        drop(listener);
    }

    #[test]
    fn nobody_at_the_address_is_said_and_not_tried_at_once_again() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let endpoint = Endpoint::parse(&format!("http://{free}")).unwrap();
        let sender = Sender::spawn(&endpoint, Timeouts { pause: Duration::from_secs(3600), ..timeouts() });
        sender.offer(figures());
        let status = settled(&sender, |s| s.failed == 1);
        assert!(status.trouble.is_some());
        sender.offer(figures());
        assert_eq!(settled(&sender, |s| s.dropped == 1).failed, 1);
        sender.finish(Duration::from_secs(60));
    }

    #[test]
    fn all_of_it_is_shown_beforehand() {
        let text = disclosure();
        for field in METRICS.iter().chain(&ATTRIBUTES) {
            assert!(text.contains(field.name) && text.contains(field.what), "{}", field.name);
        }
    }
}
