//! A store that lives as long as the run.

use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use ahash::AHashMap;
use linux_raw_sys::general::{S_IFDIR, S_IFMT, S_ISGID};
use remainroot_shims::abi::{Errno, Gid};
use remainroot_shims::owner::{Attributes, FileId, Inode, Record, Store, Time};

/// How old a ctime must be before it can vouch for an inode: two ticks of the slowest clock that file systems take
/// their times from (HZ = 100). A younger one could come back on an inode that is made, with the
/// same number, within the same tick.
const RACY_NSEC: i64 = 20_000_000;

/// Records in a hash map by device and inode number.
///
/// Birth time and generation of the inode that a record was made for are kept with it, and a lookup that finds others
/// there drops the record. Since stat buffers show neither, the ctime at which it was last compared is kept too:
/// while that has not moved, the inode cannot have been replaced ([`Store::suspect`]).
pub struct Memory {
    entries: RefCell<AHashMap<FileId, Entry>>,
    counts: Cell<Counts>,
    now: fn() -> Time,
}

/// What is known of one inode.
struct Entry {
    record: Record,
    /// Birth time of the inode.
    btime: Option<Time>,
    /// Generation of the inode.
    generation: Option<u64>,
    /// The ctime that vouches for it.
    seen: Option<Time>,
    /// Why it counts.
    traits: Counts,
}

impl Entry {
    /// Whether it was made for this very inode. A generation counts where both have one.
    fn is_of(&self, inode: &Inode) -> bool {
        let generations = self.generation.zip(inode.generation);
        self.btime == inode.btime && generations.is_none_or(|(then, now)| then == now)
    }
}

/// How many records are of the kinds that calls must look out for.
#[derive(Clone, Copy, Default)]
struct Counts {
    devices: u32,
    passing_on: u32,
    with_xattrs: u32,
    ambiguous: u32,
}

impl Counts {
    fn of(inode: &Inode, record: &Record, ambiguous: bool) -> Counts {
        let mode = record.mode.map_or(inode.mode, u32::from);
        let sets_group = mode & S_ISGID != 0 && record.gid != Gid::ROOT;
        let default_acl = record.xattrs.contains_key(&b"system.posix_acl_default"[..]);
        Counts {
            devices: record.device.is_some().into(),
            passing_on: (inode.mode & S_IFMT == S_IFDIR && (sets_group || default_acl)).into(),
            with_xattrs: (!record.xattrs.is_empty()).into(),
            ambiguous: ambiguous.into(),
        }
    }

    fn add(&mut self, other: Counts) {
        self.devices += other.devices;
        self.passing_on += other.passing_on;
        self.with_xattrs += other.with_xattrs;
        self.ambiguous += other.ambiguous;
    }

    fn take(&mut self, other: Counts) {
        self.devices -= other.devices;
        self.passing_on -= other.passing_on;
        self.with_xattrs -= other.with_xattrs;
        self.ambiguous -= other.ambiguous;
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::with_clock(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Time { sec: since.as_secs() as i64, nsec: since.subsec_nanos() }
        })
    }
}

impl Memory {
    /// An empty store that asks `now` for the time.
    fn with_clock(now: fn() -> Time) -> Memory {
        Memory { entries: RefCell::default(), counts: Cell::default(), now }
    }

    /// The ctime, if it is old enough to vouch for the inode.
    fn vouching(&self, ctime: Time) -> Option<Time> {
        let now = (self.now)();
        let age =
            (now.sec - ctime.sec).saturating_mul(1_000_000_000) + i64::from(now.nsec) - i64::from(ctime.nsec);
        (age > RACY_NSEC).then_some(ctime)
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    fn drop_entry(&self, id: FileId) {
        if let Some(entry) = self.entries.borrow_mut().remove(&id) {
            self.count(|counts| counts.take(entry.traits));
        }
    }
}

impl Store for Memory {
    fn get(&self, file: &dyn Attributes, inode: &Inode) -> Option<Record> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.get_mut(&inode.id)?;
        let generation = inode.generation.or_else(|| file.generation());
        if entry.is_of(&Inode { generation, ..*inode }) {
            if entry.seen != Some(inode.ctime) {
                entry.seen = self.vouching(inode.ctime);
            }
            return Some(entry.record.clone());
        }
        drop(entries);
        self.drop_entry(inode.id);
        None
    }

    fn suspect(&self, id: FileId, ctime: Time) -> Result<Record, bool> {
        let entries = self.entries.borrow();
        let entry = entries.get(&id).ok_or(false)?;
        // Where there is nothing to compare, the number is all, and unlink forgets it.
        let only_number = entry.btime.is_none() && entry.generation.is_none();
        if only_number || entry.seen == Some(ctime) { Ok(entry.record.clone()) } else { Err(true) }
    }

    fn put(&self, _: &dyn Attributes, inode: &Inode, record: Record) -> Result<(), Errno> {
        // Without a generation, an inode that dies in the tick of its birth is not told from its successor.
        let ambiguous = inode.generation.is_none() && inode.btime.and_then(|at| self.vouching(at)).is_none();
        let traits = Counts::of(inode, &record, ambiguous);
        // The change that led here moves the ctime: the next lookup will see where to.
        let Inode { btime, generation, .. } = *inode;
        let entry = Entry { record, btime, generation, seen: None, traits };
        let old = self.entries.borrow_mut().insert(inode.id, entry);
        self.count(|counts| {
            if let Some(old) = old {
                counts.take(old.traits);
            }
            counts.add(traits);
        });
        Ok(())
    }

    fn forget(&self, _: &dyn Attributes, inode: &Inode) -> Result<(), Errno> {
        self.drop_entry(inode.id);
        Ok(())
    }

    fn unlinked(&self, _: &dyn Attributes, inode: &Inode) {
        let forgets = |entry: &Entry| entry.traits.ambiguous > 0 || entry.traits.devices > 0;
        if self.entries.borrow().get(&inode.id).is_some_and(forgets) {
            self.drop_entry(inode.id);
        }
    }

    fn directories_pass_on(&self) -> bool {
        self.counts.get().passing_on > 0
    }

    fn has_devices(&self) -> bool {
        self.counts.get().devices > 0
    }

    fn may_be_device(&self, id: FileId) -> bool {
        self.entries.borrow().get(&id).is_some_and(|entry| entry.record.device.is_some())
    }

    fn has_xattrs(&self) -> bool {
        self.counts.get().with_xattrs > 0
    }

    fn awaits_unlink(&self) -> bool {
        let counts = self.counts.get();
        counts.devices > 0 || counts.ambiguous > 0
    }
}

#[cfg(test)]
mod tests {
    use remainroot_shims::abi::Uid;
    use remainroot_shims::owner::Device;

    use super::*;
    use crate::store::fake::File;

    const NOW: i64 = 1_000;

    fn put(store: &Memory, inode: &Inode, record: Record) {
        store.put(&File::new(), inode, record).unwrap();
    }

    fn get(store: &Memory, inode: &Inode) -> Option<Record> {
        store.get(&File::new(), inode)
    }

    fn store() -> Memory {
        Memory::with_clock(|| Time { sec: NOW, nsec: 0 })
    }

    fn inode(ino: u64, btime: Option<i64>, ctime: i64) -> Inode {
        let at = |sec| Time { sec, nsec: 7 };
        Inode {
            id: FileId { dev: 1, ino },
            btime: btime.map(at),
            generation: None,
            ctime: at(ctime),
            mode: 0o100644,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
        }
    }

    fn owned(raw: u32) -> Record {
        Record::owned(Uid::new(raw).unwrap(), Gid::new(raw).unwrap())
    }

    #[test]
    fn a_reused_inode_never_inherits_an_owner() {
        let store = store();
        put(&store, &inode(5, Some(10), 10), owned(33));
        assert_eq!(get(&store, &inode(5, Some(10), 11)), Some(owned(33)));
        let reused = inode(5, Some(12), 12);
        assert_eq!(store.suspect(reused.id, reused.ctime), Err(true));
        assert_eq!(get(&store, &reused), None);
        assert_eq!(store.suspect(reused.id, reused.ctime), Err(false));
        assert_eq!(get(&store, &inode(5, Some(10), 11)), None);
    }

    #[test]
    fn ambiguous_times_unlink_forgets() {
        let store = store();
        let file = inode(5, None, 10);
        assert!(!store.awaits_unlink());
        put(&store, &file, owned(33));
        assert!(store.awaits_unlink());
        assert_eq!(store.suspect(file.id, Time { sec: 99, nsec: 0 }), Ok(owned(33)));
        store.unlinked(&File::new(), &file);
        assert_eq!(get(&store, &file), None);
        assert!(!store.awaits_unlink());
    }

    #[test]
    fn an_inode_reused_within_a_tick_is_told_by_its_generation() {
        let store = store();
        let first = Inode { generation: Some(1), ..inode(5, Some(NOW), NOW) };
        put(&store, &first, owned(33));
        assert!(!store.awaits_unlink());
        store.unlinked(&File::new(), &first);
        assert_eq!(get(&store, &first), Some(owned(33)));
        assert_eq!(get(&store, &Inode { generation: Some(2), ..first }), None);
    }

    #[test]
    fn without_generations_what_dies_young_is_forgotten() {
        let store = store();
        put(&store, &inode(5, Some(10), 10), owned(33));
        assert!(!store.awaits_unlink());
        store.unlinked(&File::new(), &inode(5, Some(10), 10));
        assert_eq!(get(&store, &inode(5, Some(10), 10)), Some(owned(33)));
        let young = inode(6, Some(NOW), NOW);
        put(&store, &young, owned(33));
        assert!(store.awaits_unlink());
        store.unlinked(&File::new(), &young);
        assert_eq!(get(&store, &young), None);
    }

    #[test]
    fn an_inode_is_known_by_its_ctime_once_compared() {
        let store = store();
        put(&store, &inode(5, Some(10), 10), owned(33));
        let changed = inode(5, Some(10), 11);
        assert_eq!(store.suspect(changed.id, changed.ctime), Err(true));
        assert_eq!(get(&store, &changed), Some(owned(33)));
        assert_eq!(store.suspect(changed.id, changed.ctime), Ok(owned(33)));
        assert_eq!(store.suspect(changed.id, inode(5, None, 12).ctime), Err(true));
    }

    #[test]
    fn a_racy_ctime_vouches_for_nothing() {
        let store = store();
        let fresh = inode(5, Some(NOW), NOW);
        put(&store, &fresh, owned(33));
        assert_eq!(get(&store, &fresh), Some(owned(33)));
        assert_eq!(store.suspect(fresh.id, fresh.ctime), Err(true));
    }

    #[test]
    fn counts_follow_the_records() {
        let store = store();
        let dir = Inode { mode: 0o042775, ..inode(5, Some(1), 1) };
        put(&store, &dir, owned(33));
        assert!(store.directories_pass_on());
        put(&store, &Inode { mode: 0o040775, ..dir }, owned(33));
        assert!(!store.directories_pass_on());
        let mut device = owned(0);
        device.device = Some(Device::Char(0x103));
        device.xattrs.insert(b"trusted.x"[..].into(), b"y"[..].into());
        put(&store, &inode(6, Some(1), 1), device);
        assert!(store.has_devices() && store.has_xattrs());
        assert!(store.may_be_device(inode(6, None, 0).id) && !store.may_be_device(dir.id));
        assert_eq!(get(&store, &inode(6, Some(2), 2)), None);
        assert!(!store.has_devices() && !store.has_xattrs());
    }
}
