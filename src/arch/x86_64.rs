//! x86-64, with its i386 mode. A 64-bit tracer sees `struct user_regs_struct` for tasks of either mode.

use remainroot_shims::abi::Abi;
use remainroot_shims::guest::Answer;

use crate::sys::ptrace::{Result, peek_user, poke_user};

const fn word(index: usize) -> usize {
    index * 8
}

// Offsets in struct user_regs_struct (asm/ptrace-abi.h: R15 … SS).
const RBP: usize = word(4);
const RBX: usize = word(5);
const R10: usize = word(7);
const R9: usize = word(8);
const R8: usize = word(9);
const RAX: usize = word(10);
const RCX: usize = word(11);
const RDX: usize = word(12);
const RSI: usize = word(13);
const RDI: usize = word(14);
const ORIG_RAX: usize = word(15);
const RIP: usize = word(16);
const RSP: usize = word(19);

/// Size of the `syscall`, `int 0x80` and `sysenter` instructions alike.
const SYSCALL_INSN: u64 = 2;

fn argument_registers(abi: Abi) -> [usize; 6] {
    match abi {
        Abi::X86_64 => [RDI, RSI, RDX, R10, R8, R9],
        Abi::I386 => [RBX, RCX, RDX, RSI, RDI, RBP],
    }
}

/// At an entry stop: the call will not be made, and returns `value`. Two register writes.
pub fn skip_call(pid: i32, value: u64) -> Result<()> {
    poke_user(pid, ORIG_RAX, u64::MAX)?;
    poke_user(pid, RAX, value)
}

/// At an exit stop: what the call returns.
pub fn set_result(pid: i32, value: u64) -> Result<()> {
    poke_user(pid, RAX, value)
}

/// Changes the argument registers from `old` to `new`; those that agree are left alone.
pub fn change_arguments(pid: i32, abi: Abi, old: &[u64; 6], new: &[u64; 6]) -> Result<()> {
    for (n, register) in argument_registers(abi).into_iter().enumerate() {
        if old[n] != new[n] {
            poke_user(pid, register, new[n])?;
        }
    }
    Ok(())
}

/// At an entry stop: another call will be made, with the arguments that are in the registers then.
pub fn replace_call(pid: i32, nr: u32) -> Result<()> {
    poke_user(pid, ORIG_RAX, nr.into())
}

/// Outside of a system-call stop: which call the task is on its way out of, and its result so far (negative errno
/// included). `None` if it is not in one.
pub fn ending_call(pid: i32) -> Result<Option<(u32, i64)>> {
    match u32::try_from(peek_user(pid, ORIG_RAX)?) {
        Ok(nr) => Ok(Some((nr, peek_user(pid, RAX)? as i64))),
        Err(_) => Ok(None),
    }
}

/// On the way out of call `nr`: the guest will make it again as soon as it runs. Its arguments are in place.
pub fn make_again(pid: i32, nr: u32) -> Result<()> {
    let ip = peek_user(pid, RIP)?;
    poke_user(pid, RIP, ip.wrapping_sub(SYSCALL_INSN))?;
    poke_user(pid, RAX, nr.into())
}

/// The task is on its way out of call `nr` with `result`, even if it was set back already to make the call again, by
/// [`make_again`] or by the kernel. The result may be one of those that the kernel acts upon when it delivers a signal.
pub fn end_call(pid: i32, nr: u32, result: i64) -> Result<()> {
    if peek_user(pid, RAX)? as i64 == result {
        return Ok(());
    }
    let ip = peek_user(pid, RIP)?;
    poke_user(pid, RIP, ip.wrapping_add(SYSCALL_INSN))?;
    poke_user(pid, ORIG_RAX, nr.into())?;
    poke_user(pid, RAX, result as u64)
}

/// Whether `nr`, which the task is on its way out of, is close(2), in the ABI that it is in by its mode. (A call by
/// `int 0x80` in 64-bit mode cannot be told from one by `syscall` here.)
pub fn is_close(pid: i32, nr: u32) -> Result<bool> {
    let abi = if is_64_bit(pid)? { Abi::X86_64 } else { Abi::I386 };
    Ok(nr == close_call(abi))
}

/// The number of close(2).
pub const fn close_call(abi: Abi) -> u32 {
    match abi {
        Abi::X86_64 => syscalls::x86_64::Sysno::close as u32,
        Abi::I386 => syscalls::x86::Sysno::close as u32,
    }
}

/// Whether `nr`, which the task is on its way out of, is a call that the kernel never makes again by itself
/// (epoll_wait, semop, sigtimedwait, io_getevents of signal(7)), and was to wait without a limit. In the ABI that the
/// task is in by its mode, as in [`is_close`].
pub fn waits_for_ever(pid: i32, nr: u32) -> Result<bool> {
    use syscalls::{x86, x86_64};
    let abi = if is_64_bit(pid)? { Abi::X86_64 } else { Abi::I386 };
    let argument = |n: usize| peek_user(pid, argument_registers(abi)[n]);
    let is_negative = |n| Ok((argument(n)? as i32) < 0);
    let is_null = |n| Ok(argument(n)? == 0);
    match abi {
        Abi::X86_64 => match x86_64::Sysno::new(nr as usize) {
            Some(x86_64::Sysno::epoll_wait | x86_64::Sysno::epoll_pwait) => is_negative(3),
            Some(x86_64::Sysno::epoll_pwait2 | x86_64::Sysno::semtimedop) => is_null(3),
            Some(x86_64::Sysno::semop) => Ok(true),
            Some(x86_64::Sysno::rt_sigtimedwait) => is_null(2),
            Some(x86_64::Sysno::io_getevents | x86_64::Sysno::io_pgetevents) => is_null(4),
            _ => Ok(false),
        },
        Abi::I386 => match x86::Sysno::new(nr as usize) {
            Some(x86::Sysno::epoll_wait | x86::Sysno::epoll_pwait) => is_negative(3),
            Some(x86::Sysno::epoll_pwait2 | x86::Sysno::semtimedop_time64) => is_null(3),
            // The first argument: version, and which of ipc(2)'s calls. The time limit is the fifth.
            Some(x86::Sysno::ipc) => match argument(0)? & 0xFFFF {
                SEMOP => Ok(true),
                SEMTIMEDOP => is_null(5),
                _ => Ok(false),
            },
            Some(x86::Sysno::rt_sigtimedwait | x86::Sysno::rt_sigtimedwait_time64) => is_null(2),
            Some(x86::Sysno::io_getevents | x86::Sysno::io_pgetevents | x86::Sysno::io_pgetevents_time64) => {
                is_null(4)
            }
            _ => Ok(false),
        },
    }
}

/// `SEMOP` of linux/ipc.h.
const SEMOP: u64 = 1;

/// `SEMTIMEDOP` of linux/ipc.h.
const SEMTIMEDOP: u64 = 4;

/// Bytes set aside for a [`filter_pointer`].
pub const FILTER_POINTER_SIZE: usize = 16;

/// Length and address of a filter's instructions, as `struct sock_fprog` of an ABI (its first bytes are used).
pub fn filter_pointer(abi: Abi, length: u16, at: u64) -> [u8; FILTER_POINTER_SIZE] {
    let mut bytes = [0; FILTER_POINTER_SIZE];
    bytes[..2].copy_from_slice(&length.to_ne_bytes());
    match abi {
        Abi::X86_64 => bytes[8..].copy_from_slice(&at.to_ne_bytes()),
        Abi::I386 => bytes[4..8].copy_from_slice(&(at as u32).to_ne_bytes()),
    }
    bytes
}

/// Numbers of the calls that bring a filter into a task.
pub struct FilterCalls {
    /// mmap, with the six arguments in registers.
    pub map: u32,
    /// seccomp.
    pub seccomp: u32,
    /// munmap.
    pub unmap: u32,
}

/// Those of an ABI.
pub fn filter_calls(abi: Abi) -> FilterCalls {
    use syscalls::{x86, x86_64};
    match abi {
        Abi::X86_64 => FilterCalls {
            map: x86_64::Sysno::mmap as u32,
            seccomp: x86_64::Sysno::seccomp as u32,
            unmap: x86_64::Sysno::munmap as u32,
        },
        Abi::I386 => FilterCalls {
            map: x86::Sysno::mmap2 as u32,
            seccomp: x86::Sysno::seccomp as u32,
            unmap: x86::Sysno::munmap as u32,
        },
    }
}

/// The stack pointer.
pub fn stack_pointer(pid: i32) -> Result<u64> {
    peek_user(pid, RSP)
}

/// The value of the return register for an answer, sign-extended as the kernel keeps errnos of either mode.
pub fn return_value(answer: Answer) -> Option<u64> {
    match answer {
        Answer::Ret(value) => Some(value),
        Answer::Err(errno) => Some(-i64::from(errno.into_raw()) as u64),
        Answer::Native => None,
    }
}

/// Whether the process that just executed a program runs in 64-bit mode: the layout of its initial stack.
pub fn is_64_bit(pid: i32) -> Result<bool> {
    const CS: usize = word(17);
    /// `__USER_CS`; compatibility mode has `__USER32_CS`.
    const USER_CS: u64 = 0x33;
    Ok(peek_user(pid, CS)? == USER_CS)
}
