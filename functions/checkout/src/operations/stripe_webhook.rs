//! `POST /v1/payments/webhooks/stripe`: the payment provider reports by itself.
//!
//! One conditional write keeps the report, and that is all: the stream carries it to the worker that settles, which can try
//! again where this cannot. Reports come twice, late and in any order; none of it matters to the one settle command.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Alarm, Call, Function, Http, Idempotency, Reply};
use payments::{EventError, PaymentReports};
use schemars::JsonSchema;
use serde::Serialize;

use crate::reports::{KeepReport, Report};

/// What the provider is told.
#[derive(Serialize, JsonSchema)]
struct Received {
    /// Always true: it need not be sent again.
    received: bool,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("stripe-webhook", "/v1/payments/webhooks/stripe")
        .summary("The payment provider reports what happened to a payment, signed")
        .idempotency(Idempotency::Inherent)
        .reply::<Received>(200, "it is kept")
        .problems(&[code::WEBHOOK_SIGNATURE])
        .handle(handle)
        .alarm(Alarm { metric: "WebhooksRefused", threshold: 20, period_s: 300, periods: 1 })
}

async fn handle(call: Call, (provider, reports): (PaymentReports, KeepReport)) -> Result<Reply, Problem> {
    let cx = call.cx;
    let signature = cx.header("stripe-signature").unwrap_or_default();
    let event = match provider.read(signature, cx.raw_body(), cx.now()).await {
        Ok(event) => event,
        Err(error) => {
            cx.count("WebhooksRefused", 1);
            return Err(match error {
                EventError::Forged | EventError::Old(_) | EventError::Unreadable(_) => {
                    Problem::new(code::WEBHOOK_SIGNATURE, error.to_string())
                }
                EventError::NoSecret(_) => Problem::new(code::PROVIDER_UNAVAILABLE, "try again").because(error),
            });
        }
    };
    cx.note("report", &event.id);
    if let Some(report) = Report::of(event, cx.now()) {
        cx.note("order", &report.order);
        let fresh = reports.keep(&report).await?;
        cx.note("repeated", !fresh);
    }
    Ok(Reply::ok(&Received { received: true }))
}
