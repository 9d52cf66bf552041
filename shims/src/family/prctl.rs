//! The operations of prctl(2) on credentials: `cap_task_prctl` in `security/commoncap.c`, `kernel/sys.c`.

use linux_raw_sys::prctl::{
    PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_LOWER,
    PR_CAP_AMBIENT_RAISE, PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_DUMPABLE, PR_GET_KEEPCAPS,
    PR_GET_NO_NEW_PRIVS, PR_GET_SECUREBITS, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS,
    PR_SET_SECCOMP, PR_SET_SECUREBITS,
};

use crate::abi::{Call, Errno};
use crate::cred::SecureBits;
use crate::guest::{Answer, Guest};

use super::{SUID_DUMP_DISABLE, SUID_DUMP_USER, change, seccomp};

/// The operations that concern us; the kernel answers all others.
pub const OPERATIONS: &[u32] = &[
    PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,
    PR_GET_KEEPCAPS,
    PR_SET_KEEPCAPS,
    PR_CAPBSET_READ,
    PR_CAPBSET_DROP,
    PR_GET_SECUREBITS,
    PR_SET_SECUREBITS,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS,
    PR_CAP_AMBIENT,
    PR_SET_SECCOMP,
];

/// prctl(2), for [`OPERATIONS`].
pub fn prctl(guest: &dyn Guest, call: &Call) -> Answer {
    let arg = call.word(1);
    match call.uint(0) {
        PR_GET_DUMPABLE => Answer::Ret(guest.dumpable().into()),
        PR_SET_DUMPABLE => set_dumpable(guest, arg),
        PR_GET_KEEPCAPS => yes_or_no(Ok(guest.cred().securebits.contains(SecureBits::KEEP_CAPS))),
        PR_SET_KEEPCAPS => change(guest, |cred| cred.set_keepcaps(arg)),
        PR_CAPBSET_READ => yes_or_no(guest.cred().bounding_has(arg)),
        PR_CAPBSET_DROP => change(guest, |cred| cred.bounding_drop(arg)),
        PR_GET_SECUREBITS => Answer::Ret(guest.cred().securebits.bits().into()),
        PR_SET_SECUREBITS => change(guest, |cred| cred.set_securebits(arg)),
        PR_CAP_AMBIENT => ambient(guest, call),
        PR_GET_NO_NEW_PRIVS if call.args[1..5] != [0; 4] => Answer::Err(Errno::EINVAL),
        PR_GET_NO_NEW_PRIVS => yes_or_no(Ok(guest.cred().no_new_privs)),
        PR_SET_NO_NEW_PRIVS if call.args[1..5] != [1, 0, 0, 0] => Answer::Err(Errno::EINVAL),
        PR_SET_NO_NEW_PRIVS => set_no_new_privs(guest),
        PR_SET_SECCOMP => seccomp::prctl(guest, call),
        _ => Answer::Native,
    }
}

/// PR_SET_DUMPABLE. The kernel is told only where that does not hide the process from the engine.
fn set_dumpable(guest: &dyn Guest, value: u64) -> Answer {
    match u8::try_from(value) {
        Ok(value @ (SUID_DUMP_DISABLE | SUID_DUMP_USER)) => guest.set_dumpable(value),
        _ => return Answer::Err(Errno::EINVAL),
    }
    if guest.world().reads_undumpable { Answer::Native } else { Answer::Ret(0) }
}

fn yes_or_no(answer: Result<bool, Errno>) -> Answer {
    answer.map(u64::from).into()
}

/// PR_CAP_AMBIENT. The number is looked at before the operation, so that an unknown operation is EINVAL either way.
fn ambient(guest: &dyn Guest, call: &Call) -> Answer {
    let [_, operation, number, rest @ ..] = call.args;
    let rest = rest[0] | rest[1];
    match u32::try_from(operation) {
        Ok(PR_CAP_AMBIENT_CLEAR_ALL) if number | rest == 0 => change(guest, |cred| Ok(cred.ambient_clear())),
        Ok(PR_CAP_AMBIENT_IS_SET) if rest == 0 => yes_or_no(guest.cred().ambient_has(number)),
        Ok(PR_CAP_AMBIENT_RAISE) if rest == 0 => change(guest, |cred| cred.ambient_raise(number)),
        Ok(PR_CAP_AMBIENT_LOWER) if rest == 0 => change(guest, |cred| cred.ambient_lower(number)),
        _ => Answer::Err(Errno::EINVAL),
    }
}

/// Sets the flag here and lets the kernel set its own. The real one harms nothing, whether or not the engine had to
/// set it itself already (a real exec gives no privileges in a namespace of one id), and the kernel wants it where a
/// task without CAP_SYS_ADMIN installs a filter of its own. What the guest is told comes from here alone.
fn set_no_new_privs(guest: &dyn Guest) -> Answer {
    match change(guest, |cred| Ok(cred.without_new_privs())) {
        Answer::Ret(_) => Answer::Native,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::testing::Fake;

    const EINVAL: Answer = Answer::Err(Errno::EINVAL);
    const YES: Answer = Answer::Ret(1);
    const NO: Answer = Answer::Ret(0);

    fn op(guest: &Fake, op: u32, args: &[u64]) -> Answer {
        guest.run(prctl, &[&[op.into()], args].concat())
    }

    #[test]
    fn no_new_privs_is_virtual_and_real() {
        let guest = Fake::root(Abi::X86_64);
        assert_eq!(op(&guest, PR_GET_NO_NEW_PRIVS, &[]), NO);
        assert_eq!(op(&guest, PR_SET_NO_NEW_PRIVS, &[2]), EINVAL);
        assert_eq!(op(&guest, PR_SET_NO_NEW_PRIVS, &[1, 0, 0, 1]), EINVAL);
        assert_eq!(op(&guest, PR_SET_NO_NEW_PRIVS, &[1]), Answer::Native);
        assert_eq!(op(&guest, PR_GET_NO_NEW_PRIVS, &[]), YES);
        assert_eq!(op(&guest, PR_GET_NO_NEW_PRIVS, &[1]), EINVAL);
    }

    #[test]
    fn ambient_checks_its_arguments() {
        let guest = Fake::root(Abi::X86_64);
        let ambient = |args: &[u64]| op(&guest, PR_CAP_AMBIENT, args);
        assert_eq!(ambient(&[PR_CAP_AMBIENT_CLEAR_ALL.into(), 1]), EINVAL);
        assert_eq!(ambient(&[PR_CAP_AMBIENT_CLEAR_ALL.into()]), NO);
        assert_eq!(ambient(&[PR_CAP_AMBIENT_IS_SET.into(), 41]), EINVAL);
        assert_eq!(ambient(&[PR_CAP_AMBIENT_IS_SET.into(), 0, 1]), EINVAL);
        assert_eq!(ambient(&[PR_CAP_AMBIENT_IS_SET.into(), 0]), NO);
        assert_eq!(ambient(&[PR_CAP_AMBIENT_RAISE.into(), 0]), Answer::Err(Errno::EPERM));
        assert_eq!(ambient(&[5, 0]), EINVAL);
        assert_eq!(ambient(&[1 << 32 | u64::from(PR_CAP_AMBIENT_IS_SET), 0]), EINVAL, "all 64 bits count");
    }

    #[test]
    fn reads_see_what_was_set() {
        let guest = Fake::root(Abi::I386);
        assert_eq!(op(&guest, PR_SET_KEEPCAPS, &[1]), NO);
        assert_eq!(op(&guest, PR_GET_KEEPCAPS, &[]), YES);
        assert_eq!(op(&guest, PR_GET_SECUREBITS, &[]), Answer::Ret(0x10));
        assert_eq!(op(&guest, PR_CAPBSET_READ, &[7]), YES);
        assert_eq!(op(&guest, PR_CAPBSET_DROP, &[7]), NO);
        assert_eq!(op(&guest, PR_CAPBSET_READ, &[7]), NO);
        assert_eq!(op(&guest, PR_CAPBSET_READ, &[41]), EINVAL);
    }

    #[test]
    fn every_operation_that_stops_is_answered() {
        let guest = Fake::root(Abi::X86_64);
        for operation in OPERATIONS.iter().filter(|operation| **operation != PR_SET_SECCOMP) {
            assert_ne!(op(&guest, *operation, &[9, 9, 9, 9]), Answer::Native, "{operation}");
        }
    }
}
