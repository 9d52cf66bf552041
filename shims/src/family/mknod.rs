//! mknod(2): `do_mknodat` in `fs/namei.c`.
//!
//! Devices become placeholders: sockets with a record that says what they stand for. The kernel lets nobody open a
//! socket either, and answers as it does for a device that is not there: ENXIO. What is the same for everyone and holds
//! nothing (null, zero, …) is an empty file instead, covered with the machine's own, so that opening it costs nothing.

use std::rc::Rc;

use linux_raw_sys::general::{AT_FDCWD, S_IFBLK, S_IFCHR, S_IFMT, S_IFREG, S_IFSOCK};

use super::create::{self, Made, Plan};
use super::file::{Seen, Target};
use crate::abi::{Call, Errno};
use crate::cred::CapSet;
use crate::guest::{Answer, Dir, Guest, Host, Trailing, host};
use crate::owner::{Device, PERMISSIONS, harmless_device};

/// mknod(2).
pub async fn mknod(guest: Rc<dyn Guest>, call: Call) -> Answer {
    made(guest, call, AT_FDCWD, 0).await
}

/// mknodat(2).
pub async fn mknodat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    made(guest, call, call.int(0), 1).await
}

/// Path, mode and device are the three arguments from `first` on.
async fn made(guest: Rc<dyn Guest>, call: Call, dir: i32, first: usize) -> Answer {
    // The kernel takes a umode_t: 16 bits.
    let mode = call.uint(first + 1) & 0xFFFF;
    let dev = u64::from(call.uint(first + 2));
    let device = match mode & S_IFMT {
        // A whiteout: anyone may make one, and the kernel must see that it is one (overlayfs).
        S_IFCHR if dev == 0 => return create::named(guest, dir, call.word(first), mode).await,
        S_IFCHR => Device::Char(dev),
        S_IFBLK => Device::Block(dev),
        0 => return create::named(guest, dir, call.word(first), S_IFREG | mode).await,
        _ => return create::named(guest, dir, call.word(first), mode).await,
    };
    // The kernel refuses devices to everyone here, after whatever else is wrong with the call.
    if !guest.cred().capable(CapSet::MKNOD) {
        return Answer::Native;
    }
    let mut plan = Plan::new(&*guest, S_IFREG | mode & PERMISSIONS);
    plan.device = Some(device);
    let target = Target::path_at(&*guest, Dir::from_raw(dir), call.word(first), Trailing::Keep);
    let parent = target.and_then(|target| Ok((plan.parent(&*guest, &target)?, target)));
    let Ok((Some(parent), target)) = parent else { return Answer::Native };
    let make = |kind: u32| Host::With(call.with(first + 1, u64::from(kind | mode & PERMISSIONS)).args);
    plan.kind = placeholder(&*guest, device);
    let mut result = host(&guest, make(plan.kind)).await;
    if plan.kind == S_IFSOCK && result == Err(Errno::EPERM) {
        // A file system that has no sockets.
        plan.kind = S_IFREG;
        result = host(&guest, make(plan.kind)).await;
    }
    if result.is_ok() {
        match create::record(&*guest, &plan, &parent, &Made::At(&target)) {
            Ok(Some(child)) => cover(&child),
            Ok(None) => {}
            Err(errno) => return Answer::Err(errno),
        }
    }
    Answer::Native
}

/// The type of the file that stands for a device. Where it cannot be covered, one that takes what is written to it is
/// better than none; and only a regular file can carry the attribute that says what it is.
fn placeholder(guest: &dyn Guest, device: Device) -> u32 {
    if harmless_device(device).is_some() || guest.store().mirrors_modes() { S_IFREG } else { S_IFSOCK }
}

/// Covers a placeholder with the machine's device, where it is harmless and mounts are allowed, and unless it was found
/// by a descriptor. One that an earlier run has made is covered when it is first met in this one.
pub(super) fn cover(placeholder: &Seen) {
    let device = placeholder.record.as_ref().and_then(|record| record.device);
    if let Some(name) = device.and_then(harmless_device) {
        // Without it, the placeholder is what programs open.
        let _ = placeholder.node.cover_with_device(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::makedev;
    use crate::family::mock::{Mock, call, run};
    use crate::owner::tests_support::user;

    fn make(mock: &Rc<Mock>, mode: u32, dev: u64) -> Answer {
        let made = call(mock, &["/dev"], &[mode.into(), dev]);
        run(
            mock,
            |guest| mknod(guest, made),
            |mock, host| {
                let Host::With(args) = host else { panic!("{host:?}") };
                mock.file("/dev", args[1] as u32 & !0o022);
                Ok(0)
            },
        )
    }

    #[test]
    fn a_device_is_a_placeholder() {
        let mock = Rc::new(Mock::new());
        assert_eq!(make(&mock, S_IFBLK | 0o666, makedev(8, 1)), Answer::Native);
        let attr = mock.attr("/dev");
        assert_eq!((attr.mode, attr.rdev), (S_IFBLK | 0o644, makedev(8, 1)));
        assert_eq!((mock.native_mode("/dev"), mock.cover("/dev")), (S_IFSOCK | 0o644, None));
    }

    #[test]
    fn without_sockets_it_is_a_file() {
        let mock = Rc::new(Mock::new());
        let made = call(&mock, &["/dev"], &[u64::from(S_IFBLK | 0o666), makedev(8, 1)]);
        let kernel = |mock: &Mock, host| match host {
            Host::With(args) if args[1] as u32 & S_IFMT == S_IFREG => {
                mock.file("/dev", args[1] as u32);
                Ok(0)
            }
            _ => Err(Errno::EPERM),
        };
        assert_eq!(run(&mock, |guest| mknod(guest, made), kernel), Answer::Native);
        assert_eq!((mock.attr("/dev").mode, mock.native_mode("/dev")), (S_IFBLK | 0o666, S_IFREG | 0o666));
    }

    #[test]
    fn null_is_covered_with_the_machines() {
        let mock = Rc::new(Mock::new());
        make(&mock, S_IFCHR | 0o666, makedev(1, 3));
        assert_eq!(
            (mock.native_mode("/dev"), mock.cover("/dev").as_deref()),
            (S_IFREG | 0o644, Some(c"null"))
        );
    }

    #[test]
    fn a_file_in_a_placeholders_place_is_left_alone() {
        for (kind, dev) in [(S_IFBLK, makedev(8, 1)), (S_IFCHR, makedev(1, 3))] {
            for has_room in [true, false] {
                let mock = Rc::new(Mock::new());
                if !has_room {
                    mock.fill_store();
                }
                let made = call(&mock, &["/dev"], &[u64::from(kind | 0o666), dev]);
                let kernel = |mock: &Mock, _| {
                    mock.file("/dev", S_IFREG | 0o644);
                    mock.write_to("/dev");
                    Ok(0)
                };
                assert_eq!(run(&mock, |guest| mknod(guest, made), kernel), Answer::Native);
                assert!(mock.exists("/dev"));
                assert_eq!((mock.recorded("/dev"), mock.cover("/dev")), (None, None));
            }
        }
    }

    #[test]
    fn without_the_capability_the_kernel_refuses() {
        let mock = Rc::new(Mock::new());
        mock.be(user(1000, 1000, &[]));
        let made = call(&mock, &["/dev"], &[S_IFCHR.into(), makedev(1, 3)]);
        assert_eq!(run(&mock, |guest| mknod(guest, made), |_, host| panic!("{host:?}")), Answer::Native);
    }

    #[test]
    fn whiteouts_stay_real() {
        let mock = Rc::new(Mock::new());
        let made = call(&mock, &["/w"], &[S_IFCHR.into(), 0]);
        assert_eq!(run(&mock, |guest| mknod(guest, made), |_, host| panic!("{host:?}")), Answer::Native);
    }
}
