//! Webhooks: create, read, list, change, delete. Mirrors the webhook part of MLflow's registry `SqlAlchemyStore`.
//!
//! A webhook's secret stays in its column: it is read where a delivery is signed ([`target`]), and nowhere else.

mod fernet;
pub mod queue;
mod table;

pub use fernet::{OtherKey, SecretKey};
pub use table::{Table, prepare};

use crate::db::{Bulk, Column, Row, Tx, Value};
use crate::error::{Error, Result};
use crate::search::KeyKind;
use crate::search::page_token::{self, Start};
use api::error::{invalid, not_found};
use api::{Webhook, WebhookEvent, WebhookStatus, webhook_has_events, webhook_name, webhook_url};
use std::collections::HashMap;

/// What `webhooks` (POST) makes.
#[derive(Clone)]
pub struct NewWebhook {
    /// Checked by [`create`].
    pub name: String,
    /// Its scheme is checked by [`create`].
    pub url: String,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// A text for people.
    pub description: Option<String>,
    /// Encrypted.
    pub secret: Option<String>,
    /// Whether it is told.
    pub status: WebhookStatus,
    /// The schemes that URLs may have.
    pub schemes: Vec<String>,
    /// Epoch milliseconds.
    pub now_ms: i64,
}

/// What a webhook is changed to; what is `None` stays.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are those of a new webhook")]
pub struct WebhookChanges {
    pub name: Option<String>,
    pub url: Option<String>,
    pub events: Option<Vec<WebhookEvent>>,
    pub description: Option<String>,
    pub secret: Option<String>,
    pub status: Option<WebhookStatus>,
    pub schemes: Vec<String>,
    pub now_ms: i64,
}

const INSERT: &str = "
    INSERT INTO webhooks (webhook_id, name, description, url, status, secret, creation_timestamp, last_updated_timestamp)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const INSERT_EVENTS: Bulk =
    Bulk { insert: "INSERT INTO webhook_events (webhook_id, entity, action)", then: "" };

/// Creates a webhook, and the queue of deliveries if it is the first.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words; `INVALID_STATE` where there is no queue and none can be made.
pub async fn create(tx: &mut Tx<'_>, new: NewWebhook) -> Result<Webhook> {
    webhook_name(&new.name)?;
    webhook_url(&new.url, &new.schemes)?;
    webhook_has_events(&new.events)?;
    table::require(tx).await?;
    let webhook_id = uuid::Uuid::new_v4().to_string();
    let args: [Value; 8] = [
        webhook_id.as_str().into(),
        new.name.into(),
        new.description.into(),
        new.url.into(),
        new.status.name().into(),
        new.secret.into(),
        new.now_ms.into(),
        new.now_ms.into(),
    ];
    tx.exec(INSERT, &args).await?;
    insert_events(tx, &webhook_id, &new.events).await?;
    get(tx, &webhook_id).await
}

async fn insert_events(tx: &mut Tx<'_>, webhook_id: &str, events: &[WebhookEvent]) -> Result<()> {
    let names = |name: fn(&WebhookEvent) -> &'static str| {
        Column::Texts(events.iter().map(|event| name(event).to_owned()).collect())
    };
    let columns = [
        Column::Texts(vec![webhook_id.to_owned(); events.len()]),
        names(|event| event.entity().name()),
        names(|event| event.action().name()),
    ];
    tx.insert_many(&INSERT_EVENTS, &columns).await?;
    Ok(())
}

const BY_ID: &str = "
    SELECT webhook_id, name, description, url, status, creation_timestamp, last_updated_timestamp
    FROM webhooks WHERE webhook_id = $1 AND deleted_timestamp IS NULL";

/// The webhook with this id, unless it is deleted.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get(tx: &mut Tx<'_>, webhook_id: &str) -> Result<Webhook> {
    let found = tx.all(BY_ID, &[webhook_id.into()], webhook).await?;
    with_events(tx, found).await?.pop().ok_or_else(|| no_webhook(webhook_id))
}

fn webhook(row: &Row) -> Result<Webhook> {
    Ok(Webhook {
        webhook_id: row.text(0)?,
        name: row.text(1)?,
        description: row.opt_text(2)?.filter(|text| !text.is_empty()),
        url: row.text(3)?,
        events: Vec::new(),
        // The column has no rule; what is not ACTIVE is not told.
        status: WebhookStatus::from_name(&row.text(4)?).unwrap_or(WebhookStatus::Disabled),
        creation_timestamp: row.int(5)?,
        last_updated_timestamp: row.int(6)?,
    })
}

const EVENTS_OF: &str = "SELECT webhook_id, entity, action FROM webhook_events WHERE webhook_id";
const IN_ORDER: &str = "ORDER BY webhook_id, entity, action";

async fn with_events(tx: &mut Tx<'_>, mut webhooks: Vec<Webhook>) -> Result<Vec<Webhook>> {
    let ids = webhooks.iter().map(|webhook| webhook.webhook_id.clone()).collect();
    let sql = tx.dialect().in_texts(EVENTS_OF, 1, IN_ORDER);
    let rows = tx
        .all(&sql, &[Value::Texts(ids)], |row| {
            Ok((row.text(0)?, WebhookEvent::from_names(&row.text(1)?, &row.text(2)?)))
        })
        .await?;
    let mut events: HashMap<String, Vec<WebhookEvent>> = HashMap::new();
    for (id, event) in rows {
        // An event of a newer MLflow is nothing that we can tell of.
        events.entry(id).or_default().extend(event);
    }
    for webhook in &mut webhooks {
        webhook.events = events.remove(&webhook.webhook_id).unwrap_or_default();
    }
    Ok(webhooks)
}

fn no_webhook(webhook_id: &str) -> Error {
    not_found(format!("Webhook with ID {webhook_id} not found.")).into()
}

const USUAL_PAGE: i64 = 100;
const LONGEST_PAGE: i64 = 1000;
/// The order of a list, which a page token holds.
const PAGE_KEYS: [KeyKind; 2] = [KeyKind::Int, KeyKind::Text];

const FROM: &str = "
    SELECT webhook_id, name, description, url, status, creation_timestamp, last_updated_timestamp
    FROM webhooks WHERE deleted_timestamp IS NULL
    ORDER BY creation_timestamp DESC, webhook_id LIMIT $1 OFFSET $2";
const AFTER: &str = "
    SELECT webhook_id, name, description, url, status, creation_timestamp, last_updated_timestamp
    FROM webhooks
    WHERE deleted_timestamp IS NULL
      AND (creation_timestamp < $1 OR creation_timestamp = $1 AND webhook_id > $2)
    ORDER BY creation_timestamp DESC, webhook_id LIMIT $3";

/// One page of webhooks, the newest first, and the token of the next.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn list(
    tx: &mut Tx<'_>,
    max_results: Option<i64>,
    page_token: Option<String>,
) -> Result<(Vec<Webhook>, Option<String>)> {
    let limit = max_results.filter(|n| *n != 0).unwrap_or(USUAL_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(invalid("max_results must be between 1 and 1000.").into());
    }
    let fingerprint = page_token::fingerprint(["webhooks"]);
    let start = Start::read_kinds(&page_token.unwrap_or_default(), &PAGE_KEYS, fingerprint)?;
    // One more shows whether there is a next page.
    let fetch = Value::from(limit + 1);
    let mut found = match start {
        Start::Beginning => tx.all(FROM, &[fetch, 0.into()], webhook).await?,
        Start::Offset(offset) => tx.all(FROM, &[fetch, offset.into()], webhook).await?,
        Start::After(keys) => {
            let args: Vec<_> = keys.into_iter().chain([fetch]).collect();
            tx.all(AFTER, &args, webhook).await?
        }
    };
    let more = found.len() as i64 > limit;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| more);
    let next_page_token = last.map(|last| {
        let keys = [last.creation_timestamp.into(), last.webhook_id.as_str().into()];
        page_token::encode(fingerprint, &keys)
    });
    Ok((with_events(tx, found).await?, next_page_token))
}

// What comes as NULL stays.
const UPDATE: &str = "
    UPDATE webhooks
    SET name = COALESCE($1, name), description = COALESCE($2, description), url = COALESCE($3, url),
        status = COALESCE($4, status), secret = COALESCE($5, secret), last_updated_timestamp = $6
    WHERE webhook_id = $7 AND deleted_timestamp IS NULL";
const DELETE_EVENTS: &str = "DELETE FROM webhook_events WHERE webhook_id = $1";

/// Changes a webhook and answers it. Without a status it keeps the one it has; MLflow would make it active then.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn update(tx: &mut Tx<'_>, webhook_id: &str, changes: WebhookChanges) -> Result<Webhook> {
    get(tx, webhook_id).await?;
    if let Some(name) = &changes.name {
        webhook_name(name)?;
    }
    if let Some(url) = &changes.url {
        webhook_url(url, &changes.schemes)?;
    }
    let args: [Value; 7] = [
        changes.name.into(),
        changes.description.into(),
        changes.url.into(),
        changes.status.map(WebhookStatus::name).into(),
        changes.secret.into(),
        changes.now_ms.into(),
        webhook_id.into(),
    ];
    tx.exec(UPDATE, &args).await?;
    if let Some(events) = &changes.events {
        tx.exec(DELETE_EVENTS, &[webhook_id.into()]).await?;
        insert_events(tx, webhook_id, events).await?;
    }
    get(tx, webhook_id).await
}

const DELETE: &str = "
    UPDATE webhooks SET deleted_timestamp = $1, last_updated_timestamp = $2
    WHERE webhook_id = $3 AND deleted_timestamp IS NULL";

/// Marks a webhook deleted, as MLflow does; what was not delivered to it yet is forgotten.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn delete(tx: &mut Tx<'_>, webhook_id: &str, now_ms: i64) -> Result<()> {
    if tx.exec(DELETE, &[now_ms.into(), now_ms.into(), webhook_id.into()]).await? == 0 {
        return Err(no_webhook(webhook_id));
    }
    if table::exists(tx).await? {
        queue::forget(tx, webhook_id).await?;
    }
    Ok(())
}

/// Where a webhook's deliveries go.
#[derive(Clone)]
pub struct Target {
    /// The receiver.
    pub url: String,
    /// What they are signed with, encrypted.
    pub secret: Option<String>,
    /// Whether they are sent.
    pub status: WebhookStatus,
}

const TARGET: &str =
    "SELECT url, secret, status FROM webhooks WHERE webhook_id = $1 AND deleted_timestamp IS NULL";

/// Where the deliveries of a webhook go; `None` if it is deleted.
///
/// # Errors
/// Of the database.
pub async fn target(tx: &mut Tx<'_>, webhook_id: &str) -> Result<Option<Target>> {
    tx.first(TARGET, &[webhook_id.into()], |row| {
        Ok(Target {
            url: row.text(0)?,
            // MLflow signs with no empty secret either.
            secret: row.opt_text(1)?.filter(|secret| !secret.is_empty()),
            status: WebhookStatus::from_name(&row.text(2)?).unwrap_or(WebhookStatus::Disabled),
        })
    })
    .await
}
