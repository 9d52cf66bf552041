//! Calls as guests make them: any row of the table, by either ABI, as root and as users, with any arguments, memory, and
//! whatever the kernel says to host calls. No shim panics, or asks the kernel without end; whoever lacks the capability
//! to change users has no other ids afterwards than before.
#![no_main]

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use remainroot_shims::abi::{Abi, Call, Errno, Gid, Uid};
use remainroot_shims::cred::{CapSet, Cred};
use remainroot_shims::guest::Guest;
use remainroot_shims::table::{Needs, ROWS, Shim};
use remainroot_shims::testing::Fake;

/// Where the memory that the input brings along is.
const MEMORY: u64 = 0x1000;

/// More host calls than any shim makes for one task and one file.
const PATIENCE: usize = 5000;

/// An argument: near the memory, a small number, one at the edge of a type, or anything.
fn argument(bytes: [u8; 5]) -> u64 {
    let [kind, word @ ..] = bytes;
    let word = u32::from_le_bytes(word);
    match kind % 8 {
        0..=2 => MEMORY + u64::from(word % 4096),
        3 => u64::from(word % 64),
        4 => u64::from(word),
        5 => i64::from(word as i32) as u64,
        6 => (1u64 << (word % 64)).wrapping_sub(u64::from(word >> 8 & 1)),
        _ => Fake::END - u64::from(word % 64),
    }
}

fn user(uid: u32, gid: u32) -> Cred {
    let groups = Gid::new(gid).into_iter().collect();
    match (Uid::new(uid), Gid::new(gid)) {
        (Some(uid), Some(gid)) => Cred::login(uid, gid, groups),
        _ => Cred::root(),
    }
}

fn ids(cred: &Cred) -> [Uid; 4] {
    [cred.uid.real, cred.uid.effective, cred.uid.saved, cred.uid.fs]
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&[abi, who, recorded, row, more, kernel, high], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let Some((words, memory)) = rest.split_first_chunk::<30>() else { return };
    let abi = Abi::ALL[usize::from(abi) % Abi::ALL.len()];
    let row = &ROWS[usize::from(u16::from_le_bytes([row, more])) % ROWS.len()];
    let Some(entry) = row.entry(abi) else { return };
    let cred = match who % 4 {
        0 => Cred::root(),
        1 => user(33, 33),
        2 => user(u32::MAX - 1, 1 << 16),
        _ => user(0, 33),
    };
    let guest = Fake::new(abi, cred.clone());
    guest.recorded.set(Needs::from_bits_truncate(u16::from_le_bytes([recorded, 1])));
    guest.know(Fake::OTHER, Rc::new(user(34, 34)));
    guest.kernel.set(match high {
        0..128 => Err(Errno::new(i32::from(kernel).max(1))),
        _ => Ok(u64::from(kernel)),
    });
    guest.put(MEMORY, &memory[..memory.len().min(8192)]);
    let mut call = Call { abi, nr: entry.nr, args: [0; 6] };
    for (arg, chunk) in call.args.iter_mut().zip(words.as_chunks::<5>().0) {
        *arg = argument(*chunk);
    }
    let guest = Rc::new(guest);
    match entry.shim {
        Shim::Kernel | Shim::Refuse(_) => return,
        Shim::Entry(shim) => drop(shim(&*guest, &call)),
        Shim::Coroutine(shim) => {
            let mut shim = pin!(shim(guest.clone() as Rc<dyn Guest>, call));
            let mut context = Context::from_waker(Waker::noop());
            let ended = (0..PATIENCE).any(|_| matches!(shim.as_mut().poll(&mut context), Poll::Ready(_)));
            assert!(ended, "{} asks the kernel without end", row.name);
        }
    }
    // A program that has ids of its own gives them, too.
    let is_exec = row.name.starts_with("exec");
    if !cred.capable(CapSet::SETUID) && !is_exec {
        let before = ids(&cred);
        assert!(ids(&guest.cred_now()).iter().all(|id| before.contains(id)), "{} gave an id away", row.name);
    }
});
