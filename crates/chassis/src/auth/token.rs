//! Tokens: JSON Web Tokens (RFC 7519) signed with Ed25519 (RFC 8037), at most ten minutes long, verified offline.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use contracts::common::v1::Role;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use kernel::id::ProjectId;
use kernel::{Clock, Timestamp};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};

use super::{Principal, User};
use crate::{Error, Result};

/// How long a token lasts.
pub const TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Issuer and audience: one installation is one audience.
const QUIRE: &str = "quire";
/// Verification keys are asked for again at most this often.
const REFRESH_AFTER: TimeDelta = TimeDelta::seconds(10);

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    /// What speaks, by kind.
    #[serde(flatten)]
    pub subject: Subject,
}

/// The principal inside a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Subject {
    /// A person in a team.
    User {
        /// Identifier.
        sub: String,
        /// Team.
        team: String,
        /// Number of the role.
        role: i32,
        /// Numbers of the roles in projects where the person has one of their own; bounded by identity.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        projects: BTreeMap<String, i32>,
        /// May also manage the installation.
        operator: bool,
        /// What the key may do.
        scopes: Vec<String>,
    },
    /// A service.
    Service {
        /// Its name.
        sub: String,
    },
    /// An agent.
    Agent {
        /// Its node.
        sub: String,
    },
}

impl Claims {
    /// Claims for `principal`, from `now` on; `None` for nobody.
    pub fn new(principal: &Principal, now: Timestamp) -> Option<Self> {
        let subject = match principal {
            Principal::Anonymous => return None,
            Principal::User(user) => Subject::User {
                sub: user.id.to_string(),
                team: user.team.to_string(),
                role: user.role.into(),
                projects: user
                    .projects
                    .iter()
                    .map(|(project, role)| (project.to_string(), (*role).into()))
                    .collect(),
                operator: user.operator,
                scopes: user.scopes.clone(),
            },
            Principal::Service(name) => Subject::Service { sub: name.clone() },
            Principal::Agent(node) => Subject::Agent {
                sub: node.to_string(),
            },
        };
        let exp = (now + TOKEN_LIFETIME).timestamp();
        Some(Self {
            iss: QUIRE.to_owned(),
            aud: QUIRE.to_owned(),
            exp,
            subject,
        })
    }

    /// The same, ending at `at` when that is earlier.
    #[must_use]
    pub fn ending_by(mut self, at: Timestamp) -> Self {
        self.exp = self.exp.min(at.timestamp());
        self
    }

    fn principal(&self, now: Timestamp) -> Result<Principal> {
        let wrong =
            || Error::Unauthenticated("the token is not one of this installation".to_owned());
        if self.exp <= now.timestamp() {
            return Err(Error::Unauthenticated(
                "the token has expired; exchange the key for a new one".to_owned(),
            ));
        }
        Ok(match &self.subject {
            Subject::User {
                sub,
                team,
                role,
                projects,
                operator,
                scopes,
            } => Principal::User(User {
                id: sub.parse().map_err(|_| wrong())?,
                team: team.parse().map_err(|_| wrong())?,
                role: Role::try_from(*role).map_err(|_| wrong())?,
                projects: read_projects(projects).ok_or_else(wrong)?,
                operator: *operator,
                scopes: scopes.clone(),
            }),
            Subject::Service { sub } => Principal::Service(sub.clone()),
            Subject::Agent { sub } => Principal::Agent(sub.parse().map_err(|_| wrong())?),
        })
    }
}

fn read_projects(projects: &BTreeMap<String, i32>) -> Option<BTreeMap<ProjectId, Role>> {
    projects
        .iter()
        .map(|(project, role)| Some((project.parse().ok()?, Role::try_from(*role).ok()?)))
        .collect()
}

/// Signs tokens; identity alone has one.
pub struct Signer {
    key: EncodingKey,
    public: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// A new key pair in PKCS #8 (RFC 8410), as base 64.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<String> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).map_err(|_| {
                Error::internal("making a signing key", "the system's generator failed")
            })?;
        Ok(URL_SAFE_NO_PAD.encode(document.as_ref()))
    }

    /// From what [`Signer::generate`] made.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_pkcs8(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| Error::internal("reading the signing key", error))?;
        let pair = Ed25519KeyPair::from_pkcs8(&bytes)
            .map_err(|error| Error::internal("reading the signing key", error.to_string()))?;
        Ok(Self {
            key: EncodingKey::from_ed_der(&bytes),
            public: pair.public_key().as_ref().to_vec(),
        })
    }

    /// The public half, 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// The signed token.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.key)
            .map_err(|error| Error::internal("signing a token", error))
    }
}

/// Where a verifier gets its keys.
#[async_trait::async_trait]
pub trait KeySource: Send + Sync + std::fmt::Debug {
    /// Ed25519 public keys, 32 bytes each.
    ///
    /// # Errors
    /// When they cannot be had now.
    async fn keys(&self) -> Result<Vec<Vec<u8>>>;
}

#[derive(Default)]
struct Keys {
    keys: Vec<DecodingKey>,
    asked_at: Option<Timestamp>,
}

/// Verifies tokens with keys that it fetches once, and again when a token fits none of them.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<RwLock<Keys>>,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier with keys from `source`.
    pub fn new(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Arc::default(),
            source,
            clock,
        }
    }

    /// Who signed in with `token`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when it is not a valid token; what the source says when keys are needed and cannot be had.
    pub async fn verify(&self, token: &str) -> Result<Principal> {
        let now = self.clock.now();
        if let Some(claims) = self.try_keys(token) {
            return claims.principal(now);
        }
        if self.may_ask(now) {
            let keys = self.source.keys().await?;
            self.store(&keys, now);
            if let Some(claims) = self.try_keys(token) {
                return claims.principal(now);
            }
        }
        Err(Error::Unauthenticated(
            "the token is not one of this installation".to_owned(),
        ))
    }

    fn try_keys(&self, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[QUIRE]);
        validation.set_issuer(&[QUIRE]);
        // The injected clock decides about the expiry, not the library's.
        validation.validate_exp = false;
        let keys = self.keys.read().ok()?;
        keys.keys
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Claims>(token, key, &validation).ok())
            .map(|decoded| decoded.claims)
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let asked_at = self.keys.read().ok().and_then(|keys| keys.asked_at);
        asked_at.is_none_or(|at| now - at >= REFRESH_AFTER)
    }

    fn store(&self, keys: &[Vec<u8>], now: Timestamp) {
        let decoded = keys
            .iter()
            .filter_map(|key| DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(key)).ok())
            .collect();
        if let Ok(mut held) = self.keys.write() {
            *held = Keys {
                keys: decoded,
                asked_at: Some(now),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::id::{NodeId, TeamId, UserId};
    use kernel::time::{ManualClock, from_micros};

    use super::*;

    #[derive(Debug)]
    struct Fixed(Vec<Vec<u8>>);

    #[async_trait::async_trait]
    impl KeySource for Fixed {
        async fn keys(&self) -> Result<Vec<Vec<u8>>> {
            Ok(self.0.clone())
        }
    }

    #[tokio::test]
    async fn tokens_say_who_and_end() {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let stranger = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let clock = Arc::new(ManualClock::new(from_micros(1_700_000_000_000_000)));
        let verifier = Verifier::new(
            Arc::new(Fixed(vec![signer.public_key().to_vec()])),
            clock.clone(),
        );
        let principals = [
            Principal::Service("notebook".to_owned()),
            Principal::Agent(NodeId::generate()),
            Principal::User(User {
                id: UserId::generate(),
                team: TeamId::generate(),
                role: Role::Admin,
                projects: [
                    (ProjectId::generate(), Role::Unspecified),
                    (ProjectId::generate(), Role::Owner),
                ]
                .into(),
                operator: true,
                scopes: vec!["*".to_owned()],
            }),
        ];
        for principal in &principals {
            let claims = Claims::new(principal, clock.now()).unwrap();
            let token = signer.sign(&claims).unwrap();
            assert_eq!(&verifier.verify(&token).await.unwrap(), principal);
            assert!(
                verifier
                    .verify(&stranger.sign(&claims).unwrap())
                    .await
                    .is_err()
            );
            assert!(verifier.verify(&format!("{token}x")).await.is_err());
        }
        let token = signer
            .sign(&Claims::new(&principals[0], clock.now()).unwrap())
            .unwrap();
        clock.advance(TOKEN_LIFETIME);
        let error = verifier.verify(&token).await.unwrap_err();
        assert!(error.to_string().contains("expired"), "{error}");
    }
}
