//! Deliveries that wait: written with the change that they tell of, taken by whichever replica is free, kept until they have
//! arrived or are given up.
//!
//! Times are the database's own, since the clocks of replicas differ.

use super::{Target, table, target};
use crate::db::{Bulk, Column, Tx, Value};
use crate::error::Result;
use api::WebhookStatus;
use api::webhook_events::{Change, Subject, message};
use std::time::Duration;

const INTERESTED: &str = "
    SELECT w.webhook_id FROM webhooks w JOIN webhook_events e ON e.webhook_id = w.webhook_id
    WHERE e.entity = $1 AND e.action = $2 AND w.status = 'ACTIVE' AND w.deleted_timestamp IS NULL
    ORDER BY 1";
const ENQUEUE: Bulk = Bulk {
    insert: "INSERT INTO ferroflow_webhook_deliveries
                 (delivery_id, webhook_id, event, body, state, created_at, due_at, tries)",
    then: "",
};

/// Queues a change for every active webhook that wants to know of it, in the transaction of the change: both are done, or
/// neither. Costs one statement where nobody wants to know. Answers how many were queued; who calls it wakes the deliveries after
/// the commit.
///
/// Who calls it, with which [`Change`]:
///
/// - `registered-models/create`: `Created`, of a prompt if the request has the tag `mlflow.prompt.is_prompt`, whatever its value;
/// - `registered-models/set-tag`, `delete-tag`: `TagSet`, `TagDeleted`;
/// - `model-versions/create`: `VersionCreated`, of a prompt if the request (not the model) has that tag;
/// - `model-versions/set-tag`, `delete-tag`: `VersionTagSet`, `VersionTagDeleted`;
/// - `registered-models/alias` (POST, DELETE): `AliasSet`, `AliasDeleted`.
///
/// But for the two creations, it is a prompt if the registered model has the tag with the value `true`, in any case, after the
/// change. Nothing else is told: no update, rename, transition of a stage, or deletion of a model or version.
///
/// Where the queue's table is missing and cannot be made, nothing is queued: the change goes first. The server's log says so.
///
/// # Errors
/// Of the database.
pub async fn add(tx: &mut Tx<'_>, change: Change, of: Subject) -> Result<u64> {
    let Some((event, data)) = change.event(of) else { return Ok(0) };
    let names = [event.entity().name().into(), event.action().name().into()];
    let webhooks = tx.all(INTERESTED, &names, |row| row.text(0)).await?;
    if webhooks.is_empty() || !table::ensure(tx).await? {
        return Ok(0);
    }
    let n = webhooks.len();
    let now = now(tx).await?;
    let columns = [
        Column::Texts(webhooks.iter().map(|_| new_id()).collect()),
        Column::Texts(webhooks),
        Column::Texts(vec![event.to_string(); n]),
        Column::Texts(vec![message(event, &data, now); n]),
        Column::Texts(vec!["pending".into(); n]),
        Column::Ints(vec![now; n]),
        Column::Ints(vec![now; n]),
        Column::Ints(vec![0; n]),
    ];
    tx.insert_many(&ENQUEUE, &columns).await
}

/// A new delivery's id.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

async fn now(tx: &mut Tx<'_>) -> Result<i64> {
    let sql = tx.dialect().now_ms();
    Ok(tx.first(sql, &[], |row| row.int(0)).await?.unwrap_or_default())
}

// By webhook, of which there are few, and not by delivery, of which there may be many.
const WAITING: &str = "
    SELECT w.webhook_id FROM webhooks w
    WHERE EXISTS (SELECT 1 FROM ferroflow_webhook_deliveries d
                  WHERE d.webhook_id = w.webhook_id AND d.state = 'pending' AND d.due_at <= $1)
    ORDER BY 1";

/// The webhooks that have deliveries to be tried now; `None` where there is no queue.
///
/// # Errors
/// Of the database.
pub async fn waiting(tx: &mut Tx<'_>) -> Result<Option<Vec<String>>> {
    if !table::exists(tx).await? {
        return Ok(None);
    }
    let now = now(tx).await?;
    tx.all(WAITING, &[now.into()], |row| row.text(0)).await.map(Some)
}

/// A delivery that is taken for one try.
#[derive(Clone)]
pub struct Delivery {
    /// The same at every try, so that a receiver can tell what it has seen.
    pub delivery_id: String,
    /// Whose it is.
    pub webhook_id: String,
    /// What happened, as `model_version.created`.
    pub event: String,
    /// What is sent.
    pub body: String,
    /// How often it was tried before.
    pub tries: i64,
    /// The mark of who has it.
    claim: String,
}

const DUE: &str = "
    SELECT delivery_id, event, body, tries FROM ferroflow_webhook_deliveries
    WHERE webhook_id = $1 AND state = 'pending' AND due_at <= $2
    ORDER BY due_at, created_at LIMIT $3";
const CLAIM: &str = "UPDATE ferroflow_webhook_deliveries SET claim = $1, due_at = $2 WHERE delivery_id";
const DISABLED: &str = "
    UPDATE ferroflow_webhook_deliveries SET state = 'dead', reason = 'the webhook was disabled before this was delivered'
    WHERE webhook_id = $1 AND state = 'pending'";

/// Takes up to so many deliveries of a webhook, for as long as a try may last: no other replica gets them meanwhile, and any
/// does afterwards, if this one does not say what became of them. Gives up those of a webhook that is disabled or deleted.
///
/// # Errors
/// Of the database.
pub async fn claim(
    tx: &mut Tx<'_>,
    webhook_id: &str,
    most: usize,
    lease: Duration,
) -> Result<Option<(Target, Vec<Delivery>)>> {
    let Some(target) = target(tx, webhook_id).await? else {
        forget(tx, webhook_id).await?;
        return Ok(None);
    };
    if target.status == WebhookStatus::Disabled {
        tx.exec(DISABLED, &[webhook_id.into()]).await?;
        return Ok(None);
    }
    let now = now(tx).await?;
    let claim = new_id();
    let sql = tx.dialect().skip_locked(DUE);
    let args = [webhook_id.into(), now.into(), (most as i64).into()];
    let due = tx.all(&sql, &args, |row| {
        Ok(Delivery {
            delivery_id: row.text(0)?,
            webhook_id: webhook_id.to_owned(),
            event: row.text(1)?,
            body: row.text(2)?,
            tries: row.int(3)?,
            claim: claim.clone(),
        })
    });
    let due = due.await?;
    let ids = due.iter().map(|delivery| delivery.delivery_id.clone()).collect();
    let sql = tx.dialect().in_texts(CLAIM, 3, "");
    let until = now.saturating_add(millis(lease));
    tx.exec(&sql, &[claim.as_str().into(), until.into(), Value::Texts(ids)]).await?;
    Ok(Some((target, due)))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has arrived.
    Delivered,
    /// It is to be tried again after a pause.
    Again(Duration, String),
    /// It is given up.
    Dead(String),
}

const DELIVERED: &str = "DELETE FROM ferroflow_webhook_deliveries WHERE delivery_id = $1 AND claim = $2";
const AGAIN: &str = "
    UPDATE ferroflow_webhook_deliveries SET tries = tries + 1, due_at = $1, reason = $2, claim = NULL
    WHERE delivery_id = $3 AND claim = $4";
const DEAD: &str = "
    UPDATE ferroflow_webhook_deliveries SET state = 'dead', tries = tries + 1, due_at = $1, reason = $2, claim = NULL
    WHERE delivery_id = $3 AND claim = $4";

/// Records what became of a try. Changes nothing if another replica has taken the delivery since, because this one took too long.
///
/// # Errors
/// Of the database.
pub async fn record(tx: &mut Tx<'_>, delivery: &Delivery, outcome: Outcome) -> Result<()> {
    let (id, claim) = (Value::from(delivery.delivery_id.as_str()), Value::from(delivery.claim.as_str()));
    let (sql, pause, reason) = match outcome {
        Outcome::Delivered => return tx.exec(DELIVERED, &[id, claim]).await.map(drop),
        Outcome::Again(pause, reason) => (AGAIN, pause, reason),
        Outcome::Dead(reason) => (DEAD, Duration::ZERO, reason),
    };
    let due = now(tx).await?.saturating_add(millis(pause));
    tx.exec(sql, &[due.into(), reason.into(), id, claim]).await.map(drop)
}

const FORGET: &str = "DELETE FROM ferroflow_webhook_deliveries WHERE webhook_id = $1 AND state = 'pending'";

/// Forgets what was not delivered to a webhook yet.
pub(super) async fn forget(tx: &mut Tx<'_>, webhook_id: &str) -> Result<()> {
    tx.exec(FORGET, &[webhook_id.into()]).await.map(drop)
}

const PURGE: &str = "
    DELETE FROM ferroflow_webhook_deliveries
    WHERE state = 'dead' AND due_at < $1 OR webhook_id NOT IN (SELECT webhook_id FROM webhooks)";

/// Removes those that were given up so long ago, and those of webhooks that are gone for good.
///
/// # Errors
/// Of the database.
pub async fn purge(tx: &mut Tx<'_>, age: Duration) -> Result<u64> {
    if !table::exists(tx).await? {
        return Ok(0);
    }
    let before = now(tx).await?.saturating_sub(millis(age));
    tx.exec(PURGE, &[before.into()]).await
}
