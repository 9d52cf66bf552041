//! Which tasks there are: pid → slab slot.

use ahash::AHashMap;
use slab::Slab;

/// The tasks that an engine follows, each with a `T` in a slab slot, found by its tid through an ahash map.
pub struct Tasks<T> {
    slots: Slab<T>,
    by_tid: AHashMap<i32, usize>,
}

impl<T> Default for Tasks<T> {
    fn default() -> Tasks<T> {
        Tasks { slots: Slab::new(), by_tid: AHashMap::new() }
    }
}

impl<T> Tasks<T> {
    /// Adds a task. A task of the same tid is replaced and returned: the kernel reuses tids, and an exec by a thread
    /// takes over its leader's.
    pub fn insert(&mut self, tid: i32, task: T) -> Option<T> {
        let former = self.remove(tid);
        self.by_tid.insert(tid, self.slots.insert(task));
        former
    }

    /// Takes a task out.
    pub fn remove(&mut self, tid: i32) -> Option<T> {
        self.by_tid.remove(&tid).and_then(|slot| self.slots.try_remove(slot))
    }

    /// The task with this tid.
    pub fn get(&self, tid: i32) -> Option<&T> {
        self.slots.get(*self.by_tid.get(&tid)?)
    }

    /// The task with this tid, to be changed.
    pub fn get_mut(&mut self, tid: i32) -> Option<&mut T> {
        self.slots.get_mut(*self.by_tid.get(&tid)?)
    }

    /// All tasks, in no order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|(_, task)| task)
    }

    /// All tasks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|(_, task)| task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reused_and_tids_replaced() {
        let mut tasks = Tasks::default();
        assert_eq!(tasks.insert(10, "a"), None);
        assert_eq!(tasks.insert(10, "b"), Some("a"));
        assert_eq!(tasks.remove(10), Some("b"));
        assert_eq!(tasks.remove(10), None);
        for round in 0..1000 {
            tasks.insert(round, "c");
            tasks.remove(round);
        }
        assert!(tasks.slots.capacity() < 8, "a slot is leaked at every turn");
        assert_eq!(tasks.iter().count(), 0);
    }
}
