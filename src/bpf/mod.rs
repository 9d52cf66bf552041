//! The filter, from the table: one test after the other.

use remainroot_shims::abi::Abi;
use remainroot_shims::table::{Entry, Row, Shim, When};

/// The data of a stop for a call of an ABI that the table does not know.
pub const UNKNOWN_ABI: u16 = 0xFFFF;

/// One instruction of classic BPF.
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

const LOAD: u16 = 0x20;
const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
const JSET: u16 = 0x45;
const RET: u16 = 0x06;
const ALLOW: u32 = 0x7FFF_0000;
const TRACE: u32 = 0x7FF0_0000;
const ERRNO: u32 = 0x0005_0000;

fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
    Insn { code, jt, jf, k }
}

/// The program for a table.
pub fn program(rows: &[Row]) -> Vec<Insn> {
    let mut program = vec![insn(LOAD, 0, 0, 4)];
    for abi in Abi::ALL {
        let mut block = vec![insn(LOAD, 0, 0, 0)];
        if abi == Abi::X86_64 {
            block.push(insn(JEQ, 2, 0, u32::MAX));
            block.push(insn(JGE, 0, 1, 0x4000_0000));
            block.push(insn(RET, 0, 0, TRACE | u32::from(UNKNOWN_ABI)));
        }
        for (index, row) in rows.iter().enumerate() {
            if let Some(entry) = row.entry(abi) {
                push_entry(&mut block, entry, index as u32);
            }
        }
        block.push(insn(RET, 0, 0, ALLOW));
        program.push(insn(JEQ, 1, 0, abi.audit_arch()));
        program.push(insn(0x05, 0, 0, block.len() as u32));
        program.extend(block);
    }
    program.push(insn(RET, 0, 0, TRACE | u32::from(UNKNOWN_ABI)));
    program
}

fn push_entry(block: &mut Vec<Insn>, entry: &Entry, index: u32) {
    let verdict = match entry.shim {
        Shim::Kernel => return,
        Shim::Refuse(errno) => ERRNO | errno.into_raw() as u32,
        Shim::Entry(_) | Shim::Coroutine(_) => TRACE | index,
    };
    let mut body = Vec::new();
    match entry.when {
        When::Always => {}
        When::AnyBit { arg, mask } => {
            body.push(insn(LOAD, 0, 0, 16 + 8 * u32::from(arg)));
            body.push(insn(JSET, 1, 0, mask));
            body.push(insn(RET, 0, 0, ALLOW));
        }
        When::OneOf { arg, values } => {
            body.push(insn(LOAD, 0, 0, 16 + 8 * u32::from(arg)));
            for (n, value) in values.iter().enumerate() {
                body.push(insn(JEQ, (values.len() - n) as u8, 0, *value));
            }
            body.push(insn(RET, 0, 0, ALLOW));
        }
    }
    body.push(insn(RET, 0, 0, verdict));
    block.push(insn(JEQ, 0, body.len() as u8, entry.nr));
    block.extend(body);
}
