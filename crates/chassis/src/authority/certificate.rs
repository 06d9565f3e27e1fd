//! What a certificate says.

use kernel::Timestamp;
use kernel::time::from_micros;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::{Fingerprint, NODE_URI};
use crate::{Error, Result};

/// What a certificate says of itself. Nothing here is checked: that it is said does not make it true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Whom it names.
    pub name: String,
    /// Its hash.
    pub fingerprint: Fingerprint,
    /// Not valid before.
    pub not_before: Timestamp,
    /// Not valid after.
    pub not_after: Timestamp,
}

impl Description {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `field` when there is none.
    pub fn of_pem(field: &str, pem: &str) -> Result<Self> {
        let der = der_of(field, pem)?;
        let certificate = parse(field, &der)?;
        let name = certificate.subject().iter_common_name().next();
        let validity = certificate.validity();
        let time = |seconds: i64| from_micros(seconds.saturating_mul(1_000_000));
        Ok(Self {
            name: name
                .and_then(|name| name.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            fingerprint: Fingerprint::of(&der),
            not_before: time(validity.not_before.timestamp()),
            not_after: time(validity.not_after.timestamp()),
        })
    }

    /// When it should be replaced: at two thirds of its life, so that a third is left to try again in.
    pub fn renew_at(&self) -> Timestamp {
        self.not_before + (self.not_after - self.not_before) * 2 / 3
    }
}

/// The node that a certificate is of: the one name in it, `quire://node/<identifier>`. Ask only after the certificate's chain was
/// verified.
pub fn node_of(certificate_der: &[u8]) -> Option<String> {
    let certificate = parse("certificate", certificate_der).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => uri.strip_prefix(NODE_URI).map(str::to_owned),
        _ => None,
    }
}

pub(super) fn der_of(field: &str, pem: &str) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|cause| Error::invalid(field, format!("is not a certificate as PEM: {cause}")))
}

pub(super) fn parse<'a>(field: &str, der: &'a [u8]) -> Result<X509Certificate<'a>> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(cause) => Err(Error::invalid(
            field,
            format!("is not a certificate: {cause}"),
        )),
    }
}
