//! Who is logged in where: a file that only its owner may read.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use chassis::tls::Trust;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// A login.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// Address of the API.
    pub(crate) server: String,
    /// The key.
    pub(crate) api_key: SecretString,
    /// The server's certificate authority, as PEM; none = those that this machine trusts.
    pub(crate) authority: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    server: String,
    api_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
}

impl Profile {
    /// Reads the profile.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!(
                    "not logged in: run \"quire up --detach\" on this machine, or \"quire login --server URL\""
                )
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let file: File = toml::from_str(&text).with_context(|| {
            format!(
                "{} is damaged; log in again with \"quire login\"",
                path.display()
            )
        })?;
        Ok(Self {
            server: file.server,
            api_key: file.api_key.into(),
            authority: file.authority,
        })
    }

    /// Which server may answer.
    pub(crate) fn trust(&self) -> Result<Trust> {
        match &self.authority {
            None => Ok(Trust::public()),
            Some(pem) => Ok(Trust::from_pem(pem.as_bytes())?),
        }
    }

    /// Writes the profile.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let file = File {
            server: self.server.clone(),
            api_key: self.api_key.expose_secret().to_owned(),
            authority: self.authority.clone(),
        };
        write_private(path, &toml::to_string(&file)?)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file needs a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(|| format!("writing {}", temporary.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_keeps_the_authority_and_an_old_one_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.toml");
        let profile = Profile {
            server: "https://quire.lan".to_owned(),
            api_key: "qk_a".to_owned().into(),
            authority: Some("-----BEGIN CERTIFICATE-----\nAA==\n".to_owned()),
        };
        profile.save(&path).unwrap();
        let loaded = Profile::load(&path).unwrap();
        assert_eq!(loaded.authority, profile.authority);
        loaded.trust().unwrap_err();

        fs::write(
            &path,
            "server = \"http://127.0.0.1:7700\"\napi_key = \"qk_a\"\n",
        )
        .unwrap();
        let loaded = Profile::load(&path).unwrap();
        assert_eq!(loaded.authority, None);
        loaded.trust().unwrap();
    }
}
