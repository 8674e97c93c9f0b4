//! The engine: opening a place, running calls on it, waking those who wait.
//!
//! Owns the locks around the stores and the thread that calls run on. Two stores are never held at once.
//! It must never hold a lock across an await, and never run a call before it yielded: its futures are always
//! ready, so a task that does not yield starves the others (measured: maxima of a second among 16 tasks).

use std::fs::{File, TryLockError};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::call::{Call, ConnectorFailure, Layer, Next};
use crate::connector;
use crate::objects::{Incoming, Objects};
use crate::queues::{Queues, Received};
use crate::tables::Tables;
use crate::vault::Vault;
use crate::wire::{Reply, Service};

/// A boxed future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The time now, in milliseconds since the epoch. Everything here reads it: stream times, TTL, visibility, delays.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Where the data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory, gone with the engine.
    Memory,
    /// In a folder, which is made when it does not exist and locked while the engine lives.
    Folder(PathBuf),
}

/// How to open an engine.
#[derive(Clone)]
pub struct Options {
    /// Where the data lies.
    pub place: Place,
    /// The clock.
    pub clock: Clock,
    /// `true`: calls run on a thread of the engine's own, so that the tasks that serve requests never block (the
    /// gateway). `false`: on the calling thread after a yield, in an order that a simulation can repeat.
    pub offload: bool,
    /// Where secrets come from, when not from the machine: a simulation repeats them.
    pub entropy: Option<Entropy>,
}

/// Fills a buffer with bytes.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

impl Options {
    /// In memory, on the calling thread.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self { place: Place::Memory, clock, offload: false, entropy: None }
    }

    /// In a folder, on the engine's thread.
    #[must_use]
    pub fn folder(folder: impl Into<PathBuf>, clock: Clock) -> Self {
        Self { place: Place::Folder(folder.into()), clock, offload: true, entropy: None }
    }
}

/// Why an engine cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process, or another engine of this one, has the folder open.
    #[error("the folder {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder's path is not UTF-8, which SQLite needs.
    #[error("the folder's path is not UTF-8: {}", .0.display())]
    Path(PathBuf),
    /// The store of the tables failed.
    #[error("the table store failed")]
    Tables(#[from] dynoxide::DynoxideError),
    /// The store of the queues failed, or the tables' stream.
    #[error("the store failed")]
    Store(#[from] rusqlite::Error),
    /// The engine's thread cannot be started.
    #[error("cannot start the engine's thread")]
    Thread(#[source] std::io::Error),
    /// No stream is enabled on the table, or there is no such table.
    #[error("table {0} has no stream")]
    NoStream(String),
    /// A sequence number that no stream here can have given out.
    #[error("{0} is not a sequence number of a stream")]
    SequenceNumber(String),
    /// The call on the engine's thread ended in a panic.
    #[error("the call failed inside the engine")]
    Panicked,
}

impl EngineError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

type Job = Box<dyn FnOnce() + Send>;

struct Inner {
    tables: Mutex<Tables>,
    queues: Mutex<Queues>,
    vault: Mutex<Vault>,
    objects: Mutex<Objects>,
    table_writes: watch::Sender<u64>,
    queue_writes: watch::Sender<u64>,
    worker: Option<mpsc::Sender<Job>>,
    // Held for the life of the engine; the operating system lets go of it when the process dies.
    _lock: Option<File>,
}

/// The embedded services. A clone is the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the place, making what is not there.
    ///
    /// # Errors
    ///
    /// [`EngineError::InUse`] when the folder is open elsewhere, and whatever its files answer.
    pub fn open(options: Options) -> Result<Self, EngineError> {
        let Options { place, clock, offload, entropy } = options;
        let lock = match &place {
            Place::Memory => None,
            Place::Folder(folder) => Some(lock(folder)?),
        };
        let inner = Inner {
            tables: Mutex::new(Tables::open(&place, Arc::clone(&clock))?),
            queues: Mutex::new(Queues::open(&place, clock)?),
            vault: Mutex::new(Vault::open(&place, entropy)?),
            objects: Mutex::new(Objects::open(&place)?),
            table_writes: watch::Sender::new(0),
            queue_writes: watch::Sender::new(0),
            worker: if offload { Some(start_worker()?) } else { None },
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers one AWS JSON call: the service and the operation come from the `X-Amz-Target`.
    #[must_use]
    pub fn handle(&self, target: &str, body: Bytes) -> BoxFuture<'static, Reply> {
        let engine = self.clone();
        let call = Call::new(target, body);
        Box::pin(async move { engine.answer(call).await })
    }

    /// Answers one call to S3, as it came over HTTP.
    #[must_use]
    pub fn handle_object(
        &self,
        method: &str,
        address: &str,
        range: Option<&str>,
        body: Bytes,
    ) -> BoxFuture<'static, Reply> {
        let engine = self.clone();
        let call = Call::of_object(method, address, range, body);
        Box::pin(async move { engine.answer(call).await })
    }

    /// Begins an object (bucket and key, joined by a slash) that is too large for one body.
    ///
    /// # Errors
    ///
    /// What the file answers.
    pub fn incoming_object(&self, path: &str) -> std::io::Result<Incoming> {
        self.objects().incoming(path)
    }

    /// Ends it: from now on it is there.
    ///
    /// # Errors
    ///
    /// What the file answers.
    pub fn finish_object(&self, incoming: Incoming) -> std::io::Result<()> {
        self.objects().finish(incoming).map(drop)
    }

    /// Sends a call through layers, as an SDK client built with [`Engine::http_client`] does.
    ///
    /// # Errors
    ///
    /// What a layer answers in place of a reply.
    pub async fn call(&self, layers: &[Arc<dyn Layer>], call: Call) -> Result<Reply, ConnectorFailure> {
        Next::new(layers, self).run(call).await
    }

    /// The HTTP client to build an SDK client with. The first layer is the outermost.
    #[must_use]
    pub fn http_client(&self, layers: Vec<Arc<dyn Layer>>) -> SharedHttpClient {
        connector::http_client(self.clone(), layers)
    }

    /// A number that changes after every write to a table: what a stream's reader waits on.
    #[must_use]
    pub fn table_writes(&self) -> watch::Receiver<u64> {
        self.inner.table_writes.subscribe()
    }

    /// A number that changes after every change to a queue: what a queue's reader waits on.
    #[must_use]
    pub fn queue_writes(&self) -> watch::Receiver<u64> {
        self.inner.queue_writes.subscribe()
    }

    /// When the next message of a queue that is hidden now becomes visible, in milliseconds since the epoch.
    /// A reader that received nothing waits until then, or for [`Engine::queue_writes`].
    ///
    /// # Errors
    ///
    /// [`EngineError::Store`].
    pub fn next_due(&self, queue: &str) -> Result<Option<i64>, EngineError> {
        self.queues().next_due(queue)
    }

    /// Makes every message visible again that was received and not deleted: for the one reader of all queues when it
    /// starts, since whoever had received them died with the process. Answers how many.
    ///
    /// # Errors
    ///
    /// [`EngineError::Store`].
    pub fn return_in_flight(&self) -> Result<usize, EngineError> {
        let returned = self.queues().return_in_flight()?;
        if returned > 0 {
            self.touch_queues();
        }
        Ok(returned)
    }

    /// Up to `limit` records of a table's stream after a sequence number (from its start without one), oldest
    /// first, each in the shape in which Lambda delivers it.
    #[must_use]
    pub fn stream_records(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<Value>, EngineError>> {
        let (table, after) = (table.to_owned(), after.map(str::to_owned));
        self.on_engine(move |engine| engine.tables().stream_records(&table, after.as_deref(), limit))
    }

    /// Forgets a table's stream records up to and including a sequence number, except the very last record: the
    /// next sequence number is counted from it. Answers how many it forgot.
    #[must_use]
    pub fn prune_stream(&self, table: &str, through: &str) -> BoxFuture<'static, Result<usize, EngineError>> {
        let (table, through) = (table.to_owned(), through.to_owned());
        self.on_engine(move |engine| engine.tables().prune_stream(&table, &through))
    }

    /// How far a consumer of a table's stream has come.
    ///
    /// # Errors
    ///
    /// [`EngineError::Store`].
    pub fn checkpoint(&self, consumer: &str, table: &str) -> Result<Option<String>, EngineError> {
        self.queues().checkpoint(consumer, table)
    }

    /// Remembers how far a consumer has come; as durable as a message.
    ///
    /// # Errors
    ///
    /// [`EngineError::Store`].
    pub fn set_checkpoint(&self, consumer: &str, table: &str, sequence: &str) -> Result<(), EngineError> {
        self.queues().set_checkpoint(consumer, table, sequence)
    }

    /// Deletes the items whose TTL has passed, as AWS does some time after it; answers how many.
    #[must_use]
    pub fn sweep_ttl(&self) -> BoxFuture<'static, Result<usize, EngineError>> {
        self.on_engine(|engine| {
            let swept = engine.tables().sweep_ttl()?;
            if swept > 0 {
                engine.touch_tables();
            }
            Ok(swept)
        })
    }

    /// Runs work that cannot fail by itself where calls run.
    fn on_engine<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, EngineError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, EngineError>> {
        let engine = self.clone();
        Box::pin(async move { engine.run(work).await.ok_or(EngineError::Panicked)? })
    }

    /// Runs work where calls run: on the engine's thread, or here after a yield. `None` when it panicked there.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let Some(worker) = &self.inner.worker else {
            tokio::task::yield_now().await;
            return Some(work(self));
        };
        let (answer, answered) = oneshot::channel();
        let engine = self.clone();
        let job = move || {
            let result = work(&engine);
            // Let go first: who drops the last engine after the answer finds the folder free.
            drop(engine);
            // The caller may have stopped waiting; the work is done all the same, as it would be in AWS.
            let _ = answer.send(result);
        };
        worker.send(Box::new(job)).ok()?;
        answered.await.ok()
    }

    pub(crate) async fn answer(&self, call: Call) -> Reply {
        let service = call.service;
        let answer = match service {
            Service::DynamoDb | Service::DynamoDbStreams => self.run(move |engine| engine.answer_tables(&call)).await,
            Service::Sqs if call.operation == "ReceiveMessage" => Some(self.receive(call).await),
            Service::Sqs => self.run(move |engine| engine.answer_queues(&call)).await,
            Service::Kms => self.run(move |engine| engine.vault().answer_kms(&call)).await,
            Service::SecretsManager => self.run(move |engine| engine.vault().answer_secrets(&call)).await,
            Service::S3 => self.run(move |engine| engine.objects().answer(&call)).await,
            Service::Unknown => Some(Reply::unknown_operation(service)),
        };
        answer.unwrap_or_else(|| Reply::internal(service, "the call failed inside the engine"))
    }

    fn answer_tables(&self, call: &Call) -> Reply {
        let reply = self.tables().answer(&call.operation, call.body());
        if !reply.is_success() || !Tables::writes(&call.operation) {
            return reply;
        }
        if call.operation == "DeleteTable"
            && let Some(table) = call.json()["TableName"].as_str()
            && let Err(error) = self.queues().forget_checkpoints(table)
        {
            return Reply::internal(Service::DynamoDb, &error.to_string());
        }
        self.touch_tables();
        reply
    }

    fn answer_queues(&self, call: &Call) -> Reply {
        let reply = self.queues().answer(&call.operation, call.body());
        if reply.is_success() && Queues::writes(&call.operation) {
            self.touch_queues();
        }
        reply
    }

    /// Receives, and waits for a message as long as the call asked. The wait is measured by the runtime's time
    /// (which a paused test runtime advances), visibility by the engine's clock.
    async fn receive(&self, call: Call) -> Reply {
        let mut changes = self.queue_writes();
        let mut deadline = None;
        loop {
            changes.mark_unchanged();
            let body = call.body().clone();
            let received = self.run(move |engine| engine.receive_once(&body)).await;
            let (empty, wait, due) = match received {
                Some(Received::Reply(reply)) => return reply,
                Some(Received::Nothing { reply, wait, due }) => (reply, wait, due),
                None => return Reply::internal(Service::Sqs, "the call failed inside the engine"),
            };
            if wait.is_zero() {
                return empty;
            }
            let deadline = deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            let due = due.unwrap_or(wait).max(Duration::from_millis(1));
            tokio::select! {
                biased;
                () = deadline.as_mut() => return empty,
                _ = changes.changed() => {}
                () = tokio::time::sleep(due) => {}
            }
        }
    }

    fn receive_once(&self, body: &Bytes) -> Received {
        let (received, moved) = self.queues().receive(body);
        if moved {
            self.touch_queues();
        }
        received
    }

    fn touch_tables(&self) {
        self.inner.table_writes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn touch_queues(&self) {
        self.inner.queue_writes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        lock_healed(&self.inner.tables, Tables::heal)
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        lock_healed(&self.inner.queues, Queues::heal)
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        lock_healed(&self.inner.objects, |_| {})
    }

    fn vault(&self) -> MutexGuard<'_, Vault> {
        lock_healed(&self.inner.vault, |_| {})
    }
}

/// Takes a lock that a panicked call may have left behind, and lets the store roll back what that call began.
fn lock_healed<T>(mutex: &Mutex<T>, heal: impl FnOnce(&mut T)) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| {
        mutex.clear_poison();
        let mut guard = poisoned.into_inner();
        heal(&mut guard);
        guard
    })
}

fn lock(folder: &Path) -> Result<File, EngineError> {
    std::fs::create_dir_all(folder).map_err(EngineError::file(folder))?;
    let path = folder.join("engine.lock");
    let file = File::create(&path).map_err(EngineError::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(EngineError::File { path, source }),
    }
}

fn start_worker() -> Result<mpsc::Sender<Job>, EngineError> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let work = move || {
        for job in jobs {
            // A call that panics answers 500 by dropping its channel; the next one must still be served.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    };
    std::thread::Builder::new().name("engine".to_owned()).spawn(work).map_err(EngineError::Thread)?;
    Ok(sender)
}
