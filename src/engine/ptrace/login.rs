//! Whom a task has logged in as. It sets that by a file of ours, which it writes to without stopping: what it wrote is
//! found when somebody wants to know.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use remainroot_shims::cred::{Login, login};

use super::run::Run;
use super::tracee::Tracee;
use super::views;
use crate::sys::fd;

/// No write of a number is longer (`proc_loginuid_write` takes a few digits more than there are).
const LONGEST: usize = 32;

/// Of one task.
pub(super) struct State {
    login: Cell<Login>,
    /// The file by which it may set it: the last that it opened for that.
    open: RefCell<Option<Opened>>,
}

/// A file that a task may write its login to.
struct Opened {
    run: Rc<Run>,
    file: File,
    /// What it was given to read.
    before: Vec<u8>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.run.return_descriptor();
    }
}

impl Opened {
    fn written(&self) -> Option<u32> {
        let mut now = vec![0; self.before.len() + LONGEST];
        let length = self.file.read_at(&mut now, 0).ok()?;
        login::written(&self.before, &now[..length])
    }
}

impl State {
    /// Of a task that starts with this.
    pub fn new(login: Login) -> Rc<State> {
        Rc::new(State { login: Cell::new(login), open: RefCell::default() })
    }

    /// Whom it has logged in as by now.
    pub fn now(&self) -> Login {
        let mut open = self.open.borrow_mut();
        if let Some(opened) = &*open
            && let Some(uid) = opened.written()
        {
            self.login.set(Login::set(uid, || opened.run.next_session()));
            *open = None;
        }
        self.login.get()
    }

    /// The task has opened a file that said `before`, to write to it. Not noted if that takes a descriptor too many.
    pub fn opened(&self, run: &Rc<Run>, file: OwnedFd, before: &[u8]) {
        // What it wrote to another counts, too.
        self.now();
        let opened = run.take_descriptor().then(|| Opened {
            run: run.clone(),
            file: File::from(file),
            before: before.to_vec(),
        });
        self.open.replace(opened);
    }

    /// Whether a descriptor of the task's is that file, open for writing.
    pub fn is_file(&self, tracee: &Tracee, number: i32) -> bool {
        let open = self.open.borrow();
        let Some(opened) = &*open else { return false };
        let Some(Ok(theirs)) = tracee.borrow_fd(number) else { return false };
        let ours = views::identity(opened.file.as_raw_fd(), "");
        let is_it = ours.is_some()
            && views::identity(theirs.as_raw_fd(), "") == ours
            && fd::is_writable(theirs.as_fd());
        opened.run.close(theirs);
        is_it
    }
}

/// See [`remainroot_shims::guest::Guest::login`].
pub(super) fn of(run: &Run, tid: i32) -> Option<Login> {
    run.tasks.borrow().get(tid).map(|slot| slot.tracee.login_now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_opened_nothing_keeps_what_it_has() {
        let login = Login { uid: 1000, session: 3 };
        assert_eq!(State::new(login).now(), login);
    }
}
