//! The operations of carts, one file each, and what they share: reading ids out of paths and showing a cart.

pub mod apply_coupon;
pub mod close_cart;
pub mod create_cart;
pub mod get_cart;
pub mod merge_cart;
pub mod remove_coupon;
pub mod remove_line;
pub mod set_line;

use aws::DataError;
use catalog::table::FindProducts;
use inventory::table::ReadStock;
use kernel::problem::code;
use kernel::{CartId, CouponCode, Problem, ProductId, Sku};
use lambda::{Cx, Reply};
use promotions::look::Look;
use promotions::table::ReadPromotion;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cart::{Cart, MergeNote};
use crate::table::{Change, Changed};
use crate::view::CartView;

/// The path of a cart.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct CartPath {
    /// The cart's id, as in `crt_0123456789abcdefghijkl`.
    id: String,
}

/// The path of a line.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct LinePath {
    /// The cart's id, as in `crt_0123456789abcdefghijkl`.
    id: String,
    /// The SKU.
    pub sku: Sku,
}

impl CartPath {
    pub(crate) fn cart(&self) -> Result<CartId, Problem> {
        cart_id(&self.id)
    }
}

impl LinePath {
    pub(crate) fn cart(&self) -> Result<CartId, Problem> {
        cart_id(&self.id)
    }
}

/// The id. What cannot be one belongs to no cart, so the answer is the same.
fn cart_id(text: &str) -> Result<CartId, Problem> {
    CartId::parse(text).ok_or_else(unknown)
}

/// There is no such cart. The id is not repeated: it is somebody's secret.
pub(crate) fn unknown() -> Problem {
    Problem::new(code::CART_NOT_FOUND, "there is no cart with this id; it may have expired")
}

/// What showing a cart takes.
pub(crate) type Shelves = (FindProducts, ReadStock, ReadPromotion);

/// The cart with present prices and stock, and with its coupon when it has one: reads side by side.
pub(crate) async fn shown(cart: &Cart, shelves: &Shelves, cx: &Cx) -> Result<Reply, Problem> {
    shown_with(cart, shelves, Vec::new(), cx).await
}

/// The same with notes on what was merged into it.
pub(crate) async fn shown_with(
    cart: &Cart,
    shelves: &Shelves,
    notes: Vec<MergeNote>,
    cx: &Cx,
) -> Result<Reply, Problem> {
    let (products, stock, promotions) = shelves;
    let ids: Vec<ProductId> = cart.lines.values().map(|line| line.product_id.clone()).collect();
    let skus: Vec<Sku> = cart.lines.keys().cloned().collect();
    let coupon = Box::pin(look(promotions, cart.coupon.as_ref()));
    let (products, stock, look) =
        futures_util::future::try_join3(products.by_ids(&ids, false), stock.available(&skus), coupon).await?;
    let view = CartView::of(cart, &products, &stock);
    let view = match &cart.coupon {
        Some(code) => view.with_coupon(code, &look, &products, cx.now()),
        None => view,
    };
    Ok(reply(cart, &CartView { notes, ..view }))
}

/// The same of a cart that has no coupon.
pub(crate) async fn shown_without(cart: &Cart, products: &FindProducts, stock: &ReadStock) -> Result<Reply, Problem> {
    let ids: Vec<ProductId> = cart.lines.values().map(|line| line.product_id.clone()).collect();
    let skus: Vec<Sku> = cart.lines.keys().cloned().collect();
    let (products, stock) =
        futures_util::future::try_join(products.by_ids(&ids, false), stock.available(&skus)).await?;
    Ok(reply(cart, &CartView::of(cart, &products, &stock)))
}

fn reply(cart: &Cart, view: &CartView) -> Reply {
    Reply::ok(view).version(cart.version).last_modified(cart.updated_at)
}

/// A look at a coupon; no call without one.
pub(crate) async fn look(promotions: &ReadPromotion, code: Option<&CouponCode>) -> Result<Look, DataError> {
    let Some(code) = code else { return Ok(Look::default()) };
    let coupon = promotions.coupon(code).await?.map(|item| (item.terms, item.counter));
    Ok(Look { coupon, ..Look::default() })
}

/// The change of a line that a request asks for.
pub(crate) fn change<'a>(cart: &'a CartId, sku: &'a Sku, cx: &'a Cx) -> Change<'a> {
    Change { cart, sku, expected: cx.expected_version(), request: cx.request_id(), now: cx.now() }
}

/// The cart after a change, or why there was none.
pub(crate) fn changed(changed: Changed) -> Result<Cart, Problem> {
    match changed {
        Changed::Yes(cart) => Ok(*cart),
        Changed::NoCart => Err(unknown()),
        Changed::Version(version) => {
            let detail = format!("the cart is in version {version} now");
            Err(Problem::new(code::VERSION_MISMATCH, detail).with("version", version))
        }
        Changed::Currency(currency) => {
            let detail = format!("the cart is in {currency}, and this is not sold in it");
            Err(Problem::new(code::CURRENCY_MISMATCH, detail).with("currency", currency))
        }
        Changed::Full => {
            let most = kernel::limits::CART_LINES;
            let detail = format!("a cart holds at most {most} different lines");
            Err(Problem::new(code::CART_FULL, detail).with("limit", most))
        }
    }
}
