//! mtree(5), in the form of one full path a line. It knows no attributes.

use std::io::{self, Read};

use nix::libc::{major, minor};
use sha2::{Digest, Sha256};

use super::Times;
use crate::owners::entry::{Entry, Kind};
use crate::owners::names::{hex, octal, shown};
use crate::owners::{Progress, Trouble};
use crate::sandbox::why_io;

/// The line that begins such a file.
pub(super) const HEAD: &[u8] = b"#mtree\n";

/// The line for an entry.
pub(super) fn line(entry: &Entry, times: Times, progress: &Progress) -> Result<Vec<u8>, Trouble> {
    let name = if entry.path.is_empty() { ".".to_owned() } else { format!("./{}", octal(&entry.path)) };
    let kind = match entry.kind() {
        Kind::File => "file",
        Kind::Dir => "dir",
        Kind::Link => "link",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::Char => "char",
        Kind::Block => "block",
    };
    let (attr, time) = (&entry.attr, times.of(entry));
    let mut line =
        format!("{name} type={kind} mode={:04o} uid={} gid={}", entry.permissions(), attr.uid, attr.gid);
    line += &format!(" time={}.{:09}", time.sec, time.nsec);
    match entry.kind() {
        Kind::File => {
            let digest = digest(entry, progress).map_err(|error| {
                Trouble::new(format!("cannot read {}: {}", shown(&entry.path), why_io(&error)))
            })?;
            line += &format!(" size={} sha256digest={digest}", entry.size);
        }
        Kind::Link => line += &format!(" link={}", octal(&entry.target)),
        Kind::Char | Kind::Block => {
            line += &format!(" device=native,{},{}", major(attr.rdev), minor(attr.rdev))
        }
        Kind::Dir | Kind::Fifo | Kind::Socket => {}
    }
    line.push('\n');
    Ok(line.into_bytes())
}

/// The digest of a file's content.
fn digest(entry: &Entry, progress: &Progress) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut content = entry.content()?.take(entry.size);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(read) => {
                hash.update(&buffer[..read]);
                progress.moved(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
