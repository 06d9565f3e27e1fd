//! The two bodies of a call on their way: what is asked, and what is answered.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chassis::Error;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;

use crate::upstream;

type Told = Pin<Box<WaitForCancellationFutureOwned>>;

/// What is asked. It breaks off when the call is over: a caller who may still send would otherwise keep the call open towards
/// the service.
pub(super) struct Asked {
    inner: Incoming,
    over: Told,
}

impl Asked {
    /// Until the guard that comes with it is dropped.
    pub(super) fn new(inner: Incoming) -> (Self, DropGuard) {
        let over = CancellationToken::new();
        (
            Self {
                inner,
                over: Box::pin(over.clone().cancelled_owned()),
            },
            over.drop_guard(),
        )
    }
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the call is over".into())));
        }
        Pin::new(&mut self.inner)
            .poll_frame(context)
            .map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What a call holds until its last byte: its place among the calls that pass at once, and what ends the request.
pub(super) type Held = (OwnedSemaphorePermit, Option<(DropGuard, Channel)>);

/// What is answered: frames pass, trailers included. A stop of the gateway and a break of the service both end it with a status
/// in the trailers, so that a caller never has to guess.
pub(super) struct Answered {
    inner: Body,
    stop: Told,
    ended: bool,
    _held: Held,
}

impl Answered {
    /// Ends when `stop` says so; keeps `held` until then.
    pub(super) fn new(inner: Body, stop: CancellationToken, held: Held) -> Self {
        Self {
            inner,
            stop: Box::pin(stop.cancelled_owned()),
            ended: false,
            _held: held,
        }
    }

    fn end_with(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.ended = true;
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(
            Status::from(error)
                .add_header(&mut trailers)
                .map(|()| Frame::trailers(trailers)),
        ))
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.stop.as_mut().poll(context).is_ready() {
            return self.end_with(super::stopping());
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Err(status))) => self.end_with(upstream::failure(status)),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Exact only as long as nothing breaks: then trailers may come instead.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    /// One message, then a broken connection.
    struct Breaks(bool);

    impl HttpBody for Breaks {
        type Data = Bytes;
        type Error = Box<dyn std::error::Error + Send + Sync>;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let first = !std::mem::replace(&mut self.0, true);
            let frame = if first {
                Ok(Frame::data(Bytes::from_static(b"x")))
            } else {
                Err("reset by 10.0.0.7".into())
            };
            Poll::Ready(Some(frame))
        }
    }

    fn answered(stop: &CancellationToken) -> (Answered, Arc<Semaphore>) {
        let places = Arc::new(Semaphore::new(1));
        let held = (places.clone().try_acquire_owned().unwrap(), None);
        (
            Answered::new(Body::new(Breaks(false)), stop.clone(), held),
            places,
        )
    }

    #[tokio::test]
    async fn a_broken_service_ends_with_a_status() {
        let (body, places) = answered(&CancellationToken::new());
        let whole = body.collect().await.unwrap();
        let status = Status::from_header_map(whole.trailers().unwrap()).unwrap();
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(!status.message().contains("10.0.0.7"), "{status}");
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_stop_ends_with_a_status() {
        let stop = CancellationToken::new();
        let (mut body, places) = answered(&stop);
        assert!(body.frame().await.unwrap().unwrap().is_data());
        assert_eq!(places.available_permits(), 0);
        stop.cancel();
        let trailers = body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .unwrap();
        assert!(
            Status::from_header_map(&trailers)
                .unwrap()
                .message()
                .contains("connect again")
        );
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }
}
