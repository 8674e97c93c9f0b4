//! A CDN before the shop, as `infra/modules/cdn` makes `CloudFront`: what the plan lets it keep it keeps for as long as the
//! answer's `Cache-Control` says, under path, counted parameters and encoding; the rest it hands on as it came. Answers carry
//! `X-Cache` and `Age`.
//!
//! It must never read what an answer is about, or keep one that depends on who asked: on what it keeps, `Authorization`,
//! cookies and `Origin` do not reach the shop.

pub mod plan;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use kernel::Timestamp;
use lambda::freshness::ORIGIN_HEADER;

use self::plan::{Plan, Policy};
use self::store::{Kept, Key, Life, State};
use crate::shop::Shop;

pub(crate) use self::store::Store;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// What the viewer said of what it has; the CDN answers that itself, from the whole answer.
const CONDITIONS: [HeaderName; 5] =
    [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::IF_RANGE];
/// What no kept answer may depend on.
const PERSONAL: [HeaderName; 4] = [header::AUTHORIZATION, header::COOKIE, header::ORIGIN, header::RANGE];

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// From what is kept.
    Hit,
    /// The same, after the shop said that it still holds.
    RefreshHit,
    /// From the shop.
    Miss,
}

/// The CDN of one shop.
#[derive(Clone)]
pub struct Cdn(Arc<Inner>);

struct Inner {
    shop: Shop,
    plan: Plan,
    store: Arc<Store>,
    /// Who fetches what: others who want the same wait for it.
    under_way: Mutex<HashMap<Key, Lane>>,
    /// By this header whoever stands behind the CDN is known, and is answered past it.
    secret: String,
}

type Lane = Arc<tokio::sync::Mutex<()>>;

/// Somebody fetches an answer. Ends with it, also when who asked went away.
struct Fetching {
    cdn: Cdn,
    key: Key,
    _lane: tokio::sync::OwnedMutexGuard<()>,
}

impl Fetching {
    /// `None` when somebody else does.
    fn begin(cdn: &Cdn, key: &Key, lane: &Lane) -> Option<Self> {
        let guard = lane.clone().try_lock_owned().ok()?;
        Some(Self { cdn: cdn.clone(), key: key.clone(), _lane: guard })
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.cdn.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Cdn {
    /// The CDN of a shop that was opened with one; `None` otherwise.
    pub fn of(shop: &Shop) -> Option<Self> {
        let (store, secret) = shop.edge()?;
        // The test of the registry and `generate` tell what is wrong with a plan.
        let plan = Plan::of(&shop.functions().collect::<Vec<_>>()).ok()?;
        Some(Self(Arc::new(Inner { shop: shop.clone(), plan, store, under_way: Mutex::default(), secret })))
    }

    /// Answers a request.
    pub async fn request(&self, mut request: Request<Bytes>) -> Response<Bytes> {
        let said = request.headers_mut().remove(ORIGIN_HEADER);
        if said.is_some_and(|said| said.as_bytes() == self.0.secret.as_bytes()) {
            return self.0.shop.request(request).await;
        }
        let read = [Method::GET, Method::HEAD].contains(request.method());
        let policy = if read { self.0.plan.policy(request.uri().path()) } else { Policy::None };
        if policy == Policy::None {
            let response = self.0.shop.request(request).await;
            return marked(response, Source::Miss);
        }
        let (viewer, _) = request.into_parts();
        let (key, parts) = self.handed_on(&viewer, policy);
        let (response, source) = self.answer(&key, parts).await;
        self.0.shop.finished(&viewer, conditional(&viewer, marked(response, source)))
    }

    /// What a request is known by, and what of it reaches the shop.
    fn handed_on(&self, viewer: &Parts, policy: Policy) -> (Key, Parts) {
        let path = viewer.uri.path();
        let address = match self.0.plan.counted(policy, viewer.uri.query()) {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let key = Key { address, encodings: encodings(viewer) };
        let mut parts = viewer.clone();
        parts.method = Method::GET;
        // It was made of parts of an address, so it is one.
        parts.uri = Uri::try_from(key.address.as_str()).unwrap_or_else(|_| viewer.uri.clone());
        for name in CONDITIONS.iter().chain(&PERSONAL).chain([&header::ACCEPT_ENCODING]) {
            parts.headers.remove(name);
        }
        if !key.encodings.is_empty() {
            parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(key.encodings));
        }
        (key, parts)
    }

    async fn answer(&self, key: &Key, parts: Parts) -> (Response<Bytes>, Source) {
        if let Some(answer) = self.kept(key, &parts) {
            return answer;
        }
        let lane = self.lane(key);
        let Some(_first) = Fetching::begin(self, key, &lane) else {
            drop(lane.lock().await);
            // What the first one got may not be for keeping. Nobody waits for another then.
            return match self.kept(key, &parts) {
                Some(answer) => answer,
                None => self.fetched(key, parts).await,
            };
        };
        self.fetched(key, parts).await
    }

    fn lane(&self, key: &Key) -> Lane {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone()
    }

    /// The answer that is kept, when it may be shown. One that is stale is fetched anew meanwhile, by one of those who see it.
    fn kept(&self, key: &Key, parts: &Parts) -> Option<(Response<Bytes>, Source)> {
        let kept = self.0.store.find(key).0?;
        let now = self.0.shop.now();
        match kept.state(now) {
            State::Fresh => {}
            State::Stale => {
                if let Some(fetching) = Fetching::begin(self, key, &self.lane(key)) {
                    let (cdn, key, parts, busy) = (self.clone(), key.clone(), parts.clone(), self.0.shop.enter());
                    tokio::spawn(async move {
                        cdn.fetched(&key, parts).await;
                        drop((fetching, busy));
                    });
                }
            }
            State::Spare | State::Over => return None,
        }
        Some((shown(&kept, now), Source::Hit))
    }

    /// Asks the shop, and keeps what it answers if that may be kept.
    async fn fetched(&self, key: &Key, mut parts: Parts) -> (Response<Bytes>, Source) {
        let (before, drops) = self.0.store.find(key);
        let tag = before.as_ref().and_then(|kept| kept.headers.get(header::ETAG));
        if let Some(tag) = tag {
            parts.headers.insert(header::IF_NONE_MATCH, tag.clone());
        }
        let response = self.0.shop.request(Request::from_parts(parts, Bytes::new())).await;
        let now = self.0.shop.now();
        match before {
            Some(before) if response.status() == StatusCode::NOT_MODIFIED => {
                let renewed = before.renewed(response.headers(), now);
                let answer = shown(&renewed, now);
                self.0.store.keep(key, renewed, drops);
                (answer, Source::RefreshHit)
            }
            Some(before) if response.status().is_server_error() && before.state(now) != State::Over => {
                (shown(&before, now), Source::Hit)
            }
            _ => {
                if let Some(life) = Life::of(&response) {
                    self.0.store.keep(key, Kept::new(&response, life, now), drops);
                }
                (response, Source::Miss)
            }
        }
    }
}

/// A kept answer, with how long it was kept.
fn shown(kept: &Kept, now: Timestamp) -> Response<Bytes> {
    let mut response = Response::new(kept.body.clone());
    *response.status_mut() = kept.status;
    response.headers_mut().clone_from(&kept.headers);
    response.headers_mut().insert(header::AGE, HeaderValue::from(kept.age(now).as_secs()));
    response
}

fn marked(mut response: Response<Bytes>, from: Source) -> Response<Bytes> {
    let text = match from {
        _ if response.status().is_client_error() || response.status().is_server_error() => "Error from oxcart",
        Source::Hit => "Hit from oxcart",
        Source::RefreshHit => "RefreshHit from oxcart",
        Source::Miss => "Miss from oxcart",
    };
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(text));
    response
}

/// 304 for a viewer who has this answer already (RFC 9110 §13.1.2).
fn conditional(viewer: &Parts, mut response: Response<Bytes>) -> Response<Bytes> {
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let (Some(tag), StatusCode::OK) = (tag, response.status()) else { return response };
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let seen = viewer.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = seen.flat_map(|value| value.split(',')).any(|one| one.trim() == "*" || bare(one) == bare(tag));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH] {
            response.headers_mut().remove(name);
        }
    }
    response
}

/// Which encodings a viewer takes, of the two that are told apart.
fn encodings(viewer: &Parts) -> &'static str {
    let takes = |wanted: &str| {
        let all = viewer.headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(',')).any(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let coding = pieces.next().unwrap_or_default();
            let refused =
                pieces.any(|piece| piece.strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty()));
            coding.eq_ignore_ascii_case(wanted) && !refused
        })
    };
    match (takes("br"), takes("gzip")) {
        (true, true) => "br,gzip",
        (true, false) => "br",
        (false, true) => "gzip",
        (false, false) => "",
    }
}
