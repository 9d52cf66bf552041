//! `--summary`: what a run came to, for people and programs.

use std::fmt::Write;
use std::time::Duration;

use remainroot_shims::abi::Errno;
use remainroot_shims::table::{Row, SECTIONS, Section, Support};
use serde_json::{Value, json};

use crate::run::{Count, Summary};

/// The number of the object's form; it grows when a member changes its meaning or goes away.
const SCHEMA: u32 = 1;

fn name_of(errno: i32) -> String {
    Errno::new(errno).name().map_or_else(|| errno.to_string(), str::to_owned)
}

/// What the table says of a call that is not answered as for real root in everything.
fn shortfall(row: &Row) -> Option<&'static str> {
    match row.support {
        Support::Full => None,
        Support::Partial(why) | Support::Passed(why) | Support::Refused(_, why) => Some(why),
    }
}

/// The calls of each section of the table.
fn families(summary: &Summary) -> impl Iterator<Item = (&'static Section, Vec<&(&'static Row, Count)>)> {
    SECTIONS.iter().filter_map(|section| {
        let is_in = |row: &Row| section.rows.iter().any(|other| other.name == row.name);
        let calls: Vec<_> = summary.calls.iter().filter(|(row, _)| is_in(row)).collect();
        (!calls.is_empty()).then_some((section, calls))
    })
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

fn total(calls: &[&(&'static Row, Count)]) -> (u64, u64, Duration) {
    calls.iter().fold((0, 0, Duration::ZERO), |(calls, failed, stopped), (_, count)| {
        (calls + count.calls, failed + count.errors.values().sum::<u64>(), stopped + count.stopped)
    })
}

/// What the table says of calls that were made, each with its calls and how often, in the table's order.
fn shortfalls(calls: &[&(&'static Row, Count)]) -> Vec<(&'static str, Vec<String>)> {
    let mut found: Vec<(&'static str, Vec<String>)> = Vec::new();
    for (row, count) in calls {
        let Some(why) = shortfall(row) else { continue };
        let call = format!("{} ({})", row.name, count.calls);
        match found.iter_mut().find(|(known, _)| *known == why) {
            Some((_, calls)) => calls.push(call),
            None => found.push((why, vec![call])),
        }
    }
    found
}

/// A table.
pub fn text(summary: &Summary) -> String {
    let all: Vec<_> = summary.calls.iter().collect();
    let (calls, _, stopped) = total(&all);
    let mut out = format!(
        "remainroot: {calls} calls were stopped for, which held programs up for {} ms of a run of {} ms\n",
        milliseconds(stopped),
        milliseconds(summary.took)
    );
    if summary.goes_on {
        out += "(programs that the command left behind go on, and are not counted any further)\n";
    }
    if !all.is_empty() {
        let _ = writeln!(out, "\n{:>9}  {:>9}  {:>11}", "calls", "failed", "stopped ms");
    }
    for (Section { key, title, .. }, rows) in families(summary) {
        let (calls, failed, stopped) = total(&rows);
        let _ = writeln!(out, "{calls:>9}  {failed:>9}  {:>11}  {title} ({key})", milliseconds(stopped));
        for (row, count) in rows {
            let failed: u64 = count.errors.values().sum();
            let errors: Vec<_> =
                count.errors.iter().map(|(errno, times)| format!("{} {times}", name_of(*errno))).collect();
            let errors = if errors.is_empty() { String::new() } else { format!(": {}", errors.join(", ")) };
            let stopped = milliseconds(count.stopped);
            let _ = writeln!(out, "{:>9}  {failed:>9}  {stopped:>11}    {}{errors}", count.calls, row.name);
        }
    }
    let _ = writeln!(
        out,
        "\nfiles with owners of their own, known in the end: {}; devices: {}; with attributes: {}",
        summary.recorded.files, summary.recorded.devices, summary.recorded.with_xattrs
    );
    let ids: Vec<_> = summary.ids.iter().map(|(uid, gid)| format!("{uid}:{gid}")).collect();
    let _ = writeln!(out, "programs ran as: {}", [vec!["0:0".to_owned()], ids].concat().join(", "));
    let short = shortfalls(&all);
    if summary.unknown > 0 || !short.is_empty() {
        out += "\nmade, and not in everything as for real root, which may not have mattered:\n";
    }
    for (why, calls) in short {
        let _ = writeln!(out, "  {}: {why}", calls.join(", "));
    }
    if summary.unknown > 0 {
        let _ = writeln!(out, "  of an ABI that is not supported ({}): ENOSYS", summary.unknown);
    }
    out
}

/// An object. docs/WATCHING.md describes it.
pub fn object(summary: &Summary) -> String {
    let call = |(row, count): &&(&'static Row, Count)| {
        let errors: serde_json::Map<String, Value> =
            count.errors.iter().map(|(errno, times)| (name_of(*errno), json!(times))).collect();
        json!({
            "name": row.name,
            "calls": count.calls,
            "left_to_kernel": count.passed,
            "errors": errors,
            "stopped_ns": count.stopped.as_nanos() as u64,
            "note": shortfall(row),
        })
    };
    let family = |(section, rows): (&Section, Vec<&(&'static Row, Count)>)| {
        let (calls, failed, stopped) = total(&rows);
        json!({
            "family": section.key,
            "title": section.title,
            "calls": calls,
            "failed": failed,
            "stopped_ns": stopped.as_nanos() as u64,
            "by_call": rows.iter().map(call).collect::<Vec<_>>(),
        })
    };
    let ids: Vec<_> = summary.ids.iter().map(|(uid, gid)| json!({ "uid": uid, "gid": gid })).collect();
    let object = json!({
        "schema": SCHEMA,
        "took_ns": summary.took.as_nanos() as u64,
        "goes_on": summary.goes_on,
        "families": families(summary).map(family).collect::<Vec<_>>(),
        "unknown_abi": summary.unknown,
        "recorded": {
            "files": summary.recorded.files,
            "devices": summary.recorded.devices,
            "with_xattrs": summary.recorded.with_xattrs,
        },
        "ids": ids,
    });
    format!("{object:#}\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use remainroot_shims::table::ROWS;

    use super::*;

    /// Two calls of which the same is said.
    fn alike() -> [&'static Row; 2] {
        let short = |row: &&&Row| shortfall(row).is_some();
        let same = |one: &'static Row| {
            let other = |row: &&Row| row.name != one.name && shortfall(row) == shortfall(one);
            Some([one, ROWS.iter().find(other)?])
        };
        ROWS.iter().filter(|row| short(&row)).find_map(same).unwrap()
    }

    fn summary() -> Summary {
        let count = |calls, errors: &[(i32, u64)]| Count {
            calls,
            passed: 0,
            errors: errors.iter().copied().collect::<BTreeMap<_, _>>(),
            stopped: Duration::from_micros(1500),
        };
        let row = |name: &str| ROWS.iter().find(|row| row.name == name).unwrap();
        let [one, other] = alike();
        Summary {
            calls: vec![
                (row("chown"), count(3, &[(libc::EPERM, 2)])),
                (one, count(4, &[])),
                (other, count(1, &[])),
            ],
            unknown: 2,
            recorded: remainroot_shims::owner::Tally { files: 7, devices: 1, with_xattrs: 0 },
            ids: vec![(33, 44)],
            took: Duration::from_millis(20),
            goes_on: true,
        }
    }

    #[test]
    fn text_and_object_say_the_same() {
        let text = text(&summary());
        let [one, other] = alike();
        assert!(text.contains(&format!("  {} (4), {} (1): ", one.name, other.name)), "{text}");
        for expected in [
            "remainroot: 8 calls were stopped for, which held programs up for 4.50 ms of a run of 20.00 ms\n",
            "        3          2         1.50    chown: EPERM 2\n",
            "known in the end: 7; devices: 1; with attributes: 0\n",
            "programs ran as: 0:0, 33:44\n",
            "not supported (2): ENOSYS\n",
            "left behind go on",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        let object: Value = serde_json::from_str(&object(&summary())).unwrap();
        let families = object["families"].as_array().unwrap();
        let owners = families.iter().find(|family| family["title"] == "Owners and modes of files").unwrap();
        assert_eq!(owners["by_call"][0]["errors"], json!({ "EPERM": 2 }));
        assert_eq!((&owners["failed"], &owners["by_call"][0]["stopped_ns"]), (&json!(2), &json!(1_500_000)));
        assert_eq!((&object["unknown_abi"], &object["goes_on"]), (&json!(2), &json!(true)));
    }
}
