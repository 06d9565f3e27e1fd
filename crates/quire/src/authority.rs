//! The certificate authority of an installation as files: `authority.pem` and `authority.key`, and beside them what it issued.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chassis::authority::{Authority, Issued};
use kernel::{Timestamp, text};
use secrecy::ExposeSecret as _;

use crate::profile::write_private;

/// A folder with an authority.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where the authority's certificate lies.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.certificate_of("authority")
    }

    /// Where the authority's key lies.
    pub(crate) fn key(&self) -> PathBuf {
        self.key_of("authority")
    }

    /// Where the certificate of the server `name` lies.
    pub(crate) fn certificate_of(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pem"))
    }

    /// Where the key of the server `name` lies.
    pub(crate) fn key_of(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// Makes a new authority here.
    pub(crate) fn create(&self, name: &str, now: Timestamp) -> Result<Authority> {
        for path in [self.certificate(), self.key()] {
            if path.exists() {
                bail!(
                    "{} is there already; an authority is made once, and all that it issued would end with it",
                    path.display()
                );
            }
        }
        let authority = Authority::create(name, now)?;
        // The certificate last: with it the authority is whole.
        write_private(&self.key(), authority.key_pem().expose_secret())?;
        write_private(&self.certificate(), authority.certificate_pem())?;
        Ok(authority)
    }

    /// The authority that lies here.
    pub(crate) fn load(&self) -> Result<Authority> {
        let key = read(&self.key())?;
        let loaded = Authority::from_pem(&read(&self.certificate())?, &key.into());
        loaded.with_context(|| format!("reading the authority in {}", self.0.display()))
    }

    /// The authority that lies here, made now when there is none.
    pub(crate) fn load_or_create(&self, name: &str, now: Timestamp) -> Result<Authority> {
        if self.certificate().exists() {
            return self.load();
        }
        // A start that was interrupted left a key that nothing was signed with.
        if self.key().exists() {
            fs::remove_file(self.key())?;
        }
        self.create(name, now)
    }

    /// Issues a certificate of the server `name`, in place of an older one.
    pub(crate) fn issue(&self, name: &str, hosts: &[String], now: Timestamp) -> Result<()> {
        if text::slug("name", name)? == "authority" {
            bail!("name: \"authority\" is the authority itself; choose another name");
        }
        let Issued { chain_pem, key_pem } = self.load()?.issue_server(hosts, now)?;
        write_private(&self.key_of(name), key_pem.expose_secret())?;
        write_private(&self.certificate_of(name), &chain_pem)
    }
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use chassis::authority::Description;
    use kernel::time::from_micros;

    use super::*;

    #[test]
    fn an_authority_is_made_once_and_issues() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path().join("authority"));
        let now = from_micros(1_790_000_000_000_000);
        let hosts = ["box.lan".to_owned()];
        let error = folder.issue("gateway", &hosts, now).unwrap_err();
        assert!(format!("{error:#}").contains("authority.key"), "{error:#}");

        let made = folder.load_or_create("test", now).unwrap();
        let again = folder.load_or_create("test", now).unwrap();
        assert_eq!(again.fingerprint(), made.fingerprint());
        assert!(folder.create("test", now).is_err());

        folder.issue("gateway", &hosts, now).unwrap();
        let first = read(&folder.certificate_of("gateway")).unwrap();
        folder.issue("gateway", &hosts, now).unwrap();
        assert_ne!(
            read(&folder.certificate_of("gateway")).unwrap(),
            first,
            "issued anew"
        );
        assert!(Description::of_pem("a", &first).is_ok());
        for key in [folder.key(), folder.key_of("gateway")] {
            let mode = fs::metadata(key).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        for wrong in ["authority", "../x", "A", ""] {
            assert!(folder.issue(wrong, &hosts, now).is_err(), "{wrong}");
        }
    }
}
