//! Hears of what other runs bring to the index: a device, an attribute, … that a run has not had to look out for.
//!
//! A thread waits for a bell in the page that all processes with the index share (a futex: it costs nothing until it
//! rings). Whoever is about to write a record with such traits rings it, before the record can be read, so that nobody
//! who is killed in between keeps the news to himself. It also rings for a turn that this process keeps to itself
//! ([`Changes::turn`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use super::changes::Changes;
use super::row::Traits;
use crate::sys::shared::Rung;
use crate::sys::signal;

/// What calls `wake` until that says it was heard.
type Wake = Box<dyn Fn() -> bool + Send>;

/// How long to wait for an answer to that, at first and at last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// What thread and owner share.
#[derive(Default)]
struct Signs {
    /// The traits that others have rung for.
    traits: AtomicU8,
    /// It is time to end.
    stop: AtomicBool,
}

/// The thread.
pub struct News {
    changes: Arc<Changes>,
    signs: Arc<Signs>,
}

impl News {
    /// Starts one. `None` where the machine gives us no thread.
    pub fn start(changes: Arc<Changes>, wake: Wake) -> Option<News> {
        let news = News { changes: changes.clone(), signs: Arc::default() };
        let signs = news.signs.clone();
        // From before the index is asked what is in it.
        let start = changes.page().rung();
        changes.page().begin_to_listen();
        changes.may_keep(true);
        // Signals, the tracer's alarm among them, are for its own thread alone.
        let mask = signal::set_mask(&signal::all());
        let named = thread::Builder::new().name("store news".to_owned()).stack_size(64 * 1024);
        let started = named.spawn(move || run(&changes, start, &signs, &wake));
        signal::set_mask(&mask);
        // Otherwise `news` stops listening here.
        started.ok().map(|_| news)
    }

    /// What others may have brought since it was started.
    pub fn traits(&self) -> Traits {
        Traits(self.signs.traits.load(Ordering::Acquire))
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.signs.stop.store(true, Ordering::Release);
        self.changes.may_keep(false);
        self.changes.page().end_listening();
        self.changes.page().wake();
    }
}

fn run(changes: &Changes, mut seen: Rung, signs: &Signs, wake: &Wake) {
    let page = changes.page();
    while !signs.stop.load(Ordering::Acquire) {
        page.await_more(&seen);
        let now = page.rung();
        changes.give_way();
        let traits = now.since(&seen);
        seen = now;
        let new = traits & !signs.traits.fetch_or(traits, Ordering::AcqRel);
        let mut pause = PAUSE.0;
        while new != 0 && !signs.stop.load(Ordering::Acquire) && !wake() {
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
    }
}
