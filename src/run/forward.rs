//! Which signals that the front receives are meant for the guest.

use libc::signalfd_siginfo;

/// What to do with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The guest has had its own, or it is nobody's business.
    Drop,
    /// It was meant for the guest.
    Forward,
    /// A child of ours changed state.
    Reap,
}

/// Signals that a terminal's driver sends to a whole process group: the guest's as well, if it is in it.
const FROM_TERMINAL: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
    libc::SIGWINCH,
];

/// Decides on one signal. `started` tells whether the guest runs: what a terminal sent before, the guest has not had.
/// `ours` tells whether a pid is the tracer's or a guest's: what a guest sends to its whole
/// process group, as with `kill 0`, has reached the main guest by itself.
pub fn verdict(
    info: &signalfd_siginfo,
    session_leader: bool,
    started: bool,
    ours: impl Fn(i32) -> bool,
) -> Verdict {
    let signal = info.ssi_signo as i32;
    if signal == libc::SIGCHLD {
        return Verdict::Reap;
    }
    // SI_USER, SI_QUEUE and SI_TKILL: some process sent it. What the kernel sends has a positive code.
    if info.ssi_code <= 0 {
        return if ours(info.ssi_pid as i32) { Verdict::Drop } else { Verdict::Forward };
    }
    // A hang-up is told to the session's leader alone, which the guest would be in our place
    // (`tty_signal_session_leader`).
    let is_leaders = signal == libc::SIGHUP && session_leader;
    if FROM_TERMINAL.contains(&signal) && started && !is_leaders {
        return Verdict::Drop;
    }
    // Timers outlive exec: `alarm 10; exec remainroot …` means the guest.
    Verdict::Forward
}

/// The thread that traces `pid`, or 0.
pub fn tracer_of(pid: i32) -> i32 {
    std::fs::read_to_string(format!("/proc/{pid}/status")).map_or(0, |status| tracer_in(&status))
}

fn tracer_in(status: &str) -> i32 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"))
        .and_then(|pid| pid.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SI_KERNEL, which the libc crate has for other targets only.
    const KERNEL: i32 = 0x80;

    fn verdict_on(signal: i32, code: i32, sender: i32, leader: bool) -> Verdict {
        let mut info = crate::sys::signal::no_signal();
        info.ssi_signo = signal as u32;
        info.ssi_code = code;
        info.ssi_pid = sender as u32;
        verdict(&info, leader, true, |pid| pid == 7)
    }

    #[test]
    fn what_others_send_is_forwarded() {
        for signal in
            [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGUSR1, libc::SIGTSTP, libc::SIGWINCH, 40]
        {
            for code in [libc::SI_USER, libc::SI_QUEUE, libc::SI_TKILL] {
                assert_eq!(verdict_on(signal, code, 1, false), Verdict::Forward, "{signal}");
                assert_eq!(
                    verdict_on(signal, code, 0, false),
                    Verdict::Forward,
                    "{signal} from outside the pid namespace"
                );
            }
        }
    }

    #[test]
    fn what_guests_and_the_tracer_send_is_not() {
        assert_eq!(verdict_on(libc::SIGTERM, libc::SI_USER, 7, false), Verdict::Drop);
        assert_eq!(verdict_on(libc::SIGCONT, libc::SI_USER, 7, true), Verdict::Drop);
    }

    #[test]
    fn what_the_terminal_sends_reached_the_guest_itself() {
        for signal in FROM_TERMINAL {
            assert_eq!(verdict_on(signal, KERNEL, 0, false), Verdict::Drop, "{signal}");
        }
        assert_eq!(verdict_on(libc::SIGHUP, KERNEL, 0, true), Verdict::Forward);
        assert_eq!(verdict_on(libc::SIGINT, KERNEL, 0, true), Verdict::Drop);
    }

    #[test]
    fn what_the_terminal_sent_before_the_guest_was_there_is_kept_for_it() {
        let mut info = crate::sys::signal::no_signal();
        (info.ssi_signo, info.ssi_code) = (libc::SIGINT as u32, KERNEL);
        assert_eq!(verdict(&info, false, false, |_| false), Verdict::Forward);
    }

    #[test]
    fn timers_that_outlive_exec_are_the_guests() {
        assert_eq!(verdict_on(libc::SIGALRM, KERNEL, 0, false), Verdict::Forward);
    }

    #[test]
    fn children_are_reaped() {
        assert_eq!(verdict_on(libc::SIGCHLD, libc::CLD_EXITED, 7, false), Verdict::Reap);
    }

    #[test]
    fn the_tracer_is_read_from_status() {
        assert_eq!(tracer_in("Name:\tx\nTracerPid:\t42\nUid:\t0\n"), 42);
        assert_eq!(tracer_in(""), 0);
    }
}
