use remainroot_shims::abi::{Gid, Uid};
use remainroot_shims::owner::{FileId, Time};

use super::*;
use crate::store::fake::File;

fn inode(mode: u32) -> Inode {
    let time = Time { sec: 1, nsec: 0 };
    Inode {
        id: FileId { dev: 1, ino: 2 },
        btime: Some(time),
        generation: None,
        ctime: time,
        mode,
        nlink: 1,
        size: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
    }
}

fn record() -> Record {
    Record::owned(Uid::new(33).unwrap(), Gid::new(34).unwrap())
}

fn value(file: &File, name: &CStr) -> Option<String> {
    file.xattrs.borrow().get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn read(format: Format, file: &File, inode: &Inode) -> Option<Record> {
    let carried = format.read(file, |name, why| panic!("{name:?}: {why}"));
    carried.map(|carried| carried.over(Record::owned(Uid::ROOT, Gid::ROOT), inode))
}

#[test]
fn override_stat_holds_mode_and_type() {
    let file = File::new();
    let mut full = record();
    full.mode = Some(0o4755);
    full.xattrs.insert(b"security.capability"[..].into(), b"cap"[..].into());
    full.xattrs.insert(b"trusted.x"[..].into(), b"y"[..].into());
    assert_eq!(Format::Override.write(&file, &inode(0o100755), &full), Ok(true));
    assert_eq!(value(&file, override_stat::NAME).as_deref(), Some("33:34:4755:file"));
    let capability = c"user.containers.override_security.capability";
    assert_eq!(value(&file, capability).as_deref(), Some("cap"));
    assert_eq!(file.xattrs.borrow().len(), 2);
    full.xattrs.remove(&b"trusted.x"[..]);
    assert_eq!(read(Format::Override, &file, &inode(0o100755)), Some(full));
    let mut device = record();
    device.device = Some(Device::Char(0x103));
    assert_eq!(Format::Override.write(&file, &inode(0o100600), &device), Ok(true));
    assert_eq!(value(&file, override_stat::NAME).as_deref(), Some("33:34:0600:char-1-3"));
    assert_eq!(value(&file, capability), None);
    assert_eq!(read(Format::Override, &file, &inode(0o100600)), Some(device));
    assert_eq!(Format::Override.write(&file, &inode(0o042755), &record()), Ok(true));
    assert_eq!(value(&file, override_stat::NAME).as_deref(), Some("33:34:2755:dir"));
    assert_eq!(read(Format::Override, &file, &inode(0o042755)), Some(record()));
}

#[test]
fn of_two_formats_the_chosen_one_is_believed() {
    let file = File::new();
    Format::RootlessContainers.write(&file, &inode(0o100644), &record()).unwrap();
    file.xattrs.borrow_mut().insert(override_stat::NAME.to_owned(), b"1:2:644".to_vec());
    let uid = |format| read(format, &file, &inode(0o100644)).unwrap().uid.raw();
    assert_eq!((uid(Format::RootlessContainers), uid(Format::Override)), (33, 1));
    file.xattrs.borrow_mut().remove(override_stat::NAME);
    assert_eq!(uid(Format::Override), 33);
}

#[test]
fn removing_leaves_nothing() {
    let file = File::new();
    let mut full = record();
    full.xattrs.insert(b"security.x"[..].into(), b"y"[..].into());
    Format::Override.write(&file, &inode(0o100644), &full).unwrap();
    Format::RootlessContainers.write(&file, &inode(0o100644), &full).unwrap();
    file.xattrs.borrow_mut().insert(c"user.mine".to_owned(), b"1".to_vec());
    assert_eq!(Format::Override.remove(&file), Ok(true));
    assert_eq!(file.xattrs.borrow().keys().collect::<Vec<_>>(), [c"user.mine"]);
    assert_eq!(Format::Override.remove(&file), Ok(true));
}

#[test]
fn what_cannot_be_removed_is_told() {
    let file = File::new();
    file.fails.set(Some(Errno::EACCES));
    assert_eq!(Format::RootlessContainers.remove(&file), Ok(true));
    file.xattrs.borrow_mut().insert(rootlesscontainers::NAME.to_owned(), vec![8, 1]);
    assert_eq!(Format::RootlessContainers.remove(&file), Ok(false));
    file.fails.set(Some(Errno::EROFS));
    assert_eq!(Format::RootlessContainers.remove(&file), Err(Errno::EROFS));
}
