//! The worker `close-cart`: an order was paid, so what it bought leaves the cart. What the shopper put in meanwhile stays.
//! A message that comes twice finds the claim lifted and does nothing.

use aws::QueueSpec;
use kernel::Sku;
use lambda::{Consumer, Delivery, Fault, Function};

use crate::cart::OrderPaid;
use crate::table::CloseCart;

/// Where paid orders wait for their carts.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "close-cart", fifo: false, visibility_s: 180, max_receives: 5, max_age_alarm_s: 300 };

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("close-cart").summary("Takes what an order bought out of its cart").queue(&QUEUE, handle)
}

async fn handle(delivery: Delivery<OrderPaid>, carts: CloseCart) -> Result<(), Fault> {
    let paid = delivery.event.data;
    let bought: Vec<(Sku, u32)> = paid.bought.into_iter().map(|line| (line.sku, line.quantity)).collect();
    carts.close(&paid.cart_id, &paid.order_id, &bought, delivery.cx.now()).await?;
    Ok(())
}
