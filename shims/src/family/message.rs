//! Ids that travel with messages (SCM_CREDENTIALS of unix(7)): `include/net/scm.h`, `net/core/scm.c`. To the kernel all
//! senders are one user, and others it does not let anyone name. A sender's own ids are put in the place of those, and
//! what the kernel says of a sender is put right for the receiver.

mod send;

use std::rc::Rc;

pub(super) use self::send::{Given, send};
use crate::abi::{Abi, Call, Errno};
use crate::guest::{Answer, Guest, Host, Whom, host};

/// The option by which a socket's owner asks to be told senders.
pub const SO_PASSCRED: u32 = 16;

const SOL_SOCKET: u32 = 1;
const SCM_CREDENTIALS: u32 = 2;

/// The most that is looked at of the data that come with a message.
const MOST: u64 = 64 * 1024;

/// Sizes in `struct msghdr` and `struct cmsghdr`.
struct Layout {
    /// Bytes in a pointer.
    word: usize,
    /// Where the address of the control data is; their length comes behind it.
    control: usize,
    /// Bytes in `struct msghdr`.
    one: usize,
    /// Bytes in `struct mmsghdr`, which begins with a `struct msghdr`; what was sent of it comes behind that.
    many: usize,
}

impl Layout {
    fn of(abi: Abi) -> Layout {
        match abi {
            Abi::X86_64 => Layout { word: 8, control: 32, one: 56, many: 64 },
            Abi::I386 => Layout { word: 4, control: 16, one: 28, many: 32 },
        }
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        bytes.iter().take(self.word).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// `struct ucred` in a guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ucred {
    /// Where it is.
    at: u64,
    /// Where the control data start that it is part of, and how many bytes they are.
    control: (u64, u64),
    pid: i32,
    uid: u32,
    gid: u32,
}

impl Ucred {
    /// That of the message whose header is at `header`, if it comes with one.
    fn find(guest: &dyn Guest, abi: Abi, header: u64) -> Option<Ucred> {
        let layout = Layout::of(abi);
        let mut place = [0; 16];
        let place = &mut place[..2 * layout.word];
        guest.read(header.wrapping_add(layout.control as u64), place).ok()?;
        let control = (layout.number(place), layout.number(&place[layout.word..]));
        let (start, length) = control;
        let head = layout.word + 8;
        if length < (head + 12) as u64 {
            return None;
        }
        let mut bytes = vec![0; length.min(MOST) as usize];
        guest.read(start, &mut bytes).ok()?;
        let mut at = 0;
        loop {
            let message = bytes.get(at..).filter(|rest| rest.len() >= head)?;
            let length = usize::try_from(layout.number(message)).ok().filter(|length| *length >= head)?;
            let word = |at: usize| {
                message.get(at..at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            };
            if (word(layout.word)?, word(layout.word + 4)?) == (SOL_SOCKET, SCM_CREDENTIALS) {
                let (pid, uid, gid) = (word(head)? as i32, word(head + 4)?, word(head + 8)?);
                // Of any other length, or not all there, they are an error (`__scm_send`).
                let is_whole = length == head + 12 && message.len() >= length;
                let at = start.wrapping_add((at + head) as u64);
                return is_whole.then_some(Ucred { at, control, pid, uid, gid });
            }
            at = at.checked_add(length.checked_next_multiple_of(layout.word)?)?;
        }
    }

    fn write_ids(&self, guest: &dyn Guest, uid: u32, gid: u32) -> Result<(), Errno> {
        guest.write(self.at + 4, &[uid, gid].map(u32::to_le_bytes).concat())
    }
}

/// setsockopt(2) of [`SO_PASSCRED`].
pub fn setsockopt(guest: &dyn Guest, _: &Call) -> Answer {
    guest.wants_senders();
    Answer::Native
}

/// sendmsg(2).
pub async fn sendmsg(guest: Rc<dyn Guest>, call: Call) -> Answer {
    send(guest, call, Given::InRegister, call.word(1), None).await
}

/// recvmsg(2).
pub async fn recvmsg(guest: Rc<dyn Guest>, call: Call) -> Answer {
    receive(guest, call, call.word(1)).await
}

/// sendmmsg(2).
pub async fn sendmmsg(guest: Rc<dyn Guest>, call: Call) -> Answer {
    send(guest, call, Given::InRegister, call.word(1), Some(call.uint(2))).await
}

/// recvmmsg(2).
pub async fn recvmmsg(guest: Rc<dyn Guest>, call: Call) -> Answer {
    receive_many(guest, call, call.word(1)).await
}

/// The most that sendmmsg(2) sends (`UIO_MAXIOV`).
const MOST_MESSAGES: u32 = 1024;

/// The headers of so many messages.
fn headers(abi: Abi, first: u64, count: u32) -> impl Iterator<Item = u64> {
    (0..u64::from(count)).map(move |n| first.wrapping_add(n.wrapping_mul(Layout::of(abi).many as u64)))
}

/// Receives a message.
pub(super) async fn receive(guest: Rc<dyn Guest>, call: Call, header: u64) -> Answer {
    if guest.tells_senders() && host(&guest, Host::Native).await.is_ok() {
        tell_sender(&*guest, call.abi, header);
    }
    Answer::Native
}

/// Receives as many as the kernel has.
pub(super) async fn receive_many(guest: Rc<dyn Guest>, call: Call, first: u64) -> Answer {
    if guest.tells_senders()
        && let Ok(count) = host(&guest, Host::Native).await
    {
        headers(call.abi, first, (count as u32).min(MOST_MESSAGES))
            .for_each(|header| tell_sender(&*guest, call.abi, header));
    }
    Answer::Native
}

/// Whose real ids are root's, is shown by its own.
fn tell_sender(guest: &dyn Guest, abi: Abi, header: u64) {
    let world = guest.world();
    if let Some(sender) = Ucred::find(guest, abi, header)
        && (sender.uid, sender.gid) == (world.root_uid, world.root_gid)
        && sender.pid > 0
        && let Some(peer) = guest.peers(Whom::Task(sender.pid)).first()
    {
        let _ = sender.write_ids(guest, peer.cred.uid.real.raw(), peer.cred.gid.real.raw());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cred::Cred;
    use crate::testing::Fake;

    pub const HEADER: u64 = 0x1000;
    const CONTROL: u64 = 0x2000;

    /// A message that comes with a descriptor and with these credentials.
    pub fn guest(abi: Abi, cred: Cred, ids: [u32; 3]) -> Fake {
        let guest = Fake::new(abi, cred);
        let word = Layout::of(abi).word;
        let message = |kind: u32, data: &[u8]| {
            let length = word + 8 + data.len();
            let mut bytes = length.to_le_bytes()[..word].to_vec();
            bytes.extend([SOL_SOCKET, kind].map(u32::to_le_bytes).concat());
            bytes.extend(data);
            bytes.resize(length.next_multiple_of(word), 0);
            bytes
        };
        let control =
            [message(1, &[3, 0, 0, 0]), message(SCM_CREDENTIALS, &ids.map(u32::to_le_bytes).concat())]
                .concat();
        guest.put(CONTROL, &control);
        let place = [&CONTROL.to_le_bytes()[..word], &control.len().to_le_bytes()[..word]].concat();
        guest.put(HEADER + Layout::of(abi).control as u64, &place);
        guest
    }

    #[test]
    fn credentials_are_found_behind_other_data() {
        for abi in Abi::ALL {
            let guest = guest(abi, Cred::root(), [7, 33, 34]);
            let found = Ucred::find(&guest, abi, HEADER).unwrap();
            assert_eq!((found.pid, found.uid, found.gid), (7, 33, 34));
            found.write_ids(&guest, 0, 0).unwrap();
            let found = Ucred::find(&guest, abi, HEADER).unwrap();
            assert_eq!((found.pid, found.uid, found.gid), (7, 0, 0));
            assert_eq!(Ucred::find(&guest, abi, Fake::BAD), None);
        }
    }
}
