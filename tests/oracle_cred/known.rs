//! Where remainroot is known to differ from the kernel. Generated sequences keep clear of these; each entry must go
//! on differing, and is to be struck off when it no longer does.

use super::script::{Arg, HELPERS, Op};

/// A difference that we know of.
pub struct Known {
    /// Why it is there.
    pub reason: &'static str,
    /// The shortest sequence that shows it, on x86-64.
    pub sequence: Vec<Op>,
}

fn call(name: &'static str, words: &[u64]) -> Op {
    Op::Call(name, words.iter().copied().map(Arg::Word).collect())
}

/// The list.
pub fn known() -> Vec<Known> {
    let locking = HELPERS.iter().find(|helper| helper.name == "sgid-locking").expect("a helper of that name");
    vec![
        Known {
            reason: "the kernel forgets the parent-death signal when ids change; ours does not tell it that they did",
            sequence: vec![
                call("prctl", &[1, 10]),
                call("setuid", &[33]),
                Op::Call("prctl", vec![Arg::Word(2), Arg::Bytes(vec![0xAA; 4])]),
            ],
        },
        Known {
            reason: "whether a dropped user may execute a file is not checked: its real id is root's",
            sequence: vec![
                Op::Call("setgroups", vec![Arg::Word(1), Arg::Bytes(locking.gid.to_ne_bytes().into())]),
                call("setuid", &[33]),
                Op::Exec(locking),
            ],
        },
    ]
}
