//! Tracer and guest on one CPU.
//!
//! Nothing else weighs as much for the cost of a stop: between CPUs every stop waits for two wake-ups, on one CPU it
//! is two context switches (measured on a virtual machine with two CPUs: 14–32 µs against 3 µs for a call answered
//! at its entry). So the tracer stays where it started, and a task that stops often is brought beside it for as long
//! as it does. A task that asks for its CPUs, or sets them, is set free first.

use std::time::{Duration, Instant};

use crate::sys::sched::{self, CpuSet};

/// Stops this close together count as often …
const OFTEN: Duration = Duration::from_micros(500);
/// … and these, as long as no other task is held: the first shares the CPU with nobody but the tracer. A loop of fork
/// and exec, such as a shell script's, stops once or twice in the lifetime of each of its children.
const OFTEN_ALONE: Duration = Duration::from_micros(1500);
/// … once there were this many in a row.
const STREAK: u8 = 6;
/// A task that did not stop for this long is set free. Short, because children start where their parents are held:
/// a compiler shall not wait long for the other CPU.
const QUIET: Duration = Duration::from_millis(3);

/// What is known of one task's stops.
pub(super) struct Pin {
    last: Instant,
    streak: u8,
    /// The CPUs that are the task's own, while it is held on one.
    own: Option<CpuSet>,
}

impl Default for Pin {
    fn default() -> Pin {
        Pin { last: Instant::now(), streak: 0, own: None }
    }
}

/// The CPU that the tracer stays on.
pub(super) struct Pins {
    home: Option<(usize, CpuSet)>,
    /// How many tasks are held; the timer runs as long as there are any.
    held: usize,
}

impl Pins {
    /// Settles the tracer on the CPU that it is on. With a single CPU to choose from there is nothing to do.
    pub fn new() -> Pins {
        let home = sched::affinity(0).ok().filter(|set| sched::count(set) > 1).and_then(|allowed| {
            let cpu = sched::current_cpu()?;
            let one = sched::single(cpu)?;
            sched::settle(&one, allowed).ok().map(|()| (cpu, one))
        });
        if home.is_some() {
            sched::let_alarms_interrupt();
        }
        Pins { home, held: 0 }
    }

    /// The task just stopped.
    pub fn note_stop(&mut self, tid: i32, pin: &mut Pin) {
        let Some((cpu, home)) = &self.home else { return };
        let now = Instant::now();
        let often = if self.held == 0 { OFTEN_ALONE } else { OFTEN };
        let close = now.duration_since(pin.last) < often;
        pin.last = now;
        pin.streak = if close { pin.streak.saturating_add(1) } else { 0 };
        if pin.streak < STREAK || pin.own.is_some() {
            return;
        }
        let Ok(own) = sched::affinity(tid) else { return };
        if sched::has(&own, *cpu) && sched::set_affinity(tid, home).is_ok() {
            pin.own = Some(own);
            self.held += 1;
            if self.held == 1 {
                sched::set_alarm_interval(QUIET.as_micros() as i64);
            }
        }
    }

    /// Gives the task its own CPUs back.
    pub fn release(&mut self, tid: i32, pin: &mut Pin) {
        pin.streak = 0;
        if let Some(own) = pin.own.take() {
            // A task that is gone needs no CPU.
            let _ = sched::set_affinity(tid, &own);
            self.forget();
        }
    }

    /// A task that may be held has ended.
    pub fn ended(&mut self, pin: &Pin) {
        if pin.own.is_some() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.held = self.held.saturating_sub(1);
        if self.held == 0 {
            sched::set_alarm_interval(0);
        }
    }

    /// Whether the task is held and was quiet for long enough.
    pub fn is_quiet(pin: &Pin, now: Instant) -> bool {
        pin.own.is_some() && now.duration_since(pin.last) >= QUIET
    }

    /// What a child of this task starts with: where its parent is held, so is it, until it is quiet. The start of a
    /// process is all stops.
    pub fn inherited(&mut self, parent: &Pin) -> Pin {
        self.held += usize::from(parent.own.is_some());
        Pin { last: Instant::now(), streak: 0, own: parent.own }
    }
}
