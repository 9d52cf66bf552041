//! The rows of an index against the files of a tree.

use std::collections::{BTreeSet, HashMap};

use remainroot_shims::owner::{Inode, Time};

use super::{Progress, Tree, Trouble};
use crate::store::{File, Row, Systems};
use crate::sys::fd;

/// All rows of an index; those that were met are taken out.
pub struct Rows {
    by_inode: HashMap<(u64, Option<Time>), Vec<Row>>,
    systems: Systems,
    /// The file systems that were met.
    met: BTreeSet<u64>,
}

/// What there is of an inode.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A row.
    Row(Row),
    /// One of its number and birth, but under another name of its file system: none that a run would find.
    Elsewhere(Row),
}

impl Found {
    /// The row, wherever it is.
    pub fn row(&self) -> Option<&Row> {
        match self {
            Found::Nothing => None,
            Found::Row(row) | Found::Elsewhere(row) => Some(row),
        }
    }
}

impl Rows {
    /// Those of an index. `systems` are to be made where /sys and /proc are the machine's own.
    pub fn new(rows: Vec<Row>, systems: Systems) -> Rows {
        let mut by_inode: HashMap<_, Vec<Row>> = HashMap::with_capacity(rows.len());
        for row in rows {
            by_inode.entry((row.ino, row.btime)).or_default().push(row);
        }
        Rows { by_inode, systems, met: BTreeSet::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_inode.is_empty()
    }

    /// Takes the row of a file out.
    pub(super) fn take(&mut self, file: &File<'_>, inode: &Inode) -> Found {
        let system = self.systems.of(file, inode.id.dev);
        self.met.insert(system.key);
        let Some(rows) = self.by_inode.get_mut(&(inode.id.ino, inode.btime)) else { return Found::Nothing };
        if let Some(at) = rows.iter().position(|row| row.fs == system.key) {
            return Found::Row(rows.swap_remove(at));
        }
        // A time to the nanosecond is met once; what mkfs makes is born with the second. An overlay shows the numbers and
        // times of the file systems below it.
        let is_exact = inode.btime.is_some_and(|time| time.nsec != 0) && !system.overlay;
        match rows.iter().find(|row| is_exact && !row.overlay) {
            Some(row) => Found::Elsewhere(row.clone()),
            None => Found::Nothing,
        }
    }

    /// What is left of the file systems that were met.
    pub fn left(self) -> Vec<Row> {
        let Rows { by_inode, met, .. } = self;
        by_inode.into_values().flatten().filter(|row| met.contains(&row.fs)).collect()
    }
}

/// The rows of files that are in none of these trees, though they are on the file systems that those are on.
pub fn gone(trees: &[Tree<'_>], mut rows: Rows) -> Result<Vec<Row>, Trouble> {
    let progress = Progress::new("looking");
    for tree in trees {
        let mut walk = tree.walk()?;
        while let Some(found) = walk.next()? {
            progress.file();
            rows.take(&File::new(std::os::fd::AsFd::as_fd(&found.fd)), &fd::inode_of(&found.stat));
        }
    }
    Ok(rows.left())
}
