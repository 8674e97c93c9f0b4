//! `PUT /v1/me/addresses/{id}`: writes another address in the place of one.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use orders::order::Address;

use crate::book::Entry;
use crate::operations::{AddressPath, no_address};
use crate::table::{Booked, ChangeBook};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("replace-address", "/v1/me/addresses/{id}")
        .summary("Writes another address in the place of one")
        .auth(Auth::CUSTOMER)
        .reply::<Entry>(200, "The address as it stands now")
        .problems(&[code::ADDRESS_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<AddressPath, Nothing, Address>, book: ChangeBook) -> Result<Reply, Problem> {
    let Call { path, body: address, cx, .. } = call;
    let entry = Entry { id: path.address()?, address, added_at: cx.now() };
    match book.replace(&cx.signed_in()?.id, &entry).await? {
        Booked::Yes(entry) => Ok(Reply::ok(&entry)),
        Booked::Missing | Booked::Full => Err(no_address()),
    }
}
