//! Supplementary groups: `kernel/groups.c`, and `kernel/uid16.c` for the 16-bit calls of i386.

use crate::abi::{Call, Errno, Gid, KeepGid};
use crate::guest::{Answer, Guest};

use super::change;

/// How a list of groups looks in memory.
#[derive(Clone, Copy)]
enum Width {
    /// `gid_t[]`.
    Bits32,
    /// `old_gid_t[]`.
    Bits16,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Width::Bits32 => 4,
            Width::Bits16 => 2,
        }
    }

    fn encode(self, gid: Gid, to: &mut Vec<u8>) {
        match self {
            Width::Bits32 => to.extend(gid.raw().to_ne_bytes()),
            Width::Bits16 => to.extend(gid.to_16().to_ne_bytes()),
        }
    }

    /// One element; EINVAL for -1.
    fn decode(self, element: &[u8]) -> Result<Gid, Errno> {
        let keep = match *element {
            [a, b, c, d] => KeepGid::from_raw(u32::from_ne_bytes([a, b, c, d])),
            [a, b] => KeepGid::from_16(u16::from_ne_bytes([a, b])),
            _ => return Err(Errno::EFAULT),
        };
        keep.id().ok_or(Errno::EINVAL)
    }
}

/// getgroups(2).
pub fn getgroups(guest: &dyn Guest, call: &Call) -> Answer {
    get(guest, call, Width::Bits32).into()
}

/// getgroups(2) with 16-bit ids.
pub fn getgroups16(guest: &dyn Guest, call: &Call) -> Answer {
    get(guest, call, Width::Bits16).into()
}

/// setgroups(2).
pub fn setgroups(guest: &dyn Guest, call: &Call) -> Answer {
    set(guest, call, Width::Bits32)
}

/// setgroups(2) with 16-bit ids.
pub fn setgroups16(guest: &dyn Guest, call: &Call) -> Answer {
    set(guest, call, Width::Bits16)
}

fn get(guest: &dyn Guest, call: &Call, width: Width) -> Result<u64, Errno> {
    let size = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    let cred = guest.cred();
    if size > 0 {
        if cred.groups.len() > size {
            return Err(Errno::EINVAL);
        }
        let mut list = Vec::with_capacity(cred.groups.len() * width.bytes());
        cred.groups.iter().for_each(|gid| width.encode(*gid, &mut list));
        if !list.is_empty() {
            guest.write(call.word(1), &list)?;
        }
    }
    Ok(cred.groups.len() as u64)
}

fn set(guest: &dyn Guest, call: &Call, width: Width) -> Answer {
    change(guest, |cred| {
        let length = cred.may_setgroups(call.int(0))?;
        cred.setgroups(read_list(guest, call.word(1), length, width)?)
    })
}

/// Reads a list as `groups_from_user` does: whichever comes first, an unreadable element (EFAULT) or a -1 (EINVAL),
/// decides.
fn read_list(guest: &dyn Guest, addr: u64, length: usize, width: Width) -> Result<Vec<Gid>, Errno> {
    let mut list = vec![0; length * width.bytes()];
    let elements =
        |list: &[u8]| list.chunks_exact(width.bytes()).map(|element| width.decode(element)).collect();
    if list.is_empty() || guest.read(addr, &mut list).is_ok() {
        return elements(&list);
    }
    for (n, element) in list.chunks_exact_mut(width.bytes()).enumerate() {
        guest.read(addr.wrapping_add((n * width.bytes()) as u64), element)?;
        width.decode(element)?;
    }
    elements(&list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::testing::Fake;

    #[test]
    fn lists_are_sorted_and_given_back() {
        let guest = Fake::root(Abi::X86_64);
        guest.put(0x100, &[70000u32, 0, 33].map(u32::to_ne_bytes).concat());
        assert_eq!(guest.run(setgroups, &[3, 0x100]), Answer::Ret(0));
        assert_eq!(guest.run(getgroups, &[0, 0]), Answer::Ret(3));
        assert_eq!(guest.run(getgroups, &[2, 0x200]), Answer::Err(Errno::EINVAL));
        assert_eq!(guest.run(getgroups, &[u64::from(u32::MAX), 0x200]), Answer::Err(Errno::EINVAL));
        assert_eq!(guest.run(getgroups, &[9, 0x200]), Answer::Ret(3));
        assert_eq!(guest.bytes(0x200, 12), [0u32, 33, 70000].map(u32::to_ne_bytes).concat());
        assert_eq!(guest.run(getgroups16, &[9, 0x300]), Answer::Ret(3));
        assert_eq!(guest.bytes(0x300, 6), [0u16, 33, 65534].map(u16::to_ne_bytes).concat());
        assert_eq!(guest.run(setgroups, &[0, Fake::BAD]), Answer::Ret(0));
        assert_eq!(guest.run(getgroups, &[0, 0]), Answer::Ret(0));
    }

    #[test]
    fn setgroups_order_of_errors() {
        let guest = Fake::root(Abi::I386);
        assert_eq!(guest.run(setgroups, &[65537, Fake::BAD]), Answer::Err(Errno::EINVAL));
        assert_eq!(guest.run(setgroups, &[1, Fake::BAD]), Answer::Err(Errno::EFAULT));
        let minus_one_before_the_fault = Fake::END - 8;
        guest.put(minus_one_before_the_fault, &[0xFF; 4]);
        assert_eq!(guest.run(setgroups, &[3, minus_one_before_the_fault]), Answer::Err(Errno::EINVAL));
        guest.put(minus_one_before_the_fault, &[0, 0, 0xFE, 0xFF]);
        assert_eq!(guest.run(setgroups16, &[2, minus_one_before_the_fault]), Answer::Ret(0));
        guest.put(minus_one_before_the_fault, &[0, 0, 0xFF, 0xFF]);
        assert_eq!(guest.run(setgroups16, &[2, minus_one_before_the_fault]), Answer::Err(Errno::EINVAL));
        assert_eq!(guest.run(crate::family::uid::setuid, &[33]), Answer::Ret(0));
        assert_eq!(guest.run(setgroups, &[65537, Fake::BAD]), Answer::Err(Errno::EPERM));
    }

    #[test]
    fn the_longest_list_fits() {
        let guest = Fake::root(Abi::X86_64);
        let list: Vec<u8> = (0..65536u32).rev().flat_map(u32::to_ne_bytes).collect();
        guest.put(0x1000, &list);
        assert_eq!(guest.run(setgroups, &[65536, 0x1000]), Answer::Ret(0));
        assert_eq!(guest.run(getgroups, &[65536, 0x1000]), Answer::Ret(65536));
        assert_eq!(guest.bytes(0x1000, 8), [0, 0, 0, 0, 1, 0, 0, 0]);
    }
}
