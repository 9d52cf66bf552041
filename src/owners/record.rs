//! Recording for many files: all of it, or nothing.

use nix::errno::Errno;
use remainroot_shims::owner::{FileId, Record, Time};

use super::entry::Entry;
use super::{Progress, Tree, Trouble};
use crate::sandbox::why;
use crate::store::File;
use crate::sys::fd;

/// A file, and what is to be recorded of it. It is named by its path and told from others by its inode, so that
/// nothing has to be held open.
pub(super) struct Change {
    path: Vec<u8>,
    id: FileId,
    birth: Option<Time>,
    before: Option<Record>,
    after: Record,
}

impl Change {
    /// The change of an entry.
    pub fn of(entry: &Entry, after: Record) -> Change {
        Change {
            path: entry.path.clone(),
            id: entry.inode.id,
            birth: entry.inode.btime,
            before: entry.stored.clone(),
            after,
        }
    }
}

impl Tree<'_> {
    /// Records all changes, which are in the order in which the files come. If one fails, what was known before is
    /// recorded again. A file that is gone or was replaced since is passed over.
    pub(super) fn record(&self, changes: &[Change], progress: &Progress) -> Result<(), Trouble> {
        let Err((done, trouble)) = self.pass(changes, |change| Some(&change.after), progress) else {
            return Ok(());
        };
        Err(match self.pass(&changes[..done], |change| change.before.as_ref(), progress) {
            Ok(()) => trouble.mended_by("nothing was recorded; what was known before stands"),
            Err((_, worse)) => {
                trouble.mended_by(format!("and what was known before could not be recorded again: {worse}"))
            }
        })
    }

    /// Goes through the tree and records something of each file that has a change; forgets it where that is nothing. An
    /// error tells how many changes were made.
    fn pass<'c>(
        &self,
        changes: &'c [Change],
        pick: impl Fn(&'c Change) -> Option<&'c Record>,
        progress: &Progress,
    ) -> Result<(), (usize, Trouble)> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut walk = self.walk().map_err(|trouble| (0, trouble))?;
        let mut done = 0;
        while let Some(found) = walk.next().map_err(|trouble| (done, trouble))? {
            progress.file();
            // Those between were there when the changes were made out, and are not any more.
            while changes
                .get(done)
                .is_some_and(|change| super::diff::order(&change.path, &found.path).is_lt())
            {
                done += 1;
            }
            let Some(change) = changes.get(done) else { break };
            let inode = fd::inode_of(&found.stat);
            if change.path != found.path || change.id != inode.id || change.birth != inode.btime {
                continue;
            }
            let file = File::new(std::os::fd::AsFd::as_fd(&found.fd));
            let result = match pick(change) {
                Some(record) => self.store.put(&file, &inode, record.clone()),
                None => self.store.forget(&file, &inode),
            };
            result.map_err(|errno| {
                let why = why(Errno::from_raw(errno.into_raw()));
                (done, Trouble::new(format!("cannot record the owner of {}: {why}", self.below(&found.path))))
            })?;
            done += 1;
        }
        Ok(())
    }
}
