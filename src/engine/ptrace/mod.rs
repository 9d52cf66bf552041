//! The ptrace engine: one loop that waits for stops and serves them, one at a time.

mod aside;
mod auxv;
mod calls;
mod files;
mod follow;
mod login;
mod mounts;
mod news;
mod nursery;
mod peers;
mod pids;
mod pin;
mod quick;
mod resolve;
mod room;
mod run;
mod sockets;
mod start;
mod stop;
mod strict;
mod tracee;
mod views;
mod watch;
mod writes;

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use self::news::News;
use self::nursery::Nursery;
use self::pin::Pins;
use self::run::{Phase, Run, Slot};
use self::start::{NotStarted, Started};
use self::stop::Stopped;
use self::strict::Filters;
use self::tracee::Tracee;
use super::{End, EngineError, Event, Launch, Watching};
use crate::sys::ptrace::{Lost, Resume, Status, Stop, Wait};
use crate::sys::{process, ptrace, sched, signal, socket, stdio};
use remainroot_shims::explain::Outcome;
use remainroot_shims::guest::Guest;
use remainroot_shims::owner::Store;
use remainroot_shims::table::Needs;

/// The tracer's whole life: starts the guest, serves its calls, and returns when the last task is gone.
///
/// # Errors
/// What kept it from starting; the front is told as well.
pub fn serve(
    launch: &Launch,
    store: Box<dyn Store>,
    front: OwnedFd,
    watching: Option<Watching>,
) -> Result<(), EngineError> {
    let tell_failure = |error| {
        tell(&front, Event::Failed(error));
        error
    };
    let needs = Needs::of_world(&launch.world)
        | Needs::of_store(&*store)
        | Needs::of_task(&launch.cred)
        | Needs::of_ids(&launch.cred)
        | launch.views.needs();
    let started = start::start(launch, needs, watching.is_some()).map_err(tell_failure)?;
    leave_the_terminal();
    let run = Run::new(launch, store, needs, watching).map_err(tell_failure)?;
    let main = started.pid;
    let first = Tracee::first(run.clone(), main, launch.cred.clone());
    run.tasks.borrow_mut().insert(main, Slot::new(first, Filters::first(needs)));
    tell(&front, Event::Started(main));
    let mut engine =
        Engine { run, main, started: Some(started), front, told_to_stop: false, nursery: Nursery::default() };
    let news = News::of(&*engine.run.store);
    // What came while it started.
    engine.note_needs(0);
    engine.run(&news);
    if let Some(watch) = &engine.run.watch {
        watch.reports(&engine.run, false);
    }
    if engine.run.aside.is_busy() {
        // A file system that does not answer keeps even a killed process waiting.
        engine.stay_behind();
    }
    Ok(())
}

/// Once the guest has its own copies: pipes must end when the guest lets go of them, and no terminal may stop us.
///
/// A session of our own rather than a mere process group: a guest with a parent in another group of the same session
/// would keep its group from being orphaned, and so from being spared the stops of a terminal that nobody could
/// continue it from (`is_current_pgrp_orphaned`).
fn leave_the_terminal() {
    process::leave_session();
    stdio::let_go(0);
    stdio::let_go(1);
    stdio::let_go_of_inherited();
}

/// Messages are for a front that may be gone; then there is nobody to tell.
fn tell(front: &OwnedFd, event: Event) {
    let _ = socket::send(front.as_fd(), &event.encode());
}

/// How often, and how far apart, a front that was told to stop is looked at until it has read that it shall not. It
/// reads at once, unless it is stopped, or waits for a CPU.
const WAKE_TRIES: u32 = 500;
const WAKE_PAUSE: Duration = Duration::from_millis(1);

struct Engine {
    run: Rc<Run>,
    /// The first guest.
    main: i32,
    /// Until the first guest has executed its program.
    started: Option<Started>,
    front: OwnedFd,
    /// The front was told that the guest stopped, and not yet that it goes on.
    told_to_stop: bool,
    /// Children that stopped before their parent's event.
    nursery: Nursery,
}

impl Engine {
    fn run(&mut self, news: &News) {
        loop {
            if news.came() {
                self.note_needs(0);
            }
            if sched::alarm_rang() {
                self.release_quiet();
            }
            if self.run.aside.is_awaited() {
                self.serve_rested();
            }
            match self.wait() {
                Wait::Nobody => return,
                Wait::Interrupted => {}
                Wait::Task(tid, Status::Stopped(stop)) => {
                    match self.on_stop(Stopped::new(tid), stop) {
                        // A task that is gone in the midst of its stop is reported as ended by a later wait.
                        Ok(()) | Err(Lost::Gone) => {}
                        Err(Lost::Errno(errno)) => self.give_up(tid, errno),
                    }
                }
                Wait::Task(tid, Status::Exited(code)) => self.on_end(tid, End::Code(code)),
                Wait::Task(tid, Status::Signaled(signal)) => self.on_end(tid, End::Signal(signal)),
            }
        }
    }

    /// The kernel does not let us do with a task what has to be done. Left alone, it would stay stopped for ever.
    fn give_up(&self, tid: i32, errno: i32) {
        crate::tell!(
            "process {tid} cannot be traced any more ({}), and is killed",
            std::io::Error::from_raw_os_error(errno)
        );
        // It may be gone already.
        let _ = signal::kill(tid, libc::SIGKILL);
    }

    fn on_stop(&mut self, stopped: Stopped, stop: Stop) -> Result<(), Lost> {
        let tid = stopped.tid();
        if !self.run.note_stop(tid) {
            return self.on_unknown(stopped, stop);
        }
        match stop {
            Stop::Seccomp => self.on_seccomp(stopped),
            Stop::Syscall => self.on_syscall(stopped),
            Stop::Signal(signal) => self.on_signal(stopped, signal),
            Stop::Group(signal) => self.on_group_stop(stopped, signal),
            Stop::Event => self.on_event_stop(stopped),
            Stop::Fork | Stop::Clone => self.on_new_task(stopped, stop == Stop::Fork),
            Stop::Exec => self.on_exec(stopped),
            Stop::Other => self.go_on(stopped, 0),
        }
    }

    /// Sets tasks free that were held beside the tracer and have stopped stopping.
    fn release_quiet(&self) {
        let now = Instant::now();
        let quiet = |slot: &&Slot| Pins::is_quiet(&slot.pin, now);
        let tids: Vec<i32> =
            self.run.tasks.borrow().iter().filter(quiet).map(|slot| slot.tracee.tid()).collect();
        tids.into_iter().for_each(|tid| self.run.release_cpus(tid));
    }

    /// Resumes a task as befits what it is about.
    fn go_on(&self, stopped: Stopped, signal: i32) -> Result<(), Lost> {
        let is_free = match self.run.tasks.borrow().get(stopped.tid()).map(|slot| &slot.phase) {
            None | Some(Phase::Free | Phase::Waiting(_)) => true,
            Some(Phase::Calling { .. } | Phase::Repeating { .. } | Phase::Adding(_)) => false,
        };
        let how = if is_free { self.freely(stopped.tid()) } else { Resume::Syscall };
        stopped.resume(how, signal)
    }

    /// Signal-delivery-stop: the guest gets its signal. Between two calls that it makes for us, that is one that no mask
    /// holds back and no handler catches.
    fn on_signal(&mut self, stopped: Stopped, signal: i32) -> Result<(), Lost> {
        self.note_signal(&stopped)?;
        self.note_ignored(&stopped, signal)?;
        self.tell_of_signal(stopped.tid(), signal)?;
        self.go_on(stopped, signal)
    }

    /// Tells the front of a signal that an outsider sent to the main guest: the front must not forward it once more,
    /// if it was sent to their whole process group.
    fn tell_of_signal(&self, tid: i32, signal: i32) -> Result<(), Lost> {
        let is_main = |slot: &Slot| slot.tracee.process() == self.main;
        if !self.run.tasks.borrow().get(tid).is_some_and(is_main) {
            return Ok(());
        }
        let sender = ptrace::sender(&ptrace::signal_info(tid)?);
        if let Some(sender) = sender
            && sender != process::parent()
            && self.run.tasks.borrow().get(sender).is_none()
        {
            // A front that is stopped reads nothing, and must not stop us: then the news is lost.
            socket::offer(self.front.as_fd(), &Event::Signalled { signal, sender }.encode());
        }
        Ok(())
    }

    fn on_group_stop(&mut self, stopped: Stopped, signal: i32) -> Result<(), Lost> {
        let tid = stopped.tid();
        let news = match self.run.tasks.borrow_mut().get_mut(tid) {
            Some(slot) => {
                slot.expects_continue = true;
                !std::mem::replace(&mut slot.listening, true)
            }
            None => false,
        };
        stopped.resume(Resume::Listen, 0)?;
        if news && tid == self.main {
            self.told_to_stop = true;
            tell(&self.front, Event::Stopped(signal));
        }
        Ok(())
    }

    fn on_event_stop(&mut self, stopped: Stopped) -> Result<(), Lost> {
        let tid = stopped.tid();
        let was_listening = match self.run.tasks.borrow_mut().get_mut(tid) {
            Some(slot) => std::mem::replace(&mut slot.listening, false),
            None => false,
        };
        // Before it goes on: what the front hears and what it can see happen then come in one order.
        if was_listening && tid == self.main {
            tell(&self.front, Event::Continued);
            self.wake_front();
        }
        self.note_interruption(&stopped)?;
        self.go_on(stopped, 0)
    }

    fn on_end(&mut self, tid: i32, end: End) {
        let slot = self.run.tasks.borrow_mut().remove(tid);
        self.nursery.ended(tid);
        if let Some(slot) = slot {
            if let Some(watch) = &self.run.watch {
                watch.ends(&slot.tracee, Outcome::Killed);
            }
            self.run.pins.borrow_mut().ended(&slot.pin);
            let (process, cred, inner) = (slot.tracee.process(), slot.tracee.cred(), slot.tracee.inner());
            self.adopt_orphans_of(slot.tracee);
            if process == tid {
                self.run.departed.borrow_mut().note(tid, cred, inner);
                self.run.sockets.borrow_mut().ended(tid);
            }
        }
        if tid != self.main {
            return;
        }
        // From here on, daemons that the guest left behind outlive it, and so does their tracer.
        process::outlive_parent();
        let left = self.run.tasks.borrow().iter().next().is_some() || !self.nursery.is_empty();
        let event = match self.started.take().and_then(Started::failure) {
            None => Event::Ended(end),
            Some(NotStarted::Exec(errno)) => Event::ExecFailed(errno),
            Some(NotStarted::Engine(error)) => Event::Failed(error),
        };
        tell(&self.front, event);
        self.wake_front();
        if left {
            self.stay_behind();
        }
    }

    /// The main guest has ended, and others have not: nobody shall wait for us.
    fn stay_behind(&self) {
        if let Some(watch) = &self.run.watch {
            watch.reports(&self.run, true);
        }
        tell(&self.front, Event::Left);
        stdio::let_go(2);
    }

    /// The front stops itself when the guest stops. Whoever continues or kills the guest by its pid knows nothing of
    /// the front.
    ///
    /// Only if it is stopped, or about to be, which shows as a stop signal that it sent to its own thread: a SIGCONT
    /// would take a stop away that was meant for the guest and that the front has not read yet. Neither shows in the
    /// moment in which a stop takes effect: hence once more, until the front has read that there is no reason to stop.
    fn wake_front(&mut self) {
        const STOPS: u64 = 1 << (libc::SIGSTOP - 1)
            | 1 << (libc::SIGTSTP - 1)
            | 1 << (libc::SIGTTIN - 1)
            | 1 << (libc::SIGTTOU - 1);
        let told_to_stop = std::mem::take(&mut self.told_to_stop);
        let front = process::parent();
        let field = |name| files::status_field(&self.run, front, name).unwrap_or_default();
        for _ in 0..WAKE_TRIES {
            let pending = u64::from_str_radix(&field("SigPnd:"), 16).unwrap_or(STOPS);
            if pending & STOPS != 0 || field("State:").starts_with('T') {
                let _ = signal::kill(front, libc::SIGCONT);
            }
            if !told_to_stop || !socket::is_unread(self.front.as_fd()) {
                return;
            }
            std::thread::sleep(WAKE_PAUSE);
        }
    }
}
