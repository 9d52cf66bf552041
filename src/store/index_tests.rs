use std::fs::{self, read, write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use remainroot_shims::abi::{Gid, Uid};
use remainroot_shims::owner::Record;
use tempfile::TempDir;

use super::*;

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &TempDir) -> Index {
    Index::open(dir.path(), Mode::Write).unwrap()
}

fn kind(dir: &TempDir, mode: Mode) -> Kind {
    match Index::open(dir.path(), mode) {
        Err(fault) => fault.kind,
        Ok(_) => panic!("{} opens", dir.path().display()),
    }
}

fn row(ino: u64, uid: u32) -> Row {
    Row {
        fs: u64::MAX - 1,
        ino,
        btime: Some(Time { sec: 5, nsec: 6 }),
        generation: Some(7),
        traits: Traits::default(),
        alone: false,
        young: false,
        overlay: false,
        record: Record::owned(Uid::new(uid).unwrap(), Gid::ROOT),
    }
}

/// The inode numbers of all records.
fn numbers(index: &Index) -> Vec<u64> {
    let mut all = Vec::new();
    let each = index.each(|row| {
        all.push(row.ino);
        ControlFlow::Continue(())
    });
    each.unwrap();
    all
}

/// An index on disk with a thousand records.
fn with_a_thousand(dir: &TempDir) {
    let index = open(dir);
    for ino in 0..1000 {
        index.put(&row(ino, 33)).unwrap();
    }
}

#[test]
fn what_is_put_is_there_for_the_next() {
    let dir = home();
    let index = open(&dir);
    index.put(&row(1, 33)).unwrap();
    index.put(&row(1, 34)).unwrap();
    index.put(&Row { btime: None, ..row(1, 35) }).unwrap();
    index.put(&row(u64::MAX, 36)).unwrap();
    index.remove(row(2, 0).fs, 2, None).unwrap();
    drop(index);
    let index = Index::open(dir.path(), Mode::Read).unwrap();
    assert_eq!(index.get(row(1, 0).fs, 1).unwrap(), [Row { btime: None, ..row(1, 35) }, row(1, 34)]);
    // SQLite's integers have signs.
    assert_eq!(numbers(&index), [u64::MAX, 1, 1]);
    index.check().unwrap();
}

#[test]
fn removed_is_removed() {
    let dir = home();
    let index = open(&dir);
    assert!(index.is_empty().unwrap());
    index.put(&row(1, 33)).unwrap();
    index.put(&Row { btime: None, ..row(1, 35) }).unwrap();
    index.remove(row(1, 0).fs, 1, row(1, 0).btime).unwrap();
    assert_eq!(index.get(row(1, 0).fs, 1).unwrap(), [Row { btime: None, ..row(1, 35) }]);
    assert!(!index.is_empty().unwrap());
}

#[test]
fn traits_are_those_of_all() {
    let dir = home();
    let index = open(&dir);
    assert_eq!(index.traits().unwrap(), Traits::default());
    index.put(&Row { traits: Traits::DEVICE, ..row(1, 0) }).unwrap();
    index.put(&Row { traits: Traits::PASSES_ON, ..row(2, 0) }).unwrap();
    index.put(&Row { traits: Traits::PASSES_ON.and(Traits::XATTRS), ..row(3, 0) }).unwrap();
    assert_eq!(index.traits().unwrap().0, 7);
    assert_eq!(index.devices().unwrap(), [(row(1, 0).fs, 1)]);
    index.put(&row(1, 0)).unwrap();
    index.remove(row(3, 0).fs, 3, row(3, 0).btime).unwrap();
    assert_eq!(index.traits().unwrap(), Traits::PASSES_ON);
}

#[test]
fn others_see_a_change_at_once() {
    let dir = home();
    let (one, other) = (open(&dir), open(&dir));
    assert!(!one.was_changed() && !other.was_changed());
    one.put(&row(1, 33)).unwrap();
    assert!(!one.was_changed());
    assert!(other.was_changed() && !other.was_changed());
    assert_eq!(other.get(row(1, 0).fs, 1).unwrap(), [row(1, 33)]);
    other.put(&row(1, 34)).unwrap();
    one.put(&row(2, 33)).unwrap();
    assert!(one.was_changed() && other.was_changed());
}

#[test]
fn many_processes_lose_nothing() {
    let dir = home();
    let path = dir.path();
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            scope.spawn(move || {
                let index = Index::open(path, Mode::Write).unwrap();
                for ino in 0..200 {
                    index.put(&row(writer * 1000 + ino, 33)).unwrap();
                }
            });
        }
    });
    assert_eq!(numbers(&open(&dir)).len(), 800);
}

#[test]
fn whoever_makes_it_waits_for_others_that_do() {
    let dir = home();
    let path = dir.path().join(FILE);
    // As a connection of another process's that is about to write: `RESERVED_BYTE` of SQLite's file format. The lock is
    // one of an open file description, which conflicts with the process's own, too.
    let other = std::fs::File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    let range = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0x4000_0001,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(&other, nix::fcntl::FcntlArg::F_OFD_SETLK(&range)).unwrap();
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| Index::open(dir.path(), Mode::Write).map(drop));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!opened.is_finished());
        drop(other);
        opened.join().unwrap().unwrap();
    });
}

#[test]
fn what_is_no_index_is_left_alone() {
    let dir = home();
    let path = dir.path().join(FILE);
    write(&path, "something else entirely").unwrap();
    assert_eq!((kind(&dir, Mode::Write), kind(&dir, Mode::Read)), (Kind::Foreign, Kind::Foreign));
    assert_eq!(read(&path).unwrap(), b"something else entirely");
    std::fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(other);
    assert_eq!((kind(&dir, Mode::Write), kind(&dir, Mode::Read)), (Kind::Foreign, Kind::Foreign));
}

#[test]
fn an_index_that_was_begun_is_an_empty_one() {
    let begun: [fn(&Connection); 2] =
        [|_| {}, |db| drop(db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)))];
    for begin in begun {
        let dir = home();
        begin(&Connection::open(dir.path().join(FILE)).unwrap());
        let index = Index::open(dir.path(), Mode::Read).unwrap();
        index.check().unwrap();
        index.each(|_| panic!("there are no rows")).unwrap();
    }
}

#[test]
fn a_newer_format_is_refused() {
    let dir = home();
    open(&dir).db.execute_batch("PRAGMA user_version = 2").unwrap();
    assert_eq!(kind(&dir, Mode::Write), Kind::Newer(2));
}

#[test]
fn a_truncated_index_is_told() {
    let dir = home();
    with_a_thousand(&dir);
    let path = dir.path().join(FILE);
    let whole = read(&path).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, 1024, 100] {
        write(&path, &whole[..length]).unwrap();
        assert!(matches!(kind(&dir, Mode::Write), Kind::Damaged(_) | Kind::Foreign), "{length}");
        assert_eq!(read(&path).unwrap(), &whole[..length], "it was changed");
    }
}

#[test]
fn garbage_within_is_told() {
    let dir = home();
    with_a_thousand(&dir);
    let path = dir.path().join(FILE);
    let mut bytes = read(&path).unwrap();
    for page in bytes.chunks_mut(1024).skip(1) {
        page[..200].fill(0xA5);
    }
    write(&path, bytes).unwrap();
    let told = Index::open(dir.path(), Mode::Write).and_then(|index| index.check());
    assert!(matches!(told.unwrap_err().kind, Kind::Damaged(_)));
}

#[test]
fn to_read_one_it_must_be_there() {
    let dir = home();
    assert!(matches!(kind(&dir, Mode::Read), Kind::Denied(_)));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn the_directory_is_ones_own() {
    let dir = home();
    let store = dir.path().join("a/b");
    drop(Index::open(&store, Mode::Write).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&store), mode(&store.join(FILE))), (0o700, 0o600));
}

#[test]
fn what_somebody_has_written_who_was_killed_before_he_said_so_is_found() {
    let dir = home();
    let (one, other) = (open(&dir), open(&dir));
    let in_vain = |index: &Index| {
        (1..1000).for_each(|ino| assert!(index.get(row(ino, 0).fs, ino).unwrap().is_empty()));
    };
    let turn = one.turn();
    one.count_change();
    in_vain(&other);
    let Row { fs, ino, btime, traits, .. } = row(7000, 33);
    let bytes = encode(&row(7000, 33));
    let values = params![fs as i64, ino as i64, pack(btime), traits.0, bytes];
    one.db.execute("INSERT INTO owners VALUES (?, ?, ?, ?, ?)", values).unwrap();
    drop(turn);
    assert_eq!(other.get(fs, 7000).unwrap(), [row(7000, 33)]);
    // From then on, those who look need not ask.
    in_vain(&other);
    assert!(!other.filter.may_have(other.changes.as_ref().unwrap().of_others(), fs, 5));
}
