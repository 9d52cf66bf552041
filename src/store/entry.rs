//! What is known of an inode in memory: 64 bytes with its key, for all but devices and attributes.

use std::collections::BTreeMap;

use remainroot_shims::abi::{Gid, Uid};
use remainroot_shims::owner::{Device, Inode, Record, Time};

use super::row::{Traits, pack};

/// No mode is recorded.
const NO_MODE: u16 = u16::MAX;

/// A record, and what tells its inode from others.
pub struct Entry {
    uid: Uid,
    gid: Gid,
    mode: u16,
    /// What calls must look out for.
    pub traits: Traits,
    facts: u8,
    /// The state of the index that it was last compared with.
    pub epoch: u32,
    btime: i64,
    generation: u64,
    /// The ctime that vouches for it, packed; 0 for none. Negative: when we ourselves last changed the file.
    pub seen: i64,
    more: Option<Box<More>>,
}

/// What few records hold.
struct More {
    device: Option<Device>,
    xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// Facts about an entry, as bits.
pub mod fact {
    /// It has a generation.
    pub const GENERATION: u8 = 1;
    /// See [`crate::store::Row::alone`].
    pub const ALONE: u8 = 2;
    /// See [`crate::store::Row::young`].
    pub const YOUNG: u8 = 4;
    /// The inode has no name any more, and no row in the index.
    pub const DYING: u8 = 8;
    /// The inode is somebody else's, and its ctime does not move when others record something of it.
    pub const FOREIGN: u8 = 16;
}

impl Entry {
    /// For a record of `inode`, that nothing vouches for yet.
    pub fn new(inode: &Inode, record: Record, facts: u8) -> Entry {
        let traits = Traits::of(inode, &record);
        let Record { uid, gid, mode, device, xattrs } = record;
        let more = (device.is_some() || !xattrs.is_empty()).then(|| Box::new(More { device, xattrs }));
        let known = if inode.generation.is_some() { fact::GENERATION } else { 0 };
        Entry {
            uid,
            gid,
            mode: mode.unwrap_or(NO_MODE),
            traits,
            facts: facts | known,
            epoch: 0,
            btime: pack(inode.btime),
            generation: inode.generation.unwrap_or(0),
            seen: 0,
            more,
        }
    }

    /// What is recorded.
    pub fn record(&self) -> Record {
        let (device, xattrs) = match &self.more {
            None => (None, BTreeMap::new()),
            Some(more) => (more.device, more.xattrs.clone()),
        };
        let mode = (self.mode != NO_MODE).then_some(self.mode);
        Record { uid: self.uid, gid: self.gid, mode, device, xattrs }
    }

    /// Whether it says no more than an owner, as the file itself does too.
    pub const fn is_mere_owner(&self) -> bool {
        self.mode == NO_MODE && self.more.is_none() && !self.is(fact::ALONE)
    }

    /// Whether nothing but owner and group are recorded.
    pub const fn has_only_owner(&self) -> bool {
        self.mode == NO_MODE && self.more.is_none()
    }

    /// Whether a fact is true of it.
    pub const fn is(&self, fact: u8) -> bool {
        self.facts & fact != 0
    }

    /// Notes a fact.
    pub const fn note(&mut self, fact: u8) {
        self.facts |= fact;
    }

    /// All facts.
    pub const fn facts(&self) -> u8 {
        self.facts
    }

    /// The generation of the inode.
    pub fn generation(&self) -> Option<u64> {
        self.is(fact::GENERATION).then_some(self.generation)
    }

    /// Whether it was made for this very inode. A generation counts where both have one; `now` is the inode's, where
    /// that does not tell it.
    pub fn is_of(&self, inode: &Inode, now: Option<u64>) -> bool {
        self.btime == pack(inode.btime)
            && self.generation().is_none_or(|then| inode.generation.or(now).is_none_or(|now| then == now))
    }

    /// Whether it takes the generation of the inode to tell that.
    pub fn asks_generation(&self, inode: &Inode) -> bool {
        self.btime == pack(inode.btime) && self.is(fact::GENERATION)
    }

    /// Whether the number of the inode is all that is known of it. Then nothing vouches for it but that unlink forgets
    /// it.
    pub fn is_only_number(&self) -> bool {
        self.btime == 0 && !self.is(fact::GENERATION)
    }

    /// Whether a file with this ctime has not changed since we ourselves changed it, as far as clocks can tell.
    pub fn is_our_own_doing(&self, ctime: Time) -> bool {
        self.seen < 0 && pack(Some(ctime)) <= -self.seen
    }

    /// Whether this ctime vouches for it.
    pub fn is_vouched_for(&self, ctime: Time) -> bool {
        self.is_only_number() || self.seen == pack(Some(ctime))
    }
}
