//! Users and groups, as the guest's own /etc/passwd and /etc/group name them. Other sources that its C library may
//! know (LDAP, …) are asked by the guest's programs alone.

use std::fs;
use std::io;
use std::path::Path;

use remainroot_shims::abi::{Gid, Uid};

use super::Identity;
use crate::sandbox::{Trouble, why_io};

/// One identity to start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// User id.
    pub uid: Uid,
    /// Group id.
    pub gid: Gid,
    /// Supplementary groups, as initgroups(3) would set them: the group itself, then those that list the user.
    pub groups: Vec<Gid>,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// The two files.
#[derive(Debug, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads /etc/passwd and /etc/group; one that is missing counts as empty.
    pub fn read() -> Result<Accounts, Trouble> {
        Ok(Accounts { passwd: text("/etc/passwd")?, group: text("/etc/group")? })
    }

    /// Who `said` is. A name wins over a number, as everywhere (POSIX chown); numbers need no entry.
    pub fn find(&self, said: &Identity) -> Result<Account, Trouble> {
        let number = said.user.parse::<u32>().ok();
        let entry = self
            .users()
            .find(|user| user.name == said.user)
            .or_else(|| self.users().find(|user| Some(user.uid) == number));
        let uid = entry.as_ref().map(|user| user.uid).or(number).and_then(Uid::new);
        // An image may have no passwd file at all; root is root even so.
        let uid =
            uid.or((said.user == "root").then_some(Uid::ROOT)).ok_or_else(|| unknown("user", &said.user))?;
        let gid = match &said.group {
            Some(group) => self.find_group(group)?,
            // Without an entry, as container engines have it: the root group.
            None => entry.as_ref().and_then(|user| Gid::new(user.gid)).unwrap_or(Gid::ROOT),
        };
        let name = entry.as_ref().map(|user| user.name).or((uid == Uid::ROOT).then_some("root"));
        Ok(Account {
            name: name.map(str::to_owned),
            uid,
            gid,
            groups: self.groups_of(name, gid),
            home: entry.as_ref().map_or("", |user| user.home).to_owned(),
            shell: entry.as_ref().map_or("", |user| user.shell).to_owned(),
        }
        .with_defaults())
    }

    fn users(&self) -> impl Iterator<Item = User<'_>> {
        self.passwd.lines().filter_map(User::parse)
    }

    /// (name, gid, members) of each group.
    fn lines_of_group(&self) -> impl Iterator<Item = (&str, Gid, &str)> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok().and_then(Gid::new)?;
            Some((name, gid, fields.next().unwrap_or("")))
        })
    }

    fn find_group(&self, said: &str) -> Result<Gid, Trouble> {
        self.lines_of_group()
            .find(|(name, ..)| *name == said)
            .map(|(_, gid, _)| gid)
            .or_else(|| said.parse().ok().and_then(Gid::new))
            .ok_or_else(|| unknown("group", said))
    }

    fn groups_of(&self, user: Option<&str>, gid: Gid) -> Vec<Gid> {
        let mut groups = vec![gid];
        let Some(user) = user else {
            return groups;
        };
        for (_, gid, members) in self.lines_of_group() {
            if members.split(',').any(|member| member == user) && !groups.contains(&gid) {
                groups.push(gid);
            }
        }
        groups
    }
}

impl Account {
    fn with_defaults(mut self) -> Account {
        if self.home.is_empty() {
            self.home = if self.uid == Uid::ROOT { "/root" } else { "/" }.to_owned();
        }
        if self.shell.is_empty() {
            self.shell = "/bin/sh".to_owned();
        }
        self
    }
}

/// A line of passwd(5).
struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
    shell: &'a str,
}

impl User<'_> {
    fn parse(line: &str) -> Option<User<'_>> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { name, uid, gid, home: fields.nth(1).unwrap_or(""), shell: fields.next().unwrap_or("") })
    }
}

fn text(path: &str) -> Result<String, Trouble> {
    match fs::read(Path::new(path)) {
        // Comments and real names may be in any encoding; names and numbers are not.
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Trouble::new(format!("{path}: {}", why_io(&error)))),
    }
}

fn unknown(kind: &str, name: &str) -> Trouble {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Trouble::new(format!("--user: {name} is no number that a {kind} can have"))
            .mended_by("numbers go from 0 to 4294967294".to_owned());
    }
    let file = if kind == "user" { "passwd" } else { "group" };
    Trouble::new(format!("--user: no {kind} {name} in the guest's /etc/{file}"))
        .mended_by(format!("numbers need no entry: give the {kind}'s number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/bash\n\
                     # a comment\n\
                     www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
                     +nis\n\
                     33x:x:40:40::/x:\n\
                     big:x:4294967294:2147483648::/:/bin/sh\n\
                     minus:x:4294967295:0::/:/bin/sh\n"
                .into(),
            group: "root:x:0:\nadm:x:4:www-data,root\nwww-data:x:33:\nssl-cert:x:106:postgres,www-data\n"
                .into(),
        }
    }

    fn find(word: &str) -> Result<(Option<String>, u32, u32, Vec<u32>), Trouble> {
        let (user, group) = word.split_once(':').map_or((word, None), |(u, g)| (u, Some(g.to_owned())));
        let found = accounts().find(&Identity { user: user.into(), group })?;
        Ok((found.name, found.uid.raw(), found.gid.raw(), found.groups.iter().map(|gid| gid.raw()).collect()))
    }

    #[test]
    fn names_and_numbers_are_found() {
        let www = || Some("www-data".to_owned());
        assert_eq!(find("www-data"), Ok((www(), 33, 33, vec![33, 4, 106])));
        assert_eq!(find("33"), Ok((www(), 33, 33, vec![33, 4, 106])));
        assert_eq!(find("www-data:adm"), Ok((www(), 33, 4, vec![4, 106])));
        assert_eq!(find("33:7"), Ok((www(), 33, 7, vec![7, 4, 106])));
        assert_eq!(find("root"), Ok((Some("root".into()), 0, 0, vec![0, 4])));
        assert_eq!(find("33x"), Ok((Some("33x".into()), 40, 40, vec![40])));
        assert_eq!(find("12345"), Ok((None, 12345, 0, vec![0])));
        assert_eq!(find("big"), Ok((Some("big".into()), 4294967294, 2147483648, vec![2147483648])));
    }

    #[test]
    fn unknown_names_and_minus_one_are_refused() {
        for word in ["nobody-here", "root:no-group", "4294967295", "minus", "-1", "root:4294967295"] {
            assert!(find(word).is_err(), "{word}");
        }
    }

    #[test]
    fn root_needs_no_files() {
        let found = Accounts::default().find(&Identity { user: "root".into(), group: None }).unwrap();
        assert_eq!((found.uid, found.gid, found.groups), (Uid::ROOT, Gid::ROOT, vec![Gid::ROOT]));
        assert_eq!((found.home.as_str(), found.shell.as_str()), ("/root", "/bin/sh"));
    }
}
