//! What a run knows of inodes, in memory: records, and that there are none.

use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use ahash::AHashMap;
use remainroot_shims::owner::{FileId, Inode, Tally, Time};

use super::entry::{Entry, fact};
use super::row::{Traits, pack};

/// How old a ctime must be before it can vouch for an inode: two ticks of the slowest clock that file systems take
/// their times from (HZ = 100). A younger one could come back on an inode that is made, with the
/// same number, within the same tick.
const RACY_NSEC: i64 = 20_000_000;

/// For how long it is believed that nothing is known of an inode whose ctime has moved. Runs with the same index need
/// not wait: they tell each other.
const ABSENT_NSEC: i64 = 100_000_000;

/// How many inodes are remembered that can be looked up again.
pub const REMEMBERED: usize = 2 * 1024 * 1024;

/// That nothing is known of an inode.
#[derive(Clone, Copy)]
pub struct Absent {
    /// Its ctime then, packed.
    ctime: i64,
    /// When that was, packed.
    checked: i64,
    /// The state of the index.
    pub epoch: u32,
    /// The inode is somebody else's, and its ctime does not move when others record something of it.
    foreign: bool,
}

/// How many entries are of the kinds that calls must look out for.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Devices.
    pub devices: u32,
    /// Directories that hand something on.
    pub passing_on: u32,
    /// Those with attributes.
    pub with_xattrs: u32,
    /// Those that a successor could be taken for.
    pub young: u32,
}

impl Counts {
    fn of(entry: &Entry) -> Counts {
        let traits = entry.traits;
        Counts {
            young: entry.is(fact::YOUNG).into(),
            devices: traits.has(Traits::DEVICE).into(),
            passing_on: traits.has(Traits::PASSES_ON).into(),
            with_xattrs: traits.has(Traits::XATTRS).into(),
        }
    }

    fn add(&mut self, other: Counts) {
        self.devices += other.devices;
        self.passing_on += other.passing_on;
        self.with_xattrs += other.with_xattrs;
        self.young += other.young;
    }

    fn take(&mut self, other: Counts) {
        self.devices -= other.devices;
        self.passing_on -= other.passing_on;
        self.with_xattrs -= other.with_xattrs;
        self.young -= other.young;
    }
}

/// Inodes by device and number.
pub struct Cache {
    /// Records.
    pub entries: RefCell<AHashMap<FileId, Entry>>,
    /// Inodes of which nothing is known.
    pub absent: RefCell<AHashMap<FileId, Absent>>,
    /// What is among the records.
    pub counts: Cell<Counts>,
    /// How often others have changed the index.
    pub epoch: Cell<u32>,
    /// The native uid of one's own files.
    pub own: u32,
    /// How many records may be here before all that can be looked up again are dropped.
    room: usize,
    /// The clock.
    pub now: fn() -> Time,
}

impl Cache {
    /// An empty one.
    pub fn new(own: u32, room: usize) -> Cache {
        Cache {
            entries: RefCell::default(),
            absent: RefCell::default(),
            counts: Cell::default(),
            epoch: Cell::default(),
            own,
            room,
            now: || {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Time { sec: since.as_secs() as i64, nsec: since.subsec_nanos() }
            },
        }
    }

    /// What is here of records.
    pub fn tally(&self) -> Tally {
        let counts = self.counts.get();
        Tally {
            files: self.entries.borrow().len() as u64,
            devices: counts.devices.into(),
            with_xattrs: counts.with_xattrs.into(),
        }
    }

    /// How long ago a time was, in nanoseconds.
    fn age(&self, time: i64) -> i64 {
        pack(Some((self.now)())).saturating_sub(time)
    }

    /// The ctime, packed, if it is old enough to vouch for the inode; else 0.
    pub fn vouching(&self, ctime: Time) -> i64 {
        let ctime = pack(Some(ctime));
        if self.age(ctime) > RACY_NSEC { ctime } else { 0 }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Drops what is known of an inode.
    pub fn drop_entry(&self, id: FileId) {
        if let Some(entry) = self.entries.borrow_mut().remove(&id) {
            self.count(|counts| counts.take(Counts::of(&entry)));
        }
    }

    /// Makes `entry` what is known.
    pub fn insert(&self, id: FileId, mut entry: Entry) {
        entry.epoch = self.epoch.get();
        let new = Counts::of(&entry);
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= self.room {
            entries.retain(|_, entry| entry.is(fact::DYING));
            let mut counts = Counts::default();
            entries.values().for_each(|entry| counts.add(Counts::of(entry)));
            self.counts.set(counts);
        }
        let old = entries.insert(id, entry);
        drop(entries);
        self.count(|counts| {
            counts.add(new);
            if let Some(old) = old {
                counts.take(Counts::of(&old));
            }
        });
        self.absent.borrow_mut().remove(&id);
    }

    /// Notes that nothing is known of an inode.
    pub fn insert_absent(&self, inode: &Inode) {
        let (epoch, foreign) = (self.epoch.get(), inode.uid != self.own);
        let checked = pack(Some((self.now)()));
        let mut absent = self.absent.borrow_mut();
        if absent.len() >= REMEMBERED {
            absent.clear();
        }
        absent.insert(inode.id, Absent { ctime: pack(Some(inode.ctime)), checked, epoch, foreign });
    }

    /// Whether it is still so that nothing is known of an inode.
    pub fn is_absent(&self, absent: &Absent, ctime: Time) -> bool {
        let same_index = absent.epoch == self.epoch.get();
        let same_inode = absent.ctime == pack(Some(ctime));
        if same_inode && absent.checked.saturating_sub(absent.ctime) > RACY_NSEC {
            return same_index || !absent.foreign;
        }
        same_index && self.age(absent.checked) < if same_inode { RACY_NSEC } else { ABSENT_NSEC }
    }
}
