//! Whose sockets of AF_UNIX are. The kernel takes the ids that are shown to a socket's other end (SO_PEERCRED) from whoever
//! connects, listens or makes a pair, at that moment (`prepare_peercred` in `net/unix/af_unix.c`): they outlive a change of
//! ids, and the process. It knows real ones only, so that what is done by others than root is kept here. What is not was
//! done by root.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::rc::Rc;

use ahash::AHashMap;
use remainroot_shims::cred::Cred;
use remainroot_shims::guest::Guest;

use super::peers;
use super::run::Run;
use super::tracee::Tracee;
use crate::sys::{diag, peer};

/// How many deeds of a process are kept.
const KEPT: usize = 1024;

/// How many processes are remembered that have ended.
const REMEMBERED: usize = 1024;

/// How a socket got its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It connected. They are shown to whoever accepts.
    Connected,
    /// It was made to listen. They are shown to those who connect, by that name.
    Listens,
    /// It was made as one of a pair, whose ends show them both.
    Paired,
}

/// One of them.
#[derive(Debug)]
struct Deed {
    how: How,
    /// Its inode number.
    socket: u64,
    /// The name under which the connection is made: empty for a pair; `None` until the kernel has said it.
    name: Option<Rc<[u8]>>,
    cred: Rc<Cred>,
}

/// What a process has done.
#[derive(Default)]
struct Deeds {
    /// Last is newest.
    list: VecDeque<Deed>,
    /// Whether there were too many, of which pairs are no more known.
    lost_pairs: bool,
    /// Whether others are not, either.
    lost_others: bool,
}

/// What is known of a socket that somebody asks about.
struct Asked {
    /// Its inode number.
    socket: u64,
    /// Its name, if it has one.
    name: Vec<u8>,
    /// That of its peer, if there is one.
    peer_name: Option<Vec<u8>>,
}

/// Whose it is.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Theirs.
    User(Rc<Cred>),
    /// Root's.
    Root,
    /// Nobody can tell.
    Unknown,
}

/// What processes have done that were not root, by pid.
#[derive(Default)]
pub(super) struct Sockets {
    processes: AHashMap<i32, Deeds>,
    ended: VecDeque<i32>,
}

impl Sockets {
    fn note(&mut self, pid: i32, deed: Deed) {
        let deeds = self.processes.entry(pid).or_default();
        if deeds.list.len() >= KEPT {
            // What listens is asked about for longest, and pairs hardly ever.
            let oldest = |how| deeds.list.iter().position(|deed| deed.how == how);
            let least = oldest(How::Paired).or_else(|| oldest(How::Connected)).unwrap_or(0);
            match deeds.list.remove(least).map(|deed| deed.how) {
                Some(How::Paired) => deeds.lost_pairs = true,
                _ => deeds.lost_others = true,
            }
        }
        deeds.list.push_back(deed);
    }

    /// The connection that was on its way is there, under that name, or not (`None`).
    fn settle(&mut self, pid: i32, socket: u64, name: Option<Vec<u8>>) {
        let Some(deeds) = self.processes.get_mut(&pid) else { return };
        let is_it = |deed: &Deed| deed.how == How::Connected && deed.socket == socket && deed.name.is_none();
        let Some(at) = deeds.list.iter().rposition(is_it) else { return };
        match name {
            None => drop(deeds.list.remove(at)),
            Some(name) => {
                let same = deeds.list.iter().filter_map(|deed| deed.name.clone()).find(|it| **it == *name);
                deeds.list[at].name = Some(same.unwrap_or_else(|| name.into()));
            }
        }
        if deeds.list.is_empty() && !deeds.lost_pairs && !deeds.lost_others {
            self.processes.remove(&pid);
        }
    }

    /// A process makes a socket of this name listen, anew perhaps.
    fn listens(&mut self, pid: i32, socket: u64, name: Vec<u8>, cred: Rc<Cred>) {
        if let Some(deeds) = self.processes.get_mut(&pid) {
            deeds.list.retain(|deed| deed.how != How::Listens || deed.name.as_deref() != Some(&name));
        }
        if !cred.is_plain_root() {
            self.note(pid, Deed { how: How::Listens, socket, name: Some(name.into()), cred });
        }
    }

    /// A process has ended. Its sockets may live on, with others.
    pub fn ended(&mut self, pid: i32) {
        if self.processes.contains_key(&pid) {
            self.ended.push_back(pid);
        }
        if self.ended.len() > REMEMBERED {
            let oldest = self.ended.pop_front();
            oldest.and_then(|oldest| self.processes.remove(&oldest));
        }
    }

    /// A new process has this number.
    pub fn forget(&mut self, pid: i32) {
        if self.processes.remove(&pid).is_some() {
            self.ended.retain(|other| *other != pid);
        }
    }

    /// Whose ids a socket shows, which are those of process `pid` at some time. `peer` says which socket its peer is.
    fn find(&self, pid: i32, asked: &Asked, peer: impl FnOnce() -> Option<u64>) -> Found {
        let Some(deeds) = self.processes.get(&pid) else { return Found::Root };
        let newest = |is_it: &dyn Fn(&Deed) -> bool| deeds.list.iter().rev().find(|deed| is_it(deed));
        let user = |deed: &Deed| Found::User(deed.cred.clone());
        // The deeds of sockets themselves.
        if let Some(deed) = newest(&|deed| deed.how != How::Connected && deed.socket == asked.socket) {
            return user(deed);
        }
        // Who asks has accepted.
        let peer = newest(&|deed| deed.how == How::Connected).and_then(|_| peer());
        if let Some(peer) = peer
            && let Some(deed) = newest(&|deed| deed.how == How::Connected && deed.socket == peer)
        {
            return user(deed);
        }
        // Who asks has connected: then its peer has the name of what listened.
        let named = |deed: &Deed| deed.name.as_deref() == asked.peer_name.as_deref();
        if asked.peer_name.as_ref().is_some_and(|name| !name.is_empty())
            && let Some(deed) = newest(&|deed| deed.how == How::Listens && named(deed))
        {
            return user(deed);
        }
        // The peer is closed, or cannot be seen from here: by the name that it connected to, which what was accepted has.
        let fits = |deed: &Deed| deed.name.as_deref().is_none_or(|name| *name == *asked.name);
        if peer.is_none()
            && asked.peer_name.is_some()
            && let Some(deed) = newest(&|deed| deed.how == How::Connected && fits(deed))
        {
            return user(deed);
        }
        // Neither end of a pair has a name; of a connection, that has which listened.
        let is_pair = asked.name.is_empty() && asked.peer_name.as_ref().is_some_and(Vec::is_empty);
        let is_lost = if is_pair { deeds.lost_pairs } else { deeds.lost_others };
        if is_lost { Found::Unknown } else { Found::Root }
    }
}

/// See [`Guest::connects`].
pub(super) fn connects(run: &Run, tracee: &Tracee, fd: i32) -> Option<u64> {
    let cred = Guest::cred(tracee);
    if cred.is_plain_root() {
        return None;
    }
    let socket = tracee.borrow_fd(fd)?.ok()?;
    let inode = peer::inode_of(&socket).filter(|_| peer::takes_connections(socket.as_fd()));
    run.close(socket);
    // Before it is: who accepts may ask at once.
    let deed = Deed { how: How::Connected, socket: inode?, name: None, cred };
    run.sockets.borrow_mut().note(tracee.process(), deed);
    inode
}

/// See [`Guest::connected`].
pub(super) fn connected(run: &Run, tracee: &Tracee, fd: i32, inode: u64, done: bool) {
    let name = || {
        let socket = tracee.borrow_fd(fd)?.ok()?;
        let is_it = peer::inode_of(&socket) == Some(inode);
        let name = peer::peer_name_of(socket.as_fd());
        run.close(socket);
        name.filter(|_| is_it)
    };
    match name().filter(|_| done) {
        // Its number belongs to another by now, or its peer is gone: it stays without a name.
        None if done => {}
        name => run.sockets.borrow_mut().settle(tracee.process(), inode, name),
    }
}

/// See [`Guest::listens`].
pub(super) fn listens(run: &Run, tracee: &Tracee, fd: i32) {
    let Some(Ok(socket)) = tracee.borrow_fd(fd) else { return };
    let inode = peer::inode_of(&socket).filter(|_| peer::takes_connections(socket.as_fd()));
    // One that is connected does not listen, though it has the name of what does (`unix_listen`).
    let is_connected = peer::peer_name_of(socket.as_fd()).is_some();
    let name = peer::name_of(socket.as_fd()).filter(|name| !name.is_empty() && !is_connected);
    run.close(socket);
    if let (Some(inode), Some(name)) = (inode, name) {
        run.sockets.borrow_mut().listens(tracee.process(), inode, name, Guest::cred(tracee));
    }
}

/// See [`Guest::pairs`].
pub(super) fn pairs(run: &Run, tracee: &Tracee, fds: [i32; 2]) {
    let cred = Guest::cred(tracee);
    if cred.is_plain_root() {
        return;
    }
    for fd in fds {
        let Some(Ok(socket)) = tracee.borrow_fd(fd) else { continue };
        if let Some(inode) = peer::inode_of(&socket) {
            let deed = Deed { how: How::Paired, socket: inode, name: Some(Rc::from([])), cred: cred.clone() };
            run.sockets.borrow_mut().note(tracee.process(), deed);
        }
        run.close(socket);
    }
}

/// See [`Guest::socket_peer`].
pub(super) fn socket_peer(run: &Run, tracee: &Tracee, fd: i32) -> Option<Rc<Cred>> {
    let socket = tracee.borrow_fd(fd)?.ok()?;
    // As the tracer sees them: others have ids of their own.
    let ours = |cred: &libc::ucred| cred.pid > 0 && cred.uid == run.world.root_uid;
    let who = peer::of_socket(socket.as_fd()).filter(ours);
    let asked = peer::inode_of(&socket).map(|inode| Asked {
        socket: inode,
        name: peer::name_of(socket.as_fd()).unwrap_or_default(),
        peer_name: peer::peer_name_of(socket.as_fd()),
    });
    run.close(socket);
    let (who, asked) = (who?, asked?);
    let now = peers::cred_of(run, who.pid);
    match run.sockets.borrow().find(who.pid, &asked, || diag::unix_peer(asked.socket)) {
        Found::User(cred) => Some(cred),
        Found::Unknown => now,
        // Its groups are those of now, or else those that all of root's had at first.
        Found::Root => Some(now.filter(|now| now.is_plain_root()).unwrap_or_else(|| run.root.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remainroot_shims::abi::{Gid, Uid};

    const PID: i32 = 7;
    const NAME: &[u8] = b"\0name";

    fn user(id: u32) -> Rc<Cred> {
        Rc::new(Cred::login(Uid::new(id).unwrap(), Gid::new(id).unwrap(), vec![]))
    }

    fn connecting(socket: u64, id: u32) -> Deed {
        Deed { how: How::Connected, socket, name: None, cred: user(id) }
    }

    fn paired(socket: u64, id: u32) -> Deed {
        Deed { how: How::Paired, socket, name: Some(Rc::from([])), cred: user(id) }
    }

    /// Of the socket that was accepted by that name, as number 99.
    fn accepted(sockets: &Sockets, name: &[u8], peer: Option<u64>) -> Found {
        let asked = Asked { socket: 99, name: name.to_vec(), peer_name: Some(Vec::new()) };
        sockets.find(PID, &asked, || peer)
    }

    /// Of one that has connected to that name.
    fn client(sockets: &Sockets, name: &[u8]) -> Found {
        let asked = Asked { socket: 98, name: Vec::new(), peer_name: Some(name.to_vec()) };
        sockets.find(PID, &asked, || Some(97))
    }

    #[test]
    fn each_connection_has_the_ids_of_its_moment() {
        let mut sockets = Sockets::default();
        sockets.note(PID, connecting(1, 33));
        assert_eq!(accepted(&sockets, NAME, Some(1)), Found::User(user(33)), "before connect returns");
        sockets.settle(PID, 1, Some(NAME.to_vec()));
        sockets.note(PID, connecting(2, 34));
        sockets.settle(PID, 2, Some(NAME.to_vec()));
        assert_eq!(accepted(&sockets, NAME, Some(1)), Found::User(user(33)));
        assert_eq!(accepted(&sockets, NAME, Some(2)), Found::User(user(34)));
        assert_eq!(accepted(&sockets, NAME, Some(3)), Found::Root, "it connected while it was root");
        assert_eq!(accepted(&sockets, NAME, None), Found::User(user(34)), "closed: the last by that name");
        assert_eq!(accepted(&sockets, b"\0other", None), Found::Root);
        let asked = Asked { socket: 99, name: NAME.to_vec(), peer_name: Some(Vec::new()) };
        assert_eq!(sockets.find(PID + 1, &asked, || Some(1)), Found::Root, "another process's");
    }

    #[test]
    fn a_connection_that_failed_is_none() {
        let mut sockets = Sockets::default();
        sockets.note(PID, connecting(1, 33));
        sockets.settle(PID, 1, None);
        assert_eq!(accepted(&sockets, NAME, Some(1)), Found::Root);
        assert!(sockets.processes.is_empty());
        // One that is there already.
        sockets.note(PID, connecting(1, 33));
        sockets.settle(PID, 1, Some(NAME.to_vec()));
        sockets.note(PID, connecting(1, 34));
        sockets.settle(PID, 1, None);
        assert_eq!(accepted(&sockets, NAME, Some(1)), Found::User(user(33)));
    }

    #[test]
    fn clients_see_who_listened_last() {
        let mut sockets = Sockets::default();
        assert_eq!(client(&sockets, NAME), Found::Root);
        sockets.listens(PID, 1, NAME.to_vec(), user(33));
        assert_eq!(client(&sockets, NAME), Found::User(user(33)));
        assert_eq!(client(&sockets, b"\0other"), Found::Root);
        assert_eq!(accepted(&sockets, NAME, None), Found::Root, "a client of its own, as root");
        let own = Asked { socket: 1, name: NAME.to_vec(), peer_name: None };
        assert_eq!(sockets.find(PID, &own, || None), Found::User(user(33)), "what listens has its own");
        sockets.listens(PID, 1, NAME.to_vec(), user(34));
        assert_eq!(client(&sockets, NAME), Found::User(user(34)));
        sockets.note(PID, connecting(2, 33));
        sockets.settle(PID, 2, Some(NAME.to_vec()));
        sockets.listens(PID, 1, NAME.to_vec(), Rc::new(Cred::root()));
        assert_eq!(client(&sockets, NAME), Found::Root);
        assert_eq!(sockets.find(PID, &own, || None), Found::Root, "nobody has connected it");
    }

    #[test]
    fn both_ends_of_a_pair_are_whose_it_was() {
        let mut sockets = Sockets::default();
        sockets.note(PID, paired(1, 33));
        let asked = |socket| Asked { socket, name: Vec::new(), peer_name: Some(Vec::new()) };
        assert_eq!(sockets.find(PID, &asked(1), || unreachable!()), Found::User(user(33)));
        assert_eq!(sockets.find(PID, &asked(2), || unreachable!()), Found::Root);
    }

    #[test]
    fn what_is_too_much_is_forgotten_and_so_it_is_said() {
        let mut sockets = Sockets::default();
        sockets.listens(PID, 0, NAME.to_vec(), user(33));
        sockets.note(PID, connecting(1, 35));
        sockets.settle(PID, 1, Some(NAME.to_vec()));
        let many = 2..=3 * KEPT as u64;
        many.clone().for_each(|socket| sockets.note(PID, paired(socket, 34)));
        assert_eq!(sockets.processes[&PID].list.len(), KEPT);
        assert_eq!(client(&sockets, NAME), Found::User(user(33)), "what listens stays");
        assert_eq!(accepted(&sockets, NAME, Some(1)), Found::User(user(35)), "so do connections");
        assert_eq!(accepted(&sockets, NAME, Some(2)), Found::Root);
        let pair = |socket| Asked { socket, name: Vec::new(), peer_name: Some(Vec::new()) };
        assert_eq!(sockets.find(PID, &pair(2), || None), Found::Unknown);
        assert_eq!(sockets.find(PID, &pair(3 * KEPT as u64), || None), Found::User(user(34)));
        many.for_each(|socket| {
            sockets.note(PID, connecting(socket, 34));
            sockets.settle(PID, socket, Some(NAME.to_vec()));
        });
        assert_eq!(sockets.processes[&PID].list.len(), KEPT);
        assert_eq!(client(&sockets, NAME), Found::User(user(33)));
        assert_eq!(accepted(&sockets, NAME, Some(1)), Found::Unknown);
    }

    #[test]
    fn processes_that_have_ended_are_remembered_until_there_are_too_many() {
        let mut sockets = Sockets::default();
        for pid in 1..=3000 {
            sockets.note(pid, paired(1, 33));
            sockets.ended(pid);
            sockets.ended(pid + 10_000);
        }
        assert_eq!((sockets.processes.len(), sockets.ended.len()), (REMEMBERED, REMEMBERED));
        sockets.forget(3000);
        assert!(!sockets.processes.contains_key(&3000) && sockets.processes.contains_key(&2999));
        assert_eq!(sockets.ended.len(), REMEMBERED - 1);
    }
}
