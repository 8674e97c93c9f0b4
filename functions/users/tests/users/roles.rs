//! Who may do what, and that somebody always may give roles.

use futures_util::future::join;
use kernel::Email;
use serde_json::{Value, json};
use users::ensure_staff;

use crate::support::{Answer, PASSWORD, Users, users};

const ADMIN: &str = "admin@example.com";

async fn with_admin() -> Option<(Users, String, String)> {
    let users = users().await?;
    let email = Email::parse(ADMIN).unwrap();
    let id = ensure_staff(&users.platform, &email, PASSWORD, &["admin"]).await.unwrap();
    let access = users.sign_in(ADMIN, PASSWORD).await.text("/access_token").to_owned();
    Some((users, access, id.to_string()))
}

async fn give(users: &Users, access: &str, id: &str, roles: Value) -> Answer {
    users.send("set-roles", json!({}), Some(json!({ "roles": roles })), Some(access), &[("id", id)]).await
}

#[tokio::test]
async fn roles_are_given_and_taken_and_tokens_carry_them() {
    let Some((users, admin, _)) = with_admin().await else { return };
    let id = users.register("ada@example.com").await.text("/id").to_owned();
    let before = users.sign_in("ada@example.com", PASSWORD).await;
    let given = give(&users, &admin, &id, json!(["staff:orders", "channel"])).await;
    assert_eq!((given.status, &given.body["roles"]), (200, &json!(["customer", "staff:orders", "channel"])));
    let next = users.refresh(before.text("/refresh_token")).await;
    assert_eq!(next.status, 200, "more roles end no sign-in");
    let seen = users.call_as(next.text("/access_token"), "get-me", Value::Null).await;
    assert_eq!(seen.body["scopes"], given.body["roles"]);
    let taken = give(&users, &admin, &id, json!(["staff:orders"])).await;
    assert_eq!(taken.status, 200);
    assert_eq!(users.refresh(next.text("/refresh_token")).await.status, 401, "a role that is taken away ends them");
    for (bad, pointer) in [(json!(["root"]), "/roles/0"), (json!("admin"), "/roles"), (json!(["admin", 7]), "/roles/1")]
    {
        let answer = give(&users, &admin, &id, bad).await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer]));
    }
    for unknown in ["usr_0000000000000000", "rubbish"] {
        assert_eq!(give(&users, &admin, unknown, json!([])).await.problem(), (404, "user-not-found"));
    }
    let (at, none) = ([("id", id.as_str())], Some(json!({ "roles": [] })));
    let stale = users.send("set-roles", json!({ "if-match": "\"v1\"" }), none, Some(&admin), &at);
    assert_eq!(stale.await.problem(), (412, "version-mismatch"));
    let ada = users.sign_in("ada@example.com", PASSWORD).await.text("/access_token").to_owned();
    assert_eq!(give(&users, &ada, &id, json!(["admin"])).await.problem(), (403, "forbidden"));
    users.assert_granted();
}

#[tokio::test]
async fn somebody_stays_an_administrator() {
    let Some((users, admin, own)) = with_admin().await else { return };
    assert_eq!(give(&users, &admin, &own, json!([])).await.problem(), (409, "last-admin"));
    let id = users.register("ada@example.com").await.text("/id").to_owned();
    assert_eq!(give(&users, &admin, &id, json!(["admin"])).await.status, 200);
    assert_eq!(give(&users, &admin, &own, json!([])).await.status, 200, "there is another one");
    // The token still says admin; the roster knows better.
    for (target, roles) in [(&own, json!(["admin"])), (&id, json!([])), (&id, json!(["admin"]))] {
        assert_eq!(give(&users, &admin, target, roles).await.problem(), (403, "forbidden"));
    }
    let ada = users.sign_in("ada@example.com", PASSWORD).await.text("/access_token").to_owned();
    assert_eq!(give(&users, &ada, &id, json!([])).await.problem(), (409, "last-admin"));
    // From outside the API the first one can always be made again.
    let email = Email::parse(ADMIN).unwrap();
    ensure_staff(&users.platform, &email, PASSWORD, &["admin"]).await.unwrap();
    assert_eq!(give(&users, &ada, &id, json!([])).await.status, 200);
}

#[tokio::test]
async fn two_who_take_the_role_from_each_other_leave_one() {
    let Some((users, admin, own)) = with_admin().await else { return };
    let id = users.register("ada@example.com").await.text("/id").to_owned();
    assert_eq!(give(&users, &admin, &id, json!(["admin"])).await.status, 200);
    let ada = users.sign_in("ada@example.com", PASSWORD).await.text("/access_token").to_owned();
    let (one, two) = join(give(&users, &admin, &id, json!([])), give(&users, &ada, &own, json!([]))).await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403], "{one:?} {two:?}");
    let admins = [ADMIN, "ada@example.com"].map(|email| users.account(email));
    let admins = futures_util::future::join_all(admins).await;
    assert_eq!(admins.iter().filter(|account| account.is_admin()).count(), 1);
}

#[tokio::test]
async fn a_lost_answer_gives_roles_once() {
    let Some((users, admin, _)) = with_admin().await else { return };
    let id = users.register("ada@example.com").await.text("/id").to_owned();
    users.faults.lose_answer_of("TransactWriteItems");
    let given = give(&users, &admin, &id, json!(["staff:catalog"])).await;
    assert_eq!((given.status, &given.body["version"]), (200, &json!(2)), "{given:?}");
    assert_eq!(users.account("ada@example.com").await.version, 2);
}
