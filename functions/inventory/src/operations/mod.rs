//! One module an endpoint or worker.

pub mod adjust_stock;
pub mod check_drift;
pub mod commit_reservation;
pub mod confirm_holds;
pub mod expire_reservations;
pub mod get_availability;
pub mod get_reservation;
pub mod get_stock;
pub mod get_stock_settings;
pub mod get_transfer;
pub mod get_warehouses;
pub mod list_ledger;
pub mod receive_stock;
pub mod receive_transfer;
pub mod release_reservation;
pub mod request_admission;
pub mod reserve;
pub mod set_shards;
pub mod set_stock_settings;
pub mod set_warehouses;
pub mod transfer_stock;
pub mod write_ledger;

use kernel::counter::{Counter, Refusal};
use kernel::problem::code;
use kernel::{Handle, Problem, ReservationId, Sku, TransferId};
use lambda::{Call, Cx, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::reservation::{ReservationView, State, Verdict};
use crate::settings::{MAIN, Warehouses};
use crate::stock::{CounterKey, InTransit, Stock};
use crate::table::{DecideReservation, Decided, Moved, ReadSettings, ReadStock, Snapshot};

/// The SKU in a path.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct SkuPath {
    /// The SKU.
    pub sku: Sku,
}

/// The reservation in a path.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ReservationPath {
    /// The reservation.
    pub id: String,
}

impl ReservationPath {
    /// The id. What cannot be one belongs to no reservation, so the answer is the same.
    pub(crate) fn id(&self) -> Result<ReservationId, Problem> {
        ReservationId::parse(&self.id).ok_or_else(crate::desk::no_reservation)
    }
}

/// The transfer in a path.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct TransferPath {
    /// The transfer.
    pub id: String,
}

impl TransferPath {
    pub(crate) fn id(&self) -> Result<TransferId, Problem> {
        TransferId::parse(&self.id).ok_or_else(no_transfer)
    }
}

pub(crate) fn no_transfer() -> Problem {
    Problem::new(code::TRANSFER_NOT_FOUND, "there is no such transfer")
}

pub(crate) fn no_such_sku(sku: &Sku) -> Problem {
    Problem::new(code::SKU_NOT_FOUND, format!("`{sku}` was never stocked"))
}

/// Refuses a warehouse that the shop does not have. `main` is in every shop, and costs no look.
pub(crate) async fn check_warehouse(settings: &ReadSettings, id: &Handle) -> Result<(), Problem> {
    if id.as_str() == MAIN {
        return Ok(());
    }
    let (shop, _) = settings.warehouses().await?;
    if shop.has(id.as_str()) { Ok(()) } else { Err(no_such_warehouse(id, &shop)) }
}

fn no_such_warehouse(id: &Handle, shop: &Warehouses) -> Problem {
    let all: Vec<&str> = shop.warehouses.iter().map(|warehouse| warehouse.id.as_str()).collect();
    let detail = format!("there is no warehouse `{id}`; there is {}", all.join(", "));
    Problem::new(code::WAREHOUSE_NOT_FOUND, detail).with("allowed", all)
}

/// The operation id of a movement by staff: from the `Idempotency-Key` when one was sent.
pub(crate) fn movement_op(cx: &Cx) -> String {
    format!("m{}", &kernel::id::fingerprint(&[&cx.seed()])[..11])
}

/// The books of an item in a look at all of its counters; `None` when it was never stocked.
pub(crate) fn stock_of(sku: &Sku, snapshot: &Snapshot) -> Option<Stock> {
    let settings = snapshot.settings(sku);
    let keys = settings.books(sku);
    let counters = keys.iter().filter_map(|key| Some((key, snapshot.counters.get(key)?)));
    let in_transit: Vec<InTransit> = settings.in_transit.values().cloned().collect();
    let stock = Stock { in_transit, ..Stock::of(sku.clone(), counters) };
    (!stock.items.is_empty() || snapshot.settings.contains_key(sku)).then_some(stock)
}

/// The books of an item, as they stand now.
pub(crate) async fn read_stock(stock: &ReadStock, sku: &Sku) -> Result<Stock, Problem> {
    let snapshot = stock.all(std::slice::from_ref(sku), true, true).await?;
    stock_of(sku, &snapshot).ok_or_else(|| no_such_sku(sku))
}

/// The books as an answer; with the version of its counter when the item is in one piece.
pub(crate) fn answer_stock(stock: &Stock) -> Reply {
    let reply = Reply::ok(stock);
    match stock.version() {
        Some(version) => reply.version(version),
        None => reply,
    }
}

/// The counter after a movement by staff, or why it did not move.
pub(crate) fn moved(key: &CounterKey, moved: Moved) -> Result<Counter, Problem> {
    match moved {
        Moved::Yes(counter) => Ok(counter),
        Moved::Unknown => Err(no_such_sku(&key.sku)),
        Moved::No(Refusal::OtherRequest, _) => {
            Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"))
        }
        Moved::No(Refusal::OtherVersion { rev }, _) => {
            Err(Problem::new(code::VERSION_MISMATCH, format!("the counter is in version {rev} now"))
                .with("version", rev))
        }
        Moved::No(_, counter) => Err(below_held(counter.available, counter.held())),
    }
}

pub(crate) fn below_held(available: i64, held: i64) -> Problem {
    let detail = format!("{available} units are available and {held} are held");
    Problem::new(code::BELOW_HELD, detail).with("available", available).with("held", held)
}

/// Decides a reservation as its channel asks; the stream then moves its holds. What was decided otherwise is told.
pub(crate) async fn settle_reservation(
    call: &Call<ReservationPath>,
    reservations: &DecideReservation,
    verdict: Verdict,
    wanted: State,
) -> Result<Reply, Problem> {
    let standing = match reservations.decide(&call.path.id()?, verdict, call.cx.now()).await? {
        Decided::Now(standing) | Decided::Before(standing) => *standing,
        Decided::Missing => return Err(crate::desk::no_reservation()),
    };
    call.cx.note("reservation_status", standing.status);
    if standing.status == wanted {
        let version = standing.version;
        return Ok(Reply::ok(&ReservationView::from(standing)).version(version));
    }
    let detail = match standing.status {
        State::Pending => "its units are not all held yet".to_owned(),
        status => format!("it is {} since {}", status.as_str(), standing.updated_at),
    };
    Err(reserve::decided(&standing, &detail))
}
