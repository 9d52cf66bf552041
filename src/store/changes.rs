//! The count of changes that all processes have made to an index, and how many of them were this one's.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::shared::Counter;

/// The count, in a page that all map. Reading it takes no call.
#[derive(Debug)]
pub struct Changes {
    all: Counter,
    ours: AtomicU64,
}

impl Changes {
    /// None of those counted so far were ours.
    pub const fn new(all: Counter) -> Changes {
        Changes { all, ours: AtomicU64::new(0) }
    }

    /// How many there were.
    pub fn all(&self) -> u64 {
        self.all.value().load(Ordering::Acquire)
    }

    /// Counts one of ours. Returns how many there were before.
    pub fn add(&self) -> u64 {
        let before = self.all.value().fetch_add(1, Ordering::AcqRel);
        // After it: who looks in between takes it for somebody else's, and not the other way round.
        self.ours.fetch_add(1, Ordering::AcqRel);
        before
    }

    /// How many were not ours.
    pub fn of_others(&self) -> u64 {
        let ours = self.ours.load(Ordering::Acquire);
        self.all().wrapping_sub(ours)
    }
}
