//! `remainroot syscalls`: the table of system calls, for people and programs. The README's table and
//! `docs/SYSCALLS.md` are printed from here, and a test keeps them so.

use std::fmt::Write;

use clap::ValueEnum;
use remainroot_shims::table::{Case, Entry, Row, SECTIONS, Section, Shim, Support};
use serde_json::{Value, json};

/// How the table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Text,
    /// An array of objects, one for each call.
    Json,
    /// The text of docs/SYSCALLS.md.
    Markdown,
}

/// The whole table. Ends with a newline.
pub fn render(format: Format) -> String {
    match format {
        Format::Text => text(),
        Format::Json => format!("{:#}\n", json!(rows().map(object).collect::<Vec<_>>())),
        Format::Markdown => markdown(),
    }
}

fn rows() -> impl Iterator<Item = (&'static Section, &'static Row)> {
    SECTIONS.iter().flat_map(|section| section.rows.iter().map(move |row| (section, row)))
}

/// The level in a word, and what there is to say about it.
fn support(row: &Row) -> (&'static str, Option<&'static str>) {
    match row.support {
        Support::Full => ("full", None),
        Support::Partial(why) => ("partial", Some(why)),
        Support::Passed(why) => ("passed", Some(why)),
        Support::Refused(_, why) => ("refused", Some(why)),
    }
}

/// When the guest stops for a call: what it costs.
fn stops(entry: &Entry) -> &'static str {
    match entry.shim {
        Shim::Kernel | Shim::Refuse(_) => "never",
        _ if entry.cases.contains(&Case::ANY) => "always",
        _ => "sometimes",
    }
}

fn number(entry: Option<Entry>) -> String {
    entry.map_or_else(|| "-".to_owned(), |entry| entry.nr.to_string())
}

fn text() -> String {
    let width = |column: fn(&Row) -> usize| rows().map(|(_, row)| column(row)).max().unwrap_or(0);
    let (names, levels) = (width(|row| row.name.len()), width(|row| support(row).0.len()));
    let mut out = format!("{:names$}  x86-64  i386  {:levels$}  note\n", "call", "support");
    for section in SECTIONS {
        let _ = writeln!(out, "\n{} ({})", section.title, section.key);
        for row in section.rows {
            let (level, note) = support(row);
            let line = format!(
                "{:names$}  {:>6}  {:>4}  {level:levels$}  {}",
                row.name,
                number(row.x86_64),
                number(row.i386),
                note.unwrap_or_default(),
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    out
}

fn object((section, row): (&Section, &Row)) -> Value {
    let (level, note) = support(row);
    let entry = |entry: Entry| json!({ "number": entry.nr, "stops": stops(&entry) });
    let errno = match row.support {
        Support::Refused(errno, _) => errno.name(),
        _ => None,
    };
    json!({
        "name": row.name,
        "family": section.key,
        "section": section.title,
        "support": level,
        "note": note,
        "errno": errno,
        "x86_64": row.x86_64.map(entry),
        "i386": row.i386.map(entry),
    })
}

fn markdown() -> String {
    let mut out = String::from(
        "<!-- Printed by `remainroot syscalls --format markdown`. -->\n\n\
         # System calls\n\n\
         *full*: as the kernel treats real root. *partial*: so, but for what the note says. *passed*: the kernel is \
         asked, and the note says what its answer is worth. *refused*: not available.\n\n\
         Of every call with a path: whether the way there may be searched is the kernel's decision, by real ids. A task \
         that has dropped root may come further than its virtual ids would let it.\n\n",
    );
    out += &families();
    out += "\n## Every call\n";
    for section in SECTIONS {
        let _ = write!(
            out,
            "\n### {} (`{}`)\n\n| call | x86-64 | i386 | support | note |\n",
            section.title, section.key
        );
        out += "|---|--:|--:|---|---|\n";
        for row in section.rows {
            let (level, note) = support(row);
            let (name, note) = (row.name, note.unwrap_or_default());
            let (x86_64, i386) = (number(row.x86_64), number(row.i386));
            let _ = writeln!(out, "| `{name}` | {x86_64} | {i386} | {level} | {note} |");
        }
    }
    out
}

/// The calls with a shim, by section and level: the README's table. A call of i386 alone is a variant of one that is
/// named.
pub fn families() -> String {
    let mut out = String::from("| | calls | support |\n|---|---|---|\n");
    for section in SECTIONS {
        let mut title = section.title;
        for (level, rows) in by_support(section.rows) {
            let names: Vec<_> = rows.iter().map(|row| format!("`{}`", row.name)).collect();
            let _ = writeln!(out, "| {title} | {} | {level} |", names.join(" "));
            title = "";
        }
    }
    let passed = rows().filter(|(_, row)| matches!(row.support, Support::Passed(_))).count();
    let _ = writeln!(out, "\nThe i386 forms of these calls (16-bit ids, `stat64`, …) are served alike.");
    let _ = writeln!(
        out,
        "The other {passed} calls go to the kernel at full speed; `remainroot syscalls` says of each what its \
         answer is worth."
    );
    out
}

/// Rows that are not passed and that AMD64 has, in groups of the same support, in the order of each group's first.
fn by_support(rows: &[Row]) -> Vec<(String, Vec<&Row>)> {
    let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
    let shown = |row: &&Row| row.x86_64.is_some() && !matches!(row.support, Support::Passed(_));
    for row in rows.iter().filter(shown) {
        let level = match support(row) {
            (level, None) => level.to_owned(),
            (level, Some(note)) => format!("{level}: {note}"),
        };
        match groups.iter_mut().find(|(known, _)| *known == level) {
            Some((_, group)) => group.push(row),
            None => groups.push((level, vec![row])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::printed;

    #[test]
    fn the_list_in_docs_is_ours() {
        printed::same("docs/SYSCALLS.md", &render(Format::Markdown));
    }

    #[test]
    fn the_table_in_the_readme_is_ours() {
        printed::same_part(
            "README.md",
            "<!-- Printed from the table; a test keeps it so. -->\n",
            "\n## ",
            &families(),
        );
    }

    #[test]
    fn every_format_names_every_call_once() {
        let parsed: Vec<Value> = serde_json::from_str(&render(Format::Json)).unwrap();
        let (text, markdown) = (render(Format::Text), render(Format::Markdown));
        let (_, list) = markdown.split_once("## Every call").unwrap();
        for (_, row) in rows() {
            let start = format!("{} ", row.name);
            assert_eq!(text.lines().filter(|line| line.starts_with(&start)).count(), 1, "{start}");
            assert_eq!(list.matches(&format!("| `{}` |", row.name)).count(), 1, "{start}");
            assert_eq!(parsed.iter().filter(|object| object["name"] == row.name).count(), 1, "{start}");
        }
        assert_eq!(parsed.len(), rows().count());
    }

    #[test]
    fn an_object_says_what_the_row_says() {
        let (section, row) = rows().find(|(_, row)| row.name == "io_uring_setup").unwrap();
        let object = object((section, row));
        assert_eq!((&object["support"], &object["errno"]), (&json!("refused"), &json!("ENOSYS")));
        assert_eq!(object["x86_64"], json!({ "number": 425, "stops": "never" }));
    }

    #[test]
    fn lines_of_text_are_aligned() {
        let text = render(Format::Text);
        let column = text.find("support").unwrap();
        for line in text.lines().filter(|line| line.contains("  ")).skip(1) {
            let level = line[column..].split(' ').next().unwrap();
            assert!(["full", "partial", "passed", "refused"].contains(&level), "{line}");
        }
    }

    #[test]
    fn a_note_stays_in_its_cell() {
        for (_, row) in rows() {
            let note = support(row).1.unwrap_or_default();
            assert!(!note.contains(['|', '\n']), "{}: {note}", row.name);
        }
    }
}
