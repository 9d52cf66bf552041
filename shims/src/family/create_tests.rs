use linux_raw_sys::general::O_WRONLY;

use super::*;
use crate::family::mock::{Mock, call, run};
use crate::owner::tests_support::user;
use crate::owner::{ACL_ACCESS, Acl};

/// mkdir("/d/new", 0755) by the kernel.
fn made_dir(mock: &Rc<Mock>) -> Answer {
    let made = call(mock, &["/d/new"], &[0o777]);
    let kernel = |mock: &Mock, _| {
        mock.file("/d/new", 0o040755);
        Ok(0)
    };
    run(mock, |guest| mkdir(guest, made), kernel)
}

/// open("/d/new", O_CREAT, mode) by the kernel, as descriptor 5.
fn opened_file(mock: &Rc<Mock>, mode: u32) -> Answer {
    let made = call(mock, &["/d/new"], &[O_CREAT.into(), mode.into()]);
    let kernel = |mock: &Mock, _| {
        mock.file("/d/new", 0o100000 | mode & !0o022);
        mock.open(5, "/d/new");
        Ok(5)
    };
    run(mock, |guest| open(guest, made), kernel)
}

fn mock(dir_mode: u32) -> Rc<Mock> {
    let mock = Rc::new(Mock::new());
    mock.file("/d", dir_mode);
    mock
}

#[test]
fn what_root_makes_runs_unseen() {
    let mock = mock(0o040777);
    assert_eq!((made_dir(&mock), opened_file(&mock, 0o644)), (Answer::Native, Answer::Native));
    assert_eq!(mock.submitted(), []);
}

#[test]
fn others_own_what_they_make() {
    let mock = mock(0o040777);
    mock.be(user(1000, 1001, &[]));
    made_dir(&mock);
    assert_eq!(mock.owner("/d/new"), (1000, 1001));
    // What exists is only opened.
    opened_file(&mock, 0o644);
    assert_eq!(mock.submitted().len(), 1);
    mock.remove("/d/new");
    opened_file(&mock, 0o644);
    assert_eq!(mock.owner("/d/new"), (1000, 1001));
}

#[test]
fn a_set_group_id_directory_passes_its_group_on() {
    let mock = mock(0o042777);
    mock.record("/d", |record| record.gid = crate::owner::tests_support::gid(50));
    opened_file(&mock, 0o644);
    assert_eq!(mock.owner("/d/new"), (0, 50));
}

#[test]
fn set_id_bits_given_at_birth_are_recorded() {
    let mock = mock(0o040777);
    opened_file(&mock, 0o4755);
    assert_eq!(mock.recorded("/d/new").and_then(|record| record.mode), Some(0o4755));
}

#[test]
fn without_dac_override_the_owner_keeps_access() {
    let mock = mock(0o040777);
    mock.without_dac_override();
    opened_file(&mock, 0);
    assert_eq!((mock.mode("/d/new"), mock.native_mode("/d/new")), (0o100000, 0o100600));
}

#[test]
fn default_lists_are_inherited() {
    let mock = mock(0o040777);
    // user::rwx, user:33:rwx, group::r-x, mask::rwx, other::---
    let mut value = vec![2, 0, 0, 0];
    for (tag, perm, id) in [(1u8, 7u8, 255u8), (2, 7, 33), (4, 5, 255), (16, 7, 255), (32, 0, 255)] {
        let id = if id == 255 { u32::MAX } else { id.into() };
        value.extend([tag, 0, perm, 0]);
        value.extend(id.to_le_bytes());
    }
    let list = Acl::from_xattr(&value).unwrap().unwrap();
    mock.record("/d", |record| {
        record.xattrs.insert(ACL_DEFAULT.into(), list.to_xattr());
    });
    opened_file(&mock, 0o666);
    let record = mock.recorded("/d/new").unwrap();
    assert_eq!(mock.mode("/d/new"), 0o100660);
    assert!(record.xattrs.contains_key(ACL_ACCESS) && !record.xattrs.contains_key(ACL_DEFAULT));
    mock.remove("/d/new");
    made_dir(&mock);
    assert!(mock.recorded("/d/new").unwrap().xattrs.contains_key(ACL_DEFAULT));
    assert_eq!(mock.mode("/d/new"), 0o040770);
}

#[test]
fn a_device_in_a_sticky_directory_is_opened_without_creating() {
    let mock = mock(0o041777);
    mock.file("/d/null", 0o100666);
    mock.record("/d/null", |record| record.device = Some(Device::Char(0x103)));
    let flags = O_CREAT | O_WRONLY;
    let opened = |flags: u32, reply: Result<u64, Errno>| {
        let made = call(&mock, &["/d/null"], &[flags.into(), 0o666]);
        let answer = run(&mock, |guest| open(guest, made), |_, _| reply);
        (answer, mock.submitted().last().copied())
    };
    let (answer, made) = opened(flags, Ok(3));
    let Some(Host::With(args)) = made else { panic!("{made:?}") };
    assert_eq!((answer, args[1]), (Answer::Native, O_WRONLY.into()));
    // Removed just now: the kernel is asked what becomes of the call as it was made.
    assert_eq!(opened(flags, Err(Errno::ENOENT)), (Answer::Native, Some(Host::Native)));
    let before = mock.submitted().len();
    assert_eq!(opened(flags | O_EXCL, Err(Errno::EEXIST)).0, Answer::Native);
    mock.record("/d/null", |record| record.uid = Uid::new(1000).unwrap());
    assert_eq!(opened(flags, Ok(3)).0, Answer::Err(Errno::EACCES));
    assert_eq!(mock.submitted().len(), before);
}

#[test]
fn a_store_without_room_fails_the_call() {
    let mock = Rc::new(Mock::new());
    mock.be(user(1000, 1000, &[]));
    mock.fill_store();
    let made = call(&mock, &["/d"], &[0o755]);
    let kernel = |mock: &Mock, _| {
        mock.file("/d", 0o040755);
        Ok(0)
    };
    assert_eq!(run(&mock, |guest| mkdir(guest, made), kernel), Answer::Err(Errno::ENOSPC));
    assert!(!mock.exists("/d"));
}

/// What the store without room answers to open("/d/new", flags), and the calls that the guest had to make. The first
/// `faster` of them find that somebody else has just made the file; `meanwhile` comes before the store's turn.
fn opened_without_room(
    mock: &Rc<Mock>,
    flags: u32,
    faster: usize,
    meanwhile: fn(&Mock),
) -> (Answer, Vec<Host>) {
    let made = call(mock, &["/d/new"], &[flags.into(), 0o644]);
    let before = mock.submitted().len();
    let kernel = |mock: &Mock, host| match host {
        Host::Close(fd) => {
            mock.close(fd);
            Ok(0)
        }
        _ => {
            mock.file("/d/new", 0o100644);
            if mock.submitted().len() - before <= faster {
                return Err(Errno::EEXIST);
            }
            mock.open(5, "/d/new");
            meanwhile(mock);
            Ok(5)
        }
    };
    let answer = run(mock, |guest| open(guest, made), kernel);
    (answer, mock.submitted()[before..].to_vec())
}

#[test]
fn what_cannot_be_recorded_is_closed_and_removed() {
    let mock = mock(0o040777);
    mock.be(user(1000, 1000, &[]));
    mock.fill_store();
    let full = Answer::Err(Errno::ENOSPC);
    // By the guest's own call, and by the same with O_EXCL.
    for flags in [O_CREAT | O_WRONLY, O_CREAT | O_EXCL] {
        let (answer, made) = opened_without_room(&mock, flags, 0, |_| {});
        assert_eq!((answer, made.last()), (full, Some(&Host::Close(5))), "{made:?}");
        assert!(!mock.exists("/d/new") && !mock.is_open(5));
    }
    // What is somebody else's, or may be, is only closed.
    let (answer, made) = opened_without_room(&mock, O_CREAT | O_WRONLY, 1, |_| {});
    let Some(&[Host::With(first), Host::Native, Host::Close(5)]) = made.get(..3) else { panic!("{made:?}") };
    assert_eq!((answer, first[1]), (full, (O_CREAT | O_WRONLY | O_EXCL).into()));
    assert!(mock.exists("/d/new") && !mock.is_open(5));
}

#[test]
fn what_is_in_use_is_only_closed() {
    let mock = mock(0o040777);
    mock.be(user(1000, 1000, &[]));
    mock.fill_store();
    // Somebody else was faster than the store.
    let (answer, _) = opened_without_room(&mock, O_CREAT | O_EXCL, 0, |mock| mock.write_to("/d/new"));
    assert_eq!(answer, Answer::Err(Errno::ENOSPC));
    assert!(mock.exists("/d/new") && !mock.is_open(5));
}

#[test]
fn what_took_the_place_of_a_new_file_is_left_alone() {
    let file = |mock: &Mock| mock.file("/d/new", 0o100644);
    let written = |mock: &Mock| {
        file(mock);
        mock.write_to("/d/new");
    };
    for has_room in [true, false] {
        let mock = mock(0o040777);
        mock.be(user(1000, 1000, &[]));
        if !has_room {
            mock.fill_store();
        }
        let mkdir_ = |place: &dyn Fn(&Mock)| {
            let made = call(&mock, &["/d/new"], &[0o755]);
            let kernel = |mock: &Mock, _| {
                place(mock);
                Ok(0)
            };
            run(&mock, |guest| mkdir(guest, made), kernel)
        };
        let mknod_ = |place: &dyn Fn(&Mock)| {
            let made = call(&mock, &["/d/new"], &[(S_IFREG | 0o644).into(), 0]);
            let kernel = |mock: &Mock, _| {
                place(mock);
                Ok(0)
            };
            run(&mock, |guest| mknod::mknod(guest, made), kernel)
        };
        // Another type; the same, but in use.
        for answer in [mkdir_(&file), mknod_(&written), mknod_(&|mock| mock.file("/d/new", 0o120777))] {
            assert_eq!(answer, Answer::Native);
            assert_eq!((mock.exists("/d/new"), mock.recorded("/d/new")), (true, None));
        }
        // What is not in use cannot be told from what the call has made.
        let answer = mknod_(&file);
        assert_eq!((answer == Answer::Native, mock.exists("/d/new")), (has_room, has_room));
    }
}

#[test]
fn what_creat_may_only_have_opened_is_recorded_unless_it_is_in_use() {
    let mock = mock(0o040777);
    mock.be(user(1000, 1000, &[]));
    let made = |is_written: bool| {
        mock.remove("/d/new");
        let made = call(&mock, &["/d/new"], &[0o644]);
        let kernel = |mock: &Mock, _| {
            mock.file("/d/new", 0o100644);
            if is_written {
                mock.write_to("/d/new");
            }
            mock.open(5, "/d/new");
            Ok(5)
        };
        run(&mock, |guest| creat(guest, made), kernel);
        mock.owner("/d/new").0
    };
    assert_eq!((made(true), made(false)), (0, 1000));
}

#[test]
fn a_place_that_is_only_named_is_not_made() {
    let mock = Rc::new(Mock::new());
    mock.be(user(1000, 33, &[]));
    mock.file("/d", 0o040777);
    let flags = O_PATH | O_DIRECTORY | __O_TMPFILE;
    let made = call(&mock, &["/d"], &[flags.into(), 0o666]);
    assert_eq!(run(&mock, |guest| open(guest, made), |_, _| Ok(3)), Answer::Native);
    assert!(mock.recorded("/d").is_none());
}
