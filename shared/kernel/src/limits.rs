//! Every limit in one place. A limit that AWS sets is asserted at compile time; each one that a client can meet stands
//! in the OpenAPI through the type that carries it.

use std::time::Duration;

/// The largest request body a function accepts unless it says otherwise, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;
/// The largest body of a product, in bytes: it must fit a DynamoDB item together with its keys.
pub const PRODUCT_BYTES: usize = 256 * 1024;
/// The most items on a page.
pub const PAGE_MAX: u32 = 100;
/// Items on a page when the caller does not say.
pub const PAGE_DEFAULT: u32 = 24;
/// The most different SKUs in a cart.
pub const CART_LINES: usize = 50;
/// The most units of one SKU in a cart or an order.
pub const LINE_QUANTITY: u32 = 999;
/// The most variants a product has: each SKU is one action of the transaction that creates it.
pub const VARIANTS: usize = 60;
/// The most further currencies that a variant is priced in.
pub const PRICES: usize = 20;
/// A product's name, in characters; real catalogues have names of 260.
pub const NAME_CHARS: usize = 300;
/// A product's description, in characters.
pub const DESCRIPTION_CHARS: usize = 20_000;
/// A text value among a product's attributes, in characters.
pub const ATTRIBUTE_CHARS: usize = 10_000;
/// The most attributes a product has.
pub const ATTRIBUTES: usize = 100;
/// The most tags a product has.
pub const TAGS: usize = 50;
/// The most images a product has.
pub const IMAGES: usize = 100;
/// The most options a product's variants differ in.
pub const OPTIONS: usize = 5;
/// The most values of one option.
pub const OPTION_VALUES: usize = 100;
/// The short texts of a product: a brand, a tag, the name of an option or an attribute; in characters.
pub const LABEL_CHARS: usize = 100;
/// The most earlier addresses of a product that lead to its present one.
pub const REDIRECTS: usize = 10;
/// How long an earlier address is its product's alone; afterwards another product may have it.
pub const REDIRECT_LIFE: Duration = Duration::from_secs(180 * 24 * 3600);
/// A review's text, in characters.
pub const REVIEW_CHARS: usize = 5_000;
/// The most orders of a customer that are looked through for what was bought.
pub const ORDERS_LOOKED_AT: usize = 500;
/// The largest file that an import takes as the body of a request, in bytes; a larger one is uploaded.
pub const IMPORT_BODY_BYTES: usize = 5 * 1024 * 1024;
/// The largest file that an import takes, in bytes.
pub const IMPORT_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// The longest record of an imported file, in bytes: a product's body at its limit, with room for fields that nobody wants.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// The most columns of an imported table.
pub const COLUMNS: usize = 1_000;
/// The most rows of an imported table that one product may take: one for each variant or image, with some to spare.
pub const PRODUCT_ROWS: usize = VARIANTS + IMAGES + 40;
/// The most rejected rows of an import that are kept; further ones are counted.
pub const REJECTED_ROWS: u64 = 100_000;
/// The longest field map, in characters.
pub const MAP_CHARS: usize = 6_000;
/// How long imports, exports and their files are kept.
pub const TRANSFER_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The deepest category path, in segments.
pub const CATEGORY_DEPTH: usize = 5;
/// The largest amount of money in minor units, far below where 64-bit sums of a cart could overflow.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;
/// The most units one receipt or adjustment may move.
pub const STOCK_QUANTITY: u32 = 1_000_000;
/// The most uses of a coupon, in all or by one customer.
pub const COUPON_USES: u32 = 1_000_000_000;
/// The most categories that a coupon is for.
pub const COUPON_CATEGORIES: usize = 50;
/// The most that is put on a gift card, in minor units: a hold counts in 32 bits.
pub const GIFT_CARD_AMOUNT: u32 = 100_000_000;
/// The most gift cards that pay for one order.
pub const GIFT_CARDS: usize = 5;
/// How long an `Idempotency-Key` may be, in characters.
pub const KEY_CHARS: usize = 255;
/// How long the answer to a call with an `Idempotency-Key` is kept, to be given again.
pub const KEPT_ANSWER: Duration = Duration::from_secs(24 * 3600);
/// The largest body of such an answer, in bytes as it is kept; of a larger one only that it was given.
pub const KEPT_BODY: usize = 256 * 1024;
/// How long stock is held for an order whose payment is under way.
pub const HOLD: Duration = Duration::from_secs(10 * 60);
/// The most holds on one counter: the item must stay small, for write units count the whole of it.
pub const HOLDS_PER_COUNTER: usize = 2_000;
/// How old a `done` mark must be before it may be pruned. Safety does not hang on it (`floor` refuses what a pruned mark
/// would have), size does: write units count the whole item, so a counter that sells 50 units a second must not carry 15
/// minutes of marks. What it costs: on such a counter a hold that comes later than this after its order is refused.
pub const DONE_MARK: Duration = Duration::from_secs(2);
/// How long the mark of a receipt or an adjustment stays: a repeated request within it does nothing.
pub const RECEIPT_MARK: Duration = Duration::from_secs(24 * 3600);
/// A counter is pruned when it carries more marks than this.
pub const DONE_MARKS: usize = 64;
/// The most marks one prune removes; an update expression may be 4 KB long.
pub const PRUNE_BATCH: usize = 50;
/// The longest delay SQS gives a message.
pub const QUEUE_DELAY: Duration = Duration::from_secs(900);
/// The most shards one warehouse splits an item into.
pub const SHARDS: u32 = 256;
/// The most lines of a reservation.
pub const RESERVATION_LINES: usize = 50;
/// The longest a reservation holds units, in seconds: a day.
pub const RESERVATION_SECONDS: u32 = 24 * 3600;
/// How long an admission to an announced sale is good once its time has come.
pub const ADMISSION_LIFE: Duration = Duration::from_secs(120);
/// A guest's cart is dropped this long after its last change.
pub const CART_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The fewest characters of a password: length is what resists guessing (NIST SP 800-63B).
pub const PASSWORD_MIN: usize = 10;
/// The most characters of a password: hashing costs the same for any, the request should not.
pub const PASSWORD_MAX: usize = 128;
/// The most characters of a person's name.
pub const PERSON_NAME: usize = 100;
/// The most addresses in a customer's address book.
pub const ADDRESSES: u32 = 20;
/// How long a token that was sent by mail is good: a password reset, a new e-mail address.
pub const MAILED_LIFE: Duration = Duration::from_secs(60 * 60);
/// The most mails of one kind that an account is sent within [`MAILED_LIFE`].
pub const MAILED_TIMES: u32 = 5;
/// The most administrators: their roster is one item.
pub const ADMINS: usize = 100;
/// How long an access token is valid; API Gateway cannot be told that one was revoked, so it is short.
pub const ACCESS_LIFE: Duration = Duration::from_secs(15 * 60);
/// A session that was not refreshed for so long is over.
pub const REFRESH_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

// DynamoDB: an item is at most 400 KB, a transaction at most 100 actions, a batch read at most 100 keys.
const _: () = assert!(PRODUCT_BYTES < 400 * 1024);
const _: () = assert!(HOLDS_PER_COUNTER * 100 < 400 * 1024);
const _: () = assert!(KEPT_BODY + 8 * 1024 < 400 * 1024);
// create-product: the product, its slug, its category leaf, a listing row per level and the root, and its SKUs;
// update-product may remove as many rows as it adds, and each earlier address is led to the new one.
const _: () = assert!(VARIANTS + 5 + 2 * (CATEGORY_DEPTH + 1) + REDIRECTS <= 100);
const _: () = assert!(CART_LINES <= 100 && PAGE_MAX <= 100);
// SQS can wake the expiry of a hold exactly at its deadline.
const _: () = assert!(HOLD.as_secs() <= QUEUE_DELAY.as_secs());
const _: () = assert!(AMOUNT_MAX.checked_mul(1_000_000).is_some());
