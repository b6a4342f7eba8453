//! Dependencies point one way: the order that `src/lib.rs` draws is the order that the files keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules with the step of the order that they stand on, and whether a bar separates them from their neighbours.
struct Order {
    /// By name; the part of `nn` that stands on an earlier step is `nn/graph`, `nn/plan` and so on, the rest is `nn`.
    steps: BTreeMap<String, usize>,
    apart: BTreeSet<usize>,
}

impl Order {
    fn read(lib: &str) -> Self {
        let block = lib
            .split("```text")
            .find(|block| block.contains(" ◀ main"))
            .and_then(|block| block.split("```").next())
            .expect("lib.rs draws the order in a block that ends in main");
        let text: String =
            block.lines().map(|line| line.trim_start_matches("//!").trim()).collect::<Vec<_>>().join(" ");
        let (mut steps, mut apart) = (BTreeMap::new(), BTreeSet::new());
        for (step, modules) in text.split('◀').enumerate() {
            if modules.contains('|') {
                apart.insert(step);
            }
            for module in split_outside_brackets(modules) {
                match module.split_once('(') {
                    Some((name, parts)) if !parts.contains("engines") => {
                        for part in parts.trim_end_matches(')').split(',') {
                            steps.insert(format!("{}/{}", name.trim(), part.trim()), step);
                        }
                    }
                    Some((name, _)) => drop(steps.insert(name.trim().to_owned(), step)),
                    None => drop(steps.insert(module.to_owned(), step)),
                }
            }
        }
        Self { steps, apart }
    }

    /// The module of the order that a path such as `nn::plan::cost` or `source::camera` belongs to.
    fn module(&self, path: &[&str]) -> Option<String> {
        let deep = path.get(1).map(|second| format!("{}/{second}", path[0]));
        deep.filter(|name| self.steps.contains_key(name))
            .or_else(|| path.first().map(|top| (*top).to_owned()).filter(|name| self.steps.contains_key(name)))
    }

    /// Why a module may not use another; `None` where it may.
    fn objection(&self, user: &str, used: &str) -> Option<String> {
        let (from, to) = (self.steps[user], self.steps[used]);
        let package = |name: &str| name.split('/').next().map(str::to_owned);
        if user == used || (from >= to && package(user) == package(used)) {
            None
        } else if to > from {
            Some(format!("{user} stands left of {used}"))
        } else if to == from && self.apart.contains(&to) {
            Some(format!("{user} and {used} stand side by side"))
        } else {
            None
        }
    }
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0 && (c == ',' || c == '|')
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The paths behind `crate::` in code: neither in comments nor in a file's tests, which stand at its end.
fn uses(text: &str) -> Vec<Vec<&str>> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or(line));
    let paths = lines.flat_map(|line| line.split("crate::").skip(1));
    paths
        .map(|path| {
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
            path[..end].split("::").filter(|part| !part.is_empty()).collect()
        })
        .collect()
}

#[test]
fn nothing_uses_what_stands_to_its_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = Order::read(&fs::read_to_string(root.join("lib.rs")).unwrap());
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut objections = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with("src/lib.rs")) {
        let relative = file.strip_prefix(&root).unwrap().with_extension("");
        let path: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
        let user = order.module(&path).unwrap_or_else(|| panic!("lib.rs does not place {}", file.display()));
        seen.insert(user.clone());
        let text = fs::read_to_string(file).unwrap();
        for used in uses(&text) {
            // Macros and constants of the crate's root belong to no module.
            let Some(used) = order.module(&used) else { continue };
            if let Some(objection) = order.objection(&user, &used) {
                objections.insert(format!("{}: {objection}", file.display()));
            }
        }
    }
    let missing: Vec<&String> = order.steps.keys().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "lib.rs places modules that are not there: {missing:?}");
    assert!(objections.is_empty(), "{}", objections.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn an_edge_that_runs_back_is_found() {
    let order = Order::read("```text\n//! a ◀ b | c ◀ d (low, deep)\n//!  ◀ e ◀ d (engines) ◀ main\n//! ```");
    assert_eq!(order.objection("a", "b").as_deref(), Some("a stands left of b"));
    assert_eq!(order.objection("b", "c").as_deref(), Some("b and c stand side by side"));
    assert_eq!(order.objection("main", "a"), None);
    assert_eq!(order.module(&["d", "low", "x"]).as_deref(), Some("d/low"));
    assert_eq!(order.module(&["d", "other"]).as_deref(), Some("d"));
    assert_eq!(order.objection("d", "d/low"), None);
    assert_eq!(order.objection("d/low", "e").as_deref(), Some("d/low stands left of e"));
    assert_eq!(order.objection("d/low", "d").as_deref(), Some("d/low stands left of d"));
    assert_eq!(uses("use crate::a::B; // crate::c\nfn f() { crate::d::g(1) }"), [vec!["a", "B"], vec!["d", "g"]]);
}
