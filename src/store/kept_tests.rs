use std::ffi::CString;

use remainroot_shims::owner::Device;
use remainroot_shims::owner::mirror::{override_stat, rootlesscontainers};
use tempfile::TempDir;

use super::*;
use crate::store::Mode;
use crate::store::cache::Absent;
use crate::store::fake::File;

const NOW: i64 = 1_000;

/// What is found where all can be read.
trait Get {
    fn get(&self, file: &File, inode: &Inode) -> Option<Record>;
}

impl Get for Kept {
    fn get(&self, file: &File, inode: &Inode) -> Option<Record> {
        self.find(file, inode).unwrap()
    }
}

fn timed(mut store: Kept) -> Kept {
    store.cache.now = || Time { sec: NOW, nsec: 0 };
    store
}

fn memory() -> Kept {
    timed(Kept::default())
}

/// A store with an index in `dir`, and attributes.
fn lasting(dir: &TempDir) -> Kept {
    let index = Index::open(dir.path(), Mode::Write).unwrap();
    timed(Kept::new(Some(index), Some(Format::RootlessContainers), Systems::new(), 0))
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
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
        size: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
    }
}

fn link(ino: u64) -> Inode {
    Inode { mode: 0o120777, ..inode(ino, Some(10), 10) }
}

fn owned(raw: u32) -> Record {
    Record::owned(Uid::new(raw).unwrap(), Gid::new(raw).unwrap())
}

fn put(store: &Kept, inode: &Inode, record: Record) {
    store.put(&File::new(), inode, record).unwrap();
}

fn get(store: &Kept, inode: &Inode) -> Option<Record> {
    store.get(&File::new(), inode)
}

fn carry(file: &File, value: &[u8]) {
    file.xattrs.borrow_mut().insert(rootlesscontainers::NAME.to_owned(), value.to_vec());
}

fn carried(file: &File) -> Option<Vec<u8>> {
    file.xattrs.borrow().get(rootlesscontainers::NAME).cloned()
}

#[test]
fn a_reused_inode_never_inherits_an_owner() {
    let dir = home();
    for store in [memory(), lasting(&dir)] {
        put(&store, &inode(5, Some(10), 10), owned(33));
        assert_eq!(get(&store, &inode(5, Some(10), 11)), Some(owned(33)));
        let reused = inode(5, Some(12), 12);
        assert_eq!(store.suspect(reused.id, reused.ctime), Err(true));
        assert_eq!(get(&store, &reused), None);
        assert_eq!(store.suspect(reused.id, reused.ctime), Err(false));
        assert_eq!(get(&store, &inode(5, Some(10), 11)), None);
    }
    assert!(Index::open(dir.path(), Mode::Write).unwrap().is_empty().unwrap());
}

#[test]
fn ambiguous_times_unlink_forgets() {
    let dir = home();
    for store in [memory(), lasting(&dir)] {
        let file = inode(5, None, 10);
        assert!(!store.awaits_unlink());
        put(&store, &file, owned(33));
        assert!(store.awaits_unlink());
        assert_eq!(store.suspect(file.id, Time { sec: 99, nsec: 0 }), Ok(owned(33)));
        store.unlinked(&File::new(), &file);
        assert_eq!(get(&store, &file), None);
        assert!(!store.awaits_unlink());
    }
}

#[test]
fn an_inode_reused_within_a_tick_is_told_by_its_generation() {
    let store = memory();
    let first = Inode { generation: Some(1), ..inode(5, Some(NOW), NOW) };
    put(&store, &first, owned(33));
    assert!(!store.awaits_unlink());
    store.unlinked(&File::new(), &first);
    assert_eq!(get(&store, &first), Some(owned(33)));
    assert_eq!(get(&store, &Inode { generation: Some(2), ..first }), None);
}

#[test]
fn without_generations_what_dies_young_is_forgotten() {
    let store = memory();
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
    let store = memory();
    put(&store, &inode(5, Some(10), 10), owned(33));
    let changed = inode(5, Some(10), 11);
    assert_eq!(store.suspect(changed.id, changed.ctime), Err(true));
    assert_eq!(get(&store, &changed), Some(owned(33)));
    assert_eq!(store.suspect(changed.id, changed.ctime), Ok(owned(33)));
    assert_eq!(store.suspect(changed.id, inode(5, None, 12).ctime), Err(true));
}

#[test]
fn a_racy_ctime_vouches_for_nothing() {
    let store = memory();
    let fresh = inode(5, Some(NOW), NOW);
    put(&store, &fresh, owned(33));
    assert_eq!(get(&store, &fresh), Some(owned(33)));
    assert_eq!(store.suspect(fresh.id, fresh.ctime), Err(true));
}

#[test]
fn counts_follow_the_records() {
    let home = home();
    for store in [memory(), lasting(&home)] {
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

#[test]
fn the_next_run_knows_what_this_one_recorded() {
    let dir = home();
    let mut device = owned(6);
    device.device = Some(Device::Block(0x801));
    let store = lasting(&dir);
    put(&store, &link(5), owned(33));
    put(&store, &inode(6, Some(10), 10), device.clone());
    drop(store);
    let store = lasting(&dir);
    assert!(store.has_devices());
    assert_eq!(store.suspect(link(5).id, link(5).ctime), Err(true));
    assert_eq!(get(&store, &link(5)), Some(owned(33)));
    assert_eq!(store.suspect(link(5).id, link(5).ctime), Ok(owned(33)));
    assert!(store.may_be_device(inode(6, None, 0).id));
    assert_eq!(get(&store, &inode(6, Some(10), 10)), Some(device));
    assert_eq!(get(&store, &link(7)), None);
    assert_eq!(store.suspect(link(7).id, link(7).ctime), Err(false));
}

#[test]
fn another_run_is_seen_at_once() {
    let dir = home();
    let (one, other) = (lasting(&dir), lasting(&dir));
    let native = Inode { uid: 65534, ..link(5) };
    assert_eq!(get(&other, &native), None);
    assert_eq!(other.suspect(native.id, native.ctime), Err(false));
    put(&one, &native, owned(33));
    assert_eq!(other.suspect(native.id, native.ctime), Err(true));
    assert_eq!(get(&other, &native), Some(owned(33)));
    put(&one, &native, owned(34));
    assert_eq!(get(&other, &native), Some(owned(34)));
    let dir = Inode { mode: 0o042775, ..inode(6, Some(1), 1) };
    put(&one, &dir, owned(33));
    assert!(other.directories_pass_on());
    one.forget(&File::new(), &dir).unwrap();
    assert!(!other.directories_pass_on());
}

#[test]
fn files_carry_their_owners() {
    let dir = home();
    let (store, file) = (lasting(&dir), File::new());
    store.put(&file, &inode(5, Some(10), 10), owned(33)).unwrap();
    assert_eq!(carried(&file), Some(vec![8, 33, 16, 33]));
    // A copy, on another file system, with another store.
    let (elsewhere, copy) = (home(), inode(9, Some(20), 20));
    let other = lasting(&elsewhere);
    assert_eq!(other.suspect(copy.id, copy.ctime), Err(true));
    assert_eq!(other.get(&file, &copy), Some(owned(33)));
    store.forget(&file, &inode(5, Some(10), 11)).unwrap();
    assert_eq!(carried(&file), None);
}

#[test]
fn what_a_file_carries_is_believed_before_the_index() {
    let dir = home();
    let file = File::new();
    let mut record = owned(33);
    record.mode = Some(0o4755);
    lasting(&dir).put(&file, &inode(5, Some(10), 10), record.clone()).unwrap();
    carry(&file, &[8, 7, 16, 8]);
    let store = lasting(&dir);
    let changed = Record { uid: Uid::new(7).unwrap(), gid: Gid::new(8).unwrap(), ..record };
    assert_eq!(store.get(&file, &inode(5, Some(10), 11)), Some(changed.clone()));
    // Once known it is not read again, until the file changes.
    let reads = file.reads.get();
    assert_eq!(store.suspect(inode(5, None, 0).id, inode(5, None, 11).ctime), Ok(changed));
    assert_eq!(file.reads.get(), reads);
    carry(&file, &[8, 9, 16, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    let after = store.get(&file, &inode(5, Some(10), 12)).unwrap();
    assert_eq!((after.uid.raw(), after.gid.raw()), (9, 8));
}

#[test]
fn what_we_wrote_just_now_is_not_read_until_it_can_vouch() {
    let dir = home();
    let (mut store, file) = (lasting(&dir), File::new());
    let fresh = inode(5, Some(NOW - 5), NOW - 1);
    let fresh = Inode { ctime: Time { sec: NOW - 1, nsec: 999_000_000 }, ..fresh };
    store.put(&file, &fresh, owned(33)).unwrap();
    carry(&file, &[8, 7, 16, 8]);
    assert_eq!((store.get(&file, &fresh), file.reads.get()), (Some(owned(33)), 0));
    store.cache.now = || Time { sec: NOW, nsec: 50_000_000 };
    let found = store.get(&file, &fresh).unwrap();
    assert_eq!((found.uid.raw(), found.gid.raw()), (7, 8));
}

#[test]
fn what_nobody_knows_is_read_once() {
    let dir = home();
    let (store, file) = (lasting(&dir), File::new());
    let plain = inode(5, Some(10), 10);
    assert_eq!(store.get(&file, &plain), None);
    assert_eq!((store.suspect(plain.id, plain.ctime), file.reads.get()), (Err(false), 1));
    // One that changes all the time is not looked at every time.
    assert_eq!(store.suspect(plain.id, inode(5, None, 11).ctime), Err(false));
}

#[test]
fn a_malformed_attribute_counts_as_absent() {
    let dir = home();
    let (store, file) = (lasting(&dir), File::new());
    carry(&file, b"nonsense");
    assert_eq!(store.get(&file, &inode(5, Some(10), 10)), None);
    let text = CString::from(override_stat::NAME);
    file.xattrs.borrow_mut().insert(text, b"4:5:0644".to_vec());
    let found = store.get(&file, &inode(6, Some(10), 10)).unwrap();
    assert_eq!((found.uid.raw(), found.gid.raw()), (4, 5));
}

#[test]
fn a_kill_between_file_and_index_concerns_only_what_was_not_answered() {
    let dir = home();
    let (file, plain, format) = (File::new(), inode(5, Some(10), 10), Format::RootlessContainers);
    let answered = Record { mode: Some(0o4755), ..owned(33) };
    lasting(&dir).put(&file, &plain, answered.clone()).unwrap();
    // All that a put of 34 and 0755 has done before the index: the owner is new, and the rest as it was answered.
    assert_eq!(format.write(&file, &plain, &owned(34)), Ok(true));
    assert_eq!(lasting(&dir).get(&file, &plain), Some(Record { mode: Some(0o4755), ..owned(34) }));
    // Made again, as whoever was not answered would, it is whole.
    lasting(&dir).put(&file, &plain, owned(34)).unwrap();
    assert_eq!(lasting(&dir).get(&file, &plain), Some(owned(34)));
    lasting(&dir).put(&file, &plain, answered.clone()).unwrap();
    // And all that forgetting has done before it.
    assert_eq!(format.remove(&file), Ok(true));
    assert_eq!(lasting(&dir).get(&file, &plain), Some(answered));
}

#[test]
fn without_room_nothing_is_half_recorded() {
    let dir = home();
    let (store, file) = (lasting(&dir), File::new());
    store.put(&file, &inode(5, Some(10), 10), owned(33)).unwrap();
    file.fails.set(Some(Errno::EDQUOT));
    assert_eq!(store.put(&file, &inode(5, Some(10), 10), owned(34)), Err(Errno::EDQUOT));
    assert_eq!(store.forget(&file, &inode(5, Some(10), 10)), Err(Errno::EDQUOT));
    file.fails.set(None);
    assert_eq!(store.get(&file, &inode(5, Some(10), 11)), Some(owned(33)));
    drop(store);
    assert_eq!(get(&lasting(&dir), &inode(5, Some(10), 11)), Some(owned(33)));
}

#[test]
fn where_files_cannot_carry_owners_the_index_does() {
    for errno in [Errno::EOPNOTSUPP, Errno::EACCES, Errno::EPERM, Errno::ENOSPC] {
        let dir = home();
        let (store, file) = (lasting(&dir), File::new());
        carry(&file, &[8, 5, 16, 5]);
        file.fails.set(Some(errno));
        store.put(&file, &inode(5, Some(10), 10), owned(33)).unwrap();
        // What it still says of itself is known to be old.
        assert_eq!(store.get(&file, &inode(5, Some(10), 11)), Some(owned(33)), "{errno:?}");
        drop(store);
        assert_eq!(lasting(&dir).get(&file, &inode(5, Some(10), 11)), Some(owned(33)), "{errno:?}");
        let store = lasting(&dir);
        store.forget(&file, &inode(5, Some(10), 11)).unwrap();
        let found = store.get(&file, &inode(5, Some(10), 12)).map(|record| record.uid);
        assert!(found.is_none_or(|uid| uid == Uid::ROOT), "{errno:?}");
    }
}

#[test]
fn a_full_disk_beneath_the_file_is_an_error() {
    let dir = home();
    let (store, file) = (lasting(&dir), File::new());
    file.fails.set(Some(Errno::ENOSPC));
    file.on.set(remainroot_shims::owner::FileSystem { fsid: Some(7), overlay: false, full: true });
    assert_eq!(store.put(&file, &inode(5, Some(10), 10), owned(33)), Err(Errno::ENOSPC));
    assert_eq!(get(&store, &inode(5, Some(10), 10)), None);
}

#[test]
fn the_unlinked_leave_the_index() {
    let dir = home();
    let store = lasting(&dir);
    put(&store, &link(5), owned(33));
    assert_eq!(get(&store, &link(5)), Some(owned(33)));
    store.unlinked(&File::new(), &link(5));
    // It may still be open.
    assert_eq!(get(&store, &link(5)), Some(owned(33)));
    put(&store, &Inode { nlink: 0, ..link(5) }, owned(34));
    assert_eq!(get(&store, &link(5)), Some(owned(34)));
    drop(store);
    assert!(Index::open(dir.path(), Mode::Write).unwrap().is_empty().unwrap());
}

#[test]
fn a_look_at_the_disk_that_has_the_number_now_takes_nothing_from_the_other() {
    let dir = home();
    let file = File::new();
    // As XFS has it: the identity is the number of the device.
    file.on.set(remainroot_shims::owner::FileSystem { fsid: Some(1), overlay: false, full: false });
    lasting(&dir).put(&file, &link(5), owned(33)).unwrap();
    let others = Inode { btime: Some(Time { sec: 20, nsec: 0 }), ..link(5) };
    assert_eq!(lasting(&dir).get(&file, &others), None);
    assert_eq!(lasting(&dir).get(&file, &link(5)), Some(owned(33)));
}

#[test]
fn overlays_share_numbers() {
    let dir = home();
    let (store, file) = (lasting(&dir), File::new());
    file.on.set(remainroot_shims::owner::FileSystem { fsid: Some(7), overlay: true, full: false });
    let (one, other) = (link(5), Inode { btime: Some(Time { sec: 11, nsec: 0 }), ..link(5) });
    store.put(&file, &one, owned(33)).unwrap();
    drop(store);
    let store = lasting(&dir);
    assert_eq!(store.get(&file, &other), None);
    store.put(&file, &other, owned(34)).unwrap();
    drop(store);
    assert_eq!(lasting(&dir).get(&file, &one), Some(owned(33)));
    assert_eq!(lasting(&dir).get(&file, &other), Some(owned(34)));
}

#[test]
fn a_record_takes_few_bytes() {
    let entry = size_of::<(FileId, Entry)>();
    assert!(entry <= 64 && size_of::<(FileId, Absent)>() <= 48, "{entry}");
}

#[test]
fn what_others_have_done_meanwhile_is_not_undone_late() {
    let dir = home();
    let open = || {
        let index = Index::open(dir.path(), Mode::Write).unwrap();
        index.keep().unwrap();
        timed(Kept::new(Some(index), Some(Format::RootlessContainers), Systems::new(), 0))
    };
    let (file, plain) = (File::new(), inode(5, Some(10), 10));
    let (store, other) = (open(), open());
    store.put(&file, &plain, owned(33)).unwrap();
    other.forget(&file, &plain).unwrap();
    assert_eq!(store.get(&file, &inode(5, Some(10), 11)), None);
    drop((store, other));
    assert_eq!(open().get(&file, &plain), None);
    // What makes calls stop is never late: others must hear of it.
    let (store, other) = (open(), open());
    let directory = Inode { mode: 0o042755, ..inode(6, Some(10), 10) };
    store.put(&File::new(), &directory, owned(33)).unwrap();
    assert!(other.directories_pass_on());
}

#[test]
fn a_mere_owner_may_be_written_late_but_never_over_more() {
    let dir = home();
    let open = || {
        let index = Index::open(dir.path(), Mode::Write).unwrap();
        index.keep().unwrap();
        timed(Kept::new(Some(index), Some(Format::RootlessContainers), Systems::new(), 0))
    };
    let (file, plain) = (File::new(), inode(5, Some(10), 10));
    let (store, other) = (open(), open());
    store.put(&file, &plain, owned(33)).unwrap();
    assert!(store.awaits_unlink());
    assert_eq!(other.get(&file, &plain), Some(owned(33)));
    let mut more = owned(34);
    more.mode = Some(0o4755);
    other.put(&file, &plain, more.clone()).unwrap();
    assert_eq!(store.get(&file, &inode(5, Some(10), 11)), Some(more.clone()));
    // What was forgotten before it was written does not come back.
    store.put(&file, &inode(6, Some(10), 10), owned(33)).unwrap();
    store.forget(&file, &inode(6, Some(10), 10)).unwrap();
    store.put(&File::new(), &inode(7, Some(10), 10), owned(7)).unwrap();
    drop((store, other));
    let index = Index::open(dir.path(), Mode::Read).unwrap();
    let record = |ino| index.get(7, ino).unwrap().pop().map(|row| row.record);
    assert_eq!((record(5), record(6), record(7)), (Some(more), None, Some(owned(7))));
}
