//! The files of /proc that a mock has.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::cred::{Cred, Login};
use crate::guest::{Loan, TaskFile, Text, Writes};

/// What is known of tasks.
#[derive(Default)]
pub struct Tasks {
    /// Files by path.
    pub files: RefCell<BTreeMap<String, TaskFile>>,
    /// What the kernel says in all of them.
    pub native: RefCell<String>,
    /// Who has logged in, by thread id.
    pub logins: RefCell<BTreeMap<i32, Login>>,
    /// Those who live in a namespace of their own.
    pub elsewhere: RefCell<Vec<i32>>,
    /// What was lent, and what was to become of writes to it.
    pub lent: RefCell<Vec<(String, Writes)>>,
    /// How many of these were opened.
    pub opened: Rc<Cell<usize>>,
}

impl Tasks {
    /// Makes a file of a task.
    pub fn file(&self, path: &str, tid: i32, cred: &Rc<Cred>) {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let file = TaskFile { tid, name, cred: cred.clone(), dumpable: true, filters: 1 };
        self.files.borrow_mut().insert(path.to_owned(), file);
        self.logins.borrow_mut().entry(tid).or_insert(Login::UNSET);
    }

    /// A text at these addresses.
    pub fn lend(&self, text: &Text<'_>, path: u64, beside: u64) -> Box<dyn Loan> {
        let says = String::from_utf8_lossy(text.bytes).into_owned();
        self.lent.borrow_mut().push((says, text.writes));
        Box::new(Lent { path, beside, opened: self.opened.clone() })
    }
}

struct Lent {
    path: u64,
    beside: u64,
    opened: Rc<Cell<usize>>,
}

impl Loan for Lent {
    fn path(&self) -> u64 {
        self.path
    }

    fn beside(&self) -> u64 {
        self.beside
    }

    fn opened(&self) {
        self.opened.set(self.opened.get() + 1);
    }
}
