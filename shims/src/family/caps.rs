//! capget(2) and capset(2): `kernel/capability.c`.

use crate::abi::{Call, Errno};
use crate::cred::{CapChange, CapSet, Caps};
use crate::guest::{Answer, Guest};

use super::{change, read_u32};

/// What the kernel writes into a header whose version it does not know (`_LINUX_CAPABILITY_VERSION_3`).
const PREFERRED: u32 = 0x2008_0522;

/// How many `struct __user_cap_data_struct` (effective, permitted, inheritable) a version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Version 1: capabilities 0 to 31.
    One,
    /// Versions 2 and 3: all.
    Two,
}

impl Layout {
    fn bytes(self) -> usize {
        match self {
            Layout::One => 12,
            Layout::Two => 24,
        }
    }
}

/// Reads the version (`cap_validate_magic`). For an unknown one the kernel writes the one that it prefers into the
/// header and says EINVAL.
fn layout(guest: &dyn Guest, header: u64) -> Result<Layout, Errno> {
    match read_u32(guest, header)? {
        0x1998_0330 => Ok(Layout::One),
        0x2007_1026 | 0x2008_0522 => Ok(Layout::Two),
        _ => {
            guest.write(header, &PREFERRED.to_ne_bytes())?;
            Err(Errno::EINVAL)
        }
    }
}

fn encode(caps: &Caps) -> [u8; 24] {
    let sets = [caps.effective, caps.permitted, caps.inheritable];
    let mut data = [0; 24];
    for (n, word) in sets.map(CapSet::low).into_iter().chain(sets.map(CapSet::high)).enumerate() {
        data[4 * n..4 * n + 4].copy_from_slice(&word.to_ne_bytes());
    }
    data
}

fn decode(data: &[u8; 24]) -> CapChange {
    let word =
        |n: usize| u32::from_ne_bytes([data[4 * n], data[4 * n + 1], data[4 * n + 2], data[4 * n + 3]]);
    let set = |n| CapSet::from_words(word(n), word(n + 3));
    CapChange { effective: set(0), permitted: set(1), inheritable: set(2) }
}

/// capget(2), of any task. With a null data pointer it asks whether the version is known, and an unknown one is no
/// error. A task that is not of this run is the kernel's to describe.
pub fn capget(guest: &dyn Guest, call: &Call) -> Answer {
    let (header, data) = (call.word(0), call.word(1));
    let layout = match layout(guest, header) {
        Ok(_) | Err(Errno::EINVAL) if data == 0 => return Answer::Ret(0),
        Ok(layout) => layout,
        Err(errno) => return Answer::Err(errno),
    };
    let pid = match read_u32(guest, header.wrapping_add(4)) {
        Ok(pid) => pid as i32,
        Err(errno) => return Answer::Err(errno),
    };
    if pid < 0 {
        return Answer::Err(Errno::EINVAL);
    }
    let cred = if pid == 0 || guest.is_self(pid) { Ok(guest.cred()) } else { guest.cred_of(pid) };
    match cred {
        Ok(cred) => guest.write(data, &encode(&cred.caps)[..layout.bytes()]).into(),
        Err(_) => Answer::Native,
    }
}

/// capset(2). Only the caller's own sets can be changed: EPERM for another task's pid. A version 1 header clears the
/// capabilities above 31.
pub fn capset(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| {
        let (header, from) = (call.word(0), call.word(1));
        let layout = layout(guest, header)?;
        let pid = read_u32(guest, header.wrapping_add(4))? as i32;
        if pid != 0 && !guest.is_self(pid) {
            return Err(Errno::EPERM);
        }
        let mut data = [0; 24];
        guest.read(from, &mut data[..layout.bytes()])?;
        cred.capset(decode(&data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Abi, Gid, Uid};
    use crate::cred::Cred;
    use crate::testing::Fake;

    const HEADER: u64 = 0x100;
    const DATA: u64 = 0x200;

    fn header(guest: &Fake, version: u32, pid: i32) {
        guest.put(HEADER, &version.to_ne_bytes());
        guest.put(HEADER + 4, &pid.to_ne_bytes());
    }

    #[test]
    fn unknown_versions_learn_the_preferred_one() {
        let guest = Fake::root(Abi::X86_64);
        header(&guest, 0, 0);
        assert_eq!(guest.run(capget, &[HEADER, DATA]), Answer::Err(Errno::EINVAL));
        assert_eq!(guest.bytes(HEADER, 4), PREFERRED.to_ne_bytes());
        header(&guest, 7, -1);
        assert_eq!(guest.run(capget, &[HEADER, 0]), Answer::Ret(0));
        assert_eq!(guest.bytes(HEADER, 4), PREFERRED.to_ne_bytes());
        header(&guest, 7, 0);
        assert_eq!(guest.run(capset, &[HEADER, Fake::BAD]), Answer::Err(Errno::EINVAL));
        assert_eq!(guest.run(capget, &[Fake::BAD, 0]), Answer::Err(Errno::EFAULT));
    }

    #[test]
    fn version_one_shows_half() {
        let guest = Fake::root(Abi::I386);
        header(&guest, 0x1998_0330, 0);
        assert_eq!(guest.run(capget, &[HEADER, DATA]), Answer::Ret(0));
        assert_eq!(guest.bytes(DATA, 16), [[0xFF; 4], [0xFF; 4], [0; 4], [0; 4]].concat());
        assert_eq!(guest.run(capset, &[HEADER, DATA]), Answer::Ret(0));
        assert_eq!(guest.cred_now().caps.permitted.bits(), 0xFFFF_FFFF, "what it cannot say is cleared");
    }

    #[test]
    fn pids_of_others() {
        let guest = Fake::root(Abi::X86_64);
        header(&guest, PREFERRED, -1);
        assert_eq!(guest.run(capget, &[HEADER, DATA]), Answer::Err(Errno::EINVAL));
        assert_eq!(guest.run(capset, &[HEADER, DATA]), Answer::Err(Errno::EPERM));
        guest.know(Fake::OTHER, Cred::login(Uid::OVERFLOW, Gid::OVERFLOW, vec![]).into());
        header(&guest, PREFERRED, Fake::OTHER);
        assert_eq!(guest.run(capget, &[HEADER, DATA]), Answer::Ret(0));
        assert_eq!(guest.bytes(DATA, 24), [0; 24]);
        assert_eq!(guest.run(capset, &[HEADER, DATA]), Answer::Err(Errno::EPERM));
        header(&guest, PREFERRED, Fake::OTHER + 1);
        assert_eq!(guest.run(capget, &[HEADER, DATA]), Answer::Native);
        header(&guest, PREFERRED, Fake::TID);
        assert_eq!(guest.run(capget, &[HEADER, DATA]), Answer::Ret(0));
        assert_eq!(guest.run(capset, &[HEADER, DATA]), Answer::Ret(0));
    }

    #[test]
    fn unknown_capabilities_are_masked() {
        let guest = Fake::root(Abi::X86_64);
        header(&guest, 0x2007_1026, 0);
        guest.put(DATA, &[0xFF; 24]);
        assert_eq!(guest.run(capset, &[HEADER, DATA]), Answer::Ret(0));
        assert_eq!(guest.cred_now().caps.inheritable, CapSet::all());
        assert_eq!(guest.run(capset, &[HEADER, Fake::BAD]), Answer::Err(Errno::EFAULT));
    }
}
