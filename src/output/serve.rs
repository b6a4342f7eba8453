//! The picture as MJPEG over HTTP, for programs on this machine: browsers, OBS, whatever reads a stream.
//!
//! ```text
//! offer ──Shot──▶ encoder thread ──JPEG──▶ every client's thread ──▶ multipart/x-mixed-replace
//! ```
//!
//! Only loopback addresses are served, and only requests that name one: a page elsewhere cannot have a browser fetch the
//! picture by a name of its own that leads here (DNS rebinding), nor read it (no CORS header is sent). Nothing is coded while nobody
//! looks. A client that is slow misses pictures; it holds up nobody.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::mp4::Shot;
use crate::mailbox::Latest;

/// Quality of the pictures, 1 to 100.
const QUALITY: u8 = 85;
/// Clients at once; more are sent away.
const MOST_CLIENTS: usize = 8;
/// A request is not longer than this.
const MOST_REQUEST: u64 = 16 << 10;
/// A client that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look whether the stream is over.
const IDLE: Duration = Duration::from_millis(200);
const BOUNDARY: &str = "impasto-picture";
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Impasto</title><style>html,body{margin:0;height:100%;background:#000}\
                    img{width:100%;height:100%;object-fit:contain}</style><img src=/stream.mjpg alt='What Impasto paints'>";

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0} can be reached from other machines; serve on 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    #[error("{address} cannot be served on: {source}; choose another port")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
}

/// Handle to the stream. Dropping it ends it for all clients.
pub struct Stream {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Default)]
struct Shared {
    inbox: Latest<Shot>,
    hungry: AtomicBool,
    newest: Mutex<Newest>,
    came: Condvar,
    clients: AtomicUsize,
    pictures: AtomicU64,
    over: AtomicBool,
}

#[derive(Default)]
struct Newest {
    number: u64,
    jpeg: Arc<Vec<u8>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.inbox.close();
        self.shared.came.notify_all();
    }
}

impl Stream {
    /// Serves on `address` from now on; port 0 takes one that is free.
    ///
    /// # Errors
    /// When the address is not this machine's own, or taken.
    pub fn open(address: SocketAddr) -> Result<Self, ServeError> {
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        let failed = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        // So that the thread can look whether the stream is over.
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared { hungry: AtomicBool::new(true), ..Shared::default() });
        let (encoder, door) = (shared.clone(), shared.clone());
        thread("stream", move || encoder.encode())?;
        thread("stream door", move || door.answer(&listener))?;
        Ok(Self { shared, address })
    }

    /// Where it can be seen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn clients(&self) -> usize {
        self.shared.clients.load(Ordering::Acquire)
    }

    /// Whether a picture would be of use now.
    pub fn wants_shot(&self) -> bool {
        self.clients() > 0 && self.shared.hungry.load(Ordering::Acquire)
    }

    /// Takes a picture, in the place of one that still waits. Never waits itself.
    pub fn offer(&self, shot: Shot) {
        self.shared.hungry.store(false, Ordering::Release);
        self.shared.inbox.put(shot);
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn encode(&self) {
        let mut rgb = Vec::new();
        while !self.is_over() {
            let Some(shot) = self.inbox.wait(IDLE) else { continue };
            rgb.clear();
            rgb.extend(shot.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]));
            let mut jpeg = Vec::with_capacity(rgb.len() / 8);
            let (width, height) = (shot.extent.width, shot.extent.height);
            let encoded =
                JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode(&rgb, width, height, ExtendedColorType::Rgb8);
            match encoded {
                Ok(()) => {
                    let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
                    (newest.number, newest.jpeg) = (newest.number + 1, Arc::new(jpeg));
                    self.pictures.fetch_add(1, Ordering::AcqRel);
                }
                Err(error) => log::warn!("a picture could not be streamed: {error}"),
            }
            self.came.notify_all();
            self.hungry.store(true, Ordering::Release);
        }
    }

    /// The picture after number `seen`; `None` when the stream is over.
    fn after(&self, seen: u64) -> Option<(u64, Arc<Vec<u8>>)> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        while newest.number <= seen {
            if self.is_over() {
                return None;
            }
            newest = self.came.wait_timeout(newest, IDLE).unwrap_or_else(PoisonError::into_inner).0;
        }
        (!self.is_over()).then(|| (newest.number, newest.jpeg.clone()))
    }

    fn answer(self: &Arc<Self>, listener: &TcpListener) {
        while !self.is_over() {
            match listener.accept() {
                Ok((client, _)) => {
                    let shared = self.clone();
                    let served = thread("stream client", move || {
                        // A client that hangs up is no error.
                        let _ = shared.serve(client);
                    });
                    if let Err(error) = served {
                        log::warn!("{error}");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(50))
                }
                Err(error) => {
                    log::warn!("the stream takes nobody in: {error}");
                    std::thread::sleep(IDLE);
                }
            }
        }
    }

    fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nonblocking(false)?;
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        client.set_nodelay(true)?;
        let mut out = client.try_clone()?;
        let request = Request::read(client)?;
        if !request.local {
            return answer(&mut out, "403 Forbidden", "text/plain", b"Ask for 127.0.0.1 or localhost");
        }
        match request.path.as_str() {
            "/" => answer(&mut out, "200 OK", "text/html", PAGE.as_bytes()),
            "/stream.mjpg" | "/still.jpg" => {
                let place = Place::take(&self.clients);
                let Some(_place) = place else {
                    return answer(&mut out, "503 Service Unavailable", "text/plain", b"Too many look already");
                };
                if request.path == "/still.jpg" {
                    let seen = self.newest.lock().unwrap_or_else(PoisonError::into_inner).number;
                    let Some((_, jpeg)) = self.after(seen) else { return Ok(()) };
                    return answer(&mut out, "200 OK", "image/jpeg", &jpeg);
                }
                self.stream_to(&mut out)
            }
            _ => answer(&mut out, "404 Not Found", "text/plain", b"There are /, /stream.mjpg and /still.jpg"),
        }
    }

    fn stream_to(&self, out: &mut TcpStream) -> io::Result<()> {
        write!(
            out,
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\nCache-Control: no-store\r\n\
             Connection: close\r\n\r\n"
        )?;
        let mut seen = 0;
        while let Some((number, jpeg)) = self.after(seen) {
            seen = number;
            let mut part = Vec::with_capacity(jpeg.len() + 128);
            write!(part, "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len())?;
            part.extend_from_slice(&jpeg);
            part.extend_from_slice(b"\r\n");
            out.write_all(&part)?;
        }
        write!(out, "--{BOUNDARY}--\r\n")
    }
}

/// A client's place; given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(clients: &'a AtomicUsize) -> Option<Self> {
        let place = Self(clients);
        // Taken before it is known whether there is one: `place` gives it back.
        (clients.fetch_add(1, Ordering::AcqRel) < MOST_CLIENTS).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What matters of a request.
struct Request {
    path: String,
    /// It asks for this machine by a name that can only be its own.
    local: bool,
}

impl Request {
    fn read(client: TcpStream) -> io::Result<Self> {
        let mut lines = BufReader::new(client.take(MOST_REQUEST)).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut words = first.split_whitespace();
        let (Some("GET"), Some(path)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let (path, mut local) = (path.to_owned(), false);
        for line in lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("host")
            {
                local = is_local(value.trim());
            }
        }
        Ok(Self { path, local })
    }
}

/// Whether a `Host` header names this machine by a name that nobody else can have.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn answer(out: &mut TcpStream, status: &str, kind: &str, body: &[u8]) -> io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    out.write_all(body)
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), ServeError> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop).map_err(ServeError::Thread)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::units::Extent;

    fn ask(stream: &Stream, path: &str, host: &str) -> TcpStream {
        let mut client = TcpStream::connect(stream.address()).unwrap();
        write!(client, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        client
    }

    fn answer_to(stream: &Stream, path: &str, host: &str) -> String {
        let mut text = Vec::new();
        ask(stream, path, host).read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn pictures_come_one_after_the_other_and_only_while_somebody_looks() {
        let stream = Stream::open("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(!stream.wants_shot(), "nobody looks");
        let mut client = BufReader::new(ask(&stream, "/stream.mjpg", "localhost:8080"));
        let extent = Extent::new(16, 8);
        for value in [10_u8, 200] {
            while !stream.wants_shot() {
                std::thread::sleep(Duration::from_millis(1));
            }
            stream.offer(Shot { rgba: vec![value; 16 * 8 * 4], extent, at: Instant::now() });
            let mut length = 0;
            loop {
                let mut line = String::new();
                assert!(client.read_line(&mut line).unwrap() > 0);
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
                if length > 0 && line.trim().is_empty() {
                    break;
                }
            }
            let mut jpeg = vec![0; length];
            client.read_exact(&mut jpeg).unwrap();
            let picture = image::load_from_memory(&jpeg).unwrap().into_rgb8();
            assert_eq!(picture.dimensions(), (16, 8));
            assert!(picture.get_pixel(3, 3).0[0].abs_diff(value) < 6);
        }
        drop(stream);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert!(String::from_utf8_lossy(&rest).contains("--impasto-picture--"), "the stream says that it is over");
    }

    #[test]
    fn other_machines_and_pages_get_nothing() {
        assert!(matches!(Stream::open("0.0.0.0:0".parse().unwrap()), Err(ServeError::NotLoopback(_))));
        let stream = Stream::open("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(answer_to(&stream, "/", "evil.example").starts_with("HTTP/1.1 403"));
        assert!(answer_to(&stream, "/still.jpg", "127.0.0.1.evil.example:80").starts_with("HTTP/1.1 403"));
        assert!(answer_to(&stream, "/secret", "127.0.0.1").starts_with("HTTP/1.1 404"));
        let page = answer_to(&stream, "/", "[::1]:80");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("/stream.mjpg") && !page.contains("Access-Control"));
        assert_eq!(stream.clients(), 0);
    }
}
