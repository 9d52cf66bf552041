//! The auxiliary vector of a program that was just executed: what the kernel wrote there of ids is what it knows,
//! not what the guest should see.

use remainroot_shims::abi::Errno;
use remainroot_shims::family::exec::AuxIds;
use remainroot_shims::guest::Guest;

use crate::arch;

const AT_NULL: u64 = 0;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_SECURE: u64 = 23;

/// No initial stack holds more words than this: `MAX_ARG_STRINGS` cannot be reached within the largest stack limit
/// for arguments (6 MiB, `_STK_LIM / 4 * 3`), which their pointers share.
const MAX_WORDS: u64 = 1 << 20;

/// Reads the stack word by word, a page at a time.
struct Words<'a> {
    guest: &'a dyn Guest,
    size: usize,
    next: u64,
    page: Vec<u8>,
    at: usize,
}

impl Words<'_> {
    /// The next word and its address.
    fn next(&mut self) -> Result<(u64, u64), Errno> {
        if self.at >= self.page.len() {
            let len = 4096 - (self.next % 4096) as usize;
            self.page.resize(len, 0);
            self.guest.read(self.next, &mut self.page)?;
            self.at = 0;
        }
        let bytes = &self.page[self.at..self.at + self.size];
        let value = match *bytes {
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]).into(),
            _ => u64::from_ne_bytes(bytes.try_into().map_err(|_| Errno::EFAULT)?),
        };
        let addr = self.next;
        self.at += self.size;
        self.next += self.size as u64;
        Ok((value, addr))
    }

    /// Skips past the next zero word.
    fn skip_array(&mut self) -> Result<(), Errno> {
        for _ in 0..MAX_WORDS {
            if self.next()?.0 == 0 {
                return Ok(());
            }
        }
        Err(Errno::E2BIG)
    }
}

/// Writes `ids` over the kernel's in the auxiliary vector of the task that stands at its exec event with the stack
/// pointer `sp`. Words that agree are left alone.
pub(super) fn patch(guest: &dyn Guest, sp: u64, ids: &AuxIds) -> Result<(), Errno> {
    let size = if arch::is_64_bit(guest.tid()).map_err(|_| Errno::ESRCH)? { 8 } else { 4 };
    let mut words = Words { guest, size, next: sp, page: Vec::new(), at: 0 };
    words.next()?; // argc
    words.skip_array()?; // argv
    words.skip_array()?; // envp
    for _ in 0..MAX_WORDS {
        let (key, _) = words.next()?;
        let (value, addr) = words.next()?;
        let wanted = match key {
            AT_NULL => return Ok(()),
            AT_UID => ids.uid.raw().into(),
            AT_EUID => ids.euid.raw().into(),
            AT_GID => ids.gid.raw().into(),
            AT_EGID => ids.egid.raw().into(),
            AT_SECURE => u64::from(ids.secure),
            _ => continue,
        };
        if value != wanted {
            guest.write(addr, &wanted.to_ne_bytes()[..size])?;
        }
    }
    Err(Errno::E2BIG)
}
