//! The save file of fakeroot(1): one inode a line, for `fakeroot -i`. It knows no attributes.

use crate::owners::entry::Entry;

/// The line for an entry; nothing for another name of an inode that was written already.
pub(super) fn line(entry: &Entry) -> String {
    if entry.first.is_some() {
        return String::new();
    }
    let (inode, attr) = (&entry.inode, &entry.attr);
    format!(
        "dev={:x},ino={},mode={:o},uid={},gid={},nlink={},rdev={}\n",
        inode.id.dev, inode.id.ino, attr.mode, attr.uid, attr.gid, inode.nlink, attr.rdev
    )
}
