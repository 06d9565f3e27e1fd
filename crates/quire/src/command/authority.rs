//! `quire authority`: the cluster's certificate authority, made and used where no service needs to run.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chassis::Address;
use chassis::authority::{Description, offered_by};
use chrono::SecondsFormat;
use kernel::time::SystemClock;
use kernel::{Clock as _, Timestamp};
use serde::Serialize;

use crate::authority::{Folder, read};
use crate::cli::{AuthorityCommand, Output};
use crate::print::{self, Row};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorityRow {
    name: String,
    fingerprint: String,
    not_before: String,
    not_after: String,
}

impl Row for AuthorityRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "FINGERPRINT", "FROM", "UNTIL"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.fingerprint.clone(),
            self.not_before.clone(),
            self.not_after.clone(),
        ]
    }
}

impl From<Description> for AuthorityRow {
    fn from(described: Description) -> Self {
        let time = |time: Timestamp| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self {
            name: described.name,
            fingerprint: described.fingerprint.to_string(),
            not_before: time(described.not_before),
            not_after: time(described.not_after),
        }
    }
}

fn show(output: Output, pem: &str) -> Result<()> {
    let described = Description::of_pem("certificate", pem)?;
    print::one(output, &AuthorityRow::from(described))
}

fn issue(dir: PathBuf, name: &str, hosts: &[String], output: Output) -> Result<()> {
    let folder = Folder::new(dir);
    folder.issue(name, hosts, SystemClock.now())?;
    let (certificate, key) = (folder.certificate_of(name), folder.key_of(name));
    if output == Output::Json {
        return print::json(&serde_json::json!({ "certificate": certificate, "key": key }));
    }
    print::note(&format!(
        "wrote {} and {}",
        certificate.display(),
        key.display()
    ));
    Ok(())
}

pub(crate) async fn run(command: AuthorityCommand, output: Output) -> Result<()> {
    match command {
        AuthorityCommand::Create { dir, name } => {
            let made = Folder::new(dir).create(&name, SystemClock.now())?;
            show(output, made.certificate_pem())
        }
        AuthorityCommand::Issue { dir, name, hosts } => issue(dir, &name, &hosts, output),
        AuthorityCommand::Show { dir: Some(dir), .. } => {
            show(output, &read(&Folder::new(dir).certificate())?)
        }
        AuthorityCommand::Show { server, .. } => {
            let server = server.context("name a folder, or a server with --server URL")?;
            let server: Address = server.parse().context("reading --server")?;
            show(output, &offered_by(&server).await?.certificate_pem)
        }
    }
}
