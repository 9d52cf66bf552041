//! Definitions of pseudo files, for `mksquashfs TREE IMAGE -pf FILE`: what changes the owner and mode of the files that
//! mksquashfs(1) finds in the tree, and devices for those that it is told to leave out.

use nix::libc::{major, minor};

use crate::owners::Progress;
use crate::owners::entry::{Entry, Kind};
use crate::owners::names::shown;
use remainroot_shims::owner::PERMISSIONS;

/// Writes lines, and remembers what they cannot say.
#[derive(Default)]
pub(super) struct Writer {
    /// Paths of placeholders, as they are given to `-e`.
    placeholders: Vec<String>,
    with_attributes: u64,
}

impl Writer {
    /// The line for an entry.
    pub fn line(&mut self, entry: &Entry, progress: &Progress) -> Vec<u8> {
        let attr = &entry.attr;
        let owner = format!("{:o} {} {}", entry.permissions(), attr.uid, attr.gid);
        if entry.path.is_empty() {
            if (attr.uid.raw(), attr.gid.raw()) != (0, 0)
                || entry.permissions() != entry.inode.mode & PERMISSIONS
            {
                progress.say(&format!(
                    "the tree's own root has no line of its own; give mksquashfs -root-uid {} -root-gid {} -root-mode {:o}",
                    attr.uid, attr.gid, entry.permissions()
                ));
            }
            return Vec::new();
        }
        let Some(name) = quoted(&entry.path) else {
            progress.say(&format!("{}: left out, a line cannot hold its name", shown(&entry.path)));
            return Vec::new();
        };
        self.with_attributes += u64::from(!entry.xattrs.is_empty());
        let definition = match entry.kind() {
            kind @ (Kind::Char | Kind::Block) => {
                if Kind::of(entry.inode.mode) != kind {
                    self.placeholders.push(shown(&entry.path));
                }
                let letter = if kind == Kind::Char { 'c' } else { 'b' };
                format!("{letter} {owner} {} {}", major(attr.rdev), minor(attr.rdev))
            }
            _ => format!("m {owner}"),
        };
        [&name[..], b" ", definition.as_bytes(), b"\n"].concat()
    }

    /// Says what else mksquashfs has to be told.
    pub fn finish(&self, progress: &Progress) {
        if !self.placeholders.is_empty() {
            progress.say(&format!(
                "for devices to take the place of the files that stand for them, end the command with: -e {}",
                self.placeholders.join(" ")
            ));
        }
        if self.with_attributes > 0 {
            progress.say(&format!(
                "extended attributes of {} files are not in the lines, which cannot hold them; a tar archive can \
                 (--format tar, for sqfstar or tar2sqfs)",
                self.with_attributes
            ));
        }
    }
}

/// A name as `mksquashfs` reads it: in quotation marks, which make spaces part of it, with a backslash before those
/// that belong to the name. `None` if it would end the line.
fn quoted(path: &[u8]) -> Option<Vec<u8>> {
    let mut name = vec![b'"'];
    for &byte in path {
        match byte {
            b'\n' => return None,
            b'"' | b'\\' => name.extend([b'\\', byte]),
            _ => name.push(byte),
        }
    }
    name.push(b'"');
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted(b"a b\"c\\d").unwrap(), br#""a b\"c\\d""#);
        assert_eq!(quoted(b"a\nb"), None);
    }
}
