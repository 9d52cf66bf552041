//! Senders: what they name, and how the kernel comes to see it.

use std::rc::Rc;

use super::{Layout, MOST_MESSAGES, Ucred, headers};
use crate::abi::{Call, Errno, Gid, Uid};
use crate::cred::CapSet;
use crate::guest::{Answer, Guest, Host, Room, Whom, host};

/// How a call has its arguments, of which the second says where headers are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Given {
    /// As all calls.
    InRegister,
    /// By their address (socketcall(2)).
    InMemory,
}

/// Ids that the kernel shall see in the place of those that a message names.
struct Change {
    /// The message's number.
    n: u32,
    named: Ucred,
    uid: u32,
    gid: u32,
}

/// Sends a message whose header is at `first`, or `count` from there on. Rule "names": a task may name itself by any of its
/// ids, and others with capabilities (`scm_check_creds`).
pub(in super::super) async fn send(
    guest: Rc<dyn Guest>,
    call: Call,
    given: Given,
    first: u64,
    count: Option<u32>,
) -> Answer {
    let (root_uid, root_gid) = (guest.world().root_uid, guest.world().root_gid);
    let count = count.map(|count| count.min(MOST_MESSAGES));
    let mut changes = Vec::new();
    let mut refused = None;
    for (n, header) in (0..).zip(headers(call.abi, first, count.unwrap_or(1))) {
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
    let (sent, result) = send_parts(&guest, &call, given, first, count, &changes).await;
    match result {
        // What went wrong behind others is not told (`__sys_sendmmsg`).
        _ if sent > 0 => Answer::Ret(sent.into()),
        Err(Errno::EINVAL) if refused == Some(0) => Answer::Err(Errno::EPERM),
        Err(Errno::EPERM) => Answer::Err(Errno::EPERM),
        _ => Answer::Native,
    }
}

/// Sends message after message: copies of many would take more room than there is. How many of several have been sent, and
/// what the kernel said at the end.
async fn send_parts(
    guest: &Rc<dyn Guest>,
    call: &Call,
    given: Given,
    first: u64,
    count: Option<u32>,
    changes: &[Change],
) -> (u32, Result<u64, Errno>) {
    let mut changes = changes.iter().peekable();
    let mut sent = 0;
    loop {
        let change = changes.next_if(|change| change.n == sent);
        // One that is changed, or all before the next that is.
        let next = changes.peek().map_or(count.unwrap_or(1), |change| change.n);
        let length = if change.is_some() { 1 } else { next - sent };
        let skipped = u64::from(sent) * Layout::of(call.abi).many as u64;
        let part = Part { given, header: first.wrapping_add(skipped), count: count.map(|_| length) };
        let result = part.send(guest, call, change).await;
        let (Some(count), Ok(done)) = (count, result) else { return (sent, result) };
        sent += (done as u32).min(length);
        if done < length.into() || sent >= count {
            return (sent, result);
        }
    }
}

/// What the kernel is given of a call at a time.
struct Part {
    given: Given,
    /// Where the first header is.
    header: u64,
    /// How many messages, if the call takes several.
    count: Option<u32>,
}

impl Part {
    /// One message that is to be changed, or several that are not.
    async fn send(&self, guest: &Rc<dyn Guest>, call: &Call, change: Option<&Change>) -> Result<u64, Errno> {
        match Substitute::lay(&**guest, call, self, change) {
            Ok(substitute) => {
                let result = host(guest, Host::With(substitute.args)).await;
                if self.count.is_some() && result == Ok(1) && change.is_some() {
                    substitute.tell_sent(&**guest, self.header);
                }
                result
            }
            Err(error) => self.send_in_place(guest, call, change.ok_or(error)?).await,
        }
    }

    /// Where there is no room for a copy, the guest's own data are another's for the time of the call.
    async fn send_in_place(&self, guest: &Rc<dyn Guest>, call: &Call, change: &Change) -> Result<u64, Errno> {
        let Change { named, uid, gid, .. } = change;
        // It cannot be sent by any other than the wrong ids.
        named.write_ids(&**guest, *uid, *gid).map_err(|_| Errno::EPERM)?;
        let result = match Substitute::lay(&**guest, call, self, None) {
            Ok(substitute) => host(guest, Host::With(substitute.args)).await,
            Err(error) => Err(error),
        };
        // Gone with the caller's memory if it is gone.
        let _ = named.write_ids(&**guest, named.uid, named.gid);
        result
    }
}

/// What the kernel is given to read in the place of a header and its control data: these may be in memory that cannot be
/// written to, or that another task sends by at the same time.
struct Substitute {
    _room: Option<Box<dyn Room>>,
    /// Arguments of the call.
    args: [u64; 6],
    /// Where the header is.
    header: u64,
    layout: Layout,
}

/// Before the header, there is room for the arguments of socketcall(2).
const BLOCK: usize = 16;

impl Substitute {
    fn lay(
        guest: &dyn Guest,
        call: &Call,
        part: &Part,
        change: Option<&Change>,
    ) -> Result<Substitute, Errno> {
        let layout = Layout::of(call.abi);
        let each = if part.count.is_some() { layout.many } else { layout.one };
        let head = each.next_multiple_of(8);
        let control = change.map_or(0, |change| head.saturating_add(change.named.control.1 as usize));
        if control == 0 && part.given == Given::InRegister {
            let args = part.args(call);
            return Ok(Substitute { _room: None, args, header: part.header, layout });
        }
        let room = guest.room(BLOCK.saturating_add(control))?;
        let mut bytes = vec![0; BLOCK];
        let mut header = part.header;
        if let Some(Change { named, uid, gid, .. }) = change {
            header = room.at() + BLOCK as u64;
            bytes.resize(BLOCK + head, 0);
            guest.read(part.header, &mut bytes[BLOCK..][..each])?;
            let at = (room.at() + bytes.len() as u64).to_le_bytes();
            bytes[BLOCK + layout.control..][..layout.word].copy_from_slice(&at[..layout.word]);
            let (start, length) = named.control;
            let mut control = vec![0; length as usize];
            guest.read(start, &mut control)?;
            let ids = [*uid, *gid].map(u32::to_le_bytes).concat();
            let place = named.at.wrapping_sub(start) as usize + 4;
            control.get_mut(place..place + ids.len()).ok_or(Errno::EFAULT)?.copy_from_slice(&ids);
            bytes.extend(control);
        }
        let part = Part { header, ..*part };
        let args = if part.given == Given::InMemory {
            let length = if part.count.is_some() { BLOCK } else { 12 };
            guest.read(call.word(1), &mut bytes[..length])?;
            bytes[4..8].copy_from_slice(&header.to_le_bytes()[..4]);
            if let Some(count) = part.count {
                bytes[8..12].copy_from_slice(&count.to_le_bytes());
            }
            call.with(1, room.at()).args
        } else {
            part.args(call)
        };
        guest.write(room.at(), &bytes)?;
        Ok(Substitute { _room: Some(room), args, header, layout })
    }

    /// How much the kernel has sent of a message is a result, where there may be several.
    fn tell_sent(&self, guest: &dyn Guest, first: u64) {
        let mut length = [0; 4];
        let at = self.layout.one as u64;
        if guest.read(self.header + at, &mut length).is_ok() {
            let _ = guest.write(first.wrapping_add(at), &length);
        }
    }
}

impl Part {
    /// The arguments of a call that has them in registers.
    fn args(&self, call: &Call) -> [u64; 6] {
        let call = call.with(1, self.header);
        self.count.map_or(call, |count| call.with(2, count.into())).args
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::super::tests::{HEADER, guest};
    use super::super::{sendmmsg, sendmsg};
    use super::*;
    use crate::abi::Abi;
    use crate::cred::Cred;
    use crate::guest::MOST_ROOM;
    use crate::testing::Fake;

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
            let own = [0, 33].map(u32::to_ne_bytes).concat();
            let unmapped = Err(Errno::EINVAL);
            let mut shim = Box::pin(sendmmsg(guest.clone(), call));
            let mut poll = || shim.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(poll(), Poll::Pending);
            assert_eq!(guest.bytes(ids, 8), own, "the first goes as it is");
            guest.kernel.set(Ok(1));
            assert_eq!(poll(), Poll::Pending);
            assert_eq!(guest.bytes(ids, 8), own, "others may send by it, too");
            let seen = Ucred::find(&*guest, abi, Fake::ROOM + BLOCK as u64).unwrap();
            assert_eq!((seen.uid, seen.gid), (u32::MAX, u32::MAX), "it is no one's while the kernel looks");
            guest.kernel.set(unmapped);
            assert_eq!(poll(), Poll::Ready(Answer::Ret(1)), "one was sent");
            assert_eq!(guest.bytes(ids, 8), own);
        }
    }

    #[test]
    fn how_much_was_sent_is_told_of_each_message() {
        for abi in Abi::ALL {
            let user = Cred::login(Uid::new(33).unwrap(), Gid::new(33).unwrap(), vec![]);
            let guest = Rc::new(guest(abi, user, [Fake::TID as u32, 33, 33]));
            let call = Call { abi, nr: 0, args: [5, HEADER, 1, 0, 0, 0] };
            let mut shim = Box::pin(sendmmsg(guest.clone(), call));
            let mut poll = || shim.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(poll(), Poll::Pending);
            let one = Layout::of(abi).one as u64;
            guest.put(Fake::ROOM + BLOCK as u64 + one, &[7, 0, 0, 0]);
            guest.kernel.set(Ok(1));
            assert_eq!(poll(), Poll::Ready(Answer::Ret(1)));
            assert_eq!(guest.bytes(HEADER + one, 4), [7, 0, 0, 0]);
        }
    }

    #[test]
    fn a_message_that_there_is_no_room_for_is_sent_from_where_it_is() {
        for abi in Abi::ALL {
            let user = Cred::login(Uid::new(33).unwrap(), Gid::new(33).unwrap(), vec![]);
            let guest = Rc::new(guest(abi, user, [Fake::TID as u32, 33, 33]));
            let layout = Layout::of(abi);
            guest.put(
                HEADER + (layout.control + layout.word) as u64,
                &(MOST_ROOM as u64).to_le_bytes()[..layout.word],
            );
            let ids = Ucred::find(&*guest, abi, HEADER).unwrap().at + 4;
            let call = Call { abi, nr: 0, args: [5, HEADER, 0, 0, 0, 0] };
            let mut shim = Box::pin(sendmsg(guest.clone(), call));
            let mut poll = || shim.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(poll(), Poll::Pending);
            assert_eq!(guest.bytes(ids, 8), [0; 8]);
            guest.kernel.set(Ok(1));
            assert_eq!(poll(), Poll::Ready(Answer::Native));
            assert_eq!(guest.bytes(ids, 8), [33, 33].map(u32::to_ne_bytes).concat());
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
