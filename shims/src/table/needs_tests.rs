//! What a row says of when it is needed, against what its shim does.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use linux_raw_sys::general::AT_FDCWD;
use proptest::prelude::*;

use super::*;
use crate::abi::{Abi, Call, Gid, KeepUid, Uid};
use crate::guest::Answer;
use crate::owner::{Device, Record};
use crate::table::{Entry, ROWS, Shim};
use crate::testing::Fake;

/// Where there is a path, and where there are two times, an address of a socket, and numbers.
const PATH: u64 = 0x1000;
const WORDS: u64 = 0x2000;

/// Each holds back something else.
fn creds() -> Vec<Cred> {
    let root = Cred::root();
    let user = Cred::login(Uid::new(33).unwrap(), Gid::new(33).unwrap(), vec![]);
    let grouped = Cred::login(Uid::ROOT, Gid::new(33).unwrap(), vec![]);
    let astray = root.setfsuid(KeepUid::from_raw(33));
    let bounded = root.bounding_drop(13).unwrap();
    let saved = root.setresuid(KeepUid::Keep, KeepUid::from_raw(33), KeepUid::Keep).unwrap();
    vec![root, user, grouped, astray, bounded, saved]
}

/// A guest in a world in which the one file there is is all that was recorded.
fn guest(abi: Abi, cred: &Cred, recorded: Needs, words: [u64; 8], exists: bool) -> Rc<Fake> {
    let mut guest = Fake::new(abi, cred.clone());
    guest.missing = (!exists).then(|| c"/some/file".into());
    // cap_net_raw=ep: more than the bounding set of some allows.
    guest.program.caps = Some([0x0200_0001, 1 << 13, 0, 0, 0u32].map(u32::to_le_bytes).concat());
    let mut record = Record::owned(Uid::new(33).unwrap(), Gid::new(33).unwrap());
    if recorded.contains(Needs::PASSING_ON) {
        guest.program.native = (0o042755, 0, 0);
    }
    if recorded.contains(Needs::DEVICES) {
        record.device = Some(Device::Char(0x103));
    }
    if recorded.contains(Needs::XATTRS) {
        record.xattrs.insert(b"trusted.x"[..].into(), b"1"[..].into());
    }
    if !recorded.is_empty() {
        guest.records.borrow_mut().insert(1, record);
    }
    guest.recorded.set(recorded);
    guest.put(PATH, b"/some/file\0");
    guest.put(WORDS, &words.map(u64::to_le_bytes).concat());
    Rc::new(guest)
}

/// What a shim answers at once; `None` if it wants the guest to make a call.
fn at_once(entry: &Entry, guest: Rc<Fake>, call: Call) -> Option<Answer> {
    match entry.shim {
        Shim::Kernel | Shim::Refuse(_) => Some(Answer::Native),
        Shim::Entry(shim) => Some(shim(&*guest, &call)),
        Shim::Coroutine(shim) => {
            match shim(guest, call).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            }
        }
    }
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(PATH),
        3 => Just(WORDS),
        1 => Just(Fake::BAD),
        1 => Just(AT_FDCWD as u32 as u64),
        3 => 0..200u64,
        2 => prop::sample::select(vec![0o100, 0o101, 0o102, 0o20200000, 0o4755, 0o6755, 0o644]),
        1 => any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_a_row_does_not_name_is_the_kernels(
        args in prop::array::uniform6(word()),
        words in prop::array::uniform8(word()),
        recorded in any::<u16>(),
        who in 0..6usize,
        exists in any::<bool>(),
    ) {
        let cred = &creds()[who];
        let recorded = Needs::from_bits_truncate(recorded) - Needs::ALWAYS - Needs::USER - Needs::USERS - Needs::SENDERS - Needs::VIEWS;
        let needs = Needs::of_task(cred) | recorded;
        for abi in Abi::ALL {
            for (row, entry) in ROWS.iter().filter_map(|row| Some((row, row.entry(abi)?))) {
                // What never stops by its arguments, its shim need not know.
                if entry.concerns(&args, needs) || !entry.concerns(&args, Needs::all()) {
                    continue;
                }
                let guest = guest(abi, cred, recorded, words, exists);
                prop_assert_eq!(Needs::of_task(cred) | Needs::of_store(&*guest), needs);
                let before = (guest.bytes(0, Fake::END as usize), guest.records.borrow().clone());
                let call = Call { abi, nr: entry.nr, args };
                let answer = at_once(entry, guest.clone(), call);
                prop_assert_eq!(answer, Some(Answer::Native), "{} under {:?}", row.name, needs);
                prop_assert_eq!(&guest.cred_now(), cred, "{}", row.name);
                let after = (guest.bytes(0, Fake::END as usize), guest.records.borrow().clone());
                prop_assert!(after == before, "{} changed something under {:?}", row.name, needs);
            }
        }
    }
}

#[test]
fn only_whole_root_needs_no_care() {
    let needs: Vec<Needs> = creds().iter().map(Needs::of_task).collect();
    assert_eq!(needs[0], Needs::ALWAYS);
    assert_eq!(needs[1..], [Needs::ALWAYS | Needs::USER; 5]);
}

#[test]
fn a_set_id_mode_is_seen_under_all_circumstances() {
    let (creates, plain, set_id) = (0o101, 0o644, 0o4755);
    for abi in Abi::ALL {
        let stops = |name: &str, args: [u64; 6]| {
            let row = ROWS.iter().find(|row| row.name == name);
            row.and_then(|row| row.entry(abi)).is_some_and(|entry| entry.concerns(&args, Needs::ALWAYS))
        };
        for (mode, expected) in [(plain, false), (set_id, true)] {
            assert_eq!(stops("open", [PATH, creates, mode, 0, 0, 0]), expected);
            assert_eq!(stops("openat", [0, PATH, creates, mode, 0, 0]), expected);
            assert_eq!(stops("creat", [PATH, mode, 0, 0, 0, 0]), expected);
        }
        assert!(!stops("open", [PATH, 0, set_id, 0, 0, 0]), "without O_CREAT there is no mode");
    }
}

#[test]
fn every_circumstance_has_a_bit_of_its_own() {
    use bitflags::Flags;
    assert_eq!(Needs::FLAGS.len() as u32, Needs::all().bits().count_ones());
}
