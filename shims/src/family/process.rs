//! Making tasks: `kernel/fork.c`. The kernel does all of it. But a child made with CLONE_UNTRACED would not be the
//! engine's: under a filter that has nobody to ask, every call of it that has a shim would fail. So the flag is taken
//! away; it means nothing to the program that sets it, only to whoever traces it.

use std::rc::Rc;

use linux_raw_sys::general::{CLONE_FS, CLONE_NEWNS, CLONE_THREAD, CLONE_UNTRACED};

use crate::abi::{Call, Errno};
use crate::guest::{Answer, Guest, Host, host};

/// The flags of clone(2) that concern us: besides CLONE_UNTRACED, those by which processes come to share a root
/// directory, or to have other mounts.
pub const CLONE_FLAGS: u32 = CLONE_UNTRACED | CLONE_FS | CLONE_NEWNS;

/// A child that shares its root with another process may find it changed by that one; threads are known to share.
fn note_root(guest: &dyn Guest, flags: u64) {
    let has = |flag: u32| flags & u64::from(flag) != 0;
    if has(CLONE_NEWNS) || (has(CLONE_FS) && !has(CLONE_THREAD)) {
        guest.root_changes();
    }
}

/// clone(2), of which only calls with [`CLONE_FLAGS`] come here. The child starts with the changed argument in its
/// register, which no C library's child looks at.
pub async fn clone(guest: Rc<dyn Guest>, call: Call) -> Answer {
    note_root(&*guest, call.word(0));
    if call.word(0) & u64::from(CLONE_UNTRACED) == 0 {
        return Answer::Native;
    }
    let flags = call.word(0) & !u64::from(CLONE_UNTRACED);
    let _ = host(&guest, Host::With(call.with(0, flags).args)).await;
    Answer::Native
}

/// clone3(2): the flags are the first field, of 64 bits, of `struct clone_args` in every ABI. They are changed in the
/// caller's memory for as long as the call takes (a child with memory of its own keeps the change, and so does a
/// caller that a signal interrupts). A structure that cannot be changed gets ENOSYS, on which C libraries turn to
/// clone(2).
pub async fn clone3(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let at = call.word(0);
    let mut bytes = [0; 8];
    if guest.read(at, &mut bytes).is_err() {
        return Answer::Native;
    }
    let flags = u64::from_ne_bytes(bytes);
    note_root(&*guest, flags);
    if flags & u64::from(CLONE_UNTRACED) == 0 {
        return Answer::Native;
    }
    let traced = flags & !u64::from(CLONE_UNTRACED);
    if guest.write(at, &traced.to_ne_bytes()).is_err() {
        return Answer::Err(Errno::ENOSYS);
    }
    let _ = host(&guest, Host::Native).await;
    // Gone with the caller's memory if it is gone.
    let _ = guest.write(at, &bytes);
    Answer::Native
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, run};

    const UNTRACED: u64 = CLONE_UNTRACED as u64;
    const SIGCHLD: u64 = 17;

    fn call(args: [u64; 6]) -> Call {
        Call { abi: crate::abi::Abi::X86_64, nr: 0, args }
    }

    #[test]
    fn clone_loses_the_flag_and_nothing_else() {
        let mock = Rc::new(Mock::new());
        let args = [1 << 40 | UNTRACED | SIGCHLD, 2, 3, 4, 5, 6];
        let answer = run(&mock, |guest| clone(guest, call(args)), |_, _| Ok(77));
        assert_eq!(answer, Answer::Native);
        assert_eq!(mock.submitted(), [Host::With([1 << 40 | SIGCHLD, 2, 3, 4, 5, 6])]);
    }

    #[test]
    fn clone3_has_the_flag_again_after_the_call() {
        let mock = Rc::new(Mock::new());
        let at = mock.poke(&(UNTRACED | 1 << 32).to_ne_bytes());
        let seen = |mock: &Mock, _| {
            assert_eq!(mock.peek(at, 8), (1u64 << 32).to_ne_bytes());
            Ok(77)
        };
        let answer = run(&mock, |guest| clone3(guest, call([at, 64, 0, 0, 0, 0])), seen);
        assert_eq!((answer, mock.submitted()), (Answer::Native, vec![Host::Native]));
        assert_eq!(mock.peek(at, 8), (UNTRACED | 1 << 32).to_ne_bytes());
    }

    #[test]
    fn an_ordinary_clone3_is_the_kernels() {
        let mock = Rc::new(Mock::new());
        let at = mock.poke(&SIGCHLD.to_ne_bytes());
        for at in [at, 0xFFFF_0000] {
            let answer = run(&mock, |guest| clone3(guest, call([at, 64, 0, 0, 0, 0])), |_, _| Ok(77));
            assert_eq!((answer, mock.submitted()), (Answer::Native, vec![]));
        }
    }
}
