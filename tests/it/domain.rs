//! What the rooms `domain` may know: the rules are pure, without I/O, tokio, wire types or rows of tables.

use std::path::{Path, PathBuf};

/// What a domain would reach the outside by.
const OUTSIDE: [&str; 8] = [
    "contracts::",
    "crate::store",
    "sea_orm",
    "tonic",
    "prost",
    "tokio",
    "reqwest",
    "std::fs",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// Lines of code, not of comments, that name something outside.
fn reaching_out(text: &str) -> Vec<&str> {
    let code = text.lines().map(str::trim);
    code.filter(|line| !line.starts_with("//"))
        .filter(|line| OUTSIDE.iter().any(|name| line.contains(name)))
        .collect()
}

#[test]
fn domains_are_pure() {
    let mut services = 0;
    for member in std::fs::read_dir("../crates").unwrap() {
        let mut files = Vec::new();
        sources(&member.unwrap().path().join("src/domain"), &mut files);
        services += usize::from(!files.is_empty());
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let wrong = reaching_out(&text);
            assert!(wrong.is_empty(), "{}: {wrong:?}", file.display());
        }
    }
    assert!(services >= 8, "only {services} domains were read");
}

#[test]
fn what_is_not_pure_is_found() {
    let text = "//! Not like sea_orm.\nuse chassis::Result;\nuse contracts::common::v1::Role;";
    assert_eq!(reaching_out(text), ["use contracts::common::v1::Role;"]);
}
