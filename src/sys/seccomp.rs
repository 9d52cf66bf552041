//! seccomp(2).

use super::last_errno;

/// One instruction as the kernel takes it.
pub type Insn = libc::sock_filter;

/// Installs a filter for this thread and all that it will start. Speculation mitigations are left as they are
/// (`SECCOMP_FILTER_FLAG_SPEC_ALLOW`): this filter confines nobody.
///
/// # Errors
/// The errno: EACCES without both no_new_privs and CAP_SYS_ADMIN, EINVAL or ENOSYS where the kernel has no filters.
pub fn install(program: &[Insn]) -> Result<(), i32> {
    install_with(program, 0)
}

/// [`install`], for all threads of this process at once (`SECCOMP_FILTER_FLAG_TSYNC`).
///
/// # Errors
/// As [`install`].
pub fn install_for_all_threads(program: &[Insn]) -> Result<(), i32> {
    install_with(program, libc::SECCOMP_FILTER_FLAG_TSYNC)
}

fn install_with(program: &[Insn], besides: libc::c_ulong) -> Result<(), i32> {
    let filter = libc::sock_fprog {
        len: program.len().min(u16::MAX.into()) as u16,
        filter: program.as_ptr().cast_mut(),
    };
    for flags in [libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0] {
        // SAFETY: `filter` describes `program`, which the kernel copies.
        let done = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags | besides,
                &raw const filter,
            )
        };
        match (done, last_errno()) {
            (0, _) => return Ok(()),
            // Before Linux 4.17 the flag is unknown.
            (_, libc::EINVAL) if flags != 0 => {}
            (_, errno) => return Err(errno),
        }
    }
    Ok(())
}

/// `prctl(PR_SET_NO_NEW_PRIVS, 1)`.
pub fn set_no_new_privs() -> Result<(), i32> {
    // SAFETY: plain numbers.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}
