//! The guest's environment.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use remainroot_shims::abi::Uid;

use super::account::Account;

/// Where programs are in a root of its own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where root's own programs are. Many systems leave these out of an ordinary user's PATH.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Variables that name places or sockets outside of the guest's root.
const OUTSIDE: [&str; 9] =
    ["LD_LIBRARY_PATH", "LD_PRELOAD", "MAIL", "OLDPWD", "PWD", "TEMP", "TMP", "TMPDIR", "XDG_RUNTIME_DIR"];

/// How much of the present environment the guest gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    All,
    /// What means the same in another root.
    Portable,
    /// TERM, which describes the terminal.
    Terminal,
}

/// Variables in order, each name once.
#[derive(Debug)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The environment of a guest that starts as `account`, from the `present` one; then each of `set`, the last one
    /// of a name winning.
    pub fn make(
        present: impl Iterator<Item = (OsString, OsString)>,
        keep: Keep,
        account: &Account,
        set: &[(OsString, OsString)],
    ) -> Environment {
        let stays = |name: &OsStr| match keep {
            Keep::All => true,
            Keep::Portable => !OUTSIDE.iter().any(|outside| name == *outside),
            Keep::Terminal => name == "TERM",
        };
        let mut environment = Environment(present.filter(|(name, _)| stays(name)).collect());
        if keep != Keep::All {
            environment.set("PATH", PATH);
            environment.set("HOME", &account.home);
            environment.set("SHELL", &account.shell);
            let name = account.name.clone().unwrap_or_else(|| account.uid.to_string());
            environment.set("USER", &name);
            environment.set("LOGNAME", &name);
        }
        if keep == Keep::All && account.uid == Uid::ROOT {
            environment.find_roots_programs();
        }
        for (name, value) in set {
            environment.set(name, value);
        }
        environment
    }

    fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        let value = value.as_ref().to_owned();
        match self.0.iter_mut().find(|(present, _)| present == name.as_ref()) {
            Some((_, present)) => *present = value,
            None => self.0.push((name.as_ref().to_owned(), value)),
        }
    }

    /// Adds to the end of PATH what root has there and the user who started us may lack.
    fn find_roots_programs(&mut self) {
        let Some(path) = self.get("PATH").map(OsStr::to_owned) else { return };
        let has = |dir: &str| path.as_bytes().split(|&byte| byte == b':').any(|part| part == dir.as_bytes());
        let missing = SBIN.into_iter().filter(|dir| !has(dir));
        let whole = missing.fold(path.clone(), |mut path, dir| {
            path.push(":");
            path.push(dir);
            path
        });
        self.set("PATH", whole);
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_os_str())
    }

    /// As execve(2) takes it. Neither names nor values can hold a NUL: they come from an environment or a command
    /// line.
    pub fn to_strings(&self) -> Vec<CString> {
        let string = |(name, value): &(OsString, OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        };
        self.0.iter().filter_map(string).collect()
    }
}

/// The paths that would be tried for `command` in a root of its own, with `set` in the environment.
pub fn inside(command: &OsStr, set: &[(OsString, OsString)]) -> Vec<OsString> {
    let said = set.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    candidates(command, Some(said.unwrap_or(OsStr::new(PATH))))
}

/// The paths that execvp(3) would try for `command`, in order.
pub fn candidates(command: &OsStr, path: Option<&OsStr>) -> Vec<OsString> {
    let bytes = command.as_bytes();
    if bytes.contains(&b'/') {
        return vec![command.to_owned()];
    }
    if bytes.is_empty() {
        return Vec::new();
    }
    // confstr(_CS_PATH)
    let path = path.unwrap_or(OsStr::new("/bin:/usr/bin"));
    path.as_bytes()
        .split(|&byte| byte == b':')
        .map(|dir| {
            let dir = if dir.is_empty() { b"." } else { dir };
            OsString::from_vec([dir, b"/", bytes].concat())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use remainroot_shims::abi::Gid;

    use super::*;

    fn made(keep: Keep, set: &[(&str, &str)]) -> Vec<String> {
        let account = Account {
            name: Some("postgres".into()),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            groups: Vec::new(),
            home: "/var/lib/postgresql".into(),
            shell: "/bin/bash".into(),
        };
        let pairs = |list: &[(&str, &str)]| -> Vec<(OsString, OsString)> {
            list.iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let present =
            pairs(&[("HOME", "/home/me"), ("TERM", "xterm"), ("LANG", "C"), ("TMPDIR", "/scratch")]);
        let made = Environment::make(present.into_iter(), keep, &account, &pairs(set));
        made.to_strings().iter().map(|s| s.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_present_environment_is_left_alone() {
        assert_eq!(made(Keep::All, &[]), ["HOME=/home/me", "TERM=xterm", "LANG=C", "TMPDIR=/scratch"]);
        assert_eq!(
            made(Keep::All, &[("A", "1"), ("LANG", "x"), ("A", "2")])[2..],
            ["LANG=x", "TMPDIR=/scratch", "A=2"]
        );
    }

    #[test]
    fn root_finds_its_programs() {
        let account = |uid| Account {
            name: None,
            uid,
            gid: Gid::ROOT,
            groups: Vec::new(),
            home: "/".into(),
            shell: "/bin/sh".into(),
        };
        let path = |uid, path: &str| {
            let present = [(OsString::from("PATH"), OsString::from(path))].into_iter();
            let made = Environment::make(present, Keep::All, &account(uid), &[]);
            made.get("PATH").map(OsStr::to_owned)
        };
        let user = Uid::new(33).unwrap();
        assert_eq!(path(user, "/bin"), Some("/bin".into()));
        assert_eq!(path(Uid::ROOT, "/bin:/sbin"), Some("/bin:/sbin:/usr/local/sbin:/usr/sbin".into()));
    }

    #[test]
    fn a_root_of_its_own_has_paths_of_its_own() {
        let path = format!("PATH={PATH}");
        let rest = ["SHELL=/bin/bash", "USER=postgres", "LOGNAME=postgres"];
        let portable = ["HOME=/var/lib/postgresql", "TERM=xterm", "LANG=C", path.as_str()];
        assert_eq!(made(Keep::Portable, &[]), [&portable[..], &rest].concat());
        let clear = ["TERM=xterm", path.as_str(), "HOME=/var/lib/postgresql"];
        assert_eq!(made(Keep::Terminal, &[]), [&clear[..], &rest].concat());
    }

    #[test]
    fn a_name_is_looked_for_along_path() {
        let tried = |command, path: Option<&str>| candidates(OsStr::new(command), path.map(OsStr::new));
        assert_eq!(tried("ls", Some("/a:/b")), ["/a/ls", "/b/ls"]);
        assert_eq!(tried("ls", Some(":/b:")), ["./ls", "/b/ls", "./ls"]);
        assert_eq!(tried("ls", None), ["/bin/ls", "/usr/bin/ls"]);
        assert_eq!(tried("./ls", Some("/a")), ["./ls"]);
        assert_eq!(tried("", Some("/a")), [""; 0]);
    }
}
