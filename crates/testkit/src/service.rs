//! A service under test, in this process, on a port that the system chose.

use std::future::Future;
use std::time::Duration;

use chassis::grpc::connect;
use chassis::tls::Trust;
use chassis::{Address, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Longest time that a service may take to listen.
const START: Duration = Duration::from_secs(60);

/// Told where a service listens.
pub type Ready = Box<dyn FnOnce(&Address) + Send>;

/// What generated clients stand on in tests.
pub type TestChannel = InterceptedService<Channel, Bearer>;

/// A running service; it is asked to stop when this value ends.
#[derive(Debug)]
pub struct Service {
    address: Address,
    task: JoinHandle<Result<()>>,
    stop: DropGuard,
}

impl Service {
    /// Starts `run`, which is given the token that stops it and whom to tell where it listens, and waits until it listens.
    ///
    /// # Panics
    /// When it ends before, or takes too long.
    pub async fn start<F, R>(run: F) -> Self
    where
        F: FnOnce(CancellationToken, Ready) -> R,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let cancel = CancellationToken::new();
        let (told, listening) = oneshot::channel();
        let ready: Ready = Box::new(move |address| {
            told.send(address.clone()).ok();
        });
        let mut task = tokio::spawn(run(cancel.clone(), ready));
        let address = tokio::select! {
            address = tokio::time::timeout(START, listening) => address.expect("the service took too long to listen").ok(),
            ended = &mut task => panic!("the service ended at its start: {ended:?}"),
        };
        match address {
            Some(address) => Self {
                address,
                task,
                stop: cancel.drop_guard(),
            },
            None => panic!("the service ended at its start: {:?}", task.await),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What a generated client for this service stands on, with `token`; empty = without one.
    ///
    /// # Panics
    /// When the token is no header.
    pub fn channel(&self, token: &str) -> TestChannel {
        channel(&self.address, token)
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// What ended it, when that was not the stop.
    ///
    /// # Panics
    /// When it panicked.
    pub async fn stop(self) -> Result<()> {
        drop(self.stop);
        self.task.await.expect("the service panicked")
    }
}

/// What a generated client for a service at `address` stands on, with `token`; empty = without one.
///
/// # Panics
/// When the address is none of a server, or the token is no header.
pub fn channel(address: &Address, token: &str) -> TestChannel {
    let channel = connect(address, &Trust::public()).expect("an address to connect to");
    bearer(channel, token)
}

pub(crate) fn bearer(channel: Channel, token: &str) -> TestChannel {
    let header = (!token.is_empty()).then(|| format!("Bearer {token}").parse().expect("a token"));
    InterceptedService::new(channel, Bearer(header))
}

/// Puts a token on each call.
#[derive(Clone, Debug)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", header.clone());
        }
        Ok(request)
    }
}
