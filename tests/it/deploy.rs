//! `deploy/`: what it tells the programs is what they understand, nobody is left out, and secrets are files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use cargo_metadata::{MetadataCommand, TargetKind};
use serde::Deserialize;
use tempfile::TempDir;

use crate::installation::program;

const SECRETS: &str = "/run/secrets/";

/// `compose.yaml`, as far as these tests look.
#[derive(Debug, Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    secrets: BTreeMap<String, Secret>,
}

#[derive(Debug, Deserialize)]
struct Service {
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    secrets: BTreeSet<String>,
    #[serde(default)]
    command: Vec<String>,
    build: Option<Build>,
}

#[derive(Debug, Deserialize)]
struct Secret {
    file: String,
}

#[derive(Debug, Deserialize)]
struct Build {
    target: String,
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new("../deploy").join(file)).unwrap()
}

fn compose() -> Compose {
    serde_saphyr::from_str(&read("compose.yaml")).unwrap()
}

/// Programs of the workspace that are made for a container.
fn programs() -> BTreeSet<String> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| target.kind.contains(&TargetKind::Bin))
        .filter_map(|target| target.name.strip_prefix("quire-").map(str::to_owned))
        .collect()
}

/// A value with its variables at their defaults: `${NAME:-default}`.
fn plain(value: &str) -> String {
    let Some((before, rest)) = value.split_once("${") else {
        return value.to_owned();
    };
    let (variable, after) = rest.split_once('}').unwrap();
    let (_, default) = variable.split_once(":-").unwrap();
    format!("{before}{default}{}", plain(after))
}

/// Secrets as an operator makes them, in a folder that ends with the test.
fn secrets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("make-secrets");
    std::fs::copy("../deploy/make-secrets", &script).unwrap();
    assert!(Command::new(&script).status().unwrap().success());
    folder
}

#[test]
fn every_program_has_an_image_and_a_service() {
    let (compose, containerfile) = (compose(), read("Containerfile"));
    for program in programs() {
        let service = compose.services.get(&program);
        let target = service.and_then(|service| service.build.as_ref());
        assert_eq!(target.map(|build| &build.target), Some(&program));
        let entry = format!("ENTRYPOINT [\"quire-{program}\"]");
        assert!(containerfile.contains(&entry), "{program} has no image");
    }
}

#[test]
fn programs_understand_what_they_are_told() {
    let (compose, programs) = (compose(), programs());
    let secrets = secrets();
    let folder = secrets.path().join("secrets");
    let mut told = BTreeSet::new();
    for (name, service) in &compose.services {
        let Some(build) = service.build.as_ref() else {
            continue;
        };
        let Some(asked) = programs.get(&build.target) else {
            continue;
        };
        let settings = service.environment.iter().map(|(key, value)| {
            let value = match value.strip_prefix(SECRETS) {
                Some(secret) => folder.join(secret).display().to_string(),
                None => plain(value),
            };
            (key, value)
        });
        let output = Command::new(program(&format!("quire-{asked}")))
            .env_clear()
            .envs(settings)
            .arg("check-config")
            .output()
            .unwrap();
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {problem}");
        let shown = String::from_utf8_lossy(&output.stdout);
        for secret in &service.secrets {
            let value = std::fs::read_to_string(folder.join(secret)).unwrap();
            assert!(!shown.contains(value.trim()), "{name} shows {secret}");
        }
        // Of a variable for somebody else nobody would take notice.
        for key in service.environment.keys() {
            let own = format!("QUIRE_{}_", asked.to_uppercase());
            assert!(
                key.starts_with(&own) || key.starts_with("QUIRE_TELEMETRY_"),
                "{name}: {key}"
            );
        }
        told.insert(asked.clone());
    }
    assert_eq!(told, programs);
}

#[test]
fn users_of_the_bus_may_do_what_they_do_and_nothing_else() {
    let variable =
        |user: &str| bus::Password::Variable(format!("{}_PASSWORD", user.to_uppercase()));
    let block = bus::authorization(variable);
    assert!(
        read("nats.conf").ends_with(&block),
        "deploy/nats.conf must end with\n{block}"
    );
}

/// Whether a setting holds a secret, going by its last word; a path to a key file is none.
fn is_secret(key: &str) -> bool {
    let path = key.ends_with("TLS__KEY") || key.ends_with("AUTHORITY__KEY");
    let words = ["_PASSWORD", "_DATABASE", "_KEY", "_TOKEN"];
    !path && (words.iter().any(|word| key.ends_with(word)) || key.contains("_SERVICE_KEYS__"))
}

#[test]
fn secrets_are_files_and_all_of_them_are_made() {
    let compose = compose();
    for (name, service) in &compose.services {
        for (key, value) in &service.environment {
            let Some(secret) = value.strip_prefix(SECRETS) else {
                assert!(!is_secret(key), "{name}: {key} is no file");
                continue;
            };
            assert!(key.ends_with("_FILE"), "{name}: {key}");
            assert!(service.secrets.contains(secret), "{name} has no {secret}");
        }
        for word in &service.command {
            assert!(!word.to_lowercase().contains("password"), "{name}: {word}");
        }
    }
    let folder = secrets();
    let files = std::fs::read_dir(folder.path().join("secrets")).unwrap();
    let made: BTreeSet<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(made, compose.secrets.keys().cloned().collect());
    for (name, secret) in &compose.secrets {
        assert_eq!(secret.file, format!("./secrets/{name}"));
    }
    let used: BTreeSet<_> = compose
        .services
        .values()
        .flat_map(|service| service.secrets.clone())
        .collect();
    assert_eq!(used, made, "a secret that nobody uses, or nobody makes");
}

#[test]
fn secrets_that_are_there_stay() {
    let folder = secrets();
    let all = |folder: &TempDir| {
        let files = std::fs::read_dir(folder.path().join("secrets")).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect::<BTreeSet<_>>()
    };
    let before = all(&folder);
    let again = Command::new(folder.path().join("make-secrets")).status();
    assert!(again.unwrap().success());
    assert_eq!(all(&folder), before);
    assert_ne!(all(&secrets()), before);
}
