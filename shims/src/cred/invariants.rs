//! What no sequence of rules can break.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{CapChange, CapSet, Cred, ExecFile, FileCaps, FileEffect, SecureBits};
use crate::abi::{Errno, Gid, KeepGid, KeepUid, Uid};

/// One rule with its arguments.
#[derive(Clone, Debug)]
enum Rule {
    SetUid(u32),
    SetReUid(u32, u32),
    SetResUid(u32, u32, u32),
    SetFsUid(u32),
    SetResGid(u32, u32, u32),
    SetGroups(Vec<u32>),
    CapSet(CapChange),
    SecureBits(u64),
    KeepCaps(u64),
    BoundingDrop(u64),
    AmbientRaise(u64),
    NoNewPrivs,
    Exec(ExecFile),
}

impl Rule {
    fn apply(&self, cred: &Cred) -> Result<Cred, Errno> {
        let (uid, gid) = (KeepUid::from_raw, KeepGid::from_raw);
        match self {
            Rule::SetUid(id) => cred.setuid(uid(*id)),
            Rule::SetReUid(real, effective) => cred.setreuid(uid(*real), uid(*effective)),
            Rule::SetResUid(real, effective, saved) => {
                cred.setresuid(uid(*real), uid(*effective), uid(*saved))
            }
            Rule::SetFsUid(id) => Ok(cred.setfsuid(uid(*id))),
            Rule::SetResGid(real, effective, saved) => {
                cred.setresgid(gid(*real), gid(*effective), gid(*saved))
            }
            Rule::SetGroups(list) => cred.setgroups(list.iter().filter_map(|id| Gid::new(*id)).collect()),
            Rule::CapSet(change) => cred.capset(*change),
            Rule::SecureBits(bits) => cred.set_securebits(*bits),
            Rule::KeepCaps(on) => cred.set_keepcaps(*on),
            Rule::BoundingDrop(cap) => cred.bounding_drop(*cap),
            Rule::AmbientRaise(cap) => cred.ambient_raise(*cap),
            Rule::NoNewPrivs => Ok(cred.without_new_privs()),
            Rule::Exec(file) => cred.exec(file).map(|exec| exec.cred),
        }
    }
}

fn id() -> impl Strategy<Value = u32> {
    select(vec![0, 0, 1, 33, 1000, 65534, 0x8000_0000, u32::MAX])
}

fn set() -> impl Strategy<Value = CapSet> {
    let some = any::<u64>().prop_map(CapSet::from_bits_truncate);
    prop_oneof![Just(CapSet::all()), Just(CapSet::empty()), some]
}

fn file() -> impl Strategy<Value = ExecFile> {
    let effect = select(vec![FileEffect::Raised, FileEffect::Left]);
    let caps = (set(), set(), effect).prop_map(|(permitted, inheritable, effect)| FileCaps {
        permitted,
        inheritable,
        effect,
    });
    (proptest::option::of(id()), proptest::option::of(id()), proptest::option::of(caps)).prop_map(
        |(uid, gid, caps)| ExecFile {
            set_uid: uid.and_then(Uid::new),
            set_gid: gid.and_then(Gid::new),
            caps,
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let change = (set(), set(), set()).prop_map(|(effective, permitted, inheritable)| CapChange {
        effective: effective & permitted,
        permitted,
        inheritable,
    });
    prop_oneof![
        id().prop_map(Rule::SetUid),
        (id(), id()).prop_map(|(a, b)| Rule::SetReUid(a, b)),
        (id(), id(), id()).prop_map(|(a, b, c)| Rule::SetResUid(a, b, c)),
        id().prop_map(Rule::SetFsUid),
        (id(), id(), id()).prop_map(|(a, b, c)| Rule::SetResGid(a, b, c)),
        vec(id(), 0..4).prop_map(Rule::SetGroups),
        change.prop_map(Rule::CapSet),
        (0u64..0x1000).prop_map(Rule::SecureBits),
        (0u64..3).prop_map(Rule::KeepCaps),
        (0u64..42).prop_map(Rule::BoundingDrop),
        (0u64..42).prop_map(Rule::AmbientRaise),
        Just(Rule::NoNewPrivs),
        file().prop_map(Rule::Exec),
    ]
}

/// What holds of every credential.
fn check_state(cred: &Cred) -> Result<(), TestCaseError> {
    prop_assert!(cred.caps.permitted.contains(cred.caps.effective), "effective within permitted");
    prop_assert!(cred.caps.ambient_invariant(), "ambient within permitted and inheritable");
    prop_assert!(cred.groups.is_sorted(), "groups sorted");
    Ok(())
}

/// What holds of every step.
fn check_step(rule: &Rule, old: &Cred, new: &Cred) -> Result<(), TestCaseError> {
    prop_assert!(old.caps.bounding.contains(new.caps.bounding), "the bounding set never grows");
    prop_assert!(new.no_new_privs || !old.no_new_privs, "no_new_privs is for ever");
    let locks = old.securebits & SecureBits::LOCKS;
    prop_assert!(new.securebits.contains(locks), "locks are for ever");

    let is_exec = matches!(rule, Rule::Exec(_));
    if !is_exec || old.no_new_privs {
        prop_assert!(old.caps.permitted.contains(new.caps.permitted), "permitted grows by exec alone");
    }
    if is_exec {
        prop_assert_eq!((new.uid.effective, new.uid.effective), (new.uid.saved, new.uid.fs));
        prop_assert_eq!((new.gid.effective, new.gid.effective), (new.gid.saved, new.gid.fs));
        prop_assert!(!new.securebits.contains(SecureBits::KEEP_CAPS));
    } else if !old.capable(CapSet::SETUID) {
        let had = [old.uid.real, old.uid.effective, old.uid.saved, old.uid.fs];
        let has = [new.uid.real, new.uid.effective, new.uid.saved, new.uid.fs];
        prop_assert!(has.iter().all(|id| had.contains(id)), "no new ids without CAP_SETUID");
    }
    if old.no_new_privs && is_exec {
        prop_assert!([old.uid.real, old.uid.effective].contains(&new.uid.effective), "nor by exec");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_sequence_breaks_the_invariants(rules in vec(rule(), 1..40)) {
        let mut cred = Cred::root();
        for rule in &rules {
            if let Ok(new) = rule.apply(&cred) {
                check_state(&new)?;
                check_step(rule, &cred, &new)?;
                cred = new;
            }
        }
    }

    #[test]
    fn a_login_without_powers_never_gets_any_but_by_exec(rules in vec(rule(), 1..20)) {
        let (Some(uid), Some(gid)) = (Uid::new(1000), Gid::new(1000)) else { unreachable!() };
        let mut cred = Cred::login(uid, gid, Vec::new());
        for rule in rules.iter().filter(|rule| !matches!(rule, Rule::Exec(_))) {
            cred = rule.apply(&cred).unwrap_or(cred);
        }
        prop_assert!(cred.caps.permitted.is_empty());
        prop_assert_eq!((cred.uid.real, cred.gid.real, cred.groups.len()), (uid, gid, 0));
    }

    #[test]
    fn any_bytes_parse_or_are_refused(bytes in vec(any::<u8>(), 0..30)) {
        match FileCaps::parse(&bytes) {
            Ok(_) => prop_assert!([12, 20, 24].contains(&bytes.len())),
            Err(errno) => prop_assert_eq!(errno, Errno::EINVAL),
        }
    }
}
