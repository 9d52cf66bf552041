//! The tracer's process, up to the point where the engine takes over.

use std::ffi::{CString, OsStr, OsString};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use remainroot_shims::cred::{CapSet, Caps, Cred};

use super::account::Accounts;
use super::environment::{self, Environment, Keep};
use super::{CANNOT_RUN, CapKind, NOT_FOUND, OUR_FAILURE, Plan, explain, watch};
use crate::engine::{self, Launch};
use crate::sandbox::{Points, Refused, Trouble};
use crate::store;
use crate::sys::{process, signal};
use crate::tell;

/// Goes into the sandbox, starts the guest, and serves it until its last task is gone. Returns the exit status for
/// the tracer; where it is not 0, the reason has been told.
pub fn main(plan: Plan, front_socket: OwnedFd, mask: signal::Set, front: i32) -> i32 {
    // The kernel takes the wish back when a process gains privileges, as in a new namespace: hence twice, the first
    // for the time until then.
    if !die_with(front) {
        return OUR_FAILURE;
    }
    // While its path means what the user means.
    let opened = match store::open(&plan.store, plan.owner_xattr) {
        Ok(opened) => opened,
        Err(fault) => {
            tell!("{fault}");
            return OUR_FAILURE;
        }
    };
    if let Some(notice) = &opened.notice {
        tell!("{notice}");
    }
    let watching = match watch::open(plan.explain.as_ref(), plan.summary.as_ref()) {
        Ok(watching) => watching,
        Err(trouble) => {
            tell!("{trouble}");
            return OUR_FAILURE;
        }
    };
    // What was made to mount on is removed when the last task is gone.
    let (launch, _points) = match prepare(plan, mask) {
        Ok(prepared) => prepared,
        Err((status, trouble)) => {
            tell!("{trouble}");
            return status;
        }
    };
    if !die_with(front) {
        return OUR_FAILURE;
    }
    let store = Box::new(opened.into_store(launch.world.root_uid));
    match engine::serve(&launch, store, front_socket, watching) {
        Ok(()) => 0,
        // The front has been told, and explains it.
        Err(_) => OUR_FAILURE,
    }
}

/// Binds this process's life to the front's. False if the front is gone already.
fn die_with(front: i32) -> bool {
    process::die_with_parent();
    process::parent() == front
}

/// Makes the guest's world, and looks up in it what the guest starts with.
fn prepare(plan: Plan, mask: signal::Set) -> Result<(Launch, Points), (i32, Trouble)> {
    let ours = |trouble| (OUR_FAILURE, trouble);
    let command = &plan.command[0];
    let inside =
        plan.sandbox.enter(&environment::inside(command, &plan.env)).map_err(|refused| match refused {
            Refused::NoProgram(trouble) => (NOT_FOUND, trouble),
            Refused::Trouble(trouble) => (OUR_FAILURE, trouble),
        })?;
    let account = Accounts::read().and_then(|accounts| accounts.find(&plan.identity)).map_err(ours)?;
    let keep = match (plan.clear_env, &plan.sandbox.rootfs) {
        (true, _) => Keep::Terminal,
        (false, Some(_)) => Keep::Portable,
        (false, None) => Keep::All,
    };
    let env = Environment::make(std::env::vars_os(), keep, &account, &plan.env);
    let path = env.get("PATH");
    let candidates = environment::candidates(command, path);
    let searched = path.filter(|_| !command.as_bytes().contains(&b'/'));
    let found: Vec<_> = candidates.iter().map(|candidate| look(candidate)).collect();
    if found.iter().all(|found| *found == Look::Nothing) {
        return Err((NOT_FOUND, explain::not_found(command, searched, plan.other_meaning)));
    }
    if found.iter().all(|found| matches!(found, Look::Nothing | Look::Directory)) {
        return Err((CANNOT_RUN, explain::is_directory(command)));
    }
    if let Some(searched) = searched
        && found.iter().all(|found| matches!(found, Look::Nothing | Look::Closed))
    {
        let closed = candidates.iter().zip(&found).find(|(_, found)| **found == Look::Closed);
        let dir = closed.and_then(|(candidate, _)| Path::new(candidate).parent());
        return Err((CANNOT_RUN, explain::not_all_searched(command, searched, dir, plan.other_meaning)));
    }
    let groups = plan.groups.unwrap_or(account.groups);
    let mut cred = Cred::login(account.uid, account.gid, groups);
    cred.no_new_privs = plan.no_new_privs;
    for (kind, set) in plan.capabilities {
        *capabilities(&mut cred.caps, kind) = set;
    }
    let launch = Launch {
        candidates: strings(&candidates),
        argv: strings(&plan.command),
        env: env.to_strings(),
        cred,
        world: inside.terms.world,
        set_no_new_privs: inside.terms.set_no_new_privs,
        views: plan.views,
        signal_mask: mask,
    };
    Ok((launch, inside.points))
}

/// One of the sets.
fn capabilities(caps: &mut Caps, kind: CapKind) -> &mut CapSet {
    match kind {
        CapKind::Bounding => &mut caps.bounding,
        CapKind::Permitted => &mut caps.permitted,
        CapKind::Effective => &mut caps.effective,
        CapKind::Inheritable => &mut caps.inheritable,
        CapKind::Ambient => &mut caps.ambient,
    }
}

/// What there is under the name of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing.
    Nothing,
    /// A directory.
    Directory,
    /// It cannot be told: a directory on the way is closed to us.
    Closed,
    /// Something that may be executed; if not, exec will find out why.
    Something,
}

fn look(path: &OsStr) -> Look {
    match Path::new(path).metadata() {
        Ok(data) if data.is_dir() => Look::Directory,
        Ok(_) => Look::Something,
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Look::Nothing,
            ErrorKind::PermissionDenied => Look::Closed,
            _ => Look::Something,
        },
    }
}

/// Words of a command line cannot hold a NUL, so none is lost here.
fn strings(words: &[OsString]) -> Vec<CString> {
    words.iter().filter_map(|word| CString::new(word.as_bytes()).ok()).collect()
}
