//! The worker of the queue `alert-low-stock`: tells staff, once, that an item has to be ordered again.

use std::time::Duration;

use aws::{Capability, ConfigError, Grant, Platform, QueueSpec};
use inventory::StockSank;
use inventory::settings::Tracking;
use inventory::table::{NoteLow, ReadStock};
use kernel::Sku;
use lambda::{Consumer, Delivery, Fault, Function};

use crate::mailbox::Mailbox;
use crate::mime::Mail;
use crate::post::{Mailer, PostError};

/// Items of which a counter sank to the threshold.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "alert-low-stock", fifo: false, visibility_s: 180, max_receives: 5, max_age_alarm_s: 900 };

/// Where mail to staff goes.
#[derive(Clone)]
struct Staff(Mailbox);

impl Capability for Staff {
    fn grants() -> Vec<Grant> {
        Vec::new()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let mailbox = Mailbox::parse(&platform.config().staff_mail);
        mailbox.map(Self).ok_or_else(|| ConfigError::one("OXCART_STAFF_MAIL must be `address` or `Name <address>`"))
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("alert-low-stock")
        .summary("Tells staff, once, that an item is low, until units come in again")
        .queue(&QUEUE, handle)
}

async fn handle(
    delivery: Delivery<StockSank>,
    (stock, low, mailer, staff): (ReadStock, NoteLow, Mailer, Staff),
) -> Result<(), Fault> {
    let Delivery { event, cx, .. } = delivery;
    let sku = &event.data.sku;
    // Most come when staff was told long ago: then the settings are all that is read.
    let first = stock.first_look(std::slice::from_ref(sku), &[], &[], false, true).await?.settings(sku);
    if first.low_told_by.as_ref().is_some_and(|by| *by != event.id) {
        return Ok(());
    }
    let snapshot = stock.counters(sku, &first.counters(sku), true).await?;
    let settings = snapshot.settings(sku);
    let keys = settings.counters(sku);
    let units: i64 = keys.iter().map(|key| snapshot.counter(key).available).sum();
    if units > settings.low_at || settings.tracking == Tracking::None {
        return Ok(());
    }
    if !low.told(sku, &event.id, cx.now()).await? {
        return Ok(());
    }
    cx.count("LowStock", 1);
    cx.note("low_stock", sku);
    let mail = Mail {
        id: event.id.clone(),
        time: event.time,
        date: cx.now(),
        to: staff.0,
        subject: format!("Low stock: {sku}, {units} left"),
        text: text(sku, units, settings.low_at),
        html: format!("<p>{}</p>\n", text(sku, units, settings.low_at)),
    };
    match mailer.send(&mail).await {
        Ok(()) => Ok(()),
        Err(PostError::Busy(reason)) => Err(Fault::Retry(Duration::from_secs(60), reason)),
        Err(PostError::Refused(reason)) => Err(Fault::Permanent(reason)),
        Err(PostError::Invalid(reason)) => Err(Fault::Poison(reason)),
    }
}

/// A SKU has no character that HTML reads.
fn text(sku: &Sku, units: i64, low_at: i64) -> String {
    format!(
        "{units} units of {sku} can still be sold; the threshold is {low_at}. This is said once, until units come in."
    )
}
