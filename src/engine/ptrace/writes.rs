//! Files whose next write must not be missed, though nobody stops at writes: inotify(7) tells of it.
//!
//! When a write has returned, its event is in the queue. Each watch is for one event, so that a file that is written to
//! for hours costs nothing after the first time. What other containers write is told as well.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CStr;
use std::sync::Arc;

use ahash::AHashMap;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use remainroot_shims::abi::Errno;
use remainroot_shims::owner::FileId;

/// Which files are watched, and what came of it.
#[derive(Default)]
pub(super) struct Writes {
    /// Made when it is first needed; `None` where the user has too many of them (`fs.inotify.max_user_instances`).
    inotify: OnceCell<Option<Arc<Inotify>>>,
    files: RefCell<AHashMap<FileId, Watched>>,
    by_descriptor: RefCell<AHashMap<WatchDescriptor, FileId>>,
    /// How many files there are; asked at every stat.
    count: Cell<usize>,
}

struct Watched {
    descriptor: WatchDescriptor,
    /// What was announced for the next write.
    drops: u32,
    /// Whether it has come.
    written: bool,
}

impl Writes {
    /// See [`remainroot_shims::guest::Guest::watched`].
    pub fn announced(&self, id: FileId) -> Option<u32> {
        if self.count.get() == 0 { None } else { self.files.borrow().get(&id).map(|watched| watched.drops) }
    }

    /// What to watch with.
    pub fn inotify(&self) -> Option<Arc<Inotify>> {
        let make = || Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok().map(Arc::new);
        self.inotify.get_or_init(make).clone()
    }

    /// A file is watched by this descriptor. If it was already, what is announced now stands.
    pub fn add(&self, id: FileId, descriptor: WatchDescriptor, drops: u32) {
        self.by_descriptor.borrow_mut().insert(descriptor, id);
        let mut files = self.files.borrow_mut();
        files.insert(id, Watched { descriptor, drops, written: false });
        self.count.set(files.len());
    }

    /// See [`remainroot_shims::guest::Node::written`].
    pub fn take(&self, id: FileId) -> Option<u32> {
        self.listen();
        let mut files = self.files.borrow_mut();
        let drops = files.get(&id).filter(|watched| watched.written)?.drops;
        files.remove(&id);
        self.count.set(files.len());
        Some(drops)
    }

    /// Reads what has happened.
    fn listen(&self) {
        let Some(Some(inotify)) = self.inotify.get() else { return };
        // Until there is no more (EAGAIN).
        while let Ok(events) = inotify.read_events() {
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_MODIFY) {
                    self.note(event.wd);
                }
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.end(event.wd);
                }
            }
        }
    }

    fn note(&self, descriptor: WatchDescriptor) {
        let Some(id) = self.by_descriptor.borrow().get(&descriptor).copied() else { return };
        if let Some(watched) = self.files.borrow_mut().get_mut(&id) {
            watched.written |= watched.descriptor == descriptor;
        }
    }

    /// A watch has ended: with the event that it was for, which waits to be told, or with its file.
    fn end(&self, descriptor: WatchDescriptor) {
        let Some(id) = self.by_descriptor.borrow_mut().remove(&descriptor) else { return };
        let mut files = self.files.borrow_mut();
        if files.get(&id).is_some_and(|watched| watched.descriptor == descriptor && !watched.written) {
            files.remove(&id);
        }
        self.count.set(files.len());
    }
}

/// Writes the file that `path` leads to.
pub(super) fn watch_once(inotify: &Inotify, path: &CStr) -> Result<WatchDescriptor, Errno> {
    let mask = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ONESHOT;
    inotify.add_watch(path, mask).map_err(|errno| Errno::new(errno as i32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::fs;

    fn id(ino: u64) -> FileId {
        FileId { dev: 1, ino }
    }

    #[test]
    fn the_first_write_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "a").unwrap();
        let name = CString::new(path.to_str().unwrap()).unwrap();
        let writes = Writes::default();
        let inotify = writes.inotify().unwrap();
        writes.add(id(1), watch_once(&inotify, &name).unwrap(), 0o4000);
        assert_eq!(
            (writes.announced(id(1)), writes.announced(id(2)), writes.take(id(1))),
            (Some(0o4000), None, None)
        );
        fs::File::open(&path).unwrap();
        assert_eq!(writes.take(id(1)), None, "reading is no writing");
        fs::write(&path, "bc").unwrap();
        fs::write(&path, "d").unwrap();
        assert_eq!(
            (writes.take(id(1)), writes.take(id(1)), writes.announced(id(1))),
            (Some(0o4000), None, None)
        );
    }

    #[test]
    fn a_watch_ends_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "a").unwrap();
        let name = CString::new(path.to_str().unwrap()).unwrap();
        let writes = Writes::default();
        writes.add(id(1), watch_once(&writes.inotify().unwrap(), &name).unwrap(), 0);
        fs::remove_file(&path).unwrap();
        assert_eq!((writes.take(id(1)), writes.announced(id(1))), (None, None));
    }
}
