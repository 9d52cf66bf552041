//! A Debian system from nothing and many packages in it, by a user without a name or subuid ranges: on the host, in
//! podman, bubblewrap and runc; and compared, file by file, with what real root gets.
//!
//! `cargo test --test distro -- podman` runs one of them. Needed (Debian): debootstrap, podman, runc, bubblewrap,
//! python3, and apt's own configuration for a mirror. What happens inside is said by the scripts beside this file.

mod programs;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::{Arguments, Failed, Trial};
use support::{Lab, is_root, skipped};

/// Seconds after which a run is taken for hung.
const PATIENCE: &str = "1200";

/// Everybody's, because debootstrap is in sbin.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the tests share.
struct Site {
    lab: Lab,
    home: PathBuf,
    mirror: Result<String, String>,
    /// `SOURCE_DATE_EPOCH` for all: what writes the day down writes the same, and no image shows a later time.
    epoch: String,
    /// The minbase tree, made by whoever needs it first.
    base: OnceLock<Result<PathBuf, String>>,
}

impl Site {
    fn new() -> Site {
        let lab = Lab::new();
        let home = lab.home("home");
        for name in [
            "install.sh",
            "whole.sh",
            "settle.sh",
            "env-podman.sh",
            "env-bwrap.sh",
            "engine.sh",
            "env-runc.sh",
            "enter.sh",
        ] {
            fs::copy(script(name), lab.path().join(name)).expect("a copy of a script");
        }
        fs::copy(script("../support/podman.sh"), lab.path().join("podman.sh")).expect("a copy of a script");
        let settle = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/proof/settle.sh");
        fs::copy(settle, lab.path().join("proof-settle.sh")).expect("a copy of a script");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time behind 1970");
        Site { lab, home, mirror: mirror(), epoch: now.as_secs().to_string(), base: OnceLock::new() }
    }

    fn mirror(&self) -> Result<&str, String> {
        self.mirror.as_deref().map_err(Clone::clone)
    }

    /// The path of a copy that the unprivileged user can read.
    fn script(&self, name: &str) -> PathBuf {
        self.lab.path().join(name)
    }

    /// Runs a command as the unprivileged user, in its home, with little in its environment.
    fn run(&self, what: &str, command: &[&Path]) -> Result<String, String> {
        let mut timeout = self.lab.unprivileged("timeout");
        timeout.current_dir(&self.home).args(["--kill-after=10", PATIENCE]).args(command);
        timeout.env_clear().env("HOME", &self.home).env("LANG", "C.UTF-8");
        timeout.env("PATH", PATH).env("SOURCE_DATE_EPOCH", &self.epoch);
        logged(what, timeout, &self.lab.path().join(format!("{what}.log")))
    }

    fn remainroot(&self, what: &str, words: &[&str]) -> Result<String, String> {
        let binary = self.lab.remainroot();
        let command: Vec<&Path> =
            std::iter::once(binary.as_path()).chain(words.iter().map(Path::new)).collect();
        self.run(what, &command)
    }

    /// Runs a command as real root, in `dir`, with the environment that [`Site::run`] gives.
    fn natively(&self, what: &str, dir: &Path, command: &[&Path]) -> Result<String, String> {
        let mut timeout = Command::new("timeout");
        timeout.current_dir(dir).args(["--kill-after=10", PATIENCE]).args(command);
        timeout.env_clear().env("HOME", dir).env("LANG", "C.UTF-8");
        timeout.env("PATH", PATH).env("SOURCE_DATE_EPOCH", &self.epoch);
        logged(what, timeout, &self.lab.path().join(format!("{what}.log")))
    }

    /// Runs a command as real root in a tree, with what `remainroot --rootfs` gives.
    fn natively_in(&self, what: &str, tree: &Path, command: &[&str]) -> Result<String, String> {
        let enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh"].map(Path::new);
        let script = self.script("enter.sh");
        let command: Vec<&Path> = command.iter().map(Path::new).collect();
        self.natively(what, self.lab.path(), &[&enter[..], &[&script, tree], &command].concat())
    }

    /// The minbase tree: `remainroot -- debootstrap`.
    fn base(&self) -> Result<&Path, String> {
        let made = self.base.get_or_init(|| {
            let words = ["--", "debootstrap", "--variant=minbase", "bookworm", "./base", self.mirror()?];
            self.remainroot("debootstrap", &words).map(|_| self.home.join("base"))
        });
        made.as_deref().map_err(Clone::clone)
    }

    /// A copy of the minbase tree, for one test to spoil, with the packages that others have fetched already.
    fn copy(&self, name: &str) -> Result<PathBuf, String> {
        let tree = self.home.join(name);
        self.run(&format!("copy-{name}"), &["cp".as_ref(), "-a".as_ref(), self.base()?, &tree])?;
        fs::copy(self.script("install.sh"), tree.join("root/install.sh"))
            .map_err(|error| error.to_string())?;
        copy_daemons(&tree)?;
        link_packages(&self.home.join("archives"), &archives(&tree));
        Ok(tree)
    }

    /// Keeps what a test has fetched for those that come after it, and removes its tree.
    fn done(&self, tree: &Path) -> Result<(), String> {
        let kept = self.home.join("archives");
        fs::create_dir_all(&kept).map_err(|error| error.to_string())?;
        link_packages(&archives(tree), &kept);
        fs::remove_dir_all(tree).map_err(|error| format!("{}: {error}", tree.display()))
    }
}

/// Where Debian's packages come from, by the system's own configuration.
fn mirror() -> Result<String, String> {
    let output = Command::new(script("mirror.sh")).output().map_err(|error| format!("mirror.sh: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("mirror.sh: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/distro").join(name)
}

fn archives(tree: &Path) -> PathBuf {
    tree.join("var/cache/apt/archives")
}

/// Links each package file of one directory into another. One that is missing is only fetched again.
fn link_packages(from: &Path, to: &Path) {
    for file in fs::read_dir(from).into_iter().flatten().flatten() {
        if file.path().extension().is_some_and(|extension| extension == "deb") {
            let _ = fs::hard_link(file.path(), to.join(file.file_name()));
        }
    }
}

/// Runs a command with its output in a file. A failure tells the end of it.
fn logged(what: &str, mut command: Command, log: &Path) -> Result<String, String> {
    let to_file = || fs::OpenOptions::new().create(true).append(true).open(log).map(Stdio::from);
    let (Ok(out), Ok(err)) = (to_file(), to_file()) else {
        return Err(format!("cannot write {}", log.display()));
    };
    let status = command.stdin(Stdio::null()).stdout(out).stderr(err).status();
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    match status {
        Ok(status) if status.success() => Ok(text),
        Ok(status) => {
            let lines: Vec<&str> = text.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            Err(format!("{what}: {status}\n{end}"))
        }
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// The packages in a tree of their own, by `--rootfs`; and their daemons, started, used and stopped.
fn packages(site: &Site, mailer: &str) -> Result<(), Failed> {
    let tree = site.copy(mailer)?;
    let name = format!("./{mailer}");
    let log = site.remainroot(mailer, &["--rootfs", &name, "--", "sh", "/root/install.sh", mailer])?;
    went_well(&log, mailer)?;
    let words = ["--rootfs", &name, "--", "bash", "/root/daemons/all.sh", mailer];
    daemons_went_well(&site.remainroot(&format!("daemons-{mailer}"), &words)?)?;
    Ok(site.done(&tree)?)
}

/// The packages in a container that one of the scripts makes.
fn contained(site: &Site, by: &str, mailer: &str) -> Result<(), Failed> {
    let tree = site.copy(by)?;
    let (enter, binary) = (site.script(&format!("env-{by}.sh")), site.lab.remainroot());
    let install = ["remainroot", "--", "sh", "/root/install.sh", mailer].map(Path::new);
    let command = [&["sh".as_ref(), enter.as_path(), &tree, &binary][..], &install].concat();
    let log = site.run(by, &command)?;
    went_well(&log, mailer)?;
    Ok(site.done(&tree)?)
}

/// An image by a Dockerfile, and a container of it that serves, by podman.
fn by_podman(site: &Site) -> Result<(), Failed> {
    let script = site.script("engine.sh");
    let log = site.run("engine", &["sh".as_ref(), &script, site.base()?, &site.lab.remainroot()])?;
    for said in ["the image is well\n", "PostgreSQL is well\n"] {
        if !log.contains(said) {
            return Err(format!("engine.sh did not come to say: {said}").into());
        }
    }
    Ok(())
}

/// The script has come to its end; and the programs that complain and go on have not complained about us.
fn went_well(log: &str, mailer: &str) -> Result<(), Failed> {
    if !log.contains(&format!("ALL WELL with {mailer}\n")) {
        return Err("install.sh did not come to its end".into());
    }
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| {
            ["Operation not permitted", "Invalid argument", "Permission denied", "Function not implemented"]
                .iter()
                .any(|complaint| line.contains(complaint))
        })
        .collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

/// From nothing to the packages in one run, and the same by real root: every file must be alike.
fn as_real_root_gets_it(site: &Site) -> Result<(), Failed> {
    let whole = site.script("whole.sh");
    let command = ["--".as_ref(), "sh".as_ref(), whole.as_path()];
    let words: Vec<&str> = command.iter().filter_map(|word| word.to_str()).collect();
    let (tree, listing) = (site.home.join("whole"), site.home.join("whole.list"));
    let arguments = ["./whole", site.mirror()?, "./whole.list"];
    site.remainroot("whole", &[&words[..], &arguments].concat())?;

    let native = site.lab.path().join("native");
    fs::create_dir(&native)?;
    let command = [
        &["unshare".as_ref(), "--mount".as_ref(), "sh".as_ref(), whole.as_path()][..],
        &arguments.map(Path::new),
    ];
    site.natively("native", &native, &command.concat())?;

    let [ours, theirs] = [&listing, &native.join("whole.list")].map(fs::read_to_string);
    let (ours, theirs) = (ours?, theirs?);
    if theirs.lines().count() < 10_000 {
        return Err(format!("only {} lines of listing", theirs.lines().count()).into());
    }
    if let Some(differences) = differences(&ours, &theirs) {
        return Err(differences.into());
    }
    daemons_of_real_root(site, &native)?;
    same_image(site, &native)?;
    fs::remove_dir_all(tree)?;
    Ok(fs::remove_dir_all(native)?)
}

/// Of both trees, without what differs between any two builds, an image: layer and all must have the same digests.
fn same_image(site: &Site, native: &Path) -> Result<(), Failed> {
    let settle = site.script("settle.sh");
    let settle: [&Path; 3] = ["sh".as_ref(), &settle, "./whole".as_ref()];
    let remainroot = site.lab.remainroot();
    site.run("settle", &[&[&*remainroot, "--".as_ref()][..], &settle].concat())?;
    site.natively("native-settle", native, &settle)?;
    let both = |format, output| {
        let words = ["owners", "export", "--format", format, "--compression", "zstd", "-o", output, "whole"];
        let export = [&[&*remainroot][..], &words.map(Path::new)].concat();
        site.run("export", &export)?;
        site.natively("native-export", native, &export)
    };
    both("oci", "image")?;
    // The index has the digest of the manifest, which has those of layer and configuration.
    let read = |name: &str| [&site.home, native].map(|dir| fs::read_to_string(dir.join(name)));
    let [ours, theirs] = read("image/index.json");
    if ours? != theirs? {
        both("mtree", "whole.mtree")?;
        let [ours, theirs] = read("whole.mtree");
        return Err(differences(&ours?, &theirs?).unwrap_or_else(|| "attributes differ".to_owned()).into());
    }
    fs::remove_dir_all(site.home.join("image"))?;
    Ok(())
}

/// The lines that only one of two listings has, if there are any.
fn differences(ours: &str, theirs: &str) -> Option<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (ours, theirs) = (lines(ours), lines(theirs));
    let differences: Vec<String> = theirs
        .difference(&ours)
        .map(|line| format!("real root:  {line}"))
        .chain(ours.difference(&theirs).map(|line| format!("remainroot: {line}")))
        .collect();
    (!differences.is_empty()).then(|| differences.join("\n"))
}

/// The scripts of daemons, for whoever is root of this tree.
fn copy_daemons(tree: &Path) -> Result<(), String> {
    let to = tree.join("root/daemons");
    let copy = || -> std::io::Result<()> {
        fs::create_dir(&to)?;
        for entry in fs::read_dir(script("daemons"))? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    };
    copy().map_err(|error| format!("{}: {error}", to.display()))
}

/// All daemons have done what their scripts say.
fn daemons_went_well(log: &str) -> Result<(), Failed> {
    if log.ends_with("ALL WELL\n") { Ok(()) } else { Err(log.into()) }
}

/// What the scripts of daemons say is what real root sees, in a copy of its tree: they leave traces.
fn daemons_of_real_root(site: &Site, native: &Path) -> Result<(), Failed> {
    let tree = native.join("daemons");
    site.natively("native-copy", native, &["cp", "-a", "whole", "daemons"].map(Path::new))?;
    copy_daemons(&tree)?;
    let command = ["bash", "/root/daemons/all.sh", "postfix"];
    daemons_went_well(&site.natively_in("native-daemons", &tree, &command)?)?;
    Ok(fs::remove_dir_all(tree)?)
}

/// Whether a program is there, for those who have sbin in their PATH.
fn installed(program: &str) -> bool {
    PATH.split(':').any(|dir| Path::new(dir).join(program).exists())
}

fn main() {
    let mut arguments = Arguments::from_args();
    // Each is busy for a minute and waits for the disk or the network now and then.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let site = Arc::new(Site::new());
    let trial = |name: &'static str, needs: &'static [&str], test: fn(&Site) -> Result<(), Failed>| {
        let site = site.clone();
        Trial::test(name, move || match needs.iter().find(|program| !installed(program)) {
            Some(program) => {
                skipped(
                    name,
                    &format!("{program} is not installed (Debian packages: tests/debian-packages)"),
                );
                Ok(())
            }
            None => test(&site),
        })
    };
    let debootstrap = &["apt-get", "debootstrap"];
    let trials = vec![
        // Somebody who is not root cannot compare with root, and is told that the test was left out.
        trial("as_real_root_gets_it", debootstrap, as_real_root_gets_it).with_ignored_flag(!is_root()),
        trial("programs", &["apt-get", "debootstrap", "musl-gcc"], programs::programs)
            .with_ignored_flag(!is_root()),
        trial("packages_with_postfix", debootstrap, |site| packages(site, "postfix")),
        trial("packages_with_exim4", debootstrap, |site| packages(site, "exim4")),
        trial("packages_in_podman", &["apt-get", "debootstrap", "podman", "runc"], |site| {
            contained(site, "podman", "postfix")
        }),
        trial(
            "an_image_and_a_server_by_podman",
            &["apt-get", "debootstrap", "podman", "runc", "psql"],
            by_podman,
        ),
        trial("packages_in_bwrap", &["apt-get", "debootstrap", "bwrap"], |site| {
            contained(site, "bwrap", "exim4")
        }),
        trial("packages_in_runc", &["apt-get", "debootstrap", "runc", "python3"], |site| {
            contained(site, "runc", "postfix")
        }),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    // exit() runs no destructors, and the trees are large.
    drop(site);
    conclusion.exit()
}
