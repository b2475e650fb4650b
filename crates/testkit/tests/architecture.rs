//! The rules of `docs/architecture.md` that the compiler does not know.
//!
//! Which crate may name which is read from `cargo metadata`. What a file mentions is read from its
//! text: comments and strings are dropped, `use` trees unfolded, and the rules look at the paths that
//! remain. That is no proof against somebody who wants to hide, and need not be: it catches what
//! happens by haste.
//!
//! Every rule is a function from text to complaints, so that the tests at the end can show each of
//! them a fault and see it complain. To add a rule, add both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// All that the domain may depend on: values and their arithmetic.
const DOMAIN_DEPENDENCIES: &[&str] = &["chrono", "chrono-tz", "iso_currency", "thiserror", "uuid", "zeroize"];
const DOMAIN_DEV_DEPENDENCIES: &[&str] = &["proptest", "rstest"];

/// Technologies that use cases know only through ports.
const NOT_IN_APPLICATION: &[&str] = &[
    "axum",
    "hyper",
    "hyper-util",
    "reqwest",
    "sea-orm",
    "sea-orm-migration",
    "sqlx",
    "tonic",
    "tower",
    "tower-http",
    "utoipa",
];

/// Technologies of storage, which a protocol has no business with.
const NOT_IN_API: &[&str] = &["sea-orm", "sea-orm-migration", "sqlx"];

/// Paths that would give the domain I/O, a clock, chance, a runtime or a serialised form.
const NOT_IN_DOMAIN: &[&[&str]] = &[
    &["async"],
    &["await"],
    &["futures"],
    &["rand"],
    &["serde"],
    &["serde_json"],
    &["tokio"],
    &["Deserialize"],
    &["Serialize"],
    &["Instant"],
    &["SystemTime"],
    &["Local", "now"],
    &["Utc", "now"],
    &["Uuid", "new_v4"],
    &["Uuid", "now_v7"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "os"],
    &["std", "path"],
    &["std", "process"],
    &["std", "thread"],
    &["println"],
    &["static"],
    &["thread_local"],
];

#[test]
fn crates_depend_inward_only() {
    let complaints = dependency_faults(&packages(&metadata()));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_domain_has_no_io_no_clock_no_chance_no_runtime_and_no_serde() {
    let complaints: Vec<_> = sources("crates/domain/src").iter().flat_map(domain_faults).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn contexts_meet_at_their_faces_only() {
    let trees = [sources("crates/domain/src"), sources("crates/application/src")];
    // Some have nothing to decide, and so no part of the domain: `mail`, `jobs`, `guard` and others.
    let contexts: BTreeSet<String> = trees.iter().flat_map(|tree| contexts(tree)).collect();
    for context in ["admission", "booking", "catalog", "identity", "payment", "pricing", "mail", "jobs", "guard"] {
        assert!(contexts.contains(context), "where is the context `{context}`? Found: {contexts:?}");
    }
    let mut complaints = Vec::new();
    for tree in &trees {
        complaints.extend(context_faults(tree, &contexts));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The matrix test plays what the OpenAPI document lists: a route beside it would be open to whom nobody has thought of.
#[test]
fn every_route_of_the_api_is_in_its_document() {
    let complaints = route_faults(&sources("crates/api/rest/src"));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Cargo adds up the features of all that is built together: one ordinary dependency with the control, and what ships has it.
#[test]
fn what_ships_has_no_negative_control() {
    let complaints = control_faults(&metadata());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

// The rules ---------------------------------------------------------------------------------------

/// A crate of ours, and what it names.
#[derive(Debug, Clone)]
struct Package {
    name: String,
    layer: Layer,
    /// Names of dependencies for building and running.
    dependencies: Vec<String>,
    /// Names of dependencies for tests.
    dev_dependencies: Vec<String>,
}

/// Where a crate lies says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Domain,
    Application,
    Adapter,
    Api,
    /// The binary, which puts all together.
    Root,
    Testkit,
    /// The drill knows an instance by its address alone.
    Drill,
}

impl Layer {
    /// `None`: a folder that the architecture does not know.
    fn of(folder: &str) -> Option<Self> {
        match folder.split('/').collect::<Vec<_>>()[..] {
            ["crates", "domain"] => Some(Self::Domain),
            ["crates", "application"] => Some(Self::Application),
            ["crates", "adapters", _] => Some(Self::Adapter),
            ["crates", "api", _] => Some(Self::Api),
            ["crates", "goticket"] => Some(Self::Root),
            ["crates", "testkit"] => Some(Self::Testkit),
            ["crates", "drill"] => Some(Self::Drill),
            _ => None,
        }
    }

    fn may_use(self, other: Self) -> bool {
        match self {
            Self::Domain | Self::Drill => false,
            Self::Application => other == Self::Domain,
            Self::Adapter | Self::Api => matches!(other, Self::Domain | Self::Application),
            Self::Root | Self::Testkit => !matches!(other, Self::Root | Self::Testkit | Self::Drill),
        }
    }

    /// The two inmost layers are tested without a world around them.
    fn may_use_in_tests(self, other: Self) -> bool {
        let inmost = matches!(self, Self::Domain | Self::Application);
        self.may_use(other) || (other == Self::Testkit && !inmost)
    }
}

fn dependency_faults(packages: &[Package]) -> Vec<String> {
    let layers: BTreeMap<&str, Layer> = packages.iter().map(|package| (package.name.as_str(), package.layer)).collect();
    let mut faults = Vec::new();
    for package in packages {
        let mut check = |dependencies: &[String], in_tests: bool| {
            for dependency in dependencies {
                let allowed = match layers.get(dependency.as_str()) {
                    Some(other) if in_tests => package.layer.may_use_in_tests(*other),
                    Some(other) => package.layer.may_use(*other),
                    None => may_use_foreign(package.layer, dependency, in_tests),
                };
                if !allowed {
                    let of = if in_tests { "dev-depend" } else { "depend" };
                    faults.push(format!("{} must not {of} on {dependency}", package.name));
                }
            }
        };
        check(&package.dependencies, false);
        check(&package.dev_dependencies, true);
    }
    faults
}

fn control_faults(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let mut features = dependency["features"].as_array().into_iter().flatten();
            if dependency["kind"] != "dev" && features.any(|feature| feature == "negative-control") {
                faults.push(format!("{} has the negative control of {}", package["name"], dependency["name"]));
            }
        }
    }
    faults
}

fn may_use_foreign(layer: Layer, dependency: &str, in_tests: bool) -> bool {
    match layer {
        Layer::Domain => {
            DOMAIN_DEPENDENCIES.contains(&dependency) || (in_tests && DOMAIN_DEV_DEPENDENCIES.contains(&dependency))
        }
        Layer::Application => !NOT_IN_APPLICATION.contains(&dependency),
        Layer::Api => in_tests || !NOT_IN_API.contains(&dependency),
        Layer::Adapter | Layer::Root | Layer::Testkit | Layer::Drill => true,
    }
}

/// A file of a crate: its path under `src`, and its text.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    text: String,
}

fn domain_faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for path in paths(&tokens(&source.text)) {
        for forbidden in NOT_IN_DOMAIN {
            if mentions(&path, forbidden) {
                faults.push(format!("domain/src/{} mentions `{}`", source.path.display(), path.join("::")));
            }
        }
    }
    faults
}

/// A folder of the domain is a bounded context, and its `mod.rs` is its face.
/// What is served beside the document: the document itself, pages without a secret, and the metrics of another address.
const UNDOCUMENTED: [&str; 3] = ["lib.rs", "pages/mod.rs", "operation.rs"];

fn route_faults(sources: &[Source]) -> Vec<String> {
    let others = sources.iter().filter(|source| {
        !UNDOCUMENTED.iter().any(|file| source.path == Path::new(file)) && !source.path.ends_with("tests.rs")
    });
    let makes_one =
        |source: &&Source| [".route(", ".route_service(", ".nest("].iter().any(|call| source.text.contains(call));
    others
        .filter(makes_one)
        .map(|source| format!("{}: a route that no document lists", source.path.display()))
        .collect()
}

fn contexts(domain: &[Source]) -> BTreeSet<String> {
    domain.iter().filter_map(|source| context_of(&source.path)).collect()
}

fn context_of(path: &Path) -> Option<String> {
    let folder = path.components().next().filter(|_| path.components().count() > 1)?;
    Some(folder.as_os_str().to_string_lossy().into_owned())
}

fn context_faults(sources: &[Source], contexts: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut insides: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let Some(context) = context_of(&source.path).filter(|context| contexts.contains(context)) else { continue };
        if source.path == Path::new(&context).join("mod.rs") {
            for (module, public) in modules(&tokens(&source.text)) {
                if public {
                    faults.push(format!(
                        "{}: `mod {module}` must be private, and what others may use re-exported",
                        source.path.display(),
                    ));
                }
                insides.entry(context.clone()).or_default().insert(module);
            }
        }
    }
    for source in sources {
        let own = context_of(&source.path);
        for path in paths(&tokens(&source.text)) {
            for (context, modules) in insides.iter().filter(|(context, _)| own.as_ref() != Some(*context)) {
                if path.windows(2).any(|pair| pair[0] == *context && modules.contains(&pair[1])) {
                    faults.push(format!(
                        "{}: `{}` reaches past the face of `{context}`",
                        source.path.display(),
                        path.join("::"),
                    ));
                }
            }
        }
    }
    faults
}

// Reading Rust, as far as the rules need it -------------------------------------------------------

/// Words, `::` and single signs; comments, strings, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                while i < chars.len() {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            // A character, or else a lifetime, of which the name must not count as a word.
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            '\'' => {
                i += 1;
                while word(at(i)) {
                    i += 1;
                }
            }
            ':' if at(i + 1) == ':' => {
                tokens.push("::".to_owned());
                i += 2;
            }
            c if word(c) => {
                let start = i;
                while word(at(i)) {
                    i += 1;
                }
                let found: String = chars[start..i].iter().collect();
                let hashes = (0..).take_while(|n| at(i + n) == '#').count();
                match found.as_str() {
                    // A raw string ends with as many hashes as it began with.
                    "r" | "br" | "cr" if at(i + hashes) == '"' => {
                        i += hashes + 1;
                        while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                            i += 1;
                        }
                        i += hashes + 1;
                    }
                    // A raw identifier is the word behind it; `b"…"` is a string like others.
                    "r" if hashes == 1 => i += 1,
                    "b" | "c" if matches!(at(i), '"' | '\'') => {}
                    _ => tokens.push(found),
                }
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                i += 1;
            }
        }
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// All paths in a text: `a::b` wherever it stands, and trees like `a::{b, c::d}` unfolded.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if is_word(&tokens[i]) {
            i = path_tree(tokens, i, &[], &mut found);
        } else {
            i += 1;
        }
    }
    found
}

/// Reads one path or tree that begins at `i`; returns where it ends.
fn path_tree(tokens: &[String], mut i: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let token = |i: usize| tokens.get(i).map_or("", String::as_str);
    let mut path = prefix.to_vec();
    loop {
        if token(i) == "{" {
            i += 1;
            while !matches!(token(i), "}" | "") {
                if is_word(token(i)) || token(i) == "{" {
                    i = path_tree(tokens, i, &path, found);
                } else {
                    i += 1;
                }
            }
            return i + 1;
        }
        path.push(token(i).to_owned());
        i += 1;
        if token(i) == "::" && (is_word(token(i + 1)) || token(i + 1) == "{") {
            i += 1;
        } else {
            found.push(path);
            return i;
        }
    }
}

/// Whether the words stand in the path, one behind the other.
fn mentions(path: &[String], words: &[&str]) -> bool {
    path.windows(words.len()).any(|window| window == words)
}

/// The modules that a text declares, and whether each is visible outside.
fn modules(tokens: &[String]) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        if pair[0] == "mod" && is_word(&pair[1]) {
            // `pub mod` or `pub(crate) mod`
            let public = i > 0 && matches!(tokens[i - 1].as_str(), "pub" | ")");
            found.push((pair[1].clone(), public));
        }
    }
    found
}

// Reading the workspace ---------------------------------------------------------------------------

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the testkit lies two folders deep").to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs, for it has built this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

fn packages(metadata: &Value) -> Vec<Package> {
    let root = metadata["workspace_root"].as_str().expect("a workspace has a root");
    let packages = metadata["packages"].as_array().expect("a workspace has packages");
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().expect("a package has a name").to_owned();
            let manifest = package["manifest_path"].as_str().expect("a package has a manifest");
            let folder = Path::new(manifest).parent().and_then(|folder| folder.strip_prefix(root).ok());
            let folder = folder.expect("a member lies inside its workspace").to_string_lossy().into_owned();
            let layer = Layer::of(&folder).unwrap_or_else(|| panic!("which layer is {folder}? Say so in `Layer::of`"));
            let named = |in_tests: bool| {
                let dependencies = package["dependencies"].as_array().expect("a package has a list of dependencies");
                dependencies
                    .iter()
                    .filter(|dependency| (dependency["kind"] == "dev") == in_tests)
                    .map(|dependency| dependency["name"].as_str().expect("a dependency has a name").to_owned())
                    .collect()
            };
            Package { name, layer, dependencies: named(false), dev_dependencies: named(true) }
        })
        .collect()
}

fn sources(folder: &str) -> Vec<Source> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the folder of a crate can be read") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = workspace().join(folder);
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no source in {folder}: the rules would pass by looking nowhere");
    let relative = |file: &PathBuf| file.strip_prefix(&root).expect("it was found there").to_owned();
    let text = |file: &PathBuf| fs::read_to_string(file).expect("source is UTF-8");
    files.iter().map(|file| Source { path: relative(file), text: text(file) }).collect()
}

// The rules can fail ------------------------------------------------------------------------------

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.to_owned() }
}

fn package(name: &str, folder: &str, dependencies: &[&str], dev_dependencies: &[&str]) -> Package {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Package {
        name: name.to_owned(),
        layer: Layer::of(folder).expect("a folder that the architecture knows"),
        dependencies: owned(dependencies),
        dev_dependencies: owned(dev_dependencies),
    }
}

/// What the rule says of one dependency that is added to a sound workspace.
fn faults_with(name: &str, dependency: &str, in_tests: bool) -> Vec<String> {
    let mut packages = vec![
        package("domain", "crates/domain", &["chrono"], &["proptest"]),
        package("application", "crates/application", &["domain", "tokio"], &[]),
        package("sql", "crates/adapters/sql", &["application", "domain", "sqlx"], &["testkit"]),
        package("mail", "crates/adapters/mail", &["application"], &[]),
        package("rest", "crates/api/rest", &["application", "axum"], &["testkit", "sqlx"]),
        package("goticket", "crates/goticket", &["application", "domain", "mail", "rest", "sql"], &["testkit"]),
        package("testkit", "crates/testkit", &["application", "rest", "sql"], &[]),
        package("drill", "crates/drill", &["tokio"], &[]),
    ];
    assert_eq!(dependency_faults(&packages), Vec::<String>::new());
    let package = packages.iter_mut().find(|package| package.name == name).expect("a package of the list above");
    let list = if in_tests { &mut package.dev_dependencies } else { &mut package.dependencies };
    list.push(dependency.to_owned());
    dependency_faults(&packages)
}

#[test]
fn a_dependency_that_points_outward_is_found() {
    for (name, dependency) in [
        ("domain", "application"),
        ("domain", "tokio"),
        ("domain", "serde"),
        ("application", "sql"),
        ("application", "rest"),
        ("application", "sqlx"),
        ("application", "axum"),
        ("sql", "mail"),
        ("sql", "rest"),
        ("sql", "testkit"),
        ("rest", "sql"),
        ("rest", "sqlx"),
        ("goticket", "testkit"),
        ("drill", "domain"),
    ] {
        assert_eq!(faults_with(name, dependency, false), [format!("{name} must not depend on {dependency}")]);
    }
    for (name, dependency) in
        [("domain", "tokio"), ("domain", "testkit"), ("application", "testkit"), ("sql", "mail"), ("rest", "sql")]
    {
        assert_eq!(faults_with(name, dependency, true), [format!("{name} must not dev-depend on {dependency}")]);
    }
}

#[test]
fn a_route_beside_the_document_is_found() {
    let hidden = source("secret.rs", r#"Router::new().route("/secret", get(secret))"#);
    assert_eq!(route_faults(&[hidden]).len(), 1);
    assert_eq!(route_faults(&[source("open.rs", "OpenApiRouter::new().routes(routes!(open))")]), Vec::<String>::new());
}

#[test]
fn an_impure_domain_is_found() {
    for text in [
        "pub async fn hold() {}",
        "use tokio::time::sleep;",
        "#[derive(Clone, serde::Serialize)] struct Event;",
        "use serde::{Deserialize, Serialize};",
        "#[derive(Serialize)] struct Event;",
        "use std::fs;",
        "use std::{collections::HashMap, fs::File};",
        "use std::{collections::{BTreeMap, HashMap}, net};",
        "fn f() { std::net::TcpStream::connect(a); }",
        "use std::os::unix::net::UnixStream;",
        "fn f() -> bool { std::path::Path::new(a).exists() }",
        "fn f() -> std::time::SystemTime { todo!() }",
        "use std::time::Instant;",
        "fn f() { let now = chrono::Utc::now(); }",
        "fn f() { let now = Utc :: now(); }",
        "fn f<'a>(x: &'a str) { let c = '\"'; let now = Utc::now(); }",
        "fn f() { let s = r#\"a \" b\"#; rand::random::<u8>() }",
        "fn f() { let s = b\"\\\"\"; /* a /* b */ c */ Uuid::now_v7() }",
        "static COUNT: AtomicU64 = AtomicU64::new(0);",
    ] {
        assert!(!domain_faults(&source("booking/hold.rs", text)).is_empty(), "not found: {text}");
    }
}

#[test]
fn a_pure_domain_is_left_alone() {
    for text in [
        "//! No tokio, no serde, no Utc::now() in here.",
        "/* std::fs /* nested */ and rand */ fn f() {}",
        "fn f() -> &'static str { \"async serde \\\" SystemTime\" }",
        "fn f() -> &str { r##\"Utc::now() \"# rand\"## }",
        "fn f<'rand>(serde_like: &'rand str, now: DateTime<Utc>) -> char { 'r' }",
        "use std::{collections::BTreeMap, fmt, time::Duration};",
        "fn f() { let operand = brand(asynchronous); }",
    ] {
        assert_eq!(domain_faults(&source("booking/hold.rs", text)), Vec::<String>::new(), "in {text}");
    }
}

/// Two contexts, of which `booking` says `text`.
fn faults_of_booking(text: &str) -> Vec<String> {
    let tree = [
        source("lib.rs", "pub mod booking; pub mod catalog; mod money; pub use money::Money;"),
        source("money.rs", "pub struct Money;"),
        source("catalog/mod.rs", "//! The face.\nmod event;\nmod status;\npub use event::Event;"),
        source("catalog/event.rs", "use super::status::Status; pub struct Event;"),
        source("catalog/status.rs", "pub enum Status {}"),
        source("booking/mod.rs", "mod hold; pub use hold::Hold;"),
        source("booking/hold.rs", text),
    ];
    context_faults(&tree, &contexts(&tree))
}

#[test]
fn a_control_outside_of_tests_is_found() {
    let with = |kind: Value| {
        let dependency = serde_json::json!({ "name": "sql", "kind": kind, "features": ["negative-control"] });
        control_faults(&serde_json::json!({ "packages": [{ "name": "testkit", "dependencies": [dependency] }] })).len()
    };
    assert_eq!((with(Value::Null), with("build".into()), with("dev".into())), (1, 1, 0));
}

#[test]
fn a_reach_past_the_face_of_a_context_is_found() {
    for text in [
        "use crate::catalog::event::Event;",
        "use crate::{catalog::{event::Event, Status}, money::Money};",
        "use super::super::catalog::status;",
        "use domain::catalog::event::Event;",
        "fn f(event: &crate::catalog::event::Event) {}",
    ] {
        assert_eq!(faults_of_booking(text).len(), 1, "not found: {text}");
    }
}

#[test]
fn a_meeting_at_the_face_is_left_alone() {
    for text in [
        "use crate::catalog::{Event, Status};",
        "use crate::{booking::hold::Hold, catalog::Event, Money};",
        "fn f(catalog: Catalog, event: crate::catalog::Event) { catalog.event() }",
    ] {
        assert_eq!(faults_of_booking(text), Vec::<String>::new(), "in {text}");
    }
}

#[test]
fn an_open_inside_of_a_context_is_found() {
    for face in ["pub mod event;", "pub(crate) mod event;", "pub(in crate::booking) mod event;"] {
        let tree = [source("catalog/mod.rs", face), source("catalog/event.rs", "")];
        assert_eq!(
            context_faults(&tree, &contexts(&tree)),
            ["catalog/mod.rs: `mod event` must be private, and what others may use re-exported"],
        );
    }
    let sound = [source("catalog/mod.rs", "#[cfg(test)] mod event;"), source("catalog/event.rs", "")];
    assert_eq!(context_faults(&sound, &contexts(&sound)), Vec::<String>::new());
}
