//! What a TLS server is made with; it shows a new certificate as soon as its files have one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::digest::{self, SHA256};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::{certified, protocols, provider, read, required, roots};
use crate::config::TlsConfig;
use crate::{Error, Result};

/// The files are looked at again when a connection comes and they were not looked at for so long.
const LOOK: Duration = Duration::from_secs(1);

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Anyone: who they are is told by their token.
    Anyone,
    /// Only those with a certificate of `tls.authority`.
    WithCertificate,
}

/// What a TLS server is made with that shows `tls.certificate` and speaks the protocols `alpn`.
///
/// # Errors
/// [`Error::Invalid`] naming the setting whose file is missing or wrong.
pub fn server_config(
    tls: &TlsConfig,
    clients: Clients,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>> {
    let failed = |error| Error::internal("setting up TLS", error);
    let shown = Arc::new(Shown::load(tls)?);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match clients {
        Clients::Anyone => builder.with_no_client_auth(),
        Clients::WithCertificate => {
            let authority = required("tls.authority", tls.authority.as_ref())?;
            let roots = roots("tls.authority", &read("tls.authority", authority)?)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
                .build()
                .map_err(|error| Error::invalid("tls.authority", error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(shown);
    config.alpn_protocols = protocols(alpn);
    Ok(Arc::new(config))
}

/// The certificate that is shown, as its files had it last.
struct Shown {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// Of both files together.
    digest: Vec<u8>,
    current: Arc<CertifiedKey>,
    looked: Instant,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shown({})", self.certificate.display())
    }
}

impl Shown {
    fn load(tls: &TlsConfig) -> Result<Self> {
        let certificate = required("tls.certificate", tls.certificate.as_ref())?.clone();
        let key = required("tls.key", tls.key.as_ref())?.clone();
        let pair = Pair::read(&certificate, &key)?;
        let state = State {
            digest: pair.digest(),
            current: Arc::new(pair.certified()?),
            looked: Instant::now(),
        };
        Ok(Self {
            certificate,
            key,
            state: Mutex::new(state),
        })
    }

    /// Takes what the files have now, if it is another pair that can be used.
    fn look(&self, digest: &[u8]) -> Result<()> {
        // Two small files, at most once a second: not worth a thread of their own.
        let pair = Pair::read(&self.certificate, &self.key)?;
        let found = pair.digest();
        if found == digest {
            return Ok(());
        }
        // The digest is kept of a wrong pair, too: it is complained of once, and may be half of a change.
        let certified = pair.certified();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.digest = found;
        state.current = Arc::new(certified?);
        tracing::info!(certificate = %self.certificate.display(), "a new certificate is shown");
        Ok(())
    }

    /// The digest of what was seen last, when it is time to look again.
    fn due(&self) -> Option<Vec<u8>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() < LOOK {
            return None;
        }
        state.looked = Instant::now();
        Some(state.digest.clone())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(digest) = self.due()
            && let Err(error) = self.look(&digest)
        {
            tracing::warn!(%error, "the certificate of before is shown on");
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(state.current.clone())
    }
}

/// What the two files have.
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> Result<Self> {
        Ok(Self {
            certificate: read("tls.certificate", certificate)?,
            key: read("tls.key", key)?,
        })
    }

    fn digest(&self) -> Vec<u8> {
        let mut both = digest::Context::new(&SHA256);
        both.update(&self.certificate);
        both.update(&self.key);
        both.finish().as_ref().to_vec()
    }

    fn certified(&self) -> Result<CertifiedKey> {
        certified(&self.certificate, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Authority;
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let refusal =
            |tls: &TlsConfig, clients| server_config(tls, clients, &[]).unwrap_err().to_string();
        let nothing = TlsConfig::default();
        assert!(refusal(&nothing, Clients::Anyone).starts_with("tls.certificate: is not set"));

        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let mut tls = authority.issue(&["localhost"]).write(folder.path());
        server_config(&tls, Clients::Anyone, &[]).unwrap();
        assert!(refusal(&tls, Clients::WithCertificate).starts_with("tls.authority: is not set"));
        tls.key = tls.certificate.clone();
        assert!(refusal(&tls, Clients::Anyone).starts_with("tls.key: is not a PEM file"));
        tls.key = Some(folder.path().join("missing"));
        assert!(refusal(&tls, Clients::Anyone).contains("missing cannot be read"));
    }

    #[test]
    fn half_of_a_change_is_not_shown() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let tls = authority.issue(&["before"]).write(folder.path());
        let shown = Shown::load(&tls).unwrap();
        let state = || {
            let state = shown.state.lock().unwrap();
            (state.digest.clone(), state.current.cert.clone())
        };
        let (digest, before) = state();
        shown.look(&digest).unwrap();

        let after = authority.issue(&["after"]);
        std::fs::write(&shown.certificate, &after.chain).unwrap();
        let refusal = shown.look(&digest).unwrap_err().to_string();
        assert!(
            refusal.starts_with("tls.key: does not go with"),
            "{refusal}"
        );
        let (digest, current) = state();
        assert_eq!(current, before);
        shown.look(&digest).unwrap();

        std::fs::write(&shown.key, &after.key).unwrap();
        shown.look(&digest).unwrap();
        assert_ne!(state().1, before);
    }
}
