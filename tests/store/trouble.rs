//! Stores that cannot be used.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{Home, succeeds};

/// Runs true, which is not started: exit status and message.
fn refused(home: &Home) -> String {
    let output = home.command().args(["--", "echo", "started"]).output().expect("it starts");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{err}");
    assert!(err.lines().all(|line| line.starts_with("remainroot: ")), "{err}");
    err
}

#[test]
fn a_foreign_newer_or_truncated_index_is_told_and_kept() {
    let home = Home::new();
    home.run("for i in $(seq 200); do ln -s x l$i; done; chown -h 5:6 l*");
    let index = home.dir.join("store/index.db");
    let whole = fs::read(&index).unwrap();
    let newer = {
        let mut bytes = whole.clone();
        // user_version is at offset 60 (SQLite file format, 1.3).
        bytes[60..64].copy_from_slice(&7u32.to_be_bytes());
        bytes
    };
    let cases = [
        (b"not a database, by far".to_vec(), "this is no index of owners"),
        (newer, "written by a newer remainroot (format 7)"),
        (whole[..whole.len() - 1024].to_vec(), "this index is damaged"),
        (whole[..5000].to_vec(), "this index is damaged"),
    ];
    for (bytes, words) in cases {
        fs::write(&index, &bytes).unwrap();
        let told = refused(&home);
        assert!(told.contains("store/index.db: ") && told.contains(words), "{told}");
        assert_eq!(fs::read(&index).unwrap(), bytes, "it was changed");
    }
    fs::write(&index, whole).unwrap();
    assert_eq!(home.run("stat -c %u:%g l200"), "5:6\n");
}

#[test]
fn what_a_damaged_page_held_is_an_error_and_not_roots() {
    let home = Home::new();
    home.run("for i in $(seq 200); do ln -s x l$i; done; chown -h 5:6 l*; touch carried; chown 7:8 carried");
    let index = home.dir.join("store/index.db");
    let mut bytes = fs::read(&index).unwrap();
    // The first pages have the tables' roots.
    bytes[3 * 1024..].fill(0xFF);
    fs::write(&index, bytes).unwrap();
    let script = "stat -c %u:%g l1 2>&1; chown -h 5:6 l1 2>&1; stat -c %u:%g l200 2>&1";
    let output = home.command().args(["--", "sh", "-c", script]).output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out.matches("Input/output error").count(), 3, "{out}{err}");
    assert!(err.contains("store/index.db: this index is damaged") && !out.contains("0:0"), "{out}{err}");
}

#[test]
fn what_is_truncated_under_a_run_ends_it_and_loses_nothing() {
    for file in ["changes", "index.db-shm"] {
        let home = Home::new();
        let script = format!(
            "ln -s x l; chown -h 5:6 l; : >store/{file}; ln -s x m; chown -h 5:6 m; stat m; echo went on"
        );
        let output = home.command().args(["--", "sh", "-c", &script]).output().expect("it starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && !out.contains("went on"), "{file}: {out}{err}");
        assert!(err.starts_with("remainroot: the tracer was killed (SIGBUS)"), "{file}: {err}");
        assert_eq!(home.run("stat -c %u:%g l"), "5:6\n", "{file}");
    }
}

#[test]
fn a_store_that_cannot_be_made_is_told() {
    let home = Home::new();
    home.natively("touch store");
    let told = refused(&home);
    assert!(told.contains("home/store: ") && told.contains("--store"), "{told}");
    home.natively("rm store; mkdir store; chmod 500 store");
    let told = refused(&home);
    assert!(told.contains("store/index.db: ") && told.contains("denied"), "{told}");
}

#[test]
fn the_default_place_is_the_users_own() {
    let home = Home::new();
    let auto = || {
        let mut command = home.lab.command();
        command.current_dir(&home.dir).env_clear().env("PATH", "/usr/bin:/bin").args(["--store", "auto"]);
        command
    };
    let script = ["--", "sh", "-c", "ln -sf x l; chown -h 5:6 l; stat -c %u:%g l"];
    assert_eq!(succeeds(auto().env("HOME", &home.dir).args(script)), "5:6\n");
    assert!(home.dir.join(".local/state/remainroot/index.db").exists());
    assert_eq!(succeeds(auto().env("REMAINROOT_STORE", home.dir.join("mine")).args(script)), "5:6\n");
    assert!(home.dir.join("mine/index.db").exists());
    // Where there is none, it goes on without, and says so once.
    for nowhere in ["/nowhere/at/all", "/proc"] {
        let output = auto().env("HOME", nowhere).args(script).output().expect("it starts");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "5:6\n", "{err}");
        assert!(err.contains("will be forgotten after this run: /") && err.lines().count() == 1, "{err}");
    }
    // But never without one that is there.
    home.natively("chmod 400 mine/index.db");
    let output =
        auto().env("REMAINROOT_STORE", home.dir.join("mine")).args(script).output().expect("it starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{err}");
    assert!(err.contains("mine/index.db: "), "{err}");
}

#[test]
fn a_damaged_index_that_a_run_has_open_stays_where_it_is() {
    let home = Home::new();
    let index = home.dir.join("store/index.db");
    home.natively("mkdir tree");
    let mut run = home.command();
    run.args(["--", "sh", "-c", "ln -s x tree/l; chown -h 5:5 tree/l; read line"]).stdin(Stdio::piped());
    let mut run = run.spawn().expect("remainroot starts");
    let repair = || {
        let mut command = home.lab.command();
        command.current_dir(&home.dir).args(["owners", "repair", "--store", "store", "tree"]);
        String::from_utf8_lossy(&command.output().expect("it starts").stderr).into_owned()
    };
    // Until its keeper has moved the log's pages into it.
    let start = Instant::now();
    while fs::metadata(&index).map_or(0, |file| file.len()) <= 2048 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is written");
        std::thread::sleep(Duration::from_millis(20));
    }
    let damage = || {
        let file = File::options().write(true).open(&index).expect("the index is there");
        file.write_all_at(&[0xFF; 600], 1024).expect("it can be written");
    };
    // As long as the keeper is at it, the log's pages are read and not the damaged ones.
    loop {
        damage();
        let err = repair();
        if err.contains("it is damaged, and a run has it open") {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{err}");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(run.stdin.take());
    run.wait().expect("it ends");
    damage();
    let err = repair();
    assert!(err.contains("it is store/index.db.damaged now"), "{err}");
}
