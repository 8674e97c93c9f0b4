//! Guessing passwords: strangers are stopped, owners are not.

use std::time::Duration;

use serde_json::json;

use crate::support::{HERE, NETWORK, PASSWORD, Users, users};

/// Failures in a row; the answer that was not "wrong password", when there was one.
async fn guess(users: &Users, email: &str, times: u32) -> Option<(u16, String)> {
    for _ in 0..times {
        let answer = users.sign_in(email, "not-the-password").await;
        if answer.status != 401 {
            let (status, code) = answer.problem();
            return Some((status, code.to_owned()));
        }
    }
    None
}

fn stopped() -> Option<(u16, String)> {
    Some((429, "too-many-sign-ins".to_owned()))
}

fn come_from(users: &Users, address: &'static str) {
    *users.address.lock().unwrap() = address;
}

const STRANGERS: [&str; 4] = ["198.51.100.1", "203.0.113.1", "2001:db8::1", "100.64.0.1"];

#[tokio::test]
async fn a_stranger_is_stopped_and_the_owner_gets_in() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 200, "at home");
    come_from(&users, STRANGERS[0]);
    assert_eq!(guess(&users, "ada@example.com", HERE).await, None);
    assert_eq!(guess(&users, "ada@example.com", 1).await, stopped(), "and now even the right one would not do");
    let right = users.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(right.problem(), (429, "too-many-sign-ins"));
    assert!(right.headers["retry-after"].as_str().unwrap().parse::<u64>().unwrap() <= 900);
    // From many networks: the account is closed to all that it does not know.
    for address in &STRANGERS[1..3] {
        come_from(&users, address);
        assert_eq!(guess(&users, "ada@example.com", HERE).await, None);
    }
    come_from(&users, STRANGERS[3]);
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 429);
    come_from(&users, "192.0.2.200");
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 200, "a neighbour's address of home");
    users.data.clock.advance(Duration::from_secs(900));
    come_from(&users, STRANGERS[3]);
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 200, "it is forgotten");
    users.assert_granted();
}

#[tokio::test]
async fn an_address_without_an_account_is_counted_just_so() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let (known, unknown) = ("ada@example.com", "nobody@example.com");
    users.faults.calls();
    let mut calls = Vec::new();
    for email in [known, unknown] {
        assert_eq!(guess(&users, email, HERE).await, None);
        assert_eq!(guess(&users, email, 1).await, stopped());
        let mut seen = users.faults.calls();
        seen.sort_unstable();
        calls.push(seen);
    }
    assert_eq!(calls[0], calls[1], "the same work");
    users.data.clock.advance(Duration::from_secs(900));
    assert_eq!(users.sign_in(known, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn who_tries_one_password_with_many_addresses_is_stopped_too() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    users.sign_in("ada@example.com", PASSWORD).await;
    let mut tried = 0;
    while guess(&users, &format!("a{tried}@example.com"), 1).await.is_none() {
        tried += 1;
        assert!(tried <= NETWORK, "nobody stops it");
    }
    assert_eq!(tried, NETWORK);
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 200, "who lives there still gets in");
}

#[tokio::test]
async fn counts_that_cannot_be_read_stop_nobody() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    users.faults.refuse(Some("BatchGetItem"));
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 200);
    assert_eq!(guess(&users, "ada@example.com", 2).await, None);
}

#[tokio::test]
async fn a_stolen_token_is_no_way_to_guess_the_password() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let access = users.sign_in("ada@example.com", PASSWORD).await.text("/access_token").to_owned();
    come_from(&users, STRANGERS[0]);
    let body = json!({ "password": "another-plum-tractor", "current_password": "not-the-password" });
    for _ in 0..HERE {
        assert_eq!(users.call_as(&access, "update-me", body.clone()).await.status, 422);
    }
    assert_eq!(users.call_as(&access, "update-me", body).await.problem(), (429, "too-many-sign-ins"));
}
