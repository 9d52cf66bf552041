//! Who may know whom. The code is read as tokens, so that comments and texts do not count, and every path that starts
//! with `crate` or `super` does, wherever it stands.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Each module of `remainroot` with the modules that it may use: left in the chain
/// `sys ← arch ← task, bpf, store ← engine ← run ← cli ← main`, with `sandbox` between `sys` and `run`, `owners` between
/// `store` and `cli`, `oci` between `sandbox` and `cli`, and `doctor` between `run` and `oci` and `cli`.
const PROGRAM: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("arch", &["sys"]),
    ("task", &["sys", "arch"]),
    ("bpf", &["sys", "arch"]),
    ("store", &["sys", "arch"]),
    ("engine", &["sys", "arch", "task", "bpf", "store"]),
    ("sandbox", &["sys"]),
    ("owners", &["sys", "arch", "store", "sandbox"]),
    ("oci", &["sys", "sandbox"]),
    ("run", &["sys", "arch", "task", "bpf", "store", "engine", "sandbox"]),
    ("doctor", &["sys", "arch", "bpf", "store", "engine", "sandbox", "run", "oci"]),
    ("cli", &["sandbox", "run", "owners", "store", "doctor", "oci"]),
    ("main", &["cli"]),
];

/// The same for `remainroot-shims`: `abi ← cred ← owner ← guest ← family ← table ← explain`.
const SHIMS: &[(&str, &[&str])] = &[
    ("abi", &[]),
    ("cred", &["abi"]),
    ("owner", &["abi", "cred"]),
    ("guest", &["abi", "cred", "owner"]),
    ("family", &["abi", "cred", "owner", "guest"]),
    ("table", &["abi", "cred", "owner", "guest", "family"]),
    ("explain", &["abi", "cred", "owner", "guest", "family", "table"]),
    // For tests alone; everybody's tests may use it.
    ("testing", &["abi", "cred", "owner", "guest", "family", "table"]),
];

/// Packages that only some modules may name.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("anyhow", &["cli", "main"]),
    ("serde_json", &["cli", "owners", "oci"]),
    ("tar", &["owners"]),
    ("rusqlite", &["owners", "store", "sys"]),
    ("indicatif", &["owners"]),
    ("ptrace", &["sys", "arch", "engine", "doctor"]),
];

/// One source file.
struct Source {
    path: PathBuf,
    /// Its modules, outermost first. Empty for the root of a package, but `main` for the program's.
    module: Vec<String>,
    tokens: TokenStream,
    lines: usize,
}

impl Source {
    /// The module under the root that it is in.
    fn layer(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a source directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files_in(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The modules that a path below a package's source directory stands for.
fn module_of(path: &Path) -> Vec<String> {
    let mut module: Vec<_> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

fn sources(dir: &str) -> Vec<Source> {
    let dir = root().join(dir);
    let mut paths = Vec::new();
    files_in(&dir, &mut paths);
    assert!(!paths.is_empty(), "no sources in {}", dir.display());
    paths.into_iter().map(|path| read(&dir, path)).collect()
}

fn read(dir: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).expect("a source file");
    let tokens = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let module = module_of(path.strip_prefix(dir).expect("below its directory"));
    Source { path, module, tokens, lines: text.lines().count() }
}

/// Calls `seen` with every identifier.
fn identifiers(tokens: TokenStream, seen: &mut impl FnMut(&str)) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => identifiers(group.stream(), seen),
            TokenTree::Ident(ident) => seen(&ident.to_string()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(a), TokenTree::Punct(b), ..] if a.as_char() == ':' && b.as_char() == ':')
}

/// The modules under the root that code in `module` names by `crate::…` or `super::…`.
fn named(tokens: TokenStream, module: &[String], names: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                let opens_module = group.delimiter() == Delimiter::Brace
                    && at >= 2
                    && word(tokens.get(at - 2)).is_some_and(|word| word == "mod");
                let inner = opens_module.then(|| word(tokens.get(at - 1))).flatten();
                let module: Vec<_> = module.iter().cloned().chain(inner).collect();
                named(group.stream(), &module, names);
            }
            TokenTree::Ident(ident) if ident == "crate" => after(&tokens[at + 1..], &[], names),
            TokenTree::Ident(ident) if ident == "super" && !continues(&tokens[..at]) => {
                climb(&tokens[at + 1..], module, names);
            }
            _ => {}
        }
    }
}

/// Whether a path goes on behind these tokens.
fn continues(before: &[TokenTree]) -> bool {
    before.len() >= 2 && is_path_separator(&before[before.len() - 2..])
}

/// What follows a `super` in `module`.
fn climb(tokens: &[TokenTree], module: &[String], names: &mut BTreeSet<String>) {
    let parent = &module[..module.len().saturating_sub(1)];
    match tokens {
        [_, _, next, rest @ ..] if is_path_separator(tokens) => {
            if word(Some(next)).is_some_and(|word| word == "super") {
                climb(rest, parent, names);
            } else {
                after(tokens, parent, names);
            }
        }
        _ => {}
    }
}

/// What follows the path of `base`: one name, or several in braces.
fn after(tokens: &[TokenTree], base: &[String], names: &mut BTreeSet<String>) {
    if !is_path_separator(tokens) {
        return;
    }
    if let Some(layer) = base.first() {
        names.insert(layer.clone());
        return;
    }
    match tokens.get(2) {
        Some(TokenTree::Group(group)) => {
            let list: Vec<TokenTree> = group.stream().into_iter().collect();
            let items =
                list.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','));
            names.extend(items.filter_map(|item| word(item.first())));
        }
        token => names.extend(word(token)),
    }
}

/// Edges that are not in the list, one per line.
fn wrong_edges(sources: &[Source], layers: &[(&str, &[&str])]) -> Vec<String> {
    let mut wrong = Vec::new();
    let known: BTreeSet<&str> = layers.iter().map(|(layer, _)| *layer).collect();
    for source in sources.iter().filter(|source| !source.layer().is_empty()) {
        let Some((layer, allowed)) = layers.iter().find(|(layer, _)| *layer == source.layer()) else {
            wrong.push(format!("{}: which layer is this?", source.path.display()));
            continue;
        };
        let mut names = BTreeSet::new();
        named(source.tokens.clone(), &source.module, &mut names);
        // Macros of the root (`crate::tell!`) are of no layer.
        for name in names.iter().filter(|name| known.contains(name.as_str()) && name != layer) {
            if !allowed.contains(&name.as_str()) && name != "testing" {
                wrong.push(format!("{}: {layer} must not know {name}", source.path.display()));
            }
        }
    }
    wrong
}

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_program_imports_leftwards() {
    none(wrong_edges(&sources("src"), PROGRAM));
}

#[test]
fn the_shims_import_leftwards() {
    none(wrong_edges(&sources("shims/src"), SHIMS));
}

#[test]
fn packages_stay_in_their_layers() {
    let mut found = Vec::new();
    for source in sources("src") {
        identifiers(source.tokens.clone(), &mut |word| {
            if let Some((package, layers)) = OUTSIDE.iter().find(|(package, _)| *package == word)
                && !layers.contains(&source.layer())
            {
                found.push(format!("{}: {package}", source.path.display()));
            }
        });
    }
    none(found);
}

/// Files outside of `except` with this identifier.
fn with_word(except: &str, wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources("src").into_iter().chain(sources("shims/src")) {
        let mut count = 0;
        identifiers(source.tokens.clone(), &mut |word| count += usize::from(word == wanted));
        if count > 0 && !source.path.starts_with(root().join(except)) {
            found.push(format!("{}: {count} times {wanted}", source.path.display()));
        }
    }
    found
}

#[test]
fn unsafe_code_lives_in_sys() {
    none(with_word("src/sys", "unsafe"));
}

#[test]
fn architectures_differ_in_arch() {
    none(with_word("src/arch", "target_arch"));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let all = ["src", "shims/src", "tests"].into_iter().flat_map(sources);
    let long = all.filter(|source| source.lines > 500);
    none(long.map(|source| format!("{}: {} lines", source.path.display(), source.lines)).collect());
}

#[test]
fn the_reader_sees_what_it_should() {
    let names = |module: &str, code: &str| {
        let module: Vec<_> = module.split("::").map(str::to_owned).collect();
        let mut names = BTreeSet::new();
        named(code.parse().unwrap(), &module, &mut names);
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("run", "use crate::sys::fd; // crate::cli\n"), "sys");
    assert_eq!(
        names("run", "use crate::{engine::{Event, cli}, sys}; const A: &str = \"crate::cli\";"),
        "engine sys"
    );
    assert_eq!(names("run", "fn f() { if true { crate::arch::x() } }"), "arch");
    assert_eq!(names("sys", "use super::cli; pub(super) fn f() {} pub(crate) fn g() {}"), "cli");
    assert_eq!(names("engine::ptrace", "use super::Event; use super::super::cli::X;"), "cli engine");
    assert_eq!(names("sys", "mod tests { use super::*; use super::super::cli; }"), "cli sys");
    assert_eq!(names("table", "macro_rules! m { () => { $crate::family::x } }"), "family");

    let source = |module: &[&str], code: &str| Source {
        path: PathBuf::from("here"),
        module: module.iter().map(|part| (*part).to_owned()).collect(),
        tokens: code.parse().unwrap(),
        lines: 1,
    };
    assert_eq!(wrong_edges(&[source(&["cli", "x"], "use crate::run;")], PROGRAM), Vec::<String>::new());
    assert_eq!(wrong_edges(&[source(&["run"], "use crate::cli;")], PROGRAM), ["here: run must not know cli"]);
    assert_eq!(wrong_edges(&[source(&["new"], "")], PROGRAM), ["here: which layer is this?"]);
}
