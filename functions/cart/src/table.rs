//! The `carts` table: one item a cart. Each command is one `UpdateItem` whose condition holds the rules (the cart exists, in
//! this version, in this currency, with room); when it fails DynamoDB returns the item, and that says which rule it was.

use aws::table::{Written, attribute, from_item, n, s, to_item, was_cancelled, written};
use aws::{DataError, TableSpec, capability};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use kernel::limits::CART_LINES;
use kernel::{CartId, CouponCode, OrderId, Sku, Timestamp};

use crate::cart::{Cart, ClaimMark, Line, Merged, expiry};

/// One cart an item. The item is dropped when nobody changed the cart for [`kernel::limits::CART_LIFE`].
pub const TABLE: TableSpec =
    TableSpec { name: "carts", partition_key: "pk", sort_key: None, indexes: &[], ttl: Some("expires"), stream: false };

/// How often a close that met a change of the cart is tried.
const TRIES: usize = 10;

capability!(
    /// Creates a cart.
    CreateCart on TABLE: ["dynamodb:PutItem"]
);

capability!(
    /// Reads a cart.
    LoadCart on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Sets and removes lines.
    ChangeLines on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Sets and removes the coupon.
    ChangeCoupon on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Claims a cart for the order that pays for it.
    ClaimCart on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Takes what was bought out of a cart.
    CloseCart on TABLE: ["dynamodb:GetItem", "dynamodb:UpdateItem"]
);

capability!(
    /// Moves one cart into another.
    MergeCarts on TABLE: ["dynamodb:GetItem", "dynamodb:UpdateItem"]
);

/// A change of one line.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Of which cart.
    pub cart: &'a CartId,
    /// Of which SKU.
    pub sku: &'a Sku,
    /// The version the cart must be in; any without one.
    pub expected: Option<u64>,
    /// The request that asks for it.
    pub request: &'a str,
    /// When.
    pub now: Timestamp,
}

/// A change of the coupon.
#[derive(Clone, Copy, Debug)]
pub struct CouponChange<'a> {
    /// Of which cart.
    pub cart: &'a CartId,
    /// The coupon; none to take it off.
    pub coupon: Option<&'a CouponCode>,
    /// The version the cart must be in; any without one.
    pub expected: Option<u64>,
    /// The request that asks for it.
    pub request: &'a str,
    /// When.
    pub now: Timestamp,
}

/// What became of a change of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The cart after it.
    Yes(Box<Cart>),
    /// There is no such cart.
    NoCart,
    /// The cart is in this version, not in the expected one.
    Version(u64),
    /// The cart is of another currency than the line.
    Currency(kernel::Currency),
    /// The cart has no room for another line.
    Full,
}

/// A claim of an order on a cart.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRequest<'a> {
    /// The cart.
    pub cart: &'a CartId,
    /// The order.
    pub order: &'a OrderId,
    /// When the order was created.
    pub now: Timestamp,
    /// A dead order whose claim, and whose admissions, it takes over.
    pub instead_of: Option<&'a OrderId>,
    /// The admissions that it uses up.
    pub admissions: &'a [String],
}

/// Whose a cart is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This order's, now or since an earlier try.
    Mine(Cart),
    /// Another order's.
    Of(ClaimMark),
    /// An admission was used for another order.
    Used,
    /// There is no such cart.
    NoCart,
}

/// A merge that was worked out on two carts as they were read.
#[derive(Clone, Copy, Debug)]
pub struct Merge<'a> {
    /// The cart that takes, as it was read.
    pub into: &'a Cart,
    /// The cart that gives, as it was read.
    pub from: &'a Cart,
    /// The dead order that had claimed the giving cart.
    pub dead: Option<&'a OrderId>,
    /// What they become.
    pub merged: &'a Merged,
    /// The request that asks for it.
    pub request: &'a str,
}

impl MergeCarts {
    /// Both carts as they stand now.
    pub async fn load(&self, into: &CartId, from: &CartId) -> Result<(Option<Cart>, Option<Cart>), DataError> {
        let one = async |id: &CartId| -> Result<Option<Cart>, DataError> {
            self.table.get(self.table.key(id.as_str()), true).await?.map(from_item).transpose()
        };
        futures_util::future::try_join(one(into), one(from)).await
    }

    /// Writes both carts, both or neither; `false` when one of them changed since it was read, or an order claimed the one
    /// that gives.
    pub async fn merge(&self, merge: Merge<'_>) -> Result<bool, DataError> {
        let into = self.replace(merge.into, &merge.merged.into, merge.request)?;
        let free = match merge.dead {
            None => "attribute_not_exists(#claim)",
            Some(_) => "#claim.#order = :dead",
        };
        let mut from = self
            .replace(merge.from, &merge.merged.from, merge.request)?
            .condition_expression(format!("#version = :read AND {free}"))
            .expression_attribute_names("#claim", "claim");
        if let Some(dead) = merge.dead {
            from = from
                .expression_attribute_names("#order", "order")
                .expression_attribute_values(":dead", s(dead.as_str()));
        }
        let mut actions = Vec::new();
        for update in [into, from] {
            let update = update.build().map_err(|error| DataError::Invalid(error.to_string()))?;
            actions.push(TransactWriteItem::builder().update(update).build());
        }
        match self.table.client().transact_write_items().set_transact_items(Some(actions)).send().await {
            Ok(_) => Ok(true),
            Err(error) if was_cancelled(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Lines and coupon of a cart, if it is still in the version that was read. Its claim stays.
    fn replace(&self, read: &Cart, next: &Cart, request: &str) -> Result<UpdateBuilder, DataError> {
        let mut update = "SET #lines = :lines, #added = :added, #version = :version, #updated = :now, \
            #expires = :expires, #by = :by"
            .to_owned();
        let mut builder = Update::builder();
        match &next.coupon {
            Some(code) => {
                update.push_str(", #coupon = :coupon");
                builder = builder.expression_attribute_values(":coupon", s(code.as_str()));
            }
            None => update.push_str(" REMOVE #coupon"),
        }
        Ok(builder
            .table_name(self.table.name())
            .set_key(Some(self.table.key(read.id.as_str())))
            .update_expression(update)
            .condition_expression("#version = :read")
            .expression_attribute_names("#lines", "lines")
            .expression_attribute_names("#added", "added")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#updated", "updated_at")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#by", "changed_by")
            .expression_attribute_names("#coupon", "coupon")
            .expression_attribute_values(":lines", attribute(&next.lines)?)
            .expression_attribute_values(":added", attribute(&next.added)?)
            .expression_attribute_values(":version", attribute(&next.version)?)
            .expression_attribute_values(":now", attribute(&next.updated_at)?)
            .expression_attribute_values(":expires", n(next.expires))
            .expression_attribute_values(":by", s(request))
            .expression_attribute_values(":read", attribute(&read.version)?))
    }
}

impl CreateCart {
    /// Writes a new cart; `false` when its id is taken.
    pub async fn create(&self, cart: &Cart) -> Result<bool, DataError> {
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(to_item(cart)?));
        let result = put.condition_expression("attribute_not_exists(pk)").send().await;
        Ok(matches!(written(result)?, Written::Yes(_)))
    }
}

impl LoadCart {
    /// The cart as it stands now.
    pub async fn load(&self, id: &CartId) -> Result<Option<Cart>, DataError> {
        self.table.get(self.table.key(id.as_str()), true).await?.map(from_item).transpose()
    }
}

impl ChangeLines {
    /// Sets a line.
    pub async fn set(&self, change: Change<'_>, line: &Line) -> Result<Changed, DataError> {
        let update = "SET #lines.#sku = :line, #added.#sku = if_not_exists(#added.#sku, :now), \
            #version = #version + :one, #updated = :now, #expires = :expires, #by = :by";
        let room = "#currency = :currency AND (attribute_exists(#lines.#sku) OR size(#lines) < :cap)";
        let request = self
            .begin(change, update, room)?
            .expression_attribute_names("#currency", "currency")
            .expression_attribute_values(":line", attribute(line)?)
            .expression_attribute_values(":currency", s(line.unit_price.currency.as_str()))
            .expression_attribute_values(":cap", n(i64::try_from(CART_LINES).unwrap_or(i64::MAX)));
        match send(request, change.expected, change.request).await? {
            // No condition but these two is left.
            Failed::Other(cart) if cart.currency != line.unit_price.currency => Ok(Changed::Currency(cart.currency)),
            Failed::Other(_) => Ok(Changed::Full),
            Failed::Sorted(changed) => Ok(changed),
        }
    }

    /// Removes a line; of one that is not there nothing changes.
    pub async fn remove(&self, change: Change<'_>) -> Result<Changed, DataError> {
        let update = "SET #version = #version + :one, #updated = :now, #expires = :expires, #by = :by \
            REMOVE #lines.#sku, #added.#sku";
        let request = self.begin(change, update, "attribute_exists(#lines.#sku)")?;
        match send(request, change.expected, change.request).await? {
            Failed::Other(cart) => Ok(Changed::Yes(Box::new(cart))),
            Failed::Sorted(changed) => Ok(changed),
        }
    }

    fn begin(&self, change: Change<'_>, update: &str, condition: &str) -> Result<UpdateItemFluentBuilder, DataError> {
        let mut request = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(change.cart.as_str())))
            .update_expression(update)
            .expression_attribute_names("#lines", "lines")
            .expression_attribute_names("#added", "added")
            .expression_attribute_names("#sku", change.sku.as_str())
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#updated", "updated_at")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#by", "changed_by")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":by", s(change.request))
            .expression_attribute_values(":now", attribute(&change.now)?)
            .expression_attribute_values(":expires", n(expiry(change.now)));
        let mut all = format!("attribute_exists(pk) AND {condition}");
        if let Some(version) = change.expected {
            all.push_str(" AND #version = :version");
            request = request.expression_attribute_values(":version", attribute(&version)?);
        }
        Ok(request.condition_expression(all))
    }
}

impl ChangeCoupon {
    /// Puts a coupon on a cart, or takes it off; of a cart that has it so nothing changes.
    pub async fn set(&self, change: CouponChange<'_>) -> Result<Changed, DataError> {
        let set = "#version = #version + :one, #updated = :now, #expires = :expires, #by = :by";
        let mut request = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(change.cart.as_str())))
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#updated", "updated_at")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#by", "changed_by")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":by", s(change.request))
            .expression_attribute_values(":now", attribute(&change.now)?)
            .expression_attribute_values(":expires", n(expiry(change.now)));
        let (update, mut condition) = match change.coupon {
            Some(code) => {
                request = request.expression_attribute_values(":coupon", s(code.as_str()));
                (format!("SET {set}, coupon = :coupon"), "attribute_exists(pk) AND coupon <> :coupon".to_owned())
            }
            None => (format!("SET {set} REMOVE coupon"), "attribute_exists(coupon)".to_owned()),
        };
        if let Some(version) = change.expected {
            condition.push_str(" AND #version = :version");
            request = request.expression_attribute_values(":version", attribute(&version)?);
        }
        let request = request.update_expression(update).condition_expression(condition);
        match send(request, change.expected, change.request).await? {
            Failed::Other(cart) => Ok(Changed::Yes(Box::new(cart))),
            Failed::Sorted(changed) => Ok(changed),
        }
    }
}

/// What came of a change, as far as every change is alike.
enum Failed {
    Sorted(Changed),
    /// The condition of this very change failed, on this cart.
    Other(Cart),
}

/// Sends a change, and sorts out why it failed as far as every change can fail.
async fn send(request: UpdateItemFluentBuilder, expected: Option<u64>, by: &str) -> Result<Failed, DataError> {
    let request = request.return_values(ReturnValue::AllNew);
    let request = request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let cart: Cart = match written(request.send().await)? {
        Written::Yes(output) => {
            return Ok(Failed::Sorted(Changed::Yes(Box::new(from_item(output.attributes.unwrap_or_default())?))));
        }
        Written::No(None) => return Ok(Failed::Sorted(Changed::NoCart)),
        Written::No(Some(item)) => from_item(item)?,
    };
    match expected {
        // The answer of the first try was lost, and the client sent it again.
        Some(version) if version != cart.version && cart.changed_by == by => {
            Ok(Failed::Sorted(Changed::Yes(Box::new(cart))))
        }
        Some(version) if version != cart.version => Ok(Failed::Sorted(Changed::Version(cart.version))),
        _ => Ok(Failed::Other(cart)),
    }
}

impl ClaimCart {
    /// Claims a cart for an order: one conditional write. A cart that another order claimed stays that order's, unless it
    /// is `instead_of`. The same order again finds its own claim, with the time of the first. Admissions are noted in the
    /// same write, so that each is good for one order.
    pub async fn claim(&self, claim: ClaimRequest<'_>) -> Result<Claim, DataError> {
        let mark = ClaimMark { order: claim.order.clone(), at: claim.now };
        let mut request = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(claim.cart.as_str())))
            .expression_attribute_names("#claim", "claim")
            .expression_attribute_values(":claim", attribute(&mark)?);
        let mut update = "SET #claim = :claim".to_owned();
        let mut free = "attribute_not_exists(#claim)".to_owned();
        if let Some(instead_of) = claim.instead_of {
            free.push_str(" OR #claim.#order = :instead");
            request = request.expression_attribute_names("#order", "order");
            request = request.expression_attribute_values(":instead", s(instead_of.as_str()));
        }
        let mut condition = format!("attribute_exists(pk) AND ({free})");
        for (index, admission) in claim.admissions.iter().enumerate() {
            let again =
                if claim.instead_of.is_some() { format!(" OR used.#a{index} = :instead") } else { String::new() };
            update.push_str(&format!(", used.#a{index} = :me"));
            condition.push_str(&format!(" AND (attribute_not_exists(used.#a{index}) OR used.#a{index} = :me{again})"));
            request = request.expression_attribute_names(format!("#a{index}"), admission);
        }
        if !claim.admissions.is_empty() {
            request = request.expression_attribute_values(":me", s(claim.order.as_str()));
        }
        let result = request
            .update_expression(update)
            .condition_expression(condition)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let cart: Cart = match written(result)? {
            Written::Yes(output) => return Ok(Claim::Mine(from_item(output.attributes.unwrap_or_default())?)),
            Written::No(None) => return Ok(Claim::NoCart),
            Written::No(Some(item)) => from_item(item)?,
        };
        match &cart.claim {
            Some(mark) if mark.order == *claim.order => Ok(Claim::Mine(cart)),
            Some(mark) if Some(&mark.order) != claim.instead_of => Ok(Claim::Of(mark.clone())),
            _ => Ok(Claim::Used),
        }
    }
}

impl CloseCart {
    /// Takes what an order bought out of the cart it came from and lifts the order's claim. Does nothing when the claim is
    /// not this order's (it was done before) or the cart is gone.
    pub async fn close(
        &self,
        id: &CartId,
        order: &OrderId,
        bought: &[(Sku, u32)],
        now: Timestamp,
    ) -> Result<(), DataError> {
        for _ in 0..TRIES {
            let cart: Option<Cart> =
                self.table.get(self.table.key(id.as_str()), true).await?.map(from_item).transpose()?;
            let Some(cart) = cart else { return Ok(()) };
            let Some(closed) = cart.closed(order, bought, now) else { return Ok(()) };
            if self.replace(&cart, &closed, order).await? {
                return Ok(());
            }
        }
        Err(DataError::Busy("the cart kept changing".into()))
    }

    /// Whether the cart was still in the version that was read, and claimed by the order.
    async fn replace(&self, read: &Cart, closed: &Cart, order: &OrderId) -> Result<bool, DataError> {
        let update = "SET #lines = :lines, #added = :added, #version = :version, #updated = :now, #expires = :expires \
            REMOVE #claim, coupon";
        let result = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(read.id.as_str())))
            .update_expression(update)
            .condition_expression("#version = :read AND #claim.#order = :order")
            .expression_attribute_names("#lines", "lines")
            .expression_attribute_names("#added", "added")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#updated", "updated_at")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#claim", "claim")
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":lines", attribute(&closed.lines)?)
            .expression_attribute_values(":added", attribute(&closed.added)?)
            .expression_attribute_values(":version", attribute(&closed.version)?)
            .expression_attribute_values(":now", attribute(&closed.updated_at)?)
            .expression_attribute_values(":expires", n(closed.expires))
            .expression_attribute_values(":read", attribute(&read.version)?)
            .expression_attribute_values(":order", s(order.as_str()))
            .send()
            .await;
        Ok(matches!(written(result)?, Written::Yes(_)))
    }
}
