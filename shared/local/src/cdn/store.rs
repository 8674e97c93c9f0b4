//! What the local CDN keeps: answers by their key, the least recently used go first when there are too many bytes. Without
//! I/O and without a clock; every question brings its own moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::cdn::Edge;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use kernel::Timestamp;

/// How much is kept.
const BYTES: usize = 64 << 20;
/// What a kept answer weighs beside its body and headers.
const OVERHEAD: usize = 512;

/// What tells one kept answer from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Path and the part of the query that counts.
    pub address: String,
    /// Which encodings the answer may have.
    pub encodings: &'static str,
}

/// How long an answer may be kept, as its `Cache-Control` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    fresh: Duration,
    revalidate: Duration,
    on_error: Duration,
}

impl Life {
    /// Reads it; `None` when the answer must not be kept.
    pub fn of(response: &Response<Bytes>) -> Option<Self> {
        let kept = [StatusCode::OK, StatusCode::MOVED_PERMANENTLY].contains(&response.status());
        if !kept || response.headers().contains_key(header::SET_COOKIE) {
            return None;
        }
        let text = response.headers().get(header::CACHE_CONTROL)?.to_str().ok()?.to_ascii_lowercase();
        let directives: Vec<(&str, Option<&str>)> = text
            .split(',')
            .map(|one| one.trim().split_once('=').map_or((one.trim(), None), |(name, value)| (name, Some(value))))
            .collect();
        if directives.iter().any(|(name, _)| matches!(*name, "private" | "no-store" | "no-cache")) {
            return None;
        }
        let seconds = |wanted: &str| {
            let value = directives.iter().find(|(name, _)| *name == wanted)?.1?;
            value.parse().ok().map(Duration::from_secs)
        };
        let fresh = seconds("s-maxage").or_else(|| seconds("max-age")).filter(|fresh| !fresh.is_zero())?;
        let revalidate = seconds("stale-while-revalidate").unwrap_or_default();
        Some(Self { fresh, revalidate, on_error: seconds("stale-if-error").unwrap_or_default() })
    }
}

/// A kept answer.
#[derive(Debug)]
pub(crate) struct Kept {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    life: Life,
    at: Timestamp,
}

/// How good a kept answer is at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is shown.
    Fresh,
    /// It is shown once more, and fetched anew meanwhile.
    Stale,
    /// It is shown only when there is no other.
    Spare,
    /// It only spares a transfer.
    Over,
}

impl Kept {
    pub fn new(response: &Response<Bytes>, life: Life, at: Timestamp) -> Self {
        Self { status: response.status(), headers: response.headers().clone(), body: response.body().clone(), life, at }
    }

    /// The same, which was found to hold still.
    pub fn renewed(&self, headers: &HeaderMap, at: Timestamp) -> Self {
        let mut all = self.headers.clone();
        for name in [header::CACHE_CONTROL, header::ETAG, header::LAST_MODIFIED] {
            if let Some(value) = headers.get(&name) {
                all.insert(name, value.clone());
            }
        }
        Self { status: self.status, headers: all, body: self.body.clone(), life: self.life, at }
    }

    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(self.at)
    }

    pub fn state(&self, now: Timestamp) -> State {
        let Some(stale) = self.age(now).checked_sub(self.life.fresh) else { return State::Fresh };
        match stale {
            _ if stale < self.life.revalidate => State::Stale,
            _ if stale < self.life.on_error => State::Spare,
            _ => State::Over,
        }
    }

    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        self.body.len() + headers + OVERHEAD
    }
}

/// All that is kept.
#[derive(Default)]
pub(crate) struct Store(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: HashMap<Key, (u64, Arc<Kept>)>,
    /// Keys by when they were used last.
    used: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
    drops: u64,
}

impl Inner {
    fn remove(&mut self, key: &Key) {
        if let Some((used, kept)) = self.all.remove(key) {
            self.used.remove(&used);
            self.bytes -= kept.bytes() + key.address.len();
        }
    }

    fn touch(&mut self, key: &Key) {
        self.uses += 1;
        if let Some((used, _)) = self.all.get_mut(key) {
            self.used.remove(used);
            *used = self.uses;
            self.used.insert(self.uses, key.clone());
        }
    }
}

impl Store {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer under a key, and how often something was dropped so far: see [`Self::keep`].
    pub fn find(&self, key: &Key) -> (Option<Arc<Kept>>, u64) {
        let mut inner = self.inner();
        inner.touch(key);
        (inner.all.get(key).map(|(_, kept)| kept.clone()), inner.drops)
    }

    /// Keeps an answer, unless something was dropped since it was asked for: it may be what was to be dropped.
    pub fn keep(&self, key: &Key, kept: Kept, drops: u64) {
        let mut inner = self.inner();
        let bytes = kept.bytes() + key.address.len();
        if inner.drops != drops || bytes > BYTES {
            return;
        }
        inner.remove(key);
        inner.bytes += bytes;
        inner.uses += 1;
        let used = inner.uses;
        inner.used.insert(used, key.clone());
        inner.all.insert(key.clone(), (used, Arc::new(kept)));
        while inner.bytes > BYTES {
            let Some((_, oldest)) = inner.used.pop_first() else { break };
            inner.remove(&oldest);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.inner().all.len()
    }
}

impl Edge for Store {
    fn drop_paths(&self, paths: &[String]) {
        let gone = |key: &Key| {
            paths.iter().any(|path| match path.strip_suffix('*') {
                Some(start) => key.address.starts_with(start),
                None => key.address == *path,
            })
        };
        let mut inner = self.inner();
        inner.drops += 1;
        let keys: Vec<Key> = inner.all.keys().filter(|key| gone(key)).cloned().collect();
        for key in keys {
            inner.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(control: &str, body: usize) -> Response<Bytes> {
        let response = Response::builder().header(header::CACHE_CONTROL, control);
        response.body(Bytes::from(vec![0; body])).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn key(address: &str) -> Key {
        Key { address: address.into(), encodings: "" }
    }

    fn kept(body: usize) -> Kept {
        let answer = answer("max-age=10", body);
        Kept::new(&answer, Life::of(&answer).unwrap(), at(0))
    }

    #[test]
    fn an_answer_lives_as_its_header_says() {
        let answer = answer("public, max-age=0, s-maxage=10, stale-while-revalidate=5, stale-if-error=20", 1);
        let kept = Kept::new(&answer, Life::of(&answer).unwrap(), at(100));
        for (second, state) in
            [(109, State::Fresh), (110, State::Stale), (114, State::Stale), (115, State::Spare), (130, State::Over)]
        {
            assert_eq!(kept.state(at(second)), state, "{second}");
        }
        assert_eq!(kept.renewed(&HeaderMap::new(), at(130)).state(at(139)), State::Fresh);
    }

    #[test]
    fn what_is_somebodys_own_or_went_wrong_is_not_kept() {
        for control in ["no-store", "private, max-age=10", "no-cache, s-maxage=5", "max-age=0", "max-age=x", ""] {
            assert_eq!(Life::of(&answer(control, 0)), None, "{control}");
        }
        let mut cookie = answer("max-age=10", 0);
        assert!(Life::of(&cookie).is_some());
        cookie.headers_mut().insert(header::SET_COOKIE, "a=1".parse().unwrap());
        assert_eq!(Life::of(&cookie), None);
        for status in [404, 500, 503, 206, 304] {
            let mut other = answer("max-age=10", 0);
            *other.status_mut() = StatusCode::from_u16(status).unwrap();
            assert_eq!(Life::of(&other), None, "{status}");
        }
    }

    #[test]
    fn the_least_recently_used_goes_when_there_is_no_room() {
        let store = Store::default();
        let third = BYTES / 3;
        for name in ["/a", "/b"] {
            store.keep(&key(name), kept(third), 0);
        }
        assert!(store.find(&key("/a")).0.is_some());
        store.keep(&key("/c"), kept(third), 0);
        assert!(store.find(&key("/b")).0.is_none() && store.find(&key("/a")).0.is_some());
        store.keep(&key("/d"), kept(BYTES), 0);
        assert!(store.find(&key("/d")).0.is_none(), "larger than all there is");
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn addresses_are_dropped_whole_or_by_their_beginning_and_nothing_that_was_on_its_way_is_kept() {
        let store = Store::default();
        for name in ["/p/a", "/p/a?c=1", "/p/ab", "/q"] {
            store.keep(&key(name), kept(1), 0);
        }
        store.drop_paths(&["/p/a".into()]);
        assert_eq!(store.len(), 3);
        store.drop_paths(&["/p/a*".into()]);
        assert!(store.len() == 1 && store.find(&key("/q")).0.is_some());
        store.keep(&key("/p/a"), kept(1), 0);
        assert_eq!(store.len(), 1, "it was asked for before the drop");
        let (_, drops) = store.find(&key("/p/a"));
        store.keep(&key("/p/a"), kept(1), drops);
        assert_eq!(store.len(), 2);
    }
}
