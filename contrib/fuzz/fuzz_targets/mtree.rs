//! mtree files: no path leads out of the tree.
#![no_main]

use remainroot_shims::owner::lists::mtree::Parser;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let mut parser = Parser::default();
    for line in text.split(|&byte| byte == b'\n') {
        if let Ok(Some((path, _))) = parser.line(line) {
            let mut parts = path.split(|&byte| byte == b'/');
            assert!(
                path.is_empty()
                    || parts.all(|part| !matches!(part, b"" | b"." | b"..") && !part.contains(&0))
            );
        }
    }
    let _ = parser.end();
});
