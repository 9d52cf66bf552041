//! Calls of a mock's.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Mock;
use crate::abi::{Abi, Call, Errno};
use crate::guest::{Answer, Guest, Host, Room};

/// Memory that nothing else is in.
pub(super) struct Scratch(pub u64);

impl Room for Scratch {
    fn at(&self) -> u64 {
        self.0
    }
}

/// A call whose first arguments are paths and whose next ones are numbers.
pub fn call(mock: &Mock, paths: &[&str], numbers: &[u64]) -> Call {
    let mut args = [0; 6];
    let strings = paths.iter().map(|path| mock.poke(&[path.as_bytes(), b"\0"].concat()));
    for (slot, value) in args.iter_mut().zip(strings.chain(numbers.iter().copied())) {
        *slot = value;
    }
    Call { abi: Abi::X86_64, nr: 0, args }
}

/// Runs a shim; `kernel` makes the host calls that it waits for.
pub fn run<F: Future<Output = Answer>>(
    mock: &Rc<Mock>,
    shim: impl FnOnce(Rc<dyn Guest>) -> F,
    mut kernel: impl FnMut(&Mock, Host) -> Result<u64, Errno>,
) -> Answer {
    let mut future = pin!(shim(mock.clone()));
    loop {
        let before = mock.submitted.borrow().len();
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return answer;
        }
        let host = mock.submitted.borrow()[before];
        let reply = kernel(mock, host);
        mock.replies.borrow_mut().push(reply);
    }
}
