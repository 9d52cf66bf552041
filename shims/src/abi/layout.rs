//! Where the fields of the kernel's stat structures lie, for every call and ABI that fills one.
//!
//! A structure is bytes with a table of offsets, never a cast: the same code reads and patches all five forms.
//! Offsets are those of `arch/x86/include/uapi/asm/stat.h` and `include/uapi/linux/stat.h`.

/// One little-endian unsigned number in a structure.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    at: usize,
    width: usize,
}

impl Field {
    const fn new(at: usize, width: usize) -> Field {
        Field { at, width }
    }

    const fn end(self) -> usize {
        self.at + self.width
    }

    /// Its value; 0 if `bytes` is too short for it.
    fn get(self, bytes: &[u8]) -> u64 {
        let part = bytes.get(self.at..self.end()).unwrap_or_default();
        part.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    /// Puts the low bytes of `value` there.
    fn set(self, bytes: &mut [u8], value: u64) {
        if let Some(part) = bytes.get_mut(self.at..self.end()) {
            part.copy_from_slice(&value.to_le_bytes()[..self.width]);
        }
    }
}

/// How a device number is written.
#[derive(Clone, Copy, Debug)]
enum Dev {
    /// One number, `new_encode_dev`: as wide as the field, so the oldest form loses all but 8 + 8 bits.
    Encoded(Field),
    /// statx's pair of major and minor.
    Pair(Field, Field),
}

impl Dev {
    fn get(self, bytes: &[u8]) -> u64 {
        match self {
            Dev::Encoded(field) => field.get(bytes),
            Dev::Pair(major, minor) => makedev(major.get(bytes) as u32, minor.get(bytes) as u32),
        }
    }

    fn set(self, bytes: &mut [u8], dev: u64) {
        match self {
            Dev::Encoded(field) => field.set(bytes, dev),
            Dev::Pair(major_field, minor_field) => {
                major_field.set(bytes, major(dev).into());
                minor_field.set(bytes, minor(dev).into());
            }
        }
    }
}

/// The layout of one stat structure.
#[derive(Clone, Copy, Debug)]
pub struct StatLayout {
    dev: Dev,
    ino: Field,
    mode: Field,
    uid: Field,
    gid: Field,
    rdev: Dev,
    ctime: (Field, Field),
    /// Whether device and inode number are whole here, so that a file can be told by them.
    tells_identity: bool,
    /// How the structure comes of a `struct statx`.
    pub from_statx: FromStatx,
}

/// How a stat structure comes of a `struct statx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromStatx {
    /// It is one.
    Same,
    /// By [`stat_from_statx`].
    Converted,
    /// Not at all: too rare to be worth it.
    Never,
}

/// What a stat structure says of a file, as far as it matters to owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatFields {
    /// Number of the device that holds it.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Time of the last change to the inode: seconds since the epoch and nanoseconds.
    pub ctime: (i64, u32),
    /// Type and mode bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of the device that it is, if it is one.
    pub rdev: u64,
}

/// `struct stat` of x86-64.
pub const STAT_X86_64: StatLayout = StatLayout {
    dev: Dev::Encoded(Field::new(0, 8)),
    ino: Field::new(8, 8),
    mode: Field::new(24, 4),
    uid: Field::new(28, 4),
    gid: Field::new(32, 4),
    rdev: Dev::Encoded(Field::new(40, 8)),
    ctime: (Field::new(104, 8), Field::new(112, 8)),
    tells_identity: true,
    from_statx: FromStatx::Converted,
};

/// `struct stat` of i386 (16-bit ids).
pub const STAT_I386: StatLayout = StatLayout {
    dev: Dev::Encoded(Field::new(0, 4)),
    ino: Field::new(4, 4),
    mode: Field::new(8, 2),
    uid: Field::new(12, 2),
    gid: Field::new(14, 2),
    rdev: Dev::Encoded(Field::new(16, 4)),
    ctime: (Field::new(48, 4), Field::new(52, 4)),
    tells_identity: true,
    from_statx: FromStatx::Never,
};

/// `struct stat64` of i386, packed to four bytes.
pub const STAT64_I386: StatLayout = StatLayout {
    dev: Dev::Encoded(Field::new(0, 8)),
    ino: Field::new(88, 8),
    mode: Field::new(16, 4),
    uid: Field::new(24, 4),
    gid: Field::new(28, 4),
    rdev: Dev::Encoded(Field::new(32, 8)),
    ctime: (Field::new(80, 4), Field::new(84, 4)),
    tells_identity: true,
    from_statx: FromStatx::Never,
};

/// `struct __old_kernel_stat` of i386: 16 bits for nearly everything, so it cannot say which file it is of.
pub const OLDSTAT_I386: StatLayout = StatLayout {
    dev: Dev::Encoded(Field::new(0, 2)),
    ino: Field::new(2, 2),
    mode: Field::new(4, 2),
    uid: Field::new(8, 2),
    gid: Field::new(10, 2),
    rdev: Dev::Encoded(Field::new(12, 2)),
    ctime: (Field::new(28, 4), Field::new(28, 0)),
    tells_identity: false,
    from_statx: FromStatx::Never,
};

/// `struct statx`, the same in every ABI.
pub const STATX: StatLayout = StatLayout {
    dev: Dev::Pair(Field::new(136, 4), Field::new(140, 4)),
    ino: Field::new(32, 8),
    mode: Field::new(28, 2),
    uid: Field::new(20, 4),
    gid: Field::new(24, 4),
    rdev: Dev::Pair(Field::new(128, 4), Field::new(132, 4)),
    ctime: (Field::new(96, 8), Field::new(104, 4)),
    tells_identity: true,
    from_statx: FromStatx::Same,
};

/// The most that [`StatLayout::extent`] can be, for a buffer on the stack.
pub const STAT_MAX: usize = 144;

/// Bytes of `struct statx`.
pub const STATX_SIZE: usize = 256;

/// Bytes of `struct stat` of x86-64.
pub const STAT_X86_64_SIZE: usize = 144;

/// `struct stat` of x86-64 from a `struct statx` with the basic fields: what `cp_new_stat` would have written.
pub fn stat_from_statx(statx: &[u8; STATX_SIZE]) -> [u8; STAT_X86_64_SIZE] {
    const BLKSIZE: (Field, Field) = (Field::new(4, 4), Field::new(56, 8));
    const NLINK: (Field, Field) = (Field::new(16, 4), Field::new(16, 8));
    const SIZE: (Field, Field) = (Field::new(40, 8), Field::new(48, 8));
    const BLOCKS: (Field, Field) = (Field::new(48, 8), Field::new(64, 8));
    // Access, modification and change, each as seconds and nanoseconds.
    const TIMES: [(Field, Field); 6] = [
        (Field::new(64, 8), Field::new(72, 8)),
        (Field::new(72, 4), Field::new(80, 8)),
        (Field::new(112, 8), Field::new(88, 8)),
        (Field::new(120, 4), Field::new(96, 8)),
        (Field::new(96, 8), Field::new(104, 8)),
        (Field::new(104, 4), Field::new(112, 8)),
    ];
    let mut stat = [0; STAT_X86_64_SIZE];
    for (from, to) in [BLKSIZE, NLINK, SIZE, BLOCKS].into_iter().chain(TIMES) {
        to.set(&mut stat, from.get(statx));
    }
    let (from, to) = (&STATX, &STAT_X86_64);
    to.dev.set(&mut stat, from.dev.get(statx));
    to.rdev.set(&mut stat, from.rdev.get(statx));
    for (from, to) in [(from.ino, to.ino), (from.mode, to.mode), (from.uid, to.uid), (from.gid, to.gid)] {
        to.set(&mut stat, from.get(statx));
    }
    stat
}

impl StatLayout {
    /// How many bytes from the start hold all the fields that matter.
    pub const fn extent(&self) -> usize {
        let mut end = self.ctime.1.end();
        let others = [
            self.ino.end(),
            match self.dev {
                Dev::Encoded(field) => field.end(),
                Dev::Pair(_, minor) => minor.end(),
            },
        ];
        let mut n = 0;
        while n < others.len() {
            if others[n] > end {
                end = others[n];
            }
            n += 1;
        }
        end
    }

    /// Whether the structure says which file it is of.
    pub const fn tells_identity(&self) -> bool {
        self.tells_identity
    }

    /// Whether an inode number fits.
    pub const fn holds(&self, ino: u64) -> bool {
        self.ino.width >= 8 || ino >> (8 * self.ino.width) == 0
    }

    /// Reads the fields.
    pub fn decode(&self, bytes: &[u8]) -> StatFields {
        let (sec, nsec) = self.ctime;
        StatFields {
            dev: self.dev.get(bytes),
            ino: self.ino.get(bytes),
            ctime: (sec.get(bytes) as i64, nsec.get(bytes) as u32),
            mode: self.mode.get(bytes) as u32,
            uid: self.uid.get(bytes) as u32,
            gid: self.gid.get(bytes) as u32,
            rdev: self.rdev.get(bytes),
        }
    }

    /// Writes owner, group, mode, device number and identity, each only where it differs from `before`, and returns which
    /// bytes changed. Ids above 65535 become the overflow id where the field has 16 bits (`high2lowuid`).
    pub fn patch(
        &self,
        bytes: &mut [u8],
        before: &StatFields,
        after: &StatFields,
    ) -> Option<std::ops::Range<usize>> {
        let mut changed: Option<std::ops::Range<usize>> = None;
        let mut cover = |from: usize, to: usize| {
            let range = changed.get_or_insert(from..to);
            *range = range.start.min(from)..range.end.max(to);
        };
        for (field, old, new) in [
            (self.mode, before.mode, after.mode),
            (self.uid, before.uid, narrow(after.uid, self.uid.width)),
            (self.gid, before.gid, narrow(after.gid, self.gid.width)),
        ] {
            if old != new {
                field.set(bytes, new.into());
                cover(field.at, field.end());
            }
        }
        if before.ino != after.ino {
            self.ino.set(bytes, after.ino);
            cover(self.ino.at, self.ino.end());
        }
        for (field, old, new) in [(self.dev, before.dev, after.dev), (self.rdev, before.rdev, after.rdev)] {
            if old != new {
                field.set(bytes, new);
                match field {
                    Dev::Encoded(field) => cover(field.at, field.end()),
                    Dev::Pair(major, minor) => cover(major.at, minor.end()),
                }
            }
        }
        changed
    }
}

fn narrow(id: u32, width: usize) -> u32 {
    if width == 2 && id > 0xFFFF { 65534 } else { id }
}

/// A device number in the encoding of `st_dev` and `st_rdev` (`new_encode_dev`): 12 bits of major, 20 of minor.
pub const fn makedev(major: u32, minor: u32) -> u64 {
    (((minor & !0xFF) << 12) | (major << 8) | (minor & 0xFF)) as u64
}

/// The major part of a device number (`new_decode_dev`).
pub const fn major(dev: u64) -> u32 {
    (dev as u32 & 0x000F_FF00) >> 8
}

/// The minor part of a device number (`new_decode_dev`).
pub const fn minor(dev: u64) -> u32 {
    (dev as u32 & 0xFF) | ((dev as u32 >> 12) & 0xF_FF00)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUTS: [StatLayout; 5] = [STAT_X86_64, STAT_I386, STAT64_I386, OLDSTAT_I386, STATX];

    #[test]
    fn every_layout_fits_the_buffer_on_the_stack() {
        for layout in LAYOUTS {
            assert!(layout.extent() <= STAT_MAX, "{layout:?}");
            for field in [layout.mode, layout.uid, layout.gid] {
                assert!(field.end() <= layout.extent(), "{layout:?}");
            }
        }
    }

    #[test]
    fn what_is_patched_reads_back_and_nothing_else_moves() {
        for layout in LAYOUTS {
            let mut bytes: Vec<u8> = (0..layout.extent() as u8).collect();
            let original = bytes.clone();
            let before = layout.decode(&bytes);
            assert_eq!(layout.patch(&mut bytes, &before, &before), None);
            let after = StatFields { uid: 70_000, gid: 33, mode: 0o104755, rdev: makedev(8, 1), ..before };
            let range = layout.patch(&mut bytes, &before, &after).unwrap();
            let read = layout.decode(&bytes);
            let uid = if layout.uid.width == 2 { 65534 } else { 70_000 };
            assert_eq!((read.uid, read.gid, read.mode, read.rdev), (uid, 33, 0o104755, makedev(8, 1)));
            assert_eq!((read.dev, read.ino, read.ctime), (before.dev, before.ino, before.ctime));
            assert_eq!(bytes[..range.start], original[..range.start]);
            assert_eq!(bytes[range.end..], original[range.end..]);
        }
    }

    #[test]
    fn device_numbers_take_apart_and_come_together() {
        for (a, b) in [(1, 3), (5, 0), (259, 70_000), (4095, 0xF_FFFF)] {
            let dev = makedev(a, b);
            assert_eq!((major(dev), minor(dev)), (a, b));
        }
        assert_eq!(makedev(8, 1), 0x801);
    }
}
