//! Filters that a task gets when it first needs them.
//!
//! A filter cannot see who calls and what is recorded. So a task starts with one that stops it only for what concerns
//! its present circumstances ([`Needs`]), and when others arise (it drops root, the first device is recorded) it gets
//! one more: at the entry of its next call it is made to call mmap, seccomp and munmap first, and then the call that it
//! wanted. Filters of one process stay the same for all its threads (SECCOMP_FILTER_FLAG_TSYNC): a guest that wants to
//! synchronize its own later could not otherwise.
//!
//! What is recorded concerns everybody. So that no task runs on without the new filter, all are interrupted. A task
//! that was blocked in a call makes it again; it must not see that anything happened. (A task that runs on another
//! CPU goes on for the moment that an interrupt takes to get there, which is less than it takes us to let the one
//! go on that made the difference.)
//!
//! Where a filter cannot be added (the guest lives in a namespace in which it has no capabilities, or its memory is at
//! its limit), the task is stopped at the entry of every call, and the table is asked here: right, and slow.

use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use remainroot_shims::abi::{Abi, Call};
use remainroot_shims::guest::Guest;
use remainroot_shims::table::{self, Needs};

use super::Engine;
use super::files::{field_of, process_of, status, status_number};
use super::run::{Phase, Run, Slot};
use super::stop::Stopped;
use crate::arch;
use crate::bpf::{self, Scope};
use crate::sys::ptrace::{self, Lost, Resume, SyscallStop};

/// What a failed call returns.
const ERRORS: std::ops::Range<i64> = -4095..0;

const EINTR: i64 = -(libc::EINTR as i64);

/// How long tasks have to report that they were interrupted.
const REPORTING: Duration = Duration::from_millis(200);

/// A filter for all threads of a process, and for one alone. Both leave speculation mitigations as they are.
const FOR_PROCESS: u64 = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
const FOR_THREAD: u64 = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;

/// What is known of a task's filters.
#[derive(Clone, Debug)]
pub(super) struct Filters {
    /// The circumstances that they care for.
    has: Needs,
    /// Those of filters that another thread gave it since it was last let go. A child that it has made meanwhile may
    /// or may not have them.
    given: Needs,
    /// How many they are; those that the guest has installed itself, or that were there before us, do not count.
    ours: u32,
    /// None can be added.
    refused: bool,
    /// It was interrupted, and has not reported it.
    interrupted: bool,
    /// The call that it was interrupted in, and makes again.
    broken_off: Option<BrokenOff>,
}

/// A call that ended because we interrupted the task.
#[derive(Clone, Copy, Debug)]
struct BrokenOff {
    nr: u32,
    /// Its result, which the guest is not to see unless a signal comes before it is made again.
    result: i64,
}

impl Filters {
    /// Of a task with this filter and no others.
    pub fn first(has: Needs) -> Filters {
        Filters { has, given: Needs::empty(), ours: 1, refused: false, interrupted: false, broken_off: None }
    }

    /// The circumstances that they care for.
    pub fn has(&self) -> Needs {
        self.has | self.given
    }

    /// How many filters of ours the task has; of one whose parent could not be asked, at least.
    pub fn ours(&self) -> u32 {
        self.ours
    }

    /// Of a child that `parent` has just reported.
    pub fn of_child(run: &Run, parent: &Slot, child: i32) -> Filters {
        let Filters { has, given, ours, refused, .. } = parent.filters;
        let all = Filters { ours, refused, ..Filters::first(has | given) };
        let tid = parent.tracee.tid();
        let is_sure = given.is_empty()
            // What a thread gives to its process reaches all threads.
            || process_of(run, child) == parent.tracee.process()
            || count(run, child).is_some_and(|filters| count(run, tid) == Some(filters));
        if is_sure { all } else { Filters::of_stranger(run, child) }
    }

    /// Of a child whose parent cannot be asked. It has what all have; whether it has a filter of the guest's own shows
    /// in their number.
    pub fn of_stranger(run: &Run, tid: i32) -> Filters {
        let alone = run.filters_at_start.is_some_and(|filters| count(run, tid) == Some(filters));
        Filters { refused: !alone, ..Filters::first(run.first) }
    }
}

/// How many filters a task has (Linux 5.10), those of whoever started us included.
pub(super) fn count(run: &Run, tid: i32) -> Option<i32> {
    status_number(run, tid, "Seccomp_filters:")
}

/// Where the adding of a filter stands: which call the task is making for it.
enum Step {
    /// mmap.
    Map,
    /// seccomp, with these flags.
    Install { at: u64, flags: u64 },
    /// munmap, or whatever comes last.
    Unmap,
}

/// A filter on its way into a task.
pub(super) struct Addition {
    /// The call that the guest makes, once this is done.
    call: Call,
    /// Whether that was made before, and the task was interrupted in it.
    broken_off: Option<BrokenOff>,
    /// The arguments in the registers.
    args: [u64; 6],
    scope: Scope,
    program: Rc<[u8]>,
    step: Step,
    done: bool,
}

impl Addition {
    /// Bytes needed in the task's memory.
    fn size(&self) -> u64 {
        (arch::FILTER_POINTER_SIZE + self.program.len()) as u64
    }
}

impl Slot {
    /// The circumstances that the task lives under and has no filter for.
    fn wants(&self, run: &Run) -> Needs {
        (run.needs.get() | self.tracee.needs()) - self.filters.has - self.filters.given
    }
}

impl Run {
    /// The program for a scope, as the kernel reads it.
    fn program(&self, scope: Scope) -> Rc<[u8]> {
        let make = || {
            let insns = bpf::program(&table::ROWS, scope);
            insns.iter().flat_map(|insn| insn.to_bytes()).collect()
        };
        self.programs.borrow_mut().entry(scope).or_insert_with(make).clone()
    }
}

/// Signals by which a task is stopped, unless it handles them.
const STOPS: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Whether a task ignores a signal: by its own will, or by default, as those that tell of others.
fn ignores(run: &Run, tid: i32, signal: i32) -> bool {
    const BY_DEFAULT: [i32; 4] = [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT];
    let Some(status) = status(run.proc.as_raw_fd(), tid) else { return false };
    let has = |field| {
        let set = field_of(&status, field).and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
        set & 1 << (signal - 1) != 0
    };
    has("SigIgn:") || BY_DEFAULT.contains(&signal) && !has("SigCgt:")
}

/// Waits until tasks that were interrupted have stopped, so that the one that is stopped meanwhile cannot send a message
/// to one that waits for it, without a filter, and has not run yet. Not for long: a task whose child has its memory
/// (vfork) stops only when that is done.
fn await_reports(tids: &[i32]) {
    let start = Instant::now();
    while !tids.iter().all(|tid| ptrace::has_report(*tid)) && start.elapsed() < REPORTING {
        std::thread::sleep(Duration::from_micros(50));
    }
}

impl Engine {
    /// How a task that is about nothing in particular is let go: to its next call if there is something to be done
    /// then.
    pub(super) fn freely(&self, tid: i32) -> Resume {
        let mut tasks = self.run.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(tid) else { return Resume::Cont };
        slot.filters.has |= std::mem::replace(&mut slot.filters.given, Needs::empty());
        let waits = slot.filters.broken_off.is_some() || !slot.wants(&self.run).is_empty();
        if waits { Resume::Syscall } else { Resume::Cont }
    }

    /// A shim may have recorded something of a new kind: then nobody runs on without a filter for it. The task
    /// `present` is stopped.
    pub(super) fn note_needs(&self, present: i32) {
        let run = &self.run;
        let needs = run.needs.get() | run.arisen.get() | Needs::of_store(&*run.store);
        let before = run.needs.replace(needs);
        if needs == before {
            return;
        }
        let mut interrupted = Vec::new();
        let tids: Vec<i32> = run.tasks.borrow().iter().map(|slot| slot.tracee.tid()).collect();
        for tid in tids.into_iter().filter(|tid| *tid != present) {
            let mut tasks = run.tasks.borrow_mut();
            let Some(slot) = tasks.get_mut(tid) else { continue };
            // Those in a group stop report its end, those that have no filter every call.
            let reports = slot.listening || slot.filters.refused || slot.filters.interrupted;
            if !reports && !slot.wants(run).is_empty() {
                // A task that is gone needs no filter.
                slot.filters.interrupted = ptrace::interrupt(tid).is_ok();
                interrupted.push(tid);
            }
        }
        if (needs - before).contains(Needs::SENDERS) {
            await_reports(&interrupted);
        }
    }

    /// A stop that [`Engine::note_needs`] may have asked for. A call that it broke off is made again: by the kernel if
    /// that sees no signal, or else, where the call is one that never is (epoll_wait, semop, … of signal(7)), by us.
    /// close(2) alone has done its work all the same.
    pub(super) fn note_interruption(&self, stopped: &Stopped) -> Result<(), Lost> {
        let tid = stopped.tid();
        let mut tasks = self.run.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(tid) else { return Ok(()) };
        if !std::mem::take(&mut slot.filters.interrupted) || !matches!(slot.phase, Phase::Free) {
            return Ok(());
        }
        let Some((nr, result)) = arch::ending_call(tid)? else { return Ok(()) };
        if result == EINTR && !arch::is_close(tid, nr)? {
            arch::make_again(tid, nr)?;
        } else if !super::calls::RESTARTS.contains(&result) {
            return Ok(());
        }
        slot.filters.broken_off = Some(BrokenOff { nr, result });
        Ok(())
    }

    /// A signal is about to be delivered. To the guest, it came while the task was in the call that was broken off: the
    /// kernel decides by the call's result what becomes of that.
    pub(super) fn note_signal(&self, stopped: &Stopped) -> Result<(), Lost> {
        let mut tasks = self.run.tasks.borrow_mut();
        match tasks.get_mut(stopped.tid()).and_then(|slot| slot.filters.broken_off.take()) {
            Some(BrokenOff { nr, result }) => arch::end_call(stopped.tid(), nr, result),
            None => Ok(()),
        }
    }

    /// A signal is about to be delivered that the guest ignores, so that natively it would not have been woken: the
    /// kernel keeps even these for a tracer (`sig_ignored`). The call that it broke off is made again; but for one with
    /// a time limit, of which nobody can tell how much has passed.
    pub(super) fn note_ignored(&self, stopped: &Stopped, signal: i32) -> Result<(), Lost> {
        let tid = stopped.tid();
        let (is_free, was_stopped) = match self.run.tasks.borrow_mut().get_mut(tid) {
            Some(slot) => {
                let was_stopped = signal == libc::SIGCONT && std::mem::take(&mut slot.expects_continue);
                slot.expects_continue |= STOPS.contains(&signal);
                (matches!(slot.phase, Phase::Free), was_stopped)
            }
            None => (false, false),
        };
        if was_stopped {
            // The stop has ended the call (signal(7)).
            return Ok(());
        }
        let Some((nr, result)) = arch::ending_call(tid)?.filter(|(_, result)| is_free && *result == EINTR)
        else {
            return Ok(());
        };
        if !arch::waits_for_ever(tid, nr)? || !ignores(&self.run, tid, signal) {
            return Ok(());
        }
        arch::make_again(tid, nr)?;
        if let Some(slot) = self.run.tasks.borrow_mut().get_mut(tid) {
            slot.filters.broken_off = Some(BrokenOff { nr, result });
        }
        Ok(())
    }

    /// A syscall-stop of a task that is not about anything of ours: it waits for a filter, or cannot have one.
    pub(super) fn on_free_call(&mut self, stopped: Stopped) -> Result<(), Lost> {
        let SyscallStop::Entry { arch, nr, args } = stopped.syscall()? else {
            return self.go_on(stopped, 0);
        };
        let broken_off = {
            let mut tasks = self.run.tasks.borrow_mut();
            tasks.get_mut(stopped.tid()).and_then(|slot| slot.filters.broken_off.take())
        };
        let Some(abi) = Abi::from_audit_arch(arch) else { return self.go_on(stopped, 0) };
        let call = Call { abi, nr: nr as u32, args };
        self.on_entry(stopped, call, broken_off)
    }

    /// The guest's own call is about to be made: not before the task has its filters. If it is to install one itself,
    /// which may be for all threads of its process, not before they are done with theirs, either.
    pub(super) fn let_through(&mut self, stopped: Stopped, call: Call) -> Result<(), Lost> {
        let (lacks, waits) = match self.run.tasks.borrow().get(stopped.tid()) {
            Some(slot) => {
                let lacks = !slot.filters.refused && !slot.wants(&self.run).is_empty();
                (lacks, !lacks && slot.tracee.expects_filter() && self.is_adding(slot.tracee.process()))
            }
            None => (false, false),
        };
        match (lacks, waits) {
            (true, _) => self.on_entry(stopped, call, None),
            (_, true) => self.wait_a_turn(stopped, call),
            _ => self.go_on(stopped, 0),
        }
    }

    /// Whether a thread of this process is about to get a filter.
    fn is_adding(&self, process: i32) -> bool {
        let is_adding = |slot: &Slot| matches!(&slot.phase, Phase::Adding(it) if !it.scope.needs.is_empty());
        self.run.tasks.borrow().iter().any(|slot| is_adding(slot) && slot.tracee.process() == process)
    }

    /// At the entry of `call`, by which it installs a filter: the task makes it without one first (EFAULT), and comes
    /// back. No filter that lets the call itself through can have anything against that.
    fn wait_a_turn(&mut self, stopped: Stopped, call: Call) -> Result<(), Lost> {
        let scope = Scope { needs: Needs::empty(), had: Needs::all() };
        let program = Rc::from([]);
        let mut addition = Addition {
            call,
            broken_off: None,
            args: call.args,
            scope,
            program,
            step: Step::Unmap,
            done: true,
        };
        addition.set_arguments(&stopped, call.with(2, 0).args)?;
        self.continue_adding(stopped, addition)
    }

    fn on_entry(&mut self, stopped: Stopped, call: Call, broken_off: Option<BrokenOff>) -> Result<(), Lost> {
        let (tracee, wants, filters) = match self.run.tasks.borrow().get(stopped.tid()) {
            Some(slot) => (slot.tracee.clone(), slot.wants(&self.run), slot.filters.clone()),
            None => return stopped.resume(Resume::Cont, 0),
        };
        let has = filters.has | filters.given;
        if wants.is_empty() {
            return self.go_on(stopped, 0);
        }
        if !filters.refused {
            return self.begin(stopped, call, broken_off, Scope { needs: wants, had: has });
        }
        let entry = table::row_of(call.abi, call.nr).and_then(|row| row.entry(call.abi));
        // What the filters know they will stop by themselves.
        let missed =
            |entry: &&table::Entry| entry.concerns(&call.args, wants) && !entry.concerns(&call.args, has);
        match entry.filter(missed) {
            Some(entry) => self.serve(stopped, tracee, call, entry.shim),
            None => self.go_on(stopped, 0),
        }
    }

    /// At the entry of `call`, which waits.
    fn begin(
        &mut self,
        stopped: Stopped,
        call: Call,
        broken_off: Option<BrokenOff>,
        scope: Scope,
    ) -> Result<(), Lost> {
        let program = self.run.program(scope);
        let mut addition =
            Addition { call, broken_off, args: call.args, scope, program, step: Step::Map, done: false };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let args = [0, addition.size(), access as u64, flags as u64, u32::MAX.into(), 0];
        addition.set_arguments(&stopped, args)?;
        arch::replace_call(stopped.tid(), arch::filter_calls(call.abi).map)?;
        self.continue_adding(stopped, addition)
    }

    /// A syscall-stop in the midst of it.
    pub(super) fn on_adding(&mut self, stopped: Stopped, mut addition: Box<Addition>) -> Result<(), Lost> {
        let SyscallStop::Exit(result) = stopped.syscall()? else {
            self.let_signals_in(&stopped)?;
            self.set_phase(&stopped, Phase::Adding(addition));
            return stopped.resume(Resume::Syscall, 0);
        };
        let failed = ERRORS.contains(&result);
        match addition.step {
            Step::Map if failed => self.end_adding(stopped, *addition),
            Step::Map => {
                let at = result as u64;
                addition.step = match self.write_program(&stopped, &addition, at) {
                    true => Step::Install { at, flags: FOR_PROCESS },
                    false => Step::Unmap,
                };
                self.next_call(stopped, *addition, at)
            }
            Step::Install { at, flags } => {
                // With TSYNC, a positive result is a thread that cannot follow.
                if result == 0 {
                    addition.done = true;
                    self.note_added(stopped.tid(), addition.scope.needs, flags);
                }
                addition.step = match (result, flags) {
                    (0, _) | (_, FOR_THREAD) => Step::Unmap,
                    _ => Step::Install { at, flags: FOR_THREAD },
                };
                self.next_call(stopped, *addition, at)
            }
            Step::Unmap => self.end_adding(stopped, *addition),
        }
    }

    fn write_program(&self, stopped: &Stopped, addition: &Addition, at: u64) -> bool {
        let tracee = self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.clone());
        let Some(tracee) = tracee else { return false };
        let length = addition.program.len() / bpf::INSN_SIZE;
        let first = at + arch::FILTER_POINTER_SIZE as u64;
        let pointer = arch::filter_pointer(addition.call.abi, length as u16, first);
        tracee.write(at, &[&pointer, &addition.program[..]].concat()).is_ok()
    }

    /// At the exit of one call: the task is going to make the next, of the step that `addition` is at now. `at` is
    /// where its memory is.
    fn next_call(&mut self, stopped: Stopped, mut addition: Addition, at: u64) -> Result<(), Lost> {
        let calls = arch::filter_calls(addition.call.abi);
        let set_filter = u64::from(libc::SECCOMP_SET_MODE_FILTER);
        let (nr, args) = match addition.step {
            Step::Map => (calls.map, addition.args),
            Step::Install { flags, .. } => (calls.seccomp, [set_filter, flags, at, 0, 0, 0]),
            Step::Unmap => (calls.unmap, [at, addition.size(), 0, 0, 0, 0]),
        };
        addition.set_arguments(&stopped, args)?;
        arch::make_again(stopped.tid(), nr)?;
        self.hold_signals(&stopped)?;
        self.continue_adding(stopped, addition)
    }

    fn continue_adding(&mut self, stopped: Stopped, addition: Addition) -> Result<(), Lost> {
        self.set_phase(&stopped, Phase::Adding(Box::new(addition)));
        stopped.resume(Resume::Syscall, 0)
    }

    /// The task has a new filter. With it, so do the other threads of its process.
    fn note_added(&self, tid: i32, needs: Needs, flags: u64) {
        let process = self.run.tasks.borrow().get(tid).map(|slot| slot.tracee.process());
        let mut tasks = self.run.tasks.borrow_mut();
        for slot in tasks.iter_mut() {
            if slot.tracee.tid() == tid {
                slot.filters.has |= needs;
            } else if flags == FOR_PROCESS && Some(slot.tracee.process()) == process {
                slot.filters.given |= needs;
            } else {
                continue;
            }
            slot.filters.ours += 1;
        }
    }

    /// The task goes back to the call that it wanted to make.
    fn end_adding(&mut self, stopped: Stopped, mut addition: Addition) -> Result<(), Lost> {
        let call = addition.call;
        if let Some(slot) = self.run.tasks.borrow_mut().get_mut(stopped.tid()) {
            slot.filters.refused |= !addition.done;
            slot.filters.broken_off = addition.broken_off;
        }
        addition.set_arguments(&stopped, call.args)?;
        arch::make_again(stopped.tid(), call.nr)?;
        self.go_on(stopped, 0)
    }
}

impl Addition {
    fn set_arguments(&mut self, stopped: &Stopped, args: [u64; 6]) -> Result<(), Lost> {
        stopped.change_arguments(&self.call, &self.args, &args)?;
        self.args = args;
        Ok(())
    }
}
