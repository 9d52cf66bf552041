//! Who is at the other end of a socket: `sk_getsockopt` in `net/core/sock.c`, and the calls that tell the other end, all
//! of `net/unix/af_unix.c`. The kernel knows real ids alone.

use std::rc::Rc;

use super::message::{self, Given};
use super::{bind, read_u32};
use crate::abi::{Call, Errno};
use crate::guest::{Answer, Guest, Host, host};

/// The operation of socketcall(2) that is getsockopt(2).
pub const SOCKETCALL_GETSOCKOPT: u32 = 15;

/// That which is connect(2).
pub const SOCKETCALL_CONNECT: u32 = 3;
/// That which is listen(2).
pub const SOCKETCALL_LISTEN: u32 = 4;
/// That which is socketpair(2).
pub const SOCKETCALL_SOCKETPAIR: u32 = 8;
/// That which is setsockopt(2).
pub const SOCKETCALL_SETSOCKOPT: u32 = 14;
/// That which is sendmsg(2).
pub const SOCKETCALL_SENDMSG: u32 = 16;
/// That which is recvmsg(2).
pub const SOCKETCALL_RECVMSG: u32 = 17;
/// That which is recvmmsg(2).
pub const SOCKETCALL_RECVMMSG: u32 = 19;
/// That which is sendmmsg(2).
pub const SOCKETCALL_SENDMMSG: u32 = 20;

/// `AF_UNIX`.
pub const AF_UNIX: u32 = 1;

/// `SOL_SOCKET`.
const SOL_SOCKET: i32 = 1;
/// Whose process the peer is.
pub const SO_PEERCRED: u32 = 17;
/// Which groups it has.
pub const SO_PEERGROUPS: u32 = 59;

/// Bytes of `struct ucred`: pid, uid, gid.
const UCRED_SIZE: usize = 12;
/// Where the ids start.
const UCRED_IDS: usize = 4;

/// The arguments of getsockopt(2).
struct Question {
    fd: i32,
    level: i32,
    name: u32,
    value: u64,
    length: u64,
}

/// getsockopt(2), for [`SO_PEERCRED`] and [`SO_PEERGROUPS`].
pub async fn getsockopt(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let question = Question {
        fd: call.int(0),
        level: call.int(1),
        name: call.uint(2),
        value: call.word(3),
        length: call.word(4),
    };
    ask(guest, question).await
}

/// socketcall(2) of i386, whose arguments are in memory.
pub async fn socketcall(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let mut args = [0; 20];
    let taken = match call.uint(0) {
        SOCKETCALL_GETSOCKOPT | SOCKETCALL_SETSOCKOPT => 20,
        SOCKETCALL_SOCKETPAIR => 16,
        SOCKETCALL_SENDMSG | SOCKETCALL_RECVMSG | SOCKETCALL_SENDMMSG | SOCKETCALL_RECVMMSG => 12,
        SOCKETCALL_CONNECT => 12,
        SOCKETCALL_LISTEN => 8,
        _ => return bind::socketcall(guest, call).await,
    };
    if guest.read(call.word(1), &mut args[..taken]).is_err() {
        return Answer::Native;
    }
    let word =
        |n: usize| args[4 * n..4 * n + 4].iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    match call.uint(0) {
        SOCKETCALL_SETSOCKOPT if word(2) == message::SO_PASSCRED => {
            return message::setsockopt(&*guest, &call);
        }
        SOCKETCALL_SETSOCKOPT => return Answer::Native,
        SOCKETCALL_CONNECT => return connect_to(guest, word(0) as i32, word(1).into(), word(2)).await,
        SOCKETCALL_LISTEN => {
            guest.listens(word(0) as i32);
            return Answer::Native;
        }
        SOCKETCALL_SOCKETPAIR => return make_pair(guest, word(0), word(3).into()).await,
        SOCKETCALL_SENDMSG => return message::send(guest, call, Given::InMemory, word(1).into(), None).await,
        SOCKETCALL_SENDMMSG => {
            return message::send(guest, call, Given::InMemory, word(1).into(), Some(word(2))).await;
        }
        SOCKETCALL_RECVMSG => return message::receive(guest, call, word(1).into()).await,
        SOCKETCALL_RECVMMSG => return message::receive_many(guest, call, word(1).into()).await,
        _ => {}
    }
    let question = Question {
        fd: word(0) as i32,
        level: word(1) as i32,
        name: word(2),
        value: word(3).into(),
        length: word(4).into(),
    };
    ask(guest, question).await
}

/// connect(2).
pub async fn connect(guest: Rc<dyn Guest>, call: Call) -> Answer {
    connect_to(guest, call.int(0), call.word(1), call.uint(2)).await
}

async fn connect_to(guest: Rc<dyn Guest>, fd: i32, address: u64, length: u32) -> Answer {
    let mut family = [0; 2];
    if (length as usize) < family.len()
        || guest.read(address, &mut family).is_err()
        || u32::from(u16::from_ne_bytes(family)) != AF_UNIX
    {
        return Answer::Native;
    }
    if let Some(socket) = guest.connects(fd) {
        let result = host(&guest, Host::Native).await;
        guest.connected(fd, socket, result.is_ok());
    }
    Answer::Native
}

/// listen(2).
pub fn listen(guest: &dyn Guest, call: &Call) -> Answer {
    guest.listens(call.int(0));
    Answer::Native
}

/// socketpair(2).
pub async fn socketpair(guest: Rc<dyn Guest>, call: Call) -> Answer {
    make_pair(guest, call.uint(0), call.word(3)).await
}

/// Nobody has the other end before the call returns.
async fn make_pair(guest: Rc<dyn Guest>, family: u32, fds: u64) -> Answer {
    if family == AF_UNIX
        && !guest.cred().is_plain_root()
        && host(&guest, Host::Native).await.is_ok()
        && let (Ok(one), Ok(other)) = (read_u32(&*guest, fds), read_u32(&*guest, fds.wrapping_add(4)))
    {
        guest.pairs([one as i32, other as i32]);
    }
    Answer::Native
}

async fn ask(guest: Rc<dyn Guest>, question: Question) -> Answer {
    match (question.level, question.name) {
        (SOL_SOCKET, SO_PEERCRED) => peer_ids(guest, question).await,
        (SOL_SOCKET, SO_PEERGROUPS) => peer_groups(&*guest, &question),
        _ => Answer::Native,
    }
}

/// The kernel says which process it is, and we say whose. A buffer may be too short for all of it.
async fn peer_ids(guest: Rc<dyn Guest>, question: Question) -> Answer {
    let Some(cred) = guest.socket_peer(question.fd) else { return Answer::Native };
    let ids = [cred.uid.effective.raw(), cred.gid.effective.raw()];
    // What the kernel says by itself.
    let native = [guest.world().root_uid, guest.world().root_gid];
    if ids == native || host(&guest, Host::Native).await.is_err() {
        return Answer::Native;
    }
    let length = read_u32(&*guest, question.length).map_or(0, |length| length as usize).min(UCRED_SIZE);
    let ids = ids.map(u32::to_ne_bytes).concat();
    if let Some(part) = length.checked_sub(UCRED_IDS) {
        // The kernel has just written there.
        let _ = guest.write(question.value + UCRED_IDS as u64, &ids[..part]);
    }
    Answer::Native
}

fn peer_groups(guest: &dyn Guest, question: &Question) -> Answer {
    let Some(cred) = guest.socket_peer(question.fd) else { return Answer::Native };
    let groups: Vec<u8> = cred.groups.iter().flat_map(|gid| gid.raw().to_ne_bytes()).collect();
    let give = || {
        let room = read_u32(guest, question.length)? as i32;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        let is_short = room < groups.len();
        if !is_short {
            guest.write(question.value, &groups)?;
        }
        guest.write(question.length, &(groups.len() as u32).to_ne_bytes())?;
        if is_short { Err(Errno::ERANGE) } else { Ok(()) }
    };
    give().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Abi, Gid, Uid};
    use crate::cred::Cred;
    use crate::testing::Fake;

    const FD: i32 = 5;
    const VALUE: u64 = 0x1000;
    const LENGTH: u64 = 0x2000;

    fn groups(room: i32) -> (Fake, Answer) {
        let guest = Fake::root(Abi::X86_64);
        let ids = [33, 4].map(|id| Gid::new(id).unwrap());
        guest.know(FD, Rc::new(Cred::login(Uid::new(33).unwrap(), ids[0], ids.to_vec())));
        guest.put(LENGTH, &room.to_ne_bytes());
        let question =
            Question { fd: FD, level: SOL_SOCKET, name: SO_PEERGROUPS, value: VALUE, length: LENGTH };
        let answer = peer_groups(&guest, &question);
        (guest, answer)
    }

    #[test]
    fn groups_of_a_peer() {
        let (guest, answer) = groups(64);
        assert_eq!(answer, Answer::Ret(0));
        assert_eq!(guest.bytes(VALUE, 8), [4u32, 33].map(u32::to_ne_bytes).concat());
        assert_eq!(guest.bytes(LENGTH, 4), 8u32.to_ne_bytes());
        let (guest, answer) = groups(4);
        assert_eq!(answer, Answer::Err(Errno::ERANGE));
        assert_eq!(guest.bytes(LENGTH, 4), 8u32.to_ne_bytes(), "how much room it takes");
        assert_eq!(groups(-1).1, Answer::Err(Errno::EINVAL));
    }
}
