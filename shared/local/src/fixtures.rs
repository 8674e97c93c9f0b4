//! The little shop that the golden events in `events/` are about: the same ids, prices and tokens every time.
//!
//! It owns its own data and nothing else, and writes it through the services' own commands. What depends on time (an order
//! that is overdue, one that is not) is set against the shop's clock. The secret is public, so a shop with fixtures must
//! never be reachable for others.

use std::path::Path;

use aws::{Capability, Platform};
use cart::{Cart, ClaimMark, Line};
use catalog::{NewProduct, Product};
use checkout::till::intent_of;
use exchange::Counts;
use exchange::files::PutImport;
use exchange::job::{Export, Import, Status as Progress};
use exchange::table::BeginTransfer;
use inventory::admission::DropMode;
use inventory::ledger::Note;
use inventory::reservation::{Reservation, ReservedLine, State};
use inventory::settings::{Settings, Warehouses};
use inventory::table::{
    ChangeSettings, ChangeWarehouses, HoldStock, MoveUnits, Movement, OpenReservation, ReceiveStock, SplitStock,
    Transfer, TransferState,
};
use inventory::{CounterKey, Part};
use kernel::counter::HoldRequest;
use kernel::{
    CartId, CouponCode, Currency, Email, Money, OrderId, Problem, ProductId, ReservationId, Sku, Slug, Timestamp,
    UserId,
};
use orders::order::{Address, OrderEvent, number};
use orders::sums::{ShippingTax, TaxTerms};
use orders::{Order, OrderLine, Payment, PaymentStatus, Status, Terms, Totals};
use payments::Provider as _;
use payments::builtin::Builtin;
use promotions::gift::GiftCard;
use promotions::look::FirstUse;
use promotions::table::{CreatePromotion, Created, HoldUses};
use promotions::{Coupon, GiftCode, Reduction, UseKey};
use reviews::table::WriteReview;
use reviews::{NewReview, Review};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use users::mailed::Ticket;
use users::{Account, EmailChange, Entry, Family, RefreshToken};

use crate::shop::{PREFIX, Shop};

/// The secret of cursors and guest tokens: golden events carry tokens that it signed.
const SECRET: &str = "fixtures only: this secret is public, as are the tokens it signs";
/// The password of both accounts.
const PASSWORD: &str = "golden-events-only";

/// Puts the known secret into a data folder, before a shop is opened on it.
pub fn prepare(folder: &Path) -> std::io::Result<()> {
    let secrets = folder.join("secrets");
    std::fs::create_dir_all(&secrets)?;
    std::fs::write(secrets.join(format!("{PREFIX}%2F{}", aws::keys::CURSORS.name)), SECRET)
}

/// Writes the fixtures. Loading them twice fails: they are for a fresh shop.
pub async fn load(shop: &Shop) -> Result<(), Problem> {
    let platform = shop.platform();
    let now = platform.clock().now();
    product(platform, now).await?;
    review(platform, now).await?;
    transfers(platform, now).await?;
    stock(platform, now).await?;
    promotions(platform, now).await?;
    warehouses(platform, now).await?;
    reservations(platform, now).await?;
    accounts(platform, now).await?;
    carts(platform, now).await?;
    orders(platform, now).await?;
    // The rebuilding that the golden events are about.
    let golden = known("golden")?;
    Ok(capability::<search::table::BeginReindex>(platform)?.begin(golden, now).await?)
}

fn capability<C: Capability>(platform: &Platform) -> Result<C, Problem> {
    C::connect(platform).map_err(Problem::internal)
}

/// A value of a type that is read from text; the texts stand in this file.
fn known<T: DeserializeOwned>(value: impl Into<Value>) -> Result<T, Problem> {
    serde_json::from_value(value.into()).map_err(Problem::internal)
}

/// Wrong when the fixtures stand already.
fn fresh(written: bool) -> Result<(), Problem> {
    if written { Ok(()) } else { Err(Problem::internal("the fixtures are there already; start with a fresh folder")) }
}

const fn euro(cents: i64) -> Money {
    Money::new(cents, Currency::EUR)
}

/// The SKU that everything is about.
fn sku() -> Result<Sku, Problem> {
    known("GOLDEN-TEA-100")
}

async fn product(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let new: NewProduct = known(json!({
        "name": "Golden Green Tea",
        "description": "A first flush that every golden event buys.",
        "brand": "Golden",
        "category": "coffee-tea/tea",
        "tags": ["tea", "golden"],
        "images": [{ "url": "/images/silver-meadow-green-tea.svg", "alt": "A tin of green tea", "width": 800, "height": 800 }],
        "options": [{ "name": "size", "values": ["100 g", "250 g"] }],
        "variants": [
            { "sku": "GOLDEN-TEA-100", "options": { "size": "100 g" }, "price": euro(1290) },
            { "sku": "GOLDEN-TEA-250", "options": { "size": "250 g" }, "price": euro(2790) },
        ],
    }))?;
    let (id, slug): (ProductId, Slug) = (known("prd_GoldenTea")?, known("golden-green-tea")?);
    let products: catalog::table::CreateProducts = capability(platform)?;
    let outcome = products.create(&Product::new(id, slug, new, now), "fixtures").await?;
    fresh(matches!(outcome, catalog::table::Outcome::Written))
}

/// A review that is not counted yet, by a member of staff.
async fn review(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let said: NewReview = known(json!({ "rating": 5, "title": "Golden", "text": "As good as it looks." }))?;
    let (product, staff): (ProductId, UserId) = (known("prd_GoldenTea")?, known("usr_GoldenStaff")?);
    let review = Review::new(product, staff, said.tidied("Grace Hopper"), "fixtures".into(), now);
    let write: WriteReview = capability(platform)?;
    fresh(write.replace(None, &review).await?)
}

/// An import whose file was uploaded, one that runs, and exports: one that runs, one that is done.
async fn transfers(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let (begin, files): (BeginTransfer, PutImport) = capability(platform)?;
    let row = r#"{"name":"Golden Cup","category":"coffee-tea","variants":[{"sku":"GOLDEN-CUP","price":{"amount":990,"currency":"EUR"},"stock":7}]}"#;
    let bytes_total = u64::try_from(row.len()).map_err(Problem::internal)?;
    for (id, status, bytes_total) in
        [("imp_GoldenWait01", Progress::Waiting, 0), ("imp_GoldenRun001", Progress::Running, bytes_total)]
    {
        let import: Import = known(json!({
            "id": id, "fingerprint": "fixtures", "format": "jsonl", "currency": "EUR", "encoding": "utf-8", "status": status,
            "bytes_total": bytes_total, "bytes_done": 0, "place": { "byte": 0, "line": 1 }, "counts": Counts::default(),
            "turn": 1, "rev": 1, "actor": "usr_GoldenStaff", "created_at": now, "updated_at": now,
        }))?;
        files.put(&import, row.as_bytes().to_vec()).await?;
        fresh(begin.begin(&import).await?.is_none())?;
    }
    for (id, status) in [("exp_GoldenRun001", Progress::Running), ("exp_GoldenDone01", Progress::Done)] {
        let export: Export = known(json!({
            "id": id, "fingerprint": "fixtures", "format": "shopify-csv", "status": status, "products": 0, "bytes": 0,
            "parts": [], "list": 0, "turn": 1, "rev": 1, "actor": "usr_GoldenStaff", "created_at": now, "updated_at": now,
        }))?;
        fresh(begin.begin(&export).await?.is_none())?;
    }
    Ok(())
}

async fn stock(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let shelf: ReceiveStock = capability(platform)?;
    let movement = Movement::opening("rfixtures", 100, "fixtures");
    shelf.receive(&CounterKey::main(sku()?), &movement, now).await?;
    Ok(())
}

/// A coupon, one use of which the paid order holds, and a gift card.
async fn promotions(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let create: CreatePromotion = capability(platform)?;
    let coupon = Coupon {
        code: known("GOLDEN-10")?,
        reduction: Reduction::Percent(10),
        minimum: Some(euro(1000)),
        starts_at: None,
        ends_at: None,
        categories: vec![known("coffee-tea")?],
        uses: Some(100),
        uses_per_customer: Some(5),
        created_at: now,
    };
    fresh(matches!(create.coupon(coupon, "fixtures").await?, Created::Yes(_)))?;
    let code = GiftCode::parse("G0LD-EN00-0000-0001").ok_or_else(|| Problem::internal("no code"))?;
    let card = GiftCard { currency: Currency::EUR, ends_at: None, created_at: now, actor: "usr_GoldenStaff".into() };
    fresh(matches!(create.gift_card(code.id(), card, 5000, "fixtures").await?, Created::Yes(_)))?;
    let order: OrderId = known("ord_GoldenPaid1")?;
    let (op, deadline) = (order.op("AAA"), now.after(kernel::limits::HOLD));
    let hold = HoldRequest { op: &op, quantity: 1, reserve: 0, deadline, created: now, channel: None };
    capability::<HoldUses>(platform)?.hold(&golden_use().key, &hold, &FirstUse::default()).await?;
    Ok(())
}

/// What the paid order holds of the coupon.
fn golden_use() -> promotions::Part {
    let code = CouponCode::parse("GOLDEN-10").expect("it is a code");
    promotions::Part { key: UseKey::Coupon(code), quantity: 1 }
}

/// A second warehouse with units on their way to it, and an item that is sold in turns.
async fn warehouses(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let shop: Warehouses = known(json!({
        "warehouses": [{ "id": "main", "name": "Main warehouse" }, { "id": "berlin", "name": "Berlin" }],
        "priorities": { "DE": ["berlin", "main"] },
    }))?;
    capability::<ChangeWarehouses>(platform)?.write(shop, None).await?;
    let kept = capability::<SplitStock>(platform)?.keep_in(&sku()?, "berlin").await?;
    let transfer = Transfer {
        id: known("trf_GoldenWay01")?,
        sku: sku()?,
        from: "main".into(),
        to: "berlin".into(),
        quantity: 3,
        status: TransferState::InTransit,
        actor: "usr_GoldenStaff".into(),
        created_at: now,
        updated_at: now,
        fingerprint: "fixtures".into(),
    };
    let from = [Part { key: CounterKey::main(sku()?), quantity: 3 }];
    capability::<MoveUnits>(platform)?.send(&transfer, &from, None, &kept).await?;
    let (item, settings): (Sku, ChangeSettings) = (known("GOLDEN-TEA-250")?, capability(platform)?);
    let drop = Some(DropMode { opens_at: now, per_second: 50, gone: false });
    let note = Note { op: "mfixtures".into(), kind: "policy".into(), actor: "system".into(), reason: "drop".into() };
    let before = Settings::default();
    settings.write(&item, &before, Settings { drop, ..before.clone() }, &note).await?;
    Ok(())
}

/// A reservation that is held, and one that is overdue.
async fn reservations(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let hour = Timestamp::from_millis(now.millis() - 3_600_000);
    for (id, created) in [("rsv_GoldenHeld1", now), ("rsv_GoldenDue01", hour)] {
        let id: ReservationId = known(id)?;
        let expires = created.after(std::time::Duration::from_secs(600));
        let (op, key) = (id.op(), CounterKey::main(sku()?));
        let hold = HoldRequest { op: &op, quantity: 1, reserve: 0, deadline: expires, created, channel: Some("pos") };
        let reservation = Reservation {
            id,
            channel: "pos".into(),
            actor: "usr_GoldenStaff".into(),
            status: State::Held,
            lines: vec![ReservedLine { sku: sku()?, quantity: 1 }],
            country: None,
            warehouse: None,
            parts: vec![Part { key: key.clone(), quantity: 1 }],
            fingerprint: "fixtures".into(),
            version: 2,
            created_at: created,
            expires_at: expires,
            updated_at: created,
        };
        fresh(capability::<OpenReservation>(platform)?.open(&reservation).await?.is_none())?;
        capability::<HoldStock>(platform)?.hold(&key, &hold).await?;
    }
    Ok(())
}

async fn accounts(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let create: users::table::CreateAccount = capability(platform)?;
    let everything = ["customer", "staff:catalog", "staff:inventory", "staff:orders", "admin"];
    for (id, email, name, scopes) in [
        ("usr_GoldenCustomer", "ada@example.com", "Ada Lovelace", &everything[..1]),
        ("usr_GoldenStaff", "grace@example.com", "Grace Hopper", &everything[..]),
    ] {
        let password = users::password::hash(PASSWORD, platform.random()).map_err(Problem::internal)?;
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let account = Account::new(known(id)?, known(email)?, name.to_owned(), password, scopes, now);
        // Tokens of mails are made of these and the secret.
        let ticket = |nonce: &str| Ticket { nonce: nonce.into(), ..Ticket::new([0; 16], now) };
        let change = EmailChange { to: known("ada@new.example")?, ticket: ticket("golden-email") };
        let asked = id == "usr_GoldenCustomer";
        let reset = asked.then(|| ticket("golden-reset"));
        create.create(&Account { reset, email_change: asked.then_some(change), ..account }).await?;
    }
    capability::<users::table::ChangeAccount>(platform)?.enlist(&known("usr_GoldenStaff")?, true).await?;
    let home: Address = known(json!({
        "name": "Ada Lovelace", "line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE",
    }))?;
    let book: users::table::ChangeBook = capability(platform)?;
    book.add(&customer()?, &Entry { id: known("adr_GoldenHome")?, address: home, added_at: now }).await?;
    // rft_BAQEBAQEBAQEBAQEBAQEBA.1.BQUFBQUFBQUFBQUFBQUFBQ
    let token = RefreshToken::first([4; 16], [5; 16]);
    let begin: users::table::BeginFamily = capability(platform)?;
    let find: users::table::FindAccount = capability(platform)?;
    let ada = find.by_id(&customer()?).await?.ok_or_else(|| Problem::internal("the account is not there"))?;
    begin.begin(&token, &Family::begin(&token, &ada, now)).await?;
    Ok(())
}

fn customer() -> Result<UserId, Problem> {
    known("usr_GoldenCustomer")
}

/// One cart to shop with, one of a guest who signs in, and one that the paid order claims.
async fn carts(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let create: cart::table::CreateCart = capability(platform)?;
    for (id, order) in
        [("crt_GoldenCart", None), ("crt_GoldenGuestCart", None), ("crt_GoldenClaimedCart", Some("ord_GoldenPaid1"))]
    {
        let mut cart = Cart::new(known(id)?, Currency::EUR, now);
        let line = Line {
            product_id: known("prd_GoldenTea")?,
            quantity: 2,
            unit_price: euro(1290),
            name: "Golden Green Tea".into(),
            image: Some("/images/silver-meadow-green-tea.svg".into()),
        };
        cart.lines.insert(sku()?, line);
        cart.added.insert(sku()?, now);
        cart.claim = order.map(|order| Ok::<_, Problem>(ClaimMark { order: known(order)?, at: now })).transpose()?;
        fresh(create.create(&cart).await?)?;
    }
    Ok(())
}

/// An order that is paid, its hold not yet confirmed; one whose payment gave no answer; one that is overdue.
async fn orders(platform: &Platform, now: Timestamp) -> Result<(), Problem> {
    let hour = Timestamp::from_millis(now.millis() - 3_600_000);
    let open: orders::table::OpenOrder = capability(platform)?;
    let holds: HoldStock = capability(platform)?;
    for (id, status, payment, created) in [
        ("ord_GoldenPaid1", Status::Paid, PaymentStatus::Succeeded, now),
        ("ord_GoldenSet01", Status::Paid, PaymentStatus::Authorized, now),
        ("ord_GoldenAsk01", Status::Pending, PaymentStatus::Unknown, now),
        ("ord_GoldenDue01", Status::Pending, PaymentStatus::RequiresAction, hour),
    ] {
        let id: OrderId = known(id)?;
        let expires = created.after(kernel::limits::HOLD);
        let hold =
            HoldRequest { op: &id.op("AAA"), quantity: 2, reserve: 0, deadline: expires, created, channel: None };
        holds.hold(&CounterKey::main(sku()?), &hold).await.map_err(Problem::from)?;
        let order = order(id, status, payment, created, expires)?;
        open.open(&order).await?;
        if order.id.as_str() == "ord_GoldenPaid1" {
            // One that somebody bought as a guest, of which nothing is left to do.
            let (id, holds, uses) = (known("ord_GoldenGuest")?, Vec::new(), Vec::new());
            open.open(&Order { id, customer: None, holds, uses, ..order.clone() }).await?;
        }
        if status == Status::Paid {
            let bank = Builtin::connect(platform).map_err(Problem::internal)?;
            let paid = bank.charge(&intent_of(&order), "pm_card_visa").await;
            paid.map_err(Problem::internal)?;
        }
    }
    Ok(())
}

fn order(
    id: OrderId,
    status: Status,
    payment: PaymentStatus,
    created: Timestamp,
    expires: Timestamp,
) -> Result<Order, Problem> {
    let line = OrderLine {
        sku: sku()?,
        product_id: known("prd_GoldenTea")?,
        name: "Golden Green Tea".into(),
        quantity: 2,
        unit_price: euro(1290),
        line_total: euro(2580),
        discount: None,
        tax: euro(169),
        tax_rate: 700,
    };
    let address: Address = known(json!({
        "name": "Ada Lovelace", "line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE",
    }))?;
    let email: Email = known("ada@example.com")?;
    let cart_id: CartId = known("crt_GoldenClaimedCart")?;
    Ok(Order {
        number: number(&id),
        status,
        version: 1,
        customer: Some(customer()?),
        email,
        cart_id,
        fingerprint: "fixtures".into(),
        lines: vec![line],
        attempt: "AAA".into(),
        holds: vec![Part { key: CounterKey::main(sku()?), quantity: 2 }],
        uses: (status == Status::Paid).then(golden_use).into_iter().collect(),
        admissions: Vec::new(),
        totals: Totals {
            subtotal: euro(2580),
            discount: euro(0),
            shipping: euro(490),
            tax: euro(201),
            total: euro(3070),
        },
        terms: Terms {
            tax: TaxTerms { included: true, standard: 1900, shipping: ShippingTax::Share },
            ..Terms::default()
        },
        shipping_address: address,
        billing_address: None,
        shipping_method: "standard".into(),
        payment: Payment {
            status: payment,
            intent_id: Some(payments::builtin::intent_id(&id).to_string()),
            client_secret: None,
            decline_code: None,
            token: (payment != PaymentStatus::Succeeded).then(|| "pm_card_visa".to_owned()),
            capture_later: payment == PaymentStatus::Authorized,
            funds: (payment == PaymentStatus::Succeeded).then(|| orders::funds::Funds::of(3070)),
            capture: (payment == PaymentStatus::Authorized).then_some(3070),
        },
        calling_off: false,
        events: vec![OrderEvent { at: created, kind: "placed".into(), actor: customer()?.to_string(), detail: None }],
        created_at: created,
        expires_at: expires,
        updated_at: created,
        id,
    })
}
