//! The man page and the completions in `contrib/`, printed from the definition of the command line.

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::Cli;
use super::printed;

/// What the page leads to.
const SEE_ALSO: &str =
    "capabilities(7), user_namespaces(7), unshare(1), fakeroot(1), strace(1), podman(1), runc(8)";

/// The man page. Subcommands have no pages of their own, so theirs are sections here.
fn page(command: &Command) -> String {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    title(command).to_writer(&mut page).unwrap();
    let parts = [
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ];
    for part in parts {
        part(&man, &mut page).unwrap();
    }
    // `run` has the options that are there already.
    let own_options = |sub: &&Command| sub.get_name() != "run" && !sub.is_hide_set();
    for sub in command.get_subcommands().filter(own_options) {
        section(&mut page, command.get_name(), sub);
    }
    closing(command).to_writer(&mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// The title, whose third word is a date (man(7)): none, for the page is the same whenever it is printed. [`Man`] leaves the
/// word out, and has the version in its place.
fn title(command: &Command) -> Roff {
    let (name, version) = (command.get_name(), command.get_version().unwrap_or_default());
    let mut roff = Roff::new();
    roff.control("TH", [name, "1", "\"\"", &format!("{name} {version}"), "User Commands"]);
    roff
}

/// The section of a subcommand of `parent`'s, and those of its own subcommands.
fn section(page: &mut Vec<u8>, parent: &str, command: &Command) {
    let title = format!("{parent} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut head = Roff::new();
    head.control("SH", [title.to_uppercase().as_str()]).text([roman(about)]);
    head.to_writer(page).unwrap();
    if command.get_arguments().next().is_some() {
        let mut options = Vec::new();
        Man::new(command.clone().disable_help_flag(true)).render_options_section(&mut options).unwrap();
        let options = String::from_utf8(options).unwrap();
        let (_, options) = options.split_once(".SH OPTIONS\n").unwrap_or_default();
        page.extend_from_slice(options.as_bytes());
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        section(page, &title, sub);
    }
}

/// What `--help` says at its end: examples, and paragraphs that may begin with a title and a colon.
fn closing(command: &Command) -> Roff {
    let mut roff = Roff::new();
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for paragraph in text.split("\n\n") {
        match paragraph.split_once(':') {
            Some(("Examples", lines)) => {
                roff.control("SH", ["EXAMPLES"]).control("nf", []);
                for line in lines.trim_matches('\n').lines() {
                    roff.text([bold(line)]);
                }
                roff.control("fi", []);
            }
            Some((title, text)) if title.len() < 20 => {
                let text = text.trim();
                let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
                roff.control("SH", [title.to_uppercase().as_str()])
                    .text([roman(first.to_uppercase() + rest)]);
            }
            _ => {
                roff.control("SH", ["NOTES"]).text([roman(paragraph)]);
            }
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([roman(SEE_ALSO)]);
    roff
}

#[test]
fn the_man_page_is_ours() {
    printed::same("contrib/man/remainroot.1", &page(&Cli::command()));
}

#[test]
fn the_completions_are_ours() {
    for (shell, name) in
        [(Shell::Bash, "remainroot.bash"), (Shell::Zsh, "_remainroot"), (Shell::Fish, "remainroot.fish")]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "remainroot", &mut script);
        printed::same(&format!("contrib/completions/{name}"), &String::from_utf8(script).unwrap());
    }
}
