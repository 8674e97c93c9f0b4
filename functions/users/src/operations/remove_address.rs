//! `DELETE /v1/me/addresses/{id}`: takes an address out of the caller's address book. One that is not there is gone
//! already.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::operations::AddressPath;
use crate::table::ChangeBook;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::delete("remove-address", "/v1/me/addresses/{id}")
        .summary("Takes an address out of the caller's address book")
        .auth(Auth::CUSTOMER)
        .reply_empty(204, "It is not in the book")
        .problems(&[code::ADDRESS_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<AddressPath>, book: ChangeBook) -> Result<Reply, Problem> {
    book.remove(&call.cx.signed_in()?.id, &call.path.address()?).await?;
    Ok(Reply::empty())
}
