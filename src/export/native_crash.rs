//! Reports of crashes in native code: a driver or a library that does what no process may (`SIGSEGV` and its like), or that
//! aborts. Linux alone, where `/proc` tells a process what lies where in its memory.
//!
//! The process may be in any state when such a signal comes, so the handler does only what `signal-safety(7)` allows: it
//! allocates nothing, takes no lock that it could wait for, and writes with plain system calls. The report names the module
//! that the processor was in, and what looks like return addresses on the thread's stack, newest first: without unwinding
//! some may be left over from earlier calls. Then the process ends by the signal, as it would have done.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use super::{crash, utc, utc_for_names};

/// What ends a process whose native code has gone wrong, with what it means.
const SIGNALS: [(libc::c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV: memory that is not there"),
    (libc::SIGBUS, "SIGBUS: memory that cannot be read"),
    (libc::SIGILL, "SIGILL: an instruction that the processor does not know"),
    (libc::SIGFPE, "SIGFPE: arithmetic that has no result"),
    (libc::SIGABRT, "SIGABRT: a library gave up"),
];

/// Seconds after which a report that hangs is given up, and the process with it.
const PATIENCE_S: u32 = 5;
/// Return addresses listed at most.
const MOST_ADDRESSES: usize = 48;
/// Words of the stack that are searched for them.
const STACK_WORDS: usize = 2048;
/// Room for `/proc/self/maps`; mappings beyond it stay unnamed.
const MAPS_ROOM: usize = 512 * 1024;
const REPORT_ROOM: usize = 32 * 1024;

static PREPARED: OnceLock<Prepared> = OnceLock::new();
static BEGUN: AtomicBool = AtomicBool::new(false);
static ROOMS: Rooms = Rooms(UnsafeCell::new(([0; MAPS_ROOM], [0; 8 * STACK_WORDS], [0; REPORT_ROOM])));

struct Rooms(UnsafeCell<([u8; MAPS_ROOM], [u8; 8 * STACK_WORDS], [u8; REPORT_ROOM])>);

// SAFETY: the one thread that sets `BEGUN` uses the rooms, and nobody else does.
#[expect(unsafe_code, reason = "memory for a handler that may not allocate")]
unsafe impl Sync for Rooms {}

/// All that can be made before anything goes wrong.
struct Prepared {
    /// The folder of the reports and the one that holds it; either may be missing.
    folders: [CString; 2],
    file: CString,
    /// When the program started, as reports write it.
    started: String,
    since: Instant,
    /// What was done at each of [`SIGNALS`] before.
    before: [libc::sigaction; SIGNALS.len()],
}

// SAFETY: the old actions are plain numbers and addresses of functions.
#[expect(unsafe_code, reason = "libc's type says nothing about threads")]
unsafe impl Sync for Prepared {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "libc's type says nothing about threads")]
unsafe impl Send for Prepared {}

/// What the processor was at.
#[derive(Clone, Copy)]
struct Fault<'a> {
    meaning: &'a str,
    thread: &'a [u8],
    instruction: u64,
    stack: u64,
}

/// Makes crashes of native code leave a report in `folder`. Once per process; the second time nothing changes. A signal that
/// cannot be taken is left as it is.
#[expect(unsafe_code, reason = "the handler of a signal is set by the system's own call")]
pub fn install(folder: &Path) {
    let now = SystemTime::now();
    let name = format!("{}{}-{}-native{}", crash::PREFIX, utc_for_names(now), std::process::id(), crash::NEW);
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
    let (Some(parent), Some(own), Some(file)) =
        (folder.parent().and_then(text), text(folder), text(&folder.join(name)))
    else {
        return;
    };
    // SAFETY: zero is a valid value of this plain C structure, and each is filled in before it is used.
    let before = SIGNALS.map(|(signal, _)| unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        // With no new action the call only tells the present one.
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        action
    });
    let prepared = Prepared { folders: [parent, own], file, started: utc(now), since: Instant::now(), before };
    if PREPARED.set(prepared).is_err() {
        return;
    }
    for (signal, _) in SIGNALS {
        // SAFETY: the structure is whole, and the handler keeps to what a handler may do.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as libc::sighandler_t;
            // On the thread's spare stack, for its own may be what ran out.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

#[expect(unsafe_code, reason = "system calls that a handler may make")]
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(prepared) = PREPARED.get() else { return };
    // SAFETY: the system hands both over, and they are valid while the handler runs. The old actions came from the system.
    let (sent, instruction, stack) = unsafe {
        for ((each, _), before) in SIGNALS.iter().zip(&prepared.before) {
            libc::sigaction(*each, before, std::ptr::null_mut());
        }
        libc::alarm(PATIENCE_S);
        let (instruction, stack) = registers(context.cast());
        (info.as_ref().is_some_and(|info| info.si_code <= 0), instruction, stack)
    };
    if !BEGUN.swap(true, Ordering::AcqRel) {
        let meaning = SIGNALS.iter().find(|(each, _)| *each == signal).map_or("a signal", |(_, meaning)| meaning);
        let mut thread = [0_u8; 16];
        // SAFETY: the system writes at most 16 bytes, the last of them zero.
        unsafe { libc::prctl(libc::PR_GET_NAME, thread.as_mut_ptr()) };
        let thread = CStr::from_bytes_until_nul(&thread).map_or(&b""[..], CStr::to_bytes);
        report(prepared, &Fault { meaning, thread, instruction, stack });
    }
    if sent {
        // Nothing went wrong here that would go wrong again: another process, or `abort`, sent it. The handler of Rust's
        // runtime, which is back in place, would wait for that.
        // SAFETY: both are calls that a handler may make.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

/// Where the interrupted thread was: the address of its instruction and the top of its stack; zero where unknown.
///
/// # Safety
/// `context` comes from the system, as a handler gets it.
#[expect(unsafe_code, reason = "the processor's registers, as the system saved them")]
unsafe fn registers(context: *const libc::ucontext_t) -> (u64, u64) {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: as the caller says.
        let registers = unsafe { &(*context).uc_mcontext.gregs };
        (registers[libc::REG_RIP as usize].cast_unsigned(), registers[libc::REG_RSP as usize].cast_unsigned())
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: as the caller says.
        let state = unsafe { &(*context).uc_mcontext };
        (state.pc, state.sp)
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = context;
        (0, 0)
    }
}

#[expect(unsafe_code, reason = "system calls that a handler may make")]
fn report(prepared: &Prepared, fault: &Fault<'_>) {
    // SAFETY: `BEGUN` was not set before, so this is the only use of the rooms.
    let (maps, stack, room) = unsafe { &mut *ROOMS.0.get() };
    let maps = read(c"/proc/self/maps", 0, maps);
    let maps = Maps(maps);
    let top = fault.stack & !7;
    let words = maps.at(top).map_or(0, |mapping| (mapping.end - top).min(stack.len() as u64));
    // Through the system, which says where memory cannot be read instead of ending the process.
    let stack = read(c"/proc/self/mem", top, &mut stack[..words as usize]);
    let mut out = Text { room, used: 0 };
    write(&mut out, prepared, fault, maps, stack);
    // SAFETY: all are strings that end with zero, or a room with its length.
    unsafe {
        for folder in &prepared.folders {
            // What is there already is as good.
            libc::mkdir(folder.as_ptr(), 0o700);
        }
        let file = libc::open(prepared.file.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 0o600);
        if file >= 0 {
            let mut rest = out.bytes();
            while let Ok(written @ 1..) = usize::try_from(libc::write(file, rest.as_ptr().cast(), rest.len())) {
                rest = &rest[written..];
            }
            libc::close(file);
            let told = b"the program broke down in native code; a report was written to ";
            for part in [&told[..], prepared.file.to_bytes(), b"; it is sent nowhere\n"] {
                libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len());
            }
        }
    }
}

/// Reads a file from `offset` on, as far as there is room, without any memory of its own.
#[expect(unsafe_code, reason = "system calls that a handler may make")]
fn read<'a>(path: &CStr, offset: u64, room: &'a mut [u8]) -> &'a [u8] {
    let mut used = 0;
    // SAFETY: the path ends with zero, and no more is read than there is room.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_RDONLY);
        if file < 0 {
            return &[];
        }
        while used < room.len() {
            let rest = &mut room[used..];
            let at = (offset + used as u64).cast_signed();
            match usize::try_from(libc::pread(file, rest.as_mut_ptr().cast(), rest.len(), at)) {
                Ok(got @ 1..) => used += got,
                _ => break,
            }
        }
        libc::close(file);
    }
    &room[..used]
}

/// The report, as JSON.
fn write(out: &mut Text<'_>, prepared: &Prepared, fault: &Fault<'_>, maps: Maps<'_>, stack: &[u8]) {
    out.raw(b"{\"schema\":\"");
    out.raw(crash::SCHEMA.as_bytes());
    out.raw(b"\",\"version\":\"");
    out.raw(env!("CARGO_PKG_VERSION").as_bytes());
    out.raw(b"\",\"kind\":\"native\",\"started\":");
    out.quoted(prepared.started.as_bytes());
    out.raw(b",\"running_s\":");
    out.number(prepared.since.elapsed().as_secs());
    out.raw(b",\"message\":\"");
    out.escaped(fault.meaning.as_bytes());
    if let Some(mapping) = maps.at(fault.instruction) {
        out.raw(b", in ");
        out.escaped(mapping.name);
    }
    out.raw(b"\",\"thread\":");
    out.quoted(fault.thread);
    out.raw(b",\"os\":\"linux\",\"arch\":\"");
    out.raw(std::env::consts::ARCH.as_bytes());
    out.raw(b"\"");
    crash::with_subject(|subject| {
        let what: [(&[u8], &str); 4] = [
            (b"effect", &subject.effect),
            (b"variant", &subject.variant),
            (b"engine", &subject.engine),
            (b"device", &subject.device),
        ];
        for (name, value) in what {
            out.raw(b",\"");
            out.raw(name);
            out.raw(b"\":");
            out.quoted(value.as_bytes());
        }
    });
    out.raw(b",\"stack\":[");
    let mut listed = 0;
    let words = stack.chunks_exact(8).map(|w| u64::from_le_bytes([w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]]));
    for address in std::iter::once(fault.instruction).chain(words) {
        let Some(mapping) = maps.at(address).filter(|mapping| mapping.executable) else { continue };
        if listed > 0 {
            out.raw(b",");
        }
        out.raw(b"\"");
        out.escaped(mapping.name);
        out.raw(b"+0x");
        out.hexadecimal(address - mapping.start + mapping.offset);
        out.raw(b"\"");
        listed += 1;
        if listed == MOST_ADDRESSES {
            break;
        }
    }
    out.raw(b"]}\n");
}

/// The contents of `/proc/self/maps`.
#[derive(Clone, Copy)]
struct Maps<'a>(&'a [u8]);

struct Mapping<'a> {
    start: u64,
    end: u64,
    executable: bool,
    /// Of its first byte in its file.
    offset: u64,
    /// The file's name without its folders, which may be the user's.
    name: &'a [u8],
}

impl<'a> Maps<'a> {
    /// What lies at an address.
    fn at(self, address: u64) -> Option<Mapping<'a>> {
        self.0
            .split(|&byte| byte == b'\n')
            .filter_map(Mapping::of)
            .find(|mapping| (mapping.start..mapping.end).contains(&address))
    }
}

impl<'a> Mapping<'a> {
    /// Of a line: `start-end rwxp offset device inode    path`.
    fn of(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let range = fields.next()?;
        let dash = range.iter().position(|&byte| byte == b'-')?;
        let executable = fields.next()?.get(2) == Some(&b'x');
        let offset = hexadecimal(fields.next()?)?;
        let path = fields.nth(2).unwrap_or_default().trim_ascii();
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let name = if name.is_empty() { b"memory without a file" } else { name };
        Some(Self {
            start: hexadecimal(&range[..dash])?,
            end: hexadecimal(&range[dash + 1..])?,
            executable,
            offset,
            name,
        })
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, &digit| {
        let value = char::from(digit).to_digit(16)?;
        Some(number.checked_mul(16)? + u64::from(value))
    })
}

/// Text in a fixed room; what does not fit is left out.
struct Text<'a> {
    room: &'a mut [u8],
    used: usize,
}

impl Text<'_> {
    fn bytes(&self) -> &[u8] {
        &self.room[..self.used]
    }

    fn raw(&mut self, bytes: &[u8]) {
        let free = &mut self.room[self.used..];
        let count = bytes.len().min(free.len());
        free[..count].copy_from_slice(&bytes[..count]);
        self.used += count;
    }

    /// The inside of a JSON string. Bytes that are not plain ASCII become question marks.
    fn escaped(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'"' | b'\\' => self.raw(&[b'\\', byte]),
                b' '..=b'~' => self.raw(&[byte]),
                _ => self.raw(b"?"),
            }
        }
    }

    fn quoted(&mut self, bytes: &[u8]) {
        self.raw(b"\"");
        self.escaped(bytes);
        self.raw(b"\"");
    }

    fn number(&mut self, number: u64) {
        self.digits(number, 10);
    }

    fn hexadecimal(&mut self, number: u64) {
        self.digits(number, 16);
    }

    fn digits(&mut self, mut number: u64, base: u64) {
        // 20 digits hold every u64 in base 10.
        let mut digits = [0_u8; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b"0123456789abcdef"[(number % base) as usize];
            number /= base;
            if number == 0 {
                break;
            }
        }
        self.raw(&digits[first..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &[u8] = b"55d000000000-55d000001000 r--p 00000000 fe:00 1 /home/someone/impasto\n\
        55d000001000-55d000009000 r-xp 00001000 fe:00 1 /home/someone/impasto\n\
        7f0000000000-7f0000010000 r-xp 00002000 fe:00 2                          /usr/lib/lib\"vulkan\".so\n\
        7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n\
        7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0 \n";

    #[test]
    fn an_address_is_found_in_its_module() {
        let maps = Maps(MAPS);
        let found = maps.at(0x7f00_0000_0010).unwrap();
        assert_eq!((found.name, found.executable, found.offset), (&b"lib\"vulkan\".so"[..], true, 0x2000));
        assert_eq!(maps.at(0x7ffc_0000_0000).unwrap().name, b"[stack]");
        assert!(maps.at(0x7ffd_0000_1000).is_none(), "the end is not part of it");
        assert_eq!(maps.at(0x7ffd_0000_0000).unwrap().name, b"memory without a file");
    }

    #[test]
    fn a_report_is_json_and_names_no_folder() {
        let prepared = Prepared {
            folders: [CString::default(), CString::default()],
            file: CString::default(),
            started: "2026-01-02T03:04:05Z".to_owned(),
            since: Instant::now(),
            #[expect(unsafe_code, reason = "a plain C structure")]
            // SAFETY: zero is a valid value, and nobody uses it.
            before: unsafe { std::mem::zeroed() },
        };
        let stack: Vec<u8> = [7, 0x55d0_0000_1234, 0x7ffc_0000_0008, 0x7f00_0000_0000_u64]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        let fault = Fault { meaning: "SIGSEGV: x", thread: b"a \"t\"\xff", instruction: 0x7f00_0000_0010, stack: 0 };
        let mut room = [0; 2048];
        let mut out = Text { room: &mut room, used: 0 };
        write(&mut out, &prepared, &fault, Maps(MAPS), &stack);
        assert!(!String::from_utf8_lossy(out.bytes()).contains("someone"));
        let report: serde_json::Value = serde_json::from_slice(out.bytes()).unwrap();
        assert_eq!((&report["kind"], &report["thread"]), (&"native".into(), &"a \"t\"?".into()));
        assert_eq!(report["message"], "SIGSEGV: x, in lib\"vulkan\".so");
        let expected = ["lib\"vulkan\".so+0x2010", "impasto+0x1234", "lib\"vulkan\".so+0x2000"];
        assert_eq!(report["stack"], serde_json::json!(expected));
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut room = [0; 4];
        let mut out = Text { room: &mut room, used: 0 };
        out.number(u64::MAX);
        out.raw(b"more");
        assert_eq!(out.bytes(), b"1844");
        let mut room = [0; 40];
        let mut out = Text { room: &mut room, used: 0 };
        out.hexadecimal(0xf0e1);
        out.number(0);
        assert_eq!(out.bytes(), b"f0e10");
    }
}
