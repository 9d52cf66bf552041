//! Credentials against the kernel: generated sequences of calls, forks, threads and execs, run natively as real root
//! and by remainroot as an unprivileged user, and predicted by the shims on a guest made of memory. All must print
//! the same after each operation; a difference is shrunk to the shortest sequence that shows it.
//!
//! `REMAINROOT_ORACLE_CASES` sets the number of sequences of each test, `REMAINROOT_ORACLE_SEED` (a number that a
//! failing run prints) repeats a run.

mod generate;
mod known;
mod model;
mod run;
mod script;
#[path = "../support/mod.rs"]
mod support;

use proptest::strategy::{Strategy, ValueTree};
use remainroot_shims::abi::Abi;

use run::{Bench, Lines, Weather, World};
use script::Op;
use support::chance;

/// Sequences of one start of the guest program.
const BATCH: usize = 250;

/// The first line in which the worlds and the prediction are not all the same.
fn difference(sequence: &[Op], predicted: &Lines, seen: &[(World, Lines)]) -> Option<String> {
    let others = || seen.iter().map(|(_, lines)| lines);
    let longest = others().map(Vec::len).chain([predicted.len()]).max()?;
    let n = (0..longest).find(|n| others().any(|lines| lines.get(*n) != predicted.get(*n)))?;
    let mut text = String::new();
    for (step, op) in sequence.iter().enumerate() {
        text += &format!("  {} {op}\n", if step == n { ">" } else { " " });
    }
    if n >= sequence.len() {
        text += "  > (what the waiting tasks print in the end)\n";
    }
    let show = |lines: &Lines| lines.get(n).map_or("nothing", |line| line).to_owned();
    text += &format!("predicted:  {}\n", show(predicted));
    for (world, lines) in seen {
        text += &format!("{:<11} {}\n", format!("{world}:"), show(lines));
    }
    Some(text)
}

/// Runs one sequence everywhere.
fn differs(bench: &Bench, sequence: &[Op]) -> Option<String> {
    let predicted = model::predict(bench.abi, bench.mask, sequence);
    let seen: Vec<(World, Lines)> = (bench.worlds.iter())
        .map(|world| (*world, bench.run(*world, std::slice::from_ref(&sequence.to_vec())).remove(0)))
        .collect();
    difference(sequence, &predicted, &seen)
}

/// The shortest sequence like this one that differs: what proptest makes of its values, then every operation left
/// out that can be.
fn shrink(bench: &Bench, mut tree: impl ValueTree<Value = Vec<Op>>) -> (Vec<Op>, String) {
    let mut worst = tree.current();
    let mut text = differs(bench, &worst).unwrap_or_else(|| "(it did not differ again)\n".into());
    let mut goes_on = tree.simplify();
    for _ in 0..300 {
        if !goes_on {
            break;
        }
        let candidate = tree.current();
        goes_on = match differs(bench, &candidate) {
            Some(difference) => {
                (worst, text) = (candidate, difference);
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    let mut n = worst.len();
    while n > 0 {
        n -= 1;
        let mut shorter = worst.clone();
        shorter.remove(n);
        if let Some(difference) = differs(bench, &shorter) {
            (worst, text) = (shorter, difference);
            n = worst.len().min(n + 1);
        }
    }
    (worst, text)
}

/// Runs generated sequences in these worlds.
fn all_agree(test: &str, abi: Abi, worlds: &[World], weather: Weather, cases: u64) {
    let Some(bench) = Bench::new(test, abi, worlds, weather) else { return };
    let cases = chance::number("REMAINROOT_ORACLE_CASES").unwrap_or(cases) as usize;
    let seed = chance::seed("REMAINROOT_ORACLE_SEED");
    let mut runner = chance::runner(seed);
    let strategy = generate::sequences(abi, bench.mask);

    let mut done = 0;
    while done < cases {
        let count = BATCH.min(cases - done);
        let trees: Vec<_> = (0..count)
            .map(|_| strategy.new_tree(&mut runner).expect("the strategy filters nothing"))
            .collect();
        let sequences: Vec<Vec<Op>> = trees.iter().map(ValueTree::current).collect();
        let mut seen: Vec<(World, _)> =
            worlds.iter().map(|world| (*world, bench.run(*world, &sequences).into_iter())).collect();
        for (tree, sequence) in trees.into_iter().zip(&sequences) {
            let predicted = model::predict(abi, bench.mask, sequence);
            let seen: Vec<(World, Lines)> =
                seen.iter_mut().map(|(world, lines)| (*world, lines.next().unwrap_or_default())).collect();
            if difference(sequence, &predicted, &seen).is_some() {
                let (_, text) = shrink(&bench, tree);
                panic!("credentials differ on {} (REMAINROOT_ORACLE_SEED={seed}):\n{text}", abi.name());
            }
        }
        done += count;
    }
    eprintln!("{test}: {done} sequences agree (REMAINROOT_ORACLE_SEED={seed})");
}

#[test]
fn rules_agree_with_the_kernel_on_x86_64() {
    all_agree("rules_agree_with_the_kernel_on_x86_64", Abi::X86_64, &[World::Kernel], Weather::Calm, 5000);
}

#[test]
fn rules_agree_with_the_kernel_on_i386() {
    all_agree("rules_agree_with_the_kernel_on_i386", Abi::I386, &[World::Kernel], Weather::Calm, 5000);
}

#[test]
fn remainroot_agrees_with_the_kernel_on_x86_64() {
    let worlds = [World::Kernel, World::Remainroot];
    all_agree("remainroot_agrees_with_the_kernel_on_x86_64", Abi::X86_64, &worlds, Weather::Calm, 1500);
}

#[test]
fn remainroot_agrees_with_the_kernel_on_i386() {
    let worlds = [World::Kernel, World::Remainroot];
    all_agree("remainroot_agrees_with_the_kernel_on_i386", Abi::I386, &worlds, Weather::Calm, 1500);
}

#[test]
fn remainroot_agrees_while_alarms_ring_on_x86_64() {
    let worlds = [World::Kernel, World::Remainroot];
    let name = "remainroot_agrees_while_alarms_ring_on_x86_64";
    all_agree(name, Abi::X86_64, &worlds, Weather::Alarms, 500);
}

#[test]
fn remainroot_agrees_while_alarms_ring_on_i386() {
    let worlds = [World::Kernel, World::Remainroot];
    all_agree("remainroot_agrees_while_alarms_ring_on_i386", Abi::I386, &worlds, Weather::Alarms, 250);
}

#[test]
fn known_differences_still_differ() {
    let worlds = [World::Kernel, World::Remainroot];
    let Some(bench) = Bench::new("known_differences_still_differ", Abi::X86_64, &worlds, Weather::Calm)
    else {
        return;
    };
    for known in known::known() {
        let [kernel, ours] = worlds.map(|world| bench.run(world, std::slice::from_ref(&known.sequence)));
        assert_ne!(kernel, ours, "no difference any more, strike it off: {}", known.reason);
        let before_the_last = known.sequence.len() - 1;
        assert_eq!(kernel[0][..before_the_last], ours[0][..before_the_last], "{}", known.reason);
    }
}
