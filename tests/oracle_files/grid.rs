//! Every mixture of good and bad arguments, as tests/guests/errors.c makes them: of several errors that a call could be
//! refused with, it must be the kernel's first.

use super::support::Machine;
use super::{Bench, Devices, Place};

/// As many of the lines that differ as a reader will look at.
const SHOWN: usize = 40;

fn agree(test: &str, machine: Machine, place: Place) {
    let Some(bench) = Bench::new(test, "errors", machine, place) else { return };
    // Who cannot mount has nothing that is read-only.
    let arguments: &[&str] = match place.devices() {
        Devices::Covered => &[],
        Devices::Placeholders => &["-r"],
    };
    let (native, ours) = bench.both_with(arguments, "");
    let (native, ours): (Vec<&str>, Vec<&str>) = (native.lines().collect(), ours.lines().collect());
    let pairs = || (0..native.len().max(ours.len())).map(|n| (native.get(n), ours.get(n)));
    let differences = pairs().filter(|(native, ours)| native != ours);
    let show = |line: Option<&&str>| line.map_or("nothing", |line| line).to_owned();
    let text: String = differences
        .clone()
        .take(SHOWN)
        .map(|(native, ours)| format!("kernel:     {}\nremainroot: {}\n", show(native), show(ours)))
        .collect();
    assert!(text.is_empty(), "{} of {} lines differ:\n{text}", differences.count(), native.len());
}

#[test]
fn errors_come_in_the_kernels_order_on_x86_64() {
    agree("errors_come_in_the_kernels_order_on_x86_64", Machine::X86_64, Place::Host);
}

#[test]
fn errors_come_in_the_kernels_order_on_i386() {
    agree("errors_come_in_the_kernels_order_on_i386", Machine::I386, Place::Host);
}

#[test]
fn errors_come_in_the_kernels_order_without_a_namespace() {
    agree("errors_come_in_the_kernels_order_without_a_namespace", Machine::X86_64, Place::NoNamespace);
}

#[test]
fn errors_come_in_the_kernels_order_without_capabilities() {
    agree("errors_come_in_the_kernels_order_without_capabilities", Machine::X86_64, Place::NoCapabilities);
}

#[test]
fn errors_come_in_the_kernels_order_with_a_store_that_lasts() {
    agree("errors_come_in_the_kernels_order_with_a_store_that_lasts", Machine::X86_64, Place::Lasting);
}
