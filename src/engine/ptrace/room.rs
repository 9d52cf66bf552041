//! Room on a guest's stack, for what the kernel shall read in the place of what the guest has given it.

use remainroot_shims::abi::Errno;
use remainroot_shims::guest::{self, Guest, MOST_ROOM};

use super::tracee::Tracee;
use crate::arch;
use crate::sys::mem;

/// How far below its stack pointer a program may use its stack (the red zone of the AMD64 psABI).
const RED_ZONE: u64 = 128;

/// Of the widest integer that the kernel reads there.
pub(super) const ALIGNMENT: usize = 8;

/// Some of it. The former contents come back afterwards.
pub(super) struct Room {
    tid: i32,
    at: u64,
    former: Vec<u8>,
}

impl Room {
    /// So many bytes of the stack of a task that is stopped in a call. EFAULT where it has not got that many; ENOMEM for more
    /// than [`MOST_ROOM`].
    pub fn on_stack(tracee: &Tracee, size: usize) -> Result<Room, Errno> {
        if size > MOST_ROOM {
            return Err(Errno::ENOMEM);
        }
        let tid = Guest::tid(tracee);
        let sp = arch::stack_pointer(tid).map_err(|_| Errno::ESRCH)?;
        let at = sp.wrapping_sub(RED_ZONE + size as u64) & !(ALIGNMENT as u64 - 1);
        let mut former = vec![0; size];
        tracee.read(at, &mut former)?;
        Ok(Room { tid, at, former })
    }
}

impl guest::Room for Room {
    fn at(&self) -> u64 {
        self.at
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Gone with the task if it is gone.
        let _ = mem::write(self.tid, self.at, &self.former);
    }
}
