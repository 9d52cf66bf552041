//! The container's description (OCI runtime specification, config.md): what is changed in it. It is changed as it was
//! read, so that fields that nobody here knows survive.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::ids::Ids;
use super::profile;
use crate::sandbox::Trouble;

/// Says whether a container has the shim.
const ENABLE: &str = "org.remainroot.enable";

/// Where its owners are kept, outside: a directory, or "memory".
const STORE: &str = "org.remainroot.store";

/// More options of `remainroot run`, separated by blanks.
const ARGS: &str = "org.remainroot.args";

/// What the directory is called that we are mounted in, inside.
const PLACE: &str = ".remainroot";

/// What comes before the words of every process.
pub type Prefix = Vec<String>;

/// What there is outside.
pub struct Outside<'a> {
    /// Our own program.
    pub program: &'a Path,
    /// Where owners are kept unless an annotation says otherwise.
    pub store: Store<'a>,
}

/// Where owners are kept.
#[derive(Clone, Copy)]
pub enum Store<'a> {
    /// In this directory.
    In(&'a Path),
    /// Nowhere but in memory.
    Memory,
    /// Nobody knows.
    Unknown,
}

/// What became of a description.
#[derive(Debug, PartialEq, Eq)]
pub enum Edited {
    /// Nothing is to be changed: the shim is not wanted, is there already, or there is no process.
    Not,
    /// It is changed. The store is this directory, if it is one.
    Yes(Option<PathBuf>),
}

/// Puts the shim before the container's process.
///
/// # Errors
/// The field that is wrong, or in the way.
pub fn edit(spec: &mut Value, outside: &Outside) -> Result<Edited, Trouble> {
    let mapped = Ids::of(spec);
    let fields = object(spec, "")?;
    if !enabled(fields.get("annotations"))? {
        return Ok(Edited::Not);
    }
    let Some(process) = fields.get("process").filter(|process| !process.is_null()) else {
        return Ok(Edited::Not);
    };
    if prefix_of(process).is_some() {
        return Ok(Edited::Not);
    }
    let store = store(fields.get("annotations"), outside)?;
    let more = more(fields.get("annotations"))?;
    if let Some(seccomp) = fields.get_mut("linux").and_then(|linux| linux.get_mut("seccomp"))
        && !seccomp.is_null()
    {
        profile::allow(seccomp)?;
    }
    let mounts = fields.entry("mounts").or_insert(Value::Null);
    if mounts.is_null() {
        *mounts = json!([]);
    }
    let mounts = match mounts {
        Value::Array(mounts) => mounts,
        _ => return Err(Trouble::new("mounts: not a list")),
    };
    mapped.let_go(mounts);
    let place = place(mounts);
    let program = format!("{place}/remainroot");
    mounts.push(mount(outside.program, &program, "ro")?);
    let inside = match &store {
        Some(dir) => {
            let inside = format!("{place}/store");
            mounts.push(mount(dir, &inside, "rw")?);
            inside
        }
        None => "memory".to_owned(),
    };
    let start = [program, "run".to_owned(), "--store".to_owned(), inside];
    let prefix = start.into_iter().chain(more).collect();
    let process = fields.get_mut("process").ok_or_else(|| Trouble::new("process: missing"))?;
    edit_process(process, &prefix, "process")?;
    Ok(Edited::Yes(store))
}

/// Puts the shim before a process. `name` is its field, for messages.
///
/// # Errors
/// The field that is wrong.
pub fn edit_process(process: &mut Value, prefix: &Prefix, name: &str) -> Result<(), Trouble> {
    let fields = object(process, name)?;
    let args = strings(fields.get("args"), &format!("{name}.args"))?;
    if args.is_empty() {
        return Err(Trouble::new(format!("{name}.args: empty: there is nothing to run")));
    }
    let identity = Identity::of(fields, name)?;
    let all = prefix.iter().cloned().chain(identity.words()).chain(["--".to_owned()]).chain(args);
    fields.insert("args".to_owned(), all.collect());
    let user = match fields.entry("user").or_insert_with(|| json!({})) {
        Value::Object(user) => user,
        _ => return Err(Trouble::new(format!("{name}.user: not an object"))),
    };
    user.insert("uid".to_owned(), json!(0));
    user.insert("gid".to_owned(), json!(0));
    user.remove("additionalGids");
    if let Some(Value::Object(sets)) = fields.get_mut("capabilities") {
        have_from_the_start(sets);
    }
    Ok(())
}

/// Permits what is bounding. The namespace's root gets it at exec in any case, but a process that gains something there
/// is not dumpable (`commit_creds`), and neither are its children: nobody but CAP_SYS_PTRACE may trace them.
fn have_from_the_start(sets: &mut Map<String, Value>) {
    let Some(Value::Array(bounding)) = sets.get("bounding").cloned() else { return };
    for set in ["permitted", "effective"] {
        if let Value::Array(names) = sets.entry(set).or_insert_with(|| json!([])) {
            let more: Vec<Value> = bounding.iter().filter(|name| !names.contains(name)).cloned().collect();
            names.extend(more);
        }
    }
}

/// The words that were put before a process, without whom it is.
pub fn prefix_of(process: &Value) -> Option<Prefix> {
    let args = process.get("args")?.as_array()?;
    let program = Path::new(args.first()?.as_str()?);
    let ours = program.file_name() == Some(OsStr::new("remainroot"))
        && program.parent().and_then(Path::file_name) == Some(OsStr::new(PLACE));
    let words = args.iter().map(|word| word.as_str().unwrap_or_default().to_owned());
    ours.then(|| words.take_while(|word| word != USER).collect())
}

/// The option that the identity begins with.
const USER: &str = "--user";

/// Whom a process runs as, and what it may do.
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    capabilities: Vec<String>,
    no_new_privs: bool,
}

impl Identity {
    /// That of a `process` object; `name` is its field.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn of(process: &Map<String, Value>, name: &str) -> Result<Identity, Trouble> {
        let user = process.get("user").unwrap_or(&Value::Null);
        let id = |field: &str| match user.get(field) {
            None | Some(Value::Null) => Ok(0),
            Some(value) => number(value, &format!("{name}.user.{field}")),
        };
        let groups = match user.get("additionalGids") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(gids)) => gids
                .iter()
                .enumerate()
                .map(|(at, gid)| number(gid, &format!("{name}.user.additionalGids[{at}]")))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(Trouble::new(format!("{name}.user.additionalGids: not a list"))),
        };
        let none = Value::Null;
        let sets = process.get("capabilities").unwrap_or(&none);
        let mut capabilities = Vec::new();
        for set in ["bounding", "permitted", "effective", "inheritable", "ambient"] {
            let field = format!("{name}.capabilities.{set}");
            let names = match sets.get(set) {
                None | Some(Value::Null) => Vec::new(),
                Some(list) => strings(Some(list), &field)?,
            };
            capabilities.push(format!("{set}={}", names.join(",")));
        }
        let no_new_privs = match process.get("noNewPrivileges") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(set)) => *set,
            Some(_) => return Err(Trouble::new(format!("{name}.noNewPrivileges: neither true nor false"))),
        };
        Ok(Identity { uid: id("uid")?, gid: id("gid")?, groups, capabilities, no_new_privs })
    }

    /// As options of `remainroot run`.
    pub fn words(&self) -> Vec<String> {
        let groups = self.groups.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut words = vec![USER.to_owned(), format!("{}:{}", self.uid, self.gid)];
        words.push(format!("--groups={groups}"));
        words.extend(self.capabilities.iter().map(|set| format!("--capabilities={set}")));
        words.extend(self.no_new_privs.then(|| "--no-new-privs".to_owned()));
        words
    }
}

/// Where we are mounted: on a file system that the runtime makes anew for each container, if there is one, so that
/// nothing is made in the image.
fn place(mounts: &[Value]) -> String {
    let is_new = |dir: &str| {
        let last = mounts.iter().rfind(|mount| mount.get("destination").is_some_and(|to| to == dir));
        last.is_some_and(|mount| mount.get("type").is_some_and(|kind| kind == "tmpfs"))
    };
    format!("{}/{PLACE}", ["/dev", "/run"].into_iter().find(|dir| is_new(dir)).unwrap_or(""))
}

fn mount(source: &Path, destination: &str, how: &str) -> Result<Value, Trouble> {
    let text = source.to_str().ok_or_else(|| {
        Trouble::new(format!("{}: config.json can only hold paths that are UTF-8", source.display()))
    })?;
    Ok(json!({ "destination": destination, "type": "bind", "source": text, "options": ["bind", how] }))
}

/// Whether an annotation asks for the shim.
pub fn is_wished_for(spec: &Value) -> bool {
    let said = spec.get("annotations").and_then(|all| all.get(ENABLE));
    said.is_some_and(|said| said == "true")
}

fn enabled(annotations: Option<&Value>) -> Result<bool, Trouble> {
    match annotation(annotations, ENABLE)? {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => {
            Err(Trouble::new(format!("annotations.{ENABLE}: {other:?} is neither true nor false")))
        }
    }
}

fn store(annotations: Option<&Value>, outside: &Outside) -> Result<Option<PathBuf>, Trouble> {
    match annotation(annotations, STORE)? {
        None => match outside.store {
            Store::In(dir) => Ok(Some(dir.to_owned())),
            Store::Memory => Ok(None),
            Store::Unknown => Err(Trouble::new(
                "nothing tells where the container has its own directory, to keep the owners of its files in",
            )
            .mended_by(format!("name a place: the option --store, or the annotation {STORE}"))),
        },
        Some("memory") => Ok(None),
        Some(dir) if dir.starts_with('/') => Ok(Some(dir.into())),
        Some(other) => Err(Trouble::new(format!(
            "annotations.{STORE}: {other:?} is neither an absolute path of a directory nor \"memory\""
        ))),
    }
}

fn more(annotations: Option<&Value>) -> Result<Vec<String>, Trouble> {
    let words = annotation(annotations, ARGS)?.unwrap_or_default().split_whitespace();
    let words: Vec<String> = words.map(str::to_owned).collect();
    for taken in [USER, "--groups", "--capabilities", "--"] {
        if words.iter().any(|word| word == taken || word.starts_with(&format!("{taken}=")) && taken != "--") {
            return Err(Trouble::new(format!(
                "annotations.{ARGS}: {taken} is not for annotations: process says who runs"
            )));
        }
    }
    Ok(words)
}

fn annotation<'a>(annotations: Option<&'a Value>, name: &str) -> Result<Option<&'a str>, Trouble> {
    match annotations.and_then(|all| all.get(name)) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Trouble::new(format!("annotations.{name}: not a string"))),
    }
}

fn object<'a>(value: &'a mut Value, name: &str) -> Result<&'a mut Map<String, Value>, Trouble> {
    let name = if name.is_empty() { "the whole" } else { name };
    value.as_object_mut().ok_or_else(|| Trouble::new(format!("{name}: not an object")))
}

fn number(value: &Value, name: &str) -> Result<u32, Trouble> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|&id| id != u32::MAX);
    number.ok_or_else(|| Trouble::new(format!("{name}: {value} is no id")))
}

fn strings(value: Option<&Value>, name: &str) -> Result<Vec<String>, Trouble> {
    let Some(list) = value.and_then(Value::as_array) else {
        return Err(Trouble::new(format!("{name}: not a list of strings")));
    };
    let word = |word: &Value| word.as_str().map(str::to_owned);
    list.iter()
        .map(word)
        .collect::<Option<_>>()
        .ok_or_else(|| Trouble::new(format!("{name}: not a list of strings")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(spec: &mut Value) -> Result<Edited, String> {
        let outside = Outside {
            program: Path::new("/usr/bin/remainroot"),
            store: Store::In(Path::new("/bundle/store")),
        };
        edit(spec, &outside).map_err(|trouble| trouble.to_string())
    }

    fn sample() -> Value {
        json!({
            "ociVersion": "1.0.2", "x-unknown": [1, { "deep": true }],
            "process": {
                "args": ["id"], "x": 1, "noNewPrivileges": true,
                "user": { "uid": 33, "gid": 34, "umask": 7, "additionalGids": [4, 5], "y": 2 },
                "capabilities": { "bounding": ["CAP_KILL", "CAP_CHOWN"] },
            },
            "mounts": [{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }],
        })
    }

    #[test]
    fn the_user_moves_into_the_words() {
        let mut spec = sample();
        assert_eq!(changed(&mut spec), Ok(Edited::Yes(Some("/bundle/store".into()))));
        let process = &spec["process"];
        let words: Vec<&str> = process["args"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
        let line = "/dev/.remainroot/remainroot run --store /dev/.remainroot/store --user 33:34 --groups=4,5 \
                    --capabilities=bounding=CAP_KILL,CAP_CHOWN --capabilities=permitted= \
                    --capabilities=effective= --capabilities=inheritable= --capabilities=ambient= \
                    --no-new-privs -- id";
        assert_eq!(words.join(" "), line);
        assert_eq!(process["user"], json!({ "uid": 0, "gid": 0, "umask": 7, "y": 2 }));
        assert_eq!(process["capabilities"]["permitted"], json!(["CAP_KILL", "CAP_CHOWN"]));
        assert_eq!((&spec["x-unknown"], &process["x"]), (&json!([1, { "deep": true }]), &json!(1)));
        let once = spec.clone();
        assert_eq!(changed(&mut spec), Ok(Edited::Not));
        assert_eq!(spec, once);
    }

    /// As Go writes a list that there is not.
    #[test]
    fn no_mounts_are_an_empty_list() {
        let mut spec = sample();
        spec["mounts"] = Value::Null;
        assert!(matches!(changed(&mut spec), Ok(Edited::Yes(_))));
        assert_eq!(spec["mounts"][0]["destination"], "/.remainroot/remainroot");
    }

    #[test]
    fn annotations_decide() {
        let with = |annotations: Value| {
            let mut spec = sample();
            spec["annotations"] = annotations;
            let result = changed(&mut spec);
            (result, spec["process"]["args"].to_string())
        };
        assert_eq!(with(json!({ ENABLE: "false" })), (Ok(Edited::Not), "[\"id\"]".to_owned()));
        let (result, args) = with(json!({ STORE: "memory", ARGS: " --explain=/e --summary " }));
        assert_eq!(result, Ok(Edited::Yes(None)));
        assert!(args.contains("\"--store\",\"memory\",\"--explain=/e\",\"--summary\",\"--user\""), "{args}");
        assert_eq!(with(json!({ STORE: "/s" })).0, Ok(Edited::Yes(Some("/s".into()))));
        for (wrong, field) in [
            (json!({ ENABLE: "no" }), ENABLE),
            (json!({ ENABLE: false }), ENABLE),
            (json!({ STORE: "s" }), STORE),
            (json!({ ARGS: "--user 5" }), ARGS),
            (json!({ ARGS: "--user=5" }), ARGS),
        ] {
            let told = with(wrong).0.unwrap_err();
            assert!(told.starts_with(&format!("annotations.{field}: ")), "{told}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (at, value, field) in [
            ("/process", json!(5), "process: "),
            ("/process/args", json!([]), "process.args: "),
            ("/process/args", json!([5]), "process.args: "),
            ("/process/user/uid", json!(-1), "process.user.uid: "),
            ("/process/user/gid", json!(4_294_967_295u32), "process.user.gid: "),
            ("/process/user/additionalGids", json!([1, "x"]), "process.user.additionalGids[1]: "),
            ("/process/capabilities/bounding", json!("all"), "process.capabilities.bounding: "),
            ("/process/noNewPrivileges", json!(1), "process.noNewPrivileges: "),
            ("/mounts", json!({}), "mounts: "),
            ("", json!([]), "the whole: "),
        ] {
            let mut spec = sample();
            *spec.pointer_mut(at).unwrap() = value;
            let told = changed(&mut spec).unwrap_err();
            assert!(told.starts_with(field), "{told}");
        }
    }

    #[test]
    fn the_image_is_left_alone_where_it_can_be() {
        let on = |dir: &str, kind: &str| place(&[json!({ "destination": dir, "type": kind })]);
        assert_eq!(on("/dev", "tmpfs"), "/dev/.remainroot");
        assert_eq!(on("/run", "tmpfs"), "/run/.remainroot");
        assert_eq!(on("/dev", "bind"), "/.remainroot");
    }
}
