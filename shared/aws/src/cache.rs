//! A cache that functions share: a Redis or Valkey server (`OXCART_CACHE_URL`).
//!
//! It may only ever help. A server that is away, slow, full or talks nonsense is as one that has nothing, and one that is so
//! again and again is not asked for a while. Nothing is kept here that cannot be found out anew, and no key or value is a secret
//! (docs/adr/0024). It knows two commands of RESP2: `GET`, and `SET` with a life.

use std::io::{Error, ErrorKind, Result as IoResult};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::breaker::Guard;
use crate::{Clock, Platform};

/// How long one exchange may take, connecting and all. Within a zone it takes less than a millisecond, and what is asked for
/// instead a few.
pub const WAIT: Duration = Duration::from_millis(50);
/// A longer value is not kept, in bytes, and none is read.
pub const VALUE_BYTES: usize = 64 << 10;
/// The longest line of an answer.
const LINE_BYTES: u64 = 512;
/// How many connections are kept. A sandbox needs one; the local shop serves many callers at once.
const IDLE: usize = 8;
/// Where such servers listen.
const PORT: u16 = 6379;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheAddress {
    host: String,
    port: u16,
    tls: bool,
}

impl CacheAddress {
    /// Reads `rediss://HOST:PORT`, or `redis://` for a server on this machine; the port is 6379 when it is not said. `None` for
    /// anything else, a user or a password too: variables are readable in the console.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
            _ => (rest, PORT),
        };
        let here = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
        let tls = match scheme {
            "rediss" => true,
            "redis" if here => false,
            _ => return None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let named = !name.is_empty() && name.len() <= 253 && name.bytes().all(plain);
        let host = name.trim_matches(['[', ']']).to_owned();
        (port != 0 && (here || named)).then_some(Self { host, port, tls })
    }
}

/// The cache did not answer as one does, or it was not asked since it did not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cache does not answer")]
pub struct Away;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Connection = BufReader<Box<dyn Stream>>;

/// The way to the server.
pub struct Cache {
    address: CacheAddress,
    roots: &'static [u8],
    /// Made when it is first needed: reading certificates takes time.
    tls: OnceLock<IoResult<TlsConnector>>,
    /// Connections on which nothing is under way. One whose exchange was given up is not among them: its answer may still come.
    idle: Mutex<Vec<Connection>>,
    wait: Duration,
    guard: Guard,
}

impl Cache {
    /// The one of the configuration, if there is one. Nothing is sent yet.
    #[must_use]
    pub fn connect(platform: &Platform) -> Option<Self> {
        let address = platform.config().cache.clone()?;
        Some(Self::new(address, crate::tls::AMAZON_ROOTS, platform.clock().clone(), WAIT))
    }

    /// One at an address, over TLS that trusts these roots (PEM) and no others; an exchange may take as long as `wait`.
    #[must_use]
    pub fn new(address: CacheAddress, roots: &'static [u8], clock: Arc<dyn Clock>, wait: Duration) -> Self {
        let guard = Guard::new(clock, wait);
        Self { address, roots, tls: OnceLock::new(), idle: Mutex::default(), wait, guard }
    }

    /// What is kept under a key.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Away> {
        self.ask(&[b"GET", key.as_bytes()]).await
    }

    /// Keeps a value for so long, if that can be done. It replaces what was there.
    pub async fn put(&self, key: &str, value: &[u8], life: Duration) {
        if value.len() <= VALUE_BYTES {
            let life = life.as_millis().to_string();
            // Whoever asks for it will see.
            self.ask(&[b"SET", key.as_bytes(), value, b"PX", life.as_bytes()]).await.ok();
        }
    }

    async fn ask(&self, words: &[&[u8]]) -> Result<Option<Vec<u8>>, Away> {
        let command = command(words);
        let call = tokio::time::timeout(self.wait, self.exchange(&command));
        let answer = self.guard.call(call, |answer| !matches!(answer, Ok(Ok(_)))).await.ok_or(Away)?;
        if let Ok(Ok(answer)) = answer {
            return Ok(answer);
        }
        // What is wrong with one connection is wrong with those of the same age.
        self.idle().clear();
        Err(Away)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, command: &[u8]) -> IoResult<Option<Vec<u8>>> {
        let known = self.idle().pop();
        let again = match known {
            // The server may have hung up since, for instance while the sandbox was frozen. Both commands may be repeated.
            Some(known) => self.exchange_on(known, command).await.ok(),
            None => None,
        };
        match again {
            Some(answer) => Ok(answer),
            None => self.exchange_on(self.open().await?, command).await,
        }
    }

    async fn exchange_on(&self, mut connection: Connection, command: &[u8]) -> IoResult<Option<Vec<u8>>> {
        connection.write_all(command).await?;
        connection.flush().await?;
        let answer = answer(&mut connection).await?;
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(answer)
    }

    async fn open(&self) -> IoResult<Connection> {
        let CacheAddress { host, port, tls } = &self.address;
        let tcp = TcpStream::connect((host.as_str(), *port)).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if *tls {
            let connector = self.tls.get_or_init(|| connector(self.roots));
            let connector = connector.as_ref().map_err(|error| Error::other(error.to_string()))?;
            let name = ServerName::try_from(host.clone()).map_err(Error::other)?;
            Box::new(connector.connect(name, tcp).await?)
        } else {
            Box::new(tcp)
        };
        Ok(BufReader::new(stream))
    }
}

fn connector(roots: &[u8]) -> IoResult<TlsConnector> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        store.add(root.map_err(Error::other)?).map_err(Error::other)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(Error::other)?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(store).with_no_client_auth())))
}

/// A command as RESP has it: an array of texts, each with its length before it.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend_from_slice(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// The value of an answer. `None` is an answer without one; a refusal (`-WRONGTYPE …`, `-NOAUTH …`) is an error.
async fn answer(from: &mut Connection) -> IoResult<Option<Vec<u8>>> {
    let nonsense = |what: &[u8]| Error::new(ErrorKind::InvalidData, String::from_utf8_lossy(what).into_owned());
    let mut line = Vec::new();
    (&mut *from).take(LINE_BYTES).read_until(b'\n', &mut line).await?;
    match line.strip_suffix(b"\r\n").and_then(<[u8]>::split_first) {
        Some((b'+', _) | (b'$', b"-1")) => Ok(None),
        Some((b'$', digits)) => {
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
            let length = length.filter(|length| *length <= VALUE_BYTES).ok_or_else(|| nonsense(&line))?;
            let mut value = vec![0; length + 2];
            from.read_exact(&mut value).await?;
            if !value.ends_with(b"\r\n") {
                return Err(nonsense(b"a value without an end"));
            }
            value.truncate(length);
            Ok(Some(value))
        }
        _ => Err(nonsense(&line)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kernel::Timestamp;
    use tokio::net::TcpListener;

    use super::*;
    use crate::ManualClock;
    use crate::breaker::State;

    /// A server that answers whatever it reads with these bytes; it counts the commands.
    struct Server {
        cache: Cache,
        clock: Arc<ManualClock>,
        asked: Arc<AtomicUsize>,
    }

    /// `hangs_up`: after each answer.
    async fn server(reply: &'static [u8], hangs_up: bool) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = CacheAddress::parse(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        tokio::spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let count = count.clone();
                tokio::spawn(async move {
                    while matches!(tcp.read(&mut [0; 4096]).await, Ok(1..)) {
                        count.fetch_add(1, Ordering::Relaxed);
                        tcp.write_all(reply).await.unwrap();
                        if hangs_up {
                            break;
                        }
                    }
                });
            }
        });
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        // A busy machine is no slow server: only one that says nothing is not waited for.
        let wait = if reply.is_empty() { WAIT } else { Duration::from_secs(20) };
        Server { cache: Cache::new(address, b"", clock.clone(), wait), clock, asked }
    }

    #[test]
    fn an_address_has_tls_or_is_this_machine() {
        let of = |host: &str, port, tls| Some(CacheAddress { host: host.into(), port, tls });
        assert_eq!(CacheAddress::parse("redis://127.0.0.1:7000"), of("127.0.0.1", 7000, false));
        assert_eq!(CacheAddress::parse("redis://[::1]"), of("::1", PORT, false));
        assert_eq!(CacheAddress::parse("redis://[::1]:1/"), of("::1", 1, false));
        assert_eq!(
            CacheAddress::parse("rediss://shop.cache.amazonaws.com/"),
            of("shop.cache.amazonaws.com", PORT, true)
        );
        for bad in [
            "redis://shop.cache.amazonaws.com",
            "redis://127.0.0.1.example.com",
            "redis://127.0.0.1:1@example.com",
            "rediss://:secret@example.com:6379",
            "rediss://example.com/1",
            "rediss://example.com:0",
            "rediss://example.com:x",
            "rediss://",
            "https://example.com",
            "",
        ] {
            assert_eq!(CacheAddress::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn commands_have_lengths() {
        assert_eq!(command(&[b"GET", b"a\r\n"]), b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n");
    }

    #[tokio::test]
    async fn values_come_as_they_were_kept() {
        for (reply, value) in [
            (&b"$4\r\n\r\n\0x\r\n"[..], Some(&b"\r\n\0x"[..])),
            (b"$0\r\n\r\n", Some(b"")),
            (b"$-1\r\n", None),
            (b"+OK\r\n", None),
        ] {
            let Server { cache, asked, .. } = server(reply, false).await;
            for _ in 0..3 {
                assert_eq!(cache.get("k").await, Ok(value.map(<[u8]>::to_vec)));
            }
            assert_eq!((asked.load(Ordering::Relaxed), cache.idle().len()), (3, 1), "on one connection");
            assert_eq!(cache.guard.state(), State::Closed);
        }
    }

    #[tokio::test]
    async fn nonsense_silence_and_refusals_are_nothing_and_soon_not_asked_for() {
        for reply in [
            &b"-WRONGTYPE not a string\r\n"[..],
            b"-NOAUTH Authentication required.\r\n",
            b"$70000\r\n",
            b"$-2\r\n",
            b"$2\r\nabcd",
            b"*1\r\n$1\r\na\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\r\n",
            &[b'x'; 600],
            b"",
        ] {
            let Server { cache, clock, asked } = server(reply, false).await;
            for _ in 0..5 {
                assert_eq!(cache.get("k").await, Err(Away));
            }
            let what = String::from_utf8_lossy(reply);
            assert!(matches!(cache.guard.state(), State::Open { .. }), "{what}");
            assert_eq!((asked.load(Ordering::Relaxed), cache.idle().len()), (3, 0), "{what}");
            // After a while one call tries again.
            clock.advance(Duration::from_secs(6));
            assert_eq!(cache.get("k").await, Err(Away));
            assert_eq!(asked.load(Ordering::Relaxed), 4, "{what}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_hung_up_is_made_anew() {
        let Server { cache, asked, .. } = server(b"$1\r\na\r\n", true).await;
        for _ in 0..20 {
            assert_eq!(cache.get("k").await, Ok(Some(b"a".to_vec())));
        }
        assert_eq!((asked.load(Ordering::Relaxed), cache.guard.state()), (20, State::Closed));
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_sent() {
        let Server { cache, asked, .. } = server(b"+OK\r\n", false).await;
        cache.put("k", &vec![0; VALUE_BYTES + 1], WAIT).await;
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        cache.put("k", b"short", WAIT).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_left_alone() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let address = CacheAddress::parse(&format!("redis://{free}")).unwrap();
        let cache = Cache::new(address, b"", Arc::new(ManualClock::at(Timestamp::from_millis(0))), WAIT);
        for _ in 0..4 {
            cache.put("k", b"v", WAIT).await;
        }
        assert!(matches!(cache.guard.state(), State::Open { .. }));
    }
}
