//! What /proc says of tasks: `fs/proc/array.c`, `task_dump_owner` in `fs/proc/base.c`. The kernel tells real ids and
//! capabilities. Whoever may see others than root's ones (a task that has dropped root, or that has listed /proc in a run
//! where one has) opens a text of ours in the place of a status file.

use std::ffi::CStr;
use std::fmt::Write;
use std::rc::Rc;

use linux_raw_sys::general::{__O_TMPFILE, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDWR};

use super::create::WRITES;
use super::file::Target;
use crate::abi::{Call, Errno, Gid, Uid};
use crate::cred::Cred;
use crate::guest::{Answer, Guest, Host, TaskFile, host};

/// With these, it is no reading of a file.
const OTHERWISE: u32 = WRITES | O_PATH | O_DIRECTORY | O_CREAT | __O_TMPFILE;

/// The mode of a directory that shows whose the task is even if it is not dumpable.
const PLAIN_DIRECTORY: u32 = 0o040_555;

/// Owner and group of a file on /proc of a task (`task_dump_owner`).
pub fn owner(file: &TaskFile, mode: u32) -> (Uid, Gid) {
    if file.dumpable || mode == PLAIN_DIRECTORY {
        (file.cred.uid.effective, file.cred.gid.effective)
    } else {
        (Uid::ROOT, Gid::ROOT)
    }
}

/// open(2) and openat(2) of a status file, with the path in argument `first` and the flags behind it. `None`: it is
/// something else.
pub async fn open(
    guest: &Rc<dyn Guest>,
    call: &Call,
    first: usize,
    target: &Result<Target, Errno>,
) -> Option<Answer> {
    let flags = call.uint(first + 1);
    let Ok(target @ Target::Path { path, .. }) = target else { return None };
    if flags & OTHERWISE != 0 || !path.to_bytes().ends_with(b"status") {
        return None;
    }
    let file = guest.task_file(&target.place()).filter(|file| file.name == "status")?;
    let text = status(&String::from_utf8_lossy(&guest.read_task_file(&target.place())?), &file.cred);
    open_text(guest, call, first, text.as_bytes()).await.ok()?;
    Some(Answer::Native)
}

/// Directories in which a file without a name can be made: whichever the guest has.
const SCRATCH: [&CStr; 3] = [c"/dev/shm", c"/tmp", c"/var/tmp"];

/// Opens a text in the place of the file that open(2) names: natively that is the guest's for as long as it is open, and
/// so is this one. An error if neither way leads there, and the guest shall have what the kernel says.
async fn open_text(guest: &Rc<dyn Guest>, call: &Call, first: usize, text: &[u8]) -> Result<(), Errno> {
    let flags = call.uint(first + 1) & !O_NOFOLLOW;
    if let Ok(loan) = guest.lend(text) {
        let args = call.with(first, loan.path()).with(first + 1, flags.into()).args;
        match host(guest, Host::With(args)).await {
            Err(Errno::ENOENT | Errno::EACCES | Errno::EPERM | Errno::ELOOP) => {}
            _ => return Ok(()),
        }
    }
    for dir in SCRATCH {
        let loan = guest.lend_path(dir)?;
        let flags = flags | __O_TMPFILE | O_DIRECTORY | O_RDWR;
        let call = call.with(first, loan.path()).with(first + 1, flags.into()).with(first + 2, 0o600);
        if let Ok(fd) = host(guest, Host::With(call.args)).await {
            // Whatever keeps us from it would have kept us from the guest's memory, too.
            let _ = guest.fill(fd as i32, text);
            return Ok(());
        }
    }
    host(guest, Host::Native).await.map(drop)
}

/// The kernel's /proc/PID/status with other credentials, and without the tracer and the filter that come with them.
pub fn status(native: &str, cred: &Cred) -> String {
    let four = |ids: [u32; 4]| ids.map(|id| id.to_string()).join("\t");
    let (uid, gid, caps) = (&cred.uid, &cred.gid, &cred.caps);
    let mut text = String::with_capacity(native.len() + 64);
    for line in native.lines() {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        let value = match name {
            "Uid" => four([uid.real, uid.effective, uid.saved, uid.fs].map(Uid::raw)),
            "Gid" => four([gid.real, gid.effective, gid.saved, gid.fs].map(Gid::raw)),
            "Groups" => groups(cred),
            "CapInh" => format!("{:016x}", caps.inheritable.bits()),
            "CapPrm" => format!("{:016x}", caps.permitted.bits()),
            "CapEff" => format!("{:016x}", caps.effective.bits()),
            "CapBnd" => format!("{:016x}", caps.bounding.bits()),
            "CapAmb" => format!("{:016x}", caps.ambient.bits()),
            "NoNewPrivs" => u8::from(cred.no_new_privs).to_string(),
            "TracerPid" => "0".to_owned(),
            _ => {
                text += line;
                text.push('\n');
                continue;
            }
        };
        let _ = writeln!(text, "{name}:\t{value}");
    }
    text
}

/// With a space behind the last, and also where there is none: `task_state` in `fs/proc/array.c`.
fn groups(cred: &Cred) -> String {
    let groups: Vec<String> = cred.groups.iter().map(|gid| gid.raw().to_string()).collect();
    groups.join(" ") + " "
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_virtual_credentials() {
        let native = "Name:\tsh\nTracerPid:\t7\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t65534 \nNStgid:\t9\n\
                      CapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n";
        let ids = [33, 4].map(|id| Gid::new(id).unwrap());
        let cred = Cred::login(Uid::new(33).unwrap(), ids[0], ids.to_vec());
        let expected = "Name:\tsh\nTracerPid:\t0\nUid:\t33\t33\t33\t33\nGid:\t33\t33\t33\t33\nGroups:\t4 33 \nNStgid:\t9\n\
                        CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\n";
        assert_eq!(status(native, &cred), expected);
        let alone = Cred::login(Uid::new(33).unwrap(), ids[0], vec![]);
        assert!(status(native, &alone).contains("\nGroups:\t \n"));
    }

    #[test]
    fn who_is_not_dumpable_shows_in_plain_directories_alone() {
        let cred = Rc::new(Cred::login(Uid::new(33).unwrap(), Gid::new(34).unwrap(), vec![]));
        let file = TaskFile { tid: 1, name: String::new(), cred, dumpable: false };
        assert_eq!(owner(&file, 0o040_555), (Uid::new(33).unwrap(), Gid::new(34).unwrap()));
        assert_eq!(owner(&file, 0o100_444), (Uid::ROOT, Gid::ROOT));
    }
}
