//! What this node shows and whom it trusts: its own key, made here and never sent, its certificate, and the cluster's authority.

use std::path::{Path, PathBuf};

use chassis::authority::{Description, NodeKey};
use chassis::tls::Trust;
use chassis::{Error, Result};
use kernel::Timestamp;
use secrecy::ExposeSecret as _;

use crate::files;

/// The files of one node, in `<data_dir>/tls`.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    folder: PathBuf,
}

fn failed(error: std::io::Error) -> Error {
    Error::internal("keeping the node's certificate", error)
}

impl Credentials {
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("tls"),
        }
    }

    /// Where the cluster's authority lies, as PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// Where the node's certificate lies, as PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// Where the node's key lies, as PEM; readable for the agent's user only.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// A request for a certificate, signed with the node's key, which is made now when there is none.
    pub(crate) fn request(&self) -> Result<String> {
        if let Some(pem) = read(&self.key())? {
            return NodeKey::from_pem(&pem.into())?.request();
        }
        let key = NodeKey::generate()?;
        files::private_folder(&self.folder).map_err(failed)?;
        files::write(&self.key(), key.to_pem().expose_secret().as_bytes()).map_err(failed)?;
        key.request()
    }

    /// Keeps a certificate for the node's key, with the authority that it is of.
    pub(crate) fn keep(&self, certificate_pem: &str, authority_pem: &str) -> Result<()> {
        Description::of_pem("certificate_chain", certificate_pem)?;
        self.keep_authority(authority_pem)?;
        files::write(&self.certificate(), certificate_pem.as_bytes()).map_err(failed)
    }

    /// Keeps whom this node trusts.
    pub(crate) fn keep_authority(&self, pem: &str) -> Result<()> {
        Description::of_pem("authority", pem)?;
        files::private_folder(&self.folder).map_err(failed)?;
        files::write(&self.authority(), pem.as_bytes()).map_err(failed)
    }

    /// Trusts the cluster's authority alone, and shows the node's certificate.
    pub(crate) fn trust(&self) -> Result<Trust> {
        let [certificate, key] = [self.certificate(), self.key()].map(std::fs::read);
        let missing = |error| Error::Unavailable(format!("the node's certificate: {error}"));
        Trust::from_file(Some(&self.authority()))?
            .with_identity(&certificate.map_err(missing)?, &key.map_err(missing)?)
    }

    /// When the certificate should be replaced; `None` while there is none that could be read.
    pub(crate) fn renew_at(&self) -> Result<Option<Timestamp>> {
        let described = read(&self.certificate())?
            .and_then(|pem| Description::of_pem("certificate", &pem).ok());
        Ok(described.map(|described| described.renew_at()))
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use chassis::authority::Authority;
    use chrono::TimeDelta;
    use kernel::time::from_micros;

    use super::*;

    #[test]
    fn the_key_stays_the_same_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::of(folder.path());
        credentials.request().unwrap();
        let key = std::fs::read_to_string(credentials.key()).unwrap();
        let mode = std::fs::metadata(credentials.key())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        credentials.request().unwrap();
        assert_eq!(std::fs::read_to_string(credentials.key()).unwrap(), key);
    }

    #[test]
    fn two_thirds_of_a_life_are_enough() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::of(folder.path());
        assert_eq!(credentials.renew_at().unwrap(), None);
        let now = from_micros(1_790_000_000_000_000);
        let authority = Authority::create("test", now).unwrap();
        let request = credentials.request().unwrap();
        let certificate = authority.sign_node(&request, "no-1", now).unwrap();
        credentials
            .keep(&certificate, authority.certificate_pem())
            .unwrap();
        let due = credentials.renew_at().unwrap().unwrap() - now;
        assert!(
            (TimeDelta::days(19)..TimeDelta::days(21)).contains(&due),
            "{due}"
        );
        assert!(
            credentials
                .keep("nothing", authority.certificate_pem())
                .is_err()
        );
        std::fs::write(credentials.certificate(), "damaged").unwrap();
        assert_eq!(credentials.renew_at().unwrap(), None, "asked for anew");
    }
}
