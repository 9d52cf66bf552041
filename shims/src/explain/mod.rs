//! A call in words, for people: its arguments, its answer, and the rule that decided.
//!
//! Much as strace(1) writes it, but only once the answer is known: what runs at the same time never cuts a line in two.
//! Ids that mean "leave it" are written as -1, texts are whole, and a descriptor tells what it stands for.

mod filter;
mod signature;

use std::fmt::Write;

use crate::abi::{
    Abi, Call, Errno, OLDSTAT_I386, STAT_I386, STAT_X86_64, STAT64_I386, STATX, StatLayout, major, minor,
};
use crate::guest::Guest;
use crate::owner::{FileId, Time};
use crate::table::{Row, Support};

pub use filter::{Filter, Wrong, families};
use signature::Kind;
pub use signature::{Signature, of};

/// What an engine knows of a task besides.
pub trait Besides {
    /// What a descriptor stands for: a path, or what /proc says of things that have none. AT_FDCWD is the working
    /// directory.
    fn place(&self, descriptor: i32) -> Option<Vec<u8>>;

    /// Whether the task's memory can be read without waiting.
    fn has_memory(&self) -> bool;
}

/// How a call came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel was not asked.
    Here(Result<u64, Errno>),
    /// The kernel made the call, and its answer stands, or was changed to this.
    Kernel(Result<u64, Errno>),
    /// The kernel makes the call, and its answer is not looked at.
    Passed,
    /// A signal came before there was an answer: the call is made again, or ends with EINTR.
    Interrupted,
    /// The task was killed.
    Killed,
}

/// A call that has no answer yet: its arguments as they were when it was made.
#[derive(Debug)]
pub struct Begun {
    args: Vec<String>,
    /// Which of them the call fills in, and where.
    gaps: Vec<(usize, Kind, u64)>,
}

/// Ids of i386's older calls have 16 bits.
fn is_narrow(row: &Row, abi: Abi) -> bool {
    abi == Abi::I386 && !row.name.ends_with("32") && row.name != "fchownat"
}

fn stat_layout(row: &Row, abi: Abi) -> &'static StatLayout {
    match (row.name, abi) {
        ("statx", _) => &STATX,
        (_, Abi::X86_64) => &STAT_X86_64,
        (name, Abi::I386) if name.ends_with("64") => &STAT64_I386,
        (name, Abi::I386) if name.starts_with("old") => &OLDSTAT_I386,
        _ => &STAT_I386,
    }
}

/// Reads the arguments of a call that is about to be served.
pub fn begin(guest: &dyn Guest, call: &Call, row: &Row, besides: &dyn Besides) -> Begun {
    let mut begun = Begun { args: Vec::new(), gaps: Vec::new() };
    let Some(signature) = of(row.name) else {
        begun.args = call.args.iter().map(|arg| format!("{arg:#x}")).collect();
        return begun;
    };
    for (n, kind) in signature.args.iter().enumerate().take(call.args.len()) {
        let value = call.word(n);
        let text = match *kind {
            Kind::Stat | Kind::UidOut | Kind::GidOut | Kind::GroupsOut | Kind::CapsOut if value != 0 => {
                begun.gaps.push((n, *kind, value));
                format!("{value:#x}")
            }
            kind if !besides.has_memory() && kind.is_in_memory() => format!("{value:#x}"),
            Kind::Groups => groups(guest, value, call.int(n - 1), is_narrow(row, call.abi)),
            Kind::Caps => capabilities(guest, value).unwrap_or_else(|| format!("{value:#x}")),
            Kind::Texts => texts(guest, value, call.abi).unwrap_or_else(|| format!("{value:#x}")),
            Kind::OpenHow => open_how(guest, value).unwrap_or_else(|| format!("{value:#x}")),
            Kind::Address => address(guest, value, call.int(n + 1)).unwrap_or_else(|| format!("{value:#x}")),
            Kind::Fd => descriptor(call.int(n), besides),
            Kind::Uid | Kind::Gid => id(call.uint(n), is_narrow(row, call.abi)),
            Kind::Path => quoted(guest, value, 4096),
            Kind::Text => quoted(guest, value, 256),
            other => other.plain(value),
        };
        begun.args.push(text);
    }
    begun
}

/// `CALL(ARGUMENTS) = ANSWER  [RULE: WHO DECIDED]`. What the call has filled in is read only if that is `readable`.
pub fn finish(
    mut begun: Begun,
    guest: &dyn Guest,
    call: &Call,
    row: &Row,
    outcome: Outcome,
    readable: bool,
) -> String {
    if let Outcome::Here(Ok(value)) | Outcome::Kernel(Ok(value)) = outcome
        && readable
    {
        for (n, kind, addr) in std::mem::take(&mut begun.gaps) {
            if let Some(text) = filled(guest, call, row, kind, addr, value)
                && let Some(arg) = begun.args.get_mut(n)
            {
                *arg = text;
            }
        }
    }
    let known = owner_known_from(guest, call, row, outcome).filter(|_| readable).unwrap_or("");
    let mut line = format!("{}({}) = ", row.name, begun.args.join(", "));
    let _ = match outcome {
        Outcome::Here(Ok(value)) | Outcome::Kernel(Ok(value)) => write!(line, "{}", value as i64),
        Outcome::Here(Err(errno)) | Outcome::Kernel(Err(errno)) => {
            let (name, what) = (errno.name().unwrap_or("?"), errno.description().unwrap_or("unknown"));
            write!(line, "-1 {name} ({what})")
        }
        Outcome::Passed => write!(line, "?"),
        Outcome::Interrupted => write!(line, "? interrupted"),
        Outcome::Killed => write!(line, "? killed"),
    };
    let rule = of(row.name).map_or("unknown", |signature| signature.rule);
    let _ = match outcome {
        Outcome::Here(Ok(_)) => write!(line, "  [{rule}: answered here{known}]"),
        Outcome::Here(Err(errno)) => match signature::reason(row.name, errno) {
            Some(reason) => write!(line, "  [{rule}: {reason}]"),
            None => write!(line, "  [{rule}: refused here]"),
        },
        Outcome::Kernel(_) => write!(line, "  [{rule}: by the kernel{known}]"),
        Outcome::Passed => match row.support {
            Support::Passed(note) => write!(line, "  [left to the kernel: {note}]"),
            _ => write!(line, "  [{rule}: left to the kernel]"),
        },
        Outcome::Interrupted | Outcome::Killed => Ok(()),
    };
    line
}

/// Where the owner comes from that a stat call has told.
fn owner_known_from(guest: &dyn Guest, call: &Call, row: &Row, outcome: Outcome) -> Option<&'static str> {
    let (Outcome::Here(Ok(_)) | Outcome::Kernel(Ok(_))) = outcome else { return None };
    let at = of(row.name)?.args.iter().position(|kind| matches!(kind, Kind::Stat))?;
    let layout = stat_layout(row, call.abi);
    let mut bytes = vec![0; layout.extent()];
    guest.read(call.word(at), &mut bytes).ok()?;
    let stat = layout.decode(&bytes);
    let (id, (sec, nsec)) = (FileId { dev: stat.dev, ino: stat.ino }, stat.ctime);
    match guest.store().suspect(id, Time { sec, nsec }) {
        Ok(_) => Some("; its owner is recorded"),
        Err(false) if layout.tells_identity() => Some("; nothing is recorded"),
        Err(_) => None,
    }
}

/// What the call has filled in.
fn filled(guest: &dyn Guest, call: &Call, row: &Row, kind: Kind, addr: u64, value: u64) -> Option<String> {
    match kind {
        Kind::Stat => {
            let layout = stat_layout(row, call.abi);
            let mut bytes = vec![0; layout.extent()];
            guest.read(addr, &mut bytes).ok()?;
            let stat = layout.decode(&bytes);
            let device = matches!(stat.mode & 0o170_000, 0o020_000 | 0o060_000)
                .then(|| format!(", rdev={}:{}", major(stat.rdev), minor(stat.rdev)));
            Some(format!(
                "{{mode=0{:o}, uid={}, gid={}{}}}",
                stat.mode,
                stat.uid,
                stat.gid,
                device.unwrap_or_default()
            ))
        }
        Kind::UidOut | Kind::GidOut => {
            let mut bytes = [0; 4];
            let width = if is_narrow(row, call.abi) { 2 } else { 4 };
            guest.read(addr, &mut bytes[..width]).ok()?;
            Some(format!("[{}]", u32::from_le_bytes(bytes)))
        }
        Kind::GroupsOut => {
            let count = if call.int(0) == 0 { 0 } else { i32::try_from(value).ok()? };
            Some(groups(guest, addr, count, is_narrow(row, call.abi)))
        }
        Kind::CapsOut => capabilities(guest, addr),
        _ => None,
    }
}

/// The sets of `struct __user_cap_data_struct`, two of which make one of today's 64 bits (`_LINUX_CAPABILITY_VERSION_3`).
fn capabilities(guest: &dyn Guest, addr: u64) -> Option<String> {
    let mut bytes = [0; 24];
    guest.read(addr, &mut bytes).ok()?;
    let word = |n: usize| {
        bytes[4 * n..4 * n + 4].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
    };
    let set = |n: usize| word(n + 3) << 32 | word(n);
    Some(format!("{{effective={:#x}, permitted={:#x}, inheritable={:#x}}}", set(0), set(1), set(2)))
}

/// The most arguments of a program that are worth a line, and bytes of each.
const TEXTS_SHOWN: usize = 16;
const TEXT_SHOWN: usize = 1024;

fn texts(guest: &dyn Guest, addr: u64, abi: Abi) -> Option<String> {
    let mut list = Vec::new();
    let width = abi.word_size();
    for n in 0..=TEXTS_SHOWN {
        let mut bytes = [0; 8];
        guest.read(addr.checked_add((n * width) as u64)?, &mut bytes[..width]).ok()?;
        match u64::from_le_bytes(bytes) {
            0 => return Some(format!("[{}]", list.join(", "))),
            _ if n == TEXTS_SHOWN => list.push("…".to_owned()),
            text => list.push(quoted(guest, text, TEXT_SHOWN)),
        }
    }
    Some(format!("[{}]", list.join(", ")))
}

fn open_how(guest: &dyn Guest, addr: u64) -> Option<String> {
    let mut bytes = [0; 24];
    guest.read(addr, &mut bytes).ok()?;
    let word = |n: usize| {
        bytes[8 * n..8 * n + 8].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
    };
    let flags = signature::OPEN.plain(word(0));
    Some(format!("{{flags={flags}, mode=0{:o}, resolve={:#x}}}", word(1), word(2)))
}

/// The address of a unix socket; of others, the family.
fn address(guest: &dyn Guest, addr: u64, length: i32) -> Option<String> {
    Some(match sockaddr(guest, addr, length)? {
        Address::Abstract(name) => format!("{{AF_UNIX, @\"{}\"}}", escaped(&name)),
        Address::Path(path) => format!("{{AF_UNIX, \"{}\"}}", escaped(&path)),
        Address::Other(family) => format!("{{family={family}}}"),
    })
}

/// What a socket's address says.
enum Address {
    /// A UNIX socket's name without a file.
    Abstract(Vec<u8>),
    /// The path of a UNIX socket; empty for one without a name.
    Path(Vec<u8>),
    /// Of another family than AF_UNIX.
    Other(u16),
}

/// Reads a `struct sockaddr` of this length; `None` where there is none.
fn sockaddr(guest: &dyn Guest, addr: u64, length: i32) -> Option<Address> {
    const AF_UNIX: u16 = 1;
    // struct sockaddr_un.
    let mut bytes = vec![0; usize::try_from(length).ok()?.min(110)];
    guest.read(addr, &mut bytes).ok()?;
    let (family, name) = bytes.split_at_checked(2)?;
    let family = u16::from_le_bytes([family[0], family[1]]);
    Some(match (family, name) {
        (AF_UNIX, [0, name @ ..]) => Address::Abstract(name.to_vec()),
        (AF_UNIX, name) => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            Address::Path(name[..end].to_vec())
        }
        (family, _) => Address::Other(family),
    })
}

/// The most groups that are worth a line.
const GROUPS_SHOWN: usize = 32;

fn groups(guest: &dyn Guest, addr: u64, count: i32, narrow: bool) -> String {
    let width = if narrow { 2 } else { 4 };
    let count = usize::try_from(count).unwrap_or(0);
    let mut bytes = vec![0; width * count.min(GROUPS_SHOWN)];
    if count > 0 && guest.read(addr, &mut bytes).is_err() {
        return format!("{addr:#x}");
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
    let mut list: Vec<String> = bytes.chunks(width).map(|bytes| number(bytes).to_string()).collect();
    if count > GROUPS_SHOWN {
        list.push("…".to_owned());
    }
    format!("[{}]", list.join(", "))
}

fn descriptor(fd: i32, besides: &dyn Besides) -> String {
    const AT_FDCWD: i32 = linux_raw_sys::general::AT_FDCWD;
    match fd {
        AT_FDCWD => "AT_FDCWD".to_owned(),
        fd => match besides.place(fd) {
            Some(path) => format!("{fd}<{}>", escaped(&path)),
            None => fd.to_string(),
        },
    }
}

/// An id, or -1 for "leave it".
fn id(raw: u32, narrow: bool) -> String {
    let keeps = if narrow { raw as u16 == u16::MAX } else { raw == u32::MAX };
    match (keeps, narrow) {
        (true, _) => "-1".to_owned(),
        (_, true) => (raw as u16).to_string(),
        (_, false) => raw.to_string(),
    }
}

/// A text of the guest's, in quotes, or its address if it cannot be read.
fn quoted(guest: &dyn Guest, addr: u64, max: usize) -> String {
    if addr == 0 {
        return "NULL".to_owned();
    }
    match guest.read_str(addr, max) {
        Ok(text) => format!("\"{}\"", escaped(text.to_bytes())),
        Err(_) => format!("{addr:#x}"),
    }
}

/// Bytes as a text that says every one of them and commands no terminal.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.extend(
            chunk.valid().chars().flat_map(|c| if c == '\'' { vec![c] } else { c.escape_debug().collect() }),
        );
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
