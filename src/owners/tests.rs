//! Lists against trees, with a store in memory.

use std::ffi::{CStr, CString};
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::libc;
use remainroot_shims::abi::{Errno, Gid, Uid, makedev};
use remainroot_shims::owner::{Attributes, Device, FileId, Inode, Record, Store, Time, World};

use super::import::{From, Outcome, import};
use super::names::shown;
use super::rows::{self, Rows};
use super::show::Depth;
use super::verify::{self, Repair, Verdict};
use super::{Progress, Tree, diff, set};
use crate::store::{File, Kept, Row, Systems, Traits};
use crate::sys::fd;
use crate::sys::xattr::{self, Name};

const NATIVE: World =
    World { root_uid: 0, root_gid: 0, overflows: false, dac_override: true, reads_undumpable: true };

/// A tree with a file of two names, a link and a directory.
struct Lab {
    dir: tempfile::TempDir,
    store: Kept,
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("d")).unwrap();
        fs::write(tree.join("d/file"), "x").unwrap();
        fs::hard_link(tree.join("d/file"), tree.join("d/other")).unwrap();
        symlink("file", tree.join("d/link")).unwrap();
        fs::write(tree.join("null"), "").unwrap();
        Lab { dir, store: Kept::default() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn list(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join("list");
        fs::write(&path, text).unwrap();
        path
    }

    fn import(&self, from: &From) -> Result<Outcome, String> {
        self.import_to(&self.store, from)
    }

    fn import_to(&self, store: &dyn Store, from: &From) -> Result<Outcome, String> {
        let path = self.path();
        import(&Tree { path: &path, store, world: NATIVE }, from).map_err(|trouble| trouble.to_string())
    }

    fn record(&self, path: &str) -> Option<Record> {
        let path = self.path().join(path);
        let tree = Tree { path: &path, store: &self.store, world: NATIVE };
        tree.root(&Progress::new("looking")).unwrap().record
    }

    fn owner(&self, path: &str) -> Option<(u32, u32)> {
        self.record(path).map(|record| (record.uid.raw(), record.gid.raw()))
    }
}

fn fakeroot_line(path: &Path, mode: u32, uid: u32, rdev: u64) -> String {
    let stat = fs::symlink_metadata(path).unwrap();
    format!("dev={:x},ino={},mode={mode:o},uid={uid},gid=7,nlink=1,rdev={rdev}\n", stat.dev(), stat.ino())
}

#[test]
fn a_list_of_inodes() {
    let lab = Lab::new();
    let tree = lab.path();
    let list = [
        fakeroot_line(&tree.join("d/file"), 0o104755, 33, 0),
        fakeroot_line(&tree.join("d/link"), 0o120777, 34, 0),
        fakeroot_line(&tree.join("null"), 0o020666, 0, makedev(1, 3)),
        fakeroot_line(&tree.join("d"), 0o100644, 5, 0),
        "dev=1,ino=1,mode=100644,uid=0,gid=0,nlink=1,rdev=0\n".to_owned(),
    ];
    let outcome = lab.import(&From::Fakeroot(lab.list(list.concat()))).unwrap();
    assert_eq!(outcome, Outcome { taken: 3, unchanged: 0, strangers: 1, unmentioned: 1, refused: 1 });
    assert_eq!((lab.owner("d/file"), lab.owner("d/other")), (Some((33, 7)), Some((33, 7))));
    assert_eq!(lab.record("d/file").unwrap().mode, Some(0o4755));
    assert_eq!(lab.owner("d/link"), Some((34, 7)));
    assert_eq!(lab.record("null").unwrap().device, Some(Device::Char(makedev(1, 3))));
    assert_eq!(lab.owner("d"), None);
}

#[test]
fn a_list_of_paths() {
    let lab = Lab::new();
    let list = "#mtree\n. type=dir uid=1 gid=2\n./d/file type=file uid=33 gid=34 mode=0640\n./gone type=file uid=1\n";
    let outcome = lab.import(&From::Mtree(lab.list(list))).unwrap();
    assert_eq!(outcome, Outcome { taken: 2, unchanged: 0, strangers: 1, unmentioned: 3, refused: 0 });
    assert_eq!((lab.owner(""), lab.owner("d/file")), (Some((1, 2)), Some((33, 34))));
    assert_eq!(lab.record("d/file").unwrap().mode, Some(0o640));
    let again = lab.import(&From::Mtree(lab.list(list))).unwrap();
    assert_eq!((again.taken, again.unchanged), (0, 2));
}

#[test]
fn what_was_exported_is_imported() {
    let lab = Lab::new();
    let tree = lab.path();
    let null = fakeroot_line(&tree.join("null"), 0o020666, 0, makedev(1, 3));
    let file = fakeroot_line(&tree.join("d/file"), 0o104755, 3_000_000, 0);
    lab.import(&From::Fakeroot(lab.list([null, file].concat()))).unwrap();

    use super::export::{Format, Grain, Output, Times, export};
    let times = Times { epoch: None, grain: Grain::Nanoseconds };
    let shown = Tree { path: &tree, store: &lab.store, world: NATIVE };
    for format in [Format::Tar, Format::Mtree, Format::Fakeroot] {
        let to = lab.dir.path().join("exported");
        export(&shown, &format, times, &Output::Path(to.clone())).unwrap();
        let from = match format {
            Format::Tar => From::Tar(to),
            Format::Mtree => From::Mtree(to),
            _ => From::Fakeroot(to),
        };
        let new = Kept::default();
        let outcome = lab.import_to(&new, &from).unwrap();
        assert_eq!((outcome.strangers, outcome.refused), (0, 0), "{format:?}");
        let other = Tree { path: &tree, store: &new, world: NATIVE };
        let mut differences = String::new();
        let count = diff::diff(&shown, &other, |line| {
            differences += line;
            Ok(())
        });
        assert_eq!((count.unwrap(), differences.as_str()), (0, ""), "{format:?}");
    }
}

#[test]
fn of_a_list_that_is_wrong_nothing_is_taken() {
    let lab = Lab::new();
    let good = fakeroot_line(&lab.path().join("d/file"), 0o100644, 33, 0);
    let wrong = |from: &dyn Fn(PathBuf) -> From, text: &[u8]| {
        let why = lab.import(&from(lab.list(text))).unwrap_err();
        assert_eq!(lab.owner("d/file"), None, "{why}");
        why.rsplit_once("/list").unwrap().1.to_owned()
    };
    let why = wrong(&From::Fakeroot, format!("{good}dev=1,ino=x\n").as_bytes());
    assert!(
        why.starts_with(", line 2: ino=x: expected a number to the base 10\nnothing was imported"),
        "{why}"
    );
    let why = wrong(&From::Fakeroot, &good.as_bytes()[..good.len() - 1]);
    assert!(why.starts_with(", line 1: it has no end: the file is truncated"), "{why}");
    let why = wrong(&From::Mtree, b"d/file uid=33\nd/file uid=33 \\\n");
    assert!(why.starts_with(", line 2: the last line goes on"), "{why}");
    let why = wrong(&From::Tar, b"not an archive");
    assert!(why.starts_with(", entry at byte 0: this is no tar archive"), "{why}");
    let why = wrong(&From::Tar, b"\xFD7zXZ\0");
    assert!(why.contains("unpack it first"), "{why}");
    let why = wrong(&From::Pseudo, b"not a database, though long enough to be one");
    assert!(why.contains("not a database of pseudo's"), "{why}");
}

/// A store that has no room for a second file.
#[derive(Default)]
struct Full(Kept, std::cell::Cell<u32>);

impl Store for Full {
    fn find(&self, file: &dyn Attributes, inode: &Inode) -> Result<Option<Record>, Errno> {
        self.0.find(file, inode)
    }

    fn suspect(&self, id: FileId, ctime: Time) -> Result<Record, bool> {
        self.0.suspect(id, ctime)
    }

    fn put(&self, file: &dyn Attributes, inode: &Inode, record: Record) -> Result<(), Errno> {
        self.1.set(self.1.get() + 1);
        if self.1.get() == 2 { Err(Errno::ENOSPC) } else { self.0.put(file, inode, record) }
    }

    fn forget(&self, file: &dyn Attributes, inode: &Inode) -> Result<(), Errno> {
        self.0.forget(file, inode)
    }

    fn unlinked(&self, file: &dyn Attributes, inode: &Inode) {
        self.0.unlinked(file, inode);
    }

    fn directories_pass_on(&self) -> bool {
        self.0.directories_pass_on()
    }

    fn has_devices(&self) -> bool {
        self.0.has_devices()
    }

    fn may_be_device(&self, id: FileId) -> bool {
        self.0.may_be_device(id)
    }

    fn has_xattrs(&self) -> bool {
        self.0.has_xattrs()
    }

    fn awaits_unlink(&self) -> bool {
        self.0.awaits_unlink()
    }
}

#[test]
fn where_there_is_no_room_what_was_known_stands() {
    let lab = Lab::new();
    let (path, store) = (lab.path(), Full::default());
    let before = set::claim("5:6").unwrap();
    store.1.set(10);
    assert_eq!(set::set(&[path.join("d")], Depth::Named, &before, &store, NATIVE), 0);
    store.1.set(0);
    let list = ". uid=1\nd uid=33\nnull uid=33\n";
    let why = lab.import_to(&store, &From::Mtree(lab.list(list))).unwrap_err();
    assert!(why.contains("tree/d: No space left on device\nnothing was recorded"), "{why}");
    let tree = Tree { path: &path, store: &store, world: NATIVE };
    let mut owners = Vec::new();
    let known = tree.each(&Progress::new("looking"), None, |entry| {
        owners.extend(entry.record.map(|record| (record.uid, record.gid)));
        Ok(())
    });
    known.unwrap();
    assert_eq!(owners, [(Uid::new(5).unwrap(), Gid::new(6).unwrap())]);
}

#[test]
fn two_trees_are_compared() {
    let (one, other) = (Lab::new(), Lab::new());
    let owner = set::claim("33:34:4755").unwrap();
    assert_eq!(set::set(&[other.path().join("d/file")], Depth::Named, &owner, &other.store, NATIVE), 0);
    fs::remove_file(one.path().join("null")).unwrap();
    fs::write(other.path().join("d-new"), "").unwrap();
    let mut lines = String::new();
    let (a, b) = (one.path(), other.path());
    let count = diff::diff(
        &Tree { path: &a, store: &one.store, world: NATIVE },
        &Tree { path: &b, store: &other.store, world: NATIVE },
        |line| {
            lines += line;
            Ok(())
        },
    );
    assert_eq!(count.unwrap(), 4, "{lines}");
    let starts = ["! d/file: owner ", "! d/other: owner ", "+ d-new", "+ null"];
    for (line, start) in lines.lines().zip(starts) {
        assert!(line.starts_with(start), "{lines}");
    }
    assert!(lines.contains("-> 33:34, mode 0"), "{lines}");
}

#[test]
fn attributes_on_the_files_are_understood_at_once() {
    let lab = Lab::new();
    let attribute = |path: &str, name: &CStr, value: &[u8]| {
        let path = CString::new(lab.path().join(path).into_os_string().into_vec()).unwrap();
        xattr::set(Name::new(&path), name, value, 0).unwrap();
    };
    attribute("d/file", c"user.rootlesscontainers", &[8, 33, 16, 34]);
    attribute("d", c"user.containers.override_stat", b"5:6:0750:dir");
    attribute("null", c"user.containers.override_stat", b"malformed");
    let show = |store: &Kept| {
        let mut lines = String::new();
        let failed = super::show::show(&[lab.path()], Depth::Below, store, NATIVE, |line| {
            lines += line;
            Ok(())
        });
        assert_eq!(failed, 0);
        lines
    };
    let lines = show(&lab.store);
    let line = |name: &str| lines.lines().find(|line| line.ends_with(name)).unwrap();
    assert!(line("tree/d/other").contains("    33     34          1 "), "{lines}");
    assert!(line("tree/d/other").contains(" attribute "), "{lines}");
    assert!(line("tree/d").starts_with("drwxr-x---"), "{lines}");
    assert!(line("tree/null").contains(" file "), "{lines}");
    assert!(!lines.contains("user."), "the attributes themselves are hidden: {lines}");
    let outcome = lab.import(&From::Attributes).unwrap();
    assert_eq!(outcome, Outcome { taken: 2, unchanged: 0, strangers: 0, unmentioned: 3, refused: 1 });
    assert!(show(&lab.store).contains("    attribute mode"));
}

/// The row of a file that says `owner`.
fn row(path: &Path, uid: u32) -> Row {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    let held = fd::open_path(libc::AT_FDCWD, &name, libc::O_NOFOLLOW).unwrap();
    let stat =
        fd::statx(held.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_BASIC_STATS | libc::STATX_BTIME);
    let inode = fd::inode_of(&stat.unwrap());
    Row {
        fs: Systems::new().of(&File::new(held.as_fd()), inode.id.dev).key,
        ino: inode.id.ino,
        btime: inode.btime,
        generation: fd::generation(held.as_fd()),
        traits: Traits::default(),
        alone: false,
        young: false,
        overlay: false,
        record: Record::owned(Uid::new(uid).unwrap(), Gid::ROOT),
    }
}

fn mirror(path: &Path, uid: u8) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    xattr::set(Name::new(&path), c"user.rootlesscontainers", &[8, uid, 16, 0], 0).unwrap();
}

#[test]
fn index_attributes_and_tree_are_compared() {
    let lab = Lab::new();
    let path = lab.path();
    let look = |rows: &[Row]| {
        let (mut lines, nothing) = (String::new(), Kept::default());
        let tree = Tree { path: &path, store: &nothing, world: NATIVE };
        let verdict = verify::verify(&tree, Rows::new(rows.to_vec(), Systems::new()), |line| {
            lines += line.split_once("/tree").unwrap().1;
            Ok(())
        });
        (verdict.unwrap(), lines)
    };
    assert_eq!(look(&[]), (Verdict::default(), String::new()));
    mirror(&path.join("d"), 33);
    mirror(&path.join("null"), 34);
    let good = [row(&path.join("d"), 33), row(&path.join("d/link"), 7)];
    let verdict = Verdict { indexed: 2, attribute_only: 1, ..Verdict::default() };
    assert_eq!(look(&good), (verdict, String::new()));
    let mut device = row(&path.join("d/file"), 0);
    device.record.device = Some(Device::Char(makedev(1, 3)));
    let mut earlier = row(&path.join("null"), 34);
    earlier.generation = earlier.generation.map(|generation| generation ^ 1);
    let mut stray = row(&path, 1);
    stray.btime = Some(Time { sec: 1, nsec: 1 });
    let bad = [row(&path.join("d"), 5), device, stray, row(&path, 0)];
    let (verdict, lines) = look(&bad);
    assert_eq!(verdict, Verdict { indexed: 3, attribute_only: 1, wrong: 3, left: 1 }, "{lines}");
    assert_eq!(
        lines,
        ": 0:0 by the index, and no attribute\n/d: 5:0 by the index, 33:0 by its attribute\n\
         /d/file: a device by the index, but a regular file with content\n"
    );
    if earlier.generation.is_some() {
        assert!(look(&[earlier]).1.contains("an earlier file"));
    }
    let alone = Row { alone: true, ..row(&path.join("d"), 5) };
    assert_eq!(look(&[alone]).0.wrong, 0);
    // A disk that has another number now.
    let former = Row { fs: 5, ..row(&path.join("d/link"), 7) };
    assert_eq!(look(&[former]).1, "/d/link: recorded under another number of its file system\n");
}

#[test]
fn records_of_files_that_are_gone_are_found() {
    let lab = Lab::new();
    let (path, nothing) = (lab.path(), Kept::default());
    let gone = |rows: &[Row], paths: &[&Path]| {
        let trees: Vec<_> = paths.iter().map(|path| Tree { path, store: &nothing, world: NATIVE }).collect();
        let gone = rows::gone(&trees, Rows::new(rows.to_vec(), Systems::new())).unwrap();
        gone.rows.iter().map(|row| row.record.uid.raw()).collect::<Vec<_>>()
    };
    let (file, link) = (row(&path.join("d/file"), 1), row(&path.join("d/link"), 2));
    let mut earlier = Row { record: Record::owned(Uid::new(3).unwrap(), Gid::ROOT), ..link.clone() };
    earlier.btime = Some(Time { sec: 1, nsec: 1 });
    // Nothing is known of where this one is.
    let elsewhere = Row { fs: link.fs ^ 1, ..earlier.clone() };
    let rows = [file, link, earlier, elsewhere];
    assert_eq!(gone(&rows, &[&path]), [3]);
    std::fs::remove_file(path.join("d/link")).unwrap();
    let mut found = gone(&rows, &[&path]);
    found.sort_unstable();
    assert_eq!(found, [2, 3]);
    assert_eq!(gone(&rows[..2], &[&path.join("null"), &path.join("d")]), [2]);
}

#[test]
fn a_lost_index_is_made_anew_from_attributes() {
    let lab = Lab::new();
    let path = lab.path();
    mirror(&path.join("d"), 33);
    mirror(&path.join("d/file"), 34);
    let alone = Row { alone: true, ..row(&path.join("d/file"), 35) };
    let repair = |rows: &[Row]| {
        let (mut lines, store) = (String::new(), Kept::default());
        let tree = Tree { path: &path, store: &store, world: NATIVE };
        let repair = verify::repair(&tree, Rows::new(rows.to_vec(), Systems::new()), |line| {
            lines += line.split_once("/tree").unwrap().1;
            Ok(())
        });
        let mut known = Vec::new();
        let looked = tree.each(&Progress::new("looking"), None, |entry| {
            known.extend(entry.stored.as_ref().map(|record| (shown(&entry.path), record.uid.raw())));
            Ok(())
        });
        looked.unwrap();
        (repair.unwrap(), lines, known)
    };
    let (result, lines, known) = repair(&[]);
    let expected = Repair { recovered: 2, unknown: 1, bare: 2, anew: true, ..Repair::default() };
    assert_eq!(result, expected);
    assert_eq!(lines, "/d/link: a symbolic link, which cannot carry an attribute\n");
    let owners = [("d", 33), ("d/file", 34), ("d/other", 34)].map(|(path, uid)| (path.to_owned(), uid));
    assert_eq!(known, owners);
    // The records of a disk that has another number now: they hold more than the attributes do.
    let mut former = [row(&path.join("d/file"), 5), row(&path.join("d/link"), 7)];
    former.iter_mut().for_each(|row| row.fs ^= 1);
    former[0].record.mode = Some(0o4755);
    let (result, _, known) = repair(&former);
    assert_eq!((result.brought, result.recovered, result.unknown), (2, 1, 0));
    assert_eq!(known[2], ("d/link".to_owned(), 7));
    // A kill between file and index: the file is believed. Where it carries nothing, the index has the last word.
    let (result, _, known) = repair(&[row(&path.join("d"), 5), row(&path.join("null"), 6)]);
    assert_eq!((result.recovered, known), (2, owners.to_vec()));
    let (result, _, known) = repair(&[alone]);
    assert_eq!((result.recovered, known), (1, owners[..1].to_vec()));
    std::fs::File::create(path.join("d/null")).unwrap();
    mirror(&path.join("d/null"), 0);
    let (result, lines, _) = repair(&[]);
    assert_eq!((result.recovered, result.hollow), (3, 1));
    assert!(lines.contains("/d/null: empty, and may have stood for a device\n"), "{lines}");
}
