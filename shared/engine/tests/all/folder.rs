use std::os::unix::fs::PermissionsExt;

use aws_sdk_sqs::types::QueueAttributeName;
use engine::{Engine, EngineError, Options};

use crate::support::{TempFolder, TestClock, dynamo, kms, s, secrets, sqs, table};

#[tokio::test]
async fn everything_is_there_when_a_folder_is_opened_again() {
    let (folder, clock) = (TempFolder::new(), TestClock::new());
    let open = || Engine::open(Options::folder(&folder.0, clock.clock()));
    let engine = open().unwrap();
    assert!(matches!(open().unwrap_err(), EngineError::InUse(_)));
    let client = dynamo(&engine, vec![]);
    table(&client, "carts").await;
    client.put_item().table_name("carts").item("pk", s("a")).send().await.unwrap();
    let queues = sqs(&engine, vec![]);
    let url = queues.create_queue().queue_name("jobs").attributes(QueueAttributeName::VisibilityTimeout, "7");
    let url = url.send().await.unwrap().queue_url.unwrap();
    queues.send_message().queue_url(&url).message_body("job").send().await.unwrap();
    engine.set_checkpoint("relay", "carts", "100000000000000000007").unwrap();
    let key = kms(&engine, vec![]).get_public_key().key_id("alias/tokens").send().await.unwrap();
    let secret = secrets(&engine, vec![]).get_secret_value().secret_id("a/b").send().await.unwrap();
    for file in ["keys/tokens.pem", "secrets/a%2Fb"] {
        let mode = std::fs::metadata(folder.0.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    drop((client, queues, engine));

    let engine = open().unwrap();
    let client = dynamo(&engine, vec![]);
    assert!(client.get_item().table_name("carts").key("pk", s("a")).send().await.unwrap().item.is_some());
    assert_eq!(engine.stream_records("carts", None, 10).await.unwrap().len(), 1);
    let queues = sqs(&engine, vec![]);
    let got = queues.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!(got.messages()[0].body(), Some("job"));
    assert_eq!(engine.next_due("jobs").unwrap(), Some(crate::support::START_MS + 7000));
    assert_eq!(engine.checkpoint("relay", "carts").unwrap().as_deref(), Some("100000000000000000007"));
    let key_again = kms(&engine, vec![]).get_public_key().key_id("alias/tokens").send().await.unwrap();
    assert_eq!(key.public_key(), key_again.public_key());
    let secret_again = secrets(&engine, vec![]).get_secret_value().secret_id("a/b").send().await.unwrap();
    assert_eq!(secret.secret_string(), secret_again.secret_string());
}

const CHILD: &str = "OXCART_ENGINE_KILLED_CHILD";

/// Not a test of its own: the process that `nothing_acknowledged_is_lost_to_kill_9` kills. It writes, and prints a
/// line for each pair of writes that was acknowledged, until it dies.
#[tokio::test]
async fn killed_child() {
    #[expect(clippy::disallowed_methods, reason = "the test's parent process speaks to it by this variable")]
    let Ok(folder) = std::env::var(CHILD) else { return };
    let engine = Engine::open(Options::folder(folder, TestClock::new().clock())).unwrap();
    let (client, queues) = (dynamo(&engine, vec![]), sqs(&engine, vec![]));
    table(&client, "carts").await;
    let url = queues.create_queue().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    for number in 0..100_000 {
        client.put_item().table_name("carts").item("pk", s(number.to_string())).send().await.unwrap();
        queues.send_message().queue_url(&url).message_body(number.to_string()).send().await.unwrap();
        println!("acknowledged {number}");
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_kill_9() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let folder = TempFolder::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "folder::killed_child", "--nocapture"])
        .env(CHILD, &folder.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged: i64 = -1;
    for line in lines {
        if let Some(number) = line.rsplit("acknowledged ").next().and_then(|text| text.parse().ok()) {
            acknowledged = number;
        }
        if acknowledged == 500 {
            // SIGKILL, on Unix. Lines already in the pipe are read on.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged >= 500);

    let engine = Engine::open(Options::folder(&folder.0, TestClock::new().clock())).unwrap();
    let client = dynamo(&engine, vec![]);
    for number in 0..=acknowledged {
        let item = client.get_item().table_name("carts").key("pk", s(number.to_string())).send().await.unwrap();
        assert!(item.item.is_some(), "{number} of {acknowledged}");
    }
    let queues = sqs(&engine, vec![]);
    let url = queues.get_queue_url().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    let name = QueueAttributeName::ApproximateNumberOfMessages;
    let counted = queues.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await.unwrap();
    let messages: i64 = counted.attributes().unwrap()[&name].parse().unwrap();
    assert!(messages > acknowledged, "{messages} messages, {} acknowledged", acknowledged + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_engine() {
    let engine = Engine::open(Options { offload: true, ..Options::memory(TestClock::new().clock()) }).unwrap();
    let client = dynamo(&engine, vec![]);
    table(&client, "stock").await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let update = client.update_item().table_name("stock").key("pk", s("a"));
                    let update = update.update_expression("ADD taken :one");
                    update.expression_attribute_values(":one", crate::support::n(1)).send().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let item = client.get_item().table_name("stock").key("pk", s("a")).send().await.unwrap().item.unwrap();
    assert_eq!(item["taken"], crate::support::n(320));
}
