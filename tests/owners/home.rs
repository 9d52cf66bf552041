//! A user of `remainroot owners`.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::support::Lab;
use super::{EPOCH, PATH, run};

/// A user's home with a store of its own.
pub struct Home<'a> {
    lab: &'a Lab,
    /// Its path.
    pub path: PathBuf,
}

impl<'a> Home<'a> {
    /// The only one in a lab.
    pub fn new(lab: &'a Lab) -> Home<'a> {
        Home::named(lab, "home")
    }

    /// One of several.
    pub fn named(lab: &'a Lab, name: &str) -> Home<'a> {
        Home { lab, path: lab.home(name) }
    }

    /// `remainroot owners WORDS`, as the user.
    pub fn owners(&self, words: &[&str]) -> Command {
        let mut command = self.lab.command();
        command.current_dir(&self.path).env("HOME", &self.path).env("SOURCE_DATE_EPOCH", EPOCH);
        command.arg("owners").args(words);
        command
    }

    /// The same: what it prints, what it says, and its exit status.
    pub fn ask(&self, words: &[&str]) -> (String, String, Option<i32>) {
        let Output { status, stdout, stderr } = self.owners(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr), status.code())
    }

    /// Runs a shell script as the user, by some program.
    pub fn by(&self, program: &[&str], script: &str) {
        let mut command = self.lab.unprivileged(program[0]);
        command.current_dir(&self.path).env("HOME", &self.path).args(&program[1..]);
        run(command.args(["sh", "-euc", script]));
    }

    /// Mode, owner and name of every file of the tree.
    pub fn shown(&self) -> String {
        let text = run(&mut self.owners(&["show", "-r", "--store", "store", "tree"]));
        let line = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            let name = words.iter().find(|word| word.starts_with("tree")).copied().unwrap_or_default();
            format!("{} {} {} {name}\n", words[0], words[2], words[3])
        };
        text.lines().filter(|line| !line.starts_with(' ')).map(line).collect()
    }

    /// Runs a shell script as virtual root, with owners that last. Returns what it prints.
    pub fn as_root(&self, script: &str) -> String {
        self.as_root_with(&[], script)
    }

    /// The same, with options.
    pub fn as_root_with(&self, options: &[&str], script: &str) -> String {
        let mut command = self.lab.command();
        command.current_dir(&self.path).env("HOME", &self.path).env("PATH", PATH);
        run(command.args(["--store", "store"]).args(options).args(["--", "sh", "-euc", script]))
    }
}
