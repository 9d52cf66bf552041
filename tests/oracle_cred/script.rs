//! Sequences of operations: what the guest program (tests/guests/cred.c) is told to do, and how people read it.

use std::fmt::{self, Display, Formatter, Write};

use remainroot_shims::abi::Abi;
use remainroot_shims::table::ROWS;

/// One argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A number; i386 guests pass its low half.
    Word(u64),
    /// A pointer to nowhere.
    Bad,
    /// A pointer to these bytes.
    Bytes(Vec<u8>),
    /// A pointer to a header of capset(2): version and pid.
    Header(u32, Pid),
    /// A pointer to this many descending gids of this many bytes.
    Gids(usize, usize),
}

/// A pid in a block of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pid {
    /// This number.
    Number(i32),
    /// The task's own tid.
    Own,
    /// The leader of the process, or for the leader that of the parent process.
    Leader,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A system call, by its name in the table.
    Call(&'static str, Vec<Arg>),
    /// fork(2); the rest happens in the child.
    Fork,
    /// A new thread; the rest happens in it.
    Thread,
    /// execve(2) of a helper.
    Exec(&'static Helper),
}

/// A copy of the guest program with attributes of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Helper {
    /// File name.
    pub name: &'static str,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode bits.
    pub mode: u16,
    /// `security.capability`, as words.
    pub caps: Option<&'static [u32]>,
}

const fn helper(name: &'static str, uid: u32, gid: u32, mode: u16, caps: Option<&'static [u32]>) -> Helper {
    Helper { name, uid, gid, mode, caps }
}

const V2: u32 = 0x0200_0000;
const V3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;
const HIGH: u32 = 0x8000_0000;

/// What sequences may execute. Everybody may: permission to execute is not this oracle's matter, so that
/// `sgid-locking`, which its group may not, belongs to a group that nobody joins.
pub static HELPERS: &[Helper] = &[
    helper("plain", 0, 0, 0o755, None),
    helper("suid-root", 0, 0, 0o4755, None),
    helper("suid-33", 33, 33, 0o4755, None),
    helper("suid-1000", 1000, 0, 0o4755, None),
    helper("suid-high", HIGH, 0, 0o4755, None),
    helper("sgid-root", 0, 0, 0o2755, None),
    helper("sgid-33", 0, 33, 0o2755, None),
    helper("sgid-high", 0, HIGH, 0o2755, None),
    helper("sgid-locking", 424_242, 424_242, 0o2705, None),
    helper("both-root", 0, 0, 0o6755, None),
    helper("both-33", 33, 33, 0o6755, None),
    helper("net-raw-ep", 0, 0, 0o755, Some(&[V2 | EFFECTIVE, 1 << 13, 0, 0, 0])),
    helper("net-raw-p", 0, 0, 0o755, Some(&[V2, 1 << 13, 0, 0, 0])),
    helper("setids-ep", 0, 0, 0o755, Some(&[V2 | EFFECTIVE, 1 << 6 | 1 << 7, 0, 0, 0])),
    helper("setpcap-ei", 0, 0, 0o755, Some(&[V2 | EFFECTIVE, 0, 1 << 8, 0, 0])),
    helper("high-eip", 0, 0, 0o755, Some(&[V2 | EFFECTIVE, 0, 0, 1 << 8, 1 << 8])),
    helper("chown-i-setuid-p", 0, 0, 0o755, Some(&[V2, 1 << 7, 1 << 0, 0, 0])),
    helper("all-ep", 0, 0, 0o755, Some(&[V2 | EFFECTIVE, !0, 0, !0, 0])),
    helper("nothing-e", 0, 0, 0o755, Some(&[V2 | EFFECTIVE, 0, 0, 0, 0])),
    helper("suid-root-net-raw-ep", 0, 0, 0o4755, Some(&[V2 | EFFECTIVE, 1 << 13, 0, 0, 0])),
    helper("suid-33-setuid-ep", 33, 33, 0o4755, Some(&[V2 | EFFECTIVE, 1 << 7, 0, 0, 0])),
    helper("rootid-0", 0, 0, 0o755, Some(&[V3 | EFFECTIVE, 1 << 13, 0, 0, 0, 0])),
    helper("rootid-1000", 0, 0, 0o755, Some(&[V3 | EFFECTIVE, 1 << 13, 0, 0, 0, 1000])),
];

impl Helper {
    /// The value of the attribute.
    pub fn caps(&self) -> Option<Vec<u8>> {
        Some(self.caps?.iter().flat_map(|word| word.to_le_bytes()).collect())
    }
}

/// Number of a call by the name in its row.
pub fn number(abi: Abi, name: &str) -> u32 {
    let row = ROWS.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row for {name}"));
    row.entry(abi).unwrap_or_else(|| panic!("no {name} on {}", abi.name())).nr
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Arg {
    fn script(&self) -> String {
        match self {
            Arg::Word(word) => format!("{word}"),
            Arg::Bad => "!".into(),
            Arg::Bytes(bytes) => format!("={}", hex(bytes)),
            Arg::Header(version, pid) => {
                let pid = match pid {
                    Pid::Number(pid) => pid.to_ne_bytes(),
                    Pid::Own => *b"pppp",
                    Pid::Leader => *b"PPPP",
                };
                format!("={}{}", hex(&version.to_ne_bytes()), hex(&pid))
            }
            Arg::Gids(count, 2) => format!("%{count}"),
            Arg::Gids(count, _) => format!("#{count}"),
        }
    }
}

impl Op {
    fn script(&self, abi: Abi) -> String {
        match self {
            Op::Call(name, args) => {
                let args: String = args.iter().map(|arg| format!(" {}", arg.script())).collect();
                format!("c {}{args}\n", number(abi, name))
            }
            Op::Fork => "f\n".into(),
            Op::Thread => "t\n".into(),
            Op::Exec(helper) => format!("x {}\n", helper.name),
        }
    }
}

/// The script for many sequences, by tasks that start as root with the capabilities of `mask`.
pub fn script(abi: Abi, mask: u64, sequences: &[Vec<Op>]) -> String {
    let mut text = format!("n {mask:x}\n");
    for helper in HELPERS {
        if !sequences.iter().flatten().any(|op| *op == Op::Exec(helper)) {
            continue;
        }
        let caps = helper.caps().map_or("-".into(), |caps| hex(&caps));
        let Helper { name, uid, gid, mode, .. } = helper;
        let _ = writeln!(text, "h {name} {uid} {gid} {mode:o} {caps}");
    }
    for sequence in sequences {
        text += "s\n";
        text.extend(sequence.iter().map(|op| op.script(abi)));
        text += "e\n";
    }
    text
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Word(word) if [u64::from(u32::MAX), u64::MAX].contains(word) => f.write_str("-1"),
            Arg::Word(word) if *word < 100_000 => write!(f, "{word}"),
            Arg::Word(word) => write!(f, "{word:#x}"),
            Arg::Bad => f.write_str("bad pointer"),
            Arg::Bytes(bytes) if bytes.len() % 4 == 0 => {
                let words = bytes
                    .chunks_exact(4)
                    .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
                f.debug_list().entries(words.map(|word| word as i32)).finish()
            }
            Arg::Bytes(bytes) => write!(f, "0x{}", hex(bytes)),
            Arg::Header(version, pid) => write!(f, "{{{version:#x}, {pid:?}}}"),
            Arg::Gids(count, width) => write!(f, "[{count} gids of {width} bytes]"),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Op::Call(name, args) => {
                let args: Vec<String> = args.iter().map(Arg::to_string).collect();
                write!(f, "{name}({})", args.join(", "))
            }
            Op::Fork => f.write_str("fork, and in the child:"),
            Op::Thread => f.write_str("new thread, and in it:"),
            Op::Exec(helper) => write!(f, "exec {}", helper.name),
        }
    }
}
