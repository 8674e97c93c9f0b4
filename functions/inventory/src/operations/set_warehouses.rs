//! `PUT /v1/admin/warehouses`: the warehouses of the shop.

use std::collections::BTreeSet;

use kernel::problem::{FieldError, Place, code};
use kernel::{Handle, Problem};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};

use crate::settings::{MAIN, Warehouses};
use crate::table::{ChangeWarehouses, Changed};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("set-warehouses", "/v1/admin/warehouses")
        .summary("Set the warehouses of the shop; stock in one that goes is still sold")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Warehouses>(200, "the warehouses")
        .problems(&[code::VERSION_MISMATCH])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, Warehouses>, warehouses: ChangeWarehouses) -> Result<Reply, Problem> {
    let errors = wrong(&call.body);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    match warehouses.write(call.body, call.cx.expected_version()).await? {
        Changed::Yes((shop, version)) => Ok(Reply::ok(&shop).version(version)),
        Changed::Version(version) => {
            let detail = format!("the warehouses are in version {version} now");
            Err(Problem::new(code::VERSION_MISMATCH, detail).with("version", version))
        }
        Changed::Held => Err(Problem::internal("warehouses hold nothing")),
    }
}

/// Everything that is wrong beyond the shape: ids twice, priorities that name none, `main` missing.
fn wrong(shop: &Warehouses) -> Vec<FieldError> {
    let error = |pointer: String, detail: &str| FieldError { place: Place::Body, pointer, detail: detail.to_owned() };
    let mut errors = Vec::new();
    let mut seen: BTreeSet<&Handle> = BTreeSet::new();
    for (index, warehouse) in shop.warehouses.iter().enumerate() {
        if !seen.insert(&warehouse.id) {
            errors.push(error(format!("/warehouses/{index}/id"), "is the id of another warehouse too"));
        }
    }
    if !shop.has(MAIN) {
        errors.push(error("/warehouses".into(), "must have the warehouse `main`, where every item begins"));
    }
    for (country, ids) in &shop.priorities {
        for (index, id) in ids.iter().enumerate().filter(|(_, id)| !shop.has(id.as_str())) {
            errors.push(error(format!("/priorities/{country}/{index}"), &format!("there is no warehouse `{id}`")));
        }
    }
    errors
}
