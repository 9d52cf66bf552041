//! A balanced search over a loaded number.

use super::{Insn, JA, JGE, insn};

/// Numbers from here up to the next range, and the code for them, which must end in a verdict on every path.
#[derive(Clone)]
pub(super) struct Range {
    /// The first of them.
    pub from: u32,
    /// The code. Ranges with the same code are merged.
    pub then: Vec<Insn>,
}

/// Covers all numbers: each of the ascending `points` by its own code, the gaps by `otherwise`. Of equal numbers the
/// first counts.
pub(super) fn among(points: Vec<(u32, Vec<Insn>)>, otherwise: Vec<Insn>) -> Vec<Range> {
    let mut ranges = Vec::new();
    let mut next = Some(0);
    for (number, then) in points {
        let Some(gap) = next.filter(|next| number >= *next) else { continue };
        if number > gap {
            ranges.push(Range { from: gap, then: otherwise.clone() });
        }
        ranges.push(Range { from: number, then });
        next = number.checked_add(1);
    }
    if let Some(from) = next {
        ranges.push(Range { from, then: otherwise });
    }
    ranges
}

/// The code that finds the range of A. Ascending, beginning with 0.
pub(super) fn search(mut ranges: Vec<Range>) -> Vec<Insn> {
    ranges.dedup_by(|range, before| range.then == before.then);
    halve(&ranges)
}

fn halve(ranges: &[Range]) -> Vec<Insn> {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let ([_, ..], [first, ..]) = (low, high) else {
        return ranges.iter().flat_map(|range| range.then.clone()).collect();
    };
    let (low_code, high_code) = (halve(low), halve(high));
    let mut code = match u8::try_from(low_code.len()) {
        Ok(skip) => vec![insn(JGE, skip, 0, first.from)],
        // Conditional jumps reach 255 instructions.
        Err(_) => vec![insn(JGE, 0, 1, first.from), insn(JA, 0, 0, low_code.len() as u32)],
    };
    code.extend(low_code);
    code.extend(high_code);
    code
}
