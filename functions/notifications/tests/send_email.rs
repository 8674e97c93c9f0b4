//! The worker, invoked with the bytes of SQS events over the embedded engine, with its own grants and nothing more; mail
//! goes to a folder.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without ends it")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{Capability as _, Clock as _, Platform, Resource};
use engine::{BoxFuture, Call, ConnectorFailure, Engine, Guard, Layer, Next, Reply};
use kernel::{EventId, OrderId};
use lambda::{Envelope, Running, event_context};
use notifications::mark::Claim;
use notifications::operations::send_email;
use notifications::table::{MarkMail, NOTIFICATIONS};
use notifications::{Notice, NoticeKind};
use orders::Order;
use orders::table::OpenOrder;
use serde_json::{Value, json};
use testkit::data::{self, Data};

/// Refuses every call of an operation while it is named here.
#[derive(Default)]
struct Broken(Mutex<Option<&'static str>>);

impl Layer for Broken {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        if self.0.lock().unwrap().is_some_and(|operation| operation == call.operation) {
            return Box::pin(async { Err(ConnectorFailure::NotSent("refused by the test".into())) });
        }
        next.run(call)
    }
}

struct Post {
    data: Data,
    engine: Engine,
    platform: Platform,
    folder: PathBuf,
    running: Running,
    guard: Arc<Guard>,
    broken: Arc<Broken>,
}

impl Drop for Post {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// `None` when the tests run against DynamoDB Local: there are no queues and secrets beside it.
async fn post() -> Option<Post> {
    let data = data::open(&[&NOTIFICATIONS, &orders::table::TABLE]).await;
    let engine = data.engine.clone()?;
    let mut config = data.platform.config().clone();
    let folder = std::env::temp_dir().join(format!("{}-outbox", config.prefix));
    config.mail = format!("folder:{}", folder.display());
    config.mail_from = "Oxcart <shop@example.com>".into();
    config.issuer = "https://shop.example".into();
    let function = send_email::function();
    let prefix = config.prefix.clone();
    let named = |grant: &aws::Grant| {
        let resource = match grant.resource {
            Resource::Table { name } => format!("{prefix}-{name}"),
            Resource::Secret { name } => format!("secret/{prefix}/{name}"),
            Resource::Queue { name } => format!("test-{name}"),
            Resource::DeadLetters { name } => format!("test-{name}-dead"),
            // Mail does not leave through the engine.
            Resource::Sender => return Vec::new(),
            ref other => panic!("the tests do not know {other:?}"),
        };
        grant.actions.iter().map(|action| engine::Grant::new(*action, resource.clone())).collect()
    };
    let guard = Arc::new(Guard::new(function.grants.iter().flat_map(named)));
    let broken = Arc::new(Broken::default());
    for queue in ["test-send-email", "test-send-email-dead"] {
        let made = engine.handle("AmazonSQS.CreateQueue", json!({ "QueueName": queue }).to_string().into()).await;
        assert!(made.is_success());
    }
    let layers: Vec<Arc<dyn Layer>> = vec![guard.clone(), broken.clone()];
    let own = Platform::over(config, engine.http_client(layers)).with_clock(data.clock.clone());
    let running = function.start(&own).unwrap();
    Some(Post { platform: data.platform.clone(), engine, folder, running, guard, broken, data })
}

fn order(id: &OrderId) -> Order {
    let at = data::START.to_string();
    serde_json::from_value(json!({
        "pk": id,
        "number": orders::order::number(id),
        "status": "paid",
        "version": 2,
        "email": "zoe@example.com",
        "cart_id": "crt_0000000000000000000001",
        "attempt": "AAA", "fingerprint": "f",
        "lines": { "currency": "EUR", "items": [{
            "sku": "TEA-1", "product_id": "prd_00000000000001", "name": "Green <b>tea</b>", "quantity": 2,
            "unit_price": 650, "line_total": 1300, "tax": 0, "tax_rate": 0,
        }] },
        "totals": {
            "currency": "EUR", "subtotal": 1300, "discount": 0, "shipping": 490, "tax": 0, "total": 1790,
        },
        "shipping_address": {
            "name": "Zoë\r\nBcc: eve@example.com", "line1": "Am Wall 1", "city": "Bremen", "postal_code": "28195",
            "country": "DE",
        },
        "shipping_method": "standard",
        "payment": { "status": "succeeded" },
        "events": [],
        "created_at": at,
        "expires_at": at,
        "updated_at": at,
    }))
    .unwrap()
}

impl Post {
    async fn placed(&self) -> OrderId {
        let id = OrderId::new([9; 16]);
        OpenOrder::connect(&self.platform).unwrap().open(&order(&id)).await.unwrap();
        id
    }

    fn notice(&self, order_id: &OrderId, kind: NoticeKind) -> Envelope<Notice> {
        let id = EventId::derive(&[order_id.as_str().as_bytes(), format!("{kind:?}").as_bytes()]);
        let data = Notice { order_id: order_id.clone(), kind };
        Envelope { id, kind: "order.paid.v1".into(), time: self.data.clock.now(), data }
    }

    /// Delivers one message; whether it is done with.
    async fn deliver(&self, body: &str) -> bool {
        let event = json!({ "Records": [{
            "messageId": "m-1",
            "receiptHandle": "h-1",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1795766400000",
                "SenderId": "AIDA",
                "ApproximateFirstReceiveTimestamp": "1795766400001",
            },
            "messageAttributes": {},
            "md5OfBody": "00000000000000000000000000000000",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:test-send-email",
            "awsRegion": "us-east-1",
        }]});
        let context = event_context("request-1", self.data.clock.now().after(Duration::from_secs(30)));
        let answer: Value =
            serde_json::from_str(&self.running.invoke(event.to_string(), context).await.unwrap()).unwrap();
        assert!(self.guard.denied().is_empty(), "{:?}", self.guard.denied());
        answer["batchItemFailures"].as_array().unwrap().is_empty()
    }

    async fn notify(&self, notice: &Envelope<Notice>) -> bool {
        self.deliver(&serde_json::to_string(notice).unwrap()).await
    }

    /// The mails in the outbox, oldest first.
    fn mails(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(paths.iter().all(|path| path.extension().is_some_and(|kind| kind == "eml")), "{paths:?}");
        paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    fn empty_the_outbox(&self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

#[tokio::test]
async fn a_paid_order_is_confirmed_once_however_often_it_is_told() {
    let Some(post) = post().await else { return };
    let id = post.placed().await;
    let notice = post.notice(&id, NoticeKind::OrderPaid);
    assert!(post.notify(&notice).await);
    let [mail] = post.mails().try_into().unwrap();
    assert!(mail.contains("To: =?UTF-8?B?"), "{mail}");
    assert!(mail.contains("<zoe@example.com>\r\n") && !mail.contains("\r\nBcc"), "{mail}");
    assert!(mail.contains(&format!("Subject: Your order {} is confirmed\r\n", order(&id).number)));
    assert!(mail.contains("17.90 EUR") && mail.contains("&lt;b&gt;tea"));
    let joined = mail.replace("=\r\n", "").replace("=3D", "=");
    let link = joined.split_whitespace().find(|word| word.starts_with("https://shop.example/v1/orders/ord_")).unwrap();
    let token = link.split_once("?token=").unwrap().1;
    let secret = aws::SigningSecret::connect(&post.platform).unwrap();
    assert!(orders::view::opens(secret.key().await.unwrap(), &id, token), "the link opens the order");

    post.empty_the_outbox();
    for wait in [0, 30, 60, 3600] {
        post.data.clock.advance(Duration::from_secs(wait));
        assert!(post.notify(&notice).await, "a redelivery is done with");
    }
    assert!(post.mails().is_empty(), "and sends nothing");
    assert!(post.notify(&post.notice(&id, NoticeKind::OrderExpired)).await);
    assert!(post.mails()[0].contains("was not paid in time"), "another event has a mail of its own");
}

#[tokio::test]
async fn an_attempt_that_died_is_made_again_after_its_time_and_not_before() {
    let Some(post) = post().await else { return };
    let notice = post.notice(&post.placed().await, NoticeKind::OrderPaid);
    let marks = MarkMail::connect(&post.platform).unwrap();
    assert_eq!(marks.claim(&notice.id, "died", post.data.clock.now()).await.unwrap(), Claim::Mine);
    assert!(!post.notify(&notice).await);
    post.data.clock.advance(Duration::from_secs(59));
    assert!(!post.notify(&notice).await);
    assert!(post.mails().is_empty());
    post.data.clock.advance(Duration::from_secs(1));
    assert!(post.notify(&notice).await);
    assert_eq!(post.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_that_left_is_done_with_even_if_that_cannot_be_written_down() {
    let Some(post) = post().await else { return };
    let notice = post.notice(&post.placed().await, NoticeKind::OrderPaid);
    *post.broken.0.lock().unwrap() = Some("UpdateItem");
    assert!(post.notify(&notice).await);
    assert_eq!(post.mails().len(), 1);
    // A copy of the message, later: the mail is sent a second time, which here is the same file.
    post.data.clock.advance(Duration::from_secs(60));
    assert!(post.notify(&notice).await);
    assert_eq!(post.mails().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_sent_now_comes_again() {
    let Some(post) = post().await else { return };
    let id = OrderId::new([9; 16]);
    let notice = post.notice(&id, NoticeKind::OrderPaid);
    assert!(!post.notify(&notice).await, "there is no such order yet");
    post.placed().await;
    for operation in ["GetItem", "PutItem"] {
        *post.broken.0.lock().unwrap() = Some(operation);
        assert!(!post.notify(&notice).await, "{operation}");
        assert!(post.mails().is_empty());
    }
    *post.broken.0.lock().unwrap() = None;
    fs::write(&post.folder, "in the way").unwrap();
    assert!(!post.notify(&notice).await, "the outbox is broken");
    fs::remove_file(&post.folder).unwrap();
    assert!(!post.notify(&notice).await, "the attempt counts as alive");
    post.data.clock.advance(Duration::from_secs(60));
    assert!(post.notify(&notice).await);
    assert_eq!(post.mails().len(), 1);
}

#[tokio::test]
async fn what_nobody_can_read_is_kept_among_the_dead_letters() {
    let Some(post) = post().await else { return };
    for body in
        ["{}", "not json", r#"{"id":"evt_1","type":"x","time":"now","data":{"order_id":"ord_1","kind":"order-sold"}}"#]
    {
        assert!(post.deliver(body).await, "it does not come again");
    }
    let ask = json!({ "QueueUrl": "http://sqs.local/000000000000/test-send-email-dead", "AttributeNames": ["ApproximateNumberOfMessages"] });
    let reply = post.engine.handle("AmazonSQS.GetQueueAttributes", ask.to_string().into()).await.json();
    assert_eq!(reply["Attributes"]["ApproximateNumberOfMessages"], "3", "{reply}");
}
