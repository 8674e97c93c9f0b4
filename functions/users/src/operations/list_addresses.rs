//! `GET /v1/me/addresses`: the caller's address book, oldest first. It is one item, so there is one page.

use kernel::Problem;
use lambda::{Auth, Call, Function, Http, Page, Reply};

use crate::book::Entry;
use crate::table::ReadBook;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-addresses", "/v1/me/addresses")
        .summary("The caller's address book, oldest first")
        .auth(Auth::CUSTOMER)
        .reply::<Page<Entry>>(200, "All addresses")
        .handle(handle)
}

async fn handle(call: Call, book: ReadBook) -> Result<Reply, Problem> {
    let items = book.all(&call.cx.signed_in()?.id).await?;
    Ok(Reply::ok(&Page { items, next: None }))
}
