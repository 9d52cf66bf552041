//! Files by descriptor and by path, as the tracer touches them on a guest's behalf. Nothing here opens a file for
//! reading or writing: `O_PATH` descriptors never block and have no side effect on what they name.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use remainroot_shims::owner::{FileId, Inode, Time};

use super::last_errno;

/// `Result` with an errno.
pub type Result<T> = std::result::Result<T, i32>;

/// Makes a call until it is not interrupted: the tracer's own alarm must not become a guest's EINTR.
pub(super) fn check(mut call: impl FnMut() -> libc::c_long) -> Result<i64> {
    loop {
        match call() {
            value if value >= 0 => return Ok(value),
            _ => match last_errno() {
                libc::EINTR => {}
                errno => return Err(errno),
            },
        }
    }
}

/// `openat(dir, path, O_PATH | O_CLOEXEC | flags)`.
pub fn open_path(dir: RawFd, path: &CStr, flags: i32) -> Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_CLOEXEC | flags;
    // SAFETY: `path` is NUL-terminated.
    let fd = check(|| unsafe { libc::openat(dir, path.as_ptr(), flags) }.into())?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `openat2(dir, path, {O_PATH | O_CLOEXEC | flags, resolve})` (Linux 5.6).
pub fn open_path_resolving(dir: RawFd, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd> {
    // SAFETY: plain data; all zeros is a valid value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC | flags) as u64;
    how.resolve = resolve;
    // SAFETY: `path` is NUL-terminated and `how` has the size that is passed.
    let fd = check(|| unsafe {
        libc::syscall(libc::SYS_openat2, dir, path.as_ptr(), &raw const how, size_of_val(&how))
    })?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `statx(dir, path, flags, mask)`.
pub fn statx(dir: RawFd, path: &CStr, flags: i32, mask: u32) -> Result<libc::statx> {
    // SAFETY: plain data; all zeros is a valid value.
    let mut buf: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is NUL-terminated and the kernel writes one struct statx.
    check(|| unsafe { libc::statx(dir, path.as_ptr(), flags, mask, &raw mut buf) }.into())?;
    Ok(buf)
}

/// `statx(fd, "", AT_EMPTY_PATH | flags, mask)`, as the bytes that the kernel writes.
pub fn statx_bytes(fd: BorrowedFd<'_>, flags: i32, mask: u32) -> Result<[u8; size_of::<libc::statx>()]> {
    let (fd, flags) = (fd.as_raw_fd(), libc::AT_EMPTY_PATH | flags);
    let mut bytes = [0; size_of::<libc::statx>()];
    // SAFETY: the path is NUL-terminated and the kernel writes one struct statx, for which there is room.
    check(|| unsafe { libc::syscall(libc::SYS_statx, fd, c"".as_ptr(), flags, mask, bytes.as_mut_ptr()) })?;
    Ok(bytes)
}

/// The inode that the kernel described, but for its generation.
pub fn inode_of(stat: &libc::statx) -> Inode {
    let time = |at: libc::statx_timestamp| Time { sec: at.tv_sec, nsec: at.tv_nsec };
    Inode {
        id: FileId { dev: libc::makedev(stat.stx_dev_major, stat.stx_dev_minor), ino: stat.stx_ino },
        generation: None,
        btime: has_birth_time(stat).then(|| time(stat.stx_btime)),
        ctime: time(stat.stx_ctime),
        mode: stat.stx_mode.into(),
        nlink: stat.stx_nlink,
        size: stat.stx_size,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        rdev: libc::makedev(stat.stx_rdev_major, stat.stx_rdev_minor),
    }
}

/// The mount that a file is on, and its device: by its unique id (Linux 6.8), or by one that may be used again (5.8). The
/// kernel was asked for both.
pub fn mount_of(stat: &libc::statx) -> (u64, u64) {
    (libc::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_mnt_id)
}

/// The number of the mount that a file is on, as /proc/PID/mountinfo has it (Linux 5.8). It may be used again.
pub fn mount_number(fd: BorrowedFd<'_>) -> Option<u64> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let stat = statx(fd.as_raw_fd(), c"", flags, libc::STATX_MNT_ID).ok()?;
    (stat.stx_mask & libc::STATX_MNT_ID != 0).then_some(stat.stx_mnt_id)
}

/// The generation of all inodes of a file system that never gives a number twice and has birth times: tmpfs counts
/// (`shmem_reserve_inode`), and the birth time tells what another of the same device had. It need not be asked for.
pub const ONLY_GENERATION: u64 = 0;

/// Whether the kernel was asked for a birth time, and there is one.
pub fn has_birth_time(stat: &libc::statx) -> bool {
    stat.stx_mask & libc::STATX_BTIME != 0
}

/// What tells a file's inode from its predecessors of the same number ([`Inode::generation`]): the FNV-1a hash of type
/// and bytes of its handle (`name_to_handle_at(fd, "", …)`), which is the same in every run. `None` where there are no
/// handles, or where asking is forbidden.
pub fn generation(fd: BorrowedFd<'_>) -> Option<u64> {
    const HEAD: usize = 8;
    // struct file_handle: room for MAX_HANDLE_SZ, aligned as its integers are.
    let mut handle = [0u64; (HEAD + 128) / 8];
    let mut mount = 0i32;
    handle[0] = 128;
    // SAFETY: the path is NUL-terminated; the kernel writes at most the header and 128 bytes, and one integer.
    let result = check(|| unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            fd.as_raw_fd(),
            c"".as_ptr(),
            handle.as_mut_ptr(),
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    });
    result.ok()?;
    let (length, kind) = (handle[0] as u32 as usize, (handle[0] >> 32) as u32);
    // A FUSE server gives an inode another handle when the kernel has forgotten it for a while. Its handles are of this
    // type (and so are those of XFS).
    let is_on = |magic: i64| file_system(fd).is_ok_and(|found| found.kind == magic);
    if kind == FILEID_INO64_GEN && is_on(FUSE_SUPER_MAGIC) {
        return None;
    }
    if (kind, length) == (FILEID_INO32_GEN, 12) && is_on(libc::TMPFS_MAGIC) {
        let stat = statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_BTIME).ok()?;
        if has_birth_time(&stat) {
            return Some(ONLY_GENERATION);
        }
    }
    let bytes = handle.iter().flat_map(|word| word.to_ne_bytes()).skip(4).take(4 + length);
    Some(
        bytes
            .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)),
    )
}

/// A descriptor of another process's, as one of ours for the same open file (`pidfd_getfd`, Linux 5.6).
pub fn borrow(process: BorrowedFd<'_>, fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: plain numbers.
    let fd = check(|| unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `pidfd_open(tid, flags)` for a thread where the kernel can (`PIDFD_THREAD`, Linux 6.9), else for a process.
pub fn open_task(tid: i32) -> Result<OwnedFd> {
    // SAFETY: plain numbers.
    let open = |flags: u32| check(|| unsafe { libc::syscall(libc::SYS_pidfd_open, tid, flags) });
    // PIDFD_THREAD is O_EXCL.
    let fd = open(libc::O_EXCL as u32).or_else(|_| open(0))?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether a descriptor was opened with `O_PATH`.
pub fn is_path_only(fd: BorrowedFd<'_>) -> bool {
    flags_of(fd).is_ok_and(|flags| flags & libc::O_PATH != 0)
}

/// Whether a descriptor was opened for writing, too.
pub fn is_writable(fd: BorrowedFd<'_>) -> bool {
    flags_of(fd).is_ok_and(|flags| matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR))
}

/// The flags that a descriptor was opened with.
fn flags_of(fd: BorrowedFd<'_>) -> Result<i32> {
    // SAFETY: plain numbers.
    check(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }.into()).map(|flags| flags as i32)
}

/// `fchownat(fd, "", -1, -1, AT_EMPTY_PATH)`.
pub fn chown_nobody(fd: BorrowedFd<'_>) -> Result<()> {
    let (fd, keep) = (fd.as_raw_fd(), u32::MAX);
    // SAFETY: the path is NUL-terminated.
    check(|| unsafe { libc::fchownat(fd, c"".as_ptr(), keep, keep, libc::AT_EMPTY_PATH) }.into()).map(drop)
}

/// `fchown(fd, -1, -1)`: EBADF for an `O_PATH` one.
pub fn fchown_nobody(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: plain numbers.
    check(|| unsafe { libc::fchown(fd.as_raw_fd(), u32::MAX, u32::MAX) }.into()).map(drop)
}

/// `chmod(path, mode)`.
pub fn chmod(path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `path` is NUL-terminated.
    check(|| unsafe { libc::chmod(path.as_ptr(), mode) }.into()).map(drop)
}

/// Sets times of access and of change, in the form of utimensat(2).
pub fn set_times(path: &CStr, times: [Time; 2]) -> Result<()> {
    let times = times.map(|Time { sec, nsec }| libc::timespec { tv_sec: sec, tv_nsec: nsec.into() });
    // SAFETY: `path` is NUL-terminated, and there are two times.
    check(|| unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) }.into()).map(drop)
}

/// Changes the mode of what a descriptor holds. EBADF for an `O_PATH` one where the kernel has no fchmodat2(2) (Linux
/// 6.6), or a filter that does not know it.
pub fn fchmod(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    const FCHMODAT2: libc::c_long = 452;
    let fd = fd.as_raw_fd();
    // SAFETY: the path is NUL-terminated.
    let newer = check(|| unsafe { libc::syscall(FCHMODAT2, fd, c"".as_ptr(), mode, libc::AT_EMPTY_PATH) });
    match newer {
        // SAFETY: plain numbers.
        Err(libc::ENOSYS | libc::EPERM) => check(|| unsafe { libc::fchmod(fd, mode) }.into()).map(drop),
        other => other.map(drop),
    }
}

/// Mount flags of the file system a descriptor is on (`f_flag` of fstatvfs(3)). Works on `O_PATH` descriptors.
pub fn mount_flags(fd: BorrowedFd<'_>) -> Result<u64> {
    // SAFETY: plain data; all zeros is a valid value.
    let mut buf: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one struct statvfs.
    check(|| unsafe { libc::fstatvfs(fd.as_raw_fd(), &raw mut buf) }.into())?;
    Ok(buf.f_flag)
}

/// `fchdir(fd)`.
pub fn change_dir(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: a plain number.
    check(|| unsafe { libc::fchdir(fd.as_raw_fd()) }.into()).map(drop)
}

/// The namespace that a pid or user namespace was made in (`NS_GET_PARENT`, ioctl_ns(2)). EPERM if it cannot be seen
/// from here.
pub fn parent_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    const NS_GET_PARENT: libc::Ioctl = 0xB702;
    // SAFETY: a request without an argument.
    let fd = check(|| unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT) }.into())?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Opens a file of /proc for reading.
pub fn open_file(dir: RawFd, path: &CStr) -> Result<OwnedFd> {
    // SAFETY: `path` is NUL-terminated.
    let fd = check(|| unsafe { libc::openat(dir, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) }.into())?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether a file such as /proc/PID/mountinfo has changed since this was last asked (`POLLPRI`).
pub fn has_news(fd: BorrowedFd<'_>) -> bool {
    let mut asked = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
    // SAFETY: the kernel reads and writes the one structure.
    let count = check(|| unsafe { libc::poll(&raw mut asked, 1, 0) }.into());
    count != Ok(0)
}

/// Reads a small file of /proc, whole.
pub fn read_file(dir: RawFd, path: &CStr) -> Result<Vec<u8>> {
    let mut file = std::fs::File::from(open_file(dir, path)?);
    // As much as most have: grown from nothing, it would take eight reads.
    let mut text = Vec::with_capacity(4096);
    match std::io::Read::read_to_end(&mut file, &mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// Makes a file for reading and writing that is not there yet, for its owner alone.
pub fn make_file(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    use nix::fcntl::OFlag;
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    nix::fcntl::openat(dir, name, flags, mode).map_err(|errno| errno as i32)
}

/// Removes the name of a file.
pub fn remove(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    nix::unistd::unlinkat(dir, name, nix::unistd::UnlinkatFlags::NoRemoveDir).map_err(|errno| errno as i32)
}

/// Writes a whole text.
pub fn write_all(fd: &OwnedFd, text: &[u8]) -> Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        match nix::unistd::write(fd, rest) {
            Ok(0) => return Err(libc::EIO),
            Ok(written) => rest = &rest[written..],
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno as i32),
        }
    }
    Ok(())
}

/// A file that holds this text and is in no directory; `name` shows in /proc. If it is sealed, writing to it fails with
/// EPERM, for whoever has opened it.
pub fn text_in_memory(name: &CStr, text: &[u8], sealed: bool) -> Result<OwnedFd> {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = memfd_create(name, flags).map_err(|errno| errno as i32)?;
    write_all(&file, text)?;
    if sealed {
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|errno| errno as i32)?;
    }
    Ok(file)
}

/// Lets this process have as many descriptors as it may give itself (the hard limit of RLIMIT_NOFILE), and says how
/// many that are.
pub fn raise_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads and writes one struct rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 0;
        }
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) == 0 {
            wanted.rlim_cur
        } else {
            limit.rlim_cur
        }
    }
}

/// `FILEID_INO32_GEN` of linux/exportfs.h; with a third word, tmpfs's own (`shmem_encode_fh`).
const FILEID_INO32_GEN: u32 = 1;

/// `FILEID_INO64_GEN` of linux/exportfs.h.
const FILEID_INO64_GEN: u32 = 0x81;

/// `FUSE_SUPER_MAGIC` of linux/magic.h.
const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
pub const OVERLAYFS_SUPER_MAGIC: i64 = 0x794C_7630;

/// What fstatfs(2) says of a file system.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem {
    /// `f_type`: a magic number.
    pub kind: i64,
    /// `f_fsid`; 0 where there is none.
    pub id: u64,
    /// `f_bavail`: free blocks for those who are not privileged.
    pub available: u64,
}

/// The file system that a descriptor is on.
pub fn file_system(fd: BorrowedFd<'_>) -> Result<FileSystem> {
    // SAFETY: plain data; all zeros is a valid value.
    let mut buf: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one struct statfs.
    check(|| unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut buf) }.into())?;
    // SAFETY: a struct of two plain integers, which may be read as bytes.
    let id: [u8; 8] = unsafe { std::mem::transmute(buf.f_fsid) };
    Ok(FileSystem { kind: buf.f_type, id: u64::from_ne_bytes(id), available: buf.f_bavail })
}

/// Removes a name from a directory, `rmdir` included, if it is that of this file, and nobody has used that yet
/// ([`Inode::is_unused`]); ENOENT if not. Of the file, the kernel must have been asked for the birth time.
pub fn remove_unused(dir: BorrowedFd<'_>, name: &CStr, file: &Inode) -> Result<()> {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    let found = inode_of(&statx(dir.as_raw_fd(), name, libc::AT_SYMLINK_NOFOLLOW, mask)?);
    if !found.is_same(file) || !found.is_unused() {
        return Err(libc::ENOENT);
    }
    let is_dir = found.mode & libc::S_IFMT == libc::S_IFDIR;
    let flags = if is_dir { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: the name is NUL-terminated.
    check(|| unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), flags) }.into()).map(drop)
}

/// The UUID of the disk that an open file is on (`FS_IOC_GETFSUUID`, Linux 6.9; of XFS, every kernel tells it). Not by an
/// `O_PATH` descriptor.
pub fn uuid_of_disk(file: BorrowedFd<'_>) -> Result<[u8; 16]> {
    // `_IOR(0x15, 0, struct fsuuid2)` of linux/fs.h: a length, and 16 bytes.
    const FS_IOC_GETFSUUID: u64 = 0x8011_1500;
    // `_IOR('X', 124, struct xfs_fsop_geom_v4)` of XFS: 112 bytes, of which these are the UUID.
    const XFS_IOC_FSGEOMETRY: u64 = 0x8070_587C;
    const UUID: std::ops::Range<usize> = 64..80;
    const XFS_SUPER_MAGIC: i64 = 0x5846_5342;
    let (mut told, mut uuid) = ([0u8; 17], [0; 16]);
    let fd = file.as_raw_fd();
    // SAFETY: the kernel writes as many bytes as the number of the request says, and there are.
    let asked = check(|| unsafe { libc::ioctl(fd, FS_IOC_GETFSUUID as _, told.as_mut_ptr()) }.into());
    match asked {
        Ok(_) => uuid.copy_from_slice(&told[1..]),
        Err(errno) if file_system(file)?.kind != XFS_SUPER_MAGIC => return Err(errno),
        Err(_) => {
            let mut geometry = [0u8; 112];
            // SAFETY: as above.
            check(|| unsafe { libc::ioctl(fd, XFS_IOC_FSGEOMETRY as _, geometry.as_mut_ptr()) }.into())?;
            uuid.copy_from_slice(&geometry[UUID]);
        }
    }
    Ok(uuid)
}

/// Whether a descriptor is for something on a /proc.
pub fn is_on_proc(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(file_system(fd)?.kind == libc::PROC_SUPER_MAGIC)
}

/// Whether a descriptor is for a symbolic link itself.
pub fn is_link(fd: BorrowedFd<'_>) -> Result<bool> {
    let stat = statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_TYPE)?;
    Ok(u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFLNK)
}

/// The text of the symbolic link that a descriptor is for (`readlinkat(fd, "")`).
pub fn read_link(fd: BorrowedFd<'_>) -> Result<Vec<u8>> {
    read_link_at(fd.as_raw_fd(), c"")
}

/// `readlinkat(dir, path)`, whole.
pub fn read_link_at(dir: RawFd, path: &CStr) -> Result<Vec<u8>> {
    let mut text = vec![0; libc::PATH_MAX as usize];
    let (to, room) = (text.as_mut_ptr().cast(), text.len());
    // SAFETY: the path is NUL-terminated; the buffer has the length that is passed.
    let length = check(|| unsafe { libc::readlinkat(dir, path.as_ptr(), to, room) as libc::c_long })?;
    text.truncate(length as usize);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;

    #[test]
    fn a_name_is_removed_of_one_unused_file_only() {
        let home = tempfile::tempdir().unwrap();
        let dir = fs::File::open(home.path()).unwrap();
        let at = |name: &str| home.path().join(name);
        let look = |name: &CStr| {
            let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
            inode_of(&statx(dir.as_raw_fd(), name, libc::AT_SYMLINK_NOFOLLOW, mask).unwrap())
        };
        let remove = |file: &Inode| remove_unused(dir.as_fd(), c"f", file);

        fs::write(at("f"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        let (file, other) = (look(c"f"), look(c"other"));
        assert_eq!(remove(&other), Err(libc::ENOENT));
        // Its number is another's by now.
        assert_eq!(remove(&Inode { mode: 0o040755, ..file }), Err(libc::ENOENT));
        fs::write(at("f"), "data").unwrap();
        assert_eq!(remove(&file), Err(libc::ENOENT));
        fs::write(at("f"), "").unwrap();
        fs::hard_link(at("f"), at("link")).unwrap();
        assert_eq!(remove(&file), Err(libc::ENOENT));
        fs::remove_file(at("link")).unwrap();
        assert_eq!(remove(&file), Ok(()));

        fs::create_dir(at("f")).unwrap();
        let made = look(c"f");
        fs::write(at("f/in"), "").unwrap();
        assert_eq!(remove(&made), Err(libc::ENOTEMPTY));
        fs::remove_file(at("f/in")).unwrap();
        assert_eq!((remove(&made), at("f").exists()), (Ok(()), false));
    }
}
