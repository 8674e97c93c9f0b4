//! `POST /v1/me/addresses`: puts an address into the caller's address book.

use kernel::limits::ADDRESSES;
use kernel::problem::code;
use kernel::{AddressId, Problem};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use orders::order::Address;

use crate::book::Entry;
use crate::operations::no_address;
use crate::table::{Booked, ChangeBook};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("add-address", "/v1/me/addresses")
        .summary("Puts an address into the caller's address book")
        .auth(Auth::CUSTOMER)
        .reply::<Entry>(201, "The address with its id")
        .problems(&[code::ADDRESS_BOOK_FULL])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, Address>, book: ChangeBook) -> Result<Reply, Problem> {
    let Call { body: address, cx, .. } = call;
    let entry = Entry { id: AddressId::new(cx.seed()), address, added_at: cx.now() };
    match book.add(&cx.signed_in()?.id, &entry).await? {
        Booked::Yes(entry) => Ok(Reply::created(&entry, &format!("/v1/me/addresses/{}", entry.id))),
        Booked::Missing => Err(no_address()),
        Booked::Full => {
            let detail = format!("an address book holds at most {ADDRESSES} addresses");
            Err(Problem::new(code::ADDRESS_BOOK_FULL, detail).with("limit", ADDRESSES))
        }
    }
}
