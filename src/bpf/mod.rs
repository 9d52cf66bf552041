//! The filter, from the table: classic BPF that decides, by architecture and number, which calls stop the guest.
//!
//! Order matters for speed. Since Linux 5.11 the kernel works out once, when a filter is installed, which (architecture,
//! number) pairs it allows whatever the arguments are (`seccomp_cache_prepare`), and then no longer runs it for them.
//! It gives up on a path that loads anything but these two, so arguments are loaded only behind the number that needs
//! them. For the other calls the program is a tree: `log2` of the number of ranges, not one test per row.

mod tree;

#[cfg(test)]
mod interpreter;
#[cfg(test)]
mod tests;

use remainroot_shims::abi::Abi;
use remainroot_shims::table::{Case, Entry, Needs, Row, Shim, When};

use tree::{Range, search};

/// The data of a stop for a call of an ABI that the table does not know: another `AUDIT_ARCH_*`, or x32. The guest
/// cannot be served there, and must not run unserved.
pub const UNKNOWN_ABI: u16 = 0xFFFF;

/// One instruction of classic BPF, as `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if true.
    pub jt: u8,
    /// Instructions to skip if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Bytes in `struct sock_filter`.
pub const INSN_SIZE: usize = 8;

impl Insn {
    /// As `struct sock_filter`.
    pub fn to_bytes(self) -> [u8; INSN_SIZE] {
        let mut bytes = [0; INSN_SIZE];
        bytes[..2].copy_from_slice(&self.code.to_ne_bytes());
        (bytes[2], bytes[3]) = (self.jt, self.jf);
        bytes[4..].copy_from_slice(&self.k.to_ne_bytes());
        bytes
    }
}

/// A = 32 bits at offset `k` of `struct seccomp_data` (`BPF_LD | BPF_W | BPF_ABS`).
const LOAD: u16 = 0x20;
/// Skip `k` instructions (`BPF_JMP | BPF_JA`): the only jump with a wide offset.
const JA: u16 = 0x05;
/// Is A equal to `k`? (`BPF_JMP | BPF_JEQ | BPF_K`)
const JEQ: u16 = 0x15;
/// Is A, unsigned, at least `k`? (`BPF_JMP | BPF_JGE | BPF_K`)
const JGE: u16 = 0x35;
/// Has A any bit of `k`? (`BPF_JMP | BPF_JSET | BPF_K`)
const JSET: u16 = 0x45;
/// Verdict `k` (`BPF_RET | BPF_K`).
const RET: u16 = 0x06;

/// `SECCOMP_RET_ALLOW`.
const ALLOW: u32 = 0x7FFF_0000;
/// `SECCOMP_RET_TRACE`; the low 16 bits reach the tracer.
const TRACE: u32 = 0x7FF0_0000;
/// `SECCOMP_RET_ERRNO`; the low 16 bits are the error.
const ERRNO: u32 = 0x0005_0000;

/// Offset of `nr` in `struct seccomp_data`.
const NR: u32 = 0;
/// Offset of `arch` in `struct seccomp_data`.
const ARCH: u32 = 4;

/// Offset of the low 32 bits of argument `n` in `struct seccomp_data`, on a little-endian machine.
const fn argument(n: u8) -> u32 {
    16 + 8 * n as u32
}

/// Numbers with the x32 bit (`__X32_SYSCALL_BIT`) that the kernel could know. Above them (-1 is what a tracer writes
/// to skip a call) `do_syscall_x32` finds no call, and says ENOSYS by itself.
const X32: std::ops::Range<u32> = 0x4000_0000..0x8000_0000;

fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
    Insn { code, jt, jf, k }
}

fn ret(verdict: u32) -> Vec<Insn> {
    vec![insn(RET, 0, 0, verdict)]
}

/// Which circumstances a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Those that the task lives under.
    pub needs: Needs,
    /// Those that it has a program for already. The kernel asks all programs of a task; the new one adds to the others,
    /// and so has only the cases that they do not have.
    pub had: Needs,
}

impl Scope {
    /// The first program of a task.
    pub fn first(needs: Needs) -> Scope {
        Scope { needs: needs | Needs::ALWAYS, had: Needs::empty() }
    }

    fn has(&self, case: &Case) -> bool {
        case.needs.intersects(self.needs) && !case.needs.intersects(self.had)
    }

    /// What becomes of calls that the table cannot know. That is for one program to say.
    fn unknown(&self) -> u32 {
        if self.had.is_empty() { TRACE | u32::from(UNKNOWN_ABI) } else { ALLOW }
    }
}

/// The program for a table. A stop's data is the index of the call's row in `rows`, or [`UNKNOWN_ABI`].
pub fn program(rows: &[Row], scope: Scope) -> Vec<Insn> {
    let mut program = vec![insn(LOAD, 0, 0, ARCH)];
    for abi in Abi::ALL {
        let block = numbers(rows, scope, abi);
        program.push(insn(JEQ, 1, 0, abi.audit_arch()));
        program.push(insn(JA, 0, 0, block.len() as u32));
        program.extend(block);
    }
    program.extend(ret(scope.unknown()));
    program
}

/// The part for one ABI: A holds nothing yet.
fn numbers(rows: &[Row], scope: Scope, abi: Abi) -> Vec<Insn> {
    let mut points: Vec<(u32, Vec<Insn>)> = (0u16..)
        .zip(rows)
        .filter_map(|(index, row)| row.entry(abi).map(|entry| (entry.nr, verdict(entry, scope, index))))
        .collect();
    points.sort_by_key(|(nr, _)| *nr);
    let mut ranges = tree::among(points, ret(ALLOW));
    if abi == Abi::X86_64 {
        ranges.push(Range { from: X32.start, then: ret(scope.unknown()) });
        ranges.push(Range { from: X32.end, then: ret(ALLOW) });
    }
    let mut block = vec![insn(LOAD, 0, 0, NR)];
    block.extend(search(ranges));
    block
}

/// What to do with a call once its number is known.
fn verdict(entry: &Entry, scope: Scope, index: u16) -> Vec<Insn> {
    let hit = match entry.shim {
        Shim::Kernel => return ret(ALLOW),
        Shim::Refuse(errno) => ERRNO | (errno.into_raw() as u32 & 0xFFFF),
        Shim::Entry(_) | Shim::Coroutine(_) => TRACE | u32::from(index),
    };
    let cases: Vec<Case> = entry.cases.iter().filter(|case| scope.has(case)).copied().collect();
    any_of(&cases, hit)
}

/// `hit` in any of these cases, which are tried in order.
fn any_of(cases: &[Case], hit: u32) -> Vec<Insn> {
    let [Case { when, .. }, rest @ ..] = cases else { return ret(ALLOW) };
    let mut code = match *when {
        When::Always => return ret(hit),
        When::AnyBit { arg, mask } => vec![insn(LOAD, 0, 0, argument(arg)), insn(JSET, 0, 1, mask)],
        When::BothBits { args: [a, b], masks: [of_a, of_b] } => vec![
            insn(LOAD, 0, 0, argument(a)),
            insn(JSET, 0, 3, of_a),
            insn(LOAD, 0, 0, argument(b)),
            insn(JSET, 0, 1, of_b),
        ],
        When::OneOf { arg, values } => {
            let mut values = values.to_vec();
            values.sort_unstable();
            let points = values.into_iter().map(|value| (value, ret(hit))).collect();
            let mut code = vec![insn(LOAD, 0, 0, argument(arg))];
            code.extend(search(tree::among(points, any_of(rest, hit))));
            return code;
        }
    };
    code.extend(ret(hit));
    code.extend(any_of(rest, hit));
    code
}
