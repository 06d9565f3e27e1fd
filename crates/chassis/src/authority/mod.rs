//! The cluster's own certificate authority. Servers get certificates that make them servers only, nodes such that make them
//! clients only; neither can sign others.

mod certificate;
mod fingerprint;
mod node_key;
mod offer;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use chrono::TimeDelta;
use kernel::{Timestamp, text};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::{CertificateDer, DnsName};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Error, Result};

pub use certificate::{Description, node_of};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use node_key::NodeKey;
pub use offer::{Offer, fetch, offered_by};

/// Life of an authority.
const AUTHORITY_LIFE: TimeDelta = TimeDelta::days(10 * 365);
/// Life of a server's certificate.
const SERVER_LIFE: TimeDelta = TimeDelta::days(90);
/// Life of a node's certificate.
const NODE_LIFE: TimeDelta = TimeDelta::days(30);
/// Certificates begin so long before they are made: clocks differ.
const BACKDATED: TimeDelta = TimeDelta::hours(1);
/// The name in a node's certificate, before the identifier.
const NODE_URI: &str = "quire://node/";
/// Longest name of an authority, in characters (X.520, common name).
const MAX_NAME: usize = 64;
/// Most names in one certificate.
const MAX_HOSTS: usize = 100;
/// Longest request that is read, in bytes; one of a P-256 key without names has about 400.
const MAX_REQUEST: usize = 4_096;
/// An uncompressed point of P-256.
const P256_POINT: usize = 65;

/// A certificate authority with its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    not_after: Timestamp,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.fingerprint())
    }
}

/// A certificate that was issued together with its key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate as PEM, leaf first. The authority itself is not in it: who trusts it has it.
    pub chain_pem: String,
    /// Its key as PEM (PKCS #8).
    pub key_pem: SecretString,
}

impl Authority {
    /// A new authority, for ten years.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that cannot be.
    pub fn create(name: &str, now: Timestamp) -> Result<Self> {
        let name = text::name("name", name, MAX_NAME)?;
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = params(&name, now, now + AUTHORITY_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(failed)?;
        Self::from_pem(&certificate.pem(), &key.serialize_pem().into())
    }

    /// An authority that was kept.
    ///
    /// # Errors
    /// [`Error::Invalid`] when one of the texts is not what it should be, or they are not of the same authority.
    pub fn from_pem(certificate_pem: &str, key_pem: &SecretString) -> Result<Self> {
        let certificate = certificate::der_of("certificate", certificate_pem)?;
        let parsed = certificate::parse("certificate", &certificate)?;
        if !parsed.is_ca() {
            let problem = "is not that of an authority: it may not sign others";
            return Err(Error::invalid("certificate", problem));
        }
        let key = KeyPair::from_pem(key_pem.expose_secret())
            .map_err(|_| Error::invalid("key", "is not a private key as PEM (PKCS #8)"))?;
        if parsed.public_key().subject_public_key.data != key.public_key_raw() {
            let problem = "is not the key of the certificate beside it";
            return Err(Error::invalid("key", problem));
        }
        let not_after = Description::of_pem("certificate", certificate_pem)?.not_after;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(failed)?;
        Ok(Self {
            certificate_pem: certificate_pem.to_owned(),
            certificate,
            not_after,
            issuer,
        })
    }

    /// Its certificate, as PEM: what others trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its key, as PEM.
    pub fn key_pem(&self) -> SecretString {
        self.issuer.key().serialize_pem().into()
    }

    /// What it is known by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// A new key and certificate of a server that is reached by `hosts`: DNS names, `*.` before one, and IP addresses. 90 days.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a host that cannot be, [`Error::Precondition`] when the authority has ended.
    pub fn issue_server(&self, hosts: &[String], now: Timestamp) -> Result<Issued> {
        if hosts.is_empty() || hosts.len() > MAX_HOSTS {
            let problem = format!("are {}; 1 to {MAX_HOSTS} are allowed", hosts.len());
            return Err(Error::invalid("hosts", problem));
        }
        let names: Vec<SanType> = hosts
            .iter()
            .map(|host| read_host(host))
            .collect::<Result<_>>()?;
        let key = KeyPair::generate().map_err(failed)?;
        let server = Leaf {
            name: "quire server",
            names,
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            life: SERVER_LIFE,
        };
        Ok(Issued {
            chain_pem: self.sign(server, &key, now)?,
            key_pem: key.serialize_pem().into(),
        })
    }

    /// A certificate of the node `node_id` for the key that signed `request_pem`. Whatever else the request says is ignored.
    /// 30 days.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a request that cannot be read or was not signed with its own key, [`Error::Precondition`] when the
    /// authority has ended.
    pub fn sign_node(&self, request_pem: &str, node_id: &str, now: Timestamp) -> Result<String> {
        let key = requested_key(request_pem)?;
        let uri = format!("{NODE_URI}{node_id}");
        let node = Leaf {
            name: node_id,
            names: vec![SanType::URI(uri.try_into().map_err(failed)?)],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            life: NODE_LIFE,
        };
        self.sign(node, &key, now)
    }

    fn sign(&self, leaf: Leaf<'_>, key: &impl PublicKeyData, now: Timestamp) -> Result<String> {
        if now >= self.not_after {
            return Err(Error::Precondition(format!(
                "the certificate authority ended at {}; make a new one",
                self.not_after
            )));
        }
        // What outlives its authority would be renewed too late.
        let mut params = params(leaf.name, now, (now + leaf.life).min(self.not_after))?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.subject_alt_names = leaf.names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![leaf.usage];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(key, &self.issuer).map_err(failed)?;
        Ok(signed.pem())
    }
}

/// What is to be signed.
struct Leaf<'a> {
    name: &'a str,
    names: Vec<SanType>,
    usage: ExtendedKeyUsagePurpose,
    life: TimeDelta,
}

fn params(name: &str, now: Timestamp, not_after: Timestamp) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial_number()?);
    params.not_before = wire_time(now - BACKDATED)?;
    params.not_after = wire_time(not_after)?;
    Ok(params)
}

/// 127 random bits: unique without a register, and positive.
fn serial_number() -> Result<SerialNumber> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::internal("drawing randomness", "the system's generator failed"))?;
    let [first, ..] = &mut bytes;
    *first &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}

fn wire_time(time: Timestamp) -> Result<time::OffsetDateTime> {
    time::OffsetDateTime::from_unix_timestamp(time.timestamp())
        .map_err(|cause| Error::internal("writing a time into a certificate", cause))
}

/// Whether a server's certificate can name `host`: a DNS name, perhaps with `*.` before it, or an IP address.
///
/// # Errors
/// [`Error::Invalid`] when it cannot.
pub fn check_host(host: &str) -> Result<()> {
    read_host(host).map(|_| ())
}

fn read_host(host: &str) -> Result<SanType> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || {
        let shown: String = host.chars().take(80).collect();
        let problem = format!(
            "{shown:?} is neither an IP address nor a DNS name such as box.lan or *.quire.lan"
        );
        Error::invalid("host", problem)
    };
    let rest = match host.strip_prefix("*.") {
        // Clients accept no wildcard directly below a top-level domain.
        Some(rest) if rest.contains('.') => rest,
        Some(_) => {
            let problem = format!(
                "{host:?} is accepted by no client: two labels must follow the asterisk, as in *.quire.lan"
            );
            return Err(Error::invalid("host", problem));
        }
        None => host,
    };
    DnsName::try_from(rest).map_err(|_| refused())?;
    Ok(SanType::DnsName(host.try_into().map_err(|_| refused())?))
}

/// The key of a request, whose signature shows that the asker has it.
fn requested_key(request_pem: &str) -> Result<impl PublicKeyData> {
    let refused = |problem: String| Error::invalid("certificate_request", problem);
    if request_pem.len() > MAX_REQUEST {
        let problem = format!(
            "has {} bytes; at most {MAX_REQUEST} are read",
            request_pem.len()
        );
        return Err(refused(problem));
    }
    let request = CertificateSigningRequestParams::from_pem(request_pem).map_err(|cause| {
        refused(format!(
            "is not a signed request (PKCS #10) as PEM: {cause}"
        ))
    })?;
    let key = request.public_key;
    if *key.algorithm() != PKCS_ECDSA_P256_SHA256 || key.der_bytes().len() != P256_POINT {
        return Err(refused("is of another key than ECDSA on P-256".to_owned()));
    }
    Ok(key)
}

fn failed(cause: rcgen::Error) -> Error {
    Error::internal("making a certificate", cause)
}
