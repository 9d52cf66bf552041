//! What is told while it lasts: a line that moves, on a terminal, from the second second on.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Trouble;

/// How long something may take without a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Work in progress: files are counted, and messages for people go around the line that shows the count.
pub struct Progress {
    what: &'static str,
    began: Instant,
    files: Cell<u64>,
    tells_attributes: bool,
    bar: RefCell<Option<ProgressBar>>,
}

impl Progress {
    /// Begins some work, named by a verb in its -ing form.
    pub fn new(what: &'static str) -> Progress {
        let (files, bar) = (Cell::new(0), RefCell::new(None));
        Progress { what, began: Instant::now(), files, tells_attributes: true, bar }
    }

    /// For work that says itself what is wrong with attributes.
    pub const fn without_attributes(mut self) -> Progress {
        self.tells_attributes = false;
        self
    }

    /// Whether it is to be told what is wrong with attributes.
    pub const fn tells_attributes(&self) -> bool {
        self.tells_attributes
    }

    /// One more file.
    pub fn file(&self) {
        let files = self.files.get() + 1;
        self.files.set(files);
        // The clock is not looked at for every file, and the bar draws no more than some times a second itself.
        if files.is_multiple_of(64) {
            self.moved(0);
        }
    }

    /// Some bytes of content.
    pub fn moved(&self, bytes: u64) {
        let mut bar = self.bar.borrow_mut();
        if bar.is_none() && self.began.elapsed() >= PATIENCE {
            let new = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg} files, {elapsed}") {
                new.set_style(style);
            }
            new.set_prefix(self.what);
            new.set_message(self.files.get().to_string());
            new.set_elapsed(self.began.elapsed());
            new.set_draw_target(ProgressDrawTarget::stderr());
            *bar = Some(new);
        }
        if let Some(bar) = &*bar {
            bar.set_message(self.files.get().to_string());
            bar.inc(bytes.max(1));
        }
    }

    /// Does something with each path, goes on where it fails, and says so. Returns how often it did.
    pub fn each(&self, paths: &[PathBuf], mut work: impl FnMut(&PathBuf) -> Result<(), Trouble>) -> u64 {
        let failed = |path| work(path).inspect_err(|trouble| self.say(&trouble.to_string())).is_err();
        paths.iter().map(failed).map(u64::from).sum()
    }

    /// Says something to people.
    pub fn say(&self, text: &str) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| crate::tell!("{text}")),
            None => crate::tell!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get_mut() {
            bar.finish_and_clear();
        }
    }
}
