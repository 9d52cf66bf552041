//! What a run knows of the index as a whole.

use super::{Kept, News, Traits};
use crate::store::index::Index;

/// What is known of the index as a whole.
#[derive(Clone, Copy)]
pub struct Known {
    /// What calls must look out for in any record.
    pub traits: Traits,
    /// There are no records.
    pub empty: bool,
}

impl Kept {
    /// Notes what others have done to the index.
    pub(super) fn refresh(&self) {
        if self.index.as_ref().is_some_and(Index::was_changed) {
            self.cache.epoch.set(self.cache.epoch.get().wrapping_add(1));
            self.known.set(None);
            self.devices.take();
        }
    }

    pub(super) fn known(&self) -> Known {
        let Some(index) = &self.index else { return Known { traits: Traits::default(), empty: true } };
        self.refresh();
        if let Some(known) = self.known.get() {
            return known;
        }
        match index.traits().and_then(|traits| Ok(Known { traits, empty: index.is_empty()? })) {
            Ok(known) => {
                self.known.set(Some(known));
                known
            }
            Err(fault) => {
                self.tell(&fault);
                Known { traits: Traits(u8::MAX), empty: false }
            }
        }
    }

    /// Whether the index has records with such traits, or is about to have some.
    pub(super) fn may_hold(&self, traits: Traits) -> bool {
        let brought = self.news.borrow().as_ref().map_or(Traits::default(), News::traits);
        brought.has(traits) || self.known().traits.has(traits)
    }
}
