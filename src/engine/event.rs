//! What the tracer tells the front: messages of twelve bytes over a `SOCK_SEQPACKET` socket.

use super::EngineError;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// One thing that happened to the main guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It runs, under this pid.
    Started(i32),
    /// Its program could not be executed, with this errno.
    ExecFailed(i32),
    /// It entered a group stop by this signal.
    Stopped(i32),
    /// It left the group stop.
    Continued,
    /// A signal reached it that no guest and not the front had sent.
    Signalled {
        /// The signal.
        signal: i32,
        /// The sender's pid, 0 if that is outside of our pid namespace.
        sender: i32,
    },
    /// It ended.
    Ended(End),
    /// It ended, and left others behind: the tracer stays with them. Follows `Ended`.
    Left,
    /// The tracer could not do its work.
    Failed(EngineError),
}

/// Bytes in a message.
pub const SIZE: usize = 12;

impl Event {
    /// As a message.
    pub fn encode(self) -> [u8; SIZE] {
        let (tag, a, b) = match self {
            Event::Started(pid) => (1, 0, pid),
            Event::ExecFailed(errno) => (2, 0, errno),
            Event::Stopped(signal) => (3, 0, signal),
            Event::Continued => (4, 0, 0),
            Event::Ended(End::Code(code)) => (5, 0, code),
            Event::Ended(End::Signal(signal)) => (6, 0, signal),
            Event::Left => (8, 0, 0),
            Event::Signalled { signal, sender } => (9, signal as u32, sender),
            Event::Failed(error) => {
                let (kind, errno) = error.to_raw();
                (7, kind, errno)
            }
        };
        let mut message = [0; SIZE];
        message[..4].copy_from_slice(&u32::to_ne_bytes(tag));
        message[4..8].copy_from_slice(&u32::to_ne_bytes(a));
        message[8..].copy_from_slice(&i32::to_ne_bytes(b));
        message
    }

    /// From a message; `None` if it is none of ours.
    pub fn decode(message: &[u8]) -> Option<Event> {
        let word = |n: usize| <[u8; 4]>::try_from(message.get(n..n + 4)?).ok();
        let (tag, a, b) =
            (u32::from_ne_bytes(word(0)?), u32::from_ne_bytes(word(4)?), i32::from_ne_bytes(word(8)?));
        Some(match tag {
            1 => Event::Started(b),
            2 => Event::ExecFailed(b),
            3 => Event::Stopped(b),
            4 => Event::Continued,
            5 => Event::Ended(End::Code(b)),
            6 => Event::Ended(End::Signal(b)),
            8 => Event::Left,
            9 => Event::Signalled { signal: a as i32, sender: b },
            7 => Event::Failed(EngineError::from_raw(a, b)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_survives_the_trip() {
        let events = [
            Event::Started(7),
            Event::ExecFailed(libc::ENOENT),
            Event::Stopped(libc::SIGTSTP),
            Event::Continued,
            Event::Ended(End::Code(255)),
            Event::Ended(End::Signal(libc::SIGSEGV)),
            Event::Left,
            Event::Signalled { signal: libc::SIGUSR1, sender: 0 },
            Event::Failed(EngineError::Seize(libc::EPERM)),
        ];
        for event in events {
            assert_eq!(Event::decode(&event.encode()), Some(event));
        }
        assert_eq!(Event::decode(&[0; 3]), None);
        assert_eq!(Event::decode(&[9; SIZE]), None);
    }
}
