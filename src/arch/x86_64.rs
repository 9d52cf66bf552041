//! x86-64, with its i386 mode. A 64-bit tracer sees `struct user_regs_struct` for tasks of either mode.

use remainroot_shims::abi::{Abi, Call};
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

/// At an exit stop: the guest will make `call` again as soon as it runs.
pub fn repeat_call(pid: i32, call: &Call) -> Result<()> {
    let ip = peek_user(pid, RIP)?;
    poke_user(pid, RIP, ip.wrapping_sub(SYSCALL_INSN))?;
    poke_user(pid, RAX, call.nr.into())
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
