//! One request to one receiver: headers, signature, limits, and what became of it.

use super::WebhookSettings;
use super::guard::{self, Allowed, Blocked, Guard};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, redirect};
use ring::hmac;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::webhooks::{SecretKey, Target};
use tokio::sync::OnceCell;

const SIGNATURE: &str = "X-MLflow-Signature";
const TIMESTAMP: &str = "X-MLflow-Timestamp";
const DELIVERY_ID: &str = "X-MLflow-Delivery-Id";
/// How much of an answer is read before the connection is closed, so that an ordinary receiver can finish it. It is forgotten.
const ANSWER: usize = 64 << 10;

/// Sends to receivers. Each request has a connection of its own, which was looked at when it was made.
pub struct Sender {
    /// Made when first needed: servers without webhooks need none.
    client: OnceCell<Client>,
    allowed: Arc<Allowed>,
    schemes: Vec<String>,
    timeout: Duration,
    key: Option<SecretKey>,
}

/// What a receiver said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// When it wants to be asked again, if it said so.
    pub retry_after: Option<Duration>,
}

/// Why no receiver said anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSent {
    /// It will not work until somebody changes something.
    Refused(String),
    /// It may work later.
    Failed(String),
}

impl NotSent {
    /// The reason.
    pub fn reason(self) -> String {
        match self {
            Self::Refused(reason) | Self::Failed(reason) => reason,
        }
    }
}

impl Sender {
    pub(super) fn new(settings: &WebhookSettings) -> Self {
        Self {
            client: OnceCell::new(),
            allowed: Arc::new(settings.allowed.clone()),
            schemes: settings.schemes.clone(),
            timeout: settings.timeout,
            key: settings.key.clone(),
        }
    }

    /// How long a request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a message once, signed if the webhook has a secret. Follows no redirect: it could lead anywhere.
    ///
    /// # Errors
    /// [`NotSent`], without the URL, which may hold a secret of the receiver's.
    pub async fn send(&self, target: &Target, delivery_id: &str, body: String) -> Result<Answer, NotSent> {
        let sending = self.send_unlimited(target, delivery_id, body);
        let late = || NotSent::Failed(format!("there was no answer within {} s", self.timeout.as_secs_f32()));
        tokio::time::timeout(self.timeout, sending).await.unwrap_or_else(|_| Err(late()))
    }

    async fn send_unlimited(
        &self,
        target: &Target,
        delivery_id: &str,
        body: String,
    ) -> Result<Answer, NotSent> {
        // What was right when the webhook was made need not be so any more, and MLflow's own server makes webhooks, too.
        let url = guard::parse(&target.url)
            .map_err(|reason| NotSent::Refused(format!("its URL cannot be used: {reason}")))?;
        api::webhook_url(&target.url, &self.schemes).map_err(|e| NotSent::Refused(e.message))?;
        self.allowed.check_address(&url).map_err(|blocked| NotSent::Refused(blocked.to_string()))?;
        let signature = |secret: &str| -> Result<_, NotSent> {
            let missing = || {
                NotSent::Failed(
                    "it has a secret, and this server has no MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY".into(),
                )
            };
            let key = self.key.as_ref().ok_or_else(missing)?;
            key.open(secret).map_err(|other| NotSent::Failed(other.to_string()))
        };
        let secret = target.secret.as_deref().map(signature).transpose()?;
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
        let client = self.client.get_or_try_init(|| client(Arc::clone(&self.allowed))).await?;
        let mut request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(DELIVERY_ID, delivery_id)
            .header(TIMESTAMP, timestamp);
        if let Some(secret) = secret {
            request = request.header(SIGNATURE, sign(&secret, delivery_id, timestamp, &body));
        }
        let response = request.body(body).send().await.map_err(not_sent)?;
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: response.headers().get(RETRY_AFTER).and_then(retry_after),
        };
        forget(response).await;
        Ok(answer)
    }
}

/// The signature of MLflow's `_generate_hmac_signature`.
fn sign(secret: &str, delivery_id: &str, timestamp: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{delivery_id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(tag))
}

/// Reads what an ordinary receiver says. That it stops half-way is its own affair.
async fn forget(mut response: Response) {
    let mut left = ANSWER;
    while let Ok(Some(bytes)) = response.chunk().await {
        left = left.saturating_sub(bytes.len());
        if left == 0 {
            break;
        }
    }
}

/// A client that trusts whom the system trusts, goes to no proxy (it would look up the names itself, past the guard), and keeps
/// no connections.
async fn client(allowed: Arc<Allowed>) -> Result<Client, NotSent> {
    let broken = |e: &dyn std::fmt::Display| NotSent::Failed(format!("no HTTP client could be made: {e}"));
    let certificates = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.map_err(|e| broken(&e))?.certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| broken(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(Guard(allowed)))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .user_agent(concat!("ferroflow/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| broken(&e))
}

/// Why a request did not get an answer, in words that do not repeat its URL.
fn not_sent(error: reqwest::Error) -> NotSent {
    let error = error.without_url();
    let mut last: &(dyn StdError + 'static) = &error;
    while let Some(source) = last.source() {
        if let Some(blocked) = source.downcast_ref::<Blocked>() {
            return NotSent::Refused(blocked.to_string());
        }
        last = source;
    }
    let text = last.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_lowercase();
    NotSent::Failed(format!("it could not be reached: {text}"))
}

/// Seconds, or a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's `hmac`.
    #[test]
    fn the_signature_is_mlflows() {
        assert_eq!(
            sign("a secret", "0c2d6c9a-9d2c-4a8e-bb0e-000000000001", 1_700_000_000, r#"{"a": "ü"}"#),
            "v1,5rQB400vHRqaEphGefjMGdae7Eyk+lxZBRguqUpRnl0="
        );
    }

    #[test]
    fn receivers_say_when_to_come_back() {
        let after = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(
            after(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90))).unwrap()
                > Duration::from_secs(80)
        );
        assert_eq!((after("soon"), after("-1")), (None, None));
    }
}
