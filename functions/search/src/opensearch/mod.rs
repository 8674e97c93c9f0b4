//! `OpenSearch` as an engine: a domain of Amazon's, or any server that speaks its HTTP API (2.x).
//!
//! What is said is built in `dsl`, `ask` and `index`, what is answered is read in `answer`, both without I/O; here is the order
//! in which it is said. An index is `<prefix>-products-<generation>`, behind the alias `<prefix>-products` while it is searched
//! and behind `<prefix>-products-building` while it is built. Nothing but the aliases knows which is which, and they change in
//! one step.
//!
//! A write has the external version of what was read, so that the server itself refuses late ones.

mod answer;
mod ask;
mod dsl;
mod index;

use std::time::Duration;

use aws::signed::{SignedClient, Tries, Unanswered};
use aws::transport::{Reply, Request, Transport};
use aws::{ConfigError, Grant, Platform, Resource};
use serde_json::{Value, json};

use self::answer::{Item, Read};
use crate::port::{Answer, Generation, Health, SearchEngine, SearchError, Target, Write, Written};
use crate::query::{Found, Query, Spelling, Suggested, Typed};

/// A shopper waits: whoever does not answer soon is asked once more, and then there is no answer.
const QUESTION: Tries = Tries { most: 2, attempt: Duration::from_secs(2), whole: Duration::from_secs(4) };
/// Work that nobody waits for. All of it may be repeated: writes are versioned, and an index is known by its name.
const WORK: Tries = Tries { most: 4, attempt: Duration::from_secs(15), whole: Duration::from_secs(25) };
/// A bulk that is larger is sent in pieces: small domains take requests of 10 MiB.
const BULK_BYTES: usize = 5 << 20;
/// The generation that writes go to when there is no index yet.
const FIRST: &str = "first";

type Done<T> = Result<T, SearchError>;

/// What a function does with the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It searches, suggests and spells.
    Find,
    /// It writes what changed ([`Target::Live`]).
    Write,
    /// It makes a new index, fills it ([`Target::Building`]) and puts it in the place of the old one.
    Rebuild,
    /// It looks how the engine is.
    Watch,
}

/// What that takes. Rights go by the path of a request; a new index has a name of its own each time.
#[must_use]
pub fn grants(work: Work) -> Vec<Grant> {
    const LIVE: &str = "_alias/{prefix}-products";
    const BUILDING: &str = "_alias/{prefix}-products-building";
    let all: &[(&'static str, &'static str)] = match work {
        Work::Find => &[("es:ESHttpPost", "{prefix}-products/_search")],
        Work::Write => &[
            ("es:ESHttpGet", BUILDING),
            ("es:ESHttpPost", "{prefix}-products/_bulk"),
            ("es:ESHttpPost", "{prefix}-products-building/_bulk"),
            ("es:ESHttpPut", "{prefix}-products-first"),
            ("es:ESHttpGet", LIVE),
            ("es:ESHttpDelete", "{prefix}-products-first"),
        ],
        Work::Rebuild => &[
            ("es:ESHttpGet", LIVE),
            ("es:ESHttpGet", BUILDING),
            ("es:ESHttpPut", "{prefix}-products-*"),
            ("es:ESHttpPost", "_aliases"),
            ("es:ESHttpPost", "{prefix}-products-building/_bulk"),
            ("es:ESHttpPost", "{prefix}-products-building/_refresh"),
            ("es:ESHttpPost", "{prefix}-products/_refresh"),
        ],
        Work::Watch => &[
            ("es:ESHttpGet", ""),
            ("es:ESHttpGet", LIVE),
            ("es:ESHttpGet", BUILDING),
            ("es:ESHttpGet", "{prefix}-products/_count"),
        ],
    };
    all.iter().map(|(action, path)| Grant::new(&[*action], Resource::Search { path })).collect()
}

/// `OpenSearch`.
pub struct OpenSearch {
    client: SignedClient,
    /// The alias of the index that is searched.
    live: String,
    /// The alias of the index that is being built.
    building: String,
    language: String,
    shards: u32,
}

impl OpenSearch {
    /// The one of the configuration. Nothing is sent yet.
    pub fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self::with(platform, SignedClient::connect(platform, url(platform)?)?))
    }

    /// Over another transport to it: recorded answers.
    pub fn over(platform: &Platform, transport: Transport) -> Result<Self, ConfigError> {
        Ok(Self::with(platform, SignedClient::over(platform, url(platform)?, transport)?))
    }

    fn with(platform: &Platform, client: SignedClient) -> Self {
        let config = platform.config();
        let live = format!("{}-products", config.prefix);
        let (language, shards) = (config.language.clone(), config.opensearch_shards);
        Self { client, building: format!("{live}-building"), live, language, shards }
    }

    fn index(&self, generation: &Generation) -> String {
        format!("{}-{}", self.live, generation.as_str())
    }

    fn generation(&self, index: &str) -> Option<Generation> {
        Generation::parse(index.strip_prefix(&self.live)?.strip_prefix('-')?)
    }

    async fn send(&self, method: &'static str, path: String, body: String, tries: Tries) -> Done<Reply> {
        let kind = if path.contains("_bulk") { "application/x-ndjson" } else { "application/json" };
        let headers = if body.is_empty() { Vec::new() } else { vec![("content-type", kind.to_owned())] };
        let request = Request { method, path, headers, body };
        self.client.send(&request, tries).await.map_err(|error| match error {
            Unanswered::Open => SearchError::Unavailable("it failed too often just now".into()),
            Unanswered::NoAnswer(why) => SearchError::Unavailable(why),
        })
    }

    /// Sends, and takes nothing but success.
    async fn expect(&self, method: &'static str, path: String, body: &Value, tries: Tries) -> Done<Reply> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.send(method, path, text, tries).await?;
        if reply.status < 300 { Ok(reply) } else { Err(refused(&reply)) }
    }

    /// The body of an answer to a search. Without an index there are no hits. Pages of one question come from one copy of
    /// each shard while it stands: copies differ a little in their scores.
    async fn ask(&self, body: &Value, same: &str) -> Done<Vec<u8>> {
        let path = format!("/{}/_search?ignore_unavailable=true&preference={same}", self.live);
        Ok(self.expect("POST", path, body, QUESTION).await?.body)
    }

    /// The indexes behind an alias.
    async fn behind(&self, alias: &str) -> Done<Vec<String>> {
        let reply = self.send("GET", format!("/_alias/{alias}"), String::new(), WORK).await?;
        match reply.status {
            404 => Ok(Vec::new()),
            200 => read(answer::aliased(&reply.body)),
            _ => Err(refused(&reply)),
        }
    }

    async fn is_building(&self, generation: &Generation) -> Done<()> {
        let building = self.behind(&self.building).await?.contains(&self.index(generation));
        if building { Ok(()) } else { Err(SearchError::NotBuilding(generation.as_str().to_owned())) }
    }

    /// Makes an index under an alias. That it is there already is as good.
    async fn create(&self, index: &str, alias: &str) -> Done<()> {
        let body = index::body(&self.language, self.shards, alias);
        let reply = self.send("PUT", format!("/{index}"), body.to_string(), WORK).await?;
        let (kind, _) = answer::error(&reply.body);
        match reply.status {
            200..=299 => Ok(()),
            400 if kind == "resource_already_exists_exception" => Ok(()),
            _ => Err(refused(&reply)),
        }
    }

    /// Makes an index to be searched where there is none. An index that took over meanwhile stays, and this one goes: who acts
    /// second sees both (see [`Self::alone`]).
    async fn create_first(&self) -> Done<()> {
        let first = format!("{}-{FIRST}", self.live);
        self.create(&first, &self.live).await?;
        if self.behind(&self.live).await?.iter().all(|index| *index == first) {
            return Ok(());
        }
        let reply = self.send("DELETE", format!("/{first}"), String::new(), WORK).await?;
        if reply.status < 300 || reply.status == 404 { Ok(()) } else { Err(refused(&reply)) }
    }

    /// Drops whatever else is searched beside an index that took over: a first one that was made at the same time. What was
    /// written to it alone was read before this one was begun, and so it has that or later.
    async fn alone(&self, index: &str) -> Done<()> {
        let beside = |mut all: Vec<String>| {
            all.retain(|one| one != index);
            all
        };
        let others = beside(self.behind(&self.live).await?);
        let dropped = self.drop_all(&others).await;
        // Who made it may have dropped it just now.
        if dropped.is_err() && beside(self.behind(&self.live).await?).is_empty() { Ok(()) } else { dropped }
    }

    /// Changes aliases and drops indexes: all of it, or nothing.
    async fn change(&self, actions: &[Value]) -> Done<()> {
        self.expect("POST", "/_aliases".into(), &json!({ "actions": actions }), WORK).await.map(drop)
    }

    async fn refresh_(&self, alias: &str) -> Done<()> {
        let path = format!("/{alias}/_refresh?ignore_unavailable=true");
        self.expect("POST", path, &Value::Null, WORK).await.map(drop)
    }

    /// Sends writes to the index behind an alias. Without such an index each is answered so, and none is made.
    async fn bulk(&self, alias: &str, writes: &[Write]) -> Done<Vec<Item>> {
        let path = format!("/{alias}/_bulk?require_alias=true&filter_path=items.*.status,items.*.error");
        let mut items = Vec::with_capacity(writes.len());
        let mut body = String::new();
        let mut so_far = 0;
        for write in writes {
            let lines = lines(write);
            if !body.is_empty() && body.len() + lines.len() > BULK_BYTES {
                items.extend(self.piece(&path, std::mem::take(&mut body), so_far - items.len()).await?);
            }
            body.push_str(&lines);
            so_far += 1;
        }
        if !body.is_empty() {
            items.extend(self.piece(&path, body, so_far - items.len()).await?);
        }
        Ok(items)
    }

    async fn piece(&self, path: &str, body: String, writes: usize) -> Done<Vec<Item>> {
        let reply = self.send("POST", path.to_owned(), body, WORK).await?;
        match reply.status {
            200 => {
                let items = read(answer::written(&reply.body))?;
                if items.len() == writes { Ok(items) } else { Err(unread("an answer to fewer writes than were sent")) }
            }
            _ => Err(refused(&reply)),
        }
    }

    async fn write_live(&self, writes: &[Write]) -> Done<Vec<Written>> {
        // In this order: an index that begins to be built after this look is filled with what the catalogue says after it.
        let building = self.behind(&self.building).await?;
        let mut items = self.bulk(&self.live, writes).await?;
        if items.contains(&Item::NoIndex) {
            self.create_first().await?;
            items = self.bulk(&self.live, writes).await?;
        }
        let live: Vec<Written> = items.into_iter().map(of_item).collect();
        if building.is_empty() {
            return Ok(live);
        }
        // One that is finished meanwhile is the one that is searched, and gone one matters to nobody.
        let also = self.bulk(&self.building, writes).await?;
        Ok(live.into_iter().zip(also).map(|(live, also)| both(live, also)).collect())
    }

    async fn write_building(&self, generation: &Generation, writes: &[Write]) -> Done<Vec<Written>> {
        self.is_building(generation).await?;
        let items = self.bulk(&self.building, writes).await?;
        if items.contains(&Item::NoIndex) {
            return Err(SearchError::NotBuilding(generation.as_str().to_owned()));
        }
        Ok(items.into_iter().map(of_item).collect())
    }

    async fn begin_(&self, generation: &Generation) -> Done<()> {
        let index = self.index(generation);
        let building = self.behind(&self.building).await?;
        if building.contains(&index) || self.behind(&self.live).await?.contains(&index) {
            return Ok(());
        }
        self.drop_all(&building).await?;
        self.create(&index, &self.building).await
    }

    async fn drop_all(&self, indexes: &[String]) -> Done<()> {
        let gone: Vec<Value> = indexes.iter().map(|index| json!({ "remove_index": { "index": index } })).collect();
        if gone.is_empty() { Ok(()) } else { self.change(&gone).await }
    }

    async fn finish_(&self, generation: &Generation) -> Done<()> {
        let index = self.index(generation);
        let live = self.behind(&self.live).await?;
        if live.contains(&index) {
            return self.alone(&index).await;
        }
        self.is_building(generation).await?;
        self.refresh_(&self.building).await?;
        let mut actions = vec![
            json!({ "remove": { "index": index, "alias": self.building } }),
            // Writes go to this one even while another stands beside it.
            json!({ "add": { "index": index, "alias": self.live, "is_write_index": true } }),
        ];
        actions.extend(live.iter().map(|old| json!({ "remove_index": { "index": old } })));
        let changed = self.change(&actions).await;
        // A repeated request finds its work done, and the old index gone.
        if changed.is_err() && !self.behind(&self.live).await?.contains(&index) {
            return changed;
        }
        self.alone(&index).await
    }

    async fn abandon_(&self, generation: &Generation) -> Done<()> {
        let index = self.index(generation);
        if self.behind(&self.building).await?.contains(&index) { self.drop_all(&[index]).await } else { Ok(()) }
    }

    async fn health_(&self) -> Done<Health> {
        let root = self.expect("GET", "/".into(), &Value::Null, QUESTION).await?;
        let root: Value = serde_json::from_slice(&root.body).unwrap_or_default();
        let version = &root["version"];
        let said = |name: &str| version[name].as_str().unwrap_or_default().to_owned();
        let live = self.behind(&self.live).await?;
        let building = self.behind(&self.building).await?;
        let mut products = 0;
        if !live.is_empty() {
            let reply = self.expect("GET", format!("/{}/_count", self.live), &Value::Null, QUESTION).await?;
            let counted: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            products = counted["count"].as_u64().ok_or_else(|| unread("a count without a number"))?;
        }
        let one = |all: &[String]| all.first().and_then(|index| self.generation(index));
        let engine = format!("{} {}", said("distribution"), said("number"));
        Ok(Health { engine, live: one(&live), building: one(&building), products })
    }

    async fn suggest_(&self, typed: &Typed) -> Done<Suggested> {
        match ask::suggest(typed) {
            Some(body) => read(answer::suggested(&self.ask(&body, "suggest").await?)),
            None => Ok(Suggested::default()),
        }
    }

    async fn spellings_(&self, words: &[String]) -> Done<Vec<Vec<Spelling>>> {
        if !words.iter().any(|word| ask::spellable(word)) {
            return Ok(vec![Vec::new(); words.len()]);
        }
        read(answer::spelt(words, &self.ask(&ask::spellings(words), "spell").await?))
    }
}

fn url(platform: &Platform) -> Result<&str, ConfigError> {
    let url = platform.config().opensearch_url.as_deref();
    url.ok_or_else(|| ConfigError::one("OXCART_OPENSEARCH_URL is not set, and OXCART_SEARCH is `opensearch`"))
}

/// What became of a write that went to two indexes: it is done when both have it. Stale in one of them is enough to be told
/// so only when it is in both: the other one has just got it.
fn both(live: Written, also: Item) -> Written {
    match (live, also) {
        (worse @ (Written::Failed(_) | Written::Refused(_)), _) => worse,
        (_, Item::Written(worse @ (Written::Failed(_) | Written::Refused(_)))) => worse,
        (live, _) => live,
    }
}

fn of_item(item: Item) -> Written {
    match item {
        Item::Written(written) => written,
        Item::NoIndex => Written::Failed("there is no index".into()),
    }
}

/// A write as lines of a bulk.
fn lines(write: &Write) -> String {
    let about = json!({ "_id": write.id(), "version": write.version(), "version_type": "external" });
    match write {
        Write::Put(entry) => format!("{}\n{}\n", json!({ "index": about }), index::document(entry)),
        Write::Remove { .. } => format!("{}\n", json!({ "delete": about })),
    }
}

fn read<T>(read: Read<T>) -> Done<T> {
    read.map_err(|why| unread(&why))
}

/// An answer that cannot be read is none.
fn unread(why: &str) -> SearchError {
    SearchError::Unavailable(why.to_owned())
}

fn refused(reply: &Reply) -> SearchError {
    let (kind, why) = answer::error(&reply.body);
    let text = format!("status {}, {kind}: {why}", reply.status);
    if reply.status >= 500 { SearchError::Unavailable(text) } else { SearchError::Refused(text) }
}

impl SearchEngine for OpenSearch {
    fn search<'a>(&'a self, query: &'a Query) -> Answer<'a, Found> {
        Box::pin(async move {
            // The same for all pages of one question.
            let (after, without) = (None, Vec::new());
            let same = Query { after, without, facets: false, limit: 0, ..query.clone() };
            let same = kernel::id::fingerprint(&[format!("{same:?}").as_bytes()]);
            read(answer::found(query, &self.ask(&ask::search(query), &same).await?))
        })
    }

    fn suggest<'a>(&'a self, typed: &'a Typed) -> Answer<'a, Suggested> {
        Box::pin(self.suggest_(typed))
    }

    fn spellings<'a>(&'a self, words: &'a [String]) -> Answer<'a, Vec<Vec<Spelling>>> {
        Box::pin(self.spellings_(words))
    }

    fn write<'a>(&'a self, target: Target<'a>, writes: &'a [Write]) -> Answer<'a, Vec<Written>> {
        Box::pin(async move {
            match target {
                _ if writes.is_empty() => Ok(Vec::new()),
                Target::Live => self.write_live(writes).await,
                Target::Building(generation) => self.write_building(generation, writes).await,
            }
        })
    }

    fn refresh(&self) -> Answer<'_, ()> {
        Box::pin(self.refresh_(&self.live))
    }

    fn begin<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(self.begin_(generation))
    }

    fn finish<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(self.finish_(generation))
    }

    fn abandon<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(self.abandon_(generation))
    }

    fn health(&self) -> Answer<'_, Health> {
        Box::pin(self.health_())
    }
}
