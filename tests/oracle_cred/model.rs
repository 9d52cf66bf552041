//! What the shims and the rules beneath them say that a sequence prints: the same rows that an engine dispatches by,
//! run on a guest made of memory alone.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;

use remainroot_shims::abi::{Abi, Call, Errno, Gid, Uid};
use remainroot_shims::cred::{CapSet, Cred};
use remainroot_shims::family::exec::after_exec;
use remainroot_shims::guest::{Answer, Guest};
use remainroot_shims::owner::Record;
use remainroot_shims::table::{Shim, row_of};
use remainroot_shims::testing::Fake;

use super::script::{Arg, Helper, Op, Pid, number};

const SAMPLED: [u32; 7] = [0, 6, 7, 8, 13, 24, 40];
const PATH: u64 = 0x100;

/// The tasks of a sequence: each process a stack of threads that wait for the next, each waiting for the next process.
struct Model {
    abi: Abi,
    guest: Fake,
    /// The process that runs the sequences.
    runner: Rc<Cred>,
    processes: Vec<Vec<Rc<Cred>>>,
    lines: Vec<String>,
}

/// What a sequence prints, for tasks that start as root with the capabilities of `mask`.
pub fn predict(abi: Abi, mask: u64, sequence: &[Op]) -> Vec<String> {
    let mut root = Cred::root();
    let mask = CapSet::from_bits_truncate(mask);
    root.caps.bounding &= mask;
    root.caps.permitted &= mask;
    root.caps.effective &= mask;
    let runner = Rc::new(root);
    let guest = Fake::new(abi, (*runner).clone());
    let processes = vec![vec![runner.clone()]];
    let mut model = Model { abi, guest, runner, processes, lines: Vec::new() };
    sequence.iter().for_each(|op| model.step(op));
    model.unwind();
    model.lines
}

impl Model {
    fn step(&mut self, op: &Op) {
        self.guest.know(Fake::OTHER, self.leader());
        match op {
            Op::Call(name, args) => {
                let line = self.call(name, args);
                self.print(&line);
            }
            Op::Fork => {
                self.processes.push(vec![self.guest.cred()]);
                self.print("f");
            }
            Op::Thread => {
                let cred = self.guest.cred();
                self.tasks().push(cred);
                self.print("t");
            }
            Op::Exec(helper) => self.exec(helper),
        }
        // What the present task has become.
        let cred = self.guest.cred();
        if let Some(task) = self.tasks().last_mut() {
            *task = cred;
        }
    }

    fn tasks(&mut self) -> &mut Vec<Rc<Cred>> {
        self.processes.last_mut().expect("the sequence runs in a process")
    }

    /// The leader of this process, or for the leader that of the parent process.
    fn leader(&self) -> Rc<Cred> {
        match &self.processes[..] {
            [.., present] if present.len() > 1 => present[0].clone(),
            [.., parent, _] => parent[0].clone(),
            _ => self.runner.clone(),
        }
    }

    /// The waiting tasks print their state, innermost first.
    fn unwind(&mut self) {
        while let Some(mut tasks) = self.processes.pop() {
            tasks.pop();
            while let Some(task) = tasks.pop() {
                self.guest.set_cred(task);
                self.print("u");
            }
            if let Some(task) = self.processes.last().and_then(|tasks| tasks.last()) {
                self.guest.set_cred(task.clone());
                self.print("u");
            }
        }
    }

    fn call(&mut self, name: &str, args: &[Arg]) -> String {
        let mut call = Call { abi: self.abi, nr: number(self.abi, name), args: [0; 6] };
        let mut blocks = Vec::new();
        for (n, arg) in args.iter().enumerate() {
            let here = 0x1000 + 0x5_0000 * blocks.len() as u64;
            let mut block = |bytes: &[u8], shown: usize| {
                self.guest.put(here, bytes);
                blocks.push((here, shown));
                here
            };
            call.args[n] = match arg {
                Arg::Word(word) if self.abi == Abi::I386 => u64::from(*word as u32),
                Arg::Word(word) => *word,
                Arg::Bad => Fake::BAD,
                Arg::Bytes(bytes) => block(bytes, bytes.len()),
                Arg::Header(version, pid) => {
                    let (pid, shown) = match pid {
                        Pid::Number(pid) => (*pid, 8),
                        Pid::Own => (Fake::TID, 4),
                        Pid::Leader => (Fake::OTHER, 4),
                    };
                    block(&[version.to_ne_bytes(), pid.to_ne_bytes()].concat(), shown)
                }
                Arg::Gids(count, width) => {
                    let gids = (1..=*count as u32).rev();
                    let bytes: Vec<u8> =
                        gids.flat_map(|gid| gid.to_ne_bytes().into_iter().take(*width)).collect();
                    block(&bytes, bytes.len())
                }
            };
        }
        let mut line = format!("r {}", self.result(self.dispatch(&call)));
        for (at, length) in blocks {
            let _ = write!(line, " ={}", shown(&self.guest.bytes(at, length)));
        }
        line
    }

    fn dispatch(&self, call: &Call) -> Answer {
        let row = row_of(self.abi, call.nr).expect("a row");
        match row.entry(self.abi).expect("of this ABI").shim {
            Shim::Entry(shim) => shim(&self.guest, call),
            _ => panic!("{} is no entry shim", row.name),
        }
    }

    /// The number that the guest's `long` holds, or the negative errno.
    fn result(&self, answer: Answer) -> i64 {
        match answer {
            Answer::Ret(value) if self.abi == Abi::I386 => (value as i32).into(),
            Answer::Ret(value) => value as i64,
            Answer::Err(errno) => -i64::from(errno.into_raw()),
            // Where the kernel itself is asked, it succeeds: nothing else is left to PR_SET_NO_NEW_PRIVS.
            Answer::Native => 0,
        }
    }

    fn exec(&mut self, helper: &Helper) {
        self.guest.records.borrow_mut().insert(1, record(helper));
        self.guest.put(PATH, b"./helper\0");
        let mut call = Call { abi: self.abi, nr: number(self.abi, "execve"), args: [0; 6] };
        call.args[0] = PATH;
        match self.dispatch(&call) {
            Answer::Native => {}
            refused => return self.print(&format!("r {}", self.result(refused))),
        }
        let ids = after_exec(&self.guest);
        let secure = u8::from(ids.secure);
        // Exec ends all other threads.
        *self.tasks() = vec![self.guest.cred()];
        self.print(&format!("x aux={},{},{},{},{secure}", ids.uid, ids.euid, ids.gid, ids.egid));
    }

    fn print(&mut self, line: &str) {
        self.lines.push(format!("{line}{}", state(&self.guest.cred())));
    }
}

fn record(helper: &Helper) -> Record {
    let caps = helper.caps().map(|caps| (b"security.capability"[..].into(), caps.into()));
    let known = "the helpers have valid ids";
    Record {
        uid: Uid::new(helper.uid).expect(known),
        gid: Gid::new(helper.gid).expect(known),
        mode: Some(helper.mode),
        device: None,
        xattrs: BTreeMap::from_iter(caps),
    }
}

/// Bytes as the guest program shows them.
fn shown(bytes: &[u8]) -> String {
    if bytes.len() > 64 {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
        return format!("{}:{hash:016x}", bytes.len());
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The state as the guest program prints it.
fn state(cred: &Cred) -> String {
    let Cred { uid, gid, caps, .. } = cred;
    let groups: Vec<u8> = cred.groups.iter().flat_map(|gid| gid.raw().to_ne_bytes()).collect();
    let sampled = |set: CapSet| {
        let bits = SAMPLED.iter().enumerate().filter(|(_, cap)| set.bits() >> *cap & 1 == 1);
        bits.fold(0, |mask, (n, _)| mask | 1 << n)
    };
    format!(
        " uid={},{},{},{} gid={},{},{},{} groups={} E={:016x} P={:016x} I={:016x} X={:02x} A={:02x} \
         securebits={:x} nnp={}",
        uid.real,
        uid.effective,
        uid.saved,
        uid.fs,
        gid.real,
        gid.effective,
        gid.saved,
        gid.fs,
        shown(&groups),
        caps.effective,
        caps.permitted,
        caps.inheritable,
        sampled(caps.bounding),
        sampled(caps.ambient),
        cred.securebits.bits(),
        u8::from(cred.no_new_privs),
    )
}

/// An errno that [`Errno`] has no name for would hide a wrong prediction.
#[test]
fn errnos_have_their_kernel_numbers() {
    assert_eq!([Errno::EPERM, Errno::EFAULT, Errno::EINVAL].map(Errno::into_raw), [1, 14, 22]);
}
