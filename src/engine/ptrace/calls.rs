//! Serving calls: from the filter's stop to the answer.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use remainroot_shims::abi::{Abi, Call, Errno};
use remainroot_shims::explain::Outcome;
use remainroot_shims::family::exec::AuxIds;
use remainroot_shims::guest::{Answer, Coroutine, Guest, Host};
use remainroot_shims::table::{self, Shim};

use super::Engine;
use super::aside::Ticket;
use super::run::{Phase, Slot, Waiting};
use super::stop::Stopped;
use super::tracee::Tracee;
use crate::arch;
use crate::bpf;
use crate::sys::fiber::Fiber;
use crate::sys::ptrace::{Lost, Resume, SyscallStop};

/// `ERESTARTSYS` … `ERESTART_RESTARTBLOCK` of `include/linux/errno.h`: the kernel will make the call again, or turn
/// this into EINTR, when it delivers a signal. A guest never sees them.
pub(super) const RESTARTS: std::ops::RangeInclusive<i64> = -516..=-512;

/// ENOSYS in a return register.
const NO_SUCH_CALL: u64 = -(libc::ENOSYS as i64) as u64;

/// What a return register says.
fn result_of(value: i64) -> Result<u64, Errno> {
    match i32::try_from(-value).ok().filter(|errno| (1..4096).contains(errno)) {
        Some(errno) => Err(Errno::new(errno)),
        None => Ok(value as u64),
    }
}

/// Where a shim stands.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// Before the guest's call is made.
    Entry,
    /// Behind a host call, with its result in the return register.
    Exit(i64),
    /// Not in a call: where the guest has just become another program.
    Exec,
}

/// What a shim has to say when it comes out of its fiber.
pub(super) enum Turn {
    /// This is the answer.
    Answers(Answer),
    /// It wants a host call.
    Asks(Coroutine),
    /// These are the ids of the new program.
    Became(AuxIds),
}

impl Engine {
    /// `PTRACE_EVENT_SECCOMP`.
    pub(super) fn on_seccomp(&mut self, stopped: Stopped) -> Result<(), Lost> {
        let found = self
            .run
            .tasks
            .borrow_mut()
            .get_mut(stopped.tid())
            .map(|slot| (slot.tracee.clone(), std::mem::replace(&mut slot.phase, Phase::Free)));
        let tracee = match found {
            // A host call of ours passes the same filter.
            Some((_, Phase::Calling { shim, args } | Phase::Repeating { shim, args })) => {
                self.set_phase(&stopped, Phase::Calling { shim, args });
                None
            }
            Some((_, adding @ Phase::Adding(_))) => {
                self.set_phase(&stopped, adding);
                None
            }
            // If a shim waits, its call is not made any more.
            Some((tracee, Phase::Free | Phase::Waiting(_))) => Some(tracee),
            None => None,
        };
        let Some(tracee) = tracee else { return stopped.resume(Resume::Syscall, 0) };
        let SyscallStop::Seccomp { arch, nr, args, data } = stopped.syscall()? else {
            return self.go_on(stopped, 0);
        };
        let abi = Abi::from_audit_arch(arch).filter(|_| data != u32::from(bpf::UNKNOWN_ABI));
        let Some(abi) = abi else { return self.refuse_abi(stopped, nr) };
        let entry = table::ROWS.get(data as usize).and_then(|row| row.entry(abi));
        let shim = entry.filter(|entry| u64::from(entry.nr) == nr).map(|entry| entry.shim);
        let call = Call { abi, nr: nr as u32, args };
        match shim {
            Some(shim) => self.serve(stopped, tracee, call, shim),
            None => self.refuse(stopped),
        }
    }

    /// Answers a call at whose entry the guest stands.
    pub(super) fn serve(
        &mut self,
        stopped: Stopped,
        tracee: Rc<Tracee>,
        call: Call,
        shim: Shim,
    ) -> Result<(), Lost> {
        tracee.enter(call);
        if let Some(watch) = &self.run.watch {
            watch.begins(&self.run, &tracee, &call);
        }
        match shim {
            Shim::Entry(shim) => self.start(stopped, At::Entry, move || Turn::Answers(shim(&*tracee, &call))),
            Shim::Coroutine(shim) => {
                let shim = shim(tracee, call);
                self.step(stopped, At::Entry, shim)
            }
            // Nobody but one who watches has these stop.
            Shim::Kernel if self.run.watch.is_some() => self.answer(stopped, At::Entry, Answer::Native),
            Shim::Refuse(errno) if self.run.watch.is_some() => {
                self.answer(stopped, At::Entry, Answer::Err(errno))
            }
            Shim::Kernel | Shim::Refuse(_) => self.refuse(stopped),
        }
    }

    /// A stop that no filter of ours asks for: one of the guest's own returned RET_TRACE. Natively nobody would listen
    /// to it, and the call would fail (`__seccomp_filter`).
    fn refuse(&mut self, stopped: Stopped) -> Result<(), Lost> {
        stopped.answer(NO_SUCH_CALL)?;
        self.go_on(stopped, 0)
    }

    /// Syscall-enter-stop or syscall-exit-stop.
    pub(super) fn on_syscall(&mut self, stopped: Stopped) -> Result<(), Lost> {
        let phase = match self.run.tasks.borrow_mut().get_mut(stopped.tid()) {
            Some(slot) => std::mem::replace(&mut slot.phase, Phase::Free),
            None => Phase::Free,
        };
        let (shim, args) = match phase {
            Phase::Calling { shim, args } | Phase::Repeating { shim, args } => (shim, args),
            Phase::Adding(addition) => return self.on_adding(stopped, addition),
            Phase::Free | Phase::Waiting(_) => return self.on_free_call(stopped),
        };
        let result = match stopped.syscall()? {
            SyscallStop::Exit(result) => result,
            _ => {
                self.let_signals_in(&stopped)?;
                self.set_phase(&stopped, Phase::Calling { shim, args });
                return stopped.resume(Resume::Syscall, 0);
            }
        };
        let Some(tracee) = self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.clone()) else {
            return self.go_on(stopped, 0);
        };
        let call = tracee.call();
        stopped.change_arguments(&call, &args, &call.args)?;
        if RESTARTS.contains(&result) {
            // The call will be made again from the start, or end with EINTR: either way this attempt is over.
            drop(shim);
            if let Some(watch) = &self.run.watch {
                watch.ends(&tracee, Outcome::Interrupted);
            }
            return self.go_on(stopped, 0);
        }
        if let Some(watch) = &self.run.watch {
            watch.returns(stopped.tid());
        }
        tracee.reply(result_of(result));
        self.step(stopped, At::Exit(result), shim)
    }

    /// Runs a shim until it has its answer or wants another host call.
    fn step(&mut self, stopped: Stopped, at: At, mut shim: Coroutine) -> Result<(), Lost> {
        self.start(stopped, at, move || match shim.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Turn::Answers(answer),
            Poll::Pending => Turn::Asks(shim),
        })
    }

    /// Lets a shim work, in a fiber: a file that it looks at may be one to wait for.
    pub(super) fn start(
        &mut self,
        stopped: Stopped,
        at: At,
        work: impl FnOnce() -> Turn + 'static,
    ) -> Result<(), Lost> {
        let Ok(mut fiber) = Fiber::new(work) else {
            return self.answer(stopped, at, Answer::Err(Errno::ENOMEM));
        };
        if let Some(turn) = fiber.resume() {
            return self.turn(stopped, at, turn);
        }
        let run = self.run.clone();
        let Some(ticket) = run.aside.rests(stopped.tid()) else {
            // A fiber that waits for nothing would wait for ever.
            return self.answer(stopped, at, Answer::Err(Errno::EIO));
        };
        self.set_phase(&stopped, Phase::Waiting(Waiting { fiber, at, ticket, run }));
        stopped.park();
        Ok(())
    }

    /// Goes on with the shims whose waiting is over.
    pub(super) fn serve_rested(&mut self) {
        for (ticket, tid) in self.run.aside.done() {
            if let Err(Lost::Errno(errno)) = self.go_on_with(ticket, Stopped::new(tid)) {
                self.give_up(tid, errno);
            }
        }
    }

    fn go_on_with(&mut self, ticket: Ticket, stopped: Stopped) -> Result<(), Lost> {
        let waits = |slot: &mut Slot| match &slot.phase {
            Phase::Waiting(waiting) if waiting.ticket == ticket => {
                Some(std::mem::replace(&mut slot.phase, Phase::Free))
            }
            _ => None,
        };
        let phase = self.run.tasks.borrow_mut().get_mut(stopped.tid()).and_then(waits);
        let Some(Phase::Waiting(mut waiting)) = phase else {
            // Another task of the same number by now, which is not ours to resume.
            stopped.park();
            return Ok(());
        };
        if let Some(turn) = waiting.fiber.resume() {
            return self.turn(stopped, waiting.at, turn);
        }
        match self.run.aside.rests(stopped.tid()) {
            Some(ticket) => {
                waiting.ticket = ticket;
                self.set_phase(&stopped, Phase::Waiting(waiting));
                stopped.park();
                Ok(())
            }
            None => self.answer(stopped, waiting.at, Answer::Err(Errno::EIO)),
        }
    }

    fn turn(&mut self, stopped: Stopped, at: At, turn: Turn) -> Result<(), Lost> {
        match turn {
            Turn::Answers(answer) => self.answer(stopped, at, answer),
            Turn::Asks(shim) => self.call_host(stopped, at, shim),
            Turn::Became(ids) => self.on_become(stopped, &ids),
        }
    }

    fn call_host(&mut self, stopped: Stopped, at: At, shim: Coroutine) -> Result<(), Lost> {
        self.note_needs(stopped.tid());
        let tracee = self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.clone());
        let Some((tracee, request)) =
            tracee.and_then(|tracee| Some((tracee.clone(), tracee.take_request()?)))
        else {
            // A shim that waits for nothing would wait for ever.
            return self.answer(stopped, at, Answer::Err(Errno::EIO));
        };
        let call = tracee.call();
        let (nr, args) = match request {
            Host::Native => (call.nr, call.args),
            Host::With(args) => (call.nr, args),
            Host::Close(fd) => (arch::close_call(call.abi), call.with(0, fd as u64).args),
        };
        stopped.change_arguments(&call, &call.args, &args)?;
        let phase = match at {
            At::Entry => Phase::Calling { shim, args },
            At::Exit(_) | At::Exec => {
                arch::make_again(stopped.tid(), nr)?;
                self.hold_signals(&stopped)?;
                Phase::Repeating { shim, args }
            }
        };
        self.set_phase(&stopped, phase);
        if let Some(watch) = &self.run.watch {
            watch.leaves(stopped.tid());
        }
        stopped.resume(Resume::Syscall, 0)
    }

    /// The end of a shim.
    fn answer(&mut self, stopped: Stopped, at: At, answer: Answer) -> Result<(), Lost> {
        self.note_needs(stopped.tid());
        let value = arch::return_value(answer);
        if self.run.watch.is_some() {
            self.tell_answer(&stopped, at, value);
        }
        match (at, value) {
            (At::Exec, _) => self.go_on(stopped, 0),
            (At::Entry, None) => match self.call_of(&stopped) {
                Some(call) => self.let_through(stopped, call),
                None => self.go_on(stopped, 0),
            },
            (At::Entry, Some(value)) => {
                stopped.answer(value)?;
                self.go_on(stopped, 0)
            }
            (At::Exit(result), value) => {
                if let Some(value) = value.filter(|value| *value != result as u64) {
                    arch::set_result(stopped.tid(), value)?;
                }
                self.go_on(stopped, 0)
            }
        }
    }

    /// Tells whoever watches how a call came out.
    fn tell_answer(&self, stopped: &Stopped, at: At, value: Option<u64>) {
        let tracee = self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.clone());
        let (Some(watch), Some(tracee)) = (&self.run.watch, tracee) else { return };
        let outcome = match (at, value) {
            (At::Exec, _) => return,
            (At::Entry, None) => Outcome::Passed,
            (At::Entry, Some(value)) => Outcome::Here(result_of(value as i64)),
            (At::Exit(_), Some(value)) => Outcome::Kernel(result_of(value as i64)),
            (At::Exit(result), None) => Outcome::Kernel(result_of(result)),
        };
        watch.ends(&tracee, outcome);
    }

    fn call_of(&self, stopped: &Stopped) -> Option<Call> {
        self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.call())
    }

    pub(super) fn set_phase(&self, stopped: &Stopped, phase: Phase) {
        if let Some(slot) = self.run.tasks.borrow_mut().get_mut(stopped.tid()) {
            slot.phase = phase;
        }
    }

    /// The task is set back to make another call for us: from here to its entry, its signals wait.
    pub(super) fn hold_signals(&self, stopped: &Stopped) -> Result<(), Lost> {
        let mask = stopped.hold_signals()?;
        if let Some(slot) = self.run.tasks.borrow_mut().get_mut(stopped.tid()) {
            slot.mask = Some(mask);
        }
        Ok(())
    }

    /// … and here it is. A call that would wait ends early by them, as it would by those that come while it waits.
    pub(super) fn let_signals_in(&self, stopped: &Stopped) -> Result<(), Lost> {
        let mask = self.run.tasks.borrow_mut().get_mut(stopped.tid()).and_then(|slot| slot.mask.take());
        mask.map_or(Ok(()), |mask| stopped.set_signal_mask(mask))
    }

    /// A call of an ABI that the table does not know (x32): it is not made, and returns ENOSYS as on a kernel without
    /// that ABI. Letting it through would let it past every shim.
    fn refuse_abi(&mut self, stopped: Stopped, nr: u64) -> Result<(), Lost> {
        if !self.run.unknown_abi_told.replace(true) {
            crate::tell!(
                "process {} made a system call of an ABI that is not supported (x32?): it gets ENOSYS",
                stopped.tid()
            );
        }
        if let Some(watch) = &self.run.watch {
            watch.unknown_call(stopped.tid(), nr);
        }
        stopped.answer(NO_SUCH_CALL)?;
        self.go_on(stopped, 0)
    }
}
