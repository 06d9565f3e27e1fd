//! Certificates as clients and servers see them: verified by rustls.

use std::sync::Arc;

use chrono::TimeDelta;
use kernel::Timestamp;
use kernel::time::from_micros;
use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;

use super::*;

/// 2026-11-23.
fn now() -> Timestamp {
    from_micros(1_795_392_000_000_000)
}

fn authority() -> Authority {
    Authority::create("test", now()).unwrap()
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let pem = authority.certificate_pem().as_bytes();
    roots
        .add(CertificateDer::from_pem_slice(pem).unwrap())
        .unwrap();
    roots.into()
}

fn unix(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.timestamp()).unwrap();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn as_server(authority: &Authority, pem: &str, host: &str, at: Timestamp) -> Result<(), String> {
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots(authority), default_provider().into())
            .build()
            .unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect();
    let host = ServerName::try_from(host).unwrap();
    verifier
        .verify_server_cert(&chain[0], &chain[1..], &host, &[], unix(at))
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn as_client(authority: &Authority, pem: &str, at: Timestamp) -> Result<(), String> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(authority), default_provider().into())
            .build()
            .unwrap();
    let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    verifier
        .verify_client_cert(&leaf, &[], unix(at))
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_server_is_a_server_by_its_names_and_no_client() {
    let authority = authority();
    let names = hosts(&["localhost", "127.0.0.1", "::1", "*.quire.lan"]);
    let issued = authority.issue_server(&names, now()).unwrap();
    for host in ["localhost", "127.0.0.1", "::1", "nb-1.quire.lan"] {
        assert_eq!(
            as_server(&authority, &issued.chain_pem, host, now()),
            Ok(()),
            "{host}"
        );
    }
    for host in ["quire.lan", "a.b.quire.lan", "127.0.0.2"] {
        assert!(
            as_server(&authority, &issued.chain_pem, host, now()).is_err(),
            "{host}"
        );
    }
    assert!(as_client(&authority, &issued.chain_pem, now()).is_err());
    assert!(as_server(&self::authority(), &issued.chain_pem, "localhost", now()).is_err());
    assert_eq!(
        node_of(&CertificateDer::from_pem_slice(issued.chain_pem.as_bytes()).unwrap()),
        None
    );

    // Key and certificate are of one pair.
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.expose_secret().as_bytes()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(issued.chain_pem.as_bytes()).unwrap()];
    rustls::ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
}

#[test]
fn a_node_is_a_client_and_no_server() {
    let authority = authority();
    let request = NodeKey::generate().unwrap().request().unwrap();
    let pem = authority.sign_node(&request, "no-1", now()).unwrap();
    assert_eq!(as_client(&authority, &pem, now()), Ok(()));
    for host in ["no-1", "localhost"] {
        assert!(as_server(&authority, &pem, host, now()).is_err(), "{host}");
    }
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(node_of(&der).as_deref(), Some("no-1"));
    assert_eq!(node_of(b"nothing"), None);
    assert!(as_client(&self::authority(), &pem, now()).is_err());
}

#[test]
fn certificates_live_as_long_as_they_should() {
    let authority = authority();
    let server = authority
        .issue_server(&hosts(&["a.lan"]), now())
        .unwrap()
        .chain_pem;
    let node = authority
        .sign_node(
            &NodeKey::generate().unwrap().request().unwrap(),
            "no-1",
            now(),
        )
        .unwrap();
    let early = now() - TimeDelta::minutes(59);
    assert_eq!(as_client(&authority, &node, early), Ok(()));
    assert!(as_client(&authority, &node, now() - TimeDelta::minutes(61)).is_err());
    assert_eq!(
        as_client(&authority, &node, now() + TimeDelta::days(29)),
        Ok(())
    );
    assert!(as_client(&authority, &node, now() + TimeDelta::days(31)).is_err());
    assert_eq!(
        as_server(&authority, &server, "a.lan", now() + TimeDelta::days(89)),
        Ok(())
    );
    assert!(as_server(&authority, &server, "a.lan", now() + TimeDelta::days(91)).is_err());

    let described = Description::of_pem("certificate", &node).unwrap();
    assert_eq!(described.name, "no-1");
    let renewed_after = described.renew_at() - now();
    assert!((TimeDelta::days(19)..TimeDelta::days(21)).contains(&renewed_after));
}

#[test]
fn nothing_outlives_its_authority() {
    let authority = authority();
    let end = Description::of_pem("a", authority.certificate_pem())
        .unwrap()
        .not_after;
    assert_eq!(end, now() + TimeDelta::days(3_650));
    let late = end - TimeDelta::days(1);
    let issued = authority.issue_server(&hosts(&["a.lan"]), late).unwrap();
    assert_eq!(
        Description::of_pem("a", &issued.chain_pem)
            .unwrap()
            .not_after,
        end
    );
    let error = authority.issue_server(&hosts(&["a.lan"]), end).unwrap_err();
    assert!(error.to_string().contains("make a new one"), "{error}");
}

#[test]
fn what_a_leaf_signs_is_not_believed() {
    let authority = authority();
    let issued = authority.issue_server(&hosts(&["a.lan"]), now()).unwrap();
    // The leaf is refused as an authority here, and what it signs all the same is refused by everybody.
    assert!(Authority::from_pem(&issued.chain_pem, &issued.key_pem).is_err());
    let leaf = Leaf {
        name: "forged",
        names: vec![SanType::DnsName("b.lan".try_into().unwrap())],
        usage: ExtendedKeyUsagePurpose::ServerAuth,
        life: SERVER_LIFE,
    };
    let mut names = params("quire server", now(), now() + SERVER_LIFE).unwrap();
    names.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::from_pem(issued.key_pem.expose_secret()).unwrap();
    let issuer = Issuer::new(names, key);
    let forger = Authority {
        issuer,
        ..self::authority()
    };
    let forged = forger
        .sign(leaf, &KeyPair::generate().unwrap(), now())
        .unwrap();
    let chain = forged + &issued.chain_pem;
    let error = as_server(&authority, &chain, "b.lan", now()).unwrap_err();
    assert!(
        error.contains("CaUsedAsEndEntity") || error.contains("EndEntityUsedAsCa"),
        "{error}"
    );
}

#[test]
fn only_the_key_of_a_request_is_taken() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let mut wishes = CertificateParams::new(hosts(&["gateway.lan"])).unwrap();
    wishes
        .subject_alt_names
        .push(SanType::URI("quire://node/no-2".try_into().unwrap()));
    wishes.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let request = wishes.serialize_request(&key).unwrap().pem().unwrap();
    let pem = authority.sign_node(&request, "no-1", now()).unwrap();
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(node_of(&der).as_deref(), Some("no-1"));
    assert!(as_server(&authority, &pem, "gateway.lan", now()).is_err());
    let parsed = certificate::parse("a", &der).unwrap();
    assert!(!parsed.is_ca());
    assert_eq!(
        parsed.public_key().subject_public_key.data,
        key.public_key_raw()
    );
}

#[test]
fn wrong_requests_are_refused() {
    let authority = authority();
    let own = NodeKey::generate().unwrap().request().unwrap();
    // One bit of the signature, which is the last thing in the text.
    let mut der = rustls::pki_types::CertificateSigningRequestDer::from_pem_slice(own.as_bytes())
        .unwrap()
        .to_vec();
    *der.last_mut().unwrap() ^= 1;
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let broken =
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
    let other_curve = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let other_curve = CertificateParams::default()
        .serialize_request(&other_curve)
        .unwrap();
    for (request, problem) in [
        (String::new(), "not a signed request"),
        ("x".repeat(MAX_REQUEST + 1), "at most"),
        (
            authority.certificate_pem().to_owned(),
            "not a signed request",
        ),
        (broken, "not a signed request"),
        (other_curve.pem().unwrap(), "another key"),
    ] {
        let error = authority
            .sign_node(&request, "no-1", now())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("certificate_request") && error.contains(problem),
            "{error}"
        );
    }
}

#[test]
fn an_authority_is_kept_as_two_texts() {
    let first = authority();
    let kept = Authority::from_pem(first.certificate_pem(), &first.key_pem()).unwrap();
    assert_eq!(kept.fingerprint(), first.fingerprint());
    let issued = kept.issue_server(&hosts(&["a.lan"]), now()).unwrap();
    assert_eq!(as_server(&first, &issued.chain_pem, "a.lan", now()), Ok(()));

    let error = Authority::from_pem(first.certificate_pem(), &authority().key_pem());
    assert!(error.unwrap_err().to_string().starts_with("key: "));
    assert!(Authority::from_pem("", &first.key_pem()).is_err());
    assert!(Authority::from_pem(first.certificate_pem(), &"".into()).is_err());
    assert!(!format!("{first:?}").contains("PRIVATE"));
}

#[test]
fn hosts_are_checked() {
    let authority = authority();
    for wrong in ["", "a b", "*.localhost", "*", "a.*.lan", "-a.lan", "é.lan"] {
        assert!(
            authority.issue_server(&hosts(&[wrong]), now()).is_err(),
            "{wrong}"
        );
    }
    assert!(authority.issue_server(&[], now()).is_err());
    assert!(
        authority
            .issue_server(&vec!["a.lan".to_owned(); 101], now())
            .is_err()
    );
}
