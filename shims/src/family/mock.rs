//! A guest for unit tests: files in a map by path, memory in a vector, host calls answered by a closure.

mod calls;
mod store;
mod tasks;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;

use linux_raw_sys::general::{S_ISGID, S_ISUID};

pub use self::calls::{call, run};
use self::store::Map;
use crate::abi::{Abi, Call, Errno};
use crate::cred::{Cred, Login};
use crate::guest::{Dir, Guest, Host, Loan, Node, Place, Room, Shelf, TaskFile, Text};
use crate::owner::tests_support::user;
use crate::owner::{Attr, Attributes, FileId, FileSystem, Inode, PERMISSIONS, Record, Store, Time, World};

/// One inode of the mock's only file system.
#[derive(Clone)]
struct File {
    inode: Inode,
    xattrs: BTreeMap<CString, Vec<u8>>,
    cover: Option<CString>,
    /// What [`Node::set_times`] has set.
    times: Option<[Time; 2]>,
    /// What the next write drops, and whether it has come.
    watched: Option<(u32, bool)>,
}

/// Files by path; hard links share the cell.
type Tree = Rc<RefCell<BTreeMap<String, Rc<RefCell<File>>>>>;

/// The guest.
pub struct Mock {
    tree: Tree,
    fds: RefCell<BTreeMap<i32, String>>,
    memory: RefCell<Vec<u8>>,
    cred: RefCell<Rc<Cred>>,
    world: Cell<World>,
    read_only: Rc<Cell<bool>>,
    copied_up: Rc<Cell<Option<Time>>>,
    next: Cell<u64>,
    records: Map,
    sysctls: RefCell<BTreeMap<CString, u32>>,
    /// Files of /proc.
    pub tasks: tasks::Tasks,
    submitted: RefCell<Vec<Host>>,
    replies: RefCell<Vec<Result<u64, Errno>>>,
}

impl Mock {
    /// Virtual root with an empty file system.
    pub fn new() -> Mock {
        let world =
            World { root_uid: 0, root_gid: 0, overflows: true, dac_override: true, reads_undumpable: true };
        let mock = Mock {
            tree: Tree::default(),
            fds: RefCell::default(),
            memory: RefCell::new(vec![0; 64]),
            cred: RefCell::new(Rc::new(user(0, 0, &[]))),
            world: Cell::new(world),
            read_only: Rc::default(),
            copied_up: Rc::default(),
            next: Cell::new(1),
            sysctls: RefCell::default(),
            records: Map::default(),
            tasks: tasks::Tasks::default(),
            submitted: RefCell::default(),
            replies: RefCell::default(),
        };
        mock.file("/", 0o040755);
        mock
    }

    /// Changes who is calling.
    pub fn be(&self, cred: Cred) {
        *self.cred.borrow_mut() = Rc::new(cred);
    }

    /// Makes a file with a type and mode.
    pub fn file(&self, path: &str, mode: u32) {
        let ino = self.next.replace(self.next.get() + 1);
        let time = Time { sec: ino as i64, nsec: 0 };
        let id = FileId { dev: 1, ino };
        let inode = Inode {
            id,
            btime: Some(time),
            generation: None,
            ctime: time,
            mode,
            nlink: 1,
            size: 0,
            uid: 0,
            gid: 0,
            rdev: 0,
        };
        let file = File { inode, xattrs: BTreeMap::new(), cover: None, times: None, watched: None };
        self.tree.borrow_mut().insert(path.to_owned(), Rc::new(RefCell::new(file)));
    }

    /// Makes descriptor `fd` one of `path`.
    pub fn open(&self, fd: i32, path: &str) {
        self.fds.borrow_mut().insert(fd, path.to_owned());
    }

    /// Closes a descriptor.
    pub fn close(&self, fd: i32) {
        self.fds.borrow_mut().remove(&fd);
    }

    /// Whether a descriptor is open.
    pub fn is_open(&self, fd: i32) -> bool {
        self.fds.borrow().contains_key(&fd)
    }

    /// Takes CAP_DAC_OVERRIDE from the guest.
    pub fn without_dac_override(&self) {
        self.world.set(World { dac_override: false, ..self.world.get() });
    }

    /// Lets the store have no room from now on.
    pub fn fill_store(&self) {
        self.records.full.set(true);
    }

    /// Leaves the store unreadable.
    pub fn damage_store(&self) {
        self.records.damaged.set(true);
    }

    /// Sets what /proc/sys says.
    pub fn protect(&self, name: &CStr, value: u32) {
        self.sysctls.borrow_mut().insert(name.to_owned(), value);
    }

    /// Makes the file system read-only.
    pub fn read_only(&self, now: bool) {
        self.read_only.set(now);
    }

    /// Lets the next change be one at which an overlay gives the file another birth time.
    pub fn copy_up(&self, btime: Time) {
        self.copied_up.set(Some(btime));
    }

    /// Gives a file to someone that the namespace does not map.
    pub fn make_foreign(&self, path: &str) {
        let file = self.at(path).unwrap();
        (file.borrow_mut().inode.uid, file.borrow_mut().inode.gid) = (65534, 65534);
    }

    /// Changes a mode behind the back of the shims.
    pub fn set_native_mode(&self, path: &str, mode: u32) {
        self.at(path).unwrap().borrow_mut().inode.mode = mode;
    }

    /// Changes what is recorded of a file.
    pub fn record(&self, path: &str, change: impl FnOnce(&mut Record)) {
        let inode = self.inode(path);
        let attr = self.attr(path);
        let mut record = self.recorded(path).unwrap_or(Record::owned(attr.uid, attr.gid));
        change(&mut record);
        self.records.records.borrow_mut().insert(inode.id, (inode, record));
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.records.records.borrow().len()
    }

    /// What is recorded of a file.
    pub fn recorded(&self, path: &str) -> Option<Record> {
        self.records.find(&self.held(path).unwrap(), &self.inode(path)).unwrap()
    }

    /// The inode of a path.
    pub fn inode(&self, path: &str) -> Inode {
        self.at(path).unwrap().borrow().inode
    }

    /// The times that were set of what is at a path, by us.
    pub fn times(&self, path: &str) -> Option<[Time; 2]> {
        self.at(path).unwrap().borrow().times
    }

    /// The device that a path is covered with.
    pub fn cover(&self, path: &str) -> Option<CString> {
        self.at(path).unwrap().borrow().cover.clone()
    }

    /// How a file looks to the guest.
    pub fn attr(&self, path: &str) -> Attr {
        let inode = self.inode(path);
        Attr::of(&inode, self.recorded(path).as_ref(), &self.world.get())
    }

    /// Virtual owner and group.
    pub fn owner(&self, path: &str) -> (u32, u32) {
        let attr = self.attr(path);
        (attr.uid.raw(), attr.gid.raw())
    }

    /// Virtual mode.
    pub fn mode(&self, path: &str) -> u32 {
        self.attr(path).mode
    }

    /// Native mode.
    pub fn native_mode(&self, path: &str) -> u32 {
        self.inode(path).mode
    }

    /// Puts bytes into memory.
    pub fn poke(&self, bytes: &[u8]) -> u64 {
        let mut memory = self.memory.borrow_mut();
        let addr = memory.len() as u64;
        memory.extend_from_slice(bytes);
        addr
    }

    /// What is in memory.
    pub fn peek(&self, addr: u64, len: usize) -> Vec<u8> {
        self.memory.borrow()[addr as usize..][..len].to_vec()
    }

    /// Writes to a file, as far as that is noticed.
    pub fn write_to(&self, path: &str) {
        let file = self.at(path).unwrap();
        file.borrow_mut().inode.size += 1;
        file.borrow_mut().watched.iter_mut().for_each(|(_, written)| *written = true);
    }

    /// The host calls that were made.
    pub fn submitted(&self) -> Vec<Host> {
        self.submitted.borrow().clone()
    }

    /// Whether there is anything at a path.
    pub fn exists(&self, path: &str) -> bool {
        self.at(path).is_ok()
    }

    /// Removes a name.
    pub fn remove(&self, path: &str) {
        if let Some(file) = self.tree.borrow_mut().remove(path) {
            file.borrow_mut().inode.nlink -= 1;
        }
    }

    fn held(&self, path: &str) -> Result<Held, Errno> {
        let file = self.at(path)?;
        let (read_only, copied_up) = (self.read_only.clone(), self.copied_up.clone());
        Ok(Held { file, tree: self.tree.clone(), read_only, copied_up })
    }

    fn at(&self, path: &str) -> Result<Rc<RefCell<File>>, Errno> {
        self.tree.borrow().get(path).cloned().ok_or(Errno::ENOENT)
    }

    fn resolve(&self, place: &Place<'_>) -> Result<String, Errno> {
        let of_fd = |fd: i32| self.fds.borrow().get(&fd).cloned().ok_or(Errno::EBADF);
        Ok(match place {
            Place::Fd(fd) | Place::OpenFd(fd) | Place::ChangedFd(fd) => of_fd(*fd)?,
            Place::Cwd | Place::Exe => "/".to_owned(),
            Place::Path { dir, path, .. } => {
                let path = path.to_str().map_err(|_| Errno::EINVAL)?;
                let base = match dir {
                    _ if path.starts_with('/') => String::new(),
                    Dir::Cwd => "/".to_owned(),
                    Dir::Fd(fd) => of_fd(*fd)? + "/",
                };
                let joined = base.replace("//", "/") + path;
                if joined.len() > 1 { joined.trim_end_matches('/').to_owned() } else { joined }
            }
        })
    }
}

impl Guest for Mock {
    fn call(&self) -> Call {
        Call { abi: Abi::X86_64, nr: 0, args: [0; 6] }
    }
    fn tid(&self) -> i32 {
        1
    }
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let memory = self.memory.borrow();
        let from = memory.get(addr as usize..).and_then(|rest| rest.get(..buf.len())).ok_or(Errno::EFAULT)?;
        buf.copy_from_slice(from);
        Ok(())
    }
    fn write(&self, addr: u64, data: &[u8]) -> Result<(), Errno> {
        let mut memory = self.memory.borrow_mut();
        let to = memory.get_mut(addr as usize..).and_then(|rest| rest.get_mut(..data.len()));
        to.ok_or(Errno::EFAULT)?.copy_from_slice(data);
        Ok(())
    }
    fn read_path(&self, addr: u64) -> Result<CString, Errno> {
        self.read_str(addr, 4096).map_err(|e| if e == Errno::ERANGE { Errno::ENAMETOOLONG } else { e })
    }
    fn read_str(&self, addr: u64, max: usize) -> Result<CString, Errno> {
        let memory = self.memory.borrow();
        let rest = memory.get(addr as usize..).filter(|_| addr != 0).ok_or(Errno::EFAULT)?;
        let text = CStr::from_bytes_until_nul(rest).map_err(|_| Errno::EFAULT)?;
        if text.to_bytes_with_nul().len() > max { Err(Errno::ERANGE) } else { Ok(text.to_owned()) }
    }
    fn cred(&self) -> Rc<Cred> {
        self.cred.borrow().clone()
    }
    fn set_cred(&self, cred: Rc<Cred>) {
        *self.cred.borrow_mut() = cred;
    }
    fn dumpable(&self) -> u8 {
        1
    }

    fn set_dumpable(&self, _: u8) {}

    fn cred_of(&self, _: i32) -> Result<Rc<Cred>, Errno> {
        Err(Errno::ESRCH)
    }
    fn store(&self) -> &dyn Store {
        &self.records
    }
    fn world(&self) -> World {
        self.world.get()
    }
    fn find(&self, place: &Place<'_>) -> Result<Box<dyn Node>, Errno> {
        Ok(Box::new(self.held(&self.resolve(place)?)?))
    }
    fn quick_stat(&self, _: &Place<'_>, _: u32) -> Option<[u8; crate::abi::STATX_SIZE]> {
        None
    }

    fn sysctl(&self, name: &CStr) -> u32 {
        self.sysctls.borrow().get(name).copied().unwrap_or(0)
    }

    fn watched(&self, id: FileId) -> Option<u32> {
        let files = self.tree.borrow();
        let file = files.values().map(|file| file.borrow()).find(|file| file.inode.id == id)?;
        file.watched.map(|(drops, _)| drops)
    }

    fn sees_views(&self) -> bool {
        !self.tasks.files.borrow().is_empty()
    }
    fn task_file(&self, place: &Place<'_>) -> Option<TaskFile> {
        self.tasks.files.borrow().get(&self.resolve(place).ok()?).cloned()
    }
    fn read_task_file(&self, _: &Place<'_>) -> Option<Vec<u8>> {
        Some(self.tasks.native.borrow().clone().into())
    }
    fn lives_at_home(&self, tid: i32) -> bool {
        !self.tasks.elsewhere.borrow().contains(&tid)
    }
    fn login(&self, tid: i32) -> Option<Login> {
        self.tasks.logins.borrow().get(&tid).copied()
    }
    fn lend(&self, text: &Text<'_>, _: Shelf<'_>) -> Result<Box<dyn Loan>, Errno> {
        Ok(self.tasks.lend(text, self.poke(b"/ours\0"), self.poke(text.beside)))
    }

    fn room(&self, size: usize) -> Result<Box<dyn Room>, Errno> {
        Ok(Box::new(calls::Scratch(self.poke(&vec![0; size]))))
    }

    fn umask(&self) -> Result<u32, Errno> {
        Ok(0o022)
    }
    fn root_changes(&self) {}

    fn mounts(&self, _: &std::ffi::CStr) {}
    fn own_cpus(&self, _: i32) {}

    fn submit(&self, host: Host) {
        self.submitted.borrow_mut().push(host);
    }
    fn take_reply(&self) -> Option<Result<u64, Errno>> {
        self.replies.borrow_mut().pop()
    }
}

struct Held {
    file: Rc<RefCell<File>>,
    tree: Tree,
    read_only: Rc<Cell<bool>>,
    copied_up: Rc<Cell<Option<Time>>>,
}

impl Held {
    fn writable(&self) -> Result<(), Errno> {
        if self.read_only.get() { Err(Errno::EROFS) } else { Ok(()) }
    }
}

impl Attributes for Held {
    fn file_system(&self) -> Result<FileSystem, Errno> {
        Ok(FileSystem { fsid: Some(1), overlay: false, full: false })
    }

    fn generation(&self) -> Option<u64> {
        None
    }

    fn xattr(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        self.file.borrow().xattrs.get(name).cloned().ok_or(Errno::ENODATA)
    }

    fn set_xattr(&self, name: &CStr, value: &[u8], _: u32) -> Result<(), Errno> {
        self.writable()?;
        self.file.borrow_mut().xattrs.insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        self.writable()?;
        self.file.borrow_mut().xattrs.remove(name).map(drop).ok_or(Errno::ENODATA)
    }

    fn list_xattrs(&self) -> Result<Vec<u8>, Errno> {
        Ok(self.file.borrow().xattrs.keys().flat_map(|name| name.to_bytes_with_nul().to_vec()).collect())
    }
}

impl Node for Held {
    fn remove_unused(&self, name: &CStr, made: &Inode) -> Result<(), Errno> {
        let mut files = self.tree.borrow_mut();
        let name = name.to_str().map_err(|_| Errno::EINVAL)?;
        let parent = files.iter().find(|(_, file)| Rc::ptr_eq(file, &self.file)).map(|(path, _)| path);
        let path = format!("{}/{name}", parent.ok_or(Errno::ENOENT)?.trim_end_matches('/'));
        let is_it = |inode: &Inode| inode.is_same(made) && inode.is_unused();
        files.get(&path).filter(|file| is_it(&file.borrow().inode)).ok_or(Errno::ENOENT)?;
        files.remove(&path).map(drop).ok_or(Errno::ENOENT)
    }

    fn copies_up(&self) -> bool {
        self.copied_up.get().is_some()
    }

    fn stat(&self) -> Result<Inode, Errno> {
        Ok(self.file.borrow().inode)
    }
    fn touch_owner(&self) -> Result<(), Errno> {
        self.writable()?;
        let inode = &mut self.file.borrow_mut().inode;
        inode.mode &= !(S_ISUID | S_ISGID);
        if let Some(copied) = self.copied_up.get() {
            inode.btime = Some(copied);
        }
        Ok(())
    }
    fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        self.writable()?;
        let inode = &mut self.file.borrow_mut().inode;
        inode.mode = (inode.mode & !PERMISSIONS) | mode;
        Ok(())
    }
    fn set_times(&self, times: [Time; 2]) -> Result<(), Errno> {
        self.writable()?;
        self.file.borrow_mut().times = Some(times);
        Ok(())
    }
    fn watch(&self, _: FileId, drops: u32) {
        self.file.borrow_mut().watched = Some((drops, false));
    }
    fn written(&self, _: FileId) -> Option<u32> {
        self.file.borrow_mut().watched.take_if(|(_, written)| *written).map(|(drops, _)| drops)
    }
    fn mount_flags(&self) -> Result<u64, Errno> {
        Ok(if self.read_only.get() { 1 } else { 0 })
    }
    fn cover_with_device(&self, name: &CStr) -> Result<(), Errno> {
        self.file.borrow_mut().cover = Some(name.to_owned());
        Ok(())
    }
    fn uncover(&self) -> Result<(), Errno> {
        self.file.borrow_mut().cover.take().map(drop).ok_or(Errno::EINVAL)
    }
    fn cover_with_tree(&self, path: &CStr) -> Result<(), Errno> {
        self.cover_with_device(path)
    }
}
