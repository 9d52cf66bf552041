//! ptrace(2) and waitpid(2), raw. A task can be killed between any two calls: every one may answer [`Lost::Gone`].

use std::time::Duration;

use super::{last_errno, signal};

/// Why a ptrace call did not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// ESRCH: the task died, or is not in a ptrace-stop any more because SIGKILL took it out. A normal event.
    Gone,
    /// Any other errno.
    Errno(i32),
}

/// `Result` of a ptrace call.
pub type Result<T> = std::result::Result<T, Lost>;

/// How to let a stopped task go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// `PTRACE_CONT`: to the next event.
    Cont,
    /// `PTRACE_SYSCALL`: to the next entry to or exit from a system call, too.
    Syscall,
    /// `PTRACE_LISTEN`: stay in the group stop, but report its end.
    Listen,
}

/// What `PTRACE_GET_SYSCALL_INFO` says of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallStop {
    /// Not a system-call stop.
    None,
    /// Syscall-enter-stop.
    Entry {
        /// `AUDIT_ARCH_*`.
        arch: u32,
        /// Call number.
        nr: u64,
        /// Arguments.
        args: [u64; 6],
    },
    /// Syscall-exit-stop with the value of the return register (negative errno included).
    Exit(i64),
    /// Stopped by a filter's `SECCOMP_RET_TRACE`.
    Seccomp {
        /// `AUDIT_ARCH_*`.
        arch: u32,
        /// Call number.
        nr: u64,
        /// Arguments.
        args: [u64; 6],
        /// The filter's 16 bits of data.
        data: u32,
    },
}

/// The options that every tracee has.
pub const OPTIONS: i32 = libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_EXITKILL;

fn call(request: libc::c_uint, pid: i32, addr: usize, data: usize) -> Result<i64> {
    // SAFETY: ptrace only reads or writes our memory through `data` where the request says so; callers pass either
    // plain numbers or a pointer to a live buffer of the size that the request demands.
    let value = unsafe { libc::ptrace(request, pid, addr, data) };
    if value == -1 {
        return Err(match last_errno() {
            libc::ESRCH => Lost::Gone,
            errno => Lost::Errno(errno),
        });
    }
    Ok(value)
}

/// `PTRACE_SEIZE` with [`OPTIONS`].
pub fn seize(pid: i32) -> Result<()> {
    call(libc::PTRACE_SEIZE, pid, 0, OPTIONS as usize).map(drop)
}

/// Lets a stopped task go on, with a signal to deliver (0: none).
pub fn resume(pid: i32, how: Resume, signal: i32) -> Result<()> {
    let request = match how {
        Resume::Cont => libc::PTRACE_CONT,
        Resume::Syscall => libc::PTRACE_SYSCALL,
        Resume::Listen => libc::PTRACE_LISTEN,
    };
    call(request, pid, 0, signal as usize).map(drop)
}

/// `PTRACE_INTERRUPT`: the task will report a [`Stop::Event`] before it runs any code of its own again.
pub fn interrupt(pid: i32) -> Result<()> {
    call(libc::PTRACE_INTERRUPT, pid, 0, 0).map(drop)
}

/// `PTRACE_GETEVENTMSG`: the new task of a fork event, the former tid of an exec event.
pub fn event_message(pid: i32) -> Result<u64> {
    let mut message: libc::c_ulong = 0;
    call(libc::PTRACE_GETEVENTMSG, pid, 0, &raw mut message as usize)?;
    Ok(message)
}

/// `PTRACE_GETSIGINFO` at a signal-delivery-stop.
pub fn signal_info(pid: i32) -> Result<libc::siginfo_t> {
    // SAFETY: siginfo_t is plain data; all zeros is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    call(libc::PTRACE_GETSIGINFO, pid, 0, &raw mut info as usize)?;
    Ok(info)
}

/// Who sent a signal (0: somebody outside of our pid namespace), if a process did: kill, tgkill, sigqueue.
pub fn sender(info: &libc::siginfo_t) -> Option<i32> {
    // SAFETY: with these codes the record holds the sender's pid.
    matches!(info.si_code, libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE).then(|| unsafe { info.si_pid() })
}

/// A signal mask as the kernel has it: a bit for each signal, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalMask(u64);

impl SignalMask {
    /// All signals; the kernel leaves SIGKILL and SIGSTOP out.
    pub const ALL: SignalMask = SignalMask(u64::MAX);
}

/// `PTRACE_GETSIGMASK`.
pub fn signal_mask(pid: i32) -> Result<SignalMask> {
    let mut mask = 0u64;
    call(libc::PTRACE_GETSIGMASK, pid, size_of_val(&mask), &raw mut mask as usize)?;
    Ok(SignalMask(mask))
}

/// `PTRACE_SETSIGMASK`. When the task goes on, what it no longer blocks is pending.
pub fn set_signal_mask(pid: i32, mask: SignalMask) -> Result<()> {
    call(libc::PTRACE_SETSIGMASK, pid, size_of_val(&mask.0), &raw const mask.0 as usize).map(drop)
}

/// `PTRACE_PEEKUSER`: one register, by its offset in `struct user_regs_struct`.
pub fn peek_user(pid: i32, offset: usize) -> Result<u64> {
    // The libc wrapper returns the word itself, so errno alone tells -1 from an error.
    // SAFETY: errno is thread-local and ours to clear.
    unsafe { *libc::__errno_location() = 0 };
    // SAFETY: plain numbers.
    let value = unsafe { libc::ptrace(libc::PTRACE_PEEKUSER, pid, offset, 0usize) };
    if value == -1 {
        match last_errno() {
            0 => {}
            libc::ESRCH => return Err(Lost::Gone),
            errno => return Err(Lost::Errno(errno)),
        }
    }
    Ok(value as u64)
}

/// `PTRACE_POKEUSER`: one register, by its offset in `struct user_regs_struct`.
pub fn poke_user(pid: i32, offset: usize, value: u64) -> Result<()> {
    call(libc::PTRACE_POKEUSER, pid, offset, value as usize).map(drop)
}

/// `PTRACE_GET_SYSCALL_INFO` (Linux 5.3).
pub fn syscall_info(pid: i32) -> Result<SyscallStop> {
    // SAFETY: plain data; all zeros is a valid value.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    call(libc::PTRACE_GET_SYSCALL_INFO, pid, size_of_val(&info), &raw mut info as usize)?;
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: `op` says which member the kernel filled in.
            let entry = unsafe { info.u.entry };
            SyscallStop::Entry { arch: info.arch, nr: entry.nr, args: entry.args }
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: as above.
            SyscallStop::Exit(unsafe { info.u.exit.sval })
        }
        libc::PTRACE_SYSCALL_INFO_SECCOMP => {
            // SAFETY: as above.
            let seccomp = unsafe { info.u.seccomp };
            SyscallStop::Seccomp {
                arch: info.arch,
                nr: seccomp.nr,
                args: seccomp.args,
                data: seccomp.ret_data as u32,
            }
        }
        _ => SyscallStop::None,
    })
}

/// What a wait reported of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It ended by itself, with this code.
    Exited(i32),
    /// It was killed by this signal.
    Signaled(i32),
    /// It is stopped.
    Stopped(Stop),
}

/// The kinds of ptrace-stop, by their names in ptrace(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Signal-delivery-stop.
    Signal(i32),
    /// Group-stop, by this signal.
    Group(i32),
    /// `PTRACE_EVENT_STOP` that is no group-stop: a new tracee's first, or the end of a group-stop.
    Event,
    /// `PTRACE_EVENT_FORK` or `_VFORK`: a new process.
    Fork,
    /// `PTRACE_EVENT_CLONE`: a new thread, or a process that sends another signal than SIGCHLD at its end.
    Clone,
    /// `PTRACE_EVENT_EXEC`.
    Exec,
    /// `PTRACE_EVENT_SECCOMP`.
    Seccomp,
    /// Syscall-enter-stop or syscall-exit-stop.
    Syscall,
    /// An event that we did not ask for.
    Other,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A task changed state.
    Task(i32, Status),
    /// A signal, or the end of the time allowed, came first.
    Interrupted,
    /// There is nothing left to wait for.
    Nobody,
}

/// `wait4(-1, __WALL)`.
pub fn wait() -> Wait {
    wait_with(0)
}

/// [`wait`] for what has happened already ([`Wait::Interrupted`] if nothing has).
pub fn poll() -> Wait {
    wait_with(libc::WNOHANG)
}

/// [`wait`] for no longer than `limit`, after [`poll`] found nothing. SIGCHLD must be blocked: its arrival, perhaps
/// before that, is what ends the waiting.
pub fn wait_for(limit: Duration) -> Wait {
    signal::await_child(limit);
    poll()
}

fn wait_with(options: i32) -> Wait {
    let mut raw = 0;
    // SAFETY: the kernel writes one int to `raw`.
    match unsafe { libc::waitpid(-1, &raw mut raw, libc::__WALL | options) } {
        // WNOHANG: there is somebody, but nothing to report.
        0 => Wait::Interrupted,
        -1 if last_errno() == libc::EINTR => Wait::Interrupted,
        -1 => Wait::Nobody,
        pid => Wait::Task(pid, Status::from_raw(raw)),
    }
}

/// Whether a task is ours to wait for: false once its end was reported.
pub fn is_tracee(tid: i32) -> bool {
    peek(tid).is_some()
}

/// Whether a task has something to report: a stop, or its end. It stays to be reported.
pub fn has_report(tid: i32) -> bool {
    peek(tid) != Some(0)
}

/// The task that has something to report, if it is this one, or 0. `None` if it is not ours to wait for.
fn peek(tid: i32) -> Option<i32> {
    let id = libc::id_t::try_from(tid).ok()?;
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: plain data; all zeros is a valid value, and the kernel writes one siginfo_t.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        (libc::waitid(libc::P_PID, id, &raw mut info, flags) == 0).then(|| info.si_pid())
    }
}

impl Status {
    fn from_raw(raw: i32) -> Status {
        if libc::WIFEXITED(raw) {
            return Status::Exited(libc::WEXITSTATUS(raw));
        }
        if libc::WIFSIGNALED(raw) {
            return Status::Signaled(libc::WTERMSIG(raw));
        }
        let signal = libc::WSTOPSIG(raw);
        Status::Stopped(match raw >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
            0 => Stop::Signal(signal),
            libc::PTRACE_EVENT_SECCOMP => Stop::Seccomp,
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => Stop::Fork,
            libc::PTRACE_EVENT_CLONE => Stop::Clone,
            libc::PTRACE_EVENT_EXEC => Stop::Exec,
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Event,
            libc::PTRACE_EVENT_STOP => Stop::Group(signal),
            _ => Stop::Other,
        })
    }
}
