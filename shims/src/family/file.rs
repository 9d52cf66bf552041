//! What the file families share: which file a call means, how it looks to the guest, and how that is changed.

use std::cell::Cell;
use std::ffi::{CStr, CString};

use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID,
};

use crate::abi::Errno;
use crate::cred::Cred;
use crate::guest::{Dir, Guest, Node, Place, Trailing};
use crate::owner::{self, Access, Attr, CAPABILITY, Inode, PERMISSIONS, Record, World};

/// Mounted read-only (`ST_RDONLY` of statvfs(3)).
pub const ST_RDONLY: u64 = 1;

/// Which file a call means, with its path read.
#[derive(Clone, Debug)]
pub enum Target {
    /// A descriptor, `O_PATH` ones included.
    Fd(i32),
    /// A descriptor that has to be open for more than its path.
    OpenFd(i32),
    /// The working directory.
    Cwd,
    /// A path.
    Path {
        /// Where it starts.
        dir: Dir,
        /// The path, never empty.
        path: CString,
        /// What a trailing link stands for.
        trailing: Trailing,
    },
}

impl Target {
    /// A path at `addr`, relative to the working directory. ENOENT for an empty one.
    pub fn path(guest: &dyn Guest, addr: u64, trailing: Trailing) -> Result<Target, Errno> {
        Target::path_at(guest, Dir::Cwd, addr, trailing)
    }

    /// A path at `addr`, relative to `dir`. ENOENT for an empty one.
    pub fn path_at(guest: &dyn Guest, dir: Dir, addr: u64, trailing: Trailing) -> Result<Target, Errno> {
        let path = guest.read_path(addr)?;
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        Ok(Target::Path { dir, path, trailing })
    }

    /// A path at `addr`, relative to descriptor `fd`, with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in `flags`. Other
    /// flags are the caller's to judge.
    pub fn at(guest: &dyn Guest, fd: i32, addr: u64, flags: u32) -> Result<Target, Errno> {
        let path = guest.read_path(addr)?;
        let dir = Dir::from_raw(fd);
        if !path.is_empty() {
            let keep = flags & AT_SYMLINK_NOFOLLOW != 0;
            let trailing = if keep { Trailing::Keep } else { Trailing::Follow };
            return Ok(Target::Path { dir, path, trailing });
        }
        match dir {
            _ if flags & AT_EMPTY_PATH == 0 => Err(Errno::ENOENT),
            Dir::Cwd => Ok(Target::Cwd),
            Dir::Fd(fd) => Ok(Target::Fd(fd)),
        }
    }

    /// [`Target::at`] for the calls that since Linux 6.11 take a null pointer for an empty path
    /// (`getname_maybe_null`).
    pub fn at_or_null(guest: &dyn Guest, fd: i32, addr: u64, flags: u32) -> Result<Target, Errno> {
        if addr != 0 || flags & AT_EMPTY_PATH == 0 {
            return Target::at(guest, fd, addr, flags);
        }
        match Dir::from_raw(fd) {
            Dir::Cwd => Ok(Target::Cwd),
            Dir::Fd(fd) => Ok(Target::Fd(fd)),
        }
    }

    /// The place to look at.
    pub fn place(&self) -> Place<'_> {
        match self {
            Target::Fd(fd) => Place::Fd(*fd),
            Target::OpenFd(fd) => Place::OpenFd(*fd),
            Target::Cwd => Place::Cwd,
            Target::Path { dir, path, trailing } => Place::Path { dir: *dir, path, trailing: *trailing },
        }
    }

    /// The place of a file whose owner or mode will be changed, or the call refused.
    pub fn place_of_change(&self) -> Place<'_> {
        match self {
            Target::OpenFd(fd) => Place::ChangedFd(*fd),
            other => other.place(),
        }
    }

    /// The last component of a path; of what is no path, or ends in none, an empty one.
    pub fn name(&self) -> CString {
        let Target::Path { path, .. } = self else { return CString::default() };
        let last = path.to_bytes().split(|&byte| byte == b'/').rfind(|part| !part.is_empty());
        // A part of a string without NULs has none.
        CString::new(last.unwrap_or_default()).unwrap_or_default()
    }

    /// The directory that the last component of the path is looked up in.
    pub fn parent(&self) -> Target {
        let Target::Path { dir, path, .. } = self else { return self.clone() };
        let bytes = path.to_bytes();
        let named = bytes.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
        let parent = match bytes[..named].iter().rposition(|&byte| byte == b'/') {
            Some(slash) => &bytes[..=slash],
            None if named == 0 => bytes,
            None => {
                return match dir {
                    Dir::Cwd => Target::Cwd,
                    Dir::Fd(fd) => Target::Fd(*fd),
                };
            }
        };
        // A part of a string without NULs has none.
        let path = CString::new(parent).unwrap_or_default();
        Target::Path { dir: *dir, path, trailing: Trailing::Follow }
    }
}

/// A file that was looked up, and what is known of it.
pub struct Seen {
    /// The engine's hold on it.
    pub node: Box<dyn Node>,
    /// The inode natively.
    pub inode: Inode,
    /// What is recorded.
    pub record: Option<Record>,
    /// How native ids read.
    pub world: World,
    /// Whether the inode was changed since it was looked at.
    touched: Cell<bool>,
}

impl Seen {
    /// Looks a file up.
    pub fn find(guest: &dyn Guest, target: &Target) -> Result<Seen, Errno> {
        Seen::hold(guest, guest.find(&target.place())?)
    }

    /// Reads what is known of a node.
    pub fn hold(guest: &dyn Guest, node: Box<dyn Node>) -> Result<Seen, Errno> {
        let inode = node.stat()?;
        Seen::of(guest, node, inode)
    }

    /// Reads what is known of a node that was looked at. EIO where the store cannot tell.
    pub fn of(guest: &dyn Guest, node: Box<dyn Node>, inode: Inode) -> Result<Seen, Errno> {
        let inode = born(inode);
        let record = match guest.store().suspect(inode.id, inode.ctime) {
            Ok(record) => Some(record),
            Err(false) => None,
            Err(true) => guest.store().find(&*node, &inode)?,
        };
        let mut seen = Seen { node, inode, record, world: guest.world(), touched: Cell::new(false) };
        if guest.watched(seen.inode.id).is_some() {
            seen.remove_privs(guest);
        }
        seen.watch_capability(guest);
        Ok(seen)
    }

    /// What the kernel did at a write that was noted since (`file_remove_privs`): capabilities went, and set-id bits if
    /// it was made by one who may not keep them.
    fn remove_privs(&mut self, guest: &dyn Guest) {
        let Some(drops) = self.node.written(self.inode.id) else { return };
        let mut attr = self.attr();
        attr.mode &= !drops;
        let mut record = self.edit();
        record.xattrs.remove(CAPABILITY);
        if self.world.native_mode(attr.mode) & drops != self.inode.mode & drops {
            // The kernel has left bits to its root that a user would have lost.
            if self.set_mode(attr.mode).is_ok() {
                self.inode.mode &= !drops;
            }
        }
        if self.save(guest, record.clone(), &attr).is_err() {
            // A store without room. What it could not be told holds for this call at least.
            record.mode = Some((attr.mode & PERMISSIONS) as u16);
            self.record = Some(record);
        }
    }

    /// Watches a file with capabilities: any write takes them.
    fn watch_capability(&self, guest: &dyn Guest) {
        let has = |record: &Record| record.xattrs.contains_key(CAPABILITY);
        if self.record.as_ref().is_some_and(has)
            && self.attr().is_file()
            && guest.watched(self.inode.id).is_none()
        {
            self.node.watch(self.inode.id, 0);
        }
    }

    /// Looks at the inode again before something is recorded of it, if the change may have done more to it than to move
    /// its ctime: the first one gives a file of an overlay's lower layer another birth time, that of its copy; and modes
    /// of other than regular files are of interest to every store.
    fn identify(&mut self, tells_modes: bool) {
        let is_regular = self.inode.mode & S_IFMT == S_IFREG;
        if self.touched.take()
            && (!is_regular || tells_modes || self.node.copies_up())
            && let Ok(inode) = self.node.stat().map(born)
        {
            let same = inode.btime == self.inode.btime;
            self.inode = Inode { generation: self.inode.generation.filter(|_| same), ..inode };
        }
        self.inode.generation = self.inode.generation.or_else(|| self.node.generation());
    }

    /// How it looks to the guest.
    pub fn attr(&self) -> Attr {
        Attr::of(&self.inode, self.record.as_ref(), &self.world)
    }

    /// Whether a task may read or write it, by virtual credentials and owners (`inode_permission`). EACCES.
    pub fn permits(&self, cred: &Cred, access: Access) -> Result<(), Errno> {
        owner::may(cred, access, &self.inode, self.record.as_ref(), &self.world)
    }

    /// What an error of permission becomes if the mount is read-only: the kernel asks that first
    /// (`mnt_want_write`).
    pub fn denied(&self, errno: Errno) -> Errno {
        self.writable().err().unwrap_or(errno)
    }

    /// EROFS if the mount is read-only.
    pub fn writable(&self) -> Result<(), Errno> {
        match self.node.mount_flags()? & ST_RDONLY {
            0 => Ok(()),
            _ => Err(Errno::EROFS),
        }
    }

    /// Whether the kernel lets us change the inode at all. What belongs to others (the machine's own files, its
    /// devices bound over placeholders) is changed in the record alone.
    fn is_native(&self) -> bool {
        self.world.owns(&self.inode)
    }

    /// The native half of a chown: what it does besides changing owners. `mode` (with the type) is what the file has
    /// afterwards. EROFS, EPERM for immutable files.
    pub fn touch(&self, mode: u32) -> Result<(), Errno> {
        if !self.is_native() {
            return self.writable();
        }
        self.touched.set(true);
        self.node.touch_owner()?;
        let set_ids = S_ISUID | S_ISGID;
        if (mode | self.inode.mode) & set_ids != 0 && mode & S_IFMT != S_IFDIR {
            return self.set_mode(mode);
        }
        Ok(())
    }

    /// Changes nothing but the ctime, as setting an attribute does; and brings a file of an overlay's lower layer into
    /// the upper one, before it is recorded.
    pub fn stir(&self) -> Result<(), Errno> {
        let attr = self.attr();
        if attr.is_link() { self.touch(attr.mode) } else { self.set_mode(attr.mode) }
    }

    /// The native half of a chmod. `mode` has the type.
    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        if !self.is_native() {
            return self.writable();
        }
        self.touched.set(true);
        self.node.set_mode(self.world.native_mode(mode) & PERMISSIONS)
    }

    /// An attribute that the kernel itself holds, such as one of a file that others made. EOPNOTSUPP where the file
    /// system has none of that kind.
    pub fn native_xattr(&self, name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
        match self.node.xattr(name) {
            Ok(value) => Ok(Some(value)),
            Err(Errno::ENODATA) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Removes what the kernel holds of an attribute that the record tells of from now on.
    pub fn remove_native_xattr(&self, name: &CStr) -> Result<(), Errno> {
        match self.native_xattr(name)? {
            Some(_) => self.node.remove_xattr(name),
            None => Ok(()),
        }
    }

    /// What is known so far, to be changed and given to [`Seen::save`].
    pub fn edit(&self) -> Record {
        self.record.clone().unwrap_or_else(|| {
            let attr = self.attr();
            Record::owned(attr.uid, attr.gid)
        })
    }

    /// Makes `attr` and whatever else `record` holds what is known of the file from now on. Errors are the store's: no
    /// room, not writable; then what was known before stands.
    pub fn save(&mut self, guest: &dyn Guest, mut record: Record, attr: &Attr) -> Result<(), Errno> {
        (record.uid, record.gid) = (attr.uid, attr.gid);
        let native = (self.inode.mode & !PERMISSIONS) | (attr.mode & PERMISSIONS);
        record.mode = if self.is_native() {
            self.world.recorded_mode(native)
        } else if native == self.inode.mode {
            None
        } else {
            Some((native & PERMISSIONS) as u16)
        };
        let (uid, gid) = self.world.owner(self.inode.uid, self.inode.gid);
        if record == Record::owned(uid, gid) {
            if self.record.is_some() {
                guest.store().forget(&*self.node, &self.inode)?;
                self.record = None;
            }
            return Ok(());
        }
        // A directory's mode decides what it hands on; a terminal is known by the time of its last change.
        let says_more = attr.is_dir()
            || self.inode.mode & S_IFMT == S_IFCHR
            || (guest.store().mirrors_modes() && self.touched.get());
        if says_more || self.record.as_ref() != Some(&record) {
            self.identify(guest.store().mirrors_modes());
            guest.store().put(&*self.node, &self.inode, record.clone())?;
            self.record = Some(record);
            self.watch_capability(guest);
        }
        Ok(())
    }
}

/// Gives a terminal a birth time. It has none, and its number soon belongs to the next one: the time of its last change,
/// which only chown and chmod move, must do.
fn born(inode: Inode) -> Inode {
    let is_device = inode.mode & S_IFMT == S_IFCHR;
    Inode { btime: inode.btime.or(is_device.then_some(inode.ctime)), ..inode }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(path: &str) -> String {
        let path = CString::new(path).unwrap();
        match (Target::Path { dir: Dir::Fd(7), path, trailing: Trailing::Keep }).parent() {
            Target::Path { path, .. } => path.into_string().unwrap(),
            Target::Fd(fd) => format!("fd {fd}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_name_comes_last() {
        for (path, expected) in [("a", "a"), ("a/b//", "b"), ("/a", "a"), ("/", "")] {
            let path = CString::new(path).unwrap();
            let target = Target::Path { dir: Dir::Cwd, path, trailing: Trailing::Keep };
            assert_eq!(target.name().to_str(), Ok(expected));
        }
        assert!(Target::Fd(3).name().is_empty());
    }

    #[test]
    fn the_parent_is_what_comes_before_the_last_name() {
        assert_eq!(parent("a"), "fd 7");
        assert_eq!(parent("a/"), "fd 7");
        assert_eq!(parent("a/b"), "a/");
        assert_eq!(parent("a/b//"), "a/");
        assert_eq!(parent("a//b"), "a//");
        assert_eq!(parent("/a"), "/");
        assert_eq!(parent("/"), "/");
    }
}
