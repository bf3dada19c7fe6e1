//! Webhooks: entity, requests and responses, and the checks of names and URLs.

use crate::error::{Error, ErrorCode, Result, invalid};
use crate::number;
use crate::request::{Check::*, Field, Request, field, missing_value, repeated};
use crate::uri::{InvalidHost, Parts};
use crate::validate::python_repr;
use crate::webhook_events::{EventAction, EventEntity, WebhookEvent, opt_action, opt_entity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// MLflow's `Webhook` message. It has no field for the secret, which is never sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Webhook {
    pub webhook_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub url: String,
    pub events: Vec<WebhookEvent>,
    pub status: WebhookStatus,
    /// Epoch milliseconds.
    pub creation_timestamp: i64,
    /// Epoch milliseconds.
    pub last_updated_timestamp: i64,
}

/// MLflow's `WebhookStatus` enum, read from its names or numbers; its names are those of the `webhooks.status` column, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum WebhookStatus {
    Active,
    Disabled,
}

impl WebhookStatus {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Disabled => "DISABLED",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Disabled].into_iter().find(|status| status.name() == name)
    }
}

impl<'de> Deserialize<'de> for WebhookStatus {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(d)?;
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        match (value.as_str().and_then(Self::from_name), number) {
            (Some(status), _) => Ok(status),
            (None, Some(1)) => Ok(Self::Active),
            (None, Some(2)) => Ok(Self::Disabled),
            _ => Err(serde::de::Error::custom(format!("status {value} is neither ACTIVE nor DISABLED"))),
        }
    }
}

/// MLflow's `WebhookEvent` message as it is sent, before it is known that its halves go together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SentEvent {
    #[serde(default, deserialize_with = "opt_entity")]
    pub entity: Option<EventEntity>,
    #[serde(default, deserialize_with = "opt_action")]
    pub action: Option<EventAction>,
}

impl SentEvent {
    /// The event; `path` is where it stands in the request.
    fn check(&self, path: &str) -> Result<WebhookEvent> {
        let missing = |name| invalid(missing_value(&format!("{path}.{name}")));
        let entity = self.entity.ok_or_else(|| missing("entity"))?;
        let action = self.action.ok_or_else(|| missing("action"))?;
        WebhookEvent::new(entity, action)
    }
}

/// Makes events of what was sent.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` for halves that are missing or do not go together, `BAD_REQUEST` for an event that comes twice,
/// as in MLflow, where the database refuses it.
pub fn webhook_events(sent: &[SentEvent]) -> Result<Vec<WebhookEvent>> {
    let mut events: Vec<WebhookEvent> = Vec::with_capacity(sent.len());
    for (index, event) in (0..).zip(sent) {
        let event = event.check(&format!("events[{index}]"))?;
        if events.contains(&event) {
            let text = format!("The event '{event}' is given more than once; give it once.");
            return Err(Error::new(ErrorCode::BadRequest, text));
        }
        events.push(event);
    }
    Ok(events)
}

/// `webhooks` (POST)
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateWebhook {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub events: Vec<SentEvent>,
    #[serde(default)]
    pub secret: Option<String>,
    #[serde(default)]
    pub status: Option<WebhookStatus>,
}

impl Request for CreateWebhook {
    const FIELDS: &'static [Field] = &[
        field("name", &[Str, Required]),
        field("url", &[Str, Required]),
        repeated("events", &[Array, Required]),
        field("description", &[Str]),
        field("secret", &[Str]),
        field("status", &[Str]),
    ];
}

/// `webhooks/{webhook_id}` (PATCH): what is absent or empty stays.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct UpdateWebhook {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub events: Vec<SentEvent>,
    #[serde(default)]
    pub secret: Option<String>,
    #[serde(default)]
    pub status: Option<WebhookStatus>,
}

impl Request for UpdateWebhook {
    const FIELDS: &'static [Field] = &[
        field("name", &[Str]),
        field("description", &[Str]),
        field("url", &[Str]),
        repeated("events", &[Array]),
        field("secret", &[Str]),
        field("status", &[Str]),
    ];
}

/// The response of the calls that create, read and change a webhook.
#[derive(Debug, Serialize)]
pub struct WebhookResponse {
    /// The webhook as it is now.
    pub webhook: Webhook,
}

/// `webhooks` (GET)
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct ListWebhooks {
    /// 100 where absent or 0.
    #[serde(default, deserialize_with = "number::opt_int32")]
    pub max_results: Option<i64>,
    #[serde(default)]
    pub page_token: Option<String>,
}

impl Request for ListWebhooks {
    const FIELDS: &'static [Field] = &[field("max_results", &[IntLike]), field("page_token", &[Str])];
}

/// The response of `webhooks` (GET).
#[derive(Debug, Serialize)]
pub struct ListWebhooksResponse {
    /// One page, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<Webhook>,
    /// Set while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// `webhooks/{webhook_id}/test`
#[derive(Debug, Deserialize)]
pub struct TestWebhook {
    /// What to send an example of; the webhook's first event where absent.
    #[serde(default)]
    pub event: Option<SentEvent>,
}

impl Request for TestWebhook {
    const FIELDS: &'static [Field] = &[];
}

impl TestWebhook {
    /// The event that the request names.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` for halves that are missing or do not go together.
    pub fn event(&self) -> Result<Option<WebhookEvent>> {
        self.event.as_ref().map(|event| event.check("event")).transpose()
    }
}

/// The response of `webhooks/{webhook_id}/test`.
#[derive(Debug, Serialize)]
pub struct TestWebhookResponse {
    /// What came of it.
    pub result: WebhookTestResult,
}

/// MLflow's `WebhookTestResult` message, without its `response_body`: what the receiver says stays with it, so that nobody
/// reads other servers through this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookTestResult {
    /// Whether the receiver took it.
    pub success: bool,
    /// The receiver's HTTP status, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    /// Why it did not arrive, or was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Checks a webhook's name (`_validate_webhook_name`).
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn webhook_name(name: &str) -> Result<()> {
    let is_end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let is_inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let bytes = name.as_bytes();
    if bytes.len() <= 63 && is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(is_inner) {
        return Ok(());
    }
    Err(invalid(format!(
        "Webhook name {} is invalid. It must start and end with a letter or digit, be less than 63 characters long, and \
         contain only letters, digits, dots (.), underscores (_), and hyphens (-).",
        python_repr(name)
    )))
}

/// Checks a webhook's URL as far as MLflow does (`_validate_webhook_url`): its scheme.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn webhook_url(url: &str, schemes: &[String]) -> Result<()> {
    if url.trim().is_empty() {
        let shown = python_repr(url);
        return Err(invalid(format!("Webhook URL cannot be empty or just whitespace: {shown}")));
    }
    let parts = Parts::parse(url).map_err(|InvalidHost| {
        invalid(format!("Invalid webhook URL {}: ValueError('Invalid IPv6 URL')", python_repr(url)))
    })?;
    if schemes.contains(&parts.scheme) {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid webhook URL scheme: {}. Allowed schemes are: {}.",
        python_repr(&parts.scheme),
        schemes.join(", ")
    )))
}

/// Refuses a webhook without events.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn webhook_has_events(events: &[WebhookEvent]) -> Result<()> {
    match events {
        [] => Err(invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "A1", "a.b_c-d", &"x".repeat(63), "0--0"] {
            assert!(webhook_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a\n", "ü", "a/b", &"x".repeat(64), "_", "a."] {
            assert!(webhook_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_have_a_scheme_that_is_allowed() {
        let https = ["https".to_owned()];
        for good in ["https://a.example/x", "HTTPS://a", " https://a", "https:"] {
            assert!(webhook_url(good, &https).is_ok(), "{good}");
        }
        let message = |url| webhook_url(url, &https).unwrap_err().message;
        assert_eq!(message("http://a"), "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.");
        assert_eq!(message("nothing"), "Invalid webhook URL scheme: ''. Allowed schemes are: https.");
        assert_eq!(message(" \t"), "Webhook URL cannot be empty or just whitespace: ' \\t'");
        assert_eq!(message("https://[a"), "Invalid webhook URL 'https://[a': ValueError('Invalid IPv6 URL')");
    }

    #[test]
    fn events_come_by_name_or_number() {
        let read = |value| serde_json::from_value::<SentEvent>(value).unwrap().check("event");
        let set = WebhookEvent::new(EventEntity::ModelVersionTag, EventAction::Set).unwrap();
        for value in
            [json!({"entity": "MODEL_VERSION_TAG", "action": "SET"}), json!({"entity": 3, "action": "4"})]
        {
            assert_eq!(read(value).unwrap(), set);
        }
        assert_eq!(
            read(json!({"entity": "PROMPT", "action": "UPDATED"})).unwrap_err().message,
            "Invalid action 'updated' for entity 'prompt'. Valid actions are: ['created']"
        );
        for value in [json!({"entity": "PROMPT"}), json!({"entity": "PROMPT", "action": 0})] {
            assert_eq!(
                read(value).unwrap_err().message,
                "Missing value for required parameter 'event.action'."
            );
        }
        assert!(serde_json::from_value::<SentEvent>(json!({"entity": "RUN"})).is_err());
    }

    #[test]
    fn an_event_is_given_once() {
        let sent: Vec<SentEvent> = serde_json::from_value(json!([
            {"entity": "PROMPT", "action": "CREATED"}, {"entity": 5, "action": 1},
        ]))
        .unwrap();
        let error = webhook_events(&sent).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert_eq!(error.message, "The event 'prompt.created' is given more than once; give it once.");
    }
}
