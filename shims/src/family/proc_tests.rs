use linux_raw_sys::general::{O_CLOEXEC, O_RDWR};

use super::*;
use crate::cred::{Cred, Login};
use crate::family::create;
use crate::family::mock::{Mock, call, run};
use crate::owner::tests_support::user;

const FULL: &str = "         0          0 4294967295\n";
const AT_FDCWD: u64 = linux_raw_sys::general::AT_FDCWD as u32 as u64;

/// A task (1) of this user's, which makes the calls, and one of root's (2).
fn with_tasks(cred: Cred) -> Rc<Mock> {
    let mock = Mock::new();
    for (tid, cred) in [(1, &Rc::new(cred.clone())), (2, &Rc::new(Cred::root()))] {
        for name in ["status", "uid_map", "gid_map", "setgroups", "loginuid", "sessionid", "stat"] {
            mock.tasks.file(&format!("/proc/{tid}/{name}"), tid, cred);
        }
    }
    mock.be(cred);
    mock.tasks.native.replace("Uid:\t0\t0\t0\t0\n".to_owned());
    Rc::new(mock)
}

/// Opens a file. What was lent in its place, with which flags it was opened; or the answer if nothing was.
fn opened(mock: &Rc<Mock>, path: &str, flags: u32) -> Result<(String, Writes, u32), Answer> {
    mock.tasks.lent.borrow_mut().clear();
    let made = call(mock, &[path], &[flags.into(), 0]);
    let mut seen = None;
    let kernel = |mock: &Mock, host| {
        if let Host::With(args) = host {
            assert_eq!(mock.peek(args[0], 6), b"/ours\0");
            seen = Some(args[1] as u32);
        }
        Ok(5)
    };
    let answer = run(mock, |guest| create::open(guest, made), kernel);
    match (mock.tasks.lent.borrow_mut().pop(), seen) {
        (Some((text, writes)), Some(flags)) => Ok((text, writes, flags)),
        _ => Err(answer),
    }
}

fn denied(errno: Errno) -> Result<(String, Writes, u32), Answer> {
    Err(Answer::Err(errno))
}

#[test]
fn who_is_not_dumpable_shows_in_plain_directories_alone() {
    let file = TaskFile {
        tid: 1,
        name: String::new(),
        cred: Rc::new(user(33, 34, &[])),
        dumpable: false,
        filters: 1,
    };
    assert_eq!(owner(&file, 0o040_555), (Uid::new(33).unwrap(), Gid::new(34).unwrap()));
    assert_eq!(owner(&file, 0o100_444), (Uid::ROOT, Gid::ROOT));
}

#[test]
fn everybody_reads_what_real_root_would() {
    for cred in [user(33, 33, &[]), Cred::root()] {
        let uid = cred.uid.real.raw();
        let mock = with_tasks(cred);
        mock.tasks.logins.borrow_mut().insert(2, Login { uid: 1000, session: 7 });
        let texts = [
            ("/proc/1/status", format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n")),
            ("/proc/2/uid_map", FULL.to_owned()),
            ("/proc/1/gid_map", FULL.to_owned()),
            ("/proc/2/setgroups", "allow\n".to_owned()),
            ("/proc/1/loginuid", "4294967295".to_owned()),
            ("/proc/2/loginuid", "1000".to_owned()),
            ("/proc/2/sessionid", "7".to_owned()),
        ];
        for (path, text) in texts {
            let found = opened(&mock, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
            assert_eq!(found, Ok((text, Writes::None, O_CLOEXEC)), "{path}");
        }
        assert_eq!(opened(&mock, "/proc/1/stat", O_RDONLY), Err(Answer::Native));
        assert_eq!(opened(&mock, "/proc/3/uid_map", O_RDONLY), Err(Answer::Native));
        for flags in [O_PATH, O_DIRECTORY, O_CREAT | O_EXCL | O_RDWR] {
            assert_eq!(opened(&mock, "/proc/1/uid_map", flags), Err(Answer::Native), "{flags:#o}");
        }
    }
}

#[test]
fn a_namespace_of_the_guests_own_has_the_maps_that_it_has() {
    let mock = with_tasks(Cred::root());
    mock.tasks.elsewhere.borrow_mut().push(2);
    for name in ["uid_map", "gid_map", "setgroups"] {
        assert_eq!(opened(&mock, &format!("/proc/2/{name}"), O_RDONLY), Err(Answer::Native), "{name}");
    }
    assert!(opened(&mock, "/proc/2/loginuid", O_RDONLY).is_ok());
}

#[test]
fn the_first_maps_are_set_for_good() {
    let mock = with_tasks(Cred::root());
    for name in ["uid_map", "gid_map", "setgroups"] {
        let path = format!("/proc/1/{name}");
        let (_, writes, flags) = opened(&mock, &path, O_RDWR | O_TRUNC).unwrap();
        assert_eq!((writes, flags), (Writes::Refused, O_RDWR));
        assert_eq!(opened(&mock, &path, O_WRONLY), Err(Answer::Native), "the kernel says so itself");
    }
}

#[test]
fn what_is_others_is_not_opened_for_writing() {
    let mock = with_tasks(user(33, 33, &[]));
    for name in ["uid_map", "gid_map", "loginuid", "sessionid", "status", "setgroups"] {
        assert_eq!(opened(&mock, &format!("/proc/2/{name}"), O_WRONLY), denied(Errno::EACCES), "{name}");
    }
    for name in ["sessionid", "status", "setgroups"] {
        assert_eq!(opened(&mock, &format!("/proc/1/{name}"), O_RDWR), denied(Errno::EACCES), "{name}");
    }
    assert_eq!(opened(&mock, "/proc/1/uid_map", O_RDWR).map(|(_, writes, _)| writes), Ok(Writes::Refused));
}

#[test]
fn a_login_is_a_tasks_own_and_is_set_once_by_users() {
    let login =
        |mock: &Rc<Mock>, path: &str| opened(mock, path, O_RDWR).map(|(_, writes, flags)| (writes, flags));
    let (root, user) = (with_tasks(Cred::root()), with_tasks(user(33, 33, &[])));
    for mock in [&root, &user] {
        assert_eq!(login(mock, "/proc/1/loginuid"), Ok((Writes::Login, O_RDWR | O_APPEND)));
    }
    assert_eq!(root.tasks.opened.get(), 1);
    assert_eq!(login(&root, "/proc/2/loginuid"), Ok((Writes::Refused, O_RDWR)));
    for mock in [&root, &user] {
        mock.tasks.logins.borrow_mut().insert(1, Login { uid: 1000, session: 1 });
    }
    assert_eq!(login(&root, "/proc/1/loginuid"), Ok((Writes::Login, O_RDWR | O_APPEND)));
    assert_eq!(login(&user, "/proc/1/loginuid"), Ok((Writes::Refused, O_RDWR)));
    // As a shell redirects.
    let created = opened(&root, "/proc/1/loginuid", O_WRONLY | O_CREAT | O_TRUNC);
    assert_eq!(created.map(|(_, writes, flags)| (writes, flags)), Ok((Writes::Login, O_WRONLY | O_APPEND)));
}

#[test]
fn openat2_finds_its_flags_where_they_were_put() {
    let mock = with_tasks(Cred::root());
    let how = |resolve: u64| mock.poke(&[u64::from(O_RDONLY), 0, resolve, 0].map(u64::to_le_bytes).concat());
    let path = mock.poke(b"/proc/1/uid_map\0");
    let kernel = |mock: &Mock, host| {
        let Host::With(args) = host else { panic!("{host:?}") };
        assert_eq!(
            (mock.peek(args[1], 6), mock.peek(args[2], 24), args[3]),
            (b"/ours\0".into(), vec![0; 24], 24)
        );
        Ok(5)
    };
    let made = |resolve| Call { args: [AT_FDCWD, path, how(resolve), 32, 0, 0], ..call(&mock, &[], &[]) };
    assert_eq!(run(&mock, |guest| create::openat2(guest, made(0)), kernel), Answer::Native);
    assert_eq!(mock.tasks.opened.get(), 1);
    // Rules by which nothing may be found there.
    let never = |_: &Mock, host| panic!("{host:?}");
    assert_eq!(run(&mock, |guest| create::openat2(guest, made(4)), never), Answer::Native);
}

#[test]
fn an_open_how_that_the_kernel_refuses_is_its_own_affair() {
    let mock = Mock::new();
    let how = |words: [u64; 4], size| {
        let addr = mock.poke(&words.map(u64::to_le_bytes).concat());
        How::read(&mock, addr, size).map(|how| how.is_sound())
    };
    let creates = u64::from(O_CREAT);
    for (words, size) in [([0; 4], 24), ([0; 4], 32), ([creates, 0o644, 0x10, 0], 32), ([0, 0, 0x0A, 9], 24)]
    {
        assert_eq!(how(words, size), Some(true), "{words:?}");
    }
    let unsound = [
        [1 << 32, 0, 0, 0],
        [0, 0o644, 0, 0],
        [creates, 0o10000, 0, 0],
        [0, 0, 0x40, 0],
        [0, 0, 0x18, 0],
        [0, 0, 1 << 32, 0],
    ];
    for words in unsound {
        assert_eq!(how(words, 24), Some(false), "{words:?}");
    }
    assert_eq!([how([0, 0, 0, 1], 32), how([0; 4], 23), how([0; 4], 4097), how([0; 4], 1 << 40)], [None; 4]);
}

#[test]
fn where_no_text_can_be_the_kernel_answers() {
    let mock = with_tasks(Cred::root());
    let made = call(&mock, &["/proc/1/uid_map"], &[0, 0]);
    let kernel = |_: &Mock, host| if host == Host::Native { Ok(5) } else { Err(Errno::ENOENT) };
    assert_eq!(run(&mock, |guest| create::open(guest, made), kernel), Answer::Native);
    assert_eq!(mock.submitted().last(), Some(&Host::Native));
    assert_eq!((mock.tasks.lent.borrow().len(), mock.tasks.opened.get()), (4, 0));
}
