//! What a word may have been meant as that was taken for a command, and is none.

use std::ffi::OsStr;

use clap::{CommandFactory, ValueEnum};

use super::args::{Cli, RunArgs, SummaryArg};

/// Options that other programs have as words.
const OPTIONS: [(&str, &str); 2] = [("help", "--help"), ("version", "--version")];

/// Says what `word`, where there is no command of that name, may have been meant as.
pub fn other_meaning(word: &OsStr) -> Option<String> {
    let word = word.to_str().filter(|word| !word.contains('/'))?;
    if let Some((_, option)) = OPTIONS.iter().find(|(name, _)| *name == word) {
        return Some(format!("if the option was meant: remainroot {option}"));
    }
    let cli = Cli::command();
    let likeness = |name: &str| strsim::osa_distance(word, name);
    let name = cli.get_subcommands().map(|sub| sub.get_name()).min_by_key(|name| likeness(name))?;
    // One slip, and two where more than half of the word is left.
    let slips = if name.len() > 4 { 2 } else { 1 };
    (likeness(name) <= slips).then(|| format!("if the subcommand was meant: remainroot {name}"))
}

/// Says what `word`, where there is no command of that name, may have been meant as if an option stands before it whose value
/// is said with "=" alone, and was not.
pub fn value(word: &OsStr, run: &RunArgs) -> Option<String> {
    let word = word.to_str().filter(|word| !word.is_empty())?;
    let formats = SummaryArg::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    if run.summary.is_some() && formats.into_iter().any(|format| format.matches(word, false)) {
        return Some(format!("if the format was meant: --summary={word}"));
    }
    (run.explain == Some(None)).then(|| format!("if a file for --explain was meant: --explain={word}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn values_without_an_equals_sign_are_seen() {
        let meant = |words: &[&str]| {
            let cli = Cli::try_parse_from([&["remainroot"], words].concat()).unwrap();
            value(&cli.run.command[0], &cli.run).unwrap_or_default()
        };
        assert!(meant(&["--explain", "log", "--", "id"]).ends_with(": --explain=log"));
        assert!(meant(&["--summary", "json", "id"]).ends_with(": --summary=json"));
        for words in [&["log"][..], &["--explain=log", "id"], &["--summary", "ls"]] {
            assert_eq!(meant(words), "", "{words:?}");
        }
    }

    #[test]
    fn slips_are_seen_and_other_words_left_alone() {
        let meant = |word: &str| other_meaning(OsStr::new(word));
        for (word, expected) in [
            ("syscall", "syscalls"),
            ("sycsalls", "syscalls"),
            ("owner", "owners"),
            ("onwers", "owners"),
            ("rnu", "run"),
            ("syscalls", "syscalls"),
            ("help", "--help"),
        ] {
            let meant = meant(word).unwrap_or_default();
            assert!(meant.ends_with(&format!(": remainroot {expected}")), "{word}: {meant}");
        }
        for word in ["ls", "make", "runit", "sysctl", "./syscalls", "", "id"] {
            assert_eq!(meant(word), None, "{word}");
        }
    }
}
