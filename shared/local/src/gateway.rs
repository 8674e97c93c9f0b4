//! The socket: HTTP/1.1 with keep-alive in front of a shop and its pages, or in front of the engine alone.
//!
//! It owns connections and their limits (size of headers and bodies, time to send them, how many at once) and the end:
//! it stops accepting, lets what runs finish, and closes. It must never know a route.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{BoxFuture, Engine, Incoming};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming as Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use kernel::Problem;
use kernel::problem::code;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::cdn::Cdn;
use crate::files;
use crate::pages::Pages;
use crate::shop::{Shop, problem_response};

/// API Gateway takes no larger body.
const BODY_BYTES: usize = 10 * 1024 * 1024;
/// API Gateway takes no more than this for the request line and all headers.
const HEADER_BYTES: usize = 10_240;
/// hyper reads at least so much at once.
const BUFFER_BYTES: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS: usize = 100;
/// How long the headers, and then the body, of a request may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The most connections at once; further ones wait to be accepted.
const CONNECTIONS: usize = 2_048;
/// How long requests in flight may take to end when the process is asked to.
const GRACE: Duration = Duration::from_secs(35);

/// What answers requests.
pub trait Site: Send + Sync + 'static {
    /// Answers one request. Who asks stands in its extensions as a [`SocketAddr`].
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Bytes>>;

    /// Where the body of a request goes piece by piece, when it may be larger than any that is answered at once.
    fn incoming(&self, _: &Parts) -> Option<Result<Incoming, Response<Bytes>>> {
        None
    }

    /// Answers a request whose body went there.
    fn received(&self, _: Incoming) -> Response<Bytes> {
        status(StatusCode::NOT_FOUND)
    }
}

/// A shop with its pages, behind its CDN if it has one.
pub struct ShopSite {
    shop: Shop,
    pages: Pages,
    cdn: Option<Cdn>,
}

impl ShopSite {
    /// A shop with its pages.
    #[must_use]
    pub fn new(shop: &Shop, pages: Pages) -> Self {
        Self { shop: shop.clone(), pages, cdn: Cdn::of(shop) }
    }
}

impl Site for ShopSite {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Bytes>> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if let Some(file) = files::read(self.shop.engine(), &parts, self.shop.now()).await {
                return file;
            }
            let request = Request::from_parts(parts, body);
            if let Some(page) = self.pages.answer(&request).await {
                return page;
            }
            match &self.cdn {
                Some(cdn) => cdn.request(request).await,
                None => self.shop.request(request).await,
            }
        })
    }

    fn incoming(&self, parts: &Parts) -> Option<Result<Incoming, Response<Bytes>>> {
        files::incoming(self.shop.engine(), parts, self.shop.now())
    }

    fn received(&self, incoming: Incoming) -> Response<Bytes> {
        files::received(self.shop.engine(), incoming)
    }
}

/// The engine alone, as AWS's endpoints: for functions in other processes.
pub struct DataSite(pub Engine);

impl Site for DataSite {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Bytes>> {
        Box::pin(async move {
            let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
            let reply = match header("x-amz-target") {
                Some(target) => self.0.handle(target, request.body().clone()).await,
                None => {
                    let (method, address) = (request.method().as_str(), request.uri().to_string());
                    self.0.handle_object(method, &address, header("range"), request.body().clone()).await
                }
            };
            let mut response = Response::new(reply.body);
            *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            for (name, value) in reply.headers {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(HeaderName::from_static(name), value);
                }
            }
            response
        })
    }
}

/// Takes a port.
pub async fn bind(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            format!("{address} is taken by another process; choose another with --listen or OXCART_LISTEN")
        }
        ErrorKind::PermissionDenied => format!("{address} needs rights that this process does not have"),
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// Serves until `stop` is done, then ends what runs.
pub async fn serve(listener: TcpListener, site: Arc<dyn Site>, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.as_mut() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let site = site.clone();
        let service = service_fn(move |request| {
            let site = site.clone();
            async move { Ok::<_, Infallible>(one(&*site, request, peer).await.map(Full::new)) }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(READ_TIMEOUT)
            .max_headers(HEADERS)
            .max_buf_size(BUFFER_BYTES);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that goes away in the middle is no event.
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let ended = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    if ended.is_err() {
        eprintln!("some requests did not end within {} s", GRACE.as_secs());
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and written at once; waiting for more only delays them.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, permit))
        }
        Err(_) => {
            // Out of file descriptors, or a client that gave up: a moment later it may work.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn one(site: &dyn Site, request: Request<Body>, peer: SocketAddr) -> Response<Bytes> {
    let (mut parts, body) = request.into_parts();
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size + parts.uri.to_string().len() > HEADER_BYTES {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return response;
    }
    if let Some(incoming) = site.incoming(&parts) {
        return match incoming {
            Ok(incoming) => receive(site, incoming, body).await,
            Err(refused) => closing(refused),
        };
    }
    let body = match tokio::time::timeout(READ_TIMEOUT, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let problem = Problem::new(code::BODY_TOO_LARGE, format!("the body has more than {BODY_BYTES} bytes"));
            return closing(problem_response(&problem, "gateway"));
        }
        Ok(Err(_)) => return closing(status(StatusCode::BAD_REQUEST)),
        Err(_) => return closing(status(StatusCode::REQUEST_TIMEOUT)),
    };
    parts.extensions.insert(peer);
    site.answer(Request::from_parts(parts, body)).await
}

/// Passes a body on piece by piece; each must come in time.
async fn receive(site: &dyn Site, mut incoming: Incoming, mut body: Body) -> Response<Bytes> {
    loop {
        let frame = match tokio::time::timeout(READ_TIMEOUT, body.frame()).await {
            Ok(None) => return site.received(incoming),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return closing(status(StatusCode::BAD_REQUEST)),
            Err(_) => return closing(status(StatusCode::REQUEST_TIMEOUT)),
        };
        let Ok(piece) = frame.into_data() else { continue };
        if incoming.bytes() > kernel::limits::IMPORT_BYTES {
            return closing(status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        if incoming.write(&piece).is_err() {
            return closing(status(StatusCode::INTERNAL_SERVER_ERROR));
        }
    }
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// Marks an answer after which the connection cannot go on: the rest of the body was not read.
fn closing(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Done when the process is asked to end: Ctrl-C, or SIGTERM.
pub async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
