//! `--user`: whom the guest starts as.

use std::fs;

use crate::finish;
use crate::support::Lab;

/// A guest's passwd and group files, bound over the machine's, and `ids` as the guest prints them.
fn ids(user: &[&str]) -> (String, String, Option<i32>) {
    let lab = Lab::new();
    let etc = lab.home("etc");
    let passwd = "root:x:0:0:root:/root:/bin/bash\nalice:x:1001:1002::/home/alice:/bin/sh\nhuge:x:4294967294:2147483648::/:/bin/sh\n";
    let group = "root:x:0:\nadm:x:4:alice,root\nalice:x:1002:\nvideo:x:44:bob,alice\n";
    let mut command = lab.command();
    for (name, text) in [("passwd", passwd), ("group", group)] {
        fs::write(etc.join(name), text).unwrap();
        command.arg("--bind").arg(format!("{}:/etc/{name}:ro", etc.join(name).display()));
    }
    let script = "grep -E '^(Uid|Gid):' /proc/self/status >/dev/null; echo $(id -u) $(id -g) $(id -G)";
    finish(command.args(user).args(["--", "sh", "-c", script]))
}

#[test]
fn names_numbers_and_groups() {
    for (user, expected) in [
        (&[][..], "0 0 0 4"),
        (&["--user", "root"], "0 0 0 4"),
        (&["--user", "0:0"], "0 0 0 4"),
        (&["--user", "alice"], "1001 1002 1002 4 44"),
        (&["--user", "1001"], "1001 1002 1002 4 44"),
        (&["--user", "alice:video"], "1001 44 44 4"),
        (&["--user", "alice:77"], "1001 77 77 4 44"),
        (&["--user", "4321"], "4321 0 0"),
        (&["--user", "4321:8765"], "4321 8765 8765"),
        (&["--user", "huge"], "4294967294 2147483648 2147483648"),
    ] {
        let (out, err, status) = ids(user);
        assert_eq!((out.trim(), status), (expected, Some(0)), "{user:?}: {err}");
    }
}

#[test]
fn who_is_nobody() {
    for user in ["bob", "alice:bob", "-1", "4294967295", "alice:-1", "4294967296"] {
        let (out, err, status) = ids(&[&format!("--user={user}")]);
        assert_eq!((out.as_str(), status), ("", Some(125)), "{user}: {err}");
        assert!(err.starts_with("remainroot: --user"), "{err}");
    }
}
