//! Operations that may have to wait for somebody: a file system whose server is a guest, which the tracer itself may
//! have stopped, or a machine far away. They are made by helper threads, while the loop goes on serving the others and
//! the shim that asked rests in its fiber.
//!
//! A helper that nobody waits for any more (its guest was killed) is left alone: it ends with its operation, or with
//! the tracer.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use remainroot_shims::abi::Errno;

use crate::sys::{fiber, signal};

/// Tells operations apart.
pub(super) type Ticket = u64;

type Job = Box<dyn FnOnce() + Send>;

/// How long a helper waits for another operation.
const REST: Duration = Duration::from_secs(5);

/// What the helpers and the tracer share.
#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    more: Condvar,
}

#[derive(Default)]
struct Desk {
    /// Operations, with the tickets of those that somebody waits for.
    jobs: VecDeque<(Option<Ticket>, Job)>,
    /// Helpers that wait for a job and have none promised.
    idle: usize,
    /// Helpers that are at work.
    busy: usize,
    done: Vec<Ticket>,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // No helper leaves the desk half changed.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tracer's side.
pub(super) struct Aside {
    shared: Arc<Shared>,
    /// The tracer's thread, to be woken.
    tracer: i32,
    next: Cell<Ticket>,
    /// The operation that the fiber waits for which was just left.
    asked: Cell<Option<Ticket>>,
    /// Set while the fiber of a lost task is led to its end: it gets nothing more done.
    abandoning: Cell<bool>,
    /// Whose fiber waits for which operation.
    waiting: RefCell<BTreeMap<Ticket, i32>>,
}

impl Aside {
    /// For the thread that calls this, which must have SIGCHLD blocked.
    pub fn new() -> Aside {
        Aside {
            shared: Arc::default(),
            tracer: signal::thread_id(),
            next: Cell::new(0),
            asked: Cell::new(None),
            abandoning: Cell::new(false),
            waiting: RefCell::default(),
        }
    }

    /// Has `operation` done by a helper, and leaves the fiber until it is. ESRCH if the task is lost. Outside of fibers,
    /// and where the machine gives us no helper, it is done on the spot.
    pub fn wait<T: Send + 'static>(
        &self,
        operation: impl FnOnce() -> Result<T, Errno> + Send + 'static,
    ) -> Result<T, Errno> {
        if self.abandoning.get() {
            return Err(Errno::ESRCH);
        }
        if !fiber::is_within() || !self.has_helper() {
            return operation();
        }
        let result = Arc::new(Mutex::new(None));
        let slot = result.clone();
        let job = move || {
            let value = operation();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        };
        let ticket = self.next.replace(self.next.get() + 1);
        self.submit(Some(ticket), Box::new(job));
        self.asked.set(Some(ticket));
        fiber::suspend();
        let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.unwrap_or(Err(Errno::ESRCH))
    }

    /// Closes what may be an open file of a guest's, for which the file system may be asked (`FUSE_FLUSH`).
    pub fn close(&self, file: Arc<OwnedFd>) {
        if self.has_helper() {
            self.submit(None, Box::new(move || drop(file)));
        }
    }

    /// Gives a job to the helper that was reserved for it.
    fn submit(&self, ticket: Option<Ticket>, job: Job) {
        self.shared.desk().jobs.push_back((ticket, job));
        self.shared.more.notify_one();
    }

    /// Reserves a helper for one more job.
    fn has_helper(&self) -> bool {
        let mut desk = self.shared.desk();
        if desk.idle > 0 {
            desk.idle -= 1;
            return true;
        }
        drop(desk);
        let (shared, tracer) = (self.shared.clone(), self.tracer);
        // Signals, the tracer's alarm among them, are for its own thread alone.
        let mask = signal::set_mask(&signal::all());
        let named = thread::Builder::new().name("file system".to_owned()).stack_size(128 * 1024);
        let started = named.spawn(move || help(&shared, tracer)).is_ok();
        signal::set_mask(&mask);
        started
    }

    /// Whether the operations of lost tasks' fibers must not be made any more.
    pub fn is_abandoning(&self) -> bool {
        self.abandoning.get()
    }

    /// Calls `lead` with every operation refused.
    pub fn abandon(&self, lead: impl FnOnce()) {
        let outer = self.abandoning.replace(true);
        lead();
        self.abandoning.set(outer);
    }

    /// Notes that the fiber that was just left is this task's.
    pub fn rests(&self, tid: i32) -> Option<Ticket> {
        let ticket = self.asked.take()?;
        self.waiting.borrow_mut().insert(ticket, tid);
        Some(ticket)
    }

    /// Forgets an operation that nobody waits for any more.
    pub fn forget(&self, ticket: Ticket) {
        self.waiting.borrow_mut().remove(&ticket);
    }

    /// Whether any fiber waits.
    pub fn is_awaited(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Whether a helper is at work, or is about to be: it may keep this process from ending.
    pub fn is_busy(&self) -> bool {
        let desk = self.shared.desk();
        desk.busy > 0 || !desk.jobs.is_empty()
    }

    /// Operations that are done, and the tasks that wait for them.
    pub fn done(&self) -> Vec<(Ticket, i32)> {
        let done = std::mem::take(&mut self.shared.desk().done);
        let mut waiting = self.waiting.borrow_mut();
        done.into_iter().filter_map(|ticket| Some((ticket, waiting.remove(&ticket)?))).collect()
    }
}

/// A helper's life. It begins with a job promised to it.
fn help(shared: &Shared, tracer: i32) {
    let mut desk = shared.desk();
    loop {
        if let Some((ticket, job)) = desk.jobs.pop_front() {
            desk.busy += 1;
            drop(desk);
            job();
            desk = shared.desk();
            desk.busy -= 1;
            desk.idle += 1;
            if let Some(ticket) = ticket {
                desk.done.push(ticket);
                signal::wake(tracer);
            }
            continue;
        }
        let (awake, rest) = shared.more.wait_timeout(desk, REST).unwrap_or_else(PoisonError::into_inner);
        desk = awake;
        // Without an idle helper left, a job is about to come for every one that there is.
        if rest.timed_out() && desk.jobs.is_empty() && desk.idle > 0 {
            desk.idle -= 1;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::sys::fiber::Fiber;

    /// Waits as the loop does.
    fn finish(aside: &Aside, fiber: &mut Fiber<Result<u64, Errno>>) -> Result<u64, Errno> {
        loop {
            if let Some(result) = fiber.resume() {
                return result;
            }
            let ticket = aside.rests(7).expect("it waits for something");
            while aside.done() != [(ticket, 7)] {
                signal::await_child(Duration::from_millis(500));
            }
        }
    }

    fn asks(aside: &Rc<Aside>) -> Fiber<Result<u64, Errno>> {
        let aside = aside.clone();
        Fiber::new(move || Ok(aside.wait(|| Ok(40))? + aside.wait(|| Ok(2))?)).unwrap()
    }

    #[test]
    fn helpers_do_the_work() {
        signal::set_mask(&signal::only(libc::SIGCHLD));
        let aside = Rc::new(Aside::new());
        assert_eq!(aside.wait(|| Ok(1)), Ok(1));
        assert_eq!(finish(&aside, &mut asks(&aside)), Ok(42));
        assert!(!aside.is_awaited());
    }

    #[test]
    fn a_stuck_operation_holds_nobody_else_up() {
        signal::set_mask(&signal::only(libc::SIGCHLD));
        let aside = Rc::new(Aside::new());
        let (release, stuck) = std::sync::mpsc::channel::<()>();
        let inner = aside.clone();
        let mut waits =
            Fiber::new(move || inner.wait(move || stuck.recv().map_or(Ok(0), |()| Ok(1)))).unwrap();
        assert!(waits.resume().is_none());
        let ticket = aside.rests(3).unwrap();
        assert_eq!(finish(&aside, &mut asks(&aside)), Ok(42));
        assert!(aside.is_awaited());
        // Its task is killed.
        aside.forget(ticket);
        aside.abandon(|| assert_eq!(waits.resume(), Some(Err(Errno::ESRCH))));
        drop(release);
        assert!(waits.has_ended() && !aside.is_awaited());
    }
}
