//! Values of the index: what is read and written again is read as the same.
#![no_main]

#[allow(dead_code)]
#[path = "../../../src/store/row.rs"]
mod row;

use row::{decode, encode};

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    if let Some(row) = decode(1, 2, 3, 0, value) {
        assert_eq!(decode(1, 2, 3, 0, &encode(&row)), Some(row));
    }
});
