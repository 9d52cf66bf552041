//! Where the content of a file is, and where there is nothing but zeros.
//!
//! What counts as a hole depends on the content alone: a file gives the same archive wherever it lies, although one
//! file system stores as a hole what another has written out. The holes that a file system knows of are not read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

/// Bytes in the pieces that are looked at.
const BLOCK: u64 = 4096;

/// The least hole that is worth its entry in a map.
const LEAST_HOLE: u64 = 64 * 1024;

/// Smaller files are written whole.
const LEAST_FILE: u64 = 1024 * 1024;

/// A part of a file that holds something: where it begins, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub start: u64,
    pub length: u64,
}

/// The parts of the first `size` bytes that hold something, in order; `None` if that is all of it.
pub(super) fn extents(file: &File, size: u64) -> io::Result<Option<Vec<Extent>>> {
    if size < LEAST_FILE {
        return Ok(None);
    }
    let mut map = Map { extents: Vec::new(), zeros: 0 };
    let mut buffer = vec![0; LEAST_HOLE as usize];
    let mut at = 0;
    while at < size {
        let found = next_data(file, at)?.map_or(size, |data| data.clamp(at, size));
        // Where the file system's blocks are smaller than ours, the hole may end within one of ours.
        let data = (found - found % BLOCK).max(at);
        map.zeros += data - at;
        at = data;
        let end = next_hole(file, found)?.max(found + 1).min(size).next_multiple_of(BLOCK).min(size);
        while at < end {
            let wanted = (end - at).min(LEAST_HOLE) as usize;
            let read = read_at(file, &mut buffer[..wanted], at)?;
            // It has become shorter; who copies the content will notice.
            buffer[read..wanted].fill(0);
            for block in buffer[..wanted].chunks(BLOCK as usize) {
                map.block(at, block);
                at += block.len() as u64;
            }
        }
    }
    map.close(size);
    let whole = [Extent { start: 0, length: size }];
    Ok(if map.extents == whole { None } else { Some(map.extents) })
}

/// A map in the making.
struct Map {
    extents: Vec<Extent>,
    /// How many zeros came last.
    zeros: u64,
}

impl Map {
    /// Adds what lies at `at`.
    fn block(&mut self, at: u64, block: &[u8]) {
        let length = block.len() as u64;
        if block.iter().all(|&byte| byte == 0) {
            self.zeros += length;
            return;
        }
        self.close(at);
        match self.extents.last_mut() {
            Some(last) if last.start + last.length == at => last.length += length,
            _ => self.extents.push(Extent { start: at, length }),
        }
    }

    /// Makes the zeros before `at` a hole, or, if they are too few, a part of what was before them.
    fn close(&mut self, at: u64) {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros == 0 || zeros >= LEAST_HOLE {
            return;
        }
        match self.extents.last_mut() {
            Some(last) if last.start + last.length + zeros == at => last.length += zeros,
            _ => self.extents.push(Extent { start: at - zeros, length: zeros }),
        }
    }
}

/// Where there is data at or behind `at`; `None` if there is no more.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match lseek(file, at as i64, Whence::SeekData) {
        Ok(data) => Ok(Some(data as u64)),
        Err(Errno::ENXIO) => Ok(None),
        // A file system that knows nothing of holes.
        Err(Errno::EINVAL | Errno::EOPNOTSUPP) => Ok(Some(at)),
        Err(errno) => Err(errno.into()),
    }
}

/// Where the data at `at` ends.
fn next_hole(file: &File, at: u64) -> io::Result<u64> {
    match lseek(file, at as i64, Whence::SeekHole) {
        Ok(hole) => Ok(hole as u64),
        Err(Errno::ENXIO | Errno::EINVAL | Errno::EOPNOTSUPP) => Ok(i64::MAX as u64),
        Err(errno) => Err(errno.into()),
    }
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn file(parts: &[(u64, u64)], size: u64) -> File {
        let mut file = tempfile::tempfile().unwrap();
        for &(start, length) in parts {
            file.seek(SeekFrom::Start(start)).unwrap();
            file.write_all(&vec![1; length as usize]).unwrap();
        }
        file.set_len(size).unwrap();
        file
    }

    fn map(file: &File, size: u64) -> Option<Vec<(u64, u64)>> {
        extents(file, size).unwrap().map(|all| all.iter().map(|e| (e.start, e.length)).collect())
    }

    #[test]
    fn holes_are_found_and_zeros_that_were_written_are_holes_too() {
        let sparse = file(&[(0, 10), (3 * MIB, 5000)], 9 * MIB + 7);
        let expected = Some(vec![(0, 4096), (3 * MIB, 8192)]);
        assert_eq!(map(&sparse, 9 * MIB + 7), expected);
        let mut dense = tempfile::tempfile().unwrap();
        let mut content = vec![0; (9 * MIB + 7) as usize];
        content[..10].fill(1);
        content[3 * MIB as usize..3 * MIB as usize + 5000].fill(1);
        dense.write_all(&content).unwrap();
        assert_eq!(map(&dense, 9 * MIB + 7), expected);
    }

    #[test]
    fn small_files_and_small_holes_are_none() {
        assert_eq!(map(&file(&[], MIB - 1), MIB - 1), None);
        assert_eq!(map(&file(&[(0, MIB), (MIB + 8192, MIB)], 2 * MIB + 8192), 2 * MIB + 8192), None);
        assert_eq!(map(&file(&[(4096, 2 * MIB)], 2 * MIB + 4096), 2 * MIB + 4096), None);
    }

    #[test]
    fn nothing_but_a_hole() {
        assert_eq!(map(&file(&[], 1 << 40), 1 << 40), Some(vec![]));
        assert_eq!(map(&file(&[(MIB, 3)], MIB + 3), MIB + 3), Some(vec![(MIB, 3)]));
    }
}
