//! What other runs bring to the store, while all of our tasks may be busy, or asleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use remainroot_shims::owner::Store;

use crate::sys::{sched, signal};

/// Whether there are any.
pub(super) struct News(Arc<AtomicBool>);

impl News {
    /// Has the thread that calls this interrupted in whatever it waits for, when there are.
    pub fn of(store: &dyn Store) -> News {
        let (flag, tracer) = (Arc::new(AtomicBool::new(false)), signal::thread_id());
        sched::let_alarms_interrupt();
        let (news, told) = (flag.clone(), AtomicBool::new(false));
        store.listen(Box::new(move || {
            // Told and taken: heard. An interrupt that comes before the tracer waits is lost, and is sent again.
            if told.load(Ordering::Relaxed) && !news.load(Ordering::Acquire) {
                told.store(false, Ordering::Relaxed);
                return true;
            }
            if !told.swap(true, Ordering::Relaxed) {
                news.store(true, Ordering::Release);
            }
            signal::interrupt(tracer);
            false
        }));
        News(flag)
    }

    /// Whether there were any since this was last asked.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}
