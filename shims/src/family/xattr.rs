//! Extended attributes, xattr(7): `fs/xattr.c`.
//!
//! What a namespace's kernel refuses to its root (`security.*`, `trusted.*`, ACLs) is kept in the record. While there
//! is no such record, readers are not looked at.
//!
//! The attributes in which files carry their owners for us ([`mirror`]) do not exist for a guest. It cannot make one
//! either: setting succeeds without effect, so that a copy or an archive that has one can be written, and the file keeps
//! the owner that it is given by chown.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};

use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, XATTR_CREATE, XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_REPLACE,
    XATTR_SIZE_MAX,
};

use super::acl;
use super::file::{Seen, Target};
use crate::abi::{Call, Errno};
use crate::cred::CapSet;
use crate::guest::{Answer, Guest, Trailing};
use crate::owner::{Access, CAPABILITY, XattrKind, may_set_capability, mirror, shown_capability};

/// A result, or nothing: the kernel's own answer will do.
type Outcome = Result<Option<u64>, Errno>;

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Ok(Some(value)) => Answer::Ret(value),
        Ok(None) => Answer::Native,
        Err(errno) => Answer::Err(errno),
    }
}

/// setxattr(2).
pub fn setxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(set(guest, Setting::of(call), || Target::path(guest, call.word(0), Trailing::Follow)))
}

/// lsetxattr(2).
pub fn lsetxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(set(guest, Setting::of(call), || Target::path(guest, call.word(0), Trailing::Keep)))
}

/// fsetxattr(2).
pub fn fsetxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(set(guest, Setting::of(call), || Ok(Target::OpenFd(call.int(0)))))
}

/// setxattrat(2).
pub fn setxattrat(guest: &dyn Guest, call: &Call) -> Answer {
    let outcome = Args::read(guest, call).and_then(|args| {
        let setting =
            Setting { name: call.word(3), value: args.value, size: args.size.into(), flags: args.flags };
        set(guest, setting, at(guest, call)?)
    });
    answer(outcome)
}

/// getxattr(2).
pub fn getxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(get(guest, Buffer::of(call), || Target::path(guest, call.word(0), Trailing::Follow)))
}

/// lgetxattr(2).
pub fn lgetxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(get(guest, Buffer::of(call), || Target::path(guest, call.word(0), Trailing::Keep)))
}

/// fgetxattr(2).
pub fn fgetxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(get(guest, Buffer::of(call), || Ok(Target::OpenFd(call.int(0)))))
}

/// getxattrat(2).
pub fn getxattrat(guest: &dyn Guest, call: &Call) -> Answer {
    let outcome = Args::read(guest, call).and_then(|args| {
        if args.flags != 0 {
            return Err(Errno::EINVAL);
        }
        let buffer = Buffer { name: call.word(3), addr: args.value, size: args.size.into() };
        get(guest, buffer, at(guest, call)?)
    });
    answer(outcome)
}

/// listxattr(2).
pub fn listxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(list(guest, call.word(1), call.word(2), || Target::path(guest, call.word(0), Trailing::Follow)))
}

/// llistxattr(2).
pub fn llistxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(list(guest, call.word(1), call.word(2), || Target::path(guest, call.word(0), Trailing::Keep)))
}

/// flistxattr(2).
pub fn flistxattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(list(guest, call.word(1), call.word(2), || Ok(Target::OpenFd(call.int(0)))))
}

/// listxattrat(2).
pub fn listxattrat(guest: &dyn Guest, call: &Call) -> Answer {
    answer(at(guest, call).and_then(|target| list(guest, call.word(3), call.word(4), target)))
}

/// removexattr(2).
pub fn removexattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(remove(guest, call.word(1), || Target::path(guest, call.word(0), Trailing::Follow)))
}

/// lremovexattr(2).
pub fn lremovexattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(remove(guest, call.word(1), || Target::path(guest, call.word(0), Trailing::Keep)))
}

/// fremovexattr(2).
pub fn fremovexattr(guest: &dyn Guest, call: &Call) -> Answer {
    answer(remove(guest, call.word(1), || Ok(Target::OpenFd(call.int(0)))))
}

/// removexattrat(2).
pub fn removexattrat(guest: &dyn Guest, call: &Call) -> Answer {
    let place = |target: Target| match target {
        // Unlike the others, it has to have a descriptor (`path_removexattrat`).
        Target::Cwd => Err(Errno::EBADF),
        other => Ok(other),
    };
    answer(at(guest, call).and_then(|target| remove(guest, call.word(3), || target().and_then(place))))
}

/// The file of an -at call: descriptor, path and flags are its first three arguments. The path is read only later,
/// after what else the kernel reads first. EINVAL for flags that it does not know.
fn at<'a>(
    guest: &'a dyn Guest,
    call: &'a Call,
) -> Result<impl FnOnce() -> Result<Target, Errno> + 'a, Errno> {
    let flags = call.uint(2);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(move || match Target::at_or_null(guest, call.int(0), call.word(1), flags)? {
        Target::Fd(fd) => Ok(Target::OpenFd(fd)),
        target => Ok(target),
    })
}

/// `struct xattr_args`.
struct Args {
    value: u64,
    size: u32,
    flags: u32,
}

impl Args {
    /// Reads it from argument 4, of the size in argument 5 (`copy_struct_from_user`): EINVAL if that is too small,
    /// E2BIG if it is more than a page or has a part that we do not know and that is not zero.
    fn read(guest: &dyn Guest, call: &Call) -> Result<Args, Errno> {
        let mut bytes = [0; 16];
        let size = call.word(5) as usize;
        match size {
            0..16 => return Err(Errno::EINVAL),
            16..=4096 => guest.read(call.word(4), &mut bytes)?,
            _ => return Err(Errno::E2BIG),
        }
        let mut rest = vec![0; size - bytes.len()];
        guest.read(call.word(4) + bytes.len() as u64, &mut rest)?;
        if rest.iter().any(|&byte| byte != 0) {
            return Err(Errno::E2BIG);
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let value = u64::from(word(0)) | u64::from(word(4)) << 32;
        Ok(Args { value, size: word(8), flags: word(12) })
    }
}

/// Reads an attribute's name (`import_xattr_name`): ERANGE if it is empty or too long.
fn read_name(guest: &dyn Guest, addr: u64) -> Result<CString, Errno> {
    let name = guest.read_str(addr, XATTR_NAME_MAX as usize + 1)?;
    if name.is_empty() { Err(Errno::ERANGE) } else { Ok(name) }
}

/// Whether a call must be looked at for an attribute that is not recorded: users need permission, and devices cannot
/// have `user.*` where a placeholder could.
fn concerns_us(guest: &dyn Guest, kind: XattrKind) -> bool {
    let by_user = kind.needs_access() && !guest.cred().is_whole_root();
    kind.is_recorded() || by_user || (kind == XattrKind::User && guest.store().has_devices())
}

/// `xattr_permission` for what needs access to the file. EACCES.
fn permit(guest: &dyn Guest, seen: &Seen, kind: XattrKind, access: Access) -> Result<(), Errno> {
    if kind.needs_access() { seen.permits(&guest.cred(), access) } else { Ok(()) }
}

/// Whether a name is of an attribute that does not exist for a guest.
fn is_hidden(guest: &dyn Guest, name: &CStr) -> bool {
    guest.store().mirrors() && mirror::is_ours(name.to_bytes())
}

/// A call that would change a hidden attribute: what else could be wrong with it is.
fn change_hidden(guest: &dyn Guest, target: impl FnOnce() -> Result<Target, Errno>) -> Result<(), Errno> {
    let seen = Seen::find(guest, &target()?)?;
    seen.writable()?;
    XattrKind::User.may_set(&guest.cred(), &seen.attr())?;
    permit(guest, &seen, XattrKind::User, Access::WRITE)
}

/// What a setting call says besides the file.
struct Setting {
    name: u64,
    value: u64,
    size: u64,
    flags: u32,
}

impl Setting {
    fn of(call: &Call) -> Setting {
        Setting { name: call.word(1), value: call.word(2), size: call.word(3), flags: call.uint(4) }
    }
}

/// `setxattr_copy`, then `vfs_setxattr` or `do_set_acl`.
fn set(guest: &dyn Guest, setting: Setting, target: impl FnOnce() -> Result<Target, Errno>) -> Outcome {
    if setting.flags & !(XATTR_CREATE | XATTR_REPLACE) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = read_name(guest, setting.name)?;
    let kind = XattrKind::of(name.to_bytes());
    let hidden = is_hidden(guest, &name);
    if !hidden && !concerns_us(guest, kind) {
        return Ok(None);
    }
    if setting.size > XATTR_SIZE_MAX.into() {
        return Err(Errno::E2BIG);
    }
    let mut value = vec![0; setting.size as usize];
    guest.read(setting.value, &mut value)?;
    if hidden {
        change_hidden(guest, target)?;
        return if setting.flags & XATTR_REPLACE != 0 { Err(Errno::ENODATA) } else { Ok(Some(0)) };
    }
    let mut seen = Seen::find(guest, &target()?)?;
    seen.writable()?;
    if matches!(kind, XattrKind::AccessAcl | XattrKind::DefaultAcl) {
        return acl::set(guest, &mut seen, kind, &name, &value).map(|()| Some(0));
    }
    if kind == XattrKind::Capability && !value.is_empty() {
        may_set_capability(&guest.cred(), &value)?;
    }
    let attr = seen.attr();
    kind.may_set(&guest.cred(), &attr)?;
    permit(guest, &seen, kind, Access::WRITE)?;
    if !kind.is_recorded() {
        return Ok(None);
    }
    if kind.is_bare(name.to_bytes()) {
        return Err(Errno::EINVAL);
    }
    let mut record = seen.edit();
    let native = seen.native_xattr(&name)?;
    let exists = native.is_some() || record.xattrs.contains_key(name.to_bytes());
    match exists {
        false if setting.flags & XATTR_REPLACE != 0 => return Err(Errno::ENODATA),
        true if setting.flags & XATTR_CREATE != 0 => return Err(Errno::EEXIST),
        _ => {}
    }
    seen.stir()?;
    record.xattrs.insert(name.to_bytes().into(), value.into());
    seen.save(guest, record, &attr)?;
    Ok(Some(0))
}

/// Where a getting call wants the value.
struct Buffer {
    name: u64,
    addr: u64,
    size: u64,
}

impl Buffer {
    fn of(call: &Call) -> Buffer {
        Buffer { name: call.word(1), addr: call.word(2), size: call.word(3) }
    }
}

/// `vfs_getxattr` or `do_get_acl`: from the record, or else natively.
fn get(guest: &dyn Guest, buffer: Buffer, target: impl FnOnce() -> Result<Target, Errno>) -> Outcome {
    let (store, cred) = (guest.store(), guest.cred());
    let recorded = !cred.is_whole_root() || store.has_xattrs() || store.has_devices();
    if !recorded && !store.mirrors() {
        return Ok(None);
    }
    let name = read_name(guest, buffer.name)?;
    if is_hidden(guest, &name) {
        let seen = Seen::find(guest, &target()?)?;
        permit(guest, &seen, XattrKind::User, Access::READ)?;
        return Err(Errno::ENODATA);
    }
    let kind = XattrKind::of(name.to_bytes());
    if !recorded || !concerns_us(guest, kind) {
        return Ok(None);
    }
    let seen = Seen::find(guest, &target()?)?;
    kind.may_read(&cred, &seen.attr())?;
    permit(guest, &seen, kind, Access::READ)?;
    if kind == XattrKind::Trusted && kind.is_bare(name.to_bytes()) {
        // The kernel would say that there is none, to a task without the capability.
        return Err(Errno::EINVAL);
    }
    let recorded = seen.record.as_ref().and_then(|record| record.xattrs.get(name.to_bytes()));
    match recorded {
        Some(value) if name.to_bytes() == CAPABILITY => give(guest, &shown_capability(value), &buffer),
        Some(value) => give(guest, value, &buffer),
        None => Ok(None),
    }
}

/// Writes a value into the guest's buffer; a size of 0 asks for the size only. ERANGE if the buffer is too small.
fn give(guest: &dyn Guest, value: &[u8], buffer: &Buffer) -> Outcome {
    if buffer.size != 0 {
        if value.len() as u64 > buffer.size {
            return Err(Errno::ERANGE);
        }
        guest.write(buffer.addr, value)?;
    }
    Ok(Some(value.len() as u64))
}

/// `vfs_listxattr`: the kernel's names and ours, trusted ones only for CAP_SYS_ADMIN.
fn list(guest: &dyn Guest, addr: u64, size: u64, target: impl FnOnce() -> Result<Target, Errno>) -> Outcome {
    let store = guest.store();
    if !store.has_xattrs() && !store.mirrors() {
        return Ok(None);
    }
    let seen = Seen::find(guest, &target()?)?;
    let recorded = seen.record.as_ref().map(|record| &record.xattrs).filter(|xattrs| !xattrs.is_empty());
    if recorded.is_none() && !store.mirrors() {
        return Ok(None);
    }
    let trusts = guest.cred().capable(CapSet::SYS_ADMIN);
    let mut native = seen.node.list_xattrs()?;
    if store.mirrors() {
        let names = native.split_inclusive(|&byte| byte == 0);
        let shown = names.filter(|name| !mirror::is_ours(name.strip_suffix(b"\0").unwrap_or(name)));
        let shown = shown.collect::<Vec<_>>().concat();
        if recorded.is_none() && shown.len() == native.len() {
            return Ok(None);
        }
        native = shown;
    }
    let ours = recorded.into_iter().flatten().map(|(name, _)| &name[..]);
    let names: BTreeSet<&[u8]> =
        native.split(|&byte| byte == 0).filter(|name| !name.is_empty()).chain(ours).collect();
    let shown = names.iter().filter(|name| trusts || XattrKind::of(name) != XattrKind::Trusted);
    let listed: Vec<u8> = shown.flat_map(|name| name.iter().copied().chain([0])).collect();
    let buffer = Buffer { name: 0, addr, size: size.min(XATTR_LIST_MAX.into()) };
    give(guest, &listed, &buffer).map_err(|errno| match errno {
        Errno::ERANGE if size >= XATTR_LIST_MAX.into() => Errno::E2BIG,
        errno => errno,
    })
}

/// `vfs_removexattr` or `vfs_remove_acl`.
fn remove(guest: &dyn Guest, name: u64, target: impl FnOnce() -> Result<Target, Errno>) -> Outcome {
    let name = read_name(guest, name)?;
    let kind = XattrKind::of(name.to_bytes());
    if is_hidden(guest, &name) {
        change_hidden(guest, target)?;
        return Err(Errno::ENODATA);
    }
    if !concerns_us(guest, kind) {
        return Ok(None);
    }
    let mut seen = Seen::find(guest, &target()?)?;
    seen.writable()?;
    if matches!(kind, XattrKind::AccessAcl | XattrKind::DefaultAcl) {
        return acl::set(guest, &mut seen, kind, &name, &[]).map(|()| Some(0));
    }
    let attr = seen.attr();
    kind.may_remove(&guest.cred(), &attr)?;
    permit(guest, &seen, kind, Access::WRITE)?;
    if !kind.is_recorded() {
        return Ok(None);
    }
    if kind.is_bare(name.to_bytes()) {
        return Err(Errno::EINVAL);
    }
    let mut record = seen.edit();
    if record.xattrs.remove(name.to_bytes()).is_some() {
        seen.stir()?;
        seen.remove_native_xattr(&name)?;
        seen.save(guest, record, &attr)?;
        return Ok(Some(0));
    }
    match seen.native_xattr(&name)? {
        Some(_) => Ok(None),
        None => Err(Errno::ENODATA),
    }
}

#[cfg(test)]
#[path = "xattr_tests.rs"]
mod tests;
