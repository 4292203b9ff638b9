//! Bounds how many connections are open at once, so that files and memory are left for everything else.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::{Accept, NoDelayAcceptor};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

use super::limits::Slots;

/// Accepts a connection only while there is a slot for it; closes it at once otherwise.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    slots: Slots,
    inner: NoDelayAcceptor,
}

impl Bounded {
    pub(super) fn new(slots: Slots) -> Bounded {
        Bounded { slots, inner: NoDelayAcceptor::new() }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Bounded {
    type Stream = TcpStream;
    type Service = Held<S>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(TcpStream, Held<S>)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Some(slot) = self.slots.take() else {
            return Box::pin(std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())));
        };
        let inner = self.inner;
        Box::pin(async move {
            let (stream, service) = inner.accept(stream, service).await?;
            Ok((stream, Held { service, _slot: Arc::new(slot) }))
        })
    }
}

/// The service of one connection, which holds its slot for as long as it lives.
#[derive(Debug, Clone)]
pub(super) struct Held<S> {
    service: S,
    _slot: Arc<OwnedSemaphorePermit>,
}

impl<R, S: Service<R>> Service<R> for Held<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.service.call(request)
    }
}
