//! Bodies on their way through: never collected, only watched.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::activity::Visit;
use crate::metrics::Direction;
use crate::upstream::Lease;

/// Any body.
pub(crate) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that passes through. The connection that it comes from, if named, is free again after its last byte.
#[derive(Debug)]
pub(crate) struct Passing {
    inner: Incoming,
    direction: Direction,
    visit: Option<Arc<Visit>>,
    lease: Option<Lease>,
    ended: bool,
}

impl Passing {
    /// From the visitor.
    pub(crate) fn inwards(inner: Incoming, visit: Arc<Visit>) -> Body {
        Self {
            inner,
            direction: Direction::In,
            visit: Some(visit),
            lease: None,
            ended: false,
        }
        .boxed_unsync()
    }

    /// From the visitor, without counting as use of the notebook.
    pub(crate) fn unseen(inner: Incoming) -> Body {
        Self {
            inner,
            direction: Direction::In,
            visit: None,
            lease: None,
            ended: false,
        }
        .boxed_unsync()
    }

    /// To the visitor; without `visit`, it does not count as use of the notebook.
    pub(crate) fn outwards(
        inner: Incoming,
        visit: Option<Arc<Visit>>,
        lease: Option<Lease>,
    ) -> Body {
        Self {
            inner,
            direction: Direction::Out,
            visit,
            lease,
            ended: false,
        }
        .boxed_unsync()
    }
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match (&polled, &self.visit) {
            (Poll::Ready(Some(Ok(frame))), Some(visit)) => {
                visit.moved(self.direction, frame.data_ref().map_or(0, Bytes::len));
            }
            (Poll::Ready(None), _) => self.ended = true,
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let ended = self.ended || self.inner.is_end_stream();
        if let Some(lease) = self.lease.take().filter(|_| ended) {
            lease.give_back();
        }
    }
}

/// A body with bytes of the door's own before it.
#[derive(Debug)]
pub(crate) struct Preceded {
    first: Option<Bytes>,
    inner: Body,
}

impl Preceded {
    /// `first`, then `inner`.
    pub(crate) fn new(first: Bytes, inner: Body) -> Self {
        Self {
            first: Some(first),
            inner,
        }
    }
}

impl HttpBody for Preceded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.inner).poll_frame(cx),
        }
    }
}

/// A body that is cut off when something else happens first.
pub(crate) struct Until {
    /// `None` once it was cut off.
    inner: Option<Body>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Until {
    /// `inner`, at most until `end`.
    pub(crate) fn new(inner: Body, end: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            inner: Some(inner),
            end: Box::pin(end),
        }
    }
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            self.inner = None;
        }
        match &mut self.inner {
            Some(inner) => Pin::new(inner).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }
}

/// A body that keeps something alive as long as it lasts.
#[derive(Debug)]
pub(crate) struct Holding<G> {
    inner: Body,
    _guard: G,
}

impl<G> Holding<G> {
    pub(crate) fn new(inner: Body, guard: G) -> Self {
        Self {
            inner,
            _guard: guard,
        }
    }
}

impl<G: Unpin> HttpBody for Holding<G> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
