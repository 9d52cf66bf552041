//! CPU affinity and the timer that goes with it.

use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::last_errno;

/// A set of CPUs.
pub type CpuSet = libc::cpu_set_t;

/// The CPUs that a task may run on (`sched_getaffinity`; 0: the caller).
pub fn affinity(tid: i32) -> Result<CpuSet, i32> {
    // SAFETY: plain data; all zeros is the empty set.
    let mut set: CpuSet = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most the size that is passed.
    match unsafe { libc::sched_getaffinity(tid, size_of::<CpuSet>(), &raw mut set) } {
        0 => Ok(set),
        _ => Err(last_errno()),
    }
}

/// `sched_setaffinity`.
pub fn set_affinity(tid: i32, set: &CpuSet) -> Result<(), i32> {
    // SAFETY: the kernel reads the size that is passed.
    match unsafe { libc::sched_setaffinity(tid, size_of::<CpuSet>(), ptr::from_ref(set)) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// The CPUs that this process could choose from before its tracer settled on one.
static ALLOWED: OnceLock<CpuSet> = OnceLock::new();

/// Keeps the calling thread on these CPUs, and remembers `allowed`, which it had before.
pub fn settle(on: &CpuSet, allowed: CpuSet) -> Result<(), i32> {
    set_affinity(0, on)?;
    ALLOWED.get_or_init(|| allowed);
    Ok(())
}

/// Lets the calling thread, which a settled one has started, run on all CPUs again.
pub fn roam() {
    if let Some(allowed) = ALLOWED.get() {
        // Otherwise it stays where it is.
        let _ = set_affinity(0, allowed);
    }
}

/// The set of one CPU. `None` for one beyond what a fixed-size set can name.
pub fn single(cpu: usize) -> Option<CpuSet> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return None;
    }
    // SAFETY: plain data; all zeros is the empty set.
    let mut set: CpuSet = unsafe { mem::zeroed() };
    // SAFETY: `cpu` is within the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    Some(set)
}

/// Whether a set has this CPU, which must come from [`single`]'s range.
pub fn has(set: &CpuSet, cpu: usize) -> bool {
    // SAFETY: `cpu` is below CPU_SETSIZE, as the caller promises; beyond it there is nothing to be had.
    cpu < libc::CPU_SETSIZE as usize && unsafe { libc::CPU_ISSET(cpu, set) }
}

/// How many CPUs a set has.
pub fn count(set: &CpuSet) -> i32 {
    // SAFETY: reads the set.
    unsafe { libc::CPU_COUNT(set) }
}

/// The CPU that we are on.
pub fn current_cpu() -> Option<usize> {
    // SAFETY: takes nothing.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

static RANG: AtomicBool = AtomicBool::new(false);

extern "C" fn ring(_: libc::c_int) {
    RANG.store(true, Ordering::Relaxed);
}

/// Whether the alarm went off since this was last asked.
pub fn alarm_rang() -> bool {
    RANG.load(Ordering::Relaxed) && RANG.swap(false, Ordering::Relaxed)
}

/// Lets SIGALRM interrupt a wait: installs a handler that only notes it, and unblocks the signal.
pub fn let_alarms_interrupt() {
    // SAFETY: the handler stores one flag; all zeros is a valid action without SA_RESTART; the set is initialised
    // before use.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = ring as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut());
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGALRM);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}

/// Sends ourselves SIGALRM every `micros` microseconds; 0 ends it.
pub fn set_alarm_interval(micros: i64) {
    let period = libc::timeval { tv_sec: 0, tv_usec: micros };
    let timer = libc::itimerval { it_interval: period, it_value: period };
    // SAFETY: the kernel reads one struct itimerval.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_roams_has_all_cpus_again() {
        let settled = std::thread::spawn(|| {
            let allowed = affinity(0).unwrap();
            settle(&single(current_cpu().unwrap()).unwrap(), allowed).unwrap();
            let started = std::thread::spawn(|| {
                let before = count(&affinity(0).unwrap());
                roam();
                (before, count(&affinity(0).unwrap()))
            });
            assert_eq!(started.join().unwrap(), (1, count(&allowed)));
        });
        settled.join().unwrap();
    }
}
