//! The container's seccomp profile (`linux.seccomp`): it binds us as well.

use serde_json::{Value, json};

use crate::sandbox::Trouble;

/// What a tracer of ours cannot do without: following the guest, installing a filter.
const NEEDED: [&str; 3] = ["ptrace", "seccomp", "prctl"];

/// What it only is slower without: reading and writing the guest's memory.
const WISHED: [&str; 2] = ["process_vm_readv", "process_vm_writev"];

/// Sees to it that the profile lets us work: what it only does not mention is added to it.
///
/// # Errors
/// The rule that forbids a call by name.
pub fn allow(seccomp: &mut Value) -> Result<(), Trouble> {
    let none = Vec::new();
    let rules = seccomp.get("syscalls").and_then(Value::as_array).unwrap_or(&none);
    let allows = |action: Option<&Value>| {
        matches!(action.and_then(Value::as_str), Some("SCMP_ACT_ALLOW" | "SCMP_ACT_LOG"))
    };
    let mut missing = Vec::new();
    for call in NEEDED.into_iter().chain(WISHED) {
        let named = |rule: &&Value| {
            let names = rule.get("names").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|name| name == call))
        };
        let about: Vec<(usize, &Value)> = rules.iter().enumerate().filter(|(_, rule)| named(rule)).collect();
        if let Some((at, rule)) = about.iter().find(|(_, rule)| !allows(rule.get("action"))) {
            if WISHED.contains(&call) {
                continue;
            }
            let action = rule.get("action").and_then(Value::as_str).unwrap_or("no action");
            return Err(forbidden(&format!("linux.seccomp.syscalls[{at}] answers {call} with {action}")));
        }
        let without_condition =
            |rule: &Value| rule.get("args").and_then(Value::as_array).is_none_or(Vec::is_empty);
        if !about.iter().any(|(_, rule)| without_condition(rule)) {
            missing.push(call);
        }
    }
    if missing.is_empty() || allows(seccomp.get("defaultAction")) {
        return Ok(());
    }
    let rule = json!({ "names": missing, "action": "SCMP_ACT_ALLOW" });
    match seccomp.as_object_mut() {
        Some(profile) => match profile.entry("syscalls").or_insert_with(|| json!([])) {
            Value::Array(rules) => rules.push(rule),
            Value::Null => {
                profile.insert("syscalls".to_owned(), json!([rule]));
            }
            _ => return Err(Trouble::new("linux.seccomp.syscalls: not a list")),
        },
        None => return Err(Trouble::new("linux.seccomp: not an object")),
    }
    Ok(())
}

fn forbidden(rule: &str) -> Trouble {
    Trouble::new(format!("{rule}: remainroot cannot work without it")).mended_by(
        "take it out of that rule, or run this container without remainroot: annotation org.remainroot.enable=false",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_mentioned_is_allowed() {
        let mut profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{ "names": ["read", "prctl"], "action": "SCMP_ACT_ALLOW" },
                { "names": ["seccomp"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0 }] }],
        });
        allow(&mut profile).unwrap();
        let added = json!({ "action": "SCMP_ACT_ALLOW",
            "names": ["ptrace", "seccomp", "process_vm_readv", "process_vm_writev"] });
        assert_eq!(profile["syscalls"][2], added);
        let once = profile.clone();
        allow(&mut profile).unwrap();
        assert_eq!(profile, once);
    }

    #[test]
    fn a_rule_that_forbids_is_named() {
        let mut profile = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["bpf", "process_vm_readv"], "action": "SCMP_ACT_ERRNO" },
                { "names": ["bpf", "ptrace"], "action": "SCMP_ACT_KILL" }],
        });
        let before = profile.clone();
        let trouble = allow(&mut profile).unwrap_err().to_string();
        assert!(
            trouble.starts_with("linux.seccomp.syscalls[1] answers ptrace with SCMP_ACT_KILL"),
            "{trouble}"
        );
        assert_eq!(profile, before);
    }

    #[test]
    fn a_profile_that_allows_by_default_stays() {
        let mut profile = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
        allow(&mut profile).unwrap();
        assert_eq!(profile, json!({ "defaultAction": "SCMP_ACT_ALLOW" }));
    }
}
