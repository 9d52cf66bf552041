//! Lines of fakeroot's save file.
#![no_main]

use remainroot_shims::owner::lists::fakeroot::line;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    for text in text.split(|&byte| byte == b'\n') {
        if let Ok((_, claim)) = line(text) {
            assert!(claim.mode.is_some_and(|mode| mode <= 0o7777) && claim.kind.is_some());
        }
    }
});
