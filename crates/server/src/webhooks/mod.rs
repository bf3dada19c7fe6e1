//! Telling webhooks: off the path of requests, kept in the database until it has worked, and only where the operator lets this
//! server send to.
//!
//! What is to be told is queued with the change itself (`store::webhooks::queue`). [`deliver::run`] takes it from there, in every
//! replica; `turns` keeps a slow receiver from holding up others, [`send`] makes the request, and [`guard`] decides where it
//! may go.

pub mod deliver;
pub mod guard;
pub mod send;
mod turns;

pub use guard::Allowed;

use send::Sender;
use std::time::Duration;
use store::webhooks::SecretKey;
use tokio::sync::Notify;

/// What the operator chose about webhooks.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// `MLFLOW_WEBHOOK_ALLOWED_SCHEMES`: which schemes URLs may have.
    pub schemes: Vec<String>,
    /// `--webhook-allowed-networks`: where receivers may be, besides the public internet.
    pub allowed: Allowed,
    /// `MLFLOW_WEBHOOK_REQUEST_TIMEOUT`: how long one try may take.
    pub timeout: Duration,
    /// `MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES`: how often a delivery is tried again.
    pub max_retries: u32,
    /// `MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS`: how many are on their way at the same time.
    pub max_deliveries: usize,
    /// `MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY`; without one there are no secrets.
    pub key: Option<SecretKey>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            schemes: vec!["https".into()],
            allowed: Allowed::default(),
            timeout: Duration::from_secs(30),
            max_retries: 10,
            max_deliveries: 10,
            key: None,
        }
    }
}

/// What requests need of webhooks.
pub struct Webhooks {
    sender: Sender,
    wake: Notify,
}

impl Webhooks {
    /// With these settings.
    pub fn new(settings: &WebhookSettings) -> Self {
        Self { sender: Sender::new(settings), wake: Notify::new() }
    }

    /// What sends.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Says that there may be something to deliver. Costs next to nothing if there is not; call it after the commit of whatever
    /// may have queued a change.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}
