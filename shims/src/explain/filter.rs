//! Which calls are told of: what a user may say, and what it means.
//!
//! Words of one kind widen each other, kinds narrow each other: `ids,owners` is both families, `ids,EPERM` the first's
//! calls that fail so.

use crate::abi::{Call, Errno};
use crate::guest::Guest;
use crate::table::{ROWS, Row, SECTIONS, Section};

use super::signature::{Kind, of};
use super::{Address, Besides, Outcome, sockaddr};

/// Highest number of an error that the kernel has a name for.
const LAST_ERRNO: i32 = 133;

/// Which calls are told of; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// By index in [`ROWS`]; none for all.
    calls: Option<Vec<bool>>,
    /// How a call has to come out.
    failures: Option<Failures>,
    /// Files and directories, absolute and normal, one of which a path of the call's has to be in; none for all.
    places: Vec<Vec<u8>>,
}

/// Ways of failing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failures {
    /// Any.
    Any,
    /// With one of these errors.
    By(Vec<Errno>),
}

/// A word that means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It names nothing.
    Unknown,
    /// It names calls that are never stopped for.
    NeverTold,
}

/// The families that a word can name.
pub fn families() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter().filter(|section| section.rows.iter().any(is_told))
}

/// Whether there is ever anything to tell of a call.
fn is_told(row: &Row) -> bool {
    of(row.name).is_some()
}

impl Filter {
    /// Takes one more word: a family, a call or a part of calls' names, `failed`, the name of an error, or an absolute path.
    ///
    /// # Errors
    /// A word that is none of these.
    pub fn add(&mut self, word: &[u8]) -> Result<(), Wrong> {
        if word.starts_with(b"/") {
            self.places.push(normal(word));
            return Ok(());
        }
        let word = std::str::from_utf8(word).ok().filter(|word| !word.is_empty()).ok_or(Wrong::Unknown)?;
        if word == "failed" {
            self.failures = Some(Failures::Any);
            return Ok(());
        }
        // The same numbers by other names, as errno(3) has them.
        let known = match word {
            "EWOULDBLOCK" => "EAGAIN",
            "EDEADLOCK" => "EDEADLK",
            "ENOTSUP" => "EOPNOTSUPP",
            other => other,
        };
        if let Some(errno) = (1..=LAST_ERRNO).map(Errno::new).find(|errno| errno.name() == Some(known)) {
            match self.failures.get_or_insert(Failures::By(Vec::new())) {
                Failures::Any => {}
                Failures::By(list) => list.push(errno),
            }
            return Ok(());
        }
        let family = families().find(|section| section.key == word);
        let names = |row: &Row| match family {
            Some(family) => family.rows.iter().any(|other| other.name == row.name),
            None => row.name.contains(word),
        };
        let named: Vec<bool> = ROWS.iter().map(names).collect();
        if !named.contains(&true) {
            return Err(Wrong::Unknown);
        }
        if !ROWS.iter().zip(&named).any(|(row, named)| *named && is_told(row)) {
            return Err(Wrong::NeverTold);
        }
        let calls = self.calls.get_or_insert_with(|| vec![false; ROWS.len()]);
        calls.iter_mut().zip(named).for_each(|(wanted, named)| *wanted |= named);
        Ok(())
    }

    /// Whether calls of the row with this index are told of, as far as that is known before they are looked at.
    pub fn wants(&self, index: usize) -> bool {
        self.calls.as_ref().is_none_or(|calls| calls.get(index).copied().unwrap_or(false))
    }

    /// Whether a call is about one of the places, if any were named. Its paths are taken as they are written.
    pub fn is_about(&self, guest: &dyn Guest, call: &Call, row: &Row, besides: &dyn Besides) -> bool {
        let is_in = |path: &[u8]| self.places.iter().any(|place| is_within(path, place));
        self.places.is_empty() || paths(guest, call, row, besides).iter().any(|path| is_in(path))
    }

    /// Whether a call that has come out so is told of.
    pub fn accepts(&self, outcome: Outcome) -> bool {
        let error = match outcome {
            Outcome::Here(Err(errno)) | Outcome::Kernel(Err(errno)) => Some(errno),
            _ => None,
        };
        match &self.failures {
            None => true,
            Some(Failures::Any) => error.is_some(),
            Some(Failures::By(list)) => error.is_some_and(|errno| list.contains(&errno)),
        }
    }

    /// Whether a call that no row is about, and that has failed with this error, is told of.
    pub fn accepts_unknown(&self, errno: Errno) -> bool {
        self.calls.is_none() && self.places.is_empty() && self.accepts(Outcome::Here(Err(errno)))
    }
}

/// The files that a call names, absolute and normal: a descriptor in front of a path is where that starts, and any other
/// names a file itself. No link is followed.
fn paths(guest: &dyn Guest, call: &Call, row: &Row, besides: &dyn Besides) -> Vec<Vec<u8>> {
    let kinds = of(row.name).map_or(&[][..], |signature| signature.args);
    let kind = |n: usize| kinds.get(n).copied();
    let descriptor = |n: usize| besides.place(call.int(n));
    let here = || besides.place(linux_raw_sys::general::AT_FDCWD);
    let mut paths = Vec::new();
    for n in 0..kinds.len().min(call.args.len()) {
        let path = match kind(n) {
            Some(Kind::Path) if besides.has_memory() => {
                let Ok(path) = guest.read_str(call.word(n), 4096) else { continue };
                let start = match n.checked_sub(1).map(|before| (before, kind(before))) {
                    _ if path.to_bytes().starts_with(b"/") => Some(Vec::new()),
                    Some((before, Some(Kind::Fd))) => descriptor(before),
                    _ => here(),
                };
                start.map(|start| [&start, &b"/"[..], path.to_bytes()].concat())
            }
            Some(Kind::Address) if besides.has_memory() => {
                let Some(path) = socket_path(guest, call.word(n), call.int(n + 1)) else { continue };
                let start = if path.starts_with(b"/") { Some(Vec::new()) } else { here() };
                start.map(|start| [&start, &b"/"[..], &path].concat())
            }
            Some(Kind::Fd) if !matches!(kind(n + 1), Some(Kind::Path)) => descriptor(n),
            _ => None,
        };
        paths.extend(path.filter(|path| path.starts_with(b"/")).map(|path| normal(&path)));
    }
    paths
}

/// The path of the file that a socket's address names.
fn socket_path(guest: &dyn Guest, addr: u64, length: i32) -> Option<Vec<u8>> {
    match sockaddr(guest, addr, length)? {
        Address::Path(path) => Some(path).filter(|path| !path.is_empty()),
        Address::Abstract(_) | Address::Other(_) => None,
    }
}

/// An absolute path without empty, `.` and `..` parts, and without a slash at its end: nothing for the root.
fn normal(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.iter().flat_map(|part| [b"/", *part].concat()).collect()
}

fn is_within(path: &[u8], place: &[u8]) -> bool {
    path.strip_prefix(place).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::cred::Cred;
    use crate::testing::Fake;

    fn filter(words: &[&str]) -> Filter {
        let mut filter = Filter::default();
        words.iter().for_each(|word| filter.add(word.as_bytes()).expect(word));
        filter
    }

    fn wanted(words: &[&str]) -> Vec<&'static str> {
        let filter = filter(words);
        let told = ROWS.iter().enumerate().filter(|(index, row)| filter.wants(*index) && is_told(row));
        told.map(|(_, row)| row.name).collect()
    }

    #[test]
    fn words_of_a_kind_widen_each_other() {
        assert_eq!(wanted(&[]).len(), ROWS.iter().filter(|row| is_told(row)).count());
        let ids = wanted(&["ids"]);
        assert!(ids.contains(&"setresuid32") && !ids.contains(&"chown"), "{ids:?}");
        let chown = wanted(&["chown"]);
        assert_eq!(chown, ["chown", "lchown", "fchown", "fchownat", "chown32", "lchown32", "fchown32"]);
        assert_eq!(wanted(&["ids", "chown"]).len(), ids.len() + chown.len());
        // A family's word wins over what calls' names hold.
        assert!(wanted(&["truncation"]).contains(&"ftruncate"));
    }

    #[test]
    fn words_that_mean_nothing_are_told_apart() {
        let wrong = |word: &[u8]| Filter::default().add(word);
        for word in [&b""[..], b"id ", b"EFOO", b"eperm", b"Failed", b"\xff", b"etc/passwd"] {
            assert_eq!(wrong(word), Err(Wrong::Unknown), "{}", word.escape_ascii());
        }
        for word in ["pwrite64", "mmap", "memory"] {
            let expected = if word == "memory" { Wrong::Unknown } else { Wrong::NeverTold };
            assert_eq!(wrong(word.as_bytes()), Err(expected), "{word}");
        }
    }

    #[test]
    fn every_family_has_a_word_of_its_own() {
        let keys: std::collections::BTreeSet<_> = SECTIONS.iter().map(|section| section.key).collect();
        assert_eq!(keys.len(), SECTIONS.len());
        for key in keys {
            assert!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase()), "{key}");
        }
    }

    #[test]
    fn outcomes_are_told_apart() {
        let [denied, missing] = [Errno::EPERM, Errno::ENOENT]
            .map(|errno| [Outcome::Here(Err(errno)), Outcome::Kernel(Err(errno))]);
        let rest = [Outcome::Here(Ok(0)), Outcome::Kernel(Ok(3)), Outcome::Passed, Outcome::Killed];
        for (words, of_denied, of_missing, of_rest) in [
            (&[][..], true, true, true),
            (&["failed"], true, true, false),
            (&["EPERM"], true, false, false),
            (&["EPERM", "ENOENT"], true, true, false),
            (&["EPERM", "failed"], true, true, false),
            (&["failed", "EACCES"], true, true, false),
        ] {
            let filter = filter(words);
            assert!(denied.iter().all(|outcome| filter.accepts(*outcome) == of_denied), "{words:?}");
            assert!(missing.iter().all(|outcome| filter.accepts(*outcome) == of_missing), "{words:?}");
            assert!(rest.iter().all(|outcome| filter.accepts(*outcome) == of_rest), "{words:?}");
        }
        let again = [Errno::EAGAIN, Errno::EDEADLK, Errno::EOPNOTSUPP];
        for (word, errno) in ["EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"].into_iter().zip(again) {
            assert!(filter(&[word]).accepts(Outcome::Here(Err(errno))), "{word}");
        }
        assert!(filter(&["ENOSYS"]).accepts_unknown(Errno::ENOSYS));
        assert!(!filter(&["ENOSYS", "ids"]).accepts_unknown(Errno::ENOSYS));
        assert!(!filter(&["EPERM"]).accepts_unknown(Errno::ENOSYS));
    }

    /// Works in /srv/work; 3 is /var/lib, 4 a pipe.
    struct Somewhere;

    impl Besides for Somewhere {
        fn place(&self, descriptor: i32) -> Option<Vec<u8>> {
            match descriptor {
                linux_raw_sys::general::AT_FDCWD => Some(b"/srv/work".to_vec()),
                3 => Some(b"/var/lib".to_vec()),
                4 => Some(b"pipe:[7]".to_vec()),
                _ => None,
            }
        }

        fn has_memory(&self) -> bool {
            true
        }
    }

    #[test]
    fn places_hold_what_is_in_them_however_it_is_named() {
        let guest = Fake::new(Abi::X86_64, Cred::root());
        guest.put(0x1000, b"f\0");
        guest.put(0x2000, b"/etc/../var//lib/./f\0");
        guest.put(0x3000, b"\0");
        // bind(2) in the working directory, to an absolute path that ends with the address, and to an abstract name.
        guest.put(0x4000, b"\x01\0s\0");
        guest.put(0x5000, b"\x01\0/run/sjunk");
        guest.put(0x6000, b"\x01\0\0/run/s");
        let about = |place: &str, name: &str, args: &[u64]| {
            let row = ROWS.iter().find(|row| row.name == name).expect("a row");
            let mut call =
                Call { abi: Abi::X86_64, nr: row.entry(Abi::X86_64).expect("a number").nr, args: [0; 6] };
            call.args[..args.len()].copy_from_slice(args);
            filter(&[place]).is_about(&guest, &call, row, &Somewhere)
        };
        let here = u64::from(linux_raw_sys::general::AT_FDCWD as u32);
        for (place, name, args, expected) in [
            ("/srv/work", "chown", &[0x1000][..], true),
            ("/srv/work/f", "fchownat", &[here, 0x1000], true),
            ("/srv/wor", "chown", &[0x1000], false),
            ("/", "chown", &[0x1000], true),
            ("/var/lib/", "fchownat", &[3, 0x1000], true),
            ("/var/lib/f", "fchownat", &[3, 0x3000], false),
            ("/var/lib", "fchownat", &[3, 0x3000], true),
            ("/var/lib", "fchown", &[3], true),
            ("/var/lib", "fchown", &[9], false),
            ("/", "fchown", &[4], false),
            ("/var/lib/f", "chown", &[0x2000], true),
            ("/etc", "chown", &[0x2000], false),
            ("/etc", "rename", &[0x1000, 0x2000], false),
            ("/var", "rename", &[0x1000, 0x2000], true),
            ("/", "setuid", &[5], false),
            ("/srv/work/s", "bind", &[9, 0x4000, 110], true),
            ("/run", "bind", &[9, 0x4000, 110], false),
            ("/run/s", "connect", &[9, 0x5000, 8], true),
            ("/run/s", "bind", &[9, 0x5000, 12], false),
            ("/run", "bind", &[9, 0x6000, 9], false),
            ("/", "bind", &[9, 0x4000, 2], false),
        ] {
            assert_eq!(about(place, name, args), expected, "{place} {name} {args:x?}");
        }
    }
}
