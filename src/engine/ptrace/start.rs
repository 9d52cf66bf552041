//! Starting the first guest: fork, seize, filter, exec.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;

use remainroot_shims::table::{self, Needs, Row};

use super::watch;
use crate::bpf;
use crate::engine::{EngineError, Launch};
use crate::sys::process::{self, Fork};
use crate::sys::ptrace::{self, Lost};
use crate::sys::{inherit, seccomp, signal};

/// What the guest says through its pipe when it cannot become the program that it should.
const SAYS_NO_NEW_PRIVS: u8 = 1;
const SAYS_FILTER: u8 = 2;
const SAYS_EXEC: u8 = 3;

/// The first guest, seized, and about to execute its program.
pub(super) struct Started {
    /// Its pid.
    pub pid: i32,
    /// Where it says why it could not.
    failure: PipeReader,
}

/// Why the guest never became the program.
pub(super) enum NotStarted {
    /// The program could not be executed, with this errno.
    Exec(i32),
    /// Something of ours did not work.
    Engine(EngineError),
}

fn pipe_error(error: std::io::Error) -> EngineError {
    EngineError::Pipe(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Forks the guest, seizes it, and lets it go on to install the filter, which cares for `needs`, and execute its
/// program.
pub(super) fn start(launch: &Launch, needs: Needs, is_watched: bool) -> Result<Started, EngineError> {
    let program = if is_watched { filter(&watch::rows(), needs) } else { filter(&table::ROWS, needs) };
    let (failure, say) = std::io::pipe().map_err(pipe_error)?;
    let (wait, mut go) = std::io::pipe().map_err(pipe_error)?;
    let pid = match process::fork().map_err(EngineError::Fork)? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            drop((failure, go));
            become_guest(launch, &program, wait, say)
        }
    };
    drop((wait, say));
    ptrace::seize(pid).map_err(|lost| {
        // The child reads the end of its pipe and leaves.
        EngineError::Seize(match lost {
            Lost::Gone => libc::ESRCH,
            Lost::Errno(errno) => errno,
        })
    })?;
    go.write_all(&[1]).map_err(pipe_error)?;
    Ok(Started { pid, failure })
}

fn filter(rows: &[Row], needs: Needs) -> Vec<seccomp::Insn> {
    bpf::program(rows, bpf::Scope::first(needs))
        .into_iter()
        .map(|insn| seccomp::Insn { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k })
        .collect()
}

/// The child's side. Runs in a copy of the tracer with one thread, so that the heap may be used.
fn become_guest(launch: &Launch, program: &[seccomp::Insn], mut wait: PipeReader, mut say: PipeWriter) -> ! {
    let mut fail = |what: u8, errno: i32| -> ! {
        let mut message = vec![what];
        message.extend_from_slice(&errno.to_ne_bytes());
        // If nobody listens any more there is nobody to tell.
        let _ = say.write_all(&message);
        process::exit_now(127)
    };
    if wait.read_exact(&mut [0]).is_err() {
        process::exit_now(127);
    }
    signal::set_mask(&launch.signal_mask);
    if launch.set_no_new_privs
        && let Err(errno) = seccomp::set_no_new_privs()
    {
        fail(SAYS_NO_NEW_PRIVS, errno);
    }
    if let Err(errno) = seccomp::install(program) {
        fail(SAYS_FILTER, errno);
    }
    inherit::restore();
    let mut worst = libc::ENOENT;
    for path in &launch.candidates {
        match process::exec(path, &launch.argv, &launch.env) {
            libc::ENOENT | libc::ENOTDIR => {}
            // As execvp(3): what the kernel does not know is taken for a shell script. A shell would read an ELF file, of
            // another architecture perhaps, as commands.
            libc::ENOEXEC if is_elf(path) => fail(SAYS_EXEC, libc::ENOEXEC),
            libc::ENOEXEC => {
                let script = [c"/bin/sh".to_owned(), path.clone()].into_iter();
                let argv: Vec<_> = script.chain(launch.argv.iter().skip(1).cloned()).collect();
                process::exec(c"/bin/sh", &argv, &launch.env);
                fail(SAYS_EXEC, libc::ENOEXEC)
            }
            // As execvp(3): look on, but remember that there was something that could not be executed.
            libc::EACCES => worst = libc::EACCES,
            errno => fail(SAYS_EXEC, errno),
        }
    }
    fail(SAYS_EXEC, worst)
}

/// Whether a file says that it is in the machine's own format, for whichever machine. One that cannot be read does not.
fn is_elf(path: &CStr) -> bool {
    let mut start = [0; 4];
    let file = File::open(OsStr::from_bytes(path.to_bytes()));
    file.and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"\x7fELF"
}

impl Started {
    /// Why the guest ended before it executed its program; `None` if it did execute it. Reads to the end of the
    /// pipe, which an exec closes: for when the guest is known to have executed or ended.
    pub fn failure(mut self) -> Option<NotStarted> {
        let mut message = Vec::new();
        self.failure.read_to_end(&mut message).ok()?;
        let errno = i32::from_ne_bytes(message.get(1..5)?.try_into().ok()?);
        Some(match message[0] {
            SAYS_NO_NEW_PRIVS => NotStarted::Engine(EngineError::NoNewPrivs(errno)),
            SAYS_FILTER => NotStarted::Engine(EngineError::Filter(errno)),
            _ => NotStarted::Exec(errno),
        })
    }
}
