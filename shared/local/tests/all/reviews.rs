//! Reviews: writing one killed between any two calls, many at once, changes that reach the worker twice and late. In the end
//! the product's rating is that of the shown reviews.

use std::time::Duration;

use aws::table::{from_item, s};
use bytes::Bytes;
use catalog::Average;
use http::{Method, Request};
use kernel::{OrderId, ProductId, UserId};
use reviews::Review;
use serde_json::{Value, json};

use crate::saga::World;

/// The most calls that post-review makes, with room for one more.
const CALLS: i64 = 11;

fn product() -> ProductId {
    ProductId::new([1; 16])
}

fn customer(number: u8) -> UserId {
    UserId::new([number; 16])
}

/// A shop in which these customers have a paid order.
async fn world(killed: &'static str, customers: u8) -> World {
    let world = World::with(killed, [].into()).await;
    let cart = world.cart(1).await;
    let (status, _) = world.pay(&cart, 1, "order", "pm_card_visa").await;
    assert_eq!(status, 201);
    let mut order = world.items(&orders::table::TABLE).await.remove(0);
    let table = world.shop.platform().table(&orders::table::TABLE);
    for number in 1..=customers {
        order.insert("pk".into(), s(OrderId::new([number; 16]).as_str()));
        order.insert("customer".into(), s(customer(number).as_str()));
        let put = table.client().put_item().table_name(table.name()).set_item(Some(order.clone()));
        put.send().await.unwrap();
    }
    world
}

async fn call(world: &World, who: &UserId, method: Method, path: &str, body: &Value, key: &str) -> (u16, Value) {
    let claims = local::shop::verified(&who.to_string(), "customer admin");
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let response = world.shop.request_of(&claims, request.body(body).unwrap()).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

fn all() -> String {
    format!("/v1/products/{}/reviews", product())
}

fn mine() -> String {
    format!("{}/mine", all())
}

/// What must hold when everything is counted: the product's rating, and the order of lists, are those of the shown reviews.
async fn audit(world: &World, what: &str) -> u32 {
    let items = world.items(&reviews::table::TABLE).await;
    let reviews: Vec<Review> = items.into_iter().map(|item| from_item(item).unwrap()).collect();
    let shown: Vec<u64> = reviews.iter().filter(|one| one.is_shown()).map(|one| u64::from(one.said.rating)).collect();
    assert!(reviews.iter().all(|one| one.counted == one.countable()), "{what}: {reviews:?}");
    let count = u32::try_from(shown.len()).unwrap();
    let expected = catalog::Rating::of(shown.iter().sum(), count);
    let (status, seen) =
        call(world, &customer(1), Method::GET, &format!("/v1/products/{}", product()), &Value::Null, "").await;
    assert_eq!(status, 200);
    assert_eq!(seen["rating"], json!(expected), "{what}");
    let rows = world.items(&catalog::table::TABLE).await;
    let mut rows = rows.iter().filter_map(|item| item.get("by_rating")).map(|number| number.as_n().unwrap());
    assert!(rows.all(|row| *row == expected.average.hundredths().to_string()), "{what}");
    count
}

#[tokio::test(start_paused = true)]
async fn a_review_whose_call_is_killed_anywhere_is_written_once() {
    for at in 1..=CALLS {
        for answer_only in [false, true] {
            let what = format!("killed at call {at}, answer only {answer_only}");
            let world = world("post-review", 1).await;
            let body = json!({ "rating": 4, "text": "good" });
            world.killer.arm(at, answer_only);
            let (first, _) = call(&world, &customer(1), Method::POST, &all(), &body, "key").await;
            world.killer.disarm();
            let (mut last, mut review) = call(&world, &customer(1), Method::POST, &all(), &body, "key").await;
            for _ in 0..3 {
                if last == 409 && review["code"] == "request-in-flight" {
                    world.clock.advance(Duration::from_secs(30));
                    (last, review) = call(&world, &customer(1), Method::POST, &all(), &body, "key").await;
                }
            }
            assert_eq!(last, 201, "{what}: {first} then {review}");
            world.shop.drain().await;
            assert_eq!(audit(&world, &what).await, 1);
            let (again, refused) = call(&world, &customer(1), Method::POST, &all(), &body, "other").await;
            assert_eq!((again, &refused["code"]), (409, &json!("review-exists")), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_rating_is_right_wherever_its_worker_is_killed() {
    for at in 1..=6 {
        for answer_only in [false, true] {
            let world = world("rate-products", 2).await;
            for (number, stars) in [(1, 5), (2, 2)] {
                let (status, _) =
                    call(&world, &customer(number), Method::POST, &all(), &json!({ "rating": stars }), "").await;
                assert_eq!(status, 201);
            }
            world.killer.arm(at, answer_only);
            world.shop.drain().await;
            world.killer.disarm();
            world.settle().await;
            let (status, _) = call(&world, &customer(1), Method::PUT, &mine(), &json!({ "rating": 1 }), "").await;
            assert_eq!(status, 200);
            world.settle().await;
            assert_eq!(audit(&world, &format!("killed at {at}, answer only {answer_only}")).await, 2);
        }
    }
}

#[tokio::test]
async fn many_at_once_leave_the_rating_of_what_is_shown() {
    const CUSTOMERS: u8 = 12;
    let world = world("nobody", CUSTOMERS).await;
    let shopper = async |number: u8| {
        let who = customer(number);
        for round in 0..4_u8 {
            let stars = json!({ "rating": (number + round) % 5 + 1 });
            let (status, review) = call(&world, &who, Method::POST, &all(), &stars, "").await;
            assert!(matches!(status, 201 | 409 | 503), "{review}");
            let (status, review) =
                call(&world, &who, Method::PUT, &mine(), &json!({ "rating": number % 5 + 1 }), "").await;
            assert!(matches!(status, 200 | 503), "{review}");
            if number.is_multiple_of(3) {
                let (status, answer) = call(&world, &who, Method::DELETE, &mine(), &Value::Null, "").await;
                assert!(matches!(status, 204 | 503), "{answer}");
            }
            if number.is_multiple_of(4) {
                let path = format!("/v1/admin{}/{}/moderation", &all()[3..], Review::id(&product(), &who));
                let hidden = json!({ "hidden": round.is_multiple_of(2) });
                call(&world, &who, Method::PUT, &path, &hidden, "").await;
            }
            world.shop.drain().await;
        }
    };
    let shoppers: Vec<_> = (1..=CUSTOMERS).map(shopper).collect();
    futures_util::future::join_all(shoppers).await;
    world.shop.drain().await;
    assert!(audit(&world, "many at once").await >= 5);
    // The same changes once more, late and in any order.
    let event =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/rate-products.json")).unwrap();
    let mut event: Value = serde_json::from_str(&event).unwrap();
    for number in 1..=CUSTOMERS {
        let image = &mut event["Records"][0]["dynamodb"]["NewImage"];
        image["pk"]["S"] = json!(product());
        image["sk"]["S"] = json!(Review::id(&product(), &customer(number)));
        let answer = world.shop.invoke("rate-products", event.to_string()).await.unwrap();
        assert!(answer.contains("[]"), "{answer}");
    }
    audit(&world, "late").await;
    assert_ne!(Average::default(), Average::from_hundredths(1));
}

#[tokio::test]
async fn who_did_not_buy_does_not_review_and_a_hidden_review_stays_hidden() {
    let world = world("nobody", 1).await;
    let (who, stranger) = (customer(1), customer(9));
    let said = json!({ "rating": 3, "title": "So so", "author": " Ada L. " });
    let (status, refused) = call(&world, &stranger, Method::POST, &all(), &said, "").await;
    assert_eq!((status, &refused["code"]), (403, &json!("not-bought")));
    let (status, wrong) = call(&world, &who, Method::POST, &all(), &json!({ "rating": 6, "stars": 1 }), "").await;
    assert_eq!((status, wrong["errors"].as_array().unwrap().len()), (422, 2));
    let nowhere = "/v1/products/prd_00000000000000/reviews";
    assert_eq!(call(&world, &who, Method::POST, nowhere, &said, "").await.0, 404);
    assert_eq!(call(&world, &who, Method::GET, nowhere, &Value::Null, "").await.0, 404);
    assert_eq!(call(&world, &who, Method::GET, &mine(), &Value::Null, "").await.0, 404);

    let (status, review) = call(&world, &who, Method::POST, &all(), &said, "").await;
    assert_eq!((status, &review["author"], &review["version"]), (201, &json!("Ada L."), &json!(1)));
    world.shop.drain().await;
    assert_eq!(audit(&world, "posted").await, 1);
    let (_, listed) = call(&world, &stranger, Method::GET, &all(), &Value::Null, "").await;
    assert_eq!(listed["items"][0]["id"], review["id"]);
    let verdict = format!("/v1/admin{}/{}/moderation", &all()[3..], review["id"].as_str().unwrap());
    let (status, _) =
        call(&world, &stranger, Method::PUT, &verdict, &json!({ "hidden": true, "reason": "spam" }), "").await;
    assert_eq!(status, 200);
    // Changing, deleting and writing it again does not bring it back.
    assert_eq!(call(&world, &who, Method::PUT, &mine(), &json!({ "rating": 5 }), "").await.0, 200);
    assert_eq!(call(&world, &who, Method::DELETE, &mine(), &Value::Null, "").await.0, 204);
    assert_eq!(call(&world, &who, Method::DELETE, &mine(), &Value::Null, "").await.0, 204);
    let (status, again) = call(&world, &who, Method::POST, &all(), &said, "").await;
    assert_eq!((status, &again["hidden"]), (201, &json!(true)));
    world.shop.drain().await;
    assert_eq!(audit(&world, "hidden").await, 0);
    let (_, listed) = call(&world, &stranger, Method::GET, &all(), &Value::Null, "").await;
    assert_eq!(listed["items"], json!([]));
    let inspect = format!("/v1/admin{}", &all()[3..]);
    let (_, inspected) = call(&world, &stranger, Method::GET, &inspect, &Value::Null, "").await;
    assert_eq!(inspected["items"][0]["moderation"]["reason"], "spam");
    let (status, _) = call(&world, &stranger, Method::PUT, &verdict, &json!({ "hidden": false }), "").await;
    assert_eq!(status, 200);
    world.shop.drain().await;
    assert_eq!(audit(&world, "shown again").await, 1);
}
