//! The ptrace engine.

use std::os::fd::OwnedFd;

use super::{EngineError, Launch};

/// The tracer's whole life: starts the guest, serves its calls, and returns when the last task is gone.
pub fn serve(_launch: Launch, _front: OwnedFd) -> Result<(), EngineError> {
    Err(EngineError::Fork(libc::ENOSYS))
}
