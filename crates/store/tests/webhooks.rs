//! Webhooks and the queue of their deliveries, on both engines.

mod common;

use api::webhook_events::{Change, EventAction, EventEntity, Subject};
use api::{ErrorCode, Webhook, WebhookEvent, WebhookStatus};
use common::for_each_engine;
use std::time::Duration;
use store::Error;
use store::db::Db;
use store::webhooks::queue::{self, Delivery, Outcome};
use store::webhooks::{self, NewWebhook, Table, Target, WebhookChanges};

const LEASE: Duration = Duration::from_secs(60);

fn event(entity: EventEntity, action: EventAction) -> WebhookEvent {
    WebhookEvent::new(entity, action).expect("an event")
}

fn created() -> WebhookEvent {
    event(EventEntity::RegisteredModel, EventAction::Created)
}

fn new_webhook(name: &str, now_ms: i64) -> NewWebhook {
    NewWebhook {
        name: name.into(),
        url: "https://hooks.example/x".into(),
        events: vec![created()],
        description: None,
        secret: Some("sealed".into()),
        status: WebhookStatus::Active,
        schemes: vec!["https".into()],
        now_ms,
    }
}

fn no_changes() -> WebhookChanges {
    WebhookChanges {
        name: None,
        url: None,
        events: None,
        description: None,
        secret: None,
        status: None,
        schemes: vec!["https".into()],
        now_ms: 99,
    }
}

async fn create(db: &Db, new: NewWebhook) -> store::Result<Webhook> {
    db.write(move |tx| Box::pin(webhooks::create(tx, new))).await
}

async fn get(db: &Db, id: &str) -> store::Result<Webhook> {
    let id = id.to_owned();
    db.read(move |tx| Box::pin(async move { webhooks::get(tx, &id).await })).await
}

async fn update(db: &Db, id: &str, changes: WebhookChanges) -> store::Result<Webhook> {
    let id = id.to_owned();
    db.write(move |tx| Box::pin(async move { webhooks::update(tx, &id, changes).await })).await
}

async fn delete(db: &Db, id: &str) -> store::Result<()> {
    let id = id.to_owned();
    db.write(move |tx| Box::pin(async move { webhooks::delete(tx, &id, 50).await })).await
}

fn model_created(name: &str) -> Change {
    Change::Created { name: name.into(), tags: vec![], description: String::new() }
}

async fn add(db: &Db, change: Change) -> u64 {
    db.write(move |tx| Box::pin(queue::add(tx, change, Subject::Model))).await.expect("queued")
}

async fn waiting(db: &Db) -> Option<Vec<String>> {
    db.read(|tx| Box::pin(queue::waiting(tx))).await.expect("a look")
}

async fn claim(db: &Db, id: &str, most: usize, lease: Duration) -> Option<(Target, Vec<Delivery>)> {
    let id = id.to_owned();
    db.write(move |tx| Box::pin(async move { queue::claim(tx, &id, most, lease).await }))
        .await
        .expect("a claim")
}

async fn claimed(db: &Db, id: &str, most: usize, lease: Duration) -> Vec<Delivery> {
    claim(db, id, most, lease).await.map(|(_, deliveries)| deliveries).unwrap_or_default()
}

async fn record(db: &Db, delivery: &Delivery, outcome: Outcome) {
    let delivery = delivery.clone();
    db.write(move |tx| Box::pin(async move { queue::record(tx, &delivery, outcome).await }))
        .await
        .expect("recorded");
}

/// State, tries and reason of every delivery.
async fn rows(db: &Db) -> Vec<(String, i64, Option<String>)> {
    let sql = "SELECT state, tries, reason FROM ferroflow_webhook_deliveries ORDER BY body";
    db.read(move |tx| {
        Box::pin(
            async move { tx.all(sql, &[], |row| Ok((row.text(0)?, row.int(1)?, row.opt_text(2)?))).await },
        )
    })
    .await
    .expect("rows")
}

fn code(error: Error) -> ErrorCode {
    match error {
        Error::Api(error) => error.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn created_read_changed_and_deleted() {
    for_each_engine(async |db| {
        let made = create(&db, new_webhook("one", 5)).await.expect("a webhook");
        assert_eq!(get(&db, &made.webhook_id).await.expect("it"), made);
        assert_eq!((made.creation_timestamp, made.last_updated_timestamp), (5, 5));
        let set = event(EventEntity::PromptTag, EventAction::Set);
        let changes = WebhookChanges {
            events: Some(vec![set, created()]),
            status: Some(WebhookStatus::Disabled),
            description: Some("ü".into()),
            ..no_changes()
        };
        let changed = update(&db, &made.webhook_id, changes).await.expect("changed");
        assert_eq!(changed.events, [set, created()], "by name");
        assert_eq!((changed.status, changed.name.as_str()), (WebhookStatus::Disabled, "one"));
        let same = update(&db, &made.webhook_id, no_changes()).await.expect("changed");
        assert_eq!(same, changed, "a webhook that is disabled stays so");
        let secret = {
            let id = made.webhook_id.clone();
            db.read(move |tx| Box::pin(async move { webhooks::target(tx, &id).await }))
                .await
                .expect("a target")
        };
        assert_eq!(secret.expect("there").secret.as_deref(), Some("sealed"));
        delete(&db, &made.webhook_id).await.expect("deleted");
        assert_eq!(code(get(&db, &made.webhook_id).await.unwrap_err()), ErrorCode::ResourceDoesNotExist);
        assert_eq!(code(delete(&db, &made.webhook_id).await.unwrap_err()), ErrorCode::ResourceDoesNotExist);
        let error = update(&db, &made.webhook_id, no_changes()).await.unwrap_err();
        assert_eq!(code(error), ErrorCode::ResourceDoesNotExist);
    })
    .await;
}

#[tokio::test]
async fn many_first_webhooks_make_one_queue() {
    for_each_engine(async |db| {
        for _ in 0..5 {
            let creating: Vec<_> = (0..8)
                .map(|number| {
                    let db = db.clone();
                    tokio::spawn(async move { create(&db, new_webhook(&format!("{number}"), 5)).await })
                })
                .collect();
            for created in creating {
                created.await.expect("no panic").expect("a webhook");
            }
            let drop = "DROP TABLE ferroflow_webhook_deliveries";
            db.write(move |tx| Box::pin(async move { tx.exec(drop, &[]).await })).await.expect("dropped");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_go_on_where_they_ended() {
    for_each_engine(async |db| {
        let mut ids = Vec::new();
        // Two of one time.
        for (n, time) in [(0, 1), (1, 2), (2, 2), (3, 3), (4, 4)] {
            ids.push(create(&db, new_webhook(&format!("w{n}"), time)).await.expect("made").webhook_id);
        }
        let page = async |most: Option<i64>, token: Option<String>| {
            db.read(move |tx| Box::pin(webhooks::list(tx, most, token))).await
        };
        let (all, end) = page(None, None).await.expect("a page");
        assert_eq!((all.len(), end), (5, None));
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..3 {
            let (some, next) = page(Some(2), token).await.expect("a page");
            found.extend(some);
            token = next;
            // What comes meanwhile shifts nothing.
            create(&db, new_webhook("new", 100)).await.expect("made");
        }
        assert_eq!((found, token), (all.clone(), None));
        // MLflow's own tokens are offsets; three were made since.
        let (rest, _) = page(Some(10), Some("eyJvZmZzZXQiOiA1fQ==".into())).await.expect("a page");
        assert_eq!(rest, all[2..]);
        for bad in [-1, 1001] {
            assert_eq!(code(page(Some(bad), None).await.unwrap_err()), ErrorCode::InvalidParameterValue);
        }
        assert_eq!(page(Some(0), None).await.expect("a page").0.len(), 8);
    })
    .await;
}

#[tokio::test]
async fn a_database_without_webhooks_gets_no_queue() {
    for_each_engine(async |db| {
        assert_eq!(webhooks::prepare(&db).await.expect("a look"), Table::NotNeeded);
        assert_eq!(add(&db, model_created("m")).await, 0);
        assert_eq!(waiting(&db).await, None);
        // MLflow's own server makes one.
        let insert =
            "INSERT INTO webhooks (webhook_id, name, url, status) VALUES ('a', 'n', 'https://h', 'ACTIVE')";
        let wants = "INSERT INTO webhook_events VALUES ('a', 'registered_model', 'created')";
        db.write(move |tx| {
            Box::pin(async move {
                tx.script(insert).await?;
                tx.script(wants).await
            })
        })
        .await
        .expect("made");
        assert_eq!(add(&db, model_created("m")).await, 1, "and the queue is made with the first event");
        assert_eq!(waiting(&db).await, Some(vec!["a".into()]));
        assert_eq!(webhooks::prepare(&db).await.expect("a look"), Table::There);
    })
    .await;
}

#[tokio::test]
async fn who_wants_to_know_is_told() {
    for_each_engine(async |db| {
        let wants = create(&db, new_webhook("wants", 1)).await.expect("made").webhook_id;
        let other = NewWebhook {
            events: vec![event(EventEntity::Prompt, EventAction::Created)],
            ..new_webhook("other", 2)
        };
        create(&db, other).await.expect("made");
        let disabled = NewWebhook { status: WebhookStatus::Disabled, ..new_webhook("disabled", 3) };
        create(&db, disabled).await.expect("made");
        let deleted = create(&db, new_webhook("deleted", 4)).await.expect("made").webhook_id;
        delete(&db, &deleted).await.expect("deleted");
        assert_eq!(add(&db, model_created("m")).await, 1);
        let tag = Change::TagSet { name: "m".into(), key: "k".into(), value: "v".into() };
        assert_eq!(add(&db, tag).await, 0, "MLflow tells nobody");
        assert_eq!(waiting(&db).await, Some(vec![wants.clone()]));
        let (target, deliveries) = claim(&db, &wants, 10, LEASE).await.expect("a claim");
        assert_eq!(
            (target.url.as_str(), target.secret.as_deref()),
            ("https://hooks.example/x", Some("sealed"))
        );
        assert_eq!(deliveries[0].event, "registered_model.created");
        let said: serde_json::Value = serde_json::from_str(&deliveries[0].body).expect("JSON");
        assert_eq!(said["data"]["name"], "m");
        assert!(said["timestamp"].as_str().is_some_and(|time| time.starts_with("20")), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_change_that_is_undone_is_not_told() {
    for_each_engine(async |db| {
        create(&db, new_webhook("w", 1)).await.expect("made");
        let undone = db.write(|tx| {
            Box::pin(async move {
                queue::add(tx, model_created("m"), Subject::Model).await?;
                Err::<(), _>(Error::Api(api::error::invalid("undone")))
            })
        });
        assert!(undone.await.is_err());
        assert_eq!(waiting(&db).await, Some(vec![]));
    })
    .await;
}

#[tokio::test]
async fn a_claim_is_one_replicas_until_its_end() {
    for_each_engine(async |db| {
        let id = create(&db, new_webhook("w", 1)).await.expect("made").webhook_id;
        for n in 0..3 {
            add(&db, model_created(&format!("m{n}"))).await;
        }
        let first = claimed(&db, &id, 2, LEASE).await;
        let second = claimed(&db, &id, 2, Duration::ZERO).await;
        assert_eq!((first.len(), second.len()), (2, 1));
        assert!(!first.iter().any(|delivery| delivery.delivery_id == second[0].delivery_id));
        // The second one's time is over at once: another takes it, and what the late one says no longer counts.
        let third = claimed(&db, &id, 2, LEASE).await;
        assert_eq!(third[0].delivery_id, second[0].delivery_id);
        record(&db, &second[0], Outcome::Delivered).await;
        assert_eq!(rows(&db).await.len(), 3);
        record(&db, &third[0], Outcome::Delivered).await;
        record(&db, &first[0], Outcome::Dead("404".into())).await;
        record(&db, &first[1], Outcome::Again(Duration::from_secs(60), "503".into())).await;
        let mut left = rows(&db).await;
        left.sort();
        assert_eq!(left, [("dead".into(), 1, Some("404".into())), ("pending".into(), 1, Some("503".into()))]);
        assert_eq!(waiting(&db).await, Some(vec![]), "the pause is not over");
    })
    .await;
}

#[tokio::test]
async fn what_is_due_again_comes_back_with_its_tries() {
    for_each_engine(async |db| {
        let id = create(&db, new_webhook("w", 1)).await.expect("made").webhook_id;
        add(&db, model_created("m")).await;
        let mut seen = Vec::new();
        for tries in 0..3 {
            let one = claimed(&db, &id, 5, LEASE).await.pop().expect("due");
            assert_eq!(one.tries, tries);
            record(&db, &one, Outcome::Again(Duration::ZERO, "gone".into())).await;
            seen.push(one.delivery_id);
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "a receiver can tell that it is the same");
    })
    .await;
}

#[tokio::test]
async fn replicas_never_get_the_same() {
    for_each_engine(async |db| {
        let id = create(&db, new_webhook("w", 1)).await.expect("made").webhook_id;
        for n in 0..40 {
            add(&db, model_created(&format!("m{n}"))).await;
        }
        let replicas = (0..8).map(|_| {
            let (db, id) = (db.clone(), id.clone());
            tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    let some = claimed(&db, &id, 3, LEASE).await;
                    if some.is_empty() {
                        return got;
                    }
                    got.extend(some.into_iter().map(|delivery| delivery.delivery_id));
                }
            })
        });
        let mut all = Vec::new();
        for replica in replicas.collect::<Vec<_>>() {
            all.extend(replica.await.expect("a replica"));
        }
        // Who finds only what others have locked ends early; what is left is still due.
        loop {
            let rest = claimed(&db, &id, 10, LEASE).await;
            if rest.is_empty() {
                break;
            }
            all.extend(rest.into_iter().map(|delivery| delivery.delivery_id));
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!((count, all.len()), (40, 40));
    })
    .await;
}

#[tokio::test]
async fn a_webhook_that_is_not_there_any_more_gets_nothing() {
    for_each_engine(async |db| {
        let disabled = create(&db, new_webhook("disabled", 1)).await.expect("made").webhook_id;
        let deleted = create(&db, new_webhook("deleted", 2)).await.expect("made").webhook_id;
        let by_mlflow = create(&db, new_webhook("by-mlflow", 3)).await.expect("made").webhook_id;
        assert_eq!(add(&db, model_created("m")).await, 3);
        let off = WebhookChanges { status: Some(WebhookStatus::Disabled), ..no_changes() };
        update(&db, &disabled, off).await.expect("changed");
        delete(&db, &deleted).await.expect("deleted");
        db.write(|tx| {
            Box::pin(async move {
                tx.script("UPDATE webhooks SET deleted_timestamp = 1 WHERE name = 'by-mlflow'").await
            })
        })
        .await
        .expect("deleted");
        for id in [&disabled, &deleted, &by_mlflow] {
            assert!(claim(&db, id, 10, LEASE).await.is_none());
        }
        let left = rows(&db).await;
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].0, "dead");
        assert!(left[0].2.as_deref().expect("a reason").contains("disabled"));
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_is_kept_for_a_while() {
    for_each_engine(async |db| {
        let id = create(&db, new_webhook("w", 1)).await.expect("made").webhook_id;
        add(&db, model_created("m")).await;
        add(&db, model_created("n")).await;
        let one = claimed(&db, &id, 1, LEASE).await.pop().expect("due");
        record(&db, &one, Outcome::Dead("410".into())).await;
        let purge = async |age| db.write(move |tx| Box::pin(queue::purge(tx, age))).await.expect("purged");
        assert_eq!(purge(LEASE).await, 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(purge(Duration::from_millis(5)).await, 1);
        assert_eq!(rows(&db).await, [("pending".into(), 0, None)]);
    })
    .await;
}

#[tokio::test]
async fn a_user_who_may_make_no_table_is_told_so() {
    for_each_engine(async |db| {
        if db.dialect() == store::db::Dialect::Sqlite {
            return;
        }
        let limit = "
            CREATE ROLE webhooks_limited;
            REVOKE CREATE ON SCHEMA public FROM PUBLIC;
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO webhooks_limited";
        db.write(move |tx| Box::pin(async move { tx.script(limit).await })).await.expect("a role");
        let limited = db.write(|tx| {
            Box::pin(async move {
                tx.script("SET LOCAL ROLE webhooks_limited").await?;
                webhooks::create(tx, new_webhook("w", 1)).await
            })
        });
        let error = match limited.await.unwrap_err() {
            Error::Api(error) => error,
            other => panic!("{other}"),
        };
        assert_eq!(error.code, ErrorCode::InvalidState);
        assert!(error.message.contains("GRANT CREATE"), "{}", error.message);
        // A change is not kept from happening.
        let insert = "
            INSERT INTO webhooks (webhook_id, name, url, status) VALUES ('a', 'n', 'https://h', 'ACTIVE');
            INSERT INTO webhook_events VALUES ('a', 'registered_model', 'created')";
        let queued = db.write(move |tx| {
            Box::pin(async move {
                tx.script(insert).await?;
                tx.script("SET LOCAL ROLE webhooks_limited").await?;
                queue::add(tx, model_created("m"), Subject::Model).await
            })
        });
        assert_eq!(queued.await.expect("done"), 0);
        let drop = "DROP OWNED BY webhooks_limited; DROP ROLE webhooks_limited";
        db.write(move |tx| Box::pin(async move { tx.script(drop).await })).await.expect("dropped");
    })
    .await;
}
