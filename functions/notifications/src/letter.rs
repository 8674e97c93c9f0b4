//! What the mails say: an order or an account, and what happened to it, become subject, text and HTML.
//!
//! Templates stand in `templates/` and are in the binary. HTML is escaped by the engine, whatever a product or a person is
//! called; text is kept on one line a value, so that nobody's name can pretend to be the shop's words.

use std::sync::LazyLock;

use kernel::Money;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use orders::Order;
use serde::Serialize;

use crate::mailbox::one_line;
use crate::notice::{AccountNoticeKind, NoticeKind};

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
    ("order-declined.html", include_str!("../templates/order-declined.html")),
    ("order-declined.txt", include_str!("../templates/order-declined.txt")),
    ("order-refunded.html", include_str!("../templates/order-refunded.html")),
    ("order-refunded.txt", include_str!("../templates/order-refunded.txt")),
    ("order-expired.html", include_str!("../templates/order-expired.html")),
    ("order-expired.txt", include_str!("../templates/order-expired.txt")),
    ("password-reset.html", include_str!("../templates/password-reset.html")),
    ("password-reset.txt", include_str!("../templates/password-reset.txt")),
    ("email-change.html", include_str!("../templates/email-change.html")),
    ("email-change.txt", include_str!("../templates/email-change.txt")),
    ("email-change-asked.html", include_str!("../templates/email-change-asked.html")),
    ("email-change-asked.txt", include_str!("../templates/email-change-asked.txt")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
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
    gift_cards: Option<String>,
    to_pay: String,
    refunded: String,
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
    let country = to.country.to_string();
    let parts = [Some(&to.name), Some(&to.line1), to.line2.as_ref(), Some(&town), to.region.as_ref(), Some(&country)];
    let address = parts.into_iter().flatten().map(|part| one_line(part)).filter(|part| !part.is_empty()).collect();
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
        gift_cards: unless_zero(Money::new(totals.total.amount - order.charged().amount, totals.total.currency)),
        to_pay: order.charged().to_string(),
        refunded: Money::new(
            order.payment.funds.as_ref().map_or(0, |funds| funds.counter.taken),
            totals.total.currency,
        )
        .to_string(),
        address,
        shipping_method: one_line(&order.shipping_method),
        link: link.map(str::to_owned),
    }
}

/// Writes the letter about an order. `link` shows the order to whoever has it.
pub fn write(order: &Order, kind: NoticeKind, link: Option<&str>) -> Result<Letter, minijinja::Error> {
    let (name, subject) = match kind {
        NoticeKind::OrderPaid => ("order-paid", format!("Your order {} is confirmed", order.number)),
        NoticeKind::OrderDeclined => {
            ("order-declined", format!("The payment for your order {} was declined", order.number))
        }
        NoticeKind::OrderRefunded => ("order-refunded", format!("A refund for your order {}", order.number)),
        NoticeKind::OrderExpired => ("order-expired", format!("Your order {} was not paid in time", order.number)),
    };
    render(name, subject, &context! { order => Value::from(Serde(view(order, link))) })
}

/// Writes the letter about an account, to a person of this name. `token` is what the mail is for, where there is one, and
/// good for so many minutes.
pub fn write_account(
    name: &str,
    kind: AccountNoticeKind,
    token: &str,
    minutes: u64,
) -> Result<Letter, minijinja::Error> {
    let (template, subject) = match kind {
        AccountNoticeKind::PasswordReset => ("password-reset", "Set another password"),
        AccountNoticeKind::EmailChange => ("email-change", "Confirm your new e-mail address"),
        AccountNoticeKind::EmailChangeAsked => ("email-change-asked", "Your e-mail address is about to change"),
    };
    render(template, subject.to_owned(), &context! { name => one_line(name), token, minutes })
}

fn render(name: &str, subject: String, values: &Value) -> Result<Letter, minijinja::Error> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| minijinja::Error::new(error.kind(), error.to_string()))?;
    let text = environment.get_template(&format!("{name}.txt"))?.render(values)?;
    let inner = environment.get_template(&format!("{name}.html"))?.render(values)?;
    let content = Value::from_safe_string(inner);
    let html = environment.get_template(LAYOUT.0)?.render(context! { title => subject.as_str(), content })?;
    Ok(Letter { subject, text, html })
}

#[cfg(test)]
mod tests {
    use kernel::{CartId, Country, Currency, Email, OrderId, ProductId, Sku, Timestamp};
    use orders::order::Address;
    use orders::{OrderLine, Payment, PaymentStatus, Status, Terms, Totals};

    use super::*;

    fn euro(amount: i64) -> Money {
        Money::new(amount, Currency::EUR)
    }

    fn line(name: &str, quantity: u32, price: i64) -> OrderLine {
        let unit_price = euro(price);
        OrderLine {
            sku: Sku::parse("TEA-1").unwrap(),
            product_id: ProductId::new([1; 16]),
            name: name.into(),
            quantity,
            unit_price,
            line_total: unit_price.times(quantity).unwrap(),
            discount: None,
            tax: euro(0),
            tax_rate: 0,
        }
    }

    fn order() -> Order {
        let id = OrderId::new([9; 16]);
        let at = Timestamp::from_millis(1_795_000_000_000);
        Order {
            number: orders::order::number(&id),
            id,
            status: Status::Paid,
            version: 2,
            customer: None,
            email: Email::parse("zoe@example.com").unwrap(),
            cart_id: CartId::new([2; 16]),
            fingerprint: "f".into(),
            lines: vec![line("Green tea", 2, 650), line("Cup", 1, 1299)],
            attempt: String::new(),
            holds: Vec::new(),
            uses: Vec::new(),
            admissions: Vec::new(),
            totals: Totals {
                subtotal: euro(2599),
                discount: euro(0),
                shipping: euro(490),
                tax: euro(493),
                total: euro(3089),
            },
            terms: Terms::default(),
            shipping_address: Address {
                name: "Zoë Müller".into(),
                line1: "Am Wall 1".into(),
                line2: None,
                city: "Bremen".into(),
                region: None,
                postal_code: "28195".into(),
                country: Country::parse("DE").unwrap(),
            },
            billing_address: None,
            shipping_method: "standard".into(),
            payment: Payment {
                status: PaymentStatus::Succeeded,
                intent_id: Some("pi_1".into()),
                client_secret: None,
                decline_code: None,
                token: None,
                capture_later: false,
                funds: None,
                capture: None,
            },
            calling_off: false,
            events: Vec::new(),
            created_at: at,
            expires_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn every_template_is_sound() {
        for (name, _) in TEMPLATES {
            assert!(ENVIRONMENT.as_ref().unwrap().get_template(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_confirmation_says_what_was_bought_for_how_much_and_where_it_goes() {
        let letter = write(&order(), NoticeKind::OrderPaid, Some("https://shop.example/v1/orders/x?token=y")).unwrap();
        assert_eq!(letter.subject, format!("Your order {} is confirmed", order().number));
        let expected = format!(
            "Thank you, Zoë Müller!\n\nYour order {} of 2026-11-18 is paid and confirmed.\nWe are getting it ready.\n\n\
             * Green tea\n  2 x 6.50 EUR = 13.00 EUR  (TEA-1)\n* Cup\n  1 x 12.99 EUR = 12.99 EUR  (TEA-1)\n\n\
             Subtotal: 25.99 EUR\nShipping: 4.90 EUR\nTotal: 30.89 EUR\n(The total contains 4.93 EUR of tax.)\n\n\
             It goes by standard to\n\n  Zoë Müller\n  Am Wall 1\n  28195 Bremen\n  DE\n\n\
             See where your order stands:\nhttps://shop.example/v1/orders/x?token=y\n\
             This link is yours alone: whoever has it can see the order.\n",
            order().number
        );
        assert_eq!(letter.text, expected);
        let in_html = [
            "<h1>Thank you, Zoë Müller!</h1>",
            "Green tea<br>",
            "2 × 6.50 EUR",
            "13.00 EUR",
            "30.89 EUR",
            "contains 4.93 EUR of tax",
            "Am Wall 1<br>",
            "28195 Bremen",
            "token=y",
            "<!doctype html>",
        ];
        for part in in_html {
            assert!(letter.html.contains(part), "{part} in {}", letter.html);
        }
    }

    #[test]
    fn tax_on_top_and_a_discount_are_lines_of_their_own() {
        let mut order = order();
        order.totals = Totals { discount: euro(100), tax: euro(300), total: euro(3289), ..order.totals };
        let letter = write(&order, NoticeKind::OrderPaid, None).unwrap();
        for part in ["Discount: -1.00 EUR\n", "Tax: 3.00 EUR\n", "Total: 32.89 EUR\n"] {
            assert!(letter.text.contains(part), "{part} in {}", letter.text);
        }
        assert!(
            !letter.text.contains("contains") && !letter.text.contains("See where") && !letter.html.contains("<a ")
        );
    }

    #[test]
    fn what_gift_cards_paid_is_said() {
        let mut order = order();
        assert!(!write(&order, NoticeKind::OrderPaid, None).unwrap().text.contains("Gift cards"));
        let key = promotions::UseKey::GiftCard(kernel::GiftCardId::new([1; 16]));
        order.uses = vec![promotions::Part { key, quantity: 1000 }];
        let letter = write(&order, NoticeKind::OrderPaid, None).unwrap();
        assert!(letter.text.contains("Gift cards: -10.00 EUR\nPaid otherwise: 20.89 EUR\n"), "{}", letter.text);
        assert!(letter.html.contains("20.89 EUR"));
    }

    #[test]
    fn nothing_that_somebody_typed_is_markup_or_a_new_line() {
        let mut order = order();
        order.lines[0].name = "<script>alert(1)</script> \"&\n\n* Free gift".into();
        order.shipping_address.name = "<b>Eve</b>\r\nBcc: x".into();
        order.shipping_address.line2 = Some("{{ 7 * 7 }}\u{2028}c/o <img src=x>".into());
        for kind in [NoticeKind::OrderPaid, NoticeKind::OrderExpired, NoticeKind::OrderDeclined] {
            let letter = write(&order, kind, Some("https://x/?a=1&b=\"><i>")).unwrap();
            for markup in ["<script", "<b>", "<img", "<i>", "49"] {
                assert!(!letter.html.contains(markup), "{markup} in {}", letter.html);
            }
            assert!(letter.html.contains("&lt;script&gt;"));
            let starts = letter.text.lines().filter(|line| line.starts_with("* ")).count();
            assert_eq!(starts, order.lines.len(), "{}", letter.text);
            assert!(!letter.text.lines().any(|line| line.starts_with("Bcc")));
        }
    }

    #[test]
    fn a_refund_says_how_much_went_back() {
        let mut order = order();
        let mut funds = orders::funds::Funds::of(3089);
        funds.counter.taken = 1000;
        order.payment.funds = Some(funds);
        let letter = write(&order, NoticeKind::OrderRefunded, None).unwrap();
        assert!(letter.text.contains("10.00 EUR has gone back so far, of 30.89 EUR"), "{}", letter.text);
        assert!(letter.html.contains("10.00 EUR has gone back so far, of 30.89 EUR"));
    }

    #[test]
    fn letters_about_accounts_carry_their_token_and_no_markup_of_a_name() {
        let name = "<b>Eve</b>\r\nBcc: x {{ 7 * 7 }}";
        for kind in [AccountNoticeKind::PasswordReset, AccountNoticeKind::EmailChange] {
            let letter = write_account(name, kind, "T0ken-_1", 60).unwrap();
            assert!(letter.text.contains("\n    T0ken-_1\n") && letter.text.contains("60 minutes"), "{}", letter.text);
            assert!(letter.html.contains("<code>T0ken-_1</code>") && letter.html.contains("60 minutes"));
            assert!(!letter.html.contains("<b>Eve") && !letter.html.contains("49"), "{}", letter.html);
            assert!(!letter.text.lines().any(|line| line.starts_with("Bcc")));
        }
        let warned = write_account("Ada", AccountNoticeKind::EmailChangeAsked, "", 60).unwrap();
        assert!(warned.text.starts_with("Hello Ada,") && warned.text.contains("set another password"));
    }

    #[test]
    fn an_expired_order_is_told_that_nothing_is_owed() {
        let letter = write(&order(), NoticeKind::OrderExpired, None).unwrap();
        assert!(letter.subject.ends_with("was not paid in time"));
        assert!(letter.text.contains("nothing is owed") && letter.html.contains("nothing is owed"));
        assert!(letter.text.contains("Total, not paid: 30.89 EUR"));
    }
}
