//! What the mails say: an order and what happened to it become subject, text and HTML.
//!
//! Templates stand in `templates/` and are in the binary. HTML is escaped by the engine, whatever a product or a person is
//! called; text is kept on one line a value, so that nobody's name can pretend to be the shop's words.

use std::sync::LazyLock;

use kernel::Money;
use minijinja::{Environment, Value, context};
use orders::Order;
use serde::Serialize;

use crate::mailbox::one_line;
use crate::notice::NoticeKind;

/// Subject, text and HTML of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The subject.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As HTML.
    pub html: String,
}

/// One template: its name decides whether values are escaped.
type Template = (&'static str, &'static str);

const LAYOUT: Template = ("layout.html", include_str!("../templates/layout.html"));
const TEMPLATES: &[Template] = &[
    LAYOUT,
    ("order-paid.html", include_str!("../templates/order-paid.html")),
    ("order-paid.txt", include_str!("../templates/order-paid.txt")),
    ("order-expired.html", include_str!("../templates/order-expired.html")),
    ("order-expired.txt", include_str!("../templates/order-expired.txt")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
});

/// What a template sees of an order: text only, each on one line.
#[derive(Serialize)]
struct View {
    number: String,
    name: String,
    placed: String,
    lines: Vec<LineView>,
    subtotal: String,
    discount: Option<String>,
    shipping: String,
    tax: Option<String>,
    tax_included: bool,
    total: String,
    address: Vec<String>,
    shipping_method: String,
    link: Option<String>,
}

#[derive(Serialize)]
struct LineView {
    name: String,
    sku: String,
    quantity: u32,
    unit_price: String,
    line_total: String,
}

fn view(order: &Order, link: Option<&str>) -> View {
    let totals = &order.totals;
    let unless_zero = |money: Money| (money.amount != 0).then(|| money.to_string());
    // With the tax contained in the prices, the total is what the rest adds up to.
    let without_tax = totals.subtotal.amount - totals.discount.amount + totals.shipping.amount;
    let lines = order.lines.iter().map(|line| LineView {
        name: one_line(&line.name),
        sku: line.sku.to_string(),
        quantity: line.quantity,
        unit_price: line.unit_price.to_string(),
        line_total: line.line_total.to_string(),
    });
    let to = &order.shipping_address;
    let town = format!("{} {}", to.postal_code, to.city);
    let parts = [&to.name, &to.line1, to.line2.as_ref().unwrap_or(&to.name), &town, to.region.as_ref().unwrap_or(&town)];
    let mut address: Vec<String> = parts.iter().map(|part| one_line(part)).collect();
    address.push(to.country.to_string());
    address.dedup();
    View {
        number: order.number.clone(),
        name: one_line(&to.name),
        placed: order.created_at.day(),
        lines: lines.collect(),
        subtotal: totals.subtotal.to_string(),
        discount: unless_zero(totals.discount),
        shipping: totals.shipping.to_string(),
        tax: unless_zero(totals.tax),
        tax_included: without_tax == totals.total.amount,
        total: totals.total.to_string(),
        address,
        shipping_method: one_line(&order.shipping_method),
        link: link.map(str::to_owned),
    }
}

/// Writes the letter about an order. `link` shows the order to whoever has it.
pub fn write(order: &Order, kind: NoticeKind, link: Option<&str>) -> Result<Letter, minijinja::Error> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| minijinja::Error::new(error.kind(), error.to_string()))?;
    let (name, subject) = match kind {
        NoticeKind::OrderPaid => ("order-paid", format!("Your order {} is confirmed", order.number)),
        NoticeKind::OrderExpired => ("order-expired", format!("Your order {} was not paid in time", order.number)),
    };
    let view = Value::from_serialize(view(order, link));
    let text = environment.get_template(&format!("{name}.txt"))?.render(context! { order => view })?;
    let inner = environment.get_template(&format!("{name}.html"))?.render(context! { order => view })?;
    let content = Value::from_safe_string(inner);
    let html = environment.get_template(LAYOUT.0)?.render(context! { title => subject, content })?;
    Ok(Letter { subject, text, html })
}
