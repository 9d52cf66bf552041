//! The attribute `user.containers.override_stat`: what is read and written again is read as the same.
#![no_main]

use remainroot_shims::owner::mirror::override_stat::{format, parse};

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    if let Ok(stat) = parse(value) {
        assert_eq!(parse(&format(&stat)), Ok(stat));
    }
});
