//! User and group ids. The kernel reads (uid_t)-1 as "no id" or "leave alone" wherever it is given; here it never
//! travels as an id: it is parsed at the door into `KeepUid::Keep` or refused.

macro_rules! id_type {
    ($(#[$doc:meta])* $id:ident, $keep:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $id(u32);

        impl $id {
            /// Id 0.
            pub const ROOT: $id = $id(0);
            /// What the kernel shows for an id that has no mapping (`overflowuid`, `overflowgid`).
            pub const OVERFLOW: $id = $id(65534);

            /// The id for a raw number; `None` for -1, which the kernel calls invalid (`uid_valid`, `gid_valid`).
            pub const fn new(raw: u32) -> Option<$id> {
                if raw == u32::MAX { None } else { Some($id(raw)) }
            }

            /// The number, as the guest sees it.
            pub const fn raw(self) -> u32 {
                self.0
            }

            /// The number that a 16-bit getter shows: ids above 65535 become the overflow id
            /// (`high2lowuid` in `include/linux/highuid.h`).
            pub const fn to_16(self) -> u16 {
                if self.0 > 0xFFFF { 65534 } else { self.0 as u16 }
            }
        }

        #[doc = concat!("An argument that is either -1, \"leave it as it is\", or a [`", stringify!($id), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $keep {
            /// The caller passed -1.
            Keep,
            /// The caller passed an id.
            Set($id),
        }

        impl $keep {
            /// Reads a 32-bit argument.
            pub const fn from_raw(raw: u32) -> $keep {
                match $id::new(raw) {
                    Some(id) => $keep::Set(id),
                    None => $keep::Keep,
                }
            }

            /// Widens the argument of a 16-bit call: 0xFFFF is its -1 (`low2highuid`).
            pub const fn from_16(raw: u16) -> $keep {
                if raw == u16::MAX { $keep::Keep } else { $keep::Set($id(raw as u32)) }
            }

            /// The id, if one was given.
            pub const fn id(self) -> Option<$id> {
                match self {
                    $keep::Keep => None,
                    $keep::Set(id) => Some(id),
                }
            }

            /// The id that was given, or `present` where it was -1.
            pub const fn or(self, present: $id) -> $id {
                match self {
                    $keep::Keep => present,
                    $keep::Set(id) => id,
                }
            }
        }

        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// A virtual user id: what the guest sees. Never -1; ids of 2³¹ and above are ordinary.
    Uid,
    KeepUid
);
id_type!(
    /// A virtual group id: what the guest sees. Never -1; ids of 2³¹ and above are ordinary.
    Gid,
    KeepGid
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_is_never_an_id() {
        assert_eq!(Uid::new(u32::MAX), None);
        assert_eq!(KeepUid::from_raw(u32::MAX), KeepUid::Keep);
        assert_eq!(KeepUid::from_raw(0x8000_0000).id().map(Uid::raw), Some(0x8000_0000));
    }

    #[test]
    fn sixteen_bit_ids_are_widened_and_narrowed() {
        assert_eq!(KeepGid::from_16(0xFFFF), KeepGid::Keep);
        assert_eq!(KeepGid::from_16(0xFFFE).id().map(Gid::raw), Some(65534));
        assert_eq!(Gid::new(70000).map(Gid::to_16), Some(65534));
        assert_eq!(Gid::new(65535).map(Gid::to_16), Some(65535));
    }
}
