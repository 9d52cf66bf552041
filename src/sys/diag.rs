//! What the kernel tells of others' sockets (sock_diag(7)).

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use super::peer;

/// `NETLINK_SOCK_DIAG`.
const NETLINK_SOCK_DIAG: i32 = 4;
/// `SOCK_DIAG_BY_FAMILY`: the type of questions, and of answers that are no errors.
const BY_FAMILY: u16 = 20;
/// `UDIAG_SHOW_PEER` of linux/unix_diag.h.
const SHOW_PEER: u32 = 4;
/// `UNIX_DIAG_PEER`: the attribute that this gives.
const PEER: u16 = 2;

/// Bytes in `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes in `struct unix_diag_msg`, which is before the attributes.
const MESSAGE: usize = 16;

/// The inode number of the socket of AF_UNIX that the one of this number is connected with. `None` where that is closed,
/// or waits to be accepted; where the socket belongs to another network namespace than this process's; and where the
/// kernel has no such diagnosis, or a filter forbids it.
pub fn unix_peer(inode: u64) -> Option<u64> {
    static WORKS: OnceLock<bool> = OnceLock::new();
    // A kernel that has none looks for a module each time.
    let works = || {
        let Ok((one, other)) = UnixStream::pair() else { return false };
        let (one, other) = (peer::inode_of(&one), peer::inode_of(&other));
        one.is_some_and(|one| ask(one) == other)
    };
    WORKS.get_or_init(works).then(|| ask(inode)).flatten()
}

fn ask(inode: u64) -> Option<u64> {
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: plain numbers.
    let socket = unsafe { libc::socket(libc::AF_NETLINK, flags, NETLINK_SOCK_DIAG) };
    if socket < 0 {
        return None;
    }
    // SAFETY: the kernel just made this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let question = question(u32::try_from(inode).ok()?);
    // SAFETY: the kernel reads `question` with its length.
    let sent = unsafe { libc::send(socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) };
    let mut answer = [0; 1024];
    // It is there when the question was sent (`netlink_rcv_skb`).
    // SAFETY: the kernel writes at most the length that is passed.
    let received = unsafe {
        libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT)
    };
    let length = usize::try_from(received).ok().filter(|_| sent == question.len() as isize)?;
    answered(answer.get(..length)?)
}

/// `struct nlmsghdr` and `struct unix_diag_req`.
fn question(inode: u32) -> Vec<u8> {
    const LENGTH: u32 = 40;
    const ANY_STATE: u32 = u32::MAX;
    const ANY_COOKIE: [u32; 2] = [u32::MAX; 2];
    let mut bytes = LENGTH.to_ne_bytes().to_vec();
    bytes.extend([BY_FAMILY, libc::NLM_F_REQUEST as u16].map(u16::to_ne_bytes).concat());
    // Sequence, and sender.
    bytes.extend([0; 8]);
    bytes.extend([libc::AF_UNIX as u8, 0, 0, 0]);
    let [first, second] = ANY_COOKIE;
    bytes.extend([ANY_STATE, inode, SHOW_PEER, first, second].map(u32::to_ne_bytes).concat());
    bytes
}

/// The peer in an answer, if it tells one. 0 is what the kernel calls a socket that no file belongs to.
fn answered(answer: &[u8]) -> Option<u64> {
    let word = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    if half(4)? != BY_FAMILY {
        return None;
    }
    let mut at = HEADER + MESSAGE;
    loop {
        let (length, kind) = (usize::from(half(at)?), half(at + 2)?);
        if kind == PEER && length >= 8 {
            return word(at + 4).filter(|inode| *inode != 0).map(u64::from);
        }
        at += length.max(4).next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with these attributes.
    fn answer(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + MESSAGE];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        for (kind, data) in attributes {
            bytes.extend([4 + data.len() as u16, *kind].map(u16::to_ne_bytes).concat());
            bytes.extend(*data);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_peer_is_found_behind_other_attributes() {
        let peer = 7u32.to_ne_bytes();
        assert_eq!(answered(&answer(BY_FAMILY, &[(0, b"odd"), (PEER, &peer)])), Some(7));
        assert_eq!(answered(&answer(BY_FAMILY, &[(PEER, &[0; 4])])), None, "closed");
        assert_eq!(answered(&answer(BY_FAMILY, &[(6, &[0])])), None);
        assert_eq!(answered(&answer(BY_FAMILY, &[(PEER, &[])])), None);
        assert_eq!(answered(&answer(2, &[(PEER, &peer)])), None, "an error");
        assert_eq!(answered(&[]), None);
    }

    #[test]
    fn sockets_know_their_peers() {
        let (one, other) = UnixStream::pair().unwrap();
        let [first, second] = [&one, &other].map(|socket| peer::inode_of(socket).unwrap());
        if unix_peer(first).is_none() {
            // A machine without sock_diag: then there is nobody to ask.
            return;
        }
        assert_eq!((unix_peer(first), unix_peer(second)), (Some(second), Some(first)));
        drop(other);
        assert_eq!(unix_peer(first), None);
    }
}
