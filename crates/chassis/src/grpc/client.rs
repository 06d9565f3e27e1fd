//! Calls to other services.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::identity::v1::{ExchangeKeyRequest, ListVerificationKeysRequest};
use http::{HeaderValue, Request, Response, Uri};
use kernel::{Clock, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use super::secure;
use crate::auth::KeySource;
use crate::tls::{H2, Trust};
use crate::{Address, Error, Result, telemetry};

/// Longest time that a unary call may take.
const DEADLINE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Tokens are renewed when less than this is left.
const RENEW_BEFORE: chrono::TimeDelta = chrono::TimeDelta::minutes(2);

/// A channel to `address`, made when it is first used and again after it broke. Where the address is `https://`, the server
/// must be one that `trust` trusts.
///
/// # Errors
/// [`Error::Invalid`] when the address cannot be one of a server, or is in the clear and off loopback.
pub fn connect(address: &Address, trust: &Trust) -> Result<Channel> {
    address
        .check_caller()
        .map_err(|problem| Error::invalid("address", problem))?;
    let wrong = |error: &dyn Display| Error::invalid("address", format!("{address}: {error}"));
    let endpoint = |uri: String| {
        let endpoint = Endpoint::from_shared(uri).map_err(|error| wrong(&error))?;
        Ok::<_, Error>(
            endpoint
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(Duration::from_secs(20)),
        )
    };
    let Address::Https(authority) = address else {
        return Ok(endpoint(address.to_string())?.connect_lazy());
    };
    let origin: Uri = address.to_string().parse().map_err(|error| wrong(&error))?;
    let authority = authority.parse().map_err(|error| wrong(&error))?;
    let secure = secure::connector(&authority, trust.client_config(&[H2])?, CONNECT_TIMEOUT)?;
    // The channel itself sees plain bytes; its calls say https all the same.
    let endpoint = endpoint(format!("http://{authority}"))?.origin(origin);
    Ok(endpoint.connect_with_connector_lazy(secure))
}

/// Runs a call that is safe to repeat until it succeeds, fails for good, or has been tried for some seconds.
///
/// # Errors
/// The last one.
pub async fn retry<T, F, R>(call: F) -> Result<T>
where
    F: FnMut() -> R,
    R: Future<Output = Result<T>>,
{
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .with_jitter()
        .with_max_times(6);
    call.retry(backoff)
        .when(|error| error.code().is_retryable())
        .await
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    expires_at: Timestamp,
}

/// Exchanges a key for tokens and keeps the current one.
#[derive(Clone)]
pub struct TokenSource {
    identity: IdentityServiceClient<Channel>,
    key: SecretString,
    clock: Arc<dyn Clock>,
    current: Arc<Mutex<Option<Token>>>,
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSource")
    }
}

impl TokenSource {
    /// Tokens for `key`, from the identity service behind `identity`.
    pub fn new(identity: Channel, key: SecretString, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity: IdentityServiceClient::new(identity),
            key,
            clock,
            current: Arc::default(),
        }
    }

    /// An `authorization` header that works for at least two more minutes.
    ///
    /// # Errors
    /// What identity says.
    pub async fn header(&self) -> Result<HeaderValue> {
        // Held over the exchange on purpose: one exchange serves all who wait.
        let mut current = self.current.lock().await;
        let now = self.clock.now();
        if let Some(token) = current
            .as_ref()
            .filter(|token| token.expires_at - now > RENEW_BEFORE)
        {
            return Ok(token.header.clone());
        }
        let token = self.exchange().await?;
        let header = token.header.clone();
        *current = Some(token);
        Ok(header)
    }

    async fn exchange(&self) -> Result<Token> {
        let response = retry(|| {
            let mut identity = self.identity.clone();
            let mut request = tonic::Request::new(ExchangeKeyRequest {
                key: self.key.expose_secret().to_owned(),
            });
            request.set_timeout(DEADLINE);
            async move { Ok(identity.exchange_key(request).await?.into_inner()) }
        })
        .await?;
        let header = HeaderValue::from_str(&format!("Bearer {}", response.token))
            .map_err(|error| Error::internal("reading a token", error))?;
        let expires_at = response.expires_at.unwrap_or_default();
        Ok(Token {
            header,
            expires_at: contracts::from_wire_time("expires_at", expires_at)?,
        })
    }
}

#[async_trait::async_trait]
impl KeySource for IdentityServiceClient<Channel> {
    async fn keys(&self) -> Result<Vec<Vec<u8>>> {
        let response = retry(|| {
            let mut identity = self.clone();
            async move {
                Ok(identity
                    .list_verification_keys(ListVerificationKeysRequest {})
                    .await?)
            }
        })
        .await?;
        Ok(response.into_inner().keys)
    }
}

/// A channel whose calls carry a token, a deadline and the current trace. Generated clients stand on it.
#[derive(Clone, Debug)]
pub struct Caller {
    channel: Channel,
    tokens: TokenSource,
    deadline: Option<Duration>,
}

impl Caller {
    /// Calls with the deadline of unary calls.
    pub fn new(channel: Channel, tokens: TokenSource) -> Self {
        Self {
            channel,
            tokens,
            deadline: Some(DEADLINE),
        }
    }

    /// Calls without a deadline, for streams that last.
    #[must_use]
    pub fn without_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }
}

impl Service<Request<Body>> for Caller {
    type Response = Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let clone = self.channel.clone();
        let mut channel = std::mem::replace(&mut self.channel, clone);
        let (tokens, deadline) = (self.tokens.clone(), self.deadline);
        let trace = telemetry::traceparent().and_then(|text| HeaderValue::from_str(&text).ok());
        Box::pin(async move {
            let header = tokens.header().await.map_err(tonic::Status::from)?;
            let headers = request.headers_mut();
            headers.insert(http::header::AUTHORIZATION, header);
            if let Some(trace) = trace {
                headers.insert("traceparent", trace);
            }
            if let Some(deadline) = deadline {
                let text = format!("{}m", deadline.as_millis());
                headers
                    .entry("grpc-timeout")
                    .or_insert(HeaderValue::from_str(&text)?);
                return Ok(tokio::time::timeout(deadline, channel.call(request)).await??);
            }
            Ok(channel.call(request).await?)
        })
    }
}
