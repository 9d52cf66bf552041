//! What the kernel does with a filter: checks it, runs it, and works out which calls it need not run it for.

use super::{ALLOW, ARCH, Insn, JA, JEQ, JGE, JSET, LOAD, NR, RET};

/// `struct seccomp_data`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    pub nr: u32,
    pub arch: u32,
    pub args: [u64; 6],
}

impl Data {
    fn load(&self, offset: u32) -> u32 {
        match offset {
            NR => self.nr,
            ARCH => self.arch,
            8 | 12 => panic!("the instruction pointer is no business of this filter"),
            _ => {
                let arg = self.args[(offset as usize - 16) / 8];
                (if offset.is_multiple_of(8) { arg } else { arg >> 32 }) as u32
            }
        }
    }
}

/// `bpf_check_classic` and `seccomp_check_filter`, for the instructions in use. Jumps go forward by their type.
pub(super) fn check(program: &[Insn]) -> Result<(), String> {
    if program.is_empty() || program.len() > 4096 {
        return Err(format!("{} instructions", program.len()));
    }
    for (at, insn) in program.iter().enumerate() {
        let rest = program.len() - at - 1;
        let fits = match insn.code {
            LOAD => insn.k.is_multiple_of(4) && insn.k < 64,
            JA => (insn.k as usize) < rest,
            JEQ | JGE | JSET => usize::from(insn.jt) < rest && usize::from(insn.jf) < rest,
            RET => true,
            _ => false,
        };
        if !fits {
            return Err(format!("instruction {at} of {}: {insn:x?}", program.len()));
        }
    }
    match program.last() {
        Some(Insn { code: RET, .. }) => Ok(()),
        _ => Err("runs off its end".into()),
    }
}

/// A run's end.
pub(super) struct Outcome {
    pub verdict: u32,
    pub steps: usize,
    /// Whether anything but the architecture and the number was looked at.
    pub argued: bool,
}

/// `bpf_prog_run`.
pub(super) fn run(program: &[Insn], data: &Data) -> Outcome {
    let (mut a, mut at, mut steps, mut argued) = (0, 0, 0, false);
    loop {
        let Insn { code, jt, jf, k } = program[at];
        let jump = |yes: bool| usize::from(if yes { jt } else { jf });
        at += 1;
        steps += 1;
        match code {
            LOAD => {
                a = data.load(k);
                argued |= k > ARCH;
            }
            JA => at += k as usize,
            JEQ => at += jump(a == k),
            JGE => at += jump(a >= k),
            JSET => at += jump(a & k != 0),
            RET => return Outcome { verdict: k, steps, argued },
            _ => panic!("not in use: {code:#x}"),
        }
    }
}

/// `seccomp_is_const_allow`: whether the kernel will skip the filter for this call.
pub(super) fn skipped_by_the_kernel(program: &[Insn], arch: u32, nr: u32) -> bool {
    let outcome = run(program, &Data { nr, arch, args: [0; 6] });
    !outcome.argued && outcome.verdict == ALLOW
}
