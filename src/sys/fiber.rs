//! Functions that can be left in the midst of their work and gone on with later: each has a stack of its own.

use std::cell::{Cell, RefCell};
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Bytes of a stack; a page of it is touched for each that is used. The largest buffers of a shim are on the heap.
const STACK: usize = 256 * 1024;

/// How many unused stacks are kept.
const SPARE: usize = 4;

type Hold = Yielder<(), ()>;

thread_local! {
    /// The fiber that runs on this thread; null outside of fibers.
    static CURRENT: Cell<*const Hold> = const { Cell::new(ptr::null()) };
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// A function that is on its way, or has not begun yet. It stays on the thread that made it. One that has begun must be
/// resumed to its end before it is dropped: what its stack holds would have to be unwound by force.
pub struct Fiber<T: 'static> {
    /// `None` once it has ended.
    coroutine: Option<Coroutine<(), (), T, DefaultStack>>,
}

impl<T> Fiber<T> {
    /// Gets a stack for `work`, which begins with the first [`Fiber::resume`]. ENOMEM.
    pub fn new(work: impl FnOnce() -> T + 'static) -> Result<Fiber<T>, i32> {
        let spare = STACKS.with_borrow_mut(Vec::pop);
        let stack = match spare {
            Some(stack) => stack,
            None => DefaultStack::new(STACK).map_err(|error| error.raw_os_error().unwrap_or(libc::ENOMEM))?,
        };
        let coroutine = Coroutine::with_stack(stack, move |hold: &Hold, ()| {
            CURRENT.set(hold);
            work()
        });
        Ok(Fiber { coroutine: Some(coroutine) })
    }

    /// Runs it until it ends (its result) or calls [`suspend`] (`None`). `None`, too, if it has ended before.
    pub fn resume(&mut self) -> Option<T> {
        let coroutine = self.coroutine.as_mut()?;
        let outer = CURRENT.replace(ptr::null());
        let result = coroutine.resume(());
        CURRENT.set(outer);
        let CoroutineResult::Return(value) = result else { return None };
        if let Some(stack) = self.coroutine.take().map(Coroutine::into_stack) {
            STACKS.with_borrow_mut(|spare| {
                if spare.len() < SPARE {
                    spare.push(stack);
                }
            });
        }
        Some(value)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.coroutine.is_none()
    }
}

/// Leaves the fiber that this is called in, until it is resumed. False, at once, outside of fibers.
pub fn suspend() -> bool {
    let hold = CURRENT.get();
    if hold.is_null() {
        return false;
    }
    // SAFETY: set by the fiber that runs on this very thread, on whose stack it lives until the fiber ends; whoever
    // resumed the fiber takes it away again when it is left, by its end or by `suspend`.
    unsafe { &*hold }.suspend(());
    CURRENT.set(hold);
    true
}

/// Whether this is called within a fiber.
pub fn is_within() -> bool {
    !CURRENT.get().is_null()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn fibers_end_in_any_order() {
        let log = Rc::new(RefCell::new(String::new()));
        let fiber = |name: &'static str, rests: usize| {
            let log = log.clone();
            Fiber::new(move || {
                for _ in 0..rests {
                    log.borrow_mut().push_str(name);
                    assert!(suspend() && is_within());
                }
                name
            })
            .unwrap()
        };
        let (mut a, mut b) = (fiber("a", 1), fiber("b", 2));
        assert_eq!((a.resume(), b.resume()), (None, None));
        assert_eq!((a.resume(), b.resume()), (Some("a"), None));
        assert!(a.has_ended() && !b.has_ended());
        assert_eq!((a.resume(), b.resume()), (None, Some("b")));
        assert_eq!(*log.borrow(), "abb");
        assert!(!suspend() && !is_within());
    }
}
