use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::setpgid;

use super::*;
use crate::sys::process::{self, Fork};
use crate::sys::socket;

/// A process that ends with what `work` returns. Tests run in threads, of which only this one goes on in it: `work`
/// may use the heap, whose locks the C library carries over, and nothing else that is shared.
fn child(work: impl FnOnce() -> i32) -> i32 {
    match process::fork().unwrap() {
        Fork::Parent(pid) => pid,
        Fork::Child => process::exit_now(work()),
    }
}

/// A front that has heard of its guest's end, and whose tracer does not come to its own.
fn waiting_front() -> i32 {
    let (ours, tracers) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    // Blocked before it is there, no signal is too early for it.
    let mask = signal::set_mask(&signal::all());
    let pid = child(|| {
        // With a parent in another process group it can be stopped.
        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
        let tracer = child(|| {
            process::die_with_parent();
            std::thread::sleep(Duration::from_secs(60));
            0
        });
        let Ok(signals) = signal::descriptor() else { return 1 };
        let mut front = Front::new(tracer, ours, signals);
        let _ = socket::send(tracers.as_fd(), &Event::Ended(End::Code(7)).encode());
        match front.wait_for_end(OsStr::new("x")) {
            Outcome::Ended(End::Code(code)) => code,
            _ => 2,
        }
    });
    signal::set_mask(&mask);
    pid
}

fn next_of(pid: i32) -> WaitStatus {
    waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WUNTRACED)).unwrap()
}

#[test]
fn a_front_that_waits_for_its_tracer_can_be_told_to_end() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGALRM] {
        let pid = waiting_front();
        for ignored in [libc::SIGWINCH, libc::SIGCONT, signal] {
            signal::kill(pid, ignored).unwrap();
        }
        assert_eq!(next_of(pid), WaitStatus::Exited(Pid::from_raw(pid), 7));
    }
}

#[test]
fn a_front_that_waits_for_its_tracer_can_be_stopped() {
    let pid = waiting_front();
    std::thread::sleep(Duration::from_millis(50));
    signal::kill(pid, libc::SIGTSTP).unwrap();
    assert!(matches!(next_of(pid), WaitStatus::Stopped(_, nix::sys::signal::Signal::SIGTSTP)));
    for signal in [libc::SIGCONT, libc::SIGTERM] {
        signal::kill(pid, signal).unwrap();
    }
    assert_eq!(next_of(pid), WaitStatus::Exited(Pid::from_raw(pid), 7));
}
