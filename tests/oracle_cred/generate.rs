//! Which sequences there are.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use remainroot_shims::abi::Abi;

use super::script::{Arg, HELPERS, Op, Pid};

/// Ids that matter: root, neighbours, a user, nobody, one that is negative as an `int`, none, and 33 with noise in the
/// high half of its register; for 16-bit calls also what they cut off.
const IDS: &[u64] = &[0, 0, 1, 33, 1000, 65534, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0021];
const IDS_16: &[u64] = &[0, 0, 1, 33, 1000, 65534, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF, 70_000, 0x1_0021];

/// Capabilities whose rules differ, and numbers that are none.
const CAPS: &[u64] = &[0, 6, 7, 8, 13, 40];
const NO_CAPS: &[u64] = &[41, 63, 64, 1 << 32, u64::MAX];

const VERSIONS: &[u32] = &[0x2008_0522, 0x2008_0522, 0x2008_0522, 0x2007_1026, 0x1998_0330, 0];

/// A call whose arguments are all ids.
#[derive(Clone, Copy, Debug)]
struct IdCall {
    name: &'static str,
    ids: usize,
    pool: &'static [u64],
}

fn id_calls(abi: Abi) -> Vec<IdCall> {
    const NAMES: [(&str, &str, usize); 8] = [
        ("setuid", "setuid32", 1),
        ("setgid", "setgid32", 1),
        ("setreuid", "setreuid32", 2),
        ("setregid", "setregid32", 2),
        ("setresuid", "setresuid32", 3),
        ("setresgid", "setresgid32", 3),
        ("setfsuid", "setfsuid32", 1),
        ("setfsgid", "setfsgid32", 1),
    ];
    let calls = NAMES.into_iter().flat_map(|(name, name32, ids)| match abi {
        Abi::X86_64 => vec![IdCall { name, ids, pool: IDS }],
        Abi::I386 => {
            vec![IdCall { name, ids, pool: IDS_16 }, IdCall { name: name32, ids, pool: IDS }]
        }
    });
    calls.collect()
}

fn set_ids(abi: Abi) -> impl Strategy<Value = Op> {
    select(id_calls(abi)).prop_flat_map(|call| {
        vec(select(call.pool).prop_map(Arg::Word), call.ids).prop_map(move |ids| Op::Call(call.name, ids))
    })
}

/// Names of a call of both widths; the first is 16 bits wide on i386.
fn widths(abi: Abi, names: [&'static str; 2]) -> Vec<(&'static str, usize)> {
    match abi {
        Abi::X86_64 => vec![(names[0], 4)],
        Abi::I386 => vec![(names[0], 2), (names[1], 4)],
    }
}

fn getters(abi: Abi) -> impl Strategy<Value = Op> {
    let plain =
        [["getuid", "getuid32"], ["geteuid", "geteuid32"], ["getgid", "getgid32"], ["getegid", "getegid32"]];
    let plain: Vec<Op> = plain
        .into_iter()
        .flat_map(|names| widths(abi, names))
        .map(|(name, _)| Op::Call(name, Vec::new()))
        .collect();
    let three: Vec<_> = [["getresuid", "getresuid32"], ["getresgid", "getresgid32"]]
        .into_iter()
        .flat_map(|names| widths(abi, names))
        .collect();
    let place = prop_oneof![9 => Just(Arg::Bytes(vec![0xAA; 4])), 1 => Just(Arg::Bad)];
    let three = (select(three), vec(place, 3)).prop_map(|((name, _), places)| Op::Call(name, places));
    let list =
        (select(widths(abi, ["getgroups", "getgroups32"])), select(vec![0u64, 1, 2, 5, 65536, 1 << 31]))
            .prop_map(|((name, width), size)| {
                // A list of 65536 finds room, but what is left of the pattern says how much the kernel wrote.
                let room = if size == 65536 { Arg::Gids(65536, width) } else { Arg::Bytes(vec![0xAA; 20]) };
                Op::Call(name, vec![Arg::Word(size), room])
            });
    prop_oneof![select(plain), three, list]
}

fn set_groups(abi: Abi) -> impl Strategy<Value = Op> {
    let names = widths(abi, ["setgroups", "setgroups32"]);
    let lists = (select(names.clone()), vec(select(IDS), 0..5)).prop_map(|((name, width), ids)| {
        let bytes = ids.iter().flat_map(|id| (*id as u32).to_ne_bytes()[..width].to_vec()).collect();
        Op::Call(name, vec![Arg::Word(ids.len() as u64), Arg::Bytes(bytes)])
    });
    let long =
        (select(names.clone()), select(vec![300, 65535, 65536, 65537])).prop_map(|((name, width), count)| {
            Op::Call(name, vec![Arg::Word(count as u64), Arg::Gids(count, width)])
        });
    let bad = (select(names), select(vec![0, 1, 65536, 65537, 0xFFFF_FFFF]))
        .prop_map(|((name, _), count)| Op::Call(name, vec![Arg::Word(count), Arg::Bad]));
    prop_oneof![12 => lists, 1 => long, 2 => bad]
}

/// A set of capabilities: all that the machine has, none, or some.
fn set(mask: u64) -> impl Strategy<Value = u64> {
    let some =
        vec(select(CAPS), 0..4).prop_map(move |caps| caps.iter().fold(0, |set, cap| set | 1 << cap) & mask);
    prop_oneof![3 => Just(mask), 1 => Just(0), 3 => some.clone(), 3 => some.prop_map(move |some| mask & !some), 1 => Just(u64::MAX)]
}

fn header() -> impl Strategy<Value = Arg> {
    let pid = prop_oneof![
        6 => Just(Pid::Number(0)), 1 => Just(Pid::Number(-1)), 1 => Just(Pid::Own), 1 => Just(Pid::Leader)
    ];
    let header = (select(VERSIONS), pid).prop_map(|(version, pid)| Arg::Header(version, pid));
    prop_oneof![30 => header, 1 => Just(Arg::Bad)]
}

/// (effective, permitted, inheritable) as both words of each.
fn cap_data(effective: u64, permitted: u64, inheritable: u64) -> Arg {
    let sets = [effective, permitted, inheritable];
    let words = sets.into_iter().map(|set| set as u32).chain(sets.into_iter().map(|set| (set >> 32) as u32));
    Arg::Bytes(words.flat_map(u32::to_ne_bytes).collect())
}

fn caps(mask: u64) -> impl Strategy<Value = Op> {
    let consistent = (set(mask), set(mask), set(mask)).prop_map(|(e, p, i)| cap_data(e & p, p, i));
    let any = (set(mask), set(mask), set(mask)).prop_map(|(e, p, i)| cap_data(e, p, i));
    let data = prop_oneof![20 => consistent, 5 => any, 1 => Just(Arg::Bad), 1 => Just(Arg::Word(0))];
    let capset = (header(), data).prop_map(|(header, data)| Op::Call("capset", vec![header, data]));
    let room = prop_oneof![
        20 => Just(Arg::Bytes(vec![0xAA; 24])), 1 => Just(Arg::Bad), 2 => Just(Arg::Word(0))
    ];
    let capget = (header(), room).prop_map(|(header, data)| Op::Call("capget", vec![header, data]));
    prop_oneof![4 => capset, 1 => capget]
}

fn prctl(operation: u64, args: Vec<u64>) -> Op {
    let words = std::iter::once(operation).chain(args).chain([0; 4]).take(5);
    Op::Call("prctl", words.map(Arg::Word).collect())
}

fn prctls() -> impl Strategy<Value = Op> {
    let cap = || prop_oneof![12 => select(CAPS), 1 => select(NO_CAPS)];
    let securebits = prop_oneof![
        4 => vec(0u32..13, 0..3).prop_map(|bits| bits.iter().fold(0, |all, bit| all | 1 << bit)),
        1 => any::<u64>(),
        1 => 0u64..0x1000,
    ];
    let noise = || prop_oneof![10 => Just(0u64), 1 => Just(1u64)];
    prop_oneof![
        2 => Just(prctl(3, vec![])),
        1 => (0u64..3).prop_map(|value| prctl(4, vec![value])),
        2 => (0u64..3).prop_map(|on| prctl(8, vec![on])),
        1 => noise().prop_map(|noise| prctl(7, vec![noise])),
        1 => cap().prop_map(|cap| prctl(23, vec![cap])),
        3 => cap().prop_map(|cap| prctl(24, vec![cap])),
        1 => Just(prctl(27, vec![])),
        4 => securebits.prop_map(|bits| prctl(28, vec![bits])),
        1 => (select(vec![1, 1, 0, 2]), noise(), noise()).prop_map(|(on, a, b)| prctl(38, vec![on, a, b])),
        1 => (noise(), noise()).prop_map(|(a, b)| prctl(39, vec![a, 0, b])),
        4 => (select(vec![1, 2, 2, 2, 3, 4, 0, 5]), cap(), noise(), noise())
            .prop_map(|(operation, cap, a, b)| prctl(47, vec![operation, cap, a, b])),
        1 => Just(prctl(47, vec![4])),
    ]
}

fn exec() -> impl Strategy<Value = Op> {
    let helpers: Vec<Op> = HELPERS.iter().map(Op::Exec).collect();
    select(helpers)
}

/// Ways into states that chance alone seldom finds: ambient capabilities, a kept permitted set, root without its
/// magic.
fn setting(abi: Abi, mask: u64) -> impl Strategy<Value = Vec<Op>> {
    let setresuid = if abi == Abi::I386 { "setresuid32" } else { "setresuid" };
    let ambient = (vec(select(CAPS), 1..4), set(mask)).prop_map(move |(caps, inheritable)| {
        let inheritable = caps.iter().fold(inheritable, |set, cap| set | 1 << cap) & mask;
        let header = Arg::Header(VERSIONS[0], Pid::Number(0));
        let capset = Op::Call("capset", vec![header, cap_data(mask, mask, inheritable)]);
        std::iter::once(capset).chain(caps.iter().map(|cap| prctl(47, vec![2, *cap]))).collect()
    });
    let keep = (select(vec![1, 33, 1000]), set(mask)).prop_map(move |(id, effective)| {
        let data = cap_data(effective & mask, mask, mask);
        vec![
            prctl(8, vec![1]),
            Op::Call(setresuid, vec![Arg::Word(id); 3]),
            Op::Call("capset", vec![Arg::Header(VERSIONS[0], Pid::Number(0)), data]),
        ]
    });
    let drop =
        select(vec![1, 33, 1000]).prop_map(move |id| vec![Op::Call(setresuid, vec![Arg::Word(id); 3])]);
    prop_oneof![ambient, keep, drop, Just(vec![prctl(28, vec![0b1111])])]
}

/// Sequences for tasks that start as root with the capabilities of `mask`.
pub fn sequences(abi: Abi, mask: u64) -> impl Strategy<Value = Vec<Op>> {
    let one = prop_oneof![
        10 => set_ids(abi),
        2 => getters(abi),
        2 => set_groups(abi),
        4 => caps(mask),
        5 => prctls(),
        1 => Just(Op::Fork),
        1 => Just(Op::Thread),
        5 => exec(),
    ];
    let step = prop_oneof![12 => one.prop_map(|op| vec![op]), 1 => setting(abi, mask)];
    vec(step, 1..14).prop_map(|steps| steps.concat())
}
