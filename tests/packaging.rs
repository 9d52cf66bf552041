//! What is handed out: a static binary, which runs where there is nothing else, and the Debian package's list of files.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{Lab, Machine};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Program headers of an ELF file: type, offset and size in the file (elf(5), Elf64_Phdr).
fn headers(elf: &[u8]) -> Vec<(u32, usize, usize)> {
    assert_eq!(elf.get(..6), Some(&b"\x7fELF\x02\x01"[..]), "64 bits, little-endian");
    let number = |at: usize, size: usize| {
        elf[at..at + size].iter().rev().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let header = |nth: usize| {
        let at = first + nth * size;
        (number(at, 4) as u32, number(at + 8, 8), number(at + 32, 8))
    };
    (0..count).map(header).collect()
}

/// Neither a program interpreter nor libraries: nothing of a C library has to be there.
#[test]
fn the_binary_is_static() {
    const PT_DYNAMIC: u32 = 2;
    const PT_INTERP: u32 = 3;
    const DT_NEEDED: u64 = 1;
    let elf = fs::read(env!("CARGO_BIN_EXE_remainroot")).expect("the binary");
    let headers = headers(&elf);
    assert!(headers.iter().all(|(kind, ..)| *kind != PT_INTERP), "{headers:x?}");
    for (_, offset, size) in headers.iter().filter(|(kind, ..)| *kind == PT_DYNAMIC) {
        let (entries, _) = elf[*offset..offset + size].as_chunks::<16>();
        let tags = entries.iter().map(|entry| u64::from_le_bytes(entry[..8].try_into().expect("8 bytes")));
        assert!(!tags.into_iter().any(|tag| tag == DT_NEEDED), "libraries are needed");
    }
}

fn text(output: &Output) -> (String, String, Option<i32>) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (lossy(&output.stdout), lossy(&output.stderr), output.status.code())
}

/// A root file system of the binary and one static guest: as the root that it is told to use, and as the one that it is
/// started in.
#[test]
fn it_runs_where_there_is_nothing_else() {
    let test = "it_runs_where_there_is_nothing_else";
    if !support::can_compile(test, Machine::X86_64) {
        return;
    }
    let lab = Lab::new();
    let empty = lab.home("empty");
    let guest = lab.guest("empty", Machine::X86_64);
    for (file, name) in [(lab.remainroot(), "remainroot"), (guest, "guest")] {
        fs::copy(file, empty.join(name)).expect("a copy");
    }
    let version = concat!("remainroot ", env!("CARGO_PKG_VERSION"), "\n");
    let rootfs = |words: &[&str]| {
        let mut command = lab.command();
        text(&command.arg("--rootfs").arg(&empty).arg("--").args(words).output().expect("it starts"))
    };
    assert_eq!(rootfs(&["/remainroot", "--version"]), (version.to_owned(), String::new(), Some(0)));
    let (out, err, status) = rootfs(&["/guest"]);
    assert_eq!((out.as_str(), status), ("33:4 then 33:4\n", Some(7)), "{err}");

    let alone = |words: &[&str]| {
        let mut command = lab.unprivileged("unshare");
        command.arg("--map-root-user").arg(format!("--root={}", empty.display())).args(words);
        text(&command.env_clear().env("PATH", "/usr/bin:/bin").output().expect("unshare starts"))
    };
    assert_eq!(alone(&["/remainroot", "--version"]), (version.to_owned(), String::new(), Some(0)));
    // It reads /proc. That it is missing is told, with the command that mends it.
    let (out, err, status) = alone(&["/remainroot", "--store", "memory", "--", "/guest"]);
    assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
    assert!(err.contains("remainroot: remainroot needs /proc: mount -t proc proc /proc\n"), "{err}");
}

/// The package's metadata, as Cargo reads it.
fn package() -> Value {
    let words = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(words).current_dir(root()).output().expect("cargo starts");
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = all["packages"].as_array().expect("packages");
    let ours = packages.iter().find(|package| package["name"] == "remainroot").expect("remainroot");
    ours["metadata"]["deb"].clone()
}

/// Files below a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
        match entry.file_type().expect("a type").is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// What the package is made of: source, as a pattern, and where it goes.
fn assets(deb: &Value) -> Vec<(String, String)> {
    let field = |asset: &Value, name: &str, at: usize| {
        let value = if asset.is_array() { &asset[at] } else { &asset[name] };
        value.as_str().expect("a string").to_owned()
    };
    let assets = deb["assets"].as_array().expect("assets");
    assets.iter().map(|asset| (field(asset, "source", 0), field(asset, "dest", 1))).collect()
}

/// Where the package puts a file of the source: what of a pattern stands for itself is replaced (cargo-deb).
fn packaged(assets: &[(String, String)], path: &str) -> Option<PathBuf> {
    assets.iter().find_map(|(source, to)| match source.split_once('*') {
        Some((dir, _)) => path.strip_prefix(dir).map(|below| Path::new(to).join(below)),
        None if source == path && to.ends_with('/') => Some(Path::new(to).join(Path::new(path).file_name()?)),
        None => (source == path).then(|| to.into()),
    })
}

/// Every file that the package is to hold is there, and what there is for users to install is in the package.
#[test]
fn the_debian_package_lists_files_that_are_there() {
    let deb = package();
    let assets = assets(&deb);
    for (source, to) in &assets {
        assert!(to.starts_with("usr/"), "{to}");
        if source == "target/release/remainroot" {
            continue;
        }
        let dir = source.split('*').next().expect("a name");
        let path = root().join(dir);
        assert!(fs::symlink_metadata(&path).is_ok(), "{source} is not there");
        if path.is_symlink() {
            // It lies beside the binary, and is a runtime by its name.
            assert_eq!(fs::read_link(&path).expect("a link"), Path::new("remainroot"));
            assert_eq!(Path::new(to).parent(), Some(Path::new("usr/bin")));
        }
    }
    let license = deb["license-file"][0].as_str().expect("a file");
    assert!(root().join(license).is_file(), "{license} is not there");
    let mut ours = Vec::new();
    for dir in ["contrib/man", "contrib/completions", "contrib/deb", "contrib/oci", "docs"] {
        files(&root().join(dir), &mut ours);
    }
    for path in ours {
        let path = path.strip_prefix(root()).expect("below the root").to_str().expect("UTF-8").to_owned();
        assert!(packaged(&assets, &path).is_some(), "{path} is not in the package");
    }
}

/// Texts for people: in the root, docs and contrib.
fn texts() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for dir in ["docs", "contrib"] {
        files(&root().join(dir), &mut found);
    }
    found.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    found
}

/// Where a text's links lead, but for those to other machines.
fn links(text: &str) -> Vec<&str> {
    let ends = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    ends.filter(|target| !target.contains("://")).collect()
}

/// The anchors of a text's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// A path without `..` in it.
fn straight(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
        path
    })
}

#[test]
fn links_are_found() {
    assert_eq!(links("[a](b.md#c), [d](https://e) and [f](#g)\n`x[0](y`"), ["b.md#c", "#g"]);
    assert_eq!(anchors("# A b, c\ntext\n## `--x[=Y]`, z\n"), ["a-b-c", "--xy-z"]);
    assert_eq!(straight(Path::new("/a/b/../c")), Path::new("/a/c"));
}

/// Every link leads to something, in the source; and in the package, if its text is there.
#[test]
fn links_lead_somewhere() {
    let assets = assets(&package());
    for text in texts() {
        let content = fs::read_to_string(&text).expect("a text");
        let within = |path: &Path| path.strip_prefix(root()).expect("below the root").display().to_string();
        let name = within(&text);
        for link in links(&content) {
            let (path, anchor) =
                link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let dir = text.parent().expect("a directory");
            let target = if path.is_empty() { text.clone() } else { straight(&dir.join(path)) };
            assert!(target.exists(), "{name}: {link} leads nowhere");
            if let Some(anchor) = anchor {
                let there = anchors(&fs::read_to_string(&target).expect("a text"));
                assert!(
                    there.iter().any(|known| known == anchor),
                    "{name}: {link}: no such heading: {there:?}"
                );
            }
            let Some(place) = packaged(&assets, &name) else { continue };
            let mut all = Vec::new();
            match target.is_dir() {
                true => files(&target, &mut all),
                false => all.push(target),
            }
            for target in all {
                let there = packaged(&assets, &within(&target));
                let sought = straight(&place.parent().expect("a directory").join(path));
                let leads = there.as_ref().is_some_and(|there| path.is_empty() || there.starts_with(&sought));
                assert!(leads, "{name}: {link} leads nowhere in the package: {sought:?}, not {there:?}");
            }
        }
    }
}
