//! `--rootfs` and `--bind`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Lab, NOBODY_WE_KNOW, is_root, skipped};
use crate::terminal::Terminal;
use crate::{eventually, finish};

/// A root that borrows /usr from this machine.
fn tree(lab: &Lab) -> PathBuf {
    let root = lab.home("root");
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
    for dir in ["etc", "home", "usr"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/home/admin:/bin/sh\nalice:x:7:8::/home/alice:/bin/sh\n")
        .unwrap();
    own(&root);
    root
}

/// Gives a tree to the unprivileged user.
fn own(path: &Path) {
    if is_root() {
        let status = Command::new("chown")
            .args(["-hR", &format!("{NOBODY_WE_KNOW}:{NOBODY_WE_KNOW}")])
            .arg(path)
            .status();
        assert!(status.unwrap().success());
    }
}

fn inside(lab: &Lab, root: &Path, options: &[&str], script: &str) -> (String, String, Option<i32>) {
    let mut command = lab.command();
    command.arg("--rootfs").arg(root).args(["--bind", "/usr:/usr:ro"]).args(options);
    finish(command.args(["--", "sh", "-c", script]))
}

fn prints(options: &[&str], script: &str, expected: &str) {
    let lab = Lab::new();
    let root = tree(&lab);
    let (out, err, status) = inside(&lab, &root, options, script);
    assert_eq!((out.as_str(), status), (expected, Some(0)), "{script}: {err}");
}

/// What is in a directory.
fn names(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn the_directory_is_the_root() {
    prints(
        &[],
        "pwd; ls -1 /; stat -c %u:%g / /etc/passwd",
        "/\nbin\ndev\netc\nhome\nlib\nlib64\nproc\nsbin\nsys\nusr\n0:0\n0:0\n",
    );
}

#[test]
fn devices_work() {
    prints(
        &[],
        "for d in null zero full random urandom tty; do stat -c '%n %F %a' /dev/$d; done; head -c 3 /dev/zero | od -An -tx1; \
         echo x >/dev/null; echo y | cat /dev/stdin; : >/dev/shm/z; stat -c '%F %a' /dev/shm; [ -e /dev/pts ] && echo pts",
        "/dev/null character special file 666\n/dev/zero character special file 666\n/dev/full character special file 666\n\
         /dev/random character special file 666\n/dev/urandom character special file 666\n/dev/tty character special file 666\n \
         00 00 00\ny\ndirectory 1777\npts\n",
    );
}

#[test]
fn proc_and_sys_are_there() {
    prints(
        &[],
        "readlink /proc/self/root; [ -d /sys/devices ] && echo sys; [ /proc/$$/exe -ef /bin/sh ] && echo exe",
        "/\nsys\nexe\n",
    );
}

#[test]
fn new_terminals_can_be_had() {
    prints(&[], "script -qec 'tty | cut -c1-9' /dev/null </dev/null | tr -d '\\r'", "/dev/pts/\n");
}

#[test]
fn our_own_terminal_has_its_name() {
    let lab = Lab::new();
    let root = tree(&lab);
    let mut command = lab.command();
    command.arg("--rootfs").arg(root).args([
        "--bind",
        "/usr",
        "--",
        "sh",
        "-c",
        "tty; : >/dev/tty && echo fine",
    ]);
    let mut terminal = Terminal::run(&command);
    terminal.expect("/dev/console");
    terminal.expect("fine");
    assert!(terminal.end().success());
}

#[test]
fn variables_fit_the_root() {
    let lab = Lab::new();
    let root = tree(&lab);
    let mut command = lab.command();
    command
        .env_clear()
        .env("PATH", "/nowhere")
        .env("HOME", "/home/me")
        .env("LANG", "C")
        .env("TMPDIR", "/scratch");
    command
        .args(["--store", "memory", "--rootfs"])
        .arg(root)
        .args(["--bind", "/usr", "--user", "alice", "--env", "X=1", "--", "env"]);
    let (out, err, _) = finish(&mut command);
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        lines,
        ["HOME=/home/alice", "LANG=C", "LOGNAME=alice", path, "SHELL=/bin/sh", "USER=alice", "X=1"],
        "{err}"
    );
}

#[test]
fn an_environment_of_its_own() {
    prints(
        &["--clear-env"],
        "env | grep -Ev '^(PWD|_|SHLVL|TERM)=' | sort",
        "HOME=/home/admin\nLOGNAME=root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSHELL=/bin/sh\nUSER=root\n",
    );
}

#[test]
fn names_and_commands_are_looked_up_inside() {
    let lab = Lab::new();
    let root = tree(&lab);
    fs::create_dir_all(root.join("opt/x")).unwrap();
    own(&root);
    let (out, err, status) =
        inside(&lab, &root, &["--user", "alice", "--workdir", "/opt/x"], "echo $(id -u) $(id -g); pwd");
    assert_eq!((out.as_str(), status), ("7 8\n/opt/x\n", Some(0)), "{err}");
    let (_, err, status) = inside(&lab, &root, &["--user", "daemon"], "true");
    assert_eq!(status, Some(125), "{err}");
    let (_, err, status) = inside(&lab, &root, &["--workdir", "/tmp"], "true");
    assert_eq!(status, Some(125), "{err}");
    let mut command = lab.command();
    command.arg("--rootfs").arg(&root).arg("--").arg(lab.remainroot());
    assert_eq!(finish(&mut command).2, Some(127));
}

#[test]
fn binds_are_made_and_kept_read_only() {
    let lab = Lab::new();
    let (root, data) = (tree(&lab), lab.home("data"));
    fs::write(data.join("file"), "old\n").unwrap();
    symlink("/../home", root.join("link")).unwrap();
    own(&data);
    own(&root);
    let data = data.display();
    let options = [
        "--bind",
        &format!("{data}:/srv/data"),
        "--bind",
        &format!("{data}:/link/ro:ro"),
        "--bind",
        &format!("{data}/file:/etc/made/file:ro"),
    ];
    let script = "echo new >/srv/data/file; cat /home/ro/file /etc/made/file; for f in /home/ro/file /etc/made/file; do echo x >>$f && echo wrote; done";
    let (out, err, status) = inside(
        &lab,
        &root,
        &options,
        &format!("({script}) 2>/dev/null; touch /home/ro/x 2>&1 | grep -c Read-only"),
    );
    assert_eq!((out.as_str(), status), ("new\nnew\n1\n", Some(0)), "{err}");
    // What was made to mount on is gone.
    assert_eq!(names(&root), ["bin", "etc", "home", "lib", "lib64", "link", "sbin", "usr"]);
    assert_eq!((names(&root.join("home")), names(&root.join("etc"))), (vec![], vec!["passwd".to_owned()]));
}

#[test]
fn binds_without_a_root() {
    let lab = Lab::new();
    let (data, here) = (lab.home("data"), lab.home("here"));
    fs::write(data.join("file"), "text\n").unwrap();
    let bind = format!("{}:{}/made:ro", data.display(), here.display());
    let script = format!("cat {}/made/file", here.display());
    let (out, err, status) = finish(lab.command().args(["--bind", &bind, "--", "sh", "-c", &script]));
    assert_eq!((out.as_str(), status), ("text\n", Some(0)), "{err}");
    assert_eq!(names(&here), [""; 0], "seen outside, or left behind");
}

/// What the machine's resolv.conf says, if it has one.
fn resolv_conf() -> Option<String> {
    fs::read_to_string("/etc/resolv.conf").ok()
}

#[test]
fn name_service_works() {
    let Some(expected) = resolv_conf() else {
        return crate::support::skipped("name_service_works", "this machine has no /etc/resolv.conf");
    };
    let look = "cat /etc/resolv.conf; echo x 2>/dev/null >>/etc/resolv.conf || echo refused";
    let expected = format!("{expected}refused\n");
    // As a file that is there; as a link into a /run that is not the root's; as none at all.
    for (case, left) in [("file", true), ("link", false), ("none", false)] {
        let lab = Lab::new();
        let root = tree(&lab);
        match case {
            "file" => fs::write(root.join("etc/resolv.conf"), "other\n").unwrap(),
            "link" => symlink("../run/resolve/stub.conf", root.join("etc/resolv.conf")).unwrap(),
            _ => {}
        }
        if is_root() && case == "file" {
            chown(root.join("etc/resolv.conf"), Some(NOBODY_WE_KNOW), Some(NOBODY_WE_KNOW)).unwrap();
        }
        let (out, err, _) = inside(&lab, &root, &[], look);
        assert_eq!(out, expected, "{case}: {err}");
        assert_eq!(root.join("etc/resolv.conf").exists(), left, "{case}");
        assert!(!root.join("run").exists(), "{case}: something was left in /run");
    }
}

#[test]
fn the_machine_knows_its_name() {
    let look = "getent -s files ahostsv4 localhost $(uname -n) | cut -c1-6 | uniq; echo 127.0.0.9 more >>/etc/hosts; grep -c . /etc/hosts";
    for (case, text) in [("none", None), ("empty", Some("")), ("own", Some("127.0.0.1 localhost other\n"))] {
        let lab = Lab::new();
        let root = tree(&lab);
        let hosts = root.join("etc/hosts");
        if let Some(text) = text {
            fs::write(&hosts, text).unwrap();
            own(&root);
        }
        let (out, err, _) = inside(&lab, &root, &[], look);
        let after = fs::read_to_string(&hosts).ok();
        if case == "own" {
            assert_eq!(after.as_deref(), Some("127.0.0.1 localhost other\n127.0.0.9 more\n"));
        } else {
            assert_eq!((out.as_str(), after.as_deref()), ("127.0.\n4\n", text), "{case}: {err}");
        }
    }
}

#[test]
fn what_is_no_root_is_left_alone() {
    let lab = Lab::new();
    let dir = lab.home("empty");
    let said = dir.to_str().unwrap();
    let run = |options: &[&str], command: &[&str]| {
        finish(lab.command().args(["--rootfs", said]).args(options).arg("--").args(command))
    };
    for (options, command, expected, word) in [
        (&[][..], &["sh", "-c", "true"][..], 127, "does not look like a root file system: no sh in it"),
        (&[], &["/bin/sh"], 127, "debootstrap"),
        (&["--bind", "/usr:/usr"], &["/bin/no"], 127, "/bin/no: not found"),
        (&["--bind", "/usr:/usr", "--workdir", "/none"], &["/usr/bin/true"], 125, "--workdir /none"),
        (&["--bind", "/usr:/usr", "--user", "none"], &["/usr/bin/true"], 125, "no user none"),
        (&["--bind", "/usr:/usr"], &["/usr"], 126, "directory"),
    ] {
        let (out, err, status) = run(options, command);
        assert_eq!((out.as_str(), status), ("", Some(expected)), "{options:?} {command:?}: {err}");
        assert!(err.contains(word), "{options:?} {command:?}: {err}");
        assert_eq!(names(&dir), [""; 0], "{options:?} {command:?}");
    }
    for dir in ["etc", "bin"] {
        fs::create_dir(lab.path().join("empty").join(dir)).unwrap();
    }
    own(&dir);
    let (_, err, status) = run(&["--env", "PATH=/x:/y"], &["tool"]);
    assert_eq!(status, Some(127));
    assert!(err.contains(&format!("tool: not found in {said} (looked in /x, /y)")), "{err}");
    let (_, err, status) = run(&[], &["/tool"]);
    assert_eq!((err, status), (format!("remainroot: /tool: not found in {said}\n"), Some(127)));
    assert_eq!(names(&dir), ["bin", "etc"]);
}

#[test]
fn a_root_of_somebody_else_says_what_it_lacks() {
    if !is_root() {
        return skipped("a_root_of_somebody_else_says_what_it_lacks", "that takes two users");
    }
    let lab = Lab::new();
    let closed = lab.path().join("closed");
    fs::create_dir_all(closed.join("bin")).unwrap();
    fs::copy("/bin/true", closed.join("bin/true")).unwrap();
    let run = || finish(lab.command().arg("--rootfs").arg(&closed).args(["--", "/bin/true"]));
    let (_, err, status) = run();
    assert!(
        err.contains("to mount on: Permission denied\n") && err.contains("must be there: /proc"),
        "{err}"
    );
    assert_eq!(status, Some(125));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let (_, err, status) = run();
    let told =
        format!("remainroot: --rootfs {}: Permission denied\nremainroot: it must be", closed.display());
    assert!(err.starts_with(&told), "{err}");
    assert_eq!(status, Some(125));
}

#[test]
fn mount_points_stay_as_long_as_anyone_uses_them() {
    let lab = Lab::new();
    let root = tree(&lab);
    let data = lab.home("data");
    fs::write(data.join("file"), "text\n").unwrap();
    let bind = format!("{}:/srv/data", data.display());
    // The first one made it, and ends before the second: that one's mount must not go with it. A daemon of the first
    // run's counts as the run.
    let first = inside(&lab, &root, &["--bind", &bind], "sleep 0.5 >/dev/null 2>&1 </dev/null &");
    assert_eq!(first.2, Some(0), "{}", first.1);
    assert!(root.join("srv/data").exists());
    let wait = "sleep 2; cat /srv/data/file";
    assert_eq!(inside(&lab, &root, &["--bind", &bind], wait).0, "text\n");
    // The last one has removed it.
    eventually("the mount point is removed", || !root.join("srv").exists());
    let daemon = inside(&lab, &root, &["--bind", &bind], "sleep 0.5 >/dev/null 2>&1 </dev/null &");
    assert_eq!(daemon.2, Some(0), "{}", daemon.1);
    eventually("the mount point is removed", || !root.join("srv").exists());
}

#[test]
fn nothing_is_mounted_outside() {
    let mounts = || fs::read_to_string("/proc/self/mounts").unwrap();
    let lab = Lab::new();
    let root = tree(&lab);
    let before = mounts();
    assert_eq!(inside(&lab, &root, &[], "true").2, Some(0));
    assert_eq!(mounts(), before);
}

#[test]
fn namespaces_can_be_made_inside() {
    // pivot_root and not chroot: the kernel makes no user namespace for a process in a chroot.
    prints(&[], "unshare --user true && echo made", "made\n");
}
