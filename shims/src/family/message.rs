//! Ids that travel with messages (SCM_CREDENTIALS of unix(7)): `include/net/scm.h`, `net/core/scm.c`. To the kernel all
//! senders are one user, and others it does not let anyone name. A sender's own ids are put in the place of those, and
//! what the kernel says of a sender is put right for the receiver.

use std::rc::Rc;

use crate::abi::{Abi, Call, Errno, Gid, Uid};
use crate::cred::CapSet;
use crate::guest::{Answer, Guest, Host, Room, Whom, host};

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

/// How a call has its arguments, of which the second says where headers are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// As all calls.
    InRegister,
    /// By their address (socketcall(2)).
    InMemory,
}

/// Ids that the kernel shall see in the place of those that a message names.
struct Change {
    /// The message's number.
    n: usize,
    named: Ucred,
    uid: u32,
    gid: u32,
}

/// Sends a message whose header is at `first`, or `count` from there on. Rule "names": a task may name itself by any of its
/// ids, and others with capabilities (`scm_check_creds`).
pub(super) async fn send(
    guest: Rc<dyn Guest>,
    call: Call,
    given: Given,
    first: u64,
    count: Option<u32>,
) -> Answer {
    let (root_uid, root_gid) = (guest.world().root_uid, guest.world().root_gid);
    let mut changes = Vec::new();
    let mut refused = None;
    for (n, header) in headers(call.abi, first, count.unwrap_or(1).min(MOST_MESSAGES)).enumerate() {
        let Some(named) = Ucred::find(&*guest, call.abi, header) else { continue };
        let (Some(uid), Some(gid)) = (Uid::new(named.uid), Gid::new(named.gid)) else { break };
        let may = may_name(&*guest, named.pid, uid, gid);
        let (uid, gid) = if may { (root_uid, root_gid) } else { (u32::MAX, u32::MAX) };
        if (named.uid, named.gid) != (uid, gid) {
            changes.push(Change { n, named, uid, gid });
        }
        if !may {
            // What the kernel sees now is nobody's, and it goes no further than that. Of what else may be wrong with the
            // call, it says what comes first.
            refused = Some(n);
            break;
        }
    }
    if changes.is_empty() {
        return Answer::Native;
    }
    let result = match Substitute::lay(&*guest, &call, given, first, count, &changes) {
        Ok(substitute) => {
            let result = host(&guest, Host::With(substitute.args)).await;
            if let (Ok(sent), Some(_)) = (result, count) {
                substitute.tell_sent(&*guest, first, sent);
            }
            result
        }
        Err(_) => in_place(&guest, &changes).await,
    };
    match (refused, result) {
        (Some(0), Err(Errno::EINVAL)) | (_, Err(Errno::EPERM)) => Answer::Err(Errno::EPERM),
        _ => Answer::Native,
    }
}

/// Where there is no room for a substitute, the guest's own data are another's for the time of the call.
async fn in_place(guest: &Rc<dyn Guest>, changes: &[Change]) -> Result<u64, Errno> {
    let is_changed = |change: &&Change| change.named.write_ids(&**guest, change.uid, change.gid).is_ok();
    let changed: Vec<&Change> = changes.iter().filter(is_changed).collect();
    let result = if changed.len() == changes.len() {
        host(guest, Host::Native).await
    } else {
        // It cannot be sent by any other than the wrong ids.
        Err(Errno::EPERM)
    };
    for Change { named, .. } in changed.iter().rev() {
        // Gone with the caller's memory if it is gone.
        let _ = named.write_ids(&**guest, named.uid, named.gid);
    }
    result
}

/// What the kernel is given to read in the place of headers and control data: these may be in memory that cannot be
/// written to, or that another task sends by at the same time.
struct Substitute {
    _room: Box<dyn Room>,
    /// Arguments of the call.
    args: [u64; 6],
    /// Where the headers are.
    headers: u64,
    layout: Layout,
}

/// Before the headers, there is room for the arguments of socketcall(2).
const BLOCK: usize = 16;

/// The most that is put on a stack.
const MOST_ROOM: usize = 16 * 1024;

impl Substitute {
    fn lay(
        guest: &dyn Guest,
        call: &Call,
        given: Given,
        first: u64,
        count: Option<u32>,
        changes: &[Change],
    ) -> Result<Substitute, Errno> {
        let layout = Layout::of(call.abi);
        let (each, count) = count.map_or((layout.one, 1), |count| (layout.many, count as usize));
        let lengths = changes.iter().map(|change| (change.named.control.1.min(MOST) as usize + 7) & !7);
        let heads = each.saturating_mul(count).next_multiple_of(8);
        let size = lengths.fold(BLOCK.saturating_add(heads), usize::saturating_add);
        if size > MOST_ROOM {
            return Err(Errno::ENOMEM);
        }
        let room = guest.room(size)?;
        let mut bytes = vec![0; BLOCK + heads];
        guest.read(first, &mut bytes[BLOCK..][..each * count])?;
        for Change { n, named, uid, gid } in changes {
            let at = (room.at() + bytes.len() as u64).to_le_bytes();
            bytes[BLOCK + n * each + layout.control..][..layout.word].copy_from_slice(&at[..layout.word]);
            let (start, length) = named.control;
            let mut control = vec![0; length as usize];
            guest.read(start, &mut control)?;
            let ids = [*uid, *gid].map(u32::to_le_bytes).concat();
            let place = named.at.wrapping_sub(start) as usize + 4;
            control.get_mut(place..place + ids.len()).ok_or(Errno::EFAULT)?.copy_from_slice(&ids);
            bytes.extend(control);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        let headers = room.at() + BLOCK as u64;
        if given == Given::InMemory {
            let length = if each == layout.one { 12 } else { BLOCK };
            guest.read(call.word(1), &mut bytes[..length])?;
            bytes[4..8].copy_from_slice(&headers.to_le_bytes()[..4]);
        }
        guest.write(room.at(), &bytes)?;
        let args = call.with(1, if given == Given::InMemory { room.at() } else { headers }).args;
        Ok(Substitute { _room: room, args, headers, layout })
    }

    /// How much the kernel has sent of each message is a result.
    fn tell_sent(&self, guest: &dyn Guest, first: u64, count: u64) {
        let mut length = [0; 4];
        for n in 0..count.min(MOST_MESSAGES.into()) {
            let at = n * self.layout.many as u64 + self.layout.one as u64;
            if guest.read(self.headers + at, &mut length).is_ok() {
                let _ = guest.write(first.wrapping_add(at), &length);
            }
        }
    }
}

fn may_name(guest: &dyn Guest, pid: i32, uid: Uid, gid: Gid) -> bool {
    let cred = guest.cred();
    let is_own = guest.peers(Whom::Task(pid)).iter().all(|peer| peer.is_own);
    let uids = [cred.uid.real, cred.uid.effective, cred.uid.saved];
    let gids = [cred.gid.real, cred.gid.effective, cred.gid.saved];
    (is_own || cred.capable(CapSet::SYS_ADMIN))
        && (uids.contains(&uid) || cred.capable(CapSet::SETUID))
        && (gids.contains(&gid) || cred.capable(CapSet::SETGID))
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
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::cred::Cred;
    use crate::testing::Fake;

    const HEADER: u64 = 0x1000;
    const CONTROL: u64 = 0x2000;

    /// A message that comes with a descriptor and with these credentials.
    fn guest(abi: Abi, cred: Cred, ids: [u32; 3]) -> Fake {
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

    #[test]
    fn of_many_messages_none_behind_a_refused_one_is_sent() {
        for abi in Abi::ALL {
            let user = Cred::login(Uid::new(33).unwrap(), Gid::new(33).unwrap(), vec![]);
            let guest = guest(abi, user, [Fake::TID as u32, 0, 33]);
            // The second header, with the first one's credentials; the first has none.
            let at = Layout::of(abi);
            let place = guest.bytes(HEADER + at.control as u64, 2 * at.word);
            guest.put(HEADER + at.control as u64, &[0; 16][..2 * at.word]);
            guest.put(HEADER + (at.many + at.control) as u64, &place);
            let second = HEADER + at.many as u64;
            let ids = Ucred::find(&guest, abi, second).unwrap().at + 4;
            let guest = Rc::new(guest);
            let call = Call { abi, nr: 0, args: [5, HEADER, 2, 0, 0, 0] };
            let mut shim = Box::pin(sendmmsg(guest.clone(), call));
            let mut poll = || shim.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(poll(), Poll::Pending);
            let own = [0, 33].map(u32::to_ne_bytes).concat();
            assert_eq!(guest.bytes(ids, 8), own, "others may send by it, too");
            let seen = Fake::ROOM + (BLOCK + at.many) as u64;
            let seen = Ucred::find(&*guest, abi, seen).unwrap();
            assert_eq!((seen.uid, seen.gid), (u32::MAX, u32::MAX), "it is no one's while the kernel looks");
            guest.kernel.set(Ok(1));
            guest.put(Fake::ROOM + (BLOCK + at.one) as u64, &[7, 0, 0, 0]);
            assert_eq!(poll(), Poll::Ready(Answer::Native), "one was sent");
            assert_eq!(guest.bytes(HEADER + at.one as u64, 4), [7, 0, 0, 0], "this much of it");
            assert_eq!(guest.bytes(ids, 8), own);
        }
    }

    #[test]
    fn users_name_themselves_alone() {
        let user = Cred::login(Uid::new(33).unwrap(), Gid::new(33).unwrap(), vec![]);
        let me = Fake::TID as u32;
        let unmapped = Err(Errno::EINVAL);
        for (ids, kernel, expected) in [
            ([me, 33, 33], Ok(1), Answer::Native),
            ([me, 0, 33], unmapped, Answer::Err(Errno::EPERM)),
            ([me, 33, 0], unmapped, Answer::Err(Errno::EPERM)),
            ([me, 33, 0], Err(Errno::EBADF), Answer::Native),
            ([Fake::OTHER as u32, 33, 33], unmapped, Answer::Err(Errno::EPERM)),
            ([me, u32::MAX, 33], unmapped, Answer::Native),
        ] {
            let guest = guest(Abi::X86_64, user.clone(), ids);
            guest.know(Fake::OTHER, Rc::new(user.clone()));
            let answer = guest.serve(sendmsg, &[5, HEADER], kernel);
            assert_eq!(answer, expected, "{ids:?}");
        }
    }
}
