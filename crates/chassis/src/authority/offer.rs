//! Learning to trust a server: its authority is fetched over a connection that is not trusted yet, and known by its fingerprint.

use std::time::Duration;

use contracts::identity::v1::GetAuthorityRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;

use super::{Description, Fingerprint};
use crate::grpc::{connect, retry};
use crate::tls::Trust;
use crate::{Address, Error, Result};

/// Longest time that a server may take to tell its authority.
const DEADLINE: Duration = Duration::from_secs(10);

/// An authority that a server says is its own. It may be anybody's until its fingerprint was compared.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its certificate, as PEM.
    pub certificate_pem: String,
    /// Its certificate's hash.
    pub fingerprint: Fingerprint,
}

/// Asks `server`, an identity or a gateway, for its authority. Nothing secret is sent.
///
/// # Errors
/// What the server says, or that it does not answer.
pub async fn offered_by(server: &Address) -> Result<Offer> {
    // The one connection that believes whoever answers.
    let channel = connect(server, &Trust::unchecked())?;
    let answer = retry(|| {
        let mut identity = IdentityServiceClient::new(channel.clone());
        let mut request = tonic::Request::new(GetAuthorityRequest {});
        request.set_timeout(DEADLINE);
        async move { Ok(identity.get_authority(request).await?.into_inner()) }
    })
    .await?;
    let described = Description::of_pem("authority", &answer.certificate)?;
    Ok(Offer {
        certificate_pem: answer.certificate,
        fingerprint: described.fingerprint,
    })
}

/// The authority of `server` as PEM, which must have the fingerprint `expected`.
///
/// # Errors
/// [`Error::Precondition`] when it is another one; else as [`offered_by`].
pub async fn fetch(server: &Address, expected: Fingerprint) -> Result<String> {
    let offer = offered_by(server).await?;
    let found = offer.fingerprint;
    if found == expected {
        return Ok(offer.certificate_pem);
    }
    Err(Error::Precondition(format!(
        "{server} is not trusted: the fingerprint {expected} of its authority was expected, {found} was found. \
         Either the expected one is of another Quire or out of date, or somebody else answers there: \
         compare with \"quire authority show\" on the server before you go on"
    )))
}
