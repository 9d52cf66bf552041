//! A guest for tests: some memory, credentials, one other task, and one program with a mode and an owner.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::abi::{Abi, Call, Errno};
use crate::cred::Cred;
use crate::guest::{Answer, Guest, Host, MOST_ROOM, Node, Peer, Place, Room, Whom};
use crate::owner::{Attributes, FileId, FileSystem, Inode, Record, Store, Time, World};
use crate::table::Needs;

/// A guest that was never a process.
pub struct Fake {
    abi: Abi,
    cred: RefCell<Rc<Cred>>,
    dumpable: Cell<u8>,
    others: RefCell<HashMap<i32, Rc<Cred>>>,
    memory: RefCell<Vec<u8>>,
    /// The program of every exec.
    pub program: Program,
    /// Records by inode number.
    pub records: RefCell<HashMap<u64, Record>>,
    /// What the store says of its contents besides.
    pub recorded: Cell<Needs>,
    /// The one path at which there is nothing.
    pub missing: Option<CString>,
    /// What the kernel says to every host call.
    pub kernel: Cell<Result<u64, Errno>>,
}

/// The one file there is.
#[derive(Clone)]
pub struct Program {
    /// Native mode, owner and group.
    pub native: (u32, u32, u32),
    /// Native `security.capability`.
    pub caps: Option<Vec<u8>>,
    /// Flags of its mount.
    pub mount_flags: u64,
}

impl Fake {
    /// Its thread id.
    pub const TID: i32 = 1234;
    /// A thread id for another task.
    pub const OTHER: i32 = 1300;
    /// The end of its memory.
    pub const END: u64 = 0x10_0000;
    /// Where there is room.
    pub const ROOM: u64 = 0x8_0000;
    /// An address that faults.
    pub const BAD: u64 = Fake::END + 0x1000;

    /// A task of root's.
    pub fn root(abi: Abi) -> Fake {
        Fake::new(abi, Cred::root())
    }

    /// A task with these credentials.
    pub fn new(abi: Abi, cred: Cred) -> Fake {
        Fake {
            abi,
            cred: RefCell::new(cred.into()),
            dumpable: Cell::new(1),
            others: RefCell::default(),
            memory: RefCell::new(vec![0; Fake::END as usize]),
            program: Program { native: (0o100755, 0, 0), caps: None, mount_flags: 0 },
            records: RefCell::default(),
            recorded: Cell::new(Needs::empty()),
            missing: None,
            kernel: Cell::new(Ok(0)),
        }
    }

    /// Makes a call by its shim.
    pub fn run(&self, shim: fn(&dyn Guest, &Call) -> Answer, args: &[u64]) -> Answer {
        let mut call = self.call();
        call.args[..args.len()].copy_from_slice(args);
        shim(self, &call)
    }

    /// Makes a call by a shim that may ask the kernel, which says `kernel` to all.
    pub fn serve<F: Future<Output = Answer>>(
        self,
        shim: impl FnOnce(Rc<dyn Guest>, Call) -> F,
        args: &[u64],
        kernel: Result<u64, Errno>,
    ) -> Answer {
        let mut call = self.call();
        call.args[..args.len()].copy_from_slice(args);
        self.kernel.set(kernel);
        let mut shim = pin!(shim(Rc::new(self), call));
        loop {
            if let Poll::Ready(answer) = shim.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return answer;
            }
        }
    }

    /// Its credentials now.
    pub fn cred_now(&self) -> Cred {
        (**self.cred.borrow()).clone()
    }

    /// Lets another task be known, with these credentials.
    pub fn know(&self, pid: i32, cred: Rc<Cred>) {
        self.others.borrow_mut().insert(pid, cred);
    }

    /// Puts bytes into its memory.
    pub fn put(&self, addr: u64, data: &[u8]) {
        self.write(addr, data).expect("within the memory");
    }

    /// Bytes of its memory.
    pub fn bytes(&self, addr: u64, length: usize) -> Vec<u8> {
        self.memory.borrow()[addr as usize..][..length].to_vec()
    }
}

/// The indices of some bytes. Null pointers fault.
fn range(addr: u64, length: usize) -> Result<Range<usize>, Errno> {
    let start = usize::try_from(addr).ok().filter(|start| *start >= 0x100).ok_or(Errno::EFAULT)?;
    Ok(start..start.checked_add(length).ok_or(Errno::EFAULT)?)
}

impl Guest for Fake {
    fn call(&self) -> Call {
        Call { abi: self.abi, nr: 0, args: [0; 6] }
    }

    fn tid(&self) -> i32 {
        Fake::TID
    }

    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let memory = self.memory.borrow();
        let from = memory.get(range(addr, buf.len())?).ok_or(Errno::EFAULT)?;
        buf.copy_from_slice(from);
        Ok(())
    }

    fn write(&self, addr: u64, data: &[u8]) -> Result<(), Errno> {
        let mut memory = self.memory.borrow_mut();
        let to = memory.get_mut(range(addr, data.len())?).ok_or(Errno::EFAULT)?;
        to.copy_from_slice(data);
        Ok(())
    }

    fn read_path(&self, addr: u64) -> Result<CString, Errno> {
        self.read_str(addr, 4096)
    }

    fn read_str(&self, addr: u64, max: usize) -> Result<CString, Errno> {
        let memory = self.memory.borrow();
        let from = memory.get(addr as usize..).ok_or(Errno::EFAULT)?;
        let text = CStr::from_bytes_until_nul(from).map_err(|_| Errno::EFAULT)?;
        if text.count_bytes() < max { Ok(text.to_owned()) } else { Err(Errno::ERANGE) }
    }

    fn cred(&self) -> Rc<Cred> {
        self.cred.borrow().clone()
    }

    fn set_cred(&self, cred: Rc<Cred>) {
        *self.cred.borrow_mut() = cred;
    }

    fn dumpable(&self) -> u8 {
        self.dumpable.get()
    }

    fn set_dumpable(&self, value: u8) {
        self.dumpable.set(value);
    }

    fn cred_of(&self, pid: i32) -> Result<Rc<Cred>, Errno> {
        self.others.borrow().get(&pid).cloned().ok_or(Errno::ESRCH)
    }

    fn peers(&self, whom: Whom) -> Vec<Peer> {
        let peer = |tid: i32, cred: Rc<Cred>| Peer {
            tid,
            cred,
            is_own: tid == Fake::TID,
            in_session: true,
            dumpable: true,
        };
        let me = peer(Fake::TID, self.cred());
        match whom {
            Whom::Task(pid) if pid == 0 || pid == Fake::TID => vec![me],
            Whom::Task(pid) => self.cred_of(pid).map(|cred| peer(pid, cred)).into_iter().collect(),
            Whom::Handle(_) => Vec::new(),
            Whom::Group(_) | Whom::Processes | Whom::Threads => {
                let others = self.others.borrow();
                let mut tids: Vec<_> = others.iter().collect();
                tids.sort_by_key(|(tid, _)| **tid);
                tids.into_iter().map(|(tid, cred)| peer(*tid, cred.clone())).chain([me]).collect()
            }
        }
    }

    fn room(&self, size: usize) -> Result<Box<dyn Room>, Errno> {
        if size > MOST_ROOM {
            return Err(Errno::ENOMEM);
        }
        struct Place;
        impl Room for Place {
            fn at(&self) -> u64 {
                Fake::ROOM
            }
        }
        Ok(Box::new(Place))
    }

    fn socket_peer(&self, fd: i32) -> Option<Rc<Cred>> {
        self.others.borrow().get(&fd).cloned()
    }

    fn store(&self) -> &dyn Store {
        self
    }

    fn world(&self) -> World {
        World { root_uid: 0, root_gid: 0, overflows: true, dac_override: true, reads_undumpable: true }
    }

    fn find(&self, place: &Place<'_>) -> Result<Box<dyn Node>, Errno> {
        if let (Place::Path { path, .. }, Some(missing)) = (place, &self.missing)
            && *path == missing.as_c_str()
        {
            return Err(Errno::ENOENT);
        }
        Ok(Box::new(self.program.clone()))
    }

    fn quick_stat(&self, _: &Place<'_>, _: u32) -> Option<[u8; crate::abi::STATX_SIZE]> {
        None
    }

    fn sysctl(&self, _: &CStr) -> u32 {
        0
    }

    fn umask(&self) -> Result<u32, Errno> {
        Ok(0o022)
    }

    fn root_changes(&self) {}

    fn mounts(&self, _: &std::ffi::CStr) {}

    fn own_cpus(&self, _: i32) {}

    fn submit(&self, _: Host) {}

    fn take_reply(&self) -> Option<Result<u64, Errno>> {
        Some(self.kernel.get())
    }
}

impl Store for Fake {
    fn find(&self, _: &dyn Attributes, inode: &Inode) -> Result<Option<Record>, Errno> {
        Ok(self.records.borrow().get(&inode.id.ino).cloned())
    }

    fn suspect(&self, id: FileId, _: Time) -> Result<Record, bool> {
        Err(self.records.borrow().contains_key(&id.ino))
    }

    fn put(&self, _: &dyn Attributes, inode: &Inode, record: Record) -> Result<(), Errno> {
        self.records.borrow_mut().insert(inode.id.ino, record);
        Ok(())
    }

    fn forget(&self, _: &dyn Attributes, inode: &Inode) -> Result<(), Errno> {
        self.records.borrow_mut().remove(&inode.id.ino);
        Ok(())
    }

    fn unlinked(&self, file: &dyn Attributes, inode: &Inode) {
        let _ = self.forget(file, inode);
    }

    fn directories_pass_on(&self) -> bool {
        self.recorded.get().contains(Needs::PASSING_ON)
    }

    fn has_devices(&self) -> bool {
        self.recorded.get().contains(Needs::DEVICES)
    }

    fn may_be_device(&self, _: FileId) -> bool {
        false
    }

    fn has_xattrs(&self) -> bool {
        self.recorded.get().contains(Needs::XATTRS)
            || self.records.borrow().values().any(|record| !record.xattrs.is_empty())
    }

    fn awaits_unlink(&self) -> bool {
        self.recorded.get().contains(Needs::UNLINKS)
    }

    fn has_overlays(&self) -> bool {
        self.recorded.get().contains(Needs::OVERLAYS)
    }
}

impl Attributes for Program {
    fn file_system(&self) -> Result<FileSystem, Errno> {
        Ok(FileSystem { fsid: Some(1), overlay: false, full: false })
    }

    fn generation(&self) -> Option<u64> {
        None
    }

    fn xattr(&self, _: &CStr) -> Result<Vec<u8>, Errno> {
        self.caps.clone().ok_or(Errno::ENODATA)
    }

    fn set_xattr(&self, _: &CStr, _: &[u8], _: u32) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    fn remove_xattr(&self, _: &CStr) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    fn list_xattrs(&self) -> Result<Vec<u8>, Errno> {
        Ok(Vec::new())
    }
}

impl Node for Program {
    fn copies_up(&self) -> bool {
        false
    }

    fn stat(&self) -> Result<Inode, Errno> {
        let (mode, uid, gid) = self.native;
        let time = Time { sec: 1, nsec: 0 };
        Ok(Inode {
            id: FileId { dev: 1, ino: 1 },
            btime: Some(time),
            ctime: time,
            mode,
            nlink: 1,
            size: 0,
            uid,
            gid,
            rdev: 0,
            generation: None,
        })
    }

    fn mount_flags(&self) -> Result<u64, Errno> {
        Ok(self.mount_flags)
    }

    fn touch_owner(&self) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    fn set_mode(&self, _: u32) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    fn set_times(&self, _: [Time; 2]) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    fn cover_with_device(&self, _: &CStr) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    fn uncover(&self) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn cover_with_tree(&self, _: &CStr) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
}
