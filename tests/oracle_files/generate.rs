//! Sequences of file operations.
//!
//! Whether a user *may* do something to a file that is not theirs, by the bits of its mode, is not what is asked here
//! yet. So every directory is kept open to all, files stay readable, and what takes more is left to root.

use std::fmt::{self, Display, Formatter};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// One operation: who does what. Its text is a line of the guest program's script.
#[derive(Clone, Debug)]
pub struct Op {
    /// 0 is root; the others are introduced in tests/guests/files.c.
    actor: u8,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Create {
        path: &'static str,
        how: u8,
        mode: u32,
    },
    Mkdir {
        path: &'static str,
        at: bool,
        mode: u32,
    },
    Symlink {
        path: &'static str,
        to: &'static str,
    },
    Mknod {
        path: &'static str,
        at: bool,
        mode: u32,
        dev: u32,
    },
    /// Those with two paths and perhaps flags.
    Pair {
        call: &'static str,
        from: &'static str,
        to: &'static str,
        flags: u32,
    },
    /// Those with a path alone.
    Plain {
        call: &'static str,
        path: &'static str,
    },
    /// Those that change contents, in one of some ways.
    Contents {
        call: &'static str,
        path: &'static str,
        how: u8,
    },
    Umask(u32),
    Chmod {
        path: &'static str,
        how: u8,
        mode: u32,
    },
    Chown {
        path: &'static str,
        how: u8,
        uid: u32,
        gid: u32,
    },
    Utime {
        path: &'static str,
        how: u8,
    },
    Stat {
        path: &'static str,
        how: u8,
    },
    SetXattr {
        path: &'static str,
        how: u8,
        name: &'static str,
        value: String,
        flags: u8,
    },
    GetXattr {
        path: &'static str,
        how: u8,
        name: &'static str,
        size: u32,
    },
    RemoveXattr {
        path: &'static str,
        how: u8,
        name: &'static str,
    },
    ListXattr {
        path: &'static str,
        how: u8,
        size: u32,
    },
}

const CAPABILITY: &str = "security.capability";

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let (What::Contents { path, .. }, 1..) = (&self.what, self.actor) {
            // Users must be let in, whatever the mode.
            writeln!(f, "0 lend {path}")?;
        }
        write!(f, "{} ", self.actor)?;
        match &self.what {
            What::Create { path, how, mode } => write!(f, "create {path} {how} 0{mode:o}"),
            What::Mkdir { path, at, mode } => {
                write!(f, "{} {path} 0{mode:o}\n0 widen {path}", if *at { "mkdirat" } else { "mkdir" })
            }
            What::Symlink { path, to } => write!(f, "symlink {path} {to}"),
            What::Mknod { path, at, mode, dev } => {
                write!(f, "{} {path} 0{mode:o} {dev:#x}", if *at { "mknodat" } else { "mknod" })
            }
            What::Pair { call, from, to, flags } => write!(f, "{call} {from} {to} {flags}"),
            What::Plain { call, path } => write!(f, "{call} {path}"),
            What::Contents { call, path, how } => write!(f, "{call} {path} {how}"),
            What::Umask(mask) => write!(f, "umask 0{mask:o}"),
            What::Chmod { path, how, mode } => write!(f, "chmod {path} {how} 0{mode:o}\n0 widen {path}"),
            What::Chown { path, how, uid, gid } => write!(f, "chown {path} {how} {uid} {gid}"),
            What::Stat { path, how } => write!(f, "stat {path} {how}"),
            What::Utime { path, how } => write!(f, "utime {path} {how}"),
            What::SetXattr { path, how, name, value, flags } => {
                write!(f, "setxattr {path} {how} {name} {value} {flags}\n0 widen {path}")
            }
            What::GetXattr { path, how, name, size } => write!(f, "getxattr {path} {how} {name} {size}"),
            What::RemoveXattr { path, how, name } => write!(f, "removexattr {path} {how} {name}"),
            What::ListXattr { path, how, size } => write!(f, "listxattr {path} {how} {size}"),
        }
    }
}

/// What every sequence begins with, so that most operations find something.
const SETTING: &str = "0 mkdir d 0777\n0 widen d\n0 create a 0 0644\n0 symlink l a\n";

/// Whether the machine's devices can be mounted over placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// They can be opened.
    Covered,
    /// They are empty files to those who open them.
    Placeholders,
}

/// The text of a sequence, to be run by the guest program.
pub fn script(ops: &[Op], devices: Devices) -> String {
    let mut text = format!("S\n{SETTING}");
    for op in sifted(ops, devices) {
        text += &format!("{op}\n");
    }
    text + "E\n"
}

/// The way of writing that writes no bytes.
const NOTHING: u8 = 3;

/// Leaves out what is known to differ (see the table of differences), and what would ask for permission.
fn sifted(ops: &[Op], devices: Devices) -> impl Iterator<Item = &Op> {
    ops.iter().filter(move |op| match op.what {
        What::Plain { call: "read", .. } => devices == Devices::Covered,
        What::GetXattr { name, .. } => name != "trusted.",
        What::Contents { call: "write", how: NOTHING, .. } => op.actor == 0,
        _ => true,
    })
}

fn path() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "a", "b", "b", "d", "d/a", "d/b", "e", "e/a", "l", "d/l", ".", "d/", "l/a"])
}

fn file_mode() -> impl Strategy<Value = u32> {
    select(vec![
        0o644,
        0o666,
        0o755,
        0o777,
        0o4755,
        0o2755,
        0o6775,
        0o2744,
        0o2664,
        0o6444,
        0o4711 | 0o444,
        0o1777,
    ])
}

fn id() -> impl Strategy<Value = u32> {
    select(vec![0, 1, 33, 33, 50, 1000, 1000, 1001, 65534, 65535, 70_000, 0x8000_0000, u32::MAX, u32::MAX])
}

fn name() -> impl Strategy<Value = &'static str> {
    select(vec![
        "trusted.x",
        "trusted.y",
        "trusted.",
        "security.x",
        CAPABILITY,
        "user.x",
        "system.posix_acl_access",
        "system.posix_acl_access",
        "system.posix_acl_default",
        "system.posix_acl_default",
        "nonsense.x",
    ])
}

/// An access control list in the form of its attribute.
fn acl() -> impl Strategy<Value = String> {
    let named = vec((select(vec![2u16, 8]), select(vec![0, 33, 50, 1000, 70_000])), 0..3);
    (select(vec![7u16, 6]), named, select(vec![7u16, 6, 4]), any::<bool>(), select(vec![7u16, 5, 4]))
        .prop_map(|(owner, mut named, mask, masked, other)| {
            named.sort_unstable();
            let undefined = u32::MAX;
            let mut entries = vec![(1, owner, undefined)];
            entries.extend(named.iter().filter(|(tag, _)| *tag == 2).map(|&(tag, id)| (tag, 7, id)));
            entries.push((4, 7, undefined));
            entries.extend(named.iter().filter(|(tag, _)| *tag == 8).map(|&(tag, id)| (tag, 7, id)));
            // Without its mask, a list with names is refused.
            if masked {
                entries.push((16, mask, undefined));
            }
            entries.push((32, other, undefined));
            let mut bytes = vec![2, 0, 0, 0];
            for (tag, perm, id) in entries {
                bytes.extend(u16::to_le_bytes(tag));
                bytes.extend(u16::to_le_bytes(perm));
                bytes.extend(u32::to_le_bytes(id));
            }
            hex(&bytes)
        })
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
}

/// File capabilities, of the versions that exist and with root ids.
fn capability() -> impl Strategy<Value = String> {
    select(vec![
        "0100000200040000000000000000000000000000",
        "010000030004000000000000000000000000000000000000",
        "010000030004000000000000000000000000000021000000",
        "01000003000400000000000000000000000000ffffffffff",
        "010000010004000000000000",
        "00",
    ])
    .prop_map(str::to_owned)
}

fn value_for(name: &'static str) -> BoxedStrategy<String> {
    let odd = select(vec!["0200000001", "01000000", "02000000", "-", "616263"]).prop_map(str::to_owned);
    match name {
        CAPABILITY => capability().boxed(),
        _ if name.starts_with("system.") => prop_oneof![6 => acl(), 1 => odd].boxed(),
        _ => odd.boxed(),
    }
}

fn what() -> impl Strategy<Value = What> {
    let create = (path(), 0..5u8, file_mode()).prop_map(|(path, how, mode)| What::Create { path, how, mode });
    let mkdir = (path(), any::<bool>(), select(vec![0o777, 0o2777, 0o755, 0o1777]))
        .prop_map(|(path, at, mode)| What::Mkdir { path, at, mode });
    let symlink =
        (path(), select(vec!["a", "d", "b", "none"])).prop_map(|(path, to)| What::Symlink { path, to });
    let kinds =
        select(vec![0o020000, 0o020000, 0o060000, 0o010000, 0o140000, 0o100000, 0, 0o040000, 0o030000]);
    let devs = select(vec![0x103, 0x103, 0x105, 0x801, 0x401, 0x1_2345, 0xF001, 0xF002, 0x1000_0000, 0]);
    let mknod = (path(), any::<bool>(), kinds, file_mode(), devs)
        .prop_map(|(path, at, kind, mode, dev)| What::Mknod { path, at, mode: kind | mode, dev });
    let pair = (select(vec!["link", "rename", "rename", "renameat2"]), path(), path(), 0..4u32)
        .prop_map(|(call, from, to, flags)| What::Pair { call, from, to, flags });
    let calls = select(vec!["unlink", "unlinkat", "rmdir", "read", "ls", "bind", "bind_by_socketcall"]);
    let plain = (calls, path()).prop_map(|(call, path)| What::Plain { call, path });
    let contents = (select(vec!["write", "truncate"]), path(), 0..5u8)
        .prop_map(|(call, path, how)| What::Contents { call, path, how });
    let chmod = (path(), 0..7u8, file_mode()).prop_map(|(path, how, mode)| What::Chmod { path, how, mode });
    let chown =
        (path(), 0..13u8, id(), id()).prop_map(|(path, how, uid, gid)| What::Chown { path, how, uid, gid });
    let stat = (path(), 0..9u8).prop_map(|(path, how)| What::Stat { path, how });
    let set =
        name().prop_flat_map(|name| {
            (path(), 0..4u8, value_for(name), 0..5u8).prop_map(move |(path, how, value, flags)| {
                What::SetXattr { path, how, name, value, flags: flags & 3 }
            })
        });
    let get = (path(), 0..4u8, name(), select(vec![0, 2, 20, 100, 1000]))
        .prop_map(|(path, how, name, size)| What::GetXattr { path, how, name, size });
    let remove = (path(), 0..4u8, name()).prop_map(|(path, how, name)| What::RemoveXattr { path, how, name });
    let list = (path(), 0..2u8, select(vec![0, 5, 40, 4096])).prop_map(|(path, how, size)| What::ListXattr {
        path,
        how,
        size,
    });
    prop_oneof![
        4 => create,
        3 => mkdir,
        1 => symlink,
        4 => mknod,
        4 => pair,
        5 => plain,
        3 => contents,
        1 => select(vec![0, 0o22, 0o2]).prop_map(What::Umask),
        6 => chmod,
        8 => chown,
        6 => stat,
        2 => (path(), 0..7u8).prop_map(|(path, how)| What::Utime { path, how }),
        6 => set,
        3 => get,
        2 => remove,
        2 => list,
    ]
}

/// Sequences of up to 24 operations.
pub fn sequences() -> impl Strategy<Value = Vec<Op>> {
    let actor = select(vec![0, 0, 0, 0, 1, 1, 1, 2, 3, 4]);
    vec((actor, what()).prop_map(|(actor, what)| Op { actor, what }), 1..24)
}
