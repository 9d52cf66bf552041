//! `remainroot oci install`: the settings by which podman and buildah take remainroot for their runtime, and their removal.
//!
//! Both read `containers.conf.d/*.conf` of the user (containers.conf(5)). The runtime is named there by its path: buildah
//! knows no other way. What is written carries a digest of itself, so that files of others, and ours that somebody has
//! changed since, are never overwritten or removed.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{geteuid, getuid};

use super::hand_on;
use super::ids;
use super::runtime::our_program;
use super::wanted::{Before, Content, Wanted, cannot, is_ours, is_there};
use crate::sandbox::Trouble;

/// Where images are, for root.
const ROOTS_STORAGE: &str = "/var/lib/containers/storage";

/// Where containers/storage mounts them, for root.
const ROOTS_RUN: &str = "/run/containers/storage";

/// Who is to be told of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// podman.
    Podman,
    /// buildah.
    Buildah,
}

impl Engine {
    const ALL: [Engine; 2] = [Engine::Podman, Engine::Buildah];

    const fn name(self) -> &'static str {
        match self {
            Engine::Podman => "podman",
            Engine::Buildah => "buildah",
        }
    }

    /// Its words for the storage driver that it uses, and where it keeps what is for now and what stays: a line each.
    const fn ask_storage(self) -> [&'static str; 3] {
        match self {
            Engine::Podman => {
                ["info", "--format", "{{.Store.GraphDriverName}}\n{{.Store.RunRoot}}\n{{.Store.GraphRoot}}"]
            }
            Engine::Buildah => {
                ["info", "--format", "{{.store.GraphDriverName}}\n{{.store.RunRoot}}\n{{.store.GraphRoot}}"]
            }
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Write the settings.
    Install,
    /// Remove them.
    Remove,
}

/// Whether to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Do,
    /// Only say what would be done.
    Say,
}

/// Does it. Returns what to tell the user. `runtime` is crun, runc or youki, if one was named.
///
/// # Errors
/// The file that is in the way, or cannot be written, or the runtime that is missing. Then all files are as they were.
pub fn execute(engine: Engine, runtime: Option<&str>, task: Task, mode: Mode) -> Result<String, Trouble> {
    let places = Places::of_user()?;
    match task {
        Task::Install => install(engine, runtime, mode, &places),
        Task::Remove => remove(engine, mode, &places),
    }
}

/// The engines that are in PATH, and whether a file of [`execute`]'s says that we are their runtime: each reads those that
/// are written for the other, too.
pub fn engines() -> (Vec<&'static str>, bool) {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_in_path = |name: &&str| env::split_paths(&path).any(|dir| dir.join(name).is_file());
    let told = Places::of_user()
        .is_ok_and(|places| Engine::ALL.into_iter().any(|engine| is_ours(&places.settings(engine))));
    (Engine::ALL.map(Engine::name).into_iter().filter(is_in_path).collect(), told)
}

/// Where things are.
struct Places {
    /// `containers`, where the engines look for their settings.
    config: PathBuf,
    /// For our links.
    data: PathBuf,
    /// Where the engines keep images if nobody says otherwise.
    storage: PathBuf,
}

impl Places {
    fn of_user() -> Result<Places, Trouble> {
        if geteuid().is_root() {
            if ids::has_all() {
                return Err(Trouble::new(
                    "the machine's own root has all ids, and needs no remainroot in containers",
                )
                .mended_by("call this as the user whose containers they are"));
            }
            let [config, data] = ["/etc/containers", "/usr/local/share/remainroot"].map(PathBuf::from);
            return Ok(Places { config, data, storage: ROOTS_STORAGE.into() });
        }
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let below_home = |below: &str| absolute("HOME").map(|home| home.join(below));
        let dir = |name: &str, below: &str| {
            absolute(name).or_else(|| below_home(below)).ok_or_else(|| {
                Trouble::new(format!("neither {name} nor HOME names a directory")).mended_by("set HOME")
            })
        };
        let data = dir("XDG_DATA_HOME", ".local/share")?;
        Ok(Places {
            config: dir("XDG_CONFIG_HOME", ".config")?.join("containers"),
            storage: data.join("containers/storage"),
            data: data.join("remainroot"),
        })
    }

    fn settings(&self, engine: Engine) -> PathBuf {
        self.config.join(format!("containers.conf.d/50-remainroot-{}.conf", engine.name()))
    }

    fn storage_settings(&self) -> PathBuf {
        self.config.join("storage.conf")
    }

    fn link(&self, runtime: &str) -> PathBuf {
        self.data.join(format!("remainroot-{runtime}"))
    }
}

fn install(engine: Engine, said: Option<&str>, mode: Mode, places: &Places) -> Result<String, Trouble> {
    let found = hand_on::find(said.map(OsStr::new), None)?;
    let runtime = found.file_name().and_then(OsStr::to_str).filter(|name| hand_on::KNOWN.contains(name));
    let runtime = runtime.ok_or_else(|| {
        Trouble::new(format!("{}: is none of {}", found.display(), hand_on::KNOWN.join(", ")))
            .mended_by("name one of these: --runtime")
    })?;
    let mut wanted = Vec::new();
    let link = link(runtime, places, &mut wanted)?;
    wanted.push(Wanted::text(places.settings(engine), &settings(engine, runtime, &link)?));
    // Before the engine is asked, which makes its storage if it has none.
    if let Some(file) = wanted.iter().find(|file| is_there(&file.path) && !is_ours(&file.path)) {
        return Err(Trouble::new(format!(
            "{}: is there, and not by this command, or has been changed since",
            file.path.display()
        ))
        .mended_by("look at it, and remove or rename it; nothing has been changed"));
    }
    let mut out = String::new();
    storage(engine, mode, places, &mut wanted, &mut out)?;
    let mut before = Before::default();
    for file in &wanted {
        let verb = match (file.exists(), mode) {
            (true, _) => "there already:",
            (false, Mode::Say) => "would write",
            (false, Mode::Do) => {
                before.change(&file.path, || file.make())?;
                "wrote"
            }
        };
        file.describe(&mut out, verb);
    }
    let _ = writeln!(
        out,
        "{} {} containers by remainroot over {runtime}; both podman and buildah read this. Undone by:\n    \
         remainroot oci install --engine {} --remove",
        engine.name(),
        if mode == Mode::Do { "runs" } else { "would run" },
        engine.name(),
    );
    out.extend(of_cgroups(runtime, said));
    if env::var_os("CONTAINERS_CONF").is_some_and(|file| !file.is_empty()) {
        out.push_str("CONTAINERS_CONF is set: while it is, that file alone is read, and not these.\n");
    }
    Ok(out)
}

/// What is to be said of a choice where crun refuses to start.
fn of_cgroups(runtime: &str, said: Option<&str>) -> Option<String> {
    const HYBRID: &str =
        "where cgroups are mounted in the hybrid way, as they are here (/sys/fs/cgroup/unified)";
    let is_there = |name| hand_on::find(Some(OsStr::new(name)), None).is_ok();
    match (hand_on::cgroups(), runtime, said) {
        (hand_on::Cgroups::Hybrid, "crun", _) => Some(format!(
            "crun refuses to start {HYBRID}: containers will fail{}.\n",
            if is_there("runc") {
                "; runc does not: --runtime runc"
            } else {
                ", unless runc is installed, and named here"
            }
        )),
        (hand_on::Cgroups::Hybrid, _, None) if is_there("crun") => {
            Some(format!("crun is there, too, and not taken: it refuses to start {HYBRID}.\n"))
        }
        _ => None,
    }
}

/// The link that stands for us over `runtime`: one beside our program, as packages install it, or one of the user's.
fn link(runtime: &str, places: &Places, wanted: &mut Vec<Wanted>) -> Result<PathBuf, Trouble> {
    let program = our_program()?;
    let beside = program.with_file_name(format!("remainroot-{runtime}"));
    if fs::canonicalize(&beside).is_ok_and(|found| found == program) {
        return Ok(beside);
    }
    let path = places.link(runtime);
    wanted.push(Wanted { path: path.clone(), content: Content::Link(program) });
    Ok(path)
}

/// The engine's settings, in TOML.
fn settings(engine: Engine, runtime: &str, link: &Path) -> Result<String, Trouble> {
    let link = link.to_str().ok_or_else(|| {
        Trouble::new(format!("{}: settings can only hold paths that are UTF-8", link.display()))
    })?;
    // JSON's strings are TOML's basic strings.
    let quoted = serde_json::Value::from(link).to_string();
    let mut text = format!("[engine]\nruntime = {quoted}\n");
    if engine == Engine::Podman {
        if runtime == "crun" {
            // The defaults, and us: only what this names can be told to make no cgroup (--cgroups=disabled).
            let _ = writeln!(text, "runtime_supports_nocgroups = [\"crun\", \"krun\", {quoted}]");
        }
        let _ = writeln!(text, "\n[engine.runtimes]\nremainroot-{runtime} = [{quoted}]");
    }
    Ok(text)
}

/// With one id, images can only be unpacked if their owners are let go (`ignore_chown_errors`).
fn storage(
    engine: Engine,
    mode: Mode,
    places: &Places,
    wanted: &mut Vec<Wanted>,
    out: &mut String,
) -> Result<(), Trouble> {
    let path = places.storage_settings();
    if has_more_ids() || is_there(&path) && !is_ours(&path) && lets_owners_go(&path)? {
        return Ok(());
    }
    let name = engine.name();
    let advice = "[storage.options.DRIVER]\n    ignore_chown_errors = \"true\"";
    if is_there(&path) && !is_ours(&path) {
        let _ = writeln!(
            out,
            "{} is yours and stays as it is. With one id, {name} can only unpack images of several owners if it says \
             (DRIVER is what driver says there):\n    {advice}",
            path.display()
        );
        return Ok(());
    }
    // Asking makes the storage, if it is not there.
    let may_ask = mode == Mode::Do || places.storage.is_dir();
    let words: Vec<_> = engine.ask_storage().iter().map(Into::into).collect();
    let answer = may_ask.then(|| hand_on::ask(Path::new(name), &words)).flatten().unwrap_or_default();
    let answer = String::from_utf8(answer).unwrap_or_default();
    let is_driver = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let [driver, run, graph] = answer.lines().map(str::trim).collect::<Vec<_>>()[..]
        && is_driver(driver)
    {
        // Once there is such a file, some commands (podman commit) know no defaults.
        let roots = if geteuid().is_root() { [ROOTS_RUN, ROOTS_STORAGE] } else { [run, graph] };
        // JSON's strings are TOML's basic strings.
        let [run, graph] = roots.map(serde_json::Value::from);
        let body = format!(
            "[storage]\ndriver = \"{driver}\"\nrunroot = {run}\ngraphroot = {graph}\n\n[storage.options.{driver}]\n\
             ignore_chown_errors = \"true\"\n"
        );
        wanted.push(Wanted::text(path, &body));
        return Ok(());
    }
    let path = path.display();
    // The driver's name stands in the file, and only asking tells it.
    let _ = if may_ask {
        writeln!(
            out,
            "{name} does not say which driver it has. With one id, it can only unpack images of several owners if {path} \
             says:\n    {advice}"
        )
    } else {
        writeln!(
            out,
            "would ask {name} for the DRIVER of its storage, which makes that, and write {path}, to unpack images of \
             several owners with one id:\n    {advice}"
        )
    };
    Ok(())
}

fn lets_owners_go(path: &Path) -> Result<bool, Trouble> {
    let text = fs::read_to_string(path).map_err(|error| cannot(path, "be read", &error))?;
    let says = |line: &str| {
        let (key, value) = line.split_once('=').unwrap_or_default();
        key.trim() == "ignore_chown_errors" && value.trim().trim_matches('"') == "true"
    };
    Ok(text.lines().any(says))
}

/// Whether the user's containers have more than one id: ranges in /etc/subuid (subuid(5)), by name or number.
fn has_more_ids() -> bool {
    if geteuid().is_root() {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let count = |line: &str| line.split_whitespace().nth(2).and_then(|count| count.parse::<u64>().ok());
        return map.lines().filter_map(count).sum::<u64>() > 1;
    }
    let uid = getuid().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut names: Vec<&str> = vec![&uid];
    names.extend(users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    }));
    let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
    ranges.lines().any(|line| names.contains(&line.split(':').next().unwrap_or_default()))
}

fn remove(engine: Engine, mode: Mode, places: &Places) -> Result<String, Trouble> {
    let settings = places.settings(engine);
    if is_there(&settings) && !is_ours(&settings) {
        return Err(Trouble::new(format!("{}: is not as this command made it", settings.display()))
            .mended_by("look at it, and remove it yourself; nothing has been changed"));
    }
    let mut all = vec![settings];
    // What the other engine's settings still use.
    let others = Engine::ALL.into_iter().filter(|other| *other != engine);
    if !others.map(|other| places.settings(other)).any(|path| is_there(&path)) {
        all.extend(hand_on::KNOWN.map(|runtime| places.link(runtime)));
        all.push(places.storage_settings());
    }
    let (mut out, mut before) = (String::new(), Before::default());
    for path in all.iter().filter(|path| is_there(path)) {
        if !is_ours(path) {
            let _ = writeln!(out, "left {}: not by this command, or changed since", path.display());
            continue;
        }
        if mode == Mode::Do {
            let remove = || fs::remove_file(path).map_err(|error| cannot(path, "be removed", &error));
            before.change(path, remove)?;
        }
        let verb = if mode == Mode::Do { "removed" } else { "would remove" };
        let _ = writeln!(out, "{verb} {}", path.display());
    }
    if mode == Mode::Do {
        // Those that are left empty. The others stay.
        for dir in [&places.config.join("containers.conf.d"), &places.config, &places.data] {
            let _ = fs::remove_dir(dir);
        }
    }
    if out.is_empty() {
        let _ = writeln!(out, "nothing to remove: {} is not there", places.settings(engine).display());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_quote_paths() {
        let text = settings(Engine::Podman, "crun", Path::new("/a \"b\\c/remainroot-crun")).unwrap();
        assert_eq!(
            text,
            r#"[engine]
runtime = "/a \"b\\c/remainroot-crun"
runtime_supports_nocgroups = ["crun", "krun", "/a \"b\\c/remainroot-crun"]

[engine.runtimes]
remainroot-crun = ["/a \"b\\c/remainroot-crun"]
"#
        );
        let text = settings(Engine::Buildah, "crun", Path::new("/r")).unwrap();
        assert_eq!(text, "[engine]\nruntime = \"/r\"\n");
    }

    #[test]
    fn what_a_storage_file_says_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("storage.conf");
        for (text, lets) in [
            ("[storage.options.overlay]\n  ignore_chown_errors = \"true\"\n", true),
            ("ignore_chown_errors=true", true),
            ("# ignore_chown_errors = \"true\"", false),
            ("ignore_chown_errors = \"false\"", false),
            ("", false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(lets_owners_go(&path).unwrap(), lets, "{text}");
        }
    }
}
