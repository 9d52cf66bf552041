//! The filter against the table, read slowly.

use proptest::prelude::*;
use remainroot_shims::abi::{Abi, Errno};
use remainroot_shims::guest::Answer;
use remainroot_shims::table::{Case, Entry, Needs, ROWS, Row, Shim, Support, When, row_of};

use super::interpreter::{Data, check, run, skipped_by_the_kernel};
use super::*;

/// All circumstances at once.
const ALL: Scope = Scope { needs: Needs::all(), had: Needs::empty() };

/// What the table says to a task that lives under `needs`, the obvious way.
fn slow(rows: &[Row], needs: Needs, data: &Data) -> u32 {
    let unknown = TRACE | u32::from(UNKNOWN_ABI);
    let Some(abi) = Abi::from_audit_arch(data.arch) else { return unknown };
    if abi == Abi::X86_64 && data.nr & 0x4000_0000 != 0 && data.nr & 0x8000_0000 == 0 {
        return unknown;
    }
    for (index, row) in rows.iter().enumerate() {
        let Some(entry) = row.entry(abi).filter(|entry| entry.nr == data.nr) else { continue };
        return match entry.shim {
            _ if !entry.concerns(&data.args, needs) => ALLOW,
            Shim::Kernel => ALLOW,
            Shim::Refuse(errno) => ERRNO | errno.into_raw() as u32,
            Shim::Entry(_) | Shim::Coroutine(_) => TRACE | index as u32,
        };
    }
    ALLOW
}

/// Values at and beside every value and bit that a row's arguments are tested for.
fn interesting(rows: &[Row]) -> Vec<u64> {
    let mut values = vec![0, 1, u64::MAX, 0xFFFF_FFFF, 1 << 32, 1 << 63];
    let entries = rows.iter().flat_map(|row| [row.x86_64, row.i386]).flatten();
    for case in entries.flat_map(|entry| entry.cases) {
        let mut bits = |mask: u32| {
            values.extend((0..32).map(|bit| 1 << bit));
            values.extend([u64::from(mask), u64::from(!mask), u64::from(mask) << 32]);
        };
        match case.when {
            When::Always => {}
            When::AnyBit { mask, .. } => bits(mask),
            When::BothBits { masks, .. } => masks.into_iter().for_each(bits),
            When::OneOf { values: ones, .. } => {
                for &one in ones {
                    let one = u64::from(one);
                    values.extend([one, one.wrapping_sub(1), one + 1, one << 32, one | 7 << 32]);
                }
            }
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

fn archs() -> impl Iterator<Item = u32> {
    Abi::ALL.into_iter().map(Abi::audit_arch).chain([0, 0xC000_00B7, 0x4000_0028, u32::MAX])
}

fn numbers_to_try() -> impl Iterator<Item = u32> {
    (0..1200).chain((0..1200).map(|nr| nr | 0x4000_0000)).chain([
        0x3FFF_FFFF,
        0x7FFF_FFFF,
        0x8000_0000,
        0xBFFF_FFFF,
        0xC000_0000,
        u32::MAX - 1,
        u32::MAX,
    ])
}

/// Programs as a task gets them: the first, and one for each circumstance that comes later.
struct Chain {
    had: Needs,
    programs: Vec<Vec<Insn>>,
}

impl Chain {
    fn first(rows: &[Row], needs: Needs) -> Chain {
        let scope = Scope::first(needs);
        Chain { had: scope.needs, programs: vec![program(rows, scope)] }
    }

    fn add(&mut self, rows: &[Row], needs: Needs) {
        self.programs.push(program(rows, Scope { needs, had: self.had }));
        self.had |= needs;
    }

    /// `seccomp_run_filters`: the strictest action wins, and of equal ones the latest program's.
    fn run(&self, data: &Data) -> u32 {
        let verdicts = self.programs.iter().rev().map(|program| run(program, data).verdict);
        verdicts.min_by_key(|verdict| (verdict & 0xFFFF_0000) as i32).unwrap_or(ALLOW)
    }
}

/// Circumstances as they come to a task of root's, and to one that starts under some.
fn chains(rows: &[Row]) -> Vec<Chain> {
    let flags: Vec<Needs> = Needs::all().iter().collect();
    let mut chains = vec![Chain::first(rows, Needs::ALWAYS), Chain::first(rows, Needs::all())];
    for (first, second) in flags.iter().zip(flags.iter().cycle().skip(1)) {
        let mut chain = Chain::first(rows, Needs::ALWAYS);
        chain.add(rows, *first);
        chain.add(rows, *second);
        chains.push(chain);
        let mut chain = Chain::first(rows, *first);
        chain.add(rows, *second | Needs::USER);
        chains.push(chain);
    }
    chains
}

fn assert_same(chains: &[Chain], rows: &[Row], data: &Data) {
    for chain in chains {
        assert_eq!(chain.run(data), slow(rows, chain.had, data), "{data:x?} {:?}", chain.had);
    }
}

#[test]
fn the_kernel_takes_it() {
    for chain in chains(&ROWS) {
        chain.programs.iter().for_each(|program| check(program).unwrap());
    }
}

#[test]
fn it_says_what_the_table_says() {
    let chains = chains(&ROWS);
    let values = interesting(&ROWS);
    for arch in archs() {
        for nr in numbers_to_try() {
            // What has no arguments in its row has been seen with six values to look at none.
            let row = Abi::from_audit_arch(arch).and_then(|abi| row_of(abi, nr)?.entry(abi));
            let argued = row.is_some_and(|entry| entry.cases.iter().any(|case| case.when != When::Always));
            for (n, &value) in values[..if argued { values.len() } else { 6 }].iter().enumerate() {
                assert_same(&chains, &ROWS, &Data { nr, arch, args: [value; 6] });
                let mut args = [value; 6];
                args[1 + n % 3] = values[n * 7 % values.len()];
                assert_same(&chains, &ROWS, &Data { nr, arch, args });
            }
        }
    }
}

#[test]
fn a_number_alone_decides_unless_its_row_has_arguments() {
    for scope in scopes() {
        let program = program(&ROWS, scope);
        for arch in archs() {
            for nr in numbers_to_try() {
                let row = Abi::from_audit_arch(arch).and_then(|abi| row_of(abi, nr)?.entry(abi));
                let row = row.filter(|entry| !matches!(entry.shim, Shim::Kernel));
                let cases: Vec<_> =
                    row.into_iter().flat_map(|entry| entry.cases).filter(|case| scope.has(case)).collect();
                let argued = cases.first().is_some_and(|case| case.when != When::Always);
                let outcome = run(&program, &Data { nr, arch, args: [0; 6] });
                assert_eq!(outcome.argued, argued, "{arch:x} {nr} {scope:?}");
                if cases.is_empty() && outcome.verdict == ALLOW {
                    assert!(skipped_by_the_kernel(&program, arch, nr), "{arch:x} {nr} {scope:?}");
                }
            }
        }
    }
}

/// A first program of few cases, one of all, and one that adds.
fn scopes() -> [Scope; 3] {
    let added = Scope { needs: Needs::all(), had: Needs::ALWAYS };
    [Scope::first(Needs::ALWAYS), ALL, added]
}

#[test]
fn arguments_are_looked_at_by_their_low_half_and_after_the_number() {
    let program = program(&ROWS, ALL);
    let mut number_loaded = false;
    for insn in &program {
        if insn.code == LOAD {
            assert!(insn.k <= ARCH || (number_loaded && insn.k >= 16 && insn.k % 8 == 0), "{insn:x?}");
            number_loaded |= insn.k == NR;
        }
    }
}

#[test]
fn minus_one_is_the_kernels_and_x32_is_nobodys() {
    let program = program(&ROWS, ALL);
    let verdict = |nr| run(&program, &Data { nr, arch: Abi::X86_64.audit_arch(), args: [0; 6] }).verdict;
    assert_eq!(verdict(u32::MAX), ALLOW);
    assert_eq!(verdict(0x4000_0000), TRACE | u32::from(UNKNOWN_ABI));
    assert_eq!(verdict(0x4000_0000 + 547), TRACE | u32::from(UNKNOWN_ABI));
}

#[test]
fn it_is_a_tree() {
    let program = program(&ROWS, ALL);
    for abi in Abi::ALL {
        let depths = (0..512u32)
            .map(|nr| run(&program, &Data { nr, arch: abi.audit_arch(), args: [0; 6] }).steps)
            .collect::<Vec<_>>();
        let deepest = *depths.iter().max().unwrap();
        let mean = depths.iter().sum::<usize>() as f64 / depths.len() as f64;
        println!(
            "{}: {} instructions in all, {deepest} at most, {mean:.1} on average",
            abi.name(),
            program.len()
        );
        // Two loads, the architectures, a JA or two where halves are long, tests of arguments, the verdict.
        let ranges = 2 * ROWS.iter().filter(|row| row.entry(abi).is_some()).count();
        assert!(deepest <= ranges.ilog2() as usize + 1 + 21, "{deepest} steps for {ranges} ranges");
    }
}

/// The filter works on this kernel: in a thread of its own, because that is as far as a filter reaches.
#[test]
fn this_kernel_obeys_it() {
    let outcome = std::thread::spawn(|| {
        let program: Vec<_> = program(&ROWS, ALL)
            .into_iter()
            .map(|insn| crate::sys::seccomp::Insn { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k })
            .collect();
        crate::sys::seccomp::set_no_new_privs()?;
        crate::sys::seccomp::install(&program)?;
        // Nobody traces this thread: a call that would stop fails with ENOSYS instead.
        let traced = nix::unistd::getgroups().map_err(|errno| errno as i32);
        Ok::<_, i32>((nix::unistd::getppid().as_raw(), traced))
    })
    .join()
    .unwrap();
    match outcome {
        Ok((ppid, traced)) => {
            assert_eq!(ppid, nix::unistd::getppid().as_raw());
            assert_eq!(traced, Err(libc::ENOSYS));
        }
        Err(errno) => panic!("not installed: {}", std::io::Error::from_raw_os_error(errno)),
    }
}

const VALUE_SETS: [&[u32]; 4] = [&[], &[7], &[38, 8, 0, u32::MAX, 9], &[1, 2, 3, 4, 5, 6, 0x8000_0000]];

fn case() -> impl Strategy<Value = Case> {
    let when = prop_oneof![
        3 => Just(When::Always),
        1 => (0..6u8, any::<u32>()).prop_map(|(arg, mask)| When::AnyBit { arg, mask }),
        1 => (any::<[u32; 2]>(), 0..6u8, 0..6u8)
            .prop_map(|(masks, a, b)| When::BothBits { args: [a, b], masks }),
        1 => (0..6u8, 0..VALUE_SETS.len())
            .prop_map(|(arg, set)| When::OneOf { arg, values: VALUE_SETS[set] }),
    ];
    (when, any::<u16>()).prop_map(|(when, needs)| Case { when, needs: Needs::from_bits_truncate(needs) })
}

/// What becomes of a call, and in which cases.
type Decision = (Shim, &'static [Case]);

fn entry() -> impl Strategy<Value = Decision> {
    let shim = (0..4).prop_map(|kind| match kind {
        0 => Shim::Kernel,
        1 => Shim::Refuse(Errno::EPERM),
        2 => Shim::Refuse(Errno::ENOSYS),
        _ => Shim::Entry(|_, _| Answer::Native),
    });
    // Rows are static where they are not made up.
    let cases = proptest::collection::vec(case(), 1..4).prop_map(|cases| &*cases.leak());
    (shim, cases)
}

/// Tables of any size: dense, sparse, and long enough that jumps leave the reach of a conditional one.
fn table() -> impl Strategy<Value = Vec<Row>> {
    (1..1000u32, 0..400usize).prop_flat_map(|(highest, count)| {
        let rows = proptest::collection::btree_map(0..=highest, (entry(), any::<[bool; 2]>()), 0..=count);
        rows.prop_map(|rows| {
            let row = |(nr, ((shim, cases), [x86_64, i386])): (u32, (Decision, [bool; 2]))| {
                let entry = Entry { nr, shim, cases };
                let mirrored = Entry { nr: 1000 - nr, shim, cases };
                Row {
                    name: "any",
                    x86_64: x86_64.then_some(entry),
                    i386: i386.then_some(mirrored),
                    support: Support::Full,
                }
            };
            rows.into_iter().map(row).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_table_gives_a_program_that_says_the_same(
        rows in table(),
        needs in [any::<u16>(), any::<u16>()].prop_map(|bits| bits.map(Needs::from_bits_truncate)),
        others in proptest::collection::vec((any::<u32>(), any::<[u64; 6]>()), 32),
    ) {
        let mut added = Chain::first(&rows, needs[0]);
        added.add(&rows, needs[1]);
        let chains = [Chain::first(&rows, Needs::all()), added];
        for program in chains.iter().flat_map(|chain| &chain.programs) {
            prop_assert_eq!(check(program), Ok(()));
        }
        let values = interesting(&rows);
        for arch in archs() {
            for nr in 0..1002 {
                let value = values[nr as usize % values.len()];
                assert_same(&chains, &rows, &Data { nr, arch, args: [value; 6] });
            }
            for &(nr, args) in &others {
                assert_same(&chains, &rows, &Data { nr, arch, args });
                assert_same(&chains, &rows, &Data { nr: nr % 1002, arch, args });
            }
        }
    }
}
