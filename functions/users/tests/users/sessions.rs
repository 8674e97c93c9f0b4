//! Refresh tokens: rotation, reuse, the end of a sign-in, and answers that get lost.

use std::time::Duration;

use futures_util::future::join;
use serde_json::json;

use crate::support::{Answer, PASSWORD, Users, users};

/// A signed-in customer's first refresh token.
async fn signed_in(users: &Users) -> String {
    users.register("ada@example.com").await;
    refresh_of(&users.sign_in("ada@example.com", PASSWORD).await)
}

fn refresh_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("/refresh_token").to_owned()
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_family() {
    let Some(users) = users().await else { return };
    let first = signed_in(&users).await;
    let other = refresh_of(&users.sign_in("ada@example.com", PASSWORD).await);
    let second = refresh_of(&users.refresh(&first).await);
    let third = refresh_of(&users.refresh(&second).await);
    assert!(first != second && second != third);
    let reused = users.refresh(&first).await;
    assert_eq!(reused.problem(), (401, "bad-credentials"));
    assert_eq!(users.refresh(&third).await.problem(), (401, "bad-credentials"), "the newest is over too");
    assert_eq!(users.refresh(&other).await.status, 200, "another sign-in of the same person goes on");
    users.assert_granted();
    let unused: Vec<_> = users.unused().into_iter().filter(|(name, _)| *name == "issue-token").collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[tokio::test]
async fn rubbish_and_guesses_end_nothing() {
    let Some(users) = users().await else { return };
    let token = signed_in(&users).await;
    let (front, secret) = token.rsplit_once('.').unwrap();
    let (family, _) = front.rsplit_once('.').unwrap();
    let guesses = [
        "x".to_owned(),
        format!("{front}.AAAAAAAAAAAAAAAAAAAAAA"),
        format!("{family}.2.{secret}"),
        format!("{family}.18446744073709551615.{secret}"),
        format!("rft_AAAAAAAAAAAAAAAAAAAAAA.1.{secret}"),
    ];
    for guess in guesses {
        assert_eq!(users.refresh(&guess).await.problem(), (401, "bad-credentials"), "{guess}");
        assert_eq!(users.post("revoke-token", json!({ "refresh_token": guess })).await.status, 204);
    }
    assert_eq!(users.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn signing_out_ends_the_sign_in_and_can_be_repeated() {
    let Some(users) = users().await else { return };
    let token = signed_in(&users).await;
    let newer = refresh_of(&users.refresh(&token).await);
    for _ in 0..2 {
        let out = users.post("revoke-token", json!({ "refresh_token": newer })).await;
        assert_eq!((out.status, out.body), (204, serde_json::Value::Null));
    }
    assert_eq!(users.refresh(&newer).await.status, 401);
    assert_eq!(users.post("revoke-token", json!({})).await.problem(), (422, "invalid-body"));
    users.assert_granted();
}

#[tokio::test]
async fn a_sign_in_lives_thirty_days_after_its_last_refresh() {
    let Some(users) = users().await else { return };
    let day = Duration::from_secs(24 * 3600);
    let mut token = signed_in(&users).await;
    for _ in 0..2 {
        users.data.clock.advance(day * 29);
        token = refresh_of(&users.refresh(&token).await);
    }
    users.data.clock.advance(day * 30);
    assert_eq!(users.refresh(&token).await.status, 401);
}

#[tokio::test]
async fn of_two_at_once_at_most_one_gets_a_token() {
    let Some(users) = users().await else { return };
    let token = signed_in(&users).await;
    let (a, b) = join(users.refresh(&token), users.refresh(&token)).await;
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn lost_answers_of_the_database_cost_nobody_a_sign_in() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    users.faults.lose_answer_of("PutItem");
    let token = refresh_of(&users.sign_in("ada@example.com", PASSWORD).await);
    users.faults.lose_answer_of("UpdateItem");
    let next = refresh_of(&users.refresh(&token).await);
    assert_eq!(users.refresh(&next).await.status, 200);
}

#[tokio::test]
async fn a_refresh_that_fails_before_the_end_does_not_spend_the_token() {
    let Some(users) = users().await else { return };
    let token = signed_in(&users).await;
    users.faults.refuse(Some("Sign"));
    let failed = users.refresh(&token).await;
    assert!(failed.status >= 500, "{failed:?}");
    users.faults.refuse(None);
    assert_eq!(users.refresh(&token).await.status, 200);
}
