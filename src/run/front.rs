//! The front: the process that the user started, standing for the guest.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getsid, tcgetpgrp, tcsetpgrp};

use super::doubles::{Doubles, Sent};
use super::forward::{Verdict, tracer_of, verdict};
use super::{OUR_FAILURE, explain};
use crate::engine::{EVENT_SIZE, End, Event};
use crate::sys::{signal, stdio};
use crate::tell;

/// How long the guest's own SIGCONT, sent to its process group together with ours, may take to show.
const CONTINUE_WAIT_MS: u16 = 50;

/// Stands for the guest until it has ended. Returns the exit status, or dies of the guest's signal.
pub fn main(tracer: i32, events: OwnedFd, command: &OsStr) -> i32 {
    let signals = match signal::descriptor() {
        Ok(signals) => signals,
        Err(errno) => {
            tell!("cannot wait for signals (signalfd): {}", Errno::from_raw(errno).desc());
            return OUR_FAILURE;
        }
    };
    let mut front = Front::new(tracer, events, signals);
    match front.wait_for_end(command) {
        Outcome::Ended(End::Code(code)) => code,
        Outcome::Ended(End::Signal(signal)) => signal::die_of(signal),
        Outcome::Failed(status) => status,
    }
}

/// How it came out.
enum Outcome {
    /// The guest ended.
    Ended(End),
    /// We failed, and said so.
    Failed(i32),
}

/// The main guest, as the front knows it.
struct Guest {
    pid: i32,
    /// Stands for it even when its pid is given to another. None where the kernel has no pidfds.
    pidfd: Option<OwnedFd>,
}

struct Front {
    tracer: i32,
    /// How the tracer ended, once it was reaped.
    tracer_end: Option<WaitStatus>,
    events: OwnedFd,
    signals: OwnedFd,
    guest: Option<Guest>,
    /// The guest is in a group stop.
    stopped: bool,
    /// We were told to go on, and have not heard since that the guest did.
    told_to_go_on: bool,
    /// Signals for the guest, with their values, that came before it.
    early: Vec<(i32, Option<u64>)>,
    /// Signals that the guest may have had as well.
    doubles: Doubles,
}

impl Front {
    fn new(tracer: i32, events: OwnedFd, signals: OwnedFd) -> Front {
        Front {
            tracer,
            tracer_end: None,
            events,
            signals,
            guest: None,
            stopped: false,
            told_to_go_on: false,
            early: Vec::new(),
            doubles: Doubles::default(),
        }
    }

    fn wait_for_end(&mut self, command: &OsStr) -> Outcome {
        loop {
            let mut fds = [
                PollFd::new(self.events.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            let wait = self.doubles.wait(Instant::now());
            // Rounded up: a wait of no milliseconds would be repeated until the time has come.
            let wait =
                wait.map_or(PollTimeout::NONE, |wait| PollTimeout::from(wait.subsec_millis() as u16 + 1));
            // Nothing but EINTR and a lack of memory can fail here, and both pass.
            let _ = poll(&mut fds, wait);
            // All that the tracer has said before a signal is looked at, so that both are taken in the order in which
            // they happened.
            if let Some(outcome) = self.on_messages(command) {
                return outcome;
            }
            self.on_signals();
            while let Some((signal, value)) = self.doubles.due(Instant::now()) {
                self.send(signal, value);
            }
        }
    }

    /// Takes all messages that the tracer has sent, or notes that there will be none.
    fn on_messages(&mut self, command: &OsStr) -> Option<Outcome> {
        loop {
            let outcome = match self.receive(MsgFlags::MSG_DONTWAIT) {
                Received::Nothing => return None,
                Received::Closed => Some(self.lost()),
                Received::Event(event) => self.on_event(event, command),
            };
            if outcome.is_some() {
                return outcome;
            }
        }
    }

    fn on_event(&mut self, event: Event, command: &OsStr) -> Option<Outcome> {
        match event {
            Event::Started(pid) => self.started(pid),
            Event::Stopped(signal) => self.stop_too(signal),
            Event::Continued => (self.stopped, self.told_to_go_on) = (false, false),
            Event::Left => {}
            // Forwarded at need, whoever else has sent one: a second SIGCONT does no harm, and a lost one does.
            Event::Signalled { signal: libc::SIGCONT, .. } => {}
            Event::Signalled { signal, sender } => self.doubles.hear(Sent { signal, sender }, Instant::now()),
            Event::Ended(end) => {
                self.see_tracer_off();
                return Some(Outcome::Ended(end));
            }
            Event::ExecFailed(errno) => {
                self.see_tracer_off();
                let (status, trouble) = explain::exec(command, errno);
                tell!("{trouble}");
                return Some(Outcome::Failed(status));
            }
            Event::Failed(error) => {
                self.see_tracer_off();
                tell!("{}", explain::engine(error));
                return Some(Outcome::Failed(OUR_FAILURE));
            }
        }
        None
    }

    fn started(&mut self, pid: i32) {
        self.guest = Some(Guest { pid, pidfd: signal::open_pid(pid).ok() });
        // The guest has its own; a pipe must not stay open for our sake.
        stdio::let_go(0);
        stdio::let_go(1);
        for (signal, value) in std::mem::take(&mut self.early) {
            self.send(signal, value);
        }
    }

    /// The guest is in a group stop: whoever waits for us has to see us stop by the same signal.
    fn stop_too(&mut self, signal: i32) {
        self.stopped = true;
        if self.is_over_already() {
            return;
        }
        // Raised while it is blocked, it only becomes pending, and the SIGCONT that the tracer sends us when the
        // guest goes on takes it away again: no order of events leaves us stopped beside a running guest.
        // SIGSTOP cannot wait like that; there the next event of the guest's frees us.
        if signal != libc::SIGSTOP {
            signal::raise(signal);
        }
        if self.stop_is_over() {
            signal::take_back(signal);
            return;
        }
        if signal == libc::SIGSTOP {
            signal::raise(signal);
        }
        signal::suffer(signal);
        self.return_terminal();
    }

    /// Whether a stop that we are told of is over: one of the whole process group, which we were part of, and have
    /// been continued from before the tracer came to tell.
    fn is_over_already(&mut self) -> bool {
        // A SIGCONT that has come since is still unread.
        self.on_signals();
        std::mem::take(&mut self.told_to_go_on) && self.stop_is_over_soon()
    }

    /// Waits a while for the next event to say that the guest's stop is over.
    fn stop_is_over_soon(&self) -> bool {
        let mut fds = [PollFd::new(self.events.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(CONTINUE_WAIT_MS)) == Ok(1) && self.stop_is_over()
    }

    /// A shell that stopped us took the terminal for itself, and gives it to our process group when we go on. A guest
    /// that is a shell, too, has a group of its own, and nobody else knows that the terminal is meant for that one.
    fn return_terminal(&self) {
        let Some(group) = self.guest.as_ref().and_then(|guest| getpgid(Some(Pid::from_raw(guest.pid))).ok())
        else {
            return;
        };
        if group == getpgrp() {
            return;
        }
        let Ok(terminal) = std::fs::File::open("/dev/tty") else {
            return;
        };
        if tcgetpgrp(&terminal) == Ok(getpgrp()) {
            // Should the group be gone, its end will tell.
            let _ = tcsetpgrp(&terminal, group);
        }
    }

    /// Whether the next event, if there is one already, says that the guest's stop is over.
    fn stop_is_over(&self) -> bool {
        match self.receive(MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Received::Nothing => false,
            Received::Closed => true,
            Received::Event(event) => matches!(
                event,
                Event::Continued | Event::Ended(_) | Event::Signalled { signal: libc::SIGCONT, .. }
            ),
        }
    }

    fn receive(&self, flags: MsgFlags) -> Received {
        let mut message = [0; EVENT_SIZE];
        match recv(self.events.as_raw_fd(), &mut message, flags) {
            Ok(0) => Received::Closed,
            Ok(length) => Event::decode(&message[..length]).map_or(Received::Nothing, Received::Event),
            Err(Errno::EINTR | Errno::EAGAIN) => Received::Nothing,
            Err(_) => Received::Closed,
        }
    }

    fn on_signals(&mut self) {
        let me = getpid();
        let session_leader = getsid(None) == Ok(me);
        while let Some(info) = signal::next(self.signals.as_fd()) {
            let tracer = self.tracer;
            let ours = |pid: i32| pid != 0 && (pid == tracer || tracer_of(pid) == tracer);
            match verdict(&info, session_leader, self.guest.is_some(), ours) {
                Verdict::Drop => {}
                Verdict::Reap => drop(self.reap()),
                Verdict::Forward => {
                    let signal = info.ssi_signo as i32;
                    if signal == libc::SIGCONT {
                        self.told_to_go_on = true;
                        self.doubles.forget_stops();
                        if self.continued_by_itself() {
                            continue;
                        }
                    }
                    let value = (info.ssi_code == libc::SI_QUEUE).then_some(info.ssi_ptr);
                    if info.ssi_code <= 0 && signal != libc::SIGCONT && self.shares_its_group() {
                        let sent = Sent { signal, sender: info.ssi_pid as i32 };
                        self.doubles.hold(sent, value, Instant::now());
                    } else {
                        self.send(signal, value);
                    }
                }
            }
        }
    }

    /// Whether a SIGCONT that we got has reached the stopped guest as well: `fg` sends it to the process group.
    fn continued_by_itself(&mut self) -> bool {
        self.stopped && self.shares_its_group() && self.stop_is_over_soon()
    }

    /// Whether the guest is in our process group.
    fn shares_its_group(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| getpgid(Some(Pid::from_raw(guest.pid))) == Ok(getpgrp()))
    }

    fn send(&mut self, signal: i32, value: Option<u64>) {
        match &self.guest {
            None => self.early.push((signal, value)),
            // A guest that is gone has no use for it; its end is on the way to us.
            Some(Guest { pidfd: Some(pidfd), .. }) => drop(signal::send(pidfd.as_fd(), signal, value)),
            Some(Guest { pid, pidfd: None }) => drop(signal::kill(*pid, signal)),
        }
    }

    /// Reaps whatever has ended: the tracer, and as PID 1 every orphan of the pid namespace. False if nobody is left to
    /// wait for.
    fn reap(&mut self) -> bool {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(status) if status.pid() == Some(Pid::from_raw(self.tracer)) => {
                    self.tracer_end = Some(status);
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Waits until the tracer has ended, or says that it stays with what the guest left behind; or until somebody wants
    /// us to end: there is nothing more to pass on, and the tracer ends by itself.
    fn see_tracer_off(&mut self) {
        let mut talks = true;
        while self.tracer_end.is_none() {
            match self.receive(MsgFlags::MSG_DONTWAIT) {
                Received::Event(Event::Left) => return,
                Received::Event(_) => continue,
                Received::Nothing => {}
                Received::Closed => talks = false,
            }
            // Before looking who has ended: the signal of an end that comes in between must stay for the poll.
            let told = self.is_told_to_end();
            if !self.reap() || self.tracer_end.is_some() || told {
                return;
            }
            // After its last word, only its end is of interest, which is a signal.
            let from = usize::from(!talks);
            let fds = &mut [
                PollFd::new(self.events.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ][from..];
            let _ = poll(fds, PollTimeout::NONE);
        }
    }

    /// Takes all signals that have come. Stops, if one says so; true if one of them would end a process.
    fn is_told_to_end(&self) -> bool {
        while let Some(info) = signal::next(self.signals.as_fd()) {
            match info.ssi_signo as i32 {
                libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH => {}
                stop @ (libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) => {
                    signal::raise(stop);
                    signal::suffer(stop);
                }
                _ => return true,
            }
        }
        false
    }

    /// The tracer has gone without a word about the guest's end.
    fn lost(&mut self) -> Outcome {
        self.see_tracer_off();
        match self.tracer_end {
            None => return Outcome::Failed(OUR_FAILURE),
            // It has told what was wrong.
            Some(WaitStatus::Exited(_, status)) if status != 0 => return Outcome::Failed(status),
            Some(WaitStatus::Signaled(_, signal, _)) => {
                tell!("the tracer was killed ({signal}), and all processes of this run with it");
            }
            _ => tell!("the tracer ended without a word about its guest"),
        }
        Outcome::Failed(OUR_FAILURE)
    }
}

/// What came from the tracer.
enum Received {
    /// Nothing to act on.
    Nothing,
    /// A message.
    Event(Event),
    /// The tracer is gone, or has no more to say.
    Closed,
}

#[cfg(test)]
#[path = "front_tests.rs"]
mod tests;
