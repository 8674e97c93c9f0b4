//! RFC 9457 problems: one table of stable codes, and the value that carries one to the client.
//!
//! What the client reads (`detail`, `errors`, members) and what only the log may read (`internal`) are separate; the
//! internal part has no `Display` and is never serialised.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Whose fault a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller can change the request and succeed.
    Caller,
    /// Ours: a bug, or a limit of ours was met.
    Ours,
    /// A service we depend on.
    Provider,
}

/// A stable kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The last segment of `type`; never changes once published.
    pub name: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A short summary that does not vary.
    pub title: &'static str,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
    /// Whose fault it is.
    pub fault: Fault,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $name:literal $status:literal $fault:ident $retry:literal $title:literal;)*) => {
        $($(#[$doc])* pub const $constant: &Code = &Code {
            name: $name, status: $status, title: $title, retryable: $retry, fault: Fault::$fault,
        };)*
        /// Every code there is.
        pub const ALL: &[&Code] = &[$($constant),*];
    };
}

/// The table: constant, name, status, whose fault, retryable, title.
pub mod code {
    use super::{Code, Fault};

    codes! {
        /// The body is not JSON.
        MALFORMED_JSON = "malformed-json" 400 Caller false "The body is not valid JSON";
        /// A query, path or header parameter breaks its rule.
        INVALID_PARAMETER = "invalid-parameter" 400 Caller false "A parameter is not valid";
        /// One or more fields of the body break their rules.
        INVALID_BODY = "invalid-body" 422 Caller false "The body has fields that are not valid";
        /// The cursor was altered, or is of another list.
        INVALID_CURSOR = "invalid-cursor" 400 Caller false "The cursor is not valid";
        /// A required `Idempotency-Key` is missing.
        KEY_MISSING = "idempotency-key-missing" 400 Caller false "An Idempotency-Key header is required";
        /// The `Idempotency-Key` was used with another body.
        KEY_REUSED = "idempotency-key-reused" 422 Caller false "The Idempotency-Key was used with another request";
        /// The body carries something like the number of a payment card.
        CARD_NUMBER = "card-number-refused" 422 Caller false "Card numbers are not accepted";
        /// No token, or one that is not valid.
        UNAUTHENTICATED = "unauthenticated" 401 Caller false "A valid access token is required";
        /// E-mail and password do not match.
        BAD_CREDENTIALS = "bad-credentials" 401 Caller false "The credentials are not valid";
        /// A token from a mail that is not ours, was used, or is too old.
        MAILED_TOKEN = "mailed-token-invalid" 400 Caller false "The token from the mail is not valid";
        /// The token lacks the scope.
        FORBIDDEN = "forbidden" 403 Caller false "The access token does not allow this";
        /// The request came past the CDN.
        PAST_THE_CDN = "past-the-cdn" 403 Caller false "The shop is reached through its own address";
        /// No such route.
        NO_ROUTE = "no-route" 404 Caller false "There is nothing at this address";
        /// The path exists, the method does not.
        METHOD_NOT_ALLOWED = "method-not-allowed" 405 Caller false "The method is not allowed here";
        /// No such product.
        PRODUCT_NOT_FOUND = "product-not-found" 404 Caller false "There is no such product";
        /// No such SKU.
        SKU_NOT_FOUND = "sku-not-found" 404 Caller false "There is no such SKU";
        /// No such warehouse.
        WAREHOUSE_NOT_FOUND = "warehouse-not-found" 404 Caller false "There is no such warehouse";
        /// No such cart.
        CART_NOT_FOUND = "cart-not-found" 404 Caller false "There is no such cart";
        /// No such order, or not the caller's.
        ORDER_NOT_FOUND = "order-not-found" 404 Caller false "There is no such order";
        /// The version the caller saw is not the present one.
        VERSION_MISMATCH = "version-mismatch" 412 Caller false "It was changed since you read it";
        /// `If-Match` is required here.
        IF_MATCH_REQUIRED = "if-match-required" 428 Caller false "An If-Match header is required";
        /// Another product has this slug.
        SLUG_TAKEN = "slug-taken" 409 Caller false "Another product has this slug";
        /// Another product has this SKU.
        SKU_TAKEN = "sku-taken" 409 Caller false "Another product has this SKU";
        /// An account with this e-mail exists.
        EMAIL_TAKEN = "email-taken" 409 Caller false "An account with this e-mail exists";
        /// No such address in the caller's address book.
        ADDRESS_NOT_FOUND = "address-not-found" 404 Caller false "There is no such address";
        /// The address book holds as many addresses as it may.
        ADDRESS_BOOK_FULL = "address-book-full" 409 Caller false "The address book is full";
        /// No such account, to administrators.
        USER_NOT_FOUND = "user-not-found" 404 Caller false "There is no such account";
        /// Nobody would be an administrator any more.
        LAST_ADMIN = "last-admin" 409 Caller false "Nobody would be an administrator any more";
        /// There are as many administrators as there may be.
        TOO_MANY_ADMINS = "too-many-admins" 409 Caller false "There are as many administrators as there may be";
        /// The order's payment is not decided yet.
        ORDER_PENDING = "order-pending" 409 Caller true "The order is not decided yet";
        /// Line and cart are of different currencies.
        CURRENCY_MISMATCH = "currency-mismatch" 409 Caller false "The currencies differ";
        /// The cart holds as many lines as it may.
        CART_FULL = "cart-full" 409 Caller false "The cart holds as many lines as it may";
        /// There is nothing to buy in the cart.
        CART_EMPTY = "cart-empty" 409 Caller false "The cart is empty";
        /// The cart's lines are being paid for by another order.
        CHECKOUT_IN_PROGRESS = "checkout-in-progress" 409 Caller true "This cart is being paid for";
        /// The same request is being carried out.
        REQUEST_IN_FLIGHT = "request-in-flight" 409 Caller true "The same request is still being carried out";
        /// A total or a price differs from what the shopper saw.
        PRICE_CHANGED = "price-changed" 409 Caller false "A price changed";
        /// A product of the cart is not sold any more.
        NOT_FOR_SALE = "not-for-sale" 409 Caller false "A product is not for sale any more";
        /// Fewer units are left than asked for, and none will come back by itself.
        OUT_OF_STOCK = "out-of-stock" 409 Caller false "Too few units are left";
        /// Units are held by other shoppers and may come back.
        ALL_HELD = "all-held" 409 Caller true "All units are held by other shoppers";
        /// Stock may not fall below what is held.
        BELOW_HELD = "below-held" 409 Caller false "Stock would fall below what is held";
        /// A sale runs on the shards that would go.
        SHARDS_IN_USE = "shards-in-use" 409 Caller true "A sale runs on the shards that would go";
        /// No such reservation.
        RESERVATION_NOT_FOUND = "reservation-not-found" 404 Caller false "There is no such reservation";
        /// The reservation was decided otherwise.
        RESERVATION_DECIDED = "reservation-decided" 409 Caller false "The reservation was decided already";
        /// No such transfer.
        TRANSFER_NOT_FOUND = "transfer-not-found" 404 Caller false "There is no such transfer";
        /// The item is sold in an announced sale; the answer has a place in its queue.
        ADMISSION_REQUIRED = "admission-required" 429 Caller true "An admission to this sale is required";
        /// The admission is none of ours, or another item's or cart's.
        ADMISSION_FORGED = "admission-forged" 403 Caller false "The admission is not valid";
        /// The admission's time is over.
        ADMISSION_EXPIRED = "admission-expired" 409 Caller false "The admission's time is over";
        /// The admission was used for another order.
        ADMISSION_USED = "admission-used" 409 Caller false "The admission was used already";
        /// The item is sold without admission.
        ADMISSION_NOT_NEEDED = "admission-not-needed" 409 Caller false "The item is sold without admission";
        /// No such coupon, to staff.
        COUPON_NOT_FOUND = "coupon-not-found" 404 Caller false "There is no such coupon";
        /// The code is another coupon's.
        COUPON_EXISTS = "coupon-exists" 409 Caller false "There is a coupon with this code";
        /// No such coupon, to shoppers.
        COUPON_UNKNOWN = "coupon-unknown" 422 Caller false "There is no such coupon";
        /// The coupon's time has not come.
        COUPON_NOT_YET = "coupon-not-yet-valid" 409 Caller true "The coupon is not good yet";
        /// The coupon's time is over.
        COUPON_EXPIRED = "coupon-expired" 409 Caller false "The coupon is not good any more";
        /// Orders used the coupon as often as it may be.
        COUPON_USED_UP = "coupon-used-up" 409 Caller false "The coupon is used up";
        /// The customer used the coupon as often as one may.
        COUPON_USED_BEFORE = "coupon-used-before" 409 Caller false "The coupon was used by this customer";
        /// The goods are worth too little.
        COUPON_BELOW_MINIMUM = "coupon-below-minimum" 409 Caller false "The goods are worth too little for the coupon";
        /// The coupon is for other goods, or in another currency.
        COUPON_NOT_APPLICABLE = "coupon-not-applicable" 409 Caller false "The coupon is not for these goods";
        /// No such gift card, to staff.
        GIFT_CARD_NOT_FOUND = "gift-card-not-found" 404 Caller false "There is no such gift card";
        /// No gift card has this code.
        GIFT_CARD_UNKNOWN = "gift-card-unknown" 422 Caller false "There is no such gift card";
        /// The gift card's time is over.
        GIFT_CARD_EXPIRED = "gift-card-expired" 409 Caller false "The gift card is not good any more";
        /// Too little is left on the gift card.
        GIFT_CARD_EMPTY = "gift-card-empty" 409 Caller false "Too little is left on the gift card";
        /// The order was decided already.
        ORDER_DECIDED = "order-decided" 409 Caller false "The order was decided already";
        /// A webhook that the payment provider did not sign, or signed too long ago.
        WEBHOOK_SIGNATURE = "webhook-signature" 400 Caller false "The webhook's signature is not valid";
        /// The payment was refused.
        PAYMENT_DECLINED = "payment-declined" 402 Caller false "The payment was declined";
        /// More would go back than was taken and not given back yet.
        REFUND_TOO_LARGE = "refund-too-large" 409 Caller false "The refund is larger than what is left";
        /// No money was taken for the order.
        NOTHING_TO_REFUND = "nothing-to-refund" 409 Caller false "There is nothing to refund";
        /// More would be taken than was set aside.
        CAPTURE_TOO_LARGE = "capture-too-large" 409 Caller false "The capture is larger than what was set aside";
        /// No money is set aside for the order.
        NOTHING_TO_CAPTURE = "nothing-to-capture" 409 Caller false "There is nothing to capture";
        /// We do not ship there, or not this way.
        SHIPPING_UNAVAILABLE = "shipping-unavailable" 422 Caller false "The shipping method is not available";
        /// The body is larger than allowed.
        BODY_TOO_LARGE = "body-too-large" 413 Caller false "The body is too large";
        /// The body is not `application/json`.
        UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type" 415 Caller false "The media type is not supported";
        /// More requests than allowed.
        TOO_MANY_REQUESTS = "too-many-requests" 429 Caller true "Too many requests";
        /// Too many payments were refused from this cart, person, address or payment method.
        TOO_MANY_ATTEMPTS = "too-many-attempts" 429 Caller true "Too many payments were refused";
        /// Too many sign-ins failed with this address or from this network.
        TOO_MANY_SIGN_INS = "too-many-sign-ins" 429 Caller true "Too many sign-ins failed";
        /// A bug of ours.
        INTERNAL = "internal" 500 Ours false "Something went wrong on our side";
        /// The database throttled or failed for a moment.
        UNAVAILABLE = "unavailable" 503 Ours true "The service is busy; try again";
        /// The function ran out of time.
        TIMED_OUT = "timed-out" 504 Ours true "The request took too long";
        /// No such review.
        REVIEW_NOT_FOUND = "review-not-found" 404 Caller false "There is no such review";
        /// The customer has reviewed the product already.
        REVIEW_EXISTS = "review-exists" 409 Caller false "You have reviewed this product already";
        /// Only who bought a product reviews it.
        NOT_BOUGHT = "not-bought" 403 Caller false "Only customers who bought a product review it";
        /// No such import.
        IMPORT_NOT_FOUND = "import-not-found" 404 Caller false "There is no such import";
        /// No such export.
        EXPORT_NOT_FOUND = "export-not-found" 404 Caller false "There is no such export";
        /// The file of an import was not uploaded yet.
        FILE_MISSING = "file-missing" 409 Caller true "The file was not uploaded yet";
        /// The index was never rebuilt.
        REINDEX_NOT_FOUND = "reindex-not-found" 404 Caller false "The search index was never rebuilt";
        /// This stage has no search engine.
        SEARCH_OFF = "search-off" 503 Ours false "This shop has no search";
        /// The search engine cannot be reached, or is too busy.
        SEARCH_UNAVAILABLE = "search-unavailable" 503 Ours true "Search is not available";
        /// The payment provider cannot be reached.
        PROVIDER_UNAVAILABLE = "provider-unavailable" 503 Provider true "The payment provider cannot be reached";
    }
}

/// Where a wrong value stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the body.
    Body,
    /// In the query string.
    Query,
    /// In the path.
    Path,
    /// In a header.
    Header,
}

/// One wrong value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where the value stood.
    #[serde(rename = "in")]
    pub place: Place,
    /// A JSON pointer (RFC 6901) into the body; `/name` for a parameter.
    pub pointer: String,
    /// What it must be.
    pub detail: String,
}

/// What only the log may read. It has no `Display` and is never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Internal(String);

impl Internal {
    /// The text, for the log line and nothing else.
    #[must_use]
    pub fn for_log(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Internal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Internal(..)")
    }
}

/// A problem on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The stable kind.
    pub code: &'static Code,
    /// What happened this time, for a person.
    pub detail: Cow<'static, str>,
    /// Every wrong value of the request.
    pub errors: Vec<FieldError>,
    /// Further members, by name.
    pub members: Map<String, Value>,
    /// Seconds after which to try again, for the `Retry-After` header.
    pub retry_after: Option<u64>,
    /// For the log only.
    pub internal: Option<Internal>,
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(code: &'static Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), members: Map::new(), retry_after: None, internal: None }
    }

    /// A bug or an unexpected failure: the client reads a general sentence, the log reads `internal`.
    #[must_use]
    pub fn internal(internal: impl fmt::Display) -> Self {
        Self::new(code::INTERNAL, "the failure was recorded under this request id").because(internal)
    }

    /// One wrong query parameter.
    #[must_use]
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let error = FieldError { place: Place::Query, pointer: format!("/{name}"), detail: detail.into() };
        Self::invalid(vec![error])
    }

    /// One wrong field of the body, which only a look at the data could find.
    #[must_use]
    pub fn field(pointer: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { place: Place::Body, pointer: pointer.to_owned(), detail: detail.into() }])
    }

    /// All wrong values of a request at once: 422 when the body alone is wrong, 400 as soon as a parameter is.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let body_only = errors.iter().all(|error| error.place == Place::Body);
        let code = if body_only { code::INVALID_BODY } else { code::INVALID_PARAMETER };
        let first = errors.first().map(|error| format!("{} {}", error.pointer, error.detail)).unwrap_or_default();
        let detail = match errors.len() {
            0 | 1 => first,
            n => format!("{first}, and {} more", n - 1),
        };
        Self { errors, ..Self::new(code, detail) }
    }

    /// With a further member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.members.insert(name.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
        self
    }

    /// With the seconds after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// With a reason that only the log may read.
    #[must_use]
    pub fn because(mut self, internal: impl fmt::Display) -> Self {
        self.internal = Some(Internal(internal.to_string()));
        self
    }

    /// The `application/problem+json` document.
    #[must_use]
    pub fn document(&self, request_id: &str) -> Value {
        let mut members = self.members.clone();
        members.insert("type".into(), Value::from(format!("/problems/{}", self.code.name)));
        members.insert("code".into(), Value::from(self.code.name));
        members.insert("title".into(), Value::from(self.code.title));
        members.insert("status".into(), Value::from(self.code.status));
        members.insert("detail".into(), Value::from(self.detail.as_ref()));
        members.insert("instance".into(), Value::from(request_id));
        members.insert("retryable".into(), Value::from(self.code.retryable));
        if !self.errors.is_empty() {
            members.insert("errors".into(), serde_json::to_value(&self.errors).unwrap_or(Value::Null));
        }
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_statuses_are_errors() {
        let names: HashSet<_> = code::ALL.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), code::ALL.len());
        for code in code::ALL {
            assert!((400..600).contains(&code.status), "{}", code.name);
            assert_eq!(code.fault == Fault::Caller, code.status < 500, "{}", code.name);
            assert!(code.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", code.name);
        }
    }

    #[test]
    fn internal_text_reaches_neither_the_document_nor_debug() {
        let problem = Problem::internal("password of the database");
        assert!(!problem.document("r").to_string().contains("password"));
        assert!(!format!("{problem:?}").contains("password"));
        assert_eq!(problem.internal.unwrap().for_log(), "password of the database");
    }
}
