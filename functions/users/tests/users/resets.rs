//! Setting another password by mail.

use kernel::limits::{MAILED_LIFE, MAILED_TIMES};
use serde_json::{Value, json};
use users::mailed::Purpose;

use crate::support::{PASSWORD, Users, users};

const OTHER: &str = "another-plum-tractor";

async fn ask(users: &Users, email: &str) -> Value {
    let answer = users.post("start-password-reset", json!({ "email": email })).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body
}

async fn token(users: &Users) -> String {
    ask(users, "ada@example.com").await;
    users.mailed(&users.account("ada@example.com").await, Purpose::PasswordReset).await
}

fn body(token: &str, password: &str) -> Value {
    json!({ "token": token, "password": password })
}

#[tokio::test]
async fn the_token_sets_another_password_once_and_ends_every_sign_in() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let refresh = users.sign_in("ada@example.com", PASSWORD).await.text("/refresh_token").to_owned();
    let token = token(&users).await;
    assert_eq!(users.refresh(&refresh).await.status, 200, "asking alone ends nothing");
    let weak = users.post("confirm-password-reset", body(&token, "ada@example.com")).await;
    assert_eq!((weak.status, weak.pointers()), (422, vec!["/password"]), "and the token is not spent");
    users.faults.lose_answer_of("UpdateItem");
    for _ in 0..2 {
        let done = users.post("confirm-password-reset", body(&token, OTHER)).await;
        assert_eq!(done.status, 204, "a repeated call whose answer was lost: {done:?}");
    }
    let again = users.post("confirm-password-reset", body(&token, "yet-another-plum")).await;
    assert_eq!(again.problem(), (400, "mailed-token-invalid"), "it works once");
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 401);
    let signed = users.sign_in("ada@example.com", OTHER).await;
    assert_eq!(signed.status, 200);
    assert_eq!(users.refresh(signed.text("/refresh_token")).await.status, 200);
    assert_eq!(users.refresh(&refresh).await.status, 401);
    users.assert_granted();
}

#[tokio::test]
async fn nobody_learns_whether_an_address_exists() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    users.faults.calls();
    let known = ask(&users, "ada@example.com").await;
    let calls = users.faults.calls();
    let unknown = ask(&users, "nobody@example.com").await;
    assert_eq!(known, unknown);
    assert_eq!(calls, users.faults.calls(), "the same work");
    let wrong = users.post("start-password-reset", json!({ "email": "nobody" })).await;
    assert_eq!((wrong.status, wrong.pointers()), (422, vec!["/email"]));
}

#[tokio::test]
async fn a_token_is_over_after_an_hour_and_nothing_else_is_one() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let token = token(&users).await;
    let stored = users.account("ada@example.com").await;
    let nonce = stored.reset.clone().unwrap().nonce;
    assert!(!serde_json::to_string(&stored).unwrap().contains(&token), "nothing of the token is stored");
    for bad in ["x", nonce.as_str(), &token[1..], &format!("{token}AAAA")] {
        let answer = users.post("confirm-password-reset", body(bad, OTHER)).await;
        assert_eq!(answer.problem(), (400, "mailed-token-invalid"), "{bad}");
    }
    users.data.clock.advance(MAILED_LIFE);
    assert_eq!(users.post("confirm-password-reset", body(&token, OTHER)).await.status, 400);
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn who_asks_again_and_again_neither_spoils_the_mail_nor_floods() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let first = token(&users).await;
    for _ in 0..2 * MAILED_TIMES {
        assert_eq!(token(&users).await, first);
    }
    let reset = users.account("ada@example.com").await.reset.unwrap();
    assert_eq!(reset.mails, MAILED_TIMES, "each mail is a change, and there are no more");
    let version = users.account("ada@example.com").await.version;
    assert_eq!(version, 1, "strangers who ask do not get in the way of the owner's If-Match");
    assert_eq!(users.post("confirm-password-reset", body(&first, OTHER)).await.status, 204);
}

#[tokio::test]
async fn the_owner_who_knows_the_password_calls_a_reset_off() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let token = token(&users).await;
    let access = users.sign_in("ada@example.com", PASSWORD).await.text("/access_token").to_owned();
    let change = json!({ "password": OTHER, "current_password": PASSWORD });
    assert_eq!(users.call_as(&access, "update-me", change).await.status, 200);
    let answer = users.post("confirm-password-reset", body(&token, "yet-another-plum")).await;
    assert_eq!(answer.problem(), (400, "mailed-token-invalid"));
}

#[tokio::test]
async fn a_reset_calls_off_what_was_asked_for_with_the_old_password() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let access = users.sign_in("ada@example.com", PASSWORD).await.text("/access_token").to_owned();
    let change = json!({ "email": "eve@example.com", "current_password": PASSWORD });
    assert_eq!(users.call_as(&access, "update-me", change).await.status, 200);
    let stolen = users.mailed(&users.account("ada@example.com").await, Purpose::EmailChange).await;
    let token = token(&users).await;
    assert_eq!(users.post("confirm-password-reset", body(&token, OTHER)).await.status, 204);
    assert_eq!(users.post("confirm-email", json!({ "token": stolen })).await.status, 400);
}
