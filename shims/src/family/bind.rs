//! bind(2) of a socket to a path, which makes a file: `unix_bind_bsd` in `net/unix/af_unix.c`.

use std::rc::Rc;

use super::create;
use crate::abi::Call;
use crate::guest::{Answer, Guest};

/// The operation of socketcall(2) that is bind(2).
pub const SOCKETCALL_BIND: u32 = 2;

/// `AF_UNIX`.
const AF_UNIX: u16 = 1;
/// Where the path starts in `struct sockaddr_un`.
const PATH: u64 = 2;

/// bind(2).
pub async fn bind(guest: Rc<dyn Guest>, call: Call) -> Answer {
    bound(guest, call.word(1), call.word(2)).await
}

/// socketcall(2) of i386, for bind: its arguments are in memory.
pub async fn socketcall(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let mut args = [0; 12];
    if guest.read(call.word(1), &mut args).is_err() {
        return Answer::Native;
    }
    let word = |at: usize| u32::from_le_bytes([args[at], args[at + 1], args[at + 2], args[at + 3]]);
    bound(guest, word(4).into(), word(8).into()).await
}

/// A path in the address has to end in a NUL or with the address; the abstract names, which start with a NUL, are no
/// files.
async fn bound(guest: Rc<dyn Guest>, addr: u64, length: u64) -> Answer {
    let mut head = [0; 3];
    if length < head.len() as u64 || guest.read(addr, &mut head).is_err() {
        return Answer::Native;
    }
    if u16::from_le_bytes([head[0], head[1]]) != AF_UNIX || head[2] == 0 {
        return Answer::Native;
    }
    create::socket(guest, addr + PATH, length - PATH).await
}
