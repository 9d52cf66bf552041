//! Whole runs: this program starts itself as a guest, which does what root does.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use nix::unistd::{Gid, Uid, fchown, getresgid, getresuid, setgroups, setresgid, setresuid, setuid};

use super::{Finding, Level};
use crate::sandbox::{Trouble, why_io};

/// Somebody whom no namespace with one id knows.
const SOMEBODY: u32 = 33;

/// No run takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// The words that make this program a guest of its own.
pub const GUEST: [&str; 2] = ["doctor", "--be-guest"];

/// Runs this program as a guest, in the namespace that `userns` names.
///
/// # Errors
/// What it said of its failure.
pub fn run(userns: &str) -> Result<(), Trouble> {
    let program = "/proc/self/exe";
    let mut command = Command::new(program);
    command.args(["run", "--store", "memory", "--userns", userns, "--", program]).args(GUEST);
    // Not /dev/null: in some containers that cannot be opened.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|error| Trouble::new(format!("{program}: {}", why_io(&error))))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                // The whole run goes with it.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Trouble::new(format!("no end after {} seconds", LIMIT.as_secs())));
            }
            Err(error) => return Err(Trouble::new(why_io(&error))),
        }
    };
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut said);
    }
    if status.success() {
        return Ok(());
    }
    let mut lines = said.lines().map(|line| line.trim_start_matches("remainroot: "));
    let what = lines.next().map_or_else(|| status.to_string(), str::to_owned);
    let mend: Vec<&str> = lines.collect();
    Err(Trouble { what, mend: (!mend.is_empty()).then(|| mend.join("\n")) })
}

/// What two runs come to: the usual one, and one with `--userns none`.
pub fn finding(plain: Result<(), Trouble>, without_namespace: Result<(), Trouble>) -> Finding {
    const DID: &str =
        "a program was run as root, gave a file to another user, became that user, and could not come back";
    let id = "run";
    match (plain, without_namespace) {
        (Ok(()), _) => Finding::ok(id, DID),
        (Err(trouble), Ok(())) => {
            Finding::new(id, Level::Fail, format!("remainroot -- CMD fails: {}", trouble.what))
                .fixed_by("until that is mended: remainroot --userns none -- CMD, which was tried and works")
        }
        (Err(trouble), Err(_)) => Finding::trouble(id, Level::Fail, trouble),
    }
}

/// The guest's side: does what root does, and says what went wrong. Returns the exit status.
pub fn be_guest() -> i32 {
    match act_as_root() {
        Ok(()) => 0,
        Err(what) => {
            crate::tell!("inside of a run, {what}");
            1
        }
    }
}

fn act_as_root() -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(SOMEBODY), Gid::from_raw(SOMEBODY));
    let failed = |call: &'static str| move |errno: nix::errno::Errno| format!("{call}: {}", errno.desc());
    let is = |right: bool, what: &str| if right { Ok(()) } else { Err(what.to_owned()) };
    let file = memfd_create(c"doctor", MFdFlags::MFD_CLOEXEC).map_err(failed("memfd_create"))?;
    fchown(file.as_fd(), Some(uid), Some(gid)).map_err(failed("fchown"))?;
    let stat = fstat(file.as_fd()).map_err(failed("fstat"))?;
    is((stat.st_uid, stat.st_gid) == (SOMEBODY, SOMEBODY), "a file has not the owner that it was given")?;
    setgroups(&[gid]).map_err(failed("setgroups"))?;
    setresgid(gid, gid, gid).map_err(failed("setresgid"))?;
    setresuid(uid, uid, uid).map_err(failed("setresuid"))?;
    let uids = getresuid().map_err(failed("getresuid"))?;
    let gids = getresgid().map_err(failed("getresgid"))?;
    is((uids.real, uids.effective, uids.saved) == (uid, uid, uid), "the user that was set is another")?;
    is((gids.real, gids.effective, gids.saved) == (gid, gid, gid), "the group that was set is another")?;
    is(setuid(Uid::from_raw(0)).is_err(), "a user who has dropped root can take it back")
}
