//! A page of numbers in a file that several processes have mapped, and a bell between them.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many kinds of news the bell tells apart.
pub const KINDS: usize = 4;

/// One page of a file.
#[derive(Debug)]
pub struct Counter {
    page: NonNull<Layout>,
}

/// What is in it. A new file is all zeros.
#[derive(Debug)]
#[repr(C)]
struct Layout {
    value: AtomicU64,
    /// The bell has a cache line of its own.
    apart: [u64; 7],
    /// How often it has rung: a futex.
    bell: AtomicU32,
    /// How many have begun to listen. Those that were killed never end: then it rings for nobody, which costs little.
    listeners: AtomicU32,
    /// How often for which kind.
    kinds: [AtomicU32; KINDS],
    /// How often somebody wanted what another process kept to itself.
    wanted: AtomicU32,
}

/// How often the bell has rung, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rung {
    bell: u32,
    kinds: [u32; KINDS],
}

impl Rung {
    /// The kinds for which it has rung since `earlier`, as bits.
    pub fn since(&self, earlier: &Rung) -> u8 {
        let differs = |kind: &usize| self.kinds[*kind] != earlier.kinds[*kind];
        (0..KINDS).filter(differs).fold(0, |bits, kind| bits | 1 << kind)
    }
}

const PAGE: usize = 4096;

// SAFETY: the page is mapped as long as a `Counter` lives, wherever it is used, and holds nothing but atomic numbers.
unsafe impl Send for Counter {}
// SAFETY: see above.
unsafe impl Sync for Counter {}

impl Counter {
    /// Maps the beginning of `file`, which is filled up with zeros to a page.
    pub fn map(file: &File) -> io::Result<Counter> {
        let length = file.metadata()?.len();
        if let Some(missing) = (PAGE as u64).checked_sub(length).filter(|missing| *missing > 0) {
            // Written and not merely made longer: a hole could not be filled on a full disk, and kill us with SIGBUS.
            file.write_all_at(&vec![0; missing as usize], length)?;
        }
        let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping, wherever the kernel likes.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, rights, flags, file.as_raw_fd(), 0) };
        match NonNull::new(page.cast::<Layout>()) {
            Some(page) if page.as_ptr().cast() != libc::MAP_FAILED => Ok(Counter { page }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn layout(&self) -> &Layout {
        // SAFETY: aligned to a page, smaller than one, mapped as long as `self` lives, and nobody uses it but
        // atomically.
        unsafe { self.page.as_ref() }
    }

    /// The number.
    pub fn value(&self) -> &AtomicU64 {
        &self.layout().value
    }

    /// Rings for these kinds, which are bits.
    pub fn ring(&self, kinds: u8) {
        let layout = self.layout();
        for (kind, count) in layout.kinds.iter().enumerate() {
            if kinds & 1 << kind != 0 {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
        layout.bell.fetch_add(1, Ordering::SeqCst);
        if layout.listeners.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
    }

    /// How often somebody wanted what another process keeps to itself.
    pub fn wanted(&self) -> u32 {
        self.layout().wanted.load(Ordering::SeqCst)
    }

    /// Says that somebody wants it, and wakes whoever listens.
    pub fn want(&self) {
        self.layout().wanted.fetch_add(1, Ordering::SeqCst);
        self.ring(0);
    }

    /// Wakes all that listen.
    pub fn wake(&self) {
        let bell = self.layout().bell.as_ptr();
        // SAFETY: takes the address of a mapped and aligned number, which the kernel does not change.
        unsafe { libc::syscall(libc::SYS_futex, bell, libc::FUTEX_WAKE, i32::MAX) };
    }

    /// Says that this process listens from now on.
    pub fn begin_to_listen(&self) {
        self.layout().listeners.fetch_add(1, Ordering::SeqCst);
    }

    /// The reverse of [`Counter::begin_to_listen`].
    pub fn end_listening(&self) {
        self.layout().listeners.fetch_sub(1, Ordering::SeqCst);
    }

    /// How often it has rung.
    pub fn rung(&self) -> Rung {
        let layout = self.layout();
        // First the bell: what rings meanwhile rings again for those who wait.
        let bell = layout.bell.load(Ordering::SeqCst);
        Rung { bell, kinds: layout.kinds.each_ref().map(|count| count.load(Ordering::SeqCst)) }
    }

    /// Waits until it rings again, unless it has already, or somebody wakes all.
    pub fn await_more(&self, than: &Rung) {
        let bell = self.layout().bell.as_ptr();
        let forever = std::ptr::null::<libc::timespec>();
        // SAFETY: takes the address of a mapped and aligned number, which the kernel does not change.
        unsafe { libc::syscall(libc::SYS_futex, bell, libc::FUTEX_WAIT, than.bell, forever) };
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference to it is left.
        unsafe { libc::munmap(self.page.as_ptr().cast(), PAGE) };
    }
}
