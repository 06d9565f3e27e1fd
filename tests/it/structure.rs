//! The structure of the workspace: who may know whom, and one version of everything.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

const GROUND: [&str; 4] = ["kernel", "contracts", "chassis", "bus"];

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

/// Crate -> crates of the house that it knows: in its tests alone, or in what is built of it.
fn arrows(metadata: &Metadata, in_tests: bool) -> BTreeMap<String, BTreeSet<String>> {
    let ours: BTreeSet<_> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    metadata
        .packages
        .iter()
        .map(|package| {
            let known = package
                .dependencies
                .iter()
                .filter(|dependency| (dependency.kind == DependencyKind::Development) == in_tests)
                .map(|dependency| dependency.name.clone())
                .filter(|name| ours.contains(name))
                .collect();
            (package.name.to_string(), known)
        })
        .collect()
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "kernel" => Some(&[]),
        "contracts" => Some(&GROUND[..1]),
        "chassis" => Some(&GROUND[..2]),
        "bus" => Some(&GROUND[..3]),
        "testkit" => Some(&GROUND),
        // Knows everything.
        "quire" => None,
        "whole-system" => Some(&[]),
        _ => Some(&GROUND),
    }
}

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = metadata();
    for in_tests in [false, true] {
        let arrows = arrows(&metadata, in_tests);
        assert!(arrows.len() >= 12, "the workspace was not read: {arrows:?}");
        for (name, known) in &arrows {
            let wrong: Vec<_> = known
                .iter()
                .filter(|other| !may_know(name, other, in_tests))
                .collect();
            assert!(
                wrong.is_empty(),
                "{name} may not know {wrong:?}, in its tests: {in_tests}"
            );
        }
    }
}

/// In its tests a crate may know testkit too; the tests of the whole system know the ground floor, and start the rest as programs.
fn may_know(name: &str, other: &str, in_tests: bool) -> bool {
    let in_tests_too =
        in_tests && (other == "testkit" || name == "whole-system" && GROUND.contains(&other));
    in_tests_too || allowed(name).is_none_or(|allowed| allowed.contains(&other))
}

#[test]
fn every_crate_takes_versions_and_lints_from_the_workspace() {
    for package in metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        let name = &package.name;
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name} has lints of its own"
        );
        for line in manifest.lines() {
            let pins = line.contains("version = \"")
                || line.split_once('=').is_some_and(|(key, value)| {
                    !key.trim().contains(' ')
                        && value.trim().starts_with('"')
                        && value.trim()[1..].starts_with(|digit: char| digit.is_ascii_digit())
                });
            assert!(!pins, "{name} pins a version of its own: {line}");
        }
    }
}

/// The command line of every program refuses secrets by their names.
#[test]
fn every_secret_of_a_configuration_is_known_as_one() {
    let mut found = 0;
    for package in metadata().packages {
        let folder = package.manifest_path.parent().unwrap();
        let Ok(configuration) = std::fs::read_to_string(folder.join("src/config.rs")) else {
            continue;
        };
        for line in configuration.lines() {
            let field = line.trim().strip_prefix("pub ").unwrap_or_default();
            let Some((name, kind)) = field.split_once(": ") else {
                continue;
            };
            if name.contains(' ') || !kind.contains("SecretString") {
                continue;
            }
            found += 1;
            let keys = [name.to_owned(), format!("bus.{name}")];
            let known = keys.iter().any(|key| chassis::config::is_secret(key));
            assert!(known, "{name} of {} is not", package.name);
        }
    }
    assert!(found >= 7, "only {found} were found");
}
