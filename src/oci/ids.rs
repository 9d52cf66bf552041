//! Which ids the container's user namespace maps.

use std::fs;

use nix::unistd::geteuid;
use serde_json::Value;

/// As many as a whole system expects: what nobody and nogroup (65534) are within, and what subuid ranges usually hold.
const WHOLE: u64 = 65_536;

/// Ids that are mapped, as the container sees them: first, and how many.
type Ranges = Vec<(u64, u64)>;

/// The ids of a container.
#[derive(Debug)]
pub struct Ids {
    uids: Ranges,
    gids: Ranges,
}

impl Ids {
    /// Those that a description makes a namespace with, else the present ones. Nobody but root can use more than one.
    pub fn of(spec: &Value) -> Ids {
        let own = |name: &str| {
            let list = spec.get("linux")?.get(name)?.as_array()?;
            let range = |entry: &Value| {
                Some((entry.get("containerID").map_or(Some(0), Value::as_u64)?, entry.get("size")?.as_u64()?))
            };
            list.iter().map(range).collect::<Option<Ranges>>().filter(|_| has_user_namespace(spec))
        };
        let present = |file: &str| match geteuid().is_root() {
            true => parse(&fs::read_to_string(file).unwrap_or_default()),
            false => vec![(0, 1)],
        };
        Ids {
            uids: own("uidMappings").unwrap_or_else(|| present("/proc/self/uid_map")),
            gids: own("gidMappings").unwrap_or_else(|| present("/proc/self/gid_map")),
        }
    }

    /// Who outside is the container's root (uid, gid), if it gets a namespace of its own.
    pub fn root_outside(spec: &Value) -> Option<(u32, u32)> {
        let host = |name: &str| {
            let list = spec.get("linux")?.get(name)?.as_array()?;
            let of_root = |entry: &&Value| entry.get("containerID").is_none_or(|first| *first == 0);
            u32::try_from(list.iter().find(of_root)?.get("hostID")?.as_u64()?).ok()
        };
        has_user_namespace(spec).then_some(())?;
        Some((host("uidMappings")?, host("gidMappings")?))
    }

    /// Whether there are enough for a whole system.
    fn are_whole(&self) -> bool {
        let count = |ranges: &Ranges| ranges.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        count(&self.uids) >= WHOLE && count(&self.gids) >= WHOLE
    }

    /// Takes ids that are not mapped out of the options of mounts: the kernel refuses a devpts whose gid is not
    /// (`devpts_parse_param`), and gid=5, tty's, is in what containerd and Docker describe.
    pub fn let_go(&self, mounts: &mut [Value]) {
        for mount in mounts {
            let takes_ids = mount.get("type").is_some_and(|kind| kind == "devpts" || kind == "tmpfs");
            if let Some(Value::Array(options)) = mount.get_mut("options").filter(|_| takes_ids) {
                options.retain(|option| self.maps(option.as_str().unwrap_or_default()));
            }
        }
    }

    /// Whether an option is no id, or one that is mapped.
    fn maps(&self, option: &str) -> bool {
        let (ranges, id) = match option.split_once('=') {
            Some(("uid", id)) => (&self.uids, id),
            Some(("gid", id)) => (&self.gids, id),
            _ => return true,
        };
        let is_in = |id: u64| ranges.iter().any(|(first, count)| id >= *first && id - first < *count);
        id.parse().is_ok_and(is_in)
    }
}

/// Whether the container has all ids that it can ask for, and needs no shim: the machine's own root has; others have if
/// ranges of theirs are mapped, and may wish for the shim all the same.
pub fn are_real(spec: &Value) -> bool {
    let is_own_root = has_all() && geteuid().is_root() && !has_user_namespace(spec);
    is_own_root || Ids::of(spec).are_whole() && !super::spec::is_wished_for(spec)
}

/// Whether the present user namespace maps all ids to themselves, as the machine's first one does.
pub fn has_all() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map");
    map.is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

fn has_user_namespace(spec: &Value) -> bool {
    let namespaces = spec.pointer("/linux/namespaces").and_then(Value::as_array);
    let is_user = |namespace: &Value| namespace.get("type").is_some_and(|kind| kind == "user");
    namespaces.is_some_and(|all| all.iter().any(is_user))
}

/// The lines of `/proc/PID/uid_map` (user_namespaces(7)): inside, outside, how many.
fn parse(map: &str) -> Ranges {
    let range = |line: &str| {
        let mut fields = line.split_whitespace().map(str::parse);
        Some((fields.next()?.ok()?, fields.nth(1)?.ok()?))
    };
    map.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(size: u64) -> Value {
        json!({ "linux": {
            "namespaces": [{ "type": "pid" }, { "type": "user" }],
            "uidMappings": [{ "containerID": 0, "hostID": 1000, "size": size }],
            "gidMappings": [{ "hostID": 1000, "size": 1 }, { "containerID": 5, "hostID": 7, "size": size - 1 }],
        } })
    }

    #[test]
    fn ids_of_mounts_that_are_not_mapped_go() {
        let left = |spec: &Value, kind: &str, options: Value| {
            let mut mounts = [json!({ "type": kind, "options": options })];
            Ids::of(spec).let_go(&mut mounts);
            mounts[0]["options"].clone()
        };
        let all = json!(["newinstance", "mode=0620", "gid=5", "uid=0"]);
        assert_eq!(left(&with(1), "devpts", all.clone()), json!(["newinstance", "mode=0620", "uid=0"]));
        assert_eq!(left(&with(2), "devpts", all.clone()), all);
        assert_eq!(left(&with(1), "bind", all.clone()), all);
        assert_eq!(left(&with(1), "tmpfs", json!(["gid=tty", "size=5"])), json!(["size=5"]));
    }

    #[test]
    fn a_container_with_all_ids_needs_no_shim() {
        assert!(!are_real(&with(1)));
        assert!(!are_real(&with(65_535)));
        assert!(are_real(&with(65_536)));
        let mut wished = with(65_536);
        wished["annotations"] = json!({ "org.remainroot.enable": "true" });
        assert!(!are_real(&wished));
    }

    #[test]
    fn root_is_somebody_outside() {
        assert_eq!(Ids::root_outside(&with(1)), Some((1000, 1000)));
        let mut joined = with(1);
        joined["linux"]["uidMappings"] = Value::Null;
        assert_eq!(Ids::root_outside(&joined), None);
        assert_eq!(Ids::root_outside(&json!({})), None);
    }

    #[test]
    fn a_map_is_read() {
        assert_eq!(
            parse("         0       1000          1\n         1     100000      65536\n"),
            [(0, 1), (1, 65536)]
        );
        assert_eq!(parse(""), []);
    }
}
