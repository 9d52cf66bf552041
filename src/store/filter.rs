//! Which inode numbers have no row in the index, without asking it: a Bloom filter, made when so many were asked for in
//! vain that reading all rows once costs no more.
//!
//! It holds as long as nobody else has changed the index. What this process writes is added to it; where that is more than
//! it has room for, in layers, each twice as large as all before it.

use std::cell::RefCell;

/// How many lookups in vain it takes at least.
const LEAST: usize = 256;

/// How many rows are read in the time of a lookup, roughly.
const WORTH: usize = 8;

/// How many bits each number has in it.
const PROBES: u32 = 4;

/// Bits of room for a number. With four of them set, one in 400 unknown ones is taken for a known one.
const BITS: usize = 16;

/// The filter of an index.
#[derive(Debug, Default)]
pub struct Filter(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    /// None before it was made. What a number is in, it was told or looks like; the last takes what is new.
    layers: Vec<Layer>,
    /// How many changes others had made then.
    of_others: u64,
    /// How many numbers were asked for in vain since.
    misses: usize,
}

#[derive(Debug)]
struct Layer {
    bits: Vec<u64>,
    /// How many numbers it was made for.
    size: usize,
    /// How many more have room in it.
    room: usize,
}

impl Layer {
    fn new(size: usize) -> Layer {
        Layer { bits: vec![0; (size * BITS / 64).next_power_of_two()], size, room: size }
    }

    fn has(&self, fs: u64, ino: u64) -> bool {
        places(&self.bits, fs, ino).all(|(word, bit)| self.bits[word] & bit != 0)
    }

    fn add(&mut self, fs: u64, ino: u64) {
        for (word, bit) in places(&self.bits, fs, ino) {
            self.bits[word] |= bit;
        }
        self.room = self.room.saturating_sub(1);
    }
}

impl State {
    fn has(&self, fs: u64, ino: u64) -> bool {
        self.layers.iter().rev().any(|layer| layer.has(fs, ino))
    }
}

impl Filter {
    /// Whether an index that others have changed so often may have a row of an inode number.
    pub fn may_have(&self, of_others: u64, fs: u64, ino: u64) -> bool {
        let state = self.0.borrow();
        state.layers.is_empty() || state.of_others != of_others || state.has(fs, ino)
    }

    /// Notes that the index has a row of a number.
    pub fn add(&self, fs: u64, ino: u64) {
        let state = &mut *self.0.borrow_mut();
        if state.layers.is_empty() || state.has(fs, ino) {
            return;
        }
        if state.layers.last().is_some_and(|layer| layer.room == 0) {
            let all: usize = state.layers.iter().map(|layer| layer.size).sum();
            state.layers.push(Layer::new(2 * all));
        }
        if let Some(layer) = state.layers.last_mut() {
            layer.add(fs, ino);
        }
    }

    /// Notes that an index of about so many rows has none of a number. True if it is time to make the filter anew.
    pub fn missed(&self, of_others: u64, rows: impl FnOnce() -> usize) -> bool {
        let mut state = self.0.borrow_mut();
        if !state.layers.is_empty() && state.of_others == of_others {
            return false;
        }
        state.misses += 1;
        state.misses.is_multiple_of(LEAST) && state.misses >= rows() / WORTH
    }

    /// Empties it and gives it room for so many numbers, and as many to come.
    pub fn make(&self, of_others: u64, rows: usize) {
        let layers = vec![Layer::new(2 * rows.max(1024))];
        *self.0.borrow_mut() = State { layers, of_others, misses: 0 };
    }
}

/// Where the bits of a number are.
fn places(bits: &[u64], fs: u64, ino: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
    let mask = bits.len() - 1;
    // The finalizer of SplitMix64; its halves make as many independent numbers as are wanted.
    let mut x = fs.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ino;
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    let step = x.rotate_left(32) | 1;
    (0..PROBES).map(move |probe| {
        let at = x.wrapping_add(step.wrapping_mul(u64::from(probe)));
        ((at >> 6) as usize & mask, 1 << (at & 63))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_told_it_may_have_and_little_else() {
        let filter = Filter::default();
        assert!(filter.may_have(0, 7, 1));
        filter.make(0, 4096);
        (0..8192).for_each(|ino| filter.add(7, ino));
        assert!((0..8192).all(|ino| filter.may_have(0, 7, ino)));
        let wrong = (8192..108_192).filter(|ino| filter.may_have(0, 7, *ino)).count();
        assert!(wrong < 1000, "{wrong}");
        // What others have done it does not know.
        assert!(filter.may_have(1, 7, 1_000_000));
    }

    #[test]
    fn it_takes_more_than_it_was_made_for() {
        let filter = Filter::default();
        filter.make(0, 0);
        (0..100_000).for_each(|ino| filter.add(7, ino));
        assert!((0..100_000).all(|ino| filter.may_have(0, 7, ino)));
        let wrong = (100_000..200_000).filter(|ino| filter.may_have(0, 7, *ino)).count();
        assert!(wrong < 2000, "{wrong}");
        let bytes: usize = filter.0.borrow().layers.iter().map(|layer| 8 * layer.bits.len()).sum();
        assert!(bytes < 100_000 * 12, "{bytes}");
        // One that was known already needs no room.
        let before = filter.0.borrow().layers.last().map(|layer| layer.room);
        (0..100_000).for_each(|ino| filter.add(7, ino));
        assert_eq!(filter.0.borrow().layers.last().map(|layer| layer.room), before);
    }

    #[test]
    fn it_is_made_when_that_is_worth_it() {
        let filter = Filter::default();
        let needed = |rows: usize| (1..).find(|_| filter.missed(0, || rows)).unwrap();
        assert_eq!(needed(0), LEAST);
        filter.make(0, 0);
        assert!(!(0..1000).any(|_| filter.missed(0, || 0)));
        assert_eq!((1..).find(|_| filter.missed(1, || 80_000)), Some(80_000 / WORTH / LEAST * LEAST + LEAST));
    }
}
