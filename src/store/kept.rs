//! The store of a run: a hash map by device and inode number, before the index and before what files carry themselves.
//!
//! Birth time and generation of the inode that a record was made for are kept with it, and a lookup that finds others
//! there drops the record. Since stat buffers show neither, the ctime at which it was last compared is kept too: while
//! that has not moved, the inode cannot have been replaced, nor what it carries been changed ([`Store::suspect`]).
//!
//! Every record is written to the index, and for regular files and directories to the file itself, before the call is
//! answered. A lookup reads each once; of a regular file or directory the attribute is believed before the index,
//! because a copy, or another container with another index, may have changed it; the index alone holds what the
//! attribute cannot. That there is nothing known of an inode is remembered too.
//!
//! An inode without a name may still be open, and keeps its owner, but in memory only and not for ever: of those that
//! have lost their last name, so many are remembered ([`DYING`]). Without an index, their records are dropped when their numbers are met again: a
//! call that takes a name away then need not be looked at.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use ahash::AHashSet;
use remainroot_shims::abi::{Errno, Gid, Uid};
use remainroot_shims::owner::{Attributes, FileId, Inode, Record, Store, Tally, Time};

use super::cache::{Cache, REMEMBERED};
use super::entry::{Entry, fact};
use super::fault::Fault;
use super::index::Index;
use super::merge::merged;
use super::mirror::{Format, carries};
use super::news::News;
use super::row::{Row, Traits, pack};
use super::system::{System, Systems};

#[path = "known.rs"]
mod known;

use self::known::Known;

/// How many inodes without a name are remembered.
const DYING: usize = 16 * 1024;

/// Records, and where they go.
pub struct Kept {
    cache: Cache,
    dying: RefCell<VecDeque<FileId>>,
    index: Option<Index>,
    /// What is known of the index as a whole.
    known: Cell<Option<Known>>,
    devices: RefCell<Option<AHashSet<(u64, u64)>>>,
    /// What others say that they bring.
    news: RefCell<Option<News>>,
    systems: Systems,
    mirror: Option<Format>,
    /// Whether files were met that carry their modes, in whatever format.
    carry_modes: Cell<bool>,
    /// Whether trouble with the index was told.
    told: Cell<bool>,
    /// Files whose attributes make no sense, which was told; `None` if it shall not be.
    malformed: RefCell<Option<AHashSet<FileId>>>,
}

impl Kept {
    /// A store with an index, if there is one, and attributes, if they are wanted. `own` is the native uid of one's own
    /// files.
    pub fn new(index: Option<Index>, mirror: Option<Format>, systems: Systems, own: u32) -> Kept {
        Kept {
            cache: Cache::new(own, if index.is_some() { REMEMBERED } else { usize::MAX }),
            dying: RefCell::default(),
            index,
            known: Cell::default(),
            devices: RefCell::default(),
            news: RefCell::default(),
            systems,
            mirror,
            carry_modes: Cell::new(mirror == Some(Format::Override)),
            told: Cell::default(),
            malformed: RefCell::new(Some(AHashSet::new())),
        }
    }

    /// Leaves it to others to tell of attributes that make no sense.
    pub fn leave_malformed_untold(&self) {
        self.malformed.take();
    }

    /// Whether more may be known of an inode than is in memory.
    const fn looks_further(&self) -> bool {
        self.index.is_some() || self.mirror.is_some()
    }

    /// Says what is wrong with the index, once.
    fn tell(&self, fault: &Fault) -> Errno {
        if !self.told.replace(true) {
            crate::tell!("{fault}");
        }
        fault.errno()
    }

    /// The row of exactly this inode. Rows of earlier ones are removed, unless they may be of another file system.
    fn row(&self, file: &dyn Attributes, inode: &Inode) -> Result<Option<Row>, Errno> {
        let Some(index) = &self.index else { return Ok(None) };
        if self.known().empty {
            return Ok(None);
        }
        let system = self.systems.of(file, inode.id.dev);
        let rows = index.get(system.key, inode.id.ino).map_err(|fault| self.tell(&fault))?;
        let mut generation = inode.generation;
        let mut found = None;
        for row in rows {
            let is_of = pack(row.btime) == pack(inode.btime)
                && row.generation.is_none_or(|then| {
                    generation = generation.or_else(|| file.generation());
                    generation.is_none_or(|now| then == now)
                });
            if is_of {
                found = Some(row);
            } else if index.can_change()
                && !(row.overlay || system.overlay || system.by_number)
                && inode.btime.is_some()
            {
                self.remove_row(&system, inode, row.btime);
            }
        }
        Ok(found)
    }

    /// Removes a row that nobody needs any more. One that stays does no harm.
    fn remove_row(&self, system: &System, inode: &Inode, btime: Option<Time>) {
        if let Some(index) = &self.index
            && let Err(fault) = index.remove(system.key, inode.id.ino, btime)
        {
            self.tell(&fault);
        }
        self.known.set(None);
    }

    /// Lays what the file carries over what is known of it.
    fn with_carried(&self, file: &dyn Attributes, inode: &Inode, known: Option<Record>) -> Option<Record> {
        let Some(format) = self.mirror.filter(|_| carries(inode)) else { return known };
        let carried = format.read(file, |name, why| {
            if self.malformed.borrow_mut().as_mut().is_some_and(|told| told.insert(inode.id)) {
                let path = file.path().unwrap_or_else(|| format!("inode {}", inode.id.ino));
                crate::tell!(
                    "{path}: the attribute {} is malformed ({why}), and counts as absent",
                    name.to_string_lossy()
                );
            }
        });
        match carried {
            None => known,
            Some(carried) => {
                self.carry_modes.set(self.carry_modes.get() || carried.tells_mode());
                let known = known.unwrap_or_else(|| self.unowned(inode));
                Some(carried.over(known, inode))
            }
        }
    }

    /// What an inode without a record is: its owner's, and that is root if it is one's own or nobody's.
    fn unowned(&self, inode: &Inode) -> Record {
        let is_roots = |id: u32| id == self.cache.own || id == Uid::OVERFLOW.raw();
        let uid = if is_roots(inode.uid) { Uid::ROOT } else { Uid::new(inode.uid).unwrap_or(Uid::OVERFLOW) };
        let gid = if uid == Uid::ROOT { Gid::ROOT } else { Gid::new(inode.gid).unwrap_or(Gid::OVERFLOW) };
        Record::owned(uid, gid)
    }

    /// Reads what is known of an inode that is not in memory, or was in an earlier state. EIO where the index cannot be
    /// read: then nothing is remembered, so that nobody takes it for root's.
    fn load(&self, file: &dyn Attributes, inode: &Inode) -> Result<Option<Record>, Errno> {
        let row = match self.row(file, inode) {
            // Of the machine's own files, without which nothing runs, hardly any has a record.
            Err(_) if inode.uid != self.cache.own => return Ok(None),
            row => row?,
        };
        let (alone, young) = row.as_ref().map_or((false, false), |row| (row.alone, row.young));
        let generation = inode.generation.or(row.as_ref().and_then(|row| row.generation));
        let recorded = row.map(|row| row.record);
        let record = if alone { recorded } else { self.with_carried(file, inode, recorded) };
        let Some(record) = record else {
            self.cache.drop_entry(inode.id);
            self.cache.insert_absent(inode);
            return Ok(None);
        };
        let facts = self.facts(inode, alone, young);
        let mut entry = Entry::new(&Inode { generation, ..*inode }, record.clone(), facts);
        entry.seen = self.cache.vouching(inode.ctime);
        self.cache.insert(inode.id, entry);
        Ok(Some(record))
    }

    fn facts(&self, inode: &Inode, alone: bool, young: bool) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bit(alone, fact::ALONE) | bit(young, fact::YOUNG) | bit(inode.uid != self.cache.own, fact::FOREIGN)
    }

    /// What a file carries is made what it was, as far as it is known.
    fn undo(&self, file: &dyn Attributes, inode: &Inode) {
        let Some(format) = self.mirror.filter(|_| carries(inode)) else { return };
        let old = self
            .cache
            .entries
            .borrow()
            .get(&inode.id)
            .filter(|entry| !entry.is(fact::ALONE))
            .map(Entry::record);
        // The first change has succeeded, so there is hope for the second; if not, the attribute is what counts.
        let _ = match old {
            Some(old) => format.write(file, inode, &old),
            None => format.remove(file),
        };
    }

    /// Writes a record to the index; what the file carries is taken back if that fails.
    fn put_row(&self, file: &dyn Attributes, inode: &Inode, facts: u8, record: &Record) -> Result<(), Errno> {
        let Some(index) = &self.index else { return Ok(()) };
        let system = self.systems.of(file, inode.id.dev);
        let traits = Traits::of(inode, record);
        let row = Row {
            fs: system.key,
            ino: inode.id.ino,
            btime: inode.btime,
            generation: inode.generation,
            traits,
            alone: facts & fact::ALONE != 0,
            young: facts & fact::YOUNG != 0,
            overlay: system.overlay,
            record: record.clone(),
        };
        // The next run finds a mere owner at the file, and here if there is one that says more.
        let mere = self.mirror.is_some()
            && carries(inode)
            && traits == Traits::default()
            && facts & fact::ALONE == 0
            && *record == Record::owned(record.uid, record.gid)
            && self.cache.entries.borrow().get(&inode.id).is_none_or(Entry::is_mere_owner);
        // Whoever must look out for it from now on hears of it before it can be met.
        let news = traits.and(if self.known().empty { Traits::ANY } else { Traits::default() });
        if news != Traits::default() {
            index.announce(news);
        }
        let written = if mere { index.put_late(row) } else { index.put(&row) };
        written.map_err(|fault| {
            self.undo(file, inode);
            self.tell(&fault)
        })?;
        let old = self.cache.entries.borrow().get(&inode.id).map_or(Traits::default(), |entry| entry.traits);
        if traits.and(old) != Traits::default() || self.known.get().is_some_and(|known| known.empty) {
            self.known.set(None);
            self.devices.take();
        }
        Ok(())
    }

    /// What a record comes to that was made of what this process knew of a file, if others have changed that since.
    fn merged(&self, file: &dyn Attributes, inode: &Inode, record: Record) -> Result<Record, Errno> {
        self.refresh();
        let now = self.cache.epoch.get();
        let base = match self.cache.entries.borrow().get(&inode.id).filter(|entry| entry.is_of(inode, None)) {
            Some(entry) if entry.epoch == now || entry.is(fact::DYING) => return Ok(record),
            entry => entry.map(Entry::record),
        };
        let absent = self.cache.absent.borrow().get(&inode.id).map(|absent| absent.epoch);
        if self.index.is_none() || base.is_none() && absent.is_none_or(|then| then == now) {
            return Ok(record);
        }
        let known = self.load(file, inode)?;
        let or_nothing = |known: Option<Record>| known.unwrap_or_else(|| self.unowned(inode));
        Ok(merged(record, &or_nothing(base), or_nothing(known)))
    }

    /// Makes `record` what is known of a file, here and wherever it is kept.
    fn write(&self, file: &dyn Attributes, inode: &Inode, record: Record) -> Result<(), Errno> {
        // Whether it is an overlay is asked even where there is no index.
        self.systems.of(file, inode.id.dev);
        // Without a generation, an inode that dies in the tick of its birth is not told from its successor.
        let young = inode.generation.is_none() && inode.btime.is_none_or(|at| self.cache.vouching(at) == 0);
        let dying = inode.nlink == 0
            && self.cache.entries.borrow().get(&inode.id).is_some_and(|entry| entry.is(fact::DYING));
        let mut facts = self.facts(inode, false, young);
        if dying {
            facts |= fact::DYING;
        } else {
            if let Some(format) = self.mirror.filter(|_| carries(inode)) {
                // One that the kernel does not let us change keeps what others have given it.
                let written = inode.uid == self.cache.own && format.write(file, inode, &record)?;
                facts |= if written { 0 } else { fact::ALONE };
            }
            self.put_row(file, inode, facts, &record)?;
        }
        // The change that led here moves the ctime: the next lookup will see where to.
        let mut entry = Entry::new(inode, record, facts);
        entry.seen = -pack(Some((self.cache.now)()));
        self.cache.insert(inode.id, entry);
        Ok(())
    }
}

impl Store for Kept {
    fn find(&self, file: &dyn Attributes, inode: &Inode) -> Result<Option<Record>, Errno> {
        self.refresh();
        // While a file is asked, other tasks are served: nothing may be borrowed.
        let asks = |entry: &Entry| inode.generation.is_none() && entry.asks_generation(inode);
        let asks = self.cache.entries.borrow().get(&inode.id).is_some_and(asks);
        let now = if asks { file.generation() } else { None };
        let mut entries = self.cache.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&inode.id) else {
            drop(entries);
            let absent = self.cache.absent.borrow().get(&inode.id).copied();
            if !self.looks_further()
                || absent.is_some_and(|absent| self.cache.is_absent(&absent, inode.ctime))
            {
                return Ok(None);
            }
            return self.load(file, inode);
        };
        if !entry.is_of(inode, now) {
            drop(entries);
            self.cache.drop_entry(inode.id);
            return if self.looks_further() { self.load(file, inode) } else { Ok(None) };
        }
        if entry.seen == pack(Some(inode.ctime)) && entry.epoch == self.cache.epoch.get() {
            return Ok(Some(entry.record()));
        }
        if !self.looks_further() || entry.is(fact::DYING) {
            entry.seen = self.cache.vouching(inode.ctime);
            return Ok(Some(entry.record()));
        }
        // The tick of our own change: what others do in it is seen by the first lookup after it.
        let same_index = entry.epoch == self.cache.epoch.get();
        if same_index && entry.is_our_own_doing(inode.ctime) && self.cache.vouching(inode.ctime) == 0 {
            return Ok(Some(entry.record()));
        }
        if !same_index {
            drop(entries);
            return self.load(file, inode);
        }
        let (facts, generation, old) = (entry.facts(), entry.generation(), entry.record());
        drop(entries);
        let carried = facts & fact::ALONE == 0;
        let known = if carried { self.with_carried(file, inode, Some(old)) } else { Some(old) };
        let Some(record) = known else { return Ok(None) };
        let mut entry = Entry::new(&Inode { generation, ..*inode }, record.clone(), facts);
        entry.seen = self.cache.vouching(inode.ctime);
        self.cache.insert(inode.id, entry);
        Ok(Some(record))
    }

    fn suspect(&self, id: FileId, ctime: Time) -> Result<Record, bool> {
        self.refresh();
        if let Some(entry) = self.cache.entries.borrow().get(&id) {
            let current = !entry.is(fact::FOREIGN) || entry.epoch == self.cache.epoch.get();
            return if current && entry.is_vouched_for(ctime) { Ok(entry.record()) } else { Err(true) };
        }
        if !self.looks_further() {
            return Err(false);
        }
        let absent = self.cache.absent.borrow().get(&id).copied();
        Err(!absent.is_some_and(|absent| self.cache.is_absent(&absent, ctime)))
    }

    fn minds_mode(&self, id: FileId, ctime: Time) -> bool {
        self.refresh();
        if self.mirrors_modes() {
            return true;
        }
        // An owner may be that of an earlier inode with this number: there is still nothing to tell.
        let known = self.cache.entries.borrow().get(&id).map(|entry| {
            let current = !self.looks_further() || entry.epoch == self.cache.epoch.get();
            !(current && entry.has_only_owner())
        });
        known.unwrap_or_else(|| !matches!(self.suspect(id, ctime), Err(false)))
    }

    fn put(&self, file: &dyn Attributes, inode: &Inode, record: Record) -> Result<(), Errno> {
        let _turn = self.index.as_ref().and_then(Index::turn);
        let record = self.merged(file, inode, record)?;
        self.write(file, inode, record)
    }

    fn forget(&self, file: &dyn Attributes, inode: &Inode) -> Result<(), Errno> {
        let _turn = self.index.as_ref().and_then(Index::turn);
        let nothing = self.unowned(inode);
        let record = self.merged(file, inode, nothing.clone())?;
        if record != nothing {
            return self.write(file, inode, record);
        }
        if let Some(format) = self.mirror.filter(|_| carries(inode))
            && !format.remove(file)?
        {
            // It still says what shall be forgotten: that must not be believed.
            let record = self.unowned(inode);
            let facts = self.facts(inode, true, false);
            self.put_row(file, inode, facts, &record)?;
            self.cache.insert(inode.id, Entry::new(inode, record, facts));
            return Ok(());
        }
        if let Some(index) = &self.index {
            let system = self.systems.of(file, inode.id.dev);
            index.remove(system.key, inode.id.ino, inode.btime).map_err(|fault| {
                self.undo(file, inode);
                self.tell(&fault)
            })?;
            self.known.set(None);
        }
        self.cache.drop_entry(inode.id);
        self.cache.absent.borrow_mut().remove(&inode.id);
        Ok(())
    }

    fn unlinked(&self, file: &dyn Attributes, inode: &Inode) {
        let mut entries = self.cache.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&inode.id) else { return };
        let forgotten = entry.is(fact::YOUNG) || entry.traits.has(Traits::DEVICE);
        let news = !entry.is(fact::DYING);
        entry.note(fact::DYING);
        drop(entries);
        if news && self.index.is_some() {
            let system = self.systems.of(file, inode.id.dev);
            self.remove_row(&system, inode, inode.btime);
        }
        if forgotten {
            return self.cache.drop_entry(inode.id);
        }
        let mut dying = self.dying.borrow_mut();
        if news {
            dying.push_back(inode.id);
        }
        if dying.len() > DYING
            && let Some(oldest) = dying.pop_front()
            && self.cache.entries.borrow().get(&oldest).is_some_and(|entry| entry.is(fact::DYING))
        {
            self.cache.drop_entry(oldest);
        }
    }

    fn directories_pass_on(&self) -> bool {
        self.cache.counts.get().passing_on > 0 || self.may_hold(Traits::PASSES_ON)
    }

    fn has_devices(&self) -> bool {
        self.cache.counts.get().devices > 0 || self.may_hold(Traits::DEVICE)
    }

    fn may_be_device(&self, id: FileId) -> bool {
        if let Some(entry) = self.cache.entries.borrow().get(&id) {
            return entry.traits.has(Traits::DEVICE);
        }
        let Some(index) = &self.index else { return false };
        if !self.known().traits.has(Traits::DEVICE) {
            return false;
        }
        let Some(system) = self.systems.known(id.dev) else { return true };
        let mut devices = self.devices.borrow_mut();
        let all = devices.get_or_insert_with(|| match index.devices() {
            Ok(devices) => devices.into_iter().collect(),
            Err(fault) => {
                self.tell(&fault);
                AHashSet::new()
            }
        });
        all.contains(&(system.key, id.ino))
    }

    fn has_xattrs(&self) -> bool {
        self.cache.counts.get().with_xattrs > 0 || self.may_hold(Traits::XATTRS)
    }

    fn awaits_unlink(&self) -> bool {
        let counts = self.cache.counts.get();
        counts.devices > 0 || counts.young > 0 || self.may_hold(Traits::ANY) || !self.known().empty
    }

    fn listen(&self, wake: Box<dyn Fn() -> bool + Send>) {
        *self.news.borrow_mut() = self.index.as_ref().and_then(|index| index.listen(wake));
        // What came before we listened is in the index.
        self.known.set(None);
    }

    fn has_overlays(&self) -> bool {
        self.systems.has_overlays()
    }

    fn mirrors(&self) -> bool {
        self.mirror.is_some()
    }

    fn tally(&self) -> Tally {
        self.cache.tally()
    }

    fn mirrors_modes(&self) -> bool {
        self.carry_modes.get()
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
