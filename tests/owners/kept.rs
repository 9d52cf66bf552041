//! What a run leaves behind is exported as if real root had made it.

use std::fs;
use std::path::Path;

use super::home::Home;
use super::support::Lab;
use super::{can, everything, remainroot, run, same_lines, sh};

/// Makes one of everything that a namespace's kernel refuses, as whoever is root, in every order that matters: set-id
/// bits before and after a change of owner, names of one inode on both sides of a directory, modes that lock out.
pub const MAKE: &str = r#"umask 022; mkdir tree; cd tree; mkdir -p d/e bin closed; chown 33:33 d; chmod 2775 d
    echo hello > bin/ping; chown 1000:3000000 bin/ping; chmod 6755 bin/ping; setcap cap_net_raw+ep bin/ping
    echo x > su; chmod 4755 su; chown 33 su; chmod 4711 su; ln bin/ping d/hard
    ln -s ../bin/ping d/link; chown -h 7:8 d/link; ln d/link d/link-2; setfattr -h -n trusted.link -v v d/link
    mknod null c 1 3; chmod 666 null; mknod disk b 259 70000; chown 0:6 disk; chmod 660 disk; ln disk d/disk-2
    mkfifo pipe; chown 1:2 pipe; chmod 2640 pipe; setfattr -n trusted.p -v v pipe
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'; chown 9:10 sock; chmod 600 sock
    setfacl -m u:33:rw d/hard; setfacl -d -m g:44:rx d/e; setfacl -m u:70000:rwx d/e; echo i > d/e/inherits
    setfattr -n user.x -v y=z d/hard; setfattr -n trusted.t -v 0x0a003d0a d/e; setfattr -n security.x -v y su
    echo s > closed/f; chown 5:6 closed/f closed; chmod 0 closed/f closed; chmod 1777 d/e; chown 11:12 .; chmod 711 .
    cd .."#;

const NEEDS: &[&str] = &["setcap", "setfattr", "setfacl", "python3"];

/// One tree by real root, and one by a run of a user's, who has left it.
fn both(lab: &Lab) -> Home<'_> {
    fs::create_dir(lab.path().join("native")).unwrap();
    sh(&lab.path().join("native"), MAKE);
    let home = Home::new(lab);
    home.as_root(MAKE);
    home
}

/// The lines of a file, and runs of NULs as ends of lines.
fn pieces(path: &Path) -> Vec<String> {
    let content = fs::read(path).unwrap();
    let pieces = content.split(|&byte| byte == 0 || byte == b'\n').filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.escape_ascii().to_string()).collect()
}

#[test]
fn in_every_format_as_real_roots() {
    if !can("in_every_format_as_real_roots", NEEDS) {
        return;
    }
    let lab = Lab::new();
    let home = both(&lab);
    let native = lab.path().join("native");
    for format in ["tar", "mtree", "squashfs-pseudo", "fakeroot"] {
        let words = ["export", "--format", format, "-o", format, "tree"];
        run(remainroot(&native).arg("owners").args(words));
        let output = home.owners(&["export", "--store", "store"]).args(&words[1..]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        // What a format cannot hold is told.
        let untold = if format == "tar" { "a tar archive cannot hold a socket" } else { "attributes" };
        assert!(stderr.contains(untold), "{format}: {stderr}");
        let [expected, found] = [&native, &home.path].map(|dir| {
            let pieces = pieces(&dir.join(format));
            // fakeroot's inodes are those of the tree itself.
            let rest =
                |line: &String| line.split_once(",mode=").map_or(line.as_str(), |(_, rest)| rest).to_owned();
            pieces.iter().map(rest).collect()
        });
        same_lines(format, expected, found);
    }
    for (output, compression) in [("gzip", "gzip"), ("zstd", "zstd"), ("archive.tar", "none")] {
        let words = ["export", "--format", "oci", "--compression", compression, "-o", output, "tree"];
        run(remainroot(&native).arg("owners").args(words));
        run(home.owners(&["export", "--store", "store"]).args(&words[1..]));
    }
    // The whole image, and so the digests in it: layer, configuration, manifest, index.
    let digests = "find archive.tar gzip zstd -type f -exec sha256sum {} + | sort";
    assert_eq!(sh(&home.path, digests), sh(&native, digests));
}

#[test]
fn and_shown_with_its_sources() {
    if !can("and_shown_with_its_sources", NEEDS) {
        return;
    }
    let lab = Lab::new();
    let home = both(&lab);
    // Without the sources, which are the attributes and the index on one side, and the files on the other.
    let shown = |text: String| -> Vec<String> {
        let line = |line: &str| {
            let is_source = |word: &&str| !["index", "attribute", "file"].contains(word);
            let is_time = |word: &&str| word.len() == 20 && word.ends_with('Z');
            let words = line.split_whitespace().filter(is_source).filter(|word| !is_time(word));
            words.collect::<Vec<_>>().join(" ")
        };
        // What is told of mode and device is their source alone.
        text.lines().map(line).filter(|line| line != "mode" && line != "device").collect()
    };
    let ours = run(&mut home.owners(&["show", "-r", "--store", "store", "tree"]));
    let native = run(remainroot(&lab.path().join("native")).args(["owners", "show", "-r", "tree"]));
    same_lines("show", shown(native), shown(ours.clone()));
    let source = |end: &str, word: &str| {
        let line = ours.lines().find(|line| line.ends_with(end)).unwrap();
        assert!(line.contains(&format!(" {word} ")), "{line}");
    };
    source("tree/bin/ping", "attribute");
    source("tree/d/link -> ../bin/ping", "index");
    source("tree/pipe", "index");
    source("tree/sock", "index");
    source("tree/bin", "file");
    let (stdout, stderr, status) = home.ask(&["verify", "--store", "store", "tree"]);
    assert_eq!((stdout.as_str(), status), ("", Some(0)), "{stderr}");
    // The files alone know less, and what they know is what the index has.
    let (alone, _, _) = home.ask(&["show", "--store", "memory", "tree/closed", "tree/pipe"]);
    assert!(alone.contains("      5      6 ") && alone.contains(" attribute tree/closed\n"), "{alone}");
    assert!(alone.contains("      0      0 ") && alone.contains(" file      tree/pipe\n"), "{alone}");
}

#[test]
fn an_archive_unpacked_in_a_run_is_exported_again() {
    if !can("an_archive_unpacked_in_a_run_is_exported_again", &["tar", "setcap", "setfattr", "setfacl"]) {
        return;
    }
    let lab = Lab::new();
    everything(lab.path());
    // Devices that open are covered with the machine's, but keep their own times.
    sh(
        &lab.path().join("tree"),
        "mknod zero c 1 5; chown 3:4 zero; touch -hd @900000000 zero null disk pipe d/link",
    );
    run(remainroot(lab.path()).args(["owners", "export", "-o", "t.tar", "tree"]));
    let home = Home::new(&lab);
    home.as_root("mkdir tree; tar -C tree -xpf ../t.tar --numeric-owner --xattrs --xattrs-include='*'");
    run(&mut home.owners(&["export", "--store", "store", "-o", "t.tar", "tree"]));
    let [expected, found] = [lab.path(), &home.path].map(|dir| pieces(&dir.join("t.tar")));
    same_lines("the archive", expected, found);
}
