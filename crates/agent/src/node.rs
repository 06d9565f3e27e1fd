//! Who this node is: its identifier, its key and its first certificate, got once for a join token.

use std::path::{Path, PathBuf};

use chassis::authority::{self, Fingerprint};
use chassis::grpc::{connect, retry};
use chassis::tls::Trust;
use chassis::{Address, Error, Result};
use contracts::inventory::v1::JoinNodeRequest;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::config::AgentConfig;
use crate::credentials::Credentials;
use crate::files;
use crate::machine::host_name;

/// Longest name of a node, in characters.
const MAX_NAME: usize = 63;
/// Most CPU that may be promised for each CPU that is there.
const MAX_OVERCOMMIT: u32 = 16;

/// A node that has joined.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) key: SecretString,
    /// Its servers are known by the authority that the join token named.
    pinned: bool,
}

#[derive(Serialize, Deserialize)]
struct NodeFile {
    node_id: String,
    node_key: String,
    #[serde(default)]
    pinned: bool,
}

/// What a join was asked with: an answer that was lost is asked for again with the same.
#[derive(Serialize, Deserialize)]
struct JoinFile {
    request_id: String,
}

impl Node {
    /// The node whose data lies in `data_dir`; `None` before it joined.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(crate) fn load(data_dir: &Path) -> Result<Option<Self>> {
        let file: Option<NodeFile> = files::read_json(&node_file(data_dir))
            .map_err(|error| Error::internal("reading who this node is", error))?;
        Ok(file.map(|file| Self {
            id: file.node_id,
            key: file.node_key.into(),
            pinned: file.pinned,
        }))
    }

    /// The node whose data lies in `data_dir`, which has joined.
    ///
    /// # Errors
    /// [`Error::Precondition`] when it has not; when its file cannot be read.
    pub(crate) fn joined(data_dir: &Path) -> Result<Self> {
        Self::load(data_dir)?.ok_or_else(|| {
            Error::Precondition("this node has not joined: join it with a token first".to_owned())
        })
    }

    /// Whom this node's calls trust.
    ///
    /// # Errors
    /// When a file with an authority cannot be read.
    pub(crate) fn trust(&self, config: &AgentConfig) -> Result<Trust> {
        trust(config, self.pinned)
    }

    fn store(&self, data_dir: &Path) -> std::io::Result<()> {
        let file = NodeFile {
            node_id: self.id.clone(),
            node_key: self.key.expose_secret().to_owned(),
            pinned: self.pinned,
        };
        files::write(&node_file(data_dir), &serde_json::to_vec(&file)?)
    }
}

/// The authority that the configuration names, else the one that the token named, and no other; where neither did, those of the
/// machine.
fn trust(config: &AgentConfig, pinned: bool) -> Result<Trust> {
    let pinned = pinned.then(|| Credentials::of(&config.data_dir).authority());
    Trust::from_file(config.authority.as_deref().or(pinned.as_deref()))
}

/// Identifier of the node that joined with this configuration.
///
/// # Errors
/// [`Error::Precondition`] when none has; when its file cannot be read.
pub fn node_id(config: &AgentConfig) -> Result<String> {
    Ok(Node::joined(&config.data_dir)?.id)
}

/// Joins: spends the token, gets the node's identifier, key and certificate, and keeps them. A node that has joined stays who it
/// is. Where the servers are reached by TLS and the token names their authority, that is checked before anything is said.
///
/// # Errors
/// What inventory says; [`Error::Invalid`] for a token, name or overcommit that cannot be; [`Error::Precondition`] when the
/// servers have another authority than the token names.
pub async fn join(config: &AgentConfig, token: &str) -> Result<()> {
    let failed = |error: std::io::Error| Error::internal("keeping who this node is", error);
    files::passable_folder(&config.data_dir).map_err(failed)?;
    if Node::load(&config.data_dir)?.is_some() {
        return Ok(());
    }
    let (name, cpu_overcommit) = (name(config)?, overcommit(config)?);
    let request_id = request_id(&config.data_dir)?;
    let pinned = pin_authority(config, token).await?;
    let channel = connect(&config.inventory, &trust(config, pinned)?)?;
    let credentials = Credentials::of(&config.data_dir);
    let certificate_request = credentials.request()?;
    let joined = retry(|| {
        let mut inventory = InventoryServiceClient::new(channel.clone());
        let request = JoinNodeRequest {
            token: token.to_owned(),
            name: name.clone(),
            cpu_overcommit,
            request_id: request_id.clone(),
            certificate_request: certificate_request.clone(),
        };
        async move { Ok(inventory.join_node(request).await?.into_inner()) }
    })
    .await?;
    credentials.keep(&joined.certificate_chain, &joined.authority)?;
    let node = Node {
        id: joined.node_id,
        key: joined.node_key.into(),
        pinned,
    };
    node.store(&config.data_dir).map_err(failed)?;
    std::fs::remove_file(join_file(&config.data_dir)).map_err(failed)?;
    tracing::info!(node_id = node.id, name, "this node has joined");
    Ok(())
}

/// Fetches the authority that the token names, when there is one to be checked; whether there was.
async fn pin_authority(config: &AgentConfig, token: &str) -> Result<bool> {
    let (Some(expected), Address::Https(_), None) =
        (fingerprint(token)?, &config.inventory, &config.authority)
    else {
        return Ok(false);
    };
    let authority = authority::fetch(&config.identity, expected).await?;
    Credentials::of(&config.data_dir).keep_authority(&authority)?;
    Ok(true)
}

/// The fingerprint in a join token, behind its secret and a full stop; tokens without one are of a Quire without an authority.
fn fingerprint(token: &str) -> Result<Option<Fingerprint>> {
    let Some((_, fingerprint)) = token.split_once('.') else {
        return Ok(None);
    };
    let parsed = fingerprint.trim().parse();
    parsed.map(Some).map_err(|_| {
        let problem = "is damaged behind its full stop; copy all of it, or make a new one with \"quire node join-token\"";
        Error::invalid("token", problem)
    })
}

fn request_id(data_dir: &Path) -> Result<String> {
    let failed =
        |error: std::io::Error| Error::internal("keeping what the join is asked with", error);
    let path = join_file(data_dir);
    if let Some(file) = files::read_json::<JoinFile>(&path).map_err(failed)? {
        return Ok(file.request_id);
    }
    let request_id = chassis::seal::random_secret()?.expose_secret().to_owned();
    let file = serde_json::to_vec(&JoinFile {
        request_id: request_id.clone(),
    })
    .map_err(|error| failed(error.into()))?;
    files::write(&path, &file).map_err(failed)?;
    Ok(request_id)
}

fn name(config: &AgentConfig) -> Result<String> {
    let name = if config.name.is_empty() {
        host_name()
    } else {
        config.name.clone()
    };
    Ok(kernel::text::name("name", &name, MAX_NAME)?)
}

fn overcommit(config: &AgentConfig) -> Result<u32> {
    let asked = config.cpu_overcommit;
    if (1..=MAX_OVERCOMMIT).contains(&asked) {
        return Ok(asked);
    }
    Err(Error::invalid(
        "cpu_overcommit",
        format!("is {asked}; 1 to {MAX_OVERCOMMIT} are allowed"),
    ))
}

fn node_file(data_dir: &Path) -> PathBuf {
    data_dir.join("node.json")
}

fn join_file(data_dir: &Path) -> PathBuf {
    data_dir.join("join.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_name_an_authority() {
        let expected = Fingerprint::of(b"authority");
        assert_eq!(fingerprint("qj_secret").unwrap(), None);
        assert_eq!(
            fingerprint(&format!("qj_secret.{expected}")).unwrap(),
            Some(expected)
        );
        let error = fingerprint("qj_secret.abc").unwrap_err().to_string();
        assert!(
            error.starts_with("token: ") && !error.contains("secret"),
            "{error}"
        );
    }
}
