//! `remainroot doctor`: what was found, for people and programs. docs/DOCTOR.md describes the object.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::doctor::{self, Finding, Level, Report, Verdict, Ways};

/// The number of the object's form; it grows when a member changes its meaning or goes away.
const SCHEMA: u32 = 1;

/// Finds out, and says so on standard output. Returns the exit status.
pub fn execute(path: &Path, as_json: bool) -> Result<i32> {
    let report = doctor::examine(path).map_err(anyhow::Error::new)?;
    super::print(&if as_json { format!("{:#}\n", object(&report)) } else { text(&report) })?;
    Ok(status(report.ways.verdict()))
}

/// The exit status for a verdict.
const fn status(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Works => 0,
        Verdict::Limited => 1,
        Verdict::Cannot => 2,
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "fail",
    }
}

/// What can be done here, with the options that it takes.
fn conclusion(report: &Report) -> String {
    let warns = report.findings.iter().any(|finding| finding.level == Level::Warn);
    let ways = report.ways;
    let store = if ways.default_store { "" } else { " --store memory" };
    let what = match (report.ways.verdict(), ways) {
        (Verdict::Works, _) if warns => "remainroot works here, with the limits above.".to_owned(),
        (Verdict::Works, _) => "remainroot works here.".to_owned(),
        (Verdict::Cannot, _) => "remainroot cannot work here, until what failed is mended.".to_owned(),
        (_, Ways { plain: false, .. }) => format!("Only remainroot --userns none{store} -- CMD works here."),
        (_, Ways { rootfs: false, .. }) => {
            let tried =
                report.findings.iter().any(|found| found.id == "mounts" && found.level == Level::Fail);
            let do_not = if tried { "do not" } else { "could not be tried" };
            format!("remainroot{store} -- CMD works here; --rootfs and --bind {do_not}.")
        }
        _ => format!("remainroot{store} -- CMD works here."),
    };
    match (ways.verdict(), ways.default_store) {
        (Verdict::Limited, false) => {
            format!("{what} To keep owners: --store DIR, with a directory that can be written to.")
        }
        _ => what,
    }
}

fn text(report: &Report) -> String {
    let width = report.findings.iter().map(|finding| finding.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for Finding { id, level: how, what, fix } in &report.findings {
        let indent = " ".repeat(width + 8);
        let mut head = format!("{:<4}  {id:<width$}  ", level(*how));
        for line in lines(what) {
            let _ = writeln!(out, "{head}{line}");
            head.clone_from(&indent);
        }
        for line in fix.iter().flat_map(|fix| fix.lines()) {
            // A command must stay in one piece.
            let _ = writeln!(out, "{indent}fix: {line}");
        }
    }
    let _ = writeln!(out, "\n{}", conclusion(report));
    out
}

/// A text in lines of a length that reads well.
fn lines(text: &str) -> Vec<String> {
    const LENGTH: usize = 90;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LENGTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn object(report: &Report) -> Value {
    let verdict = report.ways.verdict();
    let finding = |Finding { id, level: how, what, fix }: &Finding| json!({ "id": id, "level": level(*how), "what": what, "fix": fix });
    json!({
        "schema": SCHEMA,
        "remainroot": env!("CARGO_PKG_VERSION"),
        "verdict": match verdict {
            Verdict::Works => "works",
            Verdict::Limited => "limited",
            Verdict::Cannot => "cannot",
        },
        "status": status(verdict),
        "runs": {
            "plain": report.ways.plain,
            "rootfs": report.ways.rootfs,
            "userns_none": report.ways.without_namespace,
            "default_store": report.ways.default_store,
        },
        "kernel": report.kernel,
        "machine": report.machine,
        "container": report.container,
        "path": report.path.to_string_lossy(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ways: Ways) -> Report {
        let failed = |id| Finding {
            id,
            level: Level::Fail,
            what: "cannot be made".to_owned(),
            fix: Some("do this\nor that".to_owned()),
        };
        let findings = vec![failed("user-namespaces"), failed("mounts")];
        Report {
            kernel: "6.1".into(),
            machine: "x86_64".into(),
            container: None,
            path: "/".into(),
            findings,
            ways,
        }
    }

    #[test]
    fn text_and_object_say_the_same() {
        let report =
            report(Ways { plain: false, rootfs: false, without_namespace: true, default_store: true });
        let (text, object) = (text(&report), object(&report));
        assert!(text.starts_with("fail  user-namespaces  cannot be made\n"), "{text}");
        assert!(text.contains("fix: do this\n") && text.contains("fix: or that\n"), "{text}");
        assert!(text.contains("--userns none"), "{text}");
        assert_eq!((&object["verdict"], &object["status"]), (&json!("limited"), &json!(1)));
        assert_eq!(object["findings"][0]["level"], "fail");
        assert_eq!(object["container"], Value::Null);
    }

    #[test]
    fn the_conclusion_names_every_option_that_it_takes() {
        let of = |plain, rootfs, without_namespace, default_store| {
            conclusion(&report(Ways { plain, rootfs, without_namespace, default_store }))
        };
        assert_eq!(of(true, true, true, true), "remainroot works here.");
        assert_eq!(of(true, false, true, true), "remainroot -- CMD works here; --rootfs and --bind do not.");
        assert_eq!(of(false, false, true, true), "Only remainroot --userns none -- CMD works here.");
        for (plain, rootfs, start) in [
            (true, true, "remainroot --store memory -- CMD works here."),
            (true, false, "remainroot --store memory -- CMD works here; --rootfs and --bind do not."),
            (false, false, "Only remainroot --userns none --store memory -- CMD works here."),
        ] {
            let said = of(plain, rootfs, true, false);
            assert!(said.starts_with(start) && said.contains(" --store DIR"), "{said}");
        }
        let mut untried =
            report(Ways { plain: true, rootfs: false, without_namespace: true, default_store: true });
        untried.findings[1].level = Level::Warn;
        assert!(conclusion(&untried).ends_with("--rootfs and --bind could not be tried."));
        for default_store in [true, false] {
            let said = of(false, false, false, default_store);
            assert_eq!(said, "remainroot cannot work here, until what failed is mended.");
        }
    }
}
