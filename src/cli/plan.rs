//! What the command line means: options become a [`Plan`], or an error that says which one is wrong.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use remainroot_shims::abi::Gid;
use remainroot_shims::cred::CapSet;
use remainroot_shims::explain::{Filter, Wrong, families};

use super::args::{EngineArg, OwnerXattrArg, ProcArg, RunArgs, SummaryArg, UserNsArg};
use super::{hint, summary};
use crate::run::{CapKind, Explain, Identity, Plan, Report, Summary, Target, Views};
use crate::sandbox::{Bind, Sandbox, UserNs};
use crate::store::{Choice, Format};

/// Makes a plan of what was said. Nothing is looked up yet: names of users, and whether files exist, are questions
/// to the guest's world, which does not exist before the plan is carried out.
pub fn resolve(args: RunArgs) -> Result<Plan> {
    // There is one engine so far; naming it changes nothing.
    let (EngineArg::Auto | EngineArg::Ptrace) = args.engine;
    let word = &args.command[0];
    let other_meaning = hint::other_meaning(word).or_else(|| hint::value(word, &args));
    let sandbox = Sandbox {
        userns: match args.userns {
            UserNsArg::Auto => UserNs::Auto,
            UserNsArg::New => UserNs::New,
            UserNsArg::Keep => UserNs::Keep,
            UserNsArg::None => UserNs::None,
        },
        rootfs: args.rootfs,
        binds: args.bind.iter().map(|word| bind(word)).collect::<Result<_>>()?,
        workdir: args.workdir,
    };
    if sandbox.userns == UserNs::None && (sandbox.rootfs.is_some() || !sandbox.binds.is_empty()) {
        bail!("--rootfs and --bind need a namespace to mount in: they cannot go with --userns none");
    }
    Ok(Plan {
        sandbox,
        store: store(args.store),
        owner_xattr: format(args.owner_xattr),
        views: match args.proc {
            ProcArg::Auto => Views::OfUsers,
            ProcArg::Full => Views::OfAll,
        },
        identity: identity(&args.user)?,
        groups: args.groups.as_deref().map(groups).transpose()?,
        capabilities: args.capabilities.iter().map(|word| capabilities(word)).collect::<Result<_>>()?,
        no_new_privs: args.no_new_privs,
        clear_env: args.clear_env,
        env: args.env.iter().map(|word| variable(word)).collect::<Result<_>>()?,
        other_meaning,
        explain: explain(args.explain, &args.explain_only)?,
        summary: summary(args.summary, args.summary_file),
        command: args.command,
    })
}

/// A file that was named, or stderr.
fn target(file: Option<PathBuf>) -> Target {
    file.map_or(Target::Stderr, Target::File)
}

/// `--explain` and `--explain-only`: either asks for lines.
fn explain(file: Option<Option<PathBuf>>, words: &[OsString]) -> Result<Option<Explain>> {
    if file.is_none() && words.is_empty() {
        return Ok(None);
    }
    let mut only = Filter::default();
    for word in words.iter().flat_map(|words| words.as_bytes().split(|byte| *byte == b',')) {
        only.add(word).map_err(|wrong| anyhow!("--explain-only {}", not_for_lines(word, wrong)))?;
    }
    Ok(Some(Explain { to: target(file.flatten()), only }))
}

fn not_for_lines(word: &[u8], wrong: Wrong) -> String {
    let shown = OsStr::from_bytes(word).display();
    match wrong {
        Wrong::NeverTold => {
            format!(
                "{shown}: such calls go to the kernel without a stop, so that there is nothing to tell of them"
            )
        }
        Wrong::Unknown => {
            let shown = if word.is_empty() { "''".to_owned() } else { shown.to_string() };
            let families: Vec<_> = families().map(|family| family.key).collect();
            format!(
                "{shown}: expected a family ({}), a call or a part of calls' names (chown), failed, an error (EPERM), or an \
                 absolute path",
                families.join(", ")
            )
        }
    }
}

/// `--summary` and `--summary-file`: either asks for one.
fn summary(format: Option<SummaryArg>, file: Option<PathBuf>) -> Option<Report> {
    let render: fn(&Summary) -> String = match format {
        None if file.is_none() => return None,
        None | Some(SummaryArg::Text) => summary::text,
        Some(SummaryArg::Json) => summary::object,
    };
    Some(Report { render, to: target(file) })
}

/// `--owner-xattr`.
pub(super) fn format(said: OwnerXattrArg) -> Option<Format> {
    match said {
        OwnerXattrArg::Rootlesscontainers => Some(Format::RootlessContainers),
        OwnerXattrArg::Override => Some(Format::Override),
        OwnerXattrArg::None => None,
    }
}

/// `auto|memory|PATH`.
pub(super) fn store(word: OsString) -> Choice {
    match word.as_bytes() {
        b"auto" => Choice::Auto,
        b"memory" => Choice::Memory,
        _ => Choice::Directory(word.into()),
    }
}

/// `SRC[:DST[:ro]]`.
fn bind(word: &OsStr) -> Result<Bind> {
    let parts: Vec<&[u8]> = word.as_bytes().split(|&byte| byte == b':').collect();
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    let (source, target, read_only) = match parts[..] {
        [source] => (source, source, false),
        [source, target] => (source, target, false),
        [source, target, b"ro"] => (source, target, true),
        [source, target, b"rw"] => (source, target, false),
        _ => bail!("--bind {}: expected SRC[:DST[:ro]]", word.display()),
    };
    if source.is_empty() {
        bail!("--bind {}: SRC is empty", word.display());
    }
    let target = if target.is_empty() { source } else { target };
    if target[0] != b'/' {
        bail!(
            "--bind {}: DST must be an absolute path, as in --bind {}:/{}",
            word.display(),
            path(source).display(),
            path(target).display()
        );
    }
    Ok(Bind { source: path(source), target: path(target), read_only })
}

/// `NAME=value`.
fn variable(word: &OsStr) -> Result<(OsString, OsString)> {
    let bytes = word.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) if at > 0 => {
            Ok((OsString::from_vec(bytes[..at].to_vec()), OsString::from_vec(bytes[at + 1..].to_vec())))
        }
        _ => bail!("--env {}: expected K=V", word.display()),
    }
}

/// `USER[:GROUP]`.
fn identity(word: &str) -> Result<Identity> {
    let (user, group) = match word.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (word, None),
    };
    if user.is_empty() || group == Some("") {
        bail!("--user {word}: expected USER or USER:GROUP, by name or number");
    }
    Ok(Identity { user: user.to_owned(), group: group.map(str::to_owned) })
}

/// `GID,…`.
fn groups(word: &str) -> Result<Vec<Gid>> {
    let gid = |said: &str| said.parse().ok().and_then(Gid::new);
    let said = word.split(',').filter(|_| !word.is_empty());
    said.map(gid).collect::<Option<_>>().ok_or_else(|| anyhow!("--groups {word}: expected numbers: GID,GID"))
}

/// `SET=NAME,…`.
fn capabilities(word: &str) -> Result<(CapKind, CapSet)> {
    let (set, names) = word.split_once('=').ok_or_else(|| {
        anyhow!("--capabilities {word}: expected SET=NAME,…, as in bounding=CAP_CHOWN,CAP_KILL")
    })?;
    let kind = match set {
        "bounding" => CapKind::Bounding,
        "permitted" => CapKind::Permitted,
        "effective" => CapKind::Effective,
        "inheritable" => CapKind::Inheritable,
        "ambient" => CapKind::Ambient,
        _ => bail!(
            "--capabilities {word}: {set} is none of bounding, permitted, effective, inheritable, ambient"
        ),
    };
    let mut caps = CapSet::empty();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let Some(cap) = capability(name) else {
            bail!(
                "--capabilities {word}: there is no capability {name}: expected names as in capabilities(7), CAP_CHOWN or \
                 chown, or ALL"
            )
        };
        caps |= cap;
    }
    Ok((kind, caps))
}

/// One capability by its name, or all of them, as capsh(1) and container engines take them: in any case, CAP_ or not.
fn capability(name: &str) -> Option<CapSet> {
    let name = name.to_ascii_uppercase();
    let bare = name.strip_prefix("CAP_").unwrap_or(&name);
    if bare == "ALL" { Some(CapSet::all()) } else { CapSet::from_name(bare) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(word: &str) -> Result<(String, String, bool)> {
        bind(OsStr::new(word))
            .map(|b| (b.source.display().to_string(), b.target.display().to_string(), b.read_only))
    }

    #[test]
    fn bind_mounts_are_read() {
        assert_eq!(bound("/a").unwrap(), ("/a".into(), "/a".into(), false));
        assert_eq!(bound("a:/b").unwrap(), ("a".into(), "/b".into(), false));
        assert_eq!(bound("/a:/b:ro").unwrap(), ("/a".into(), "/b".into(), true));
        assert_eq!(bound("/a::ro").unwrap(), ("/a".into(), "/a".into(), true));
        for wrong in ["", ":/b", "a", "a:b", "/a:/b:xx", "/a:/b:ro:"] {
            assert!(bound(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn variables_are_read() {
        let read = |word: &str| variable(OsStr::new(word)).ok();
        assert_eq!(read("A=b=c"), Some(("A".into(), "b=c".into())));
        assert_eq!(read("A="), Some(("A".into(), "".into())));
        assert_eq!(read("A"), None);
        assert_eq!(read("=b"), None);
    }

    #[test]
    fn identities_are_read() {
        let read = |word| identity(word).ok().map(|i| (i.user, i.group));
        assert_eq!(read("0"), Some(("0".into(), None)));
        assert_eq!(read("www-data:adm"), Some(("www-data".into(), Some("adm".into()))));
        assert_eq!(read(":adm"), None);
        assert_eq!(read("adm:"), None);
    }

    #[test]
    fn what_lines_are_written_of_is_read() {
        let read = |file: Option<Option<PathBuf>>, words: &[&str]| {
            explain(file, &words.iter().map(OsString::from).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        assert!(read(None, &[]).unwrap().is_none());
        assert_eq!(read(None, &["ids"]).unwrap().unwrap().to, Target::Stderr);
        let named = read(Some(Some("f".into())), &["ids,/etc", "EPERM"]).unwrap().unwrap();
        assert_eq!(named.to, Target::File("f".into()));
        assert_eq!(named.only, read(None, &["EPERM", "/etc/", "ids"]).unwrap().unwrap().only);
        assert_eq!(read(Some(None), &[]).unwrap().unwrap().only, Filter::default());
        let wrong = |word| read(None, &[word]).unwrap_err();
        assert!(
            wrong("ids,onwers")
                .starts_with("--explain-only onwers: expected a family (ids, rights, owners, ")
        );
        assert!(wrong("ids,").starts_with("--explain-only '': expected"));
        assert!(wrong("mmap").contains("without a stop"));
    }

    #[test]
    fn groups_and_capabilities_are_read() {
        let gids = |word| groups(word).ok().map(|all| all.iter().map(|gid| gid.raw()).collect::<Vec<_>>());
        assert_eq!(gids(""), Some(vec![]));
        assert_eq!(gids("4,33"), Some(vec![4, 33]));
        for wrong in ["4,", "adm", "-1", "4294967295"] {
            assert_eq!(gids(wrong), None, "{wrong}");
        }
        let read = |word: &str| capabilities(word).ok();
        assert_eq!(read("ambient="), Some((CapKind::Ambient, CapSet::empty())));
        let both = CapSet::CHOWN | CapSet::KILL;
        for written in ["CAP_CHOWN,KILL", "cap_chown,kill", "chown,Cap_Kill"] {
            assert_eq!(read(&format!("bounding={written}")), Some((CapKind::Bounding, both)), "{written}");
        }
        for all in ["ALL", "all", "chown,ALL", "cap_all"] {
            assert_eq!(read(&format!("effective={all}")), Some((CapKind::Effective, CapSet::all())), "{all}");
        }
        for wrong in
            ["bounding", "some=CAP_CHOWN", "bounding=CAP_NONE", "bounding=CAP_", "bounding=CAP_CAP_CHOWN"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
