//! What files carry themselves.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::{Home, succeeds};

const ROOTLESS: &str = "user.rootlesscontainers";
const OVERRIDE: &str = "user.containers.override_stat";

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let (path, name) = (CString::new(path.as_os_str().as_bytes()).unwrap(), CString::new(name).unwrap());
    let mut value = vec![0; 256];
    // SAFETY: both strings are NUL-terminated; the buffer has the length that is passed.
    let size =
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(size).ok()?);
    Some(value)
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    let (path, name) = (CString::new(path.as_os_str().as_bytes()).unwrap(), CString::new(name).unwrap());
    // SAFETY: both strings are NUL-terminated; the value has the length that is passed.
    let result =
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    assert_eq!(result, 0, "user attributes work in /tmp");
}

#[test]
fn a_copy_by_plain_tools_keeps_owners() {
    let home = Home::new();
    home.run("mkdir d; touch d/f; chown 33:44 d/f; chown 1:2 d");
    home.natively(
        "cp -a d e; tar --xattrs -cf t.tar d; mkdir t; tar --xattrs --xattrs-include='*' -C t -xf t.tar",
    );
    assert_eq!(home.run("stat -c %u:%g e e/f t/d t/d/f"), "1:2\n33:44\n".repeat(2));
    home.natively("rm -r store");
    assert_eq!(home.run("stat -c %u:%g d d/f e e/f"), "1:2\n33:44\n".repeat(2));
}

#[test]
fn the_attribute_has_the_known_form() {
    let home = Home::new();
    home.run("touch f; chown 33:1000 f");
    assert_eq!(xattr(&home.dir.join("f"), ROOTLESS), Some(vec![8, 33, 16, 0xE8, 7]));
    home.run("chown 0:0 f");
    assert_eq!(xattr(&home.dir.join("f"), ROOTLESS), None);
    let with = |option: &str, script: &str| succeeds(home.command().args([option, "--", "sh", "-c", script]));
    with("--owner-xattr=override", "touch g; chown 33:34 g; chmod 640 g; mkdir d; chown 5 d");
    assert_eq!(xattr(&home.dir.join("g"), OVERRIDE), Some(b"33:34:0640:file".to_vec()));
    assert_eq!(xattr(&home.dir.join("d"), OVERRIDE), Some(b"5:0:0755:dir".to_vec()));
    with("--owner-xattr=none", "touch h; chown 33 h");
    assert_eq!((xattr(&home.dir.join("h"), ROOTLESS), xattr(&home.dir.join("h"), OVERRIDE)), (None, None));
    assert_eq!(home.run("stat -c %u g d h"), "33\n5\n33\n");
}

#[test]
fn a_tree_that_arrives_with_attributes_is_understood() {
    let home = Home::new();
    home.natively("mkdir d; touch d/f d/g d/dev");
    set_xattr(&home.dir.join("d"), ROOTLESS, &[16, 7]);
    set_xattr(&home.dir.join("d/f"), ROOTLESS, &[16, 5, 8, 4]);
    set_xattr(&home.dir.join("d/g"), OVERRIDE, b"1:2:4711:file");
    set_xattr(&home.dir.join("d/dev"), OVERRIDE, b"0:6:660:block-8-1");
    assert_eq!(
        home.run("stat -c '%n %u %g %a %F' d d/f d/g d/dev"),
        "d 0 7 755 directory\nd/f 4 5 644 regular empty file\nd/g 1 2 4711 regular empty file\n\
         d/dev 0 6 660 block special file\n"
    );
}

#[test]
fn the_mode_that_a_file_came_with_can_be_changed() {
    let home = Home::new();
    home.natively("touch f; chmod 755 f");
    set_xattr(&home.dir.join("f"), OVERRIDE, b"5:6:0755:file");
    assert_eq!(home.run("chmod 700 f; stat -c '%u %a' f"), "5 700\n");
    assert_eq!(home.run("stat -c '%u %a' f; chmod 4711 f; chmod 640 f"), "5 700\n");
    assert_eq!(home.run("stat -c '%u %a' f"), "5 640\n");
}

#[test]
fn no_guest_sees_them() {
    let home = Home::new();
    home.run("mkdir d; touch d/f; chown 33:44 d/f");
    let script = "cp -a d e && tar --xattrs --xattrs-include='*' -cf t.tar d && mkdir t && chown 9:9 t && \
                  tar --xattrs --xattrs-include='*' -C t -xf t.tar && stat -c %u:%g e/f t/d/f";
    assert_eq!(home.run(script), "33:44\n33:44\n");
    let archive = std::fs::read(home.dir.join("t.tar")).unwrap();
    assert!(!String::from_utf8_lossy(&archive).contains("rootlesscontainers"));
    // What comes from elsewhere with such an attribute does not bring an owner along: chown alone does.
    home.natively("tar --xattrs -cf n.tar d");
    let script =
        "mkdir n && tar --xattrs --xattrs-include='*' --no-same-owner -C n -xf n.tar && stat -c %u:%g n/d/f";
    assert_eq!(home.run(script), "0:0\n");
}

#[test]
fn a_malformed_one_is_told_with_its_path() {
    let home = Home::new();
    home.natively("touch f");
    set_xattr(&home.dir.join("f"), ROOTLESS, b"?");
    let output = home.command().args(["--", "stat", "-c", "%u", "f"]).output().expect("it starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    assert!(err.contains("home/f: the attribute user.rootlesscontainers is malformed"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}
