//! What was said: the command line as clap parses it. Nothing here makes a system call.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::owners_args::Owners;
use super::syscalls::Format;
use crate::oci::install::Engine;

const EXAMPLES: &str = "\
Examples:
  remainroot -- debootstrap --variant=minbase bookworm ./rootfs
  remainroot --rootfs ./rootfs -- sh -c 'apt-get update && apt-get install -y make gcc'
  remainroot --rootfs ./rootfs --bind ~/src:/src --workdir /src -- make install
  remainroot -- apt-get install -y postgresql        in a container that belongs to you
  remainroot --user www-data -- id
  remainroot doctor                                  what this machine allows
  remainroot -- syscalls                             a program named like a subcommand

Exit status: the program's own; if a signal killed it, remainroot dies of the same signal. 125: remainroot \
itself failed; 126: the program could not be run; 127: it was not found.

Environment: REMAINROOT_STORE stands for --store, REMAINROOT_RUNTIME for oci runtime --runtime-path; with \
SOURCE_DATE_EPOCH, owners export writes no later time.

remainroot makes programs work that expect to be root. It is not a security boundary.";

/// Run programs as root of a whole system, inside a user namespace that maps one uid and one gid.
///
/// Programs that drop privileges, switch users, own files by many users, make device nodes or set ACLs succeed, and
/// read back what they wrote, without subuid ranges, set-user-ID helpers or a daemon. All of them run with your own
/// rights: files that are not yours stay closed.
#[derive(Debug, Parser)]
#[command(
    name = "remainroot",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    override_usage = "remainroot [OPTIONS] [--] CMD [ARG]...\n       remainroot <SUBCOMMAND>"
)]
pub struct Cli {
    /// A subcommand, if one was named.
    #[command(subcommand)]
    pub sub: Option<Sub>,
    /// `remainroot [OPTIONS] [--] CMD…`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Run a program (the same as naming no subcommand).
    #[command(after_help = EXAMPLES, override_usage = "remainroot run [OPTIONS] [--] CMD [ARG]...")]
    Run(RunArgs),
    /// Find out what this machine allows, by trying it, and what would mend what it does not.
    ///
    /// User namespaces, mounts, seccomp filters, ptrace, the file system of PATH, the store, a container's profile; then a
    /// program is run. The exit status is 0 if all kinds of runs work, 1 if only some do (without --rootfs and --bind, or
    /// only with --userns none or another --store), 2 if none does; 125 if PATH cannot be looked at. Nothing is left behind.
    Doctor {
        /// Print an object for programs (docs/DOCTOR.md).
        #[arg(long)]
        json: bool,
        /// A directory whose file system is to be tried.
        #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::DirPath)]
        path: PathBuf,
    },
    /// Print what becomes of each system call.
    Syscalls {
        /// How to print it.
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
        format: Format,
    },
    /// Look at the owners of the files in a tree, and move them elsewhere.
    #[command(disable_help_subcommand = true)]
    Owners {
        /// What to do.
        #[command(subcommand)]
        what: Owners,
    },
    /// Put remainroot before the programs of containers.
    #[command(disable_help_subcommand = true)]
    Oci {
        /// What to do.
        #[command(subcommand)]
        what: Oci,
    },
}

/// `remainroot oci`.
#[derive(Debug, Subcommand)]
pub enum Oci {
    /// Be an OCI runtime: hand every call on to runc, crun or youki, with remainroot before the container's programs.
    ///
    /// For create, run and restore, config.json is changed: remainroot is bind-mounted (on the container's own /dev, so
    /// that the image stays as it is) and put before process.args, and process.user becomes an option of remainroot's.
    /// What process says of capabilities and noNewPrivileges holds for the container's programs; the seccomp profile stays,
    /// but for calls that ptrace takes and no rule mentions. The original is config.json.before-remainroot; it is put back
    /// when run has ended, and when the runtime failed. Owners are kept in the bundle, in remainroot-store. Programs
    /// started by exec get the same. Annotations of the container: org.remainroot.enable=false (as if it were called
    /// directly), org.remainroot.store=DIR|memory (outside), org.remainroot.args=OPTIONS (of run). Containers of the
    /// machine's own root, and those with 65,536 ids or more (unless org.remainroot.enable=true), are left alone. The exit
    /// status is the runtime's.
    Runtime {
        /// The runtime to hand on to (default: $REMAINROOT_RUNTIME, else the first of crun, runc, youki in PATH).
        ///
        /// Where cgroups are mounted in the hybrid way, crun refuses to start: there it is the last that is looked for.
        /// Called by a link named remainroot-runc, remainroot-crun or remainroot-youki, it is that one, and all words are
        /// the runtime's.
        #[arg(long, value_name = "PATH", value_hint = ValueHint::ExecutablePath)]
        runtime_path: Option<PathBuf>,
        /// What the runtime is asked to do.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
        words: Vec<OsString>,
    },
    /// Be a hook that changes the description of a container: podman's precreate.
    ///
    /// config.json comes on standard input, and goes to standard output with the changes that `oci runtime` makes. The same
    /// annotations hold. A container's state, as hooks of other stages get it, is refused. Programs started by exec are not changed: no hook is called for them. Owners are kept in the
    /// container's own directory, in remainroot-store.
    Hook {
        /// Keep owners in this directory, or until the container ends ("memory").
        #[arg(long, value_name = "DIR|memory", value_hint = ValueHint::DirPath)]
        store: Option<PathBuf>,
    },
    /// Have podman or buildah run all of your containers by remainroot, without more options.
    ///
    /// Writes ~/.config/containers/containers.conf.d/50-remainroot-ENGINE.conf ($XDG_CONFIG_HOME), which makes `oci runtime`
    /// the default runtime, by a link in ~/.local/share/remainroot if there is none beside the program. Where you have one
    /// id and no storage.conf, writes that, too: without ignore_chown_errors, images cannot be unpacked. Prints what it
    /// wrote. Files that it did not write, or that were changed since, are left alone. For root of a container, the
    /// files are those in /etc/containers.
    Install {
        /// Which engine. Both read the settings of either.
        #[arg(long, value_enum, value_name = "ENGINE")]
        engine: ContainerEngineArg,
        /// The runtime to hand on to (default: the first of crun, runc, youki in PATH; crun last where cgroups are
        /// mounted in the hybrid way, which it refuses).
        #[arg(long, value_enum, value_name = "NAME", conflicts_with = "remove")]
        runtime: Option<RuntimeArg>,
        /// Remove what was written. Containers that were made with it cannot be started any more.
        #[arg(long)]
        remove: bool,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// `oci install --engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ContainerEngineArg {
    /// podman(1).
    Podman,
    /// buildah(1).
    Buildah,
}

impl From<ContainerEngineArg> for Engine {
    fn from(said: ContainerEngineArg) -> Engine {
        match said {
            ContainerEngineArg::Podman => Engine::Podman,
            ContainerEngineArg::Buildah => Engine::Buildah,
        }
    }
}

/// `oci install --runtime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeArg {
    /// crun(1).
    Crun,
    /// runc(8).
    Runc,
    /// youki.
    Youki,
}

impl RuntimeArg {
    /// The program.
    pub const fn name(self) -> &'static str {
        match self {
            RuntimeArg::Crun => "crun",
            RuntimeArg::Runc => "runc",
            RuntimeArg::Youki => "youki",
        }
    }
}

/// All that can be said about a run.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Run CMD with DIR as its root directory.
    ///
    /// /proc, /sys and /dev are mounted in it, the machine's resolv.conf read-only, and, where its own is missing or
    /// empty, an /etc/hosts that knows localhost and the machine's name. CMD, PATH, --workdir, and the names given to
    /// --user are looked up inside DIR. Variables that name places outside of it are dropped.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub rootfs: Option<PathBuf>,

    /// Make SRC visible at DST (default: the same path); repeatable.
    ///
    /// A missing mount point is created, and removed when the last program of all runs that use it has ended. What a
    /// run leaves behind that is killed (SIGKILL), the next that uses it removes. With ":ro" the mount is read-only.
    #[arg(long, value_name = "SRC[:DST[:ro]]")]
    pub bind: Vec<OsString>,

    /// Directory to start CMD in (default: the present one, or / with --rootfs).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub workdir: Option<PathBuf>,

    /// Set an environment variable; repeatable.
    #[arg(long, value_name = "K=V")]
    pub env: Vec<OsString>,

    /// Start from an environment of PATH, HOME, USER, LOGNAME, SHELL and the present TERM alone.
    #[arg(long)]
    pub clear_env: bool,

    /// The first identity: a name from the guest's passwd and group files, or a number.
    ///
    /// Without GROUP it is the user's own group. Supplementary groups come from the group file.
    #[arg(long, value_name = "USER[:GROUP]", default_value = "root", value_hint = ValueHint::Username)]
    pub user: String,

    /// Supplementary groups, by number, instead of those in the group file; "" for none.
    #[arg(long, value_name = "GID,...")]
    pub groups: Option<String>,

    /// What CMD has in one of the sets bounding, permitted, effective, inheritable and ambient; repeatable.
    ///
    /// The default is what root has, or a user without privileges. As for any program, an exec follows: what root gets by
    /// it is what is bounding or inheritable. The list may be empty. Names are taken in any case, with CAP_ or without;
    /// ALL is all of them.
    #[arg(long, value_name = "SET=NAME,...")]
    pub capabilities: Vec<String>,

    /// Start CMD with no_new_privs: neither set-id bits nor capabilities of files give it more than it has.
    #[arg(long)]
    pub no_new_privs: bool,

    /// Which user namespace to run in.
    #[arg(long, value_enum, value_name = "MODE", default_value_t = UserNsArg::Auto)]
    pub userns: UserNsArg,

    /// What stops the guest to answer its system calls.
    #[arg(long, value_enum, value_name = "ENGINE", default_value_t = EngineArg::Auto)]
    pub engine: EngineArg,

    /// Where the owners of files are kept: memory (until CMD ends), a directory, or auto.
    ///
    /// auto is $REMAINROOT_STORE, or else the user's own directory, ~/.local/state/remainroot ($XDG_STATE_HOME). Where
    /// there can be none, a line says so, and links, devices and the like are remembered until CMD ends.
    #[arg(long, value_name = "auto|memory|PATH", default_value = "auto", value_hint = ValueHint::DirPath)]
    pub store: OsString,

    /// The attribute in which files and directories carry their owners themselves, unless --store is memory.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = OwnerXattrArg::Rootlesscontainers)]
    pub owner_xattr: OwnerXattrArg,

    /// Who sees virtual ids, capabilities and maps in files of /proc/PID: status, uid_map, gid_map, setgroups, loginuid.
    ///
    /// auto: programs that have dropped root, and those that have listed /proc (ps, top) once one has. full: everybody, from
    /// the start, so that programs do what they do as the machine's root only (umoci makes devices). Then every open(2)
    /// stops, for about 5 µs: reading 66,000 files takes 1.2 times the CPU time.
    #[arg(long, value_enum, value_name = "WHO", default_value_t = ProcArg::Auto)]
    pub proc: ProcArg,

    /// Say at the end what calls were stopped for, how often and for how long, and what became of them.
    ///
    /// A table for people, or an object for programs (docs/WATCHING.md), on stderr or in --summary-file. Also told: how
    /// many files have owners of their own, whom programs ran as, and which calls were made that are not answered in
    /// everything as for real root.
    #[arg(long, value_enum, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
        default_missing_value = "text")]
    pub summary: Option<SummaryArg>,

    /// Write the summary to FILE, as text unless --summary says otherwise.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub summary_file: Option<PathBuf>,

    /// Write a line for each call that is answered, with its arguments, its answer, and the rule that decided: to FILE,
    /// or on stderr.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, value_hint = ValueHint::FilePath)]
    pub explain: Option<Option<PathBuf>>,

    /// Write lines of such calls alone, as --explain does; repeatable.
    ///
    /// WHAT is a family (the words in brackets in `remainroot syscalls`: ids, owners, …), a call or a part of calls' names
    /// (chown), "failed", an error (EPERM), or an absolute path, for what is there or below. Words of one kind widen each
    /// other; of several kinds, one of each has to fit: "owners,failed,/etc".
    #[arg(long, value_name = "WHAT,...")]
    pub explain_only: Vec<OsString>,

    /// The program to run, and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD",
        value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// `--userns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UserNsArg {
    /// Keep the present namespace if this process is its root, else make one.
    Auto,
    /// Make one.
    New,
    /// Stay in the present one.
    Keep,
    /// Use none at all, as fakeroot does: for hosts that forbid them.
    None,
}

/// `--proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProcArg {
    /// Those who have dropped root, and those who look at tasks.
    Auto,
    /// Everybody.
    Full,
}

/// `--owner-xattr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OwnerXattrArg {
    /// user.rootlesscontainers, as umoci and others have it.
    Rootlesscontainers,
    /// user.containers.override_stat, as containers/storage and fuse-overlayfs have it.
    Override,
    /// No attribute: neither written nor read.
    None,
}

/// `--summary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SummaryArg {
    /// A table.
    Text,
    /// An object.
    Json,
}

/// `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// The best that there is.
    Auto,
    /// ptrace(2).
    Ptrace,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run_of(words: &[&str]) -> RunArgs {
        let cli = Cli::try_parse_from([&["remainroot"], words].concat()).expect("parses");
        match cli.sub {
            Some(Sub::Run(run)) => run,
            None => cli.run,
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_takes_all_that_follows() {
        for words in [
            &["ls", "-l", "--user", "x"][..],
            &["--", "ls", "-l", "--user", "x"],
            &["run", "ls", "-l", "--user", "x"],
            &["run", "--", "ls", "-l", "--user", "x"],
        ] {
            let run = run_of(words);
            assert_eq!(run.command, ["ls", "-l", "--user", "x"], "{words:?}");
            assert_eq!(run.user, "root");
        }
    }

    #[test]
    fn a_second_double_dash_belongs_to_the_command() {
        assert_eq!(run_of(&["--", "env", "--", "x"]).command, ["env", "--", "x"]);
        assert_eq!(run_of(&["env", "--", "x"]).command, ["env", "--", "x"]);
    }

    #[test]
    fn a_command_may_be_named_like_a_subcommand() {
        for words in [&["--", "run"][..], &["--user", "0", "--", "run"], &["run", "--", "run"]] {
            assert_eq!(run_of(words).command, ["run"], "{words:?}");
        }
    }

    #[test]
    fn the_table_is_printed_as_text_unless_said_otherwise() {
        let format = |words: &[&str]| match Cli::try_parse_from([&["remainroot"], words].concat()) {
            Ok(Cli { sub: Some(Sub::Syscalls { format }), .. }) => Some(format),
            _ => None,
        };
        assert_eq!(format(&["syscalls"]), Some(Format::Text));
        assert_eq!(format(&["syscalls", "--format", "json"]), Some(Format::Json));
        assert_eq!(format(&["--", "syscalls"]), None);
        assert_eq!(format(&["syscalls", "more"]), None);
    }

    #[test]
    fn options_stand_before_the_command() {
        let run = run_of(&[
            "--rootfs",
            "r",
            "--bind",
            "a:b",
            "--bind",
            "c",
            "--env",
            "A=1",
            "--clear-env",
            "--workdir",
            "/w",
            "--user",
            "www-data:33",
            "--userns",
            "keep",
            "--engine",
            "ptrace",
            "cmd",
        ]);
        assert_eq!(run.rootfs, Some("r".into()));
        assert_eq!(run.bind, ["a:b", "c"]);
        assert_eq!(run.env, ["A=1"]);
        assert!(run.clear_env);
        assert_eq!((run.user.as_str(), run.userns), ("www-data:33", UserNsArg::Keep));
        assert_eq!(run.engine, EngineArg::Ptrace);
        assert_eq!(run.command, ["cmd"]);
    }

    #[test]
    fn a_command_is_required() {
        assert!(Cli::try_parse_from(["remainroot"]).is_err());
        assert!(Cli::try_parse_from(["remainroot", "run"]).is_err());
        assert!(Cli::try_parse_from(["remainroot", "--userns", "some", "x"]).is_err());
    }
}
