//! `remainroot owners show`: like `ls -ln`, with the source of what the file system does not say itself.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nix::libc::{major, minor};
use remainroot_shims::owner::{Store, World};

use super::entry::{Entry, Kind, Source};
use super::names::{hex, rfc_3339, shown};
use super::{Progress, Tree, Trouble};

/// Whether directories are gone into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What was named, and nothing else.
    Named,
    /// All that is below it.
    Below,
}

/// Passes the lines about each path to `print`. What fails is told. Returns how many did.
pub fn show(
    paths: &[PathBuf],
    depth: Depth,
    store: &dyn Store,
    world: World,
    mut print: impl FnMut(&str) -> Result<(), Trouble>,
) -> u64 {
    let progress = Progress::new("looking");
    progress.each(paths, |path| {
        let tree = Tree { path, store, world };
        match depth {
            Depth::Named => print(&lines(path, &tree.root(&progress)?)),
            Depth::Below => tree.each(&progress, None, |entry| print(&lines(path, &entry))),
        }
    })
}

/// What is to be said of one file below `root`.
fn lines(root: &Path, entry: &Entry) -> String {
    let attr = &entry.attr;
    let size = if entry.kind().is_device() {
        format!("{}, {}", major(attr.rdev), minor(attr.rdev))
    } else {
        entry.size.to_string()
    };
    let mut path = root.to_string_lossy().into_owned();
    if !entry.path.is_empty() {
        path = format!("{}/{}", path.trim_end_matches('/'), shown(&entry.path));
    }
    let mut out = format!(
        "{} {:>2} {:>6} {:>6} {size:>10} {} {:<9} {path}",
        mode(entry),
        entry.inode.nlink,
        attr.uid,
        attr.gid,
        rfc_3339(entry.mtime.sec),
        entry.source_of_owner().word(),
    );
    if entry.kind() == Kind::Link {
        let _ = write!(out, " -> {}", shown(&entry.target));
    }
    out.push('\n');
    for (source, what) in [(entry.source_of_mode(), "mode"), (entry.source_of_device(), "device")] {
        if source != Source::File {
            let _ = writeln!(out, "    {:<9} {what}", source.word());
        }
    }
    for (name, value) in &entry.xattrs {
        let source = entry.source_of_xattr(name).word();
        let _ = writeln!(out, "    {source:<9} {}=0x{}", shown(name), hex(value));
    }
    out
}

/// Type and mode bits as `ls -l` shows them.
fn mode(entry: &Entry) -> String {
    let kind = match entry.kind() {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Link => 'l',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::Char => 'c',
        Kind::Block => 'b',
    };
    letters(kind, entry.permissions())
}

fn letters(kind: char, mode: u32) -> String {
    let mut out = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_look_as_in_ls() {
        assert_eq!(letters('-', 0o644), "-rw-r--r--");
        assert_eq!(letters('-', 0o6755), "-rwsr-sr-x");
        assert_eq!(letters('d', 0o1770), "drwxrwx--T");
        assert_eq!(letters('-', 0o4000), "---S------");
    }
}
