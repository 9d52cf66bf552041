//! The attribute `user.rootlesscontainers`: what is read and written again is read as the same.
#![no_main]

use remainroot_shims::abi::{Gid, KeepGid, KeepUid, Uid};
use remainroot_shims::owner::mirror::rootlesscontainers::{format, parse};

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    if let Ok((uid, gid)) = parse(value) {
        let (uid, gid) = (uid.or(Uid::ROOT), gid.or(Gid::ROOT));
        assert_eq!(parse(&format(uid, gid)), Ok((KeepUid::Set(uid), KeepGid::Set(gid))));
    }
});
