//! What people run as root, one after the other, by remainroot and by real root: what they say must be equal.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;

use crate::Site;

/// One transcript each, in this order: all by the same tree.
const SCRIPTS: [&str; 4] = ["users", "files", "languages", "packagers"];

/// What a shell, or a program that starts or reads another, says when the script is wrong, in small letters.
const MISTAKES: [&str; 10] = [
    "not found",
    "no such file or directory",
    "syntax error",
    "unrecognized option",
    "unrecognised option",
    "unknown option",
    "invalid option",
    "missing operand",
    "usage:",
    "--help",
];

/// The packages are installed by remainroot, and real root unpacks what it exports: the trees begin alike.
pub fn programs(site: &Site) -> Result<(), Failed> {
    let ours = site.copy("programs")?;
    let theirs = site.lab.path().join("native-programs");
    fs::create_dir(&theirs)?;
    prepare(site, &ours)?;
    site.remainroot(
        "install-programs",
        &["--rootfs", "./programs", "--", "sh", "/root/programs/install.sh"],
    )?;
    site.remainroot("export-programs", &["owners", "export", "-o", "programs.tar", "programs"])?;
    let (archive, into) = (site.home.join("programs.tar"), ["-C".as_ref(), theirs.as_path()]);
    let how = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-xpf"].map(Path::new);
    site.natively(
        "unpack-programs",
        site.lab.path(),
        &[&["tar".as_ref()][..], &how, &[&archive], &into].concat(),
    )?;
    fs::remove_file(archive)?;

    let mut differences = String::new();
    for script in SCRIPTS {
        let inside = format!("/root/programs/{script}.sh");
        let command = [&bounded()?[..], &["bash".to_owned(), inside]].concat();
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let said = site.remainroot(script, &[&["--rootfs", "./programs", "--"][..], &words].concat())?;
        let expected = site.natively_in(&format!("native-{script}"), &theirs, &words)?;
        if !expected.ends_with(&format!("END of {script}.sh\n")) {
            return Err(format!("real root did not come to the end of {script}.sh:\n{expected}").into());
        }
        differences += &not_tried(&expected);
        differences += &compare(&said, &expected);
    }
    if !differences.is_empty() {
        return Err(differences.into());
    }
    fs::remove_dir_all(theirs)?;
    Ok(site.done(&ours)?)
}

/// Puts the scripts into the tree, and one program as two C libraries build it.
fn prepare(site: &Site, tree: &Path) -> Result<(), Failed> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/distro/programs");
    let to = tree.join("root/programs");
    fs::create_dir(&to)?;
    for file in fs::read_dir(&from)? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    let source = from.join("become.c");
    for (name, compiler) in [
        ("become-32", &["cc", "-m32", "-O1", "-Wall", "-Werror"][..]),
        ("become-64", &["musl-gcc", "-static", "-O1", "-Wall", "-Werror"]),
    ] {
        let (out, words) = (site.lab.path().join(name), &compiler[1..]);
        let status = Command::new(compiler[0]).args(words).arg("-o").arg(&out).arg(&source).status();
        if !status.map_err(|error| format!("{}: {error}", compiler[0]))?.success() {
            return Err(format!("{} cannot build {}", compiler[0], source.display()).into());
        }
        fs::copy(&out, to.join(name))?;
    }
    Ok(())
}

/// The words before a command that take away what this machine's real root has not either: in a container, its
/// bounding set can be smaller than that of a namespace's root.
fn bounded() -> Result<Vec<String>, Failed> {
    let status = fs::read_to_string("/proc/self/status")?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t"));
    let set = u64::from_str_radix(set.ok_or("no CapBnd in /proc/self/status")?, 16)?;
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap")?.trim().parse()?;
    let missing: Vec<String> =
        (0..=last).filter(|bit| set & (1 << bit) == 0).map(|bit| format!("-cap_{bit}")).collect();
    Ok(match missing.as_slice() {
        [] => vec![],
        _ => vec!["setpriv".to_owned(), "--bounding-set".to_owned(), missing.join(",")],
    })
}

/// Each check by real root in which a program was missing or not understood: it would fail alike under remainroot, and
/// tell nothing.
fn not_tried(expected: &str) -> String {
    let mistakes = |line: &&str| MISTAKES.iter().any(|mistake| line.to_lowercase().contains(mistake));
    checks(expected)
        .iter()
        .filter_map(|check| {
            let lines: Vec<&str> = check.lines().filter(mistakes).collect();
            (!lines.is_empty())
                .then(|| format!("== not tried, in {check}because of:\n{}\n", lines.join("\n")))
        })
        .collect()
}

/// Each check whose two transcripts are not the same, with both.
fn compare(ours: &str, theirs: &str) -> String {
    let (ours, theirs) = (checks(ours), checks(theirs));
    let mut text = String::new();
    for at in 0..ours.len().max(theirs.len()) {
        let (ours, theirs) = (ours.get(at).copied().unwrap_or(""), theirs.get(at).copied().unwrap_or(""));
        if ours != theirs {
            text += &format!("== real root ==\n{theirs}== remainroot ==\n{ours}\n");
        }
    }
    text
}

fn checks(transcript: &str) -> Vec<&str> {
    let starts = transcript.match_indices("== ").map(|(at, _)| at);
    let starts: Vec<usize> = starts.filter(|&at| at == 0 || transcript[..at].ends_with('\n')).collect();
    let ends = starts.iter().skip(1).copied().chain([transcript.len()]);
    starts.iter().zip(ends).map(|(&from, to)| &transcript[from..to]).collect()
}
