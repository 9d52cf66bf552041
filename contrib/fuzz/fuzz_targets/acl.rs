//! ACLs and file capabilities in the form of their attributes: what is read and written again is read as the same, and
//! of a valid list the mode says what was asked for.
#![no_main]

use remainroot_shims::owner::{Acl, shown_capability};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&[low, high], value)) = bytes.split_first_chunk() else { return };
    let mode = u32::from(u16::from_le_bytes([low, high])) & 0o777;
    let _ = shown_capability(value);
    let Ok(Some(mut acl)) = Acl::from_xattr(value) else { return };
    assert_eq!(Acl::from_xattr(&acl.to_xattr()).as_ref(), Ok(&Some(acl.clone())));
    let (bits, _) = acl.clone().create(mode);
    assert_eq!(bits & !mode, 0, "more than was asked for");
    if acl.valid().is_ok() {
        acl.chmod(mode);
        assert_eq!((acl.valid(), acl.equiv_mode().0), (Ok(()), mode));
    }
});
