//! `exec`: one more process in a container that is running.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::bundle::{Config, Scratch};
use super::hand_on::{self, End};
use super::spec::{self, Identity, Prefix};
use super::words::{Said, Words};
use crate::sandbox::Trouble;

/// Puts the shim before the process, if the container's own has it.
pub fn execute(runtime: &Path, words: &Words) -> Result<End, Trouble> {
    let (at, operands) = words.operands();
    let container = operands.first().and_then(|id| shimmed(runtime, words, id));
    let Some((prefix, original)) = container else {
        return Err(hand_on::replace(runtime, words.all()));
    };
    match words.options(&["p", "process"]).next_back() {
        Some(said) => by_file(runtime, words, said, &prefix),
        None => {
            let new = by_words(words, at, &prefix, &original, default_group(runtime))?;
            Err(hand_on::replace(runtime, &new))
        }
    }
}

/// What was put before the process of a container that has the shim; and its original description.
fn shimmed(runtime: &Path, words: &Words, id: &OsString) -> Option<(Prefix, Value)> {
    let file = config_of(runtime, words, id)?;
    let prefix = spec::prefix_of(Config::read(&file).ok()?.value.get("process")?)?;
    Some((prefix, Config::original(&file).ok()?.value))
}

/// The config.json of a container, by the runtime's own records.
pub fn config_of(runtime: &Path, words: &Words, id: &OsString) -> Option<PathBuf> {
    let question = [words.globals(), &["state".into(), id.clone()]].concat();
    let state: Value = serde_json::from_slice(&hand_on::ask(runtime, &question)?).ok()?;
    Some(PathBuf::from(state.get("bundle")?.as_str()?).join("config.json"))
}

/// What group `--user UID` means.
#[derive(Clone, Copy)]
enum Group {
    /// The container's own, with its additional groups (runc, `getProcess`).
    Containers,
    /// Root's, with no others (crun, `make_oci_process_user`).
    Root,
}

fn default_group(runtime: &Path) -> Group {
    let file = runtime.canonicalize();
    let name = file.as_deref().unwrap_or(runtime).file_name().unwrap_or_default();
    if name.as_encoded_bytes().starts_with(b"crun") { Group::Root } else { Group::Containers }
}

/// `--process FILE`: the engine's file stays as it is, the runtime gets one of ours.
fn by_file(runtime: &Path, words: &Words, said: &Said, prefix: &Prefix) -> Result<End, Trouble> {
    let Some(path) = said.value.as_ref().map(Path::new) else {
        return Err(hand_on::replace(runtime, words.all()));
    };
    let config = Config::read(path)?;
    let mut value = config.value.clone();
    if spec::prefix_of(&value).is_none() {
        spec::edit_process(&mut value, prefix, "process").map_err(|trouble| config.wrong(&trouble))?;
    }
    let scratch = Scratch::write(path, &value)?;
    let mut new = words.all().to_vec();
    let named = ["--process".into(), scratch.path().as_os_str().to_owned()];
    new.splice(said.words.clone(), named);
    hand_on::and_wait(runtime, &new)
}

/// `exec [OPTIONS] ID CMD…`: whom it runs as moves from the runtime's options to ours.
fn by_words(
    words: &Words,
    at: usize,
    prefix: &Prefix,
    original: &Value,
    group: Group,
) -> Result<Vec<OsString>, Trouble> {
    let none = json!({});
    let process = original.get("process").and_then(Value::as_object).or(none.as_object());
    let mut identity = match process {
        Some(process) => Identity::of(process, "process")?,
        None => return Ok(words.all().to_vec()),
    };
    if let Some(user) = words.value(&["u", "user"]) {
        let wrong = || Trouble::new(format!("exec --user {}: expected UID or UID:GID", user.display()));
        let text = user.to_str().ok_or_else(wrong)?;
        let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
        identity.uid = uid.parse().map_err(|_| wrong())?;
        if let Group::Root = group {
            (identity.gid, identity.groups) = (0, Vec::new());
        }
        if let Some(gid) = gid {
            identity.gid = gid.parse().map_err(|_| wrong())?;
        }
    }
    for said in words.options(&["g", "additional-gids"]) {
        let text = said.value.as_ref().and_then(|value| value.to_str()).unwrap_or_default();
        for gid in text.split(',') {
            let gid = gid
                .parse()
                .map_err(|_| Trouble::new(format!("exec --additional-gids {text}: expected numbers")))?;
            identity.groups.push(gid);
        }
    }
    let gone: Vec<&Said> = words.options(&["u", "user", "g", "additional-gids"]).collect();
    let stays = |place: &usize| !gone.iter().any(|said| said.words.contains(place));
    let mut new: Vec<OsString> =
        (0..=at).filter(stays).filter_map(|place| words.all().get(place).cloned()).collect();
    let command = words.all().iter().skip(at + 1);
    let ours = prefix.iter().cloned().chain(identity.words()).chain(["--".to_owned()]);
    new.extend(ours.map(OsString::from));
    new.extend(command.cloned());
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_moves_from_their_words_to_ours() {
        let all = "--root /r exec -t --user 5:6 -e A=b -g 7 c1 ls -u 8".split(' ').map(OsString::from);
        let words = Words::new(all.collect());
        let original = json!({ "process": { "user": { "uid": 33, "gid": 34, "additionalGids": [4] } } });
        let prefix = vec!["/dev/.remainroot/remainroot".to_owned(), "run".to_owned()];
        let new = by_words(&words, words.operands().0, &prefix, &original, Group::Containers).unwrap();
        let line = new.join(" ".as_ref()).into_string().unwrap();
        let sets = ["bounding", "permitted", "effective", "inheritable", "ambient"]
            .map(|set| format!("--capabilities={set}="))
            .join(" ");
        assert_eq!(
            line,
            format!(
                "--root /r exec -t -e A=b c1 /dev/.remainroot/remainroot run --user 5:6 --groups=4,7 {sets} -- ls -u 8"
            )
        );
    }

    #[test]
    fn a_user_without_a_group_has_what_the_runtime_would_give() {
        let words = Words::new("exec -u 5 c1 ls".split(' ').map(OsString::from).collect());
        let original = json!({ "process": { "user": { "uid": 33, "gid": 34, "additionalGids": [4] } } });
        for (group, expected) in [(Group::Containers, "5:34 --groups=4"), (Group::Root, "5:0 --groups=")] {
            let new = by_words(&words, words.operands().0, &Vec::new(), &original, group).unwrap();
            let line = new.join(" ".as_ref()).into_string().unwrap();
            assert!(line.starts_with(&format!("exec c1 --user {expected} ")), "{line}");
        }
    }
}
