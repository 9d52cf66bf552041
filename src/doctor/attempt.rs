//! Trying something in a child, which takes all that it changes with it.

use std::io::{Read, Write};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sandbox::{Trouble, why};
use crate::sys::process::{Fork, exit_now, fork};
use crate::sys::{process, stdio};

/// Does `work` in a child, and brings back what it says. The child dies with this process, and has no stderr.
///
/// # Errors
/// The trouble that `work` had, or that the child was killed.
pub fn attempt(work: impl FnOnce() -> Result<String, Trouble>) -> Result<String, Trouble> {
    let (mut from, mut to) =
        std::io::pipe().map_err(|error| Trouble::new(format!("cannot make a pipe: {error}")))?;
    match fork() {
        Ok(Fork::Child) => {
            drop(from);
            process::die_with_parent();
            stdio::let_go(2);
            // Nobody is left to tell if this fails.
            let _ = to.write_all(encode(work()).as_bytes());
            exit_now(0)
        }
        Ok(Fork::Parent(child)) => {
            drop(to);
            let mut text = String::new();
            let read = from.read_to_string(&mut text);
            match (waitpid(Pid::from_raw(child), None), read) {
                (Ok(WaitStatus::Signaled(_, signal, _)), _) => Err(killed(signal)),
                (_, Ok(_)) => decode(&text),
                (_, Err(error)) => Err(Trouble::new(error.to_string())),
            }
        }
        Err(errno) => Err(Trouble::new(format!("cannot fork: {}", why(Errno::from_raw(errno)))).mended_by(
            "the limit of processes is reached: see ulimit -u, and pids.max of the control group",
        )),
    }
}

fn killed(signal: Signal) -> Trouble {
    let trouble = Trouble::new(format!("the process that tried was killed ({signal})"));
    if signal == Signal::SIGSYS {
        return trouble.mended_by("a seccomp profile kills for it: give the container another one");
    }
    trouble
}

fn encode(result: Result<String, Trouble>) -> String {
    match result {
        Ok(text) => format!("+{text}"),
        Err(Trouble { what, mend: None }) => format!("-{what}"),
        Err(Trouble { what, mend: Some(mend) }) => format!("-{what}\0{mend}"),
    }
}

fn decode(text: &str) -> Result<String, Trouble> {
    match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(said), _) => Ok(said.to_owned()),
        (_, Some(said)) => Err(match said.split_once('\0') {
            Some((what, mend)) => Trouble::new(what).mended_by(mend),
            None => Trouble::new(said),
        }),
        _ => Err(Trouble::new("the process that tried ended without a word")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_comes_back() {
        let both = Trouble::new("no").mended_by("do\nthis");
        for result in [Ok(String::new()), Ok("yes".to_owned()), Err(Trouble::new("no")), Err(both)] {
            let text = encode(match &result {
                Ok(text) => Ok(text.clone()),
                Err(Trouble { what, mend }) => Err(Trouble { what: what.clone(), mend: mend.clone() }),
            });
            assert_eq!(decode(&text), result);
        }
        assert!(decode("").is_err());
    }
}
