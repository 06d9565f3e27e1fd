//! `quire ssh-key`.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context, Result, bail};
use contracts::identity::v1::{
    CreateSshKeyRequest, DeleteSshKeyRequest, ListSshKeysRequest, SshKey,
};
use serde::Serialize;

use crate::api::{Api, request_id};
use crate::cli::{Output, SshKeyCommand};
use crate::print::{self, Row};

/// Longest file that is read, in bytes: longer than any public key.
const LONGEST: u64 = 64 << 10;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRow {
    id: String,
    name: String,
    user_id: String,
    kind: String,
    fingerprint: String,
    public_key: String,
    created_at: String,
}

impl From<SshKey> for KeyRow {
    fn from(key: SshKey) -> Self {
        let kind = key.public_key.split(' ').next().unwrap_or_default();
        Self {
            kind: kind.to_owned(),
            created_at: print::time(key.created_at),
            id: key.id,
            name: key.name,
            user_id: key.user_id,
            fingerprint: key.fingerprint,
            public_key: key.public_key,
        }
    }
}

impl Row for KeyRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "KIND", "FINGERPRINT", "CREATED", "ID"];

    fn cells(&self) -> Vec<String> {
        [
            &self.name,
            &self.kind,
            &self.fingerprint,
            &self.created_at,
            &self.id,
        ]
        .map(String::clone)
        .to_vec()
    }
}

pub(super) async fn run(command: SshKeyCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        SshKeyCommand::Add { file, name } => {
            let request = CreateSshKeyRequest {
                name: name.unwrap_or_default(),
                public_key: read(&file)?,
                request_id: request_id(),
            };
            let made = api.make(|| {
                let (mut identity, request) = (api.identity(), request.clone());
                async move { identity.create_ssh_key(request).await }
            });
            let key = made.await?.ssh_key.unwrap_or_default();
            print::one(output, &KeyRow::from(key))
        }
        SshKeyCommand::List => {
            let page = |page| {
                let mut identity = api.identity();
                let request = ListSshKeysRequest {
                    page,
                    oldest_first: false,
                };
                async move { identity.list_ssh_keys(request).await }
            };
            let keys = api
                .all(page, |answer| (answer.ssh_keys, answer.page))
                .await?;
            let rows: Vec<_> = keys.into_iter().map(KeyRow::from).collect();
            let empty = "there are no ssh keys; register yours with \"quire ssh-key add ~/.ssh/id_ed25519.pub\"";
            print::list(output, &rows, empty)
        }
        SshKeyCommand::Delete { id } => {
            let answer = api
                .ask(api.identity().delete_ssh_key(DeleteSshKeyRequest { id }))
                .await?;
            print::one(output, &KeyRow::from(answer.ssh_key.unwrap_or_default()))
        }
    }
}

fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().take(LONGEST).read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    read.with_context(|| format!("reading {}", file.display()))?;
    if text.contains("PRIVATE KEY") {
        bail!(
            "{} is a private key and goes nowhere; give the file that ends in .pub",
            file.display()
        );
    }
    Ok(text)
}
