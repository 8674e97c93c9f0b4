//! What an account's owner sees and changes, and the address book.

use serde_json::{Value, json};
use users::mailed::Purpose;

use crate::support::{Answer, PASSWORD, Users, users};

const OTHER: &str = "another-plum-tractor";

/// Signs in a person who registered: access and refresh token.
async fn signed_in(users: &Users, email: &str) -> (String, String) {
    let token = users.sign_in(email, PASSWORD).await;
    (token.text("/access_token").to_owned(), token.text("/refresh_token").to_owned())
}

async fn patch(users: &Users, access: &str, body: Value) -> Answer {
    users.call_as(access, "update-me", body).await
}

#[tokio::test]
async fn a_name_is_changed_and_what_cannot_be_is_refused() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let (access, _) = signed_in(&users, "ada@example.com").await;
    let seen = users.call_as(&access, "get-me", Value::Null).await;
    assert_eq!((seen.status, seen.text("/email"), &seen.body["version"]), (200, "ada@example.com", &json!(1)));
    assert!(!seen.body.to_string().contains("argon2"));
    let changed = patch(&users, &access, json!({ "name": " Ada King " })).await;
    assert_eq!((changed.status, changed.text("/name"), &changed.body["version"]), (200, "Ada King", &json!(2)));
    let again = patch(&users, &access, json!({ "name": "Ada King" })).await;
    assert_eq!((again.status, &again.body["version"]), (200, &json!(2)), "nothing to change");
    let stale = users
        .send("update-me", json!({ "if-match": "\"v1\"" }), Some(json!({ "name": "Eve" })), Some(&access), &[])
        .await;
    assert_eq!(stale.problem(), (412, "version-mismatch"));
    for (bad, pointer) in [
        (json!({ "name": null }), "/name"),
        (json!({ "name": "  " }), "/name"),
        (json!({ "name": "Ada\r\nBcc: x" }), "/name"),
        (json!({ "scopes": ["admin"] }), "/scopes"),
        (json!({ "id": "usr_0000000000000001" }), "/id"),
        (json!({ "email": "nobody" }), "/email"),
        (json!({ "email": "a@b" }), "/email"),
        (json!({ "password": "short" }), "/password"),
        (json!({ "password": OTHER }), "/current_password"),
        (json!({ "email": "ada@new.example" }), "/current_password"),
        (json!({ "password": OTHER, "current_password": "wrong" }), "/current_password"),
        (json!({ "password": "password123", "current_password": PASSWORD }), "/password"),
        (json!({ "password": "ada@example.com", "current_password": PASSWORD }), "/password"),
    ] {
        let answer = patch(&users, &access, bad.clone()).await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer]), "{bad}");
    }
    let there = users.account("ada@example.com").await;
    assert_eq!((there.name.as_str(), there.version), ("Ada King", 2));
    users.assert_granted();
}

#[tokio::test]
async fn a_new_password_ends_every_other_sign_in() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let (_, other) = signed_in(&users, "ada@example.com").await;
    let (access, own) = signed_in(&users, "ada@example.com").await;
    users.faults.lose_answer_of("UpdateItem");
    let changed = patch(&users, &access, json!({ "password": OTHER, "current_password": PASSWORD })).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(users.refresh(&other).await.problem(), (401, "bad-credentials"));
    let next = users.refresh(&own).await;
    assert_eq!(next.status, 200, "the one that asked goes on");
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 401);
    assert_eq!(users.sign_in("ada@example.com", OTHER).await.status, 200);
    // The next change spares the one that asks for it, and not the one before.
    let (access, newest) = {
        let token = users.sign_in("ada@example.com", OTHER).await;
        (token.text("/access_token").to_owned(), token.text("/refresh_token").to_owned())
    };
    patch(&users, &access, json!({ "password": PASSWORD, "current_password": OTHER })).await;
    assert_eq!(users.refresh(next.text("/refresh_token")).await.status, 401);
    assert_eq!(users.refresh(&newest).await.status, 200);
}

#[tokio::test]
async fn an_address_counts_once_it_is_confirmed() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    users.register("eve@example.com").await;
    let (access, _) = signed_in(&users, "ada@example.com").await;
    let taken = patch(&users, &access, json!({ "email": "eve@example.com", "current_password": PASSWORD })).await;
    assert_eq!(taken.problem(), (409, "email-taken"));
    let asked = patch(&users, &access, json!({ "email": "Ada@New.example", "current_password": PASSWORD })).await;
    assert_eq!((asked.text("/email"), asked.text("/pending_email")), ("ada@example.com", "ada@new.example"));
    assert_eq!(users.sign_in("ada@new.example", PASSWORD).await.status, 401, "not yet");
    let account = users.account("ada@example.com").await;
    let token = users.mailed(&account, Purpose::EmailChange).await;
    for bad in ["x".to_owned(), format!("{token}A"), account.email_change.clone().unwrap().ticket.nonce] {
        let answer = users.post("confirm-email", json!({ "token": bad })).await;
        assert_eq!(answer.problem(), (400, "mailed-token-invalid"));
    }
    let reset = users.post("confirm-password-reset", json!({ "token": token, "password": OTHER })).await;
    assert_eq!(reset.problem(), (400, "mailed-token-invalid"), "a token is for one thing");
    users.faults.lose_answer_of("TransactWriteItems");
    for _ in 0..2 {
        assert_eq!(users.post("confirm-email", json!({ "token": token })).await.status, 204, "twice is once");
    }
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 401);
    assert_eq!(users.sign_in("ada@new.example", PASSWORD).await.status, 200);
    assert_eq!(users.register("ada@example.com").await.status, 201, "the old address is free");
    users.assert_granted();
}

#[tokio::test]
async fn a_confirmation_that_comes_too_late_changes_nothing() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let (access, _) = signed_in(&users, "ada@example.com").await;
    let to = |email: &str| json!({ "email": email, "current_password": PASSWORD });
    patch(&users, &access, to("first@new.example")).await;
    let first = users.mailed(&users.account("ada@example.com").await, Purpose::EmailChange).await;
    patch(&users, &access, to("second@new.example")).await;
    let second = users.mailed(&users.account("ada@example.com").await, Purpose::EmailChange).await;
    assert_eq!(users.post("confirm-email", json!({ "token": first })).await.status, 400, "another address since");
    users.register("second@new.example").await;
    assert_eq!(users.post("confirm-email", json!({ "token": second })).await.problem(), (409, "email-taken"));
    // A handful of mails an hour, to whomever.
    for number in 3..=5 {
        assert_eq!(patch(&users, &access, to(&format!("a{number}@new.example"))).await.status, 200);
    }
    let refused = patch(&users, &access, to("a6@new.example")).await;
    assert_eq!(refused.problem(), (429, "too-many-requests"));
    let last = users.mailed(&users.account("ada@example.com").await, Purpose::EmailChange).await;
    users.data.clock.advance(kernel::limits::MAILED_LIFE);
    assert_eq!(users.post("confirm-email", json!({ "token": last })).await.status, 400, "too old");
    let same = patch(&users, &access, to("ada@example.com")).await;
    assert_eq!(same.body.get("pending_email"), None, "called off");
    assert_eq!(users.account("ada@example.com").await.email_change, None);
}

fn address(line1: &str) -> Value {
    json!({ "name": "Ada Lovelace", "line1": line1, "city": "Berlin", "postal_code": "10117", "country": "DE" })
}

#[tokio::test]
async fn an_address_book_is_bounded_and_its_owners_alone() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    users.register("eve@example.com").await;
    let (ada, _) = signed_in(&users, "ada@example.com").await;
    let (eve, _) = signed_in(&users, "eve@example.com").await;
    let first = users.call_as(&ada, "add-address", address("Home 1")).await;
    assert_eq!(first.status, 201, "{first:?}");
    let id = first.text("/id").to_owned();
    assert_eq!(first.headers["location"], json!(format!("/v1/me/addresses/{id}")));
    let at = [("id", id.as_str())];
    let theirs = users.send("replace-address", json!({}), Some(address("X")), Some(&eve), &at).await;
    assert_eq!(theirs.problem(), (404, "address-not-found"));
    assert_eq!(users.send("remove-address", json!({}), None, Some(&eve), &at).await.status, 204);
    let moved = users.send("replace-address", json!({}), Some(address("Home 2")), Some(&ada), &at).await;
    assert_eq!((moved.status, moved.text("/address/line1")), (200, "Home 2"));
    assert_eq!(moved.body["added_at"], first.body["added_at"]);
    for (bad, pointer) in [
        (json!({ "country": "XX" }), "/country"),
        (json!({ "line1": "" }), "/line1"),
        (json!({ "postal_code": "x".repeat(21) }), "/postal_code"),
        (json!({ "street": "x" }), "/street"),
    ] {
        let mut body = address("Home 3");
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        let answer = users.call_as(&ada, "add-address", body).await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer]));
    }
    // A repeated call is one address, also when the first answer was lost.
    users.faults.lose_answer_of("UpdateItem");
    let key = json!({ "idempotency-key": "k" });
    for _ in 0..2 {
        let again = users.send("add-address", key.clone(), Some(address("Office")), Some(&ada), &[]).await;
        assert_eq!(again.status, 201, "{again:?}");
    }
    let most = usize::try_from(kernel::limits::ADDRESSES).unwrap();
    for number in 2..most {
        users.data.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(users.call_as(&ada, "add-address", address(&format!("Door {number}"))).await.status, 201);
    }
    let full = users.call_as(&ada, "add-address", address("One more")).await;
    assert_eq!((full.problem(), &full.body["limit"]), ((409, "address-book-full"), &json!(most)));
    let listed = users.call_as(&ada, "list-addresses", Value::Null).await;
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!((items.len(), items[most - 1]["address"]["line1"].as_str()), (most, Some("Door 19")));
    for _ in 0..2 {
        assert_eq!(users.send("remove-address", json!({}), None, Some(&ada), &at).await.status, 204);
    }
    assert_eq!(users.call_as(&ada, "add-address", address("One more")).await.status, 201);
    assert_eq!(users.call_as(&eve, "list-addresses", Value::Null).await.body["items"], json!([]));
    users.assert_granted();
}
