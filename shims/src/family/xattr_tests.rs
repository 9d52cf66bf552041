use super::*;
use crate::family::chmod::chmod;
use crate::family::mock::{Mock, call};
use crate::owner::tests_support::user;
use crate::owner::{ACL_ACCESS, ACL_DEFAULT};

const CREATE: u64 = XATTR_CREATE as u64;
const REPLACE: u64 = XATTR_REPLACE as u64;

fn put(mock: &Mock, path: &str, name: &str, value: &[u8], flags: u64) -> Answer {
    let at = mock.poke(value);
    setxattr(mock, &call(mock, &[path, name], &[at, value.len() as u64, flags]))
}

fn fetch(mock: &Mock, path: &str, name: &str) -> Result<Vec<u8>, Answer> {
    let at = mock.poke(&[0; 256]);
    match getxattr(mock, &call(mock, &[path, name], &[at, 256])) {
        Answer::Ret(len) => Ok(mock.peek(at, len as usize)),
        other => Err(other),
    }
}

fn names(mock: &Mock, path: &str) -> Vec<u8> {
    let at = mock.poke(&[0; 256]);
    match listxattr(mock, &call(mock, &[path], &[at, 256])) {
        Answer::Ret(len) => mock.peek(at, len as usize),
        other => panic!("{other:?}"),
    }
}

/// user::rw-, user:33:rw-, group::r--, mask::rw-, other::---
fn list_with_a_name() -> Vec<u8> {
    let mut value = vec![2, 0, 0, 0];
    for (tag, perm, id) in
        [(1u16, 6u16, u32::MAX), (2, 6, 33), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)]
    {
        value.extend(tag.to_le_bytes());
        value.extend(perm.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

#[test]
fn trusted_attributes_are_roots_own() {
    let mock = Mock::new();
    mock.file("/f", 0o100644);
    assert_eq!(put(&mock, "/f", "trusted.x", b"one", REPLACE), Answer::Err(Errno::ENODATA));
    assert_eq!(put(&mock, "/f", "trusted.x", b"one", CREATE), Answer::Ret(0));
    assert_eq!(put(&mock, "/f", "trusted.x", b"two", CREATE), Answer::Err(Errno::EEXIST));
    assert_eq!(put(&mock, "/f", "security.y", b"", 0), Answer::Ret(0));
    assert_eq!(fetch(&mock, "/f", "trusted.x"), Ok(b"one".to_vec()));
    assert_eq!(names(&mock, "/f"), b"security.y\0trusted.x\0");
    mock.be(user(1000, 1000, &[]));
    assert_eq!(names(&mock, "/f"), b"security.y\0");
    assert_eq!(fetch(&mock, "/f", "trusted.x"), Err(Answer::Err(Errno::ENODATA)));
    assert_eq!(put(&mock, "/f", "trusted.x", b"two", 0), Answer::Err(Errno::EPERM));
    mock.be(user(0, 0, &[]));
    let removal = call(&mock, &["/f", "trusted.x"], &[]);
    assert_eq!(removexattr(&mock, &removal), Answer::Ret(0));
    assert_eq!(removexattr(&mock, &removal), Answer::Err(Errno::ENODATA));
}

#[test]
fn names_and_sizes_are_checked_before_the_path() {
    let mock = Mock::new();
    assert_eq!(put(&mock, "/none", "", b"", 0), Answer::Err(Errno::ERANGE));
    assert_eq!(put(&mock, "/none", &format!("trusted.{:0250}", 0), b"", 0), Answer::Err(Errno::ERANGE));
    assert_eq!(put(&mock, "/none", "trusted.x", b"", 4), Answer::Err(Errno::EINVAL));
    assert_eq!(put(&mock, "/none", "trusted.x", &[0; 65537], 0), Answer::Err(Errno::E2BIG));
    assert_eq!(put(&mock, "/none", "trusted.x", b"", 0), Answer::Err(Errno::ENOENT));
    assert_eq!(put(&mock, "/none", "user.x", b"", 0), Answer::Native);
}

#[test]
fn the_buffer_may_be_asked_for_and_may_be_too_small() {
    let mock = Mock::new();
    mock.file("/f", 0o100644);
    assert_eq!(getxattr(&mock, &call(&mock, &["/f", "trusted.x"], &[0, 0])), Answer::Native);
    put(&mock, "/f", "trusted.x", b"one", 0);
    assert_eq!(getxattr(&mock, &call(&mock, &["/f", "trusted.x"], &[0, 0])), Answer::Ret(3));
    assert_eq!(getxattr(&mock, &call(&mock, &["/f", "trusted.x"], &[0, 2])), Answer::Err(Errno::ERANGE));
    assert_eq!(listxattr(&mock, &call(&mock, &["/f"], &[0, 0])), Answer::Ret(10));
    assert_eq!(listxattr(&mock, &call(&mock, &["/f"], &[0, 9])), Answer::Err(Errno::ERANGE));
}

#[test]
fn a_list_sets_the_mode_and_chmod_sets_the_mask() {
    let mock = Mock::new();
    mock.file("/f", 0o100644);
    assert_eq!(put(&mock, "/f", "system.posix_acl_access", &list_with_a_name(), 0), Answer::Ret(0));
    assert_eq!((mock.mode("/f"), mock.native_mode("/f")), (0o100660, 0o100660));
    assert_eq!(chmod(&mock, &call(&mock, &["/f"], &[0o640])), Answer::Ret(0));
    let mut masked = list_with_a_name();
    masked[4 + 3 * 8 + 2] = 4;
    assert_eq!(fetch(&mock, "/f", "system.posix_acl_access"), Ok(masked));
    assert_eq!(put(&mock, "/f", "system.posix_acl_access", &[2, 0, 0, 0, 9], 0), Answer::Err(Errno::EINVAL));
    assert_eq!(removexattr(&mock, &call(&mock, &["/f", "system.posix_acl_access"], &[])), Answer::Ret(0));
    assert_eq!(mock.records(), 0);
    assert_eq!(removexattr(&mock, &call(&mock, &["/f", "system.posix_acl_access"], &[])), Answer::Ret(0));
}

#[test]
fn default_lists_are_for_directories() {
    let mock = Mock::new();
    mock.file("/f", 0o100644);
    mock.file("/d", 0o040755);
    assert_eq!(
        put(&mock, "/f", "system.posix_acl_default", &list_with_a_name(), 0),
        Answer::Err(Errno::EACCES)
    );
    assert_eq!(put(&mock, "/d", "system.posix_acl_default", &list_with_a_name(), 0), Answer::Ret(0));
    assert_eq!(mock.mode("/d"), 0o040755);
    let record = mock.recorded("/d").unwrap();
    assert!(record.xattrs.contains_key(ACL_DEFAULT) && !record.xattrs.contains_key(ACL_ACCESS));
}
