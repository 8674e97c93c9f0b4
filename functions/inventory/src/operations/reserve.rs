//! `POST /v1/reservations`: another sales channel holds units.

use std::time::Duration;

use aws::{BoxFuture, Capability, ConfigError, Grant, Platform};
use kernel::limits::{LINE_QUANTITY, RESERVATION_LINES, RESERVATION_SECONDS};
use kernel::problem::code;
use kernel::{Country, Handle, Problem, ReservationId};
use lambda::{Auth, Call, Cx, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::allocation::{AllotStock, EndOverdue, Operation, Outlook, Shortage, too_few};
use crate::desk::ReservationDesk;
use crate::reservation::{Reservation, ReservationView, ReservedLine, State, Verdict, summed};
use crate::settings::WEB;
use crate::stock::CounterKey;
use crate::table::{DecideReservation, Decided, LoadReservation, OpenReservation};

/// What a channel wants to hold.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReserveRequest {
    /// The sales channel, as in `pos-berlin`.
    channel: Handle,
    /// What.
    #[schemars(length(min = 1, max = RESERVATION_LINES))]
    lines: Vec<ReservedLine>,
    /// For how long, in seconds.
    #[schemars(range(min = 1, max = RESERVATION_SECONDS))]
    hold_seconds: u32,
    /// Where the goods go: its warehouses come first.
    country: Option<Country>,
    /// The one warehouse that may serve it, as of a shop's own till.
    warehouse: Option<Handle>,
}

/// What reserving takes.
#[derive(Clone)]
struct Reserving {
    open: OpenReservation,
    load: LoadReservation,
    decide: DecideReservation,
    stock: AllotStock,
    desk: ReservationDesk,
}

impl Capability for Reserving {
    fn grants() -> Vec<Grant> {
        let record = [OpenReservation::grants(), LoadReservation::grants(), DecideReservation::grants()].concat();
        [record, AllotStock::grants(), ReservationDesk::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            open: OpenReservation::connect(platform)?,
            load: LoadReservation::connect(platform)?,
            decide: DecideReservation::connect(platform)?,
            stock: AllotStock::connect(platform)?,
            desk: ReservationDesk::connect(platform)?,
        })
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("reserve", "/v1/reservations")
        .summary("Hold units for another sales channel, with the guarantees of the shop's own checkout")
        .auth(Auth::CHANNEL)
        .idempotency(Idempotency::Derived)
        .throttle(Throttle::Checkout)
        .reply::<ReservationView>(201, "all units are held")
        .problems(&[
            code::WAREHOUSE_NOT_FOUND,
            code::OUT_OF_STOCK,
            code::ALL_HELD,
            code::RESERVATION_DECIDED,
            code::KEY_REUSED,
        ])
        .handle(handle)
        .timeout(20)
}

async fn handle(call: Call<Nothing, Nothing, ReserveRequest>, reserving: Reserving) -> Result<Reply, Problem> {
    let (cx, asked) = (call.cx.clone(), reservation(call.body, &call.cx)?);
    cx.note("reservation", &asked.id);
    let skus: Vec<_> = asked.lines.iter().map(|line| line.sku.clone()).collect();
    let op = asked.id.op();
    let outlook = reserving.stock.outlook(&operation(&asked, &op), &skus, &cx).await?;
    if let Some(id) = asked.warehouse.as_deref().filter(|id| !outlook.has_warehouse(id)) {
        return Err(Problem::new(code::WAREHOUSE_NOT_FOUND, format!("there is no warehouse `{id}`")));
    }
    let planned = reserving.stock.plan(&operation(&asked, &op), &asked.wanted(), &outlook, &cx).await;
    let parts = match planned {
        Ok(parts) => parts,
        // What this very call held before may be all there was.
        Err(shortage) => match reserving.load.load(&asked.id).await? {
            Some(standing) if standing.status == State::Pending => standing.parts,
            Some(standing) => return answer(standing, &asked),
            None => return Err(refusal(shortage, &cx)),
        },
    };
    let asked = Reservation { parts, ..asked };
    let standing = match reserving.open.open(&asked).await? {
        None => asked.clone(),
        Some(before) if before.fingerprint != asked.fingerprint || before.status != State::Pending => {
            return answer(before, &asked);
        }
        Some(before) => before,
    };
    reserving.hold(standing, &outlook, &cx).await
}

fn reservation(body: ReserveRequest, cx: &Cx) -> Result<Reservation, Problem> {
    if body.channel.as_str() == WEB {
        return Err(Problem::field("/channel", "must be another channel than the shop's own, `web`"));
    }
    let lines = summed(body.lines);
    if let Some(index) = lines.iter().position(|line| line.quantity > LINE_QUANTITY) {
        let detail = format!("the lines of `{}` add up to more than {LINE_QUANTITY}", lines[index].sku);
        return Err(Problem::field("/lines", detail));
    }
    let now = cx.now();
    Ok(Reservation {
        id: ReservationId::new(cx.seed()),
        channel: body.channel.to_string(),
        actor: cx.actor(),
        status: State::Pending,
        lines,
        country: body.country,
        warehouse: body.warehouse.map(|id| id.to_string()),
        parts: Vec::new(),
        fingerprint: cx.fingerprint().to_owned(),
        version: 1,
        created_at: now,
        expires_at: now.after(Duration::from_secs(body.hold_seconds.into())),
        updated_at: now,
    })
}

/// The operation behind a reservation; `op` is its name in the counters.
fn operation<'a>(reservation: &'a Reservation, op: &'a str) -> Operation<'a> {
    Operation {
        op,
        created: reservation.created_at,
        deadline: reservation.expires_at,
        channel: Some(&reservation.channel),
        country: reservation.country.as_ref(),
        warehouse: reservation.warehouse.as_deref(),
    }
}

fn refusal(shortage: Shortage, cx: &Cx) -> Problem {
    match shortage {
        Shortage::Short(lines) => too_few(&lines, cx.now()),
        Shortage::Busy(problem) => problem,
        Shortage::Decided | Shortage::TooLate | Shortage::Tangled => {
            Problem::new(code::RESERVATION_DECIDED, "this attempt cannot go on; use a fresh Idempotency-Key")
        }
    }
}

impl Reserving {
    async fn hold(&self, standing: Reservation, outlook: &Outlook, cx: &Cx) -> Result<Reply, Problem> {
        let end = |key: CounterKey, op: String| -> BoxFuture<'_, Result<bool, Problem>> {
            Box::pin(async move {
                // An overdue order of the shop is ended by its own worker, which asks the payment provider first.
                let Some(other) = ReservationId::from_op(&op) else { return Ok(false) };
                Ok(self.desk.end(&key, &other, cx.now()).await?)
            })
        };
        let end: &EndOverdue<'_> = &end;
        let (op, wanted) = (standing.id.op(), standing.wanted());
        let attempt = self.stock.hold(&operation(&standing, &op), &wanted, &standing.parts, outlook, end, cx).await;
        match attempt.result {
            Ok(parts) => match self.decide.held(&standing.id, &parts, cx.now()).await? {
                Decided::Now(held) => answer(*held, &standing),
                Decided::Before(before) => answer(*before, &standing),
                Decided::Missing => Err(Problem::internal("the reservation is gone")),
            },
            Err(Shortage::Busy(problem)) => Err(problem),
            Err(shortage) => {
                let decided = self.desk.decide(&standing.id, Verdict::Refuse, cx.now()).await?;
                for key in &attempt.touched {
                    self.desk.move_hold(key, &standing.id, decided.as_ref(), cx.now()).await?;
                }
                match decided {
                    Some(before) if before.status != State::Refused => answer(before, &standing),
                    _ => Err(refusal(shortage, cx)),
                }
            }
        }
    }
}

/// What the call that made a reservation reads of it.
fn answer(standing: Reservation, asked: &Reservation) -> Result<Reply, Problem> {
    if standing.fingerprint != asked.fingerprint {
        return Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"));
    }
    let location = format!("/v1/reservations/{}", standing.id);
    match standing.status {
        State::Held | State::Committed => {
            let version = standing.version;
            Ok(Reply::created(&ReservationView::from(standing), &location).version(version))
        }
        status => Err(decided(&standing, &format!("it is {}", status.as_str()))),
    }
}

/// A reservation that is not what the caller wants it to be.
pub(super) fn decided(standing: &Reservation, detail: &str) -> Problem {
    let problem = Problem::new(code::RESERVATION_DECIDED, detail.to_owned());
    problem.with("reservation", &standing.id).with("reservation_status", standing.status)
}
