//! `webhooks/*`

use crate::app::App;
use crate::extract::{PathTexts, Proto};
use crate::respond::{Empty, Failure, Json, Reply, empty};
use crate::webhooks::send::Answer;
use api::error::{invalid, invalid_state, not_found};
use api::webhook_events::{example, message};
use api::{
    CreateWebhook, ListWebhooks, ListWebhooksResponse, TestWebhook, TestWebhookResponse, UpdateWebhook,
    Webhook, WebhookResponse, WebhookStatus, WebhookTestResult, webhook_events, webhook_name, webhook_url,
};
use axum::extract::State;
use store::webhooks::{self, NewWebhook, WebhookChanges};

/// `POST webhooks`
pub async fn create(State(app): State<App>, Proto(request): Proto<CreateWebhook>) -> Reply<WebhookResponse> {
    let events = webhook_events(&request.events)?;
    let (name, url) = (request.name.unwrap_or_default(), request.url.unwrap_or_default());
    webhook_name(&name)?;
    check_url(&app, &url).await?;
    let new = NewWebhook {
        name,
        url,
        events,
        description: request.description.filter(|text| !text.is_empty()),
        secret: sealed(&app, request.secret)?,
        status: request.status.unwrap_or(WebhookStatus::Active),
        schemes: app.settings().webhooks.schemes.clone(),
        now_ms: app.now_ms(),
    };
    let webhook = app.registry().write(move |tx| Box::pin(webhooks::create(tx, new))).await?;
    app.webhooks().wake();
    Ok(Json(WebhookResponse { webhook }))
}

/// `GET webhooks`
pub async fn list(
    State(app): State<App>,
    Proto(request): Proto<ListWebhooks>,
) -> Reply<ListWebhooksResponse> {
    let ListWebhooks { max_results, page_token } = request;
    let (webhooks, next_page_token) =
        app.registry().read(move |tx| Box::pin(webhooks::list(tx, max_results, page_token))).await?;
    Ok(Json(ListWebhooksResponse { webhooks, next_page_token }))
}

/// `GET webhooks/{webhook_id}`
pub async fn get(State(app): State<App>, PathTexts(webhook_id): PathTexts<String>) -> Reply<WebhookResponse> {
    Ok(Json(WebhookResponse { webhook: existing(&app, webhook_id).await? }))
}

/// `PATCH webhooks/{webhook_id}`
pub async fn update(
    State(app): State<App>,
    PathTexts(webhook_id): PathTexts<String>,
    Proto(request): Proto<UpdateWebhook>,
) -> Reply<WebhookResponse> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let events = webhook_events(&request.events)?;
    let (name, url) = (given(request.name), given(request.url));
    if let Some(url) = &url {
        // Before the names in it are resolved, and nothing is if there is no such webhook.
        existing(&app, webhook_id.clone()).await?;
        name.as_deref().map_or(Ok(()), webhook_name)?;
        check_url(&app, url).await?;
    }
    let changes = WebhookChanges {
        name,
        url,
        events: Some(events).filter(|events| !events.is_empty()),
        description: given(request.description),
        secret: sealed(&app, request.secret)?,
        status: request.status,
        schemes: app.settings().webhooks.schemes.clone(),
        now_ms: app.now_ms(),
    };
    let update = app
        .registry()
        .write(move |tx| Box::pin(async move { webhooks::update(tx, &webhook_id, changes).await }));
    Ok(Json(WebhookResponse { webhook: update.await? }))
}

/// `DELETE webhooks/{webhook_id}`
pub async fn delete(State(app): State<App>, PathTexts(webhook_id): PathTexts<String>) -> Reply<Empty> {
    let now = app.now_ms();
    app.registry()
        .write(move |tx| Box::pin(async move { webhooks::delete(tx, &webhook_id, now).await }))
        .await?;
    empty()
}

/// `POST webhooks/{webhook_id}/test`: sends an example, once, and says how that went. What the receiver says is not passed on.
pub async fn test(
    State(app): State<App>,
    PathTexts(webhook_id): PathTexts<String>,
    Proto(request): Proto<TestWebhook>,
) -> Reply<TestWebhookResponse> {
    let wanted = request.event()?;
    let webhook = existing(&app, webhook_id.clone()).await?;
    let event = wanted.or(webhook.events.first().copied());
    let event = event
        .ok_or_else(|| invalid_state("The webhook has no events; give it some, or name one to test."))?;
    let id = webhook_id.clone();
    let target =
        app.registry().read(move |tx| Box::pin(async move { webhooks::target(tx, &id).await })).await?;
    let target = target.ok_or_else(|| not_found(format!("Webhook with ID {webhook_id} not found.")))?;
    let body = message(event, &example(event), app.now_ms());
    let delivery_id = webhooks::queue::new_id();
    let result = match app.webhooks().sender().send(&target, &delivery_id, body).await {
        Ok(Answer { status, .. }) => WebhookTestResult {
            success: (200..300).contains(&status),
            response_status: Some(status),
            error_message: (300..400).contains(&status).then(|| {
                "Failed to test webhook: the receiver wants to be asked elsewhere, and redirects are not followed.".into()
            }),
        },
        Err(not_sent) => WebhookTestResult {
            success: false,
            response_status: None,
            error_message: Some(format!("Failed to test webhook: {}.", not_sent.reason().trim_end_matches('.'))),
        },
    };
    Ok(Json(TestWebhookResponse { result }))
}

async fn existing(app: &App, webhook_id: String) -> Result<Webhook, Failure> {
    Ok(app.registry().read(move |tx| Box::pin(async move { webhooks::get(tx, &webhook_id).await })).await?)
}

/// Checks the scheme, as MLflow does, and that the host is where this server sends to.
async fn check_url(app: &App, url: &str) -> Result<(), Failure> {
    let settings = &app.settings().webhooks;
    webhook_url(url, &settings.schemes)?;
    Ok(settings.allowed.check(url).await?)
}

fn sealed(app: &App, secret: Option<String>) -> Result<Option<String>, Failure> {
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else { return Ok(None) };
    // MLflow makes up a key then, and cannot read the secret any more after a restart.
    let no_key = || {
        invalid(
            "This server keeps no webhook secrets: it has no key to encrypt them with. Its operator can set \
             MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY; or leave the secret out.",
        )
    };
    let key = app.settings().webhooks.key.as_ref().ok_or_else(no_key)?;
    Ok(Some(key.seal(&secret)?))
}
