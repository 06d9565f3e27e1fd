//! What may be in the dependency graph: `deny.toml` has the lists, cargo says what it would build.
//!
//! Advisories need a database that changes daily: for them cargo-deny reads the same file.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

const REGISTRY: &str = "registry+";

/// `deny.toml`, as far as it is about the graph alone.
#[derive(Clone, Debug, Deserialize)]
struct Policy {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Clone, Debug, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Clone, Debug, Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
}

impl Policy {
    fn read() -> Self {
        toml::from_str(&std::fs::read_to_string("../deny.toml").unwrap()).unwrap()
    }

    /// What is wrong with a package of somebody else, by itself.
    fn judge(&self, package: &Package) -> Vec<String> {
        let mut wrong = Vec::new();
        let licence = package.license.as_deref().unwrap_or("none");
        if !self.allows(licence) {
            wrong.push(format!("its licence is {licence}"));
        }
        if self.bans.deny.iter().any(|ban| *package.name == ban.name) {
            wrong.push("it is banned".to_owned());
        }
        let source = package
            .source
            .as_ref()
            .map_or("none", |source| &source.repr);
        if !source.starts_with(REGISTRY) {
            wrong.push(format!("it comes from {source}, not from the registry"));
        }
        let named = |wrong| format!("{} {}: {wrong}", package.name, package.version);
        wrong.into_iter().map(named).collect()
    }

    fn allows(&self, licence: &str) -> bool {
        let Ok(terms) = Expression::parse_mode(licence, ParseMode::LAX) else {
            return false;
        };
        terms.evaluate(|term| self.licenses.allow.contains(&term.to_string()))
    }
}

/// What cargo builds for one target.
fn metadata(target: &str) -> Metadata {
    let filter = ["--filter-platform", target, "--locked"].map(str::to_owned);
    MetadataCommand::new()
        .other_options(filter.to_vec())
        .exec()
        .unwrap()
}

fn packages(metadata: &Metadata) -> Vec<&Package> {
    let resolve = metadata.resolve.as_ref().unwrap();
    resolve
        .nodes
        .iter()
        .map(|node| &metadata[&node.id])
        .collect()
}

fn is_ours(metadata: &Metadata, id: &PackageId) -> bool {
    metadata.workspace_members.contains(id)
}

/// Crates of others that ours name in more than one version.
fn doubled(metadata: &Metadata) -> Vec<String> {
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    let resolve = metadata.resolve.as_ref().unwrap();
    let ours = resolve
        .nodes
        .iter()
        .filter(|node| is_ours(metadata, &node.id));
    for dependency in ours.flat_map(|node| &node.deps) {
        let package = &metadata[&dependency.pkg];
        versions
            .entry(package.name.to_string())
            .or_default()
            .insert(package.version.to_string());
    }
    versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| format!("{name}: {versions:?}"))
        .collect()
}

fn breaches(policy: &Policy, metadata: &Metadata) -> Vec<String> {
    packages(metadata)
        .into_iter()
        .filter(|package| !is_ours(metadata, &package.id))
        .flat_map(|package| policy.judge(package))
        .collect()
}

#[test]
fn the_graph_is_as_deny_toml_allows() {
    let policy = Policy::read();
    assert!(!policy.graph.targets.is_empty());
    for target in &policy.graph.targets {
        let metadata = metadata(target);
        assert!(packages(&metadata).len() > 100, "the graph was not read");
        assert_eq!(breaches(&policy, &metadata), [""; 0], "{target}");
        assert_eq!(doubled(&metadata), [""; 0], "{target}");
    }
}

#[test]
fn what_is_not_allowed_is_found() {
    let policy = Policy::read();
    let metadata = metadata(&policy.graph.targets[0]);
    let mut stricter = policy.clone();
    stricter.licenses.allow.remove("ISC");
    stricter.bans.deny.push(Ban {
        name: "tokio".to_owned(),
    });
    let found = breaches(&stricter, &metadata);
    let has = |start: &str, end: &str| {
        found
            .iter()
            .any(|breach| breach.starts_with(start) && breach.ends_with(end))
    };
    assert!(has("tokio ", "it is banned"), "{found:?}");
    assert!(has("rustls-webpki ", "its licence is ISC"), "{found:?}");

    let mut foreign = packages(&metadata)
        .into_iter()
        .find(|package| *package.name == "tokio")
        .unwrap()
        .clone();
    foreign.source.as_mut().unwrap().repr = "git+https://example.org/tokio".to_owned();
    foreign.license = None;
    let found = policy.judge(&foreign);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(policy.allows("(MIT/Apache-2.0) AND Unicode-3.0"));
    assert!(!policy.allows("MIT AND GPL-3.0-only"));
}
