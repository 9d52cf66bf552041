//! The user namespace: which one to be in, making it, and why it could not be made.

use std::fs;
use std::path::Path;

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{getegid, geteuid};
use remainroot_shims::owner::World;

use super::rootfs::make_mounts_private;
use super::trouble::{Trouble, why};
use super::{Terms, UserNs};
use crate::sys::process::{Fork, exit_now, fork};

/// How we stand in the present namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// The namespace is the machine's own.
    initial: bool,
    /// Our effective uid is 0.
    root: bool,
    /// We hold CAP_DAC_OVERRIDE: our files are open to us, whatever their mode.
    dac_override: bool,
    /// We hold CAP_SYS_ADMIN.
    sys_admin: bool,
    /// We hold CAP_SYS_PTRACE.
    sys_ptrace: bool,
}

impl Standing {
    fn now() -> Standing {
        // A capability set that cannot be read (no kernel has refused it yet) counts as empty.
        let holds = |cap| caps::has_cap(None, CapSet::Effective, cap).unwrap_or(false);
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Standing {
            initial: is_initial(&map),
            root: geteuid().is_root(),
            dac_override: holds(Capability::CAP_DAC_OVERRIDE),
            sys_admin: holds(Capability::CAP_SYS_ADMIN),
            sys_ptrace: holds(Capability::CAP_SYS_PTRACE),
        }
    }
}

/// Whether this is the uid map of the machine's own namespace: all ids, as they are. Another namespace can have the
/// same map only if real root made it so, and is then no different for us.
fn is_initial(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// What to do, as far as it can be told without trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Stay.
    Stay,
    /// Make a namespace.
    Make,
    /// Make one, if the kernel allows it; stay otherwise.
    TryToMake,
}

fn choose(mode: UserNs, here: Standing, mounts: bool) -> Choice {
    match mode {
        UserNs::None | UserNs::Keep => Choice::Stay,
        UserNs::New => Choice::Make,
        UserNs::Auto if here.initial || !here.root => Choice::Make,
        UserNs::Auto if here.dac_override && (here.sys_admin || !mounts) => Choice::Stay,
        // Root in part (podman, where it cannot mount) or in name only (bwrap, `runc spec --rootless`): a namespace of
        // our own would give all capabilities back. Since Linux 5.12 the kernel refuses to map uid 0 into it for a
        // process without CAP_SETFCAP (`verify_root_map`), and a container's seccomp profile may forbid it as well;
        // and then unshare(2) cannot be undone.
        UserNs::Auto => Choice::TryToMake,
    }
}

/// Goes into the namespace that `mode` asks for; if `mounts`, it is one in which we can mount.
pub fn enter(mode: UserNs, mounts: bool) -> Result<Terms, Trouble> {
    let here = Standing::now();
    let make = match choose(mode, here, mounts) {
        Choice::Stay => false,
        Choice::Make => true,
        Choice::TryToMake => a_child_can_make(mounts),
    };
    if make {
        if here.initial && here.root {
            crate::tell!(
                "started as this machine's own root: remainroot is meant for users without root, and goes on in a \
                 namespace of its own, in which files of all other users belong to nobody (--userns keep stays outside)"
            );
        }
        make_namespace().map_err(|(step, errno)| refused(&step, errno, mounts))?;
        let world =
            World { root_uid: 0, root_gid: 0, overflows: true, dac_override: true, reads_undumpable: true };
        return Ok(Terms { world, set_no_new_privs: false });
    }
    if mounts {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| cannot_mount(errno, here))?;
    }
    let world = World {
        root_uid: geteuid().as_raw(),
        root_gid: getegid().as_raw(),
        overflows: !here.initial,
        dac_override: here.dac_override,
        reads_undumpable: here.sys_ptrace,
    };
    Ok(Terms { world, set_no_new_privs: !here.sys_admin })
}

/// What could not be done, and why.
type Failure = (String, Errno);

/// A user namespace in which we are root, with a mount namespace of its own.
fn make_namespace() -> Result<(), Failure> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| ("unshare(CLONE_NEWUSER | CLONE_NEWNS)".to_owned(), errno))?;
    // An unprivileged process may map its own gid only after giving up setgroups (user_namespaces(7)).
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, &text).map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            (format!("writing \"{text}\" to {path}"), errno)
        })?;
    }
    Ok(())
}

/// Whether [`make_namespace`] would succeed, and, with `mounts`, mounting in it, as tried by a child.
fn a_child_can_make(mounts: bool) -> bool {
    let works = || make_namespace().is_ok() && (!mounts || make_mounts_private().is_ok());
    match fork() {
        Ok(Fork::Child) => exit_now(if works() { 0 } else { 1 }),
        Ok(Fork::Parent(pid)) => {
            matches!(waitpid(nix::unistd::Pid::from_raw(pid), None), Ok(WaitStatus::Exited(_, 0)))
        }
        Err(_) => false,
    }
}

/// The settings that forbid user namespaces: file, value that forbids, and who has it.
const KNOBS: [(&str, &str); 3] = [
    ("user/max_user_namespaces", "0"),
    ("kernel/unprivileged_userns_clone", "0"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1"),
];

/// The first setting under `sys` (/proc/sys) that forbids user namespaces, as (name, value that would allow them).
fn knob(sys: &Path) -> Option<(String, &'static str)> {
    KNOBS.into_iter().find_map(|(file, forbids)| {
        let value = fs::read_to_string(sys.join(file)).ok()?;
        let allows = match file {
            "user/max_user_namespaces" => "15000",
            _ if forbids == "0" => "1",
            _ => "0",
        };
        (value.trim() == forbids).then(|| (file.replace('/', "."), allows))
    })
}

/// Says why no namespace could be made, as well as that can be found out.
fn refused(step: &str, errno: Errno, mounts: bool) -> Trouble {
    let way_out = if mounts {
        "--rootfs and --bind need a namespace; without them, --userns none would do"
    } else {
        "or go without a namespace: remainroot --userns none -- CMD"
    };
    let what = format!("cannot make a user namespace: {step}: {}", why(errno));
    if let Some((name, allows)) = knob(Path::new("/proc/sys")) {
        let now = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).unwrap_or_default();
        return Trouble::new(format!("{what} (forbidden by the sysctl {name} = {})", now.trim())).mended_by(
            format!("let an administrator allow them: sysctl -w {name}={allows}\n{}{way_out}", alone(&name)),
        );
    }
    let cause = match errno {
        Errno::EPERM if !is_whole_root() => "a process inside chroot(2) may not make one",
        Errno::EPERM | Errno::EACCES if filtered() => {
            "a seccomp filter or security module forbids it, as in most containers"
        }
        Errno::EPERM | Errno::EACCES => "a security module forbids it",
        Errno::ENOSPC | Errno::EUSERS => "too many are in use or nested (sysctl user.max_user_namespaces)",
        Errno::EINVAL | Errno::ENOSYS => "this kernel was built without them (CONFIG_USER_NS)",
        Errno::EMFILE | Errno::ENFILE => {
            return Trouble::new(what).mended_by("the limit of open files is reached: see ulimit -n");
        }
        _ => return Trouble::new(what).mended_by(way_out),
    };
    Trouble::new(format!("{what} ({cause})")).mended_by(way_out)
}

/// What an administrator can allow this program alone, where the setting `name` forbids it to all.
fn alone(name: &str) -> String {
    if !name.contains("apparmor") {
        return String::new();
    }
    let program = std::env::current_exe().unwrap_or_else(|_| "/usr/local/bin/remainroot".into());
    format!(
        "or to this program alone, by a file in /etc/apparmor.d that apparmor_parser -r is given: abi <abi/4.0>, \
         profile remainroot {} flags=(unconfined) {{ userns, }}\n",
        program.display()
    )
}

/// Whether this process runs under a seccomp filter.
fn filtered() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|text| {
        text.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
    })
}

/// Whether our root directory is a mount point, as it is unless chroot(2) was called (`current_chrooted`).
fn is_whole_root() -> bool {
    fs::read_to_string("/proc/self/mountinfo")
        .map_or(true, |text| text.lines().any(|line| line.split(' ').nth(4) == Some("/")))
}

/// Says why a mount namespace could not be made in the present user namespace.
fn cannot_mount(errno: Errno, here: Standing) -> Trouble {
    let what = format!("cannot mount anything for --rootfs or --bind: unshare(CLONE_NEWNS): {}", why(errno));
    if here.sys_admin {
        return Trouble::new(what);
    }
    Trouble::new(format!("{what} (CAP_SYS_ADMIN is missing here)")).mended_by(if here.root {
        "in a container, add it: podman run --cap-add SYS_ADMIN … (bwrap --cap-add CAP_SYS_ADMIN …)\n\
         or use the directory as the container's own root: podman run --rootfs DIR …"
    } else {
        "run with --userns new, which gives it"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODMAN: Standing =
        Standing { initial: false, root: true, dac_override: true, sys_admin: false, sys_ptrace: false };

    #[test]
    fn auto_keeps_a_namespace_whose_root_we_are() {
        for mounts in [false, true] {
            let auto = |here| choose(UserNs::Auto, here, mounts);
            assert_eq!(auto(Standing { sys_admin: true, ..PODMAN }), Choice::Stay);
            assert_eq!(auto(Standing { root: false, ..PODMAN }), Choice::Make);
            assert_eq!(auto(Standing { dac_override: false, ..PODMAN }), Choice::TryToMake);
            for root in [false, true] {
                assert_eq!(auto(Standing { initial: true, root, ..PODMAN }), Choice::Make);
            }
        }
        assert_eq!(choose(UserNs::Auto, PODMAN, false), Choice::Stay);
        assert_eq!(choose(UserNs::Auto, PODMAN, true), Choice::TryToMake);
    }

    #[test]
    fn other_modes_do_as_they_are_told() {
        for here in [PODMAN, Standing { initial: true, ..PODMAN }] {
            assert_eq!(choose(UserNs::New, here, true), Choice::Make);
            assert_eq!(choose(UserNs::Keep, here, true), Choice::Stay);
            assert_eq!(choose(UserNs::None, here, false), Choice::Stay);
        }
    }

    #[test]
    fn the_machines_own_namespace_is_known_by_its_map() {
        assert!(is_initial("         0          0 4294967295\n"));
        assert!(!is_initial("         0       1000          1\n"));
        assert!(!is_initial("0 1000 1\n1 100000 65536\n"));
        assert!(!is_initial(""));
    }

    #[test]
    fn a_profile_is_a_way_out_of_one_setting_alone() {
        assert!(alone("kernel.apparmor_restrict_unprivileged_userns").contains("userns, }\n"));
        assert_eq!(alone("user.max_user_namespaces"), "");
    }

    #[test]
    fn the_setting_that_forbids_is_named() {
        let sys = tempfile::tempdir().unwrap();
        for dir in ["user", "kernel"] {
            fs::create_dir(sys.path().join(dir)).unwrap();
        }
        assert_eq!(knob(sys.path()), None);
        fs::write(sys.path().join("user/max_user_namespaces"), "96365\n").unwrap();
        fs::write(sys.path().join("kernel/apparmor_restrict_unprivileged_userns"), "1\n").unwrap();
        assert_eq!(knob(sys.path()), Some(("kernel.apparmor_restrict_unprivileged_userns".into(), "0")));
        fs::write(sys.path().join("kernel/unprivileged_userns_clone"), "0\n").unwrap();
        assert_eq!(knob(sys.path()), Some(("kernel.unprivileged_userns_clone".into(), "1")));
        fs::write(sys.path().join("user/max_user_namespaces"), "0\n").unwrap();
        assert_eq!(knob(sys.path()), Some(("user.max_user_namespaces".into(), "15000")));
    }
}
