//! The rows of an index against the files of a tree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsFd;

use remainroot_shims::owner::{FileId, Inode, Time};

use super::walk::{Found as Met, Way, covered};
use super::{Progress, Tree, Trouble};
use crate::store::{File, Row, System, Systems};
use crate::sys::fd;

/// All rows of an index; those that were met are taken out.
pub struct Rows {
    by_inode: HashMap<(u64, Option<Time>), Vec<Row>>,
    systems: Systems,
    /// The file systems that directories were looked into of, by key, and apart from those the overlays: the key of one
    /// may be that of the file system below it.
    walked: BTreeMap<(u64, bool), Walked>,
}

/// A file system of which directories were looked into.
struct Walked {
    /// See [`System`].
    system: System,
    /// The device of its directories.
    dev: u64,
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
        Rows { by_inode, systems, walked: BTreeMap::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_inode.is_empty()
    }

    /// Takes the row of a file out, which a walk has come to and went this way at.
    pub(super) fn take(&mut self, file: &File<'_>, inode: &Inode, way: Way) -> Found {
        let dev = inode.id.dev;
        let system = self.systems.of(file, dev);
        if way == Way::Into {
            self.walked.entry((system.key, system.overlay)).or_insert(Walked { system, dev });
        }
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

    /// How many are left of the file systems that were looked into.
    pub fn left(&self) -> u64 {
        let of_these = |row: &&Row| self.walked.contains_key(&(row.fs, row.overlay));
        self.by_inode.values().flatten().filter(of_these).count() as u64
    }
}

/// What is in none of some trees.
#[derive(Debug, Default)]
pub struct Gone {
    /// Rows of files that are gone.
    pub rows: Vec<Row>,
    /// Why others are kept, of whose files nobody can tell, and how many.
    pub kept: BTreeMap<String, u64>,
}

/// What walks did not look at, by the key of the file system that it may be of.
#[derive(Default)]
struct Unseen {
    /// Mounts that may hide files of it.
    hidden: BTreeMap<u64, BTreeSet<String>>,
    /// Mounts of it, with what is at their root.
    mounted: BTreeMap<u64, BTreeSet<(String, FileId)>>,
    /// The roots of the trees: such a mount was looked at after all.
    roots: Vec<FileId>,
}

/// The rows of files that are in none of these trees, though they are on the file systems that those are on, as far as all
/// of these could be looked at.
pub fn gone(trees: &[Tree<'_>], mut rows: Rows) -> Result<Gone, Trouble> {
    let mut unseen = Unseen::default();
    for _ in 0..2 {
        // Twice: a file that was moved meanwhile, from where it was to come to where the walk had been, is there now.
        for tree in trees {
            look(tree, &mut rows, &mut unseen)?;
        }
        if rows.left() == 0 {
            break;
        }
    }
    let mut gone = Gone::default();
    let Rows { by_inode, systems, walked } = rows;
    for row in by_inode.into_values().flatten() {
        match walked.get(&(row.fs, row.overlay)) {
            Some(walked) if !systems.is_alone(walked.system, walked.dev) => {
                *gone.kept.entry(not_alone(walked.system)).or_default() += 1;
            }
            Some(_) => match unseen.hidden(row.fs).or_else(|| unseen.mounted(row.fs)) {
                Some(why) => *gone.kept.entry(why).or_default() += 1,
                None => gone.rows.push(row),
            },
            None => {
                if let Some(why) = unseen.mounted(row.fs) {
                    *gone.kept.entry(why).or_default() += 1;
                }
            }
        }
    }
    Ok(gone)
}

/// Takes the rows of all files of a tree out.
fn look(tree: &Tree<'_>, rows: &mut Rows, unseen: &mut Unseen) -> Result<(), Trouble> {
    let progress = Progress::new("looking");
    let (mut walk, mut systems, mut mounts) = (tree.walk()?, BTreeSet::new(), BTreeSet::new());
    while let Some(found) = walk.next()? {
        progress.file();
        let Met { path, fd, stat, way } = &found;
        let (file, inode) = (File::new(fd.as_fd()), fd::inode_of(stat));
        let key = rows.systems.of(&file, inode.id.dev).key;
        if path.is_empty() {
            unseen.roots.push(inode.id);
            if let Some((above, stat)) = covered(&found) {
                let key = rows.systems.of(&File::new(above.as_fd()), fd::inode_of(&stat).id.dev).key;
                unseen.hidden.entry(key).or_default().insert(tree.below(path));
            }
        }
        match way {
            Way::Into => drop(systems.insert(key)),
            Way::Past => {}
            Way::Mount => {
                let name = tree.below(path);
                mounts.insert(name.clone());
                unseen.mounted.entry(key).or_default().insert((name, inode.id));
            }
        }
        rows.take(&file, &inode, *way);
    }
    if !mounts.is_empty() {
        systems.into_iter().for_each(|key| unseen.hidden.entry(key).or_default().extend(mounts.clone()));
    }
    Ok(())
}

impl Unseen {
    /// Why a file of the file system with this key may be below what a walk met.
    fn hidden(&self, key: u64) -> Option<String> {
        let names: Vec<_> = self.hidden.get(&key)?.iter().map(String::as_str).collect();
        Some(format!("a mount hides what may be below it, unmount it first: {}", names.join(", ")))
    }

    /// Why it may be where no walk went.
    fn mounted(&self, key: u64) -> Option<String> {
        let others = self.mounted.get(&key)?.iter().filter(|(_, id)| !self.roots.contains(id));
        let names: Vec<_> = others.map(|(name, _)| name.as_str()).collect();
        (!names.is_empty())
            .then(|| format!("mounts are not gone into, name them as trees, too: {}", names.join(", ")))
    }
}

/// Why what was recorded of a file system that was looked into may be of another's files.
fn not_alone(system: System) -> String {
    let why = match system.overlay {
        true => "nothing tells the overlay from others on its file system (uuid=on does)",
        false => "nothing but the number of its device tells the disk from others",
    };
    why.to_owned()
}
