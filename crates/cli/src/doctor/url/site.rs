//! The site that is looked at, and asking it.

use super::super::clock::Asked;
use super::super::is_internal;
use super::super::options::DoctorOptions;
use super::super::report::{Finding, Verdict};
use super::certificate::{self, Roots};
use crate::ui::fetch::reason;
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Url, redirect};
use rustls::ClientConfig;
use serde_json::Value;
use std::fs;
use std::time::{Duration, SystemTime};
use tokio::net::lookup_host;
use tokio::time::timeout;

const CONNECT: Duration = Duration::from_secs(10);
/// How long a small question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of an answer is read.
const LONGEST: usize = 256 << 10;

/// How it is said that there was a connection, and no answer in time.
const LATE: &str = "no answer within";

pub use crate::ui::fetch::shown;

/// Whether this is why there is no answer.
pub fn is_late(why: &str) -> bool {
    why.starts_with(LATE)
}

/// An address, and a client for it.
#[derive(Clone)]
pub struct Site {
    base: Url,
    client: Client,
    login: Option<Login>,
}

/// Who to be at the proxy, as MLflow's client says it.
#[derive(Clone)]
pub enum Login {
    /// A user with a password.
    Basic { user: String, password: String },
    /// Whoever the token was given to.
    Token(String),
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub asked: Asked,
}

/// Reads an address.
///
/// # Errors
/// A sentence, without a password that may be in the address.
pub fn parse(text: &str) -> Result<Url, String> {
    let wrong = || "write an address such as https://mlflow.example.com".to_owned();
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    if !["https", "http"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "leave user and password out of the address, and name them by --user and --password-file".into(),
        );
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

impl Login {
    /// The one that options or variables name, if they do.
    ///
    /// # Errors
    /// A sentence about what is missing.
    pub fn of(options: &DoctorOptions) -> Result<Option<Self>, String> {
        let variable = |name| std::env::var(name).ok().filter(|text: &String| !text.is_empty());
        let user = options.user.clone().or_else(|| variable("MLFLOW_TRACKING_USERNAME"));
        let password = match &options.password_file {
            Some(file) => {
                let read = fs::read_to_string(file);
                let text =
                    read.map_err(|e| format!("--password-file: cannot read {}: {e}", file.display()))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => variable("MLFLOW_TRACKING_PASSWORD"),
        };
        match (user, password) {
            (Some(user), Some(password)) => Ok(Some(Self::Basic { user, password })),
            (Some(_), None) => {
                Err("there is a user and no password; name its file by --password-file".into())
            }
            (None, Some(_)) if options.password_file.is_some() => {
                Err("--password-file has nobody's password; name the user by --user".into())
            }
            (None, _) => Ok(variable("MLFLOW_TRACKING_TOKEN").map(Self::Token)),
        }
    }
}

impl Site {
    /// An address whose certificate must be good.
    ///
    /// # Errors
    /// A sentence where no client can be made.
    pub fn new(base: Url, roots: &Roots) -> Result<Self, String> {
        Ok(Self { base, client: client(certificate::strict(roots)?)?, login: None })
    }

    /// The same by another TLS.
    ///
    /// # Errors
    /// A sentence where no client can be made.
    pub fn with_tls(&self, tls: ClientConfig) -> Result<Self, String> {
        Ok(Self { client: client(tls)?, ..self.clone() })
    }

    /// The same as somebody.
    pub fn with_login(self, login: Login) -> Self {
        Self { login: Some(login), ..self }
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether nobody from outside reaches it by this name.
    pub fn is_internal(&self) -> bool {
        is_internal(self.host())
    }

    /// Whether the address is one of https.
    pub fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The port where browsers look first, if this address is where they are to end.
    pub fn plain_port(&self) -> Option<u16> {
        (self.is_tls() && self.base.port().is_none()).then_some(80)
    }

    /// What the name leads to.
    ///
    /// # Errors
    /// The finding that it leads nowhere.
    pub async fn addresses(&self) -> Result<String, Finding> {
        let (host, port) = (self.host(), self.base.port_or_known_default().unwrap_or(443));
        let failed = |why: String| {
            let advice = "Check the name and the DNS; in a cluster a Service is NAME.NAMESPACE.svc";
            Finding::new("address", Verdict::Failure, format!("{host} has no address: {why}"), advice)
        };
        let found = timeout(CONNECT, lookup_host((host, port))).await;
        let found = found.map_err(|_| failed("no name server answers".into()))?;
        let found = found.map_err(|e| failed(crate::start::reason(&e)))?;
        let mut addresses: Vec<_> = found.map(|address| address.ip().to_string()).collect();
        addresses.dedup();
        match addresses.as_slice() {
            [] => Err(failed("the name server knows none".into())),
            [one] if one == host => Ok(format!("{host}, port {port}")),
            _ => Ok(format!("{host} is {}, port {port}", addresses.join(", "))),
        }
    }

    /// A request below the address, by whoever this is.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address = format!("{}/{path}", self.base.as_str().trim_end_matches('/'));
        let request = self.client.request(method, address);
        match &self.login {
            Some(Login::Basic { user, password }) => request.basic_auth(user, Some(password)),
            Some(Login::Token(token)) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request of plain HTTP to the same host.
    pub fn plain_request(&self, port: u16) -> Option<RequestBuilder> {
        let mut url = self.base.clone();
        url.set_scheme("http").ok()?;
        url.set_port(Some(port)).ok()?;
        Some(self.client.get(url))
    }

    /// Sends a request, for as long as a small one may take.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, request: RequestBuilder) -> Result<Answer, String> {
        self.ask_for(request, PATIENCE).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask_for(&self, request: RequestBuilder, patience: Duration) -> Result<Answer, String> {
        let from = SystemTime::now();
        let asking = async {
            let mut answer = request.send().await?;
            let asked = Asked { from, until: SystemTime::now() };
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await? {
                body.extend_from_slice(&piece);
                if body.len() > LONGEST {
                    break;
                }
            }
            Ok::<_, reqwest::Error>(Answer { status, headers, body, asked })
        };
        match timeout(patience, asking).await {
            Ok(done) => done.map_err(reason),
            Err(_) => Err(format!("{LATE} {} s", patience.as_secs())),
        }
    }
}

impl Answer {
    /// When the server thinks it answered.
    pub fn date(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.header(DATE.as_str())?).ok()
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body, as far as it is text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What an MLflow server says in its errors, not too much of it.
    pub fn message(&self) -> Option<String> {
        let json = self.json()?;
        Some(json.get("message")?.as_str()?.chars().take(300).collect())
    }
}

fn client(tls: ClientConfig) -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("ferroflow-doctor/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| format!("no HTTP client could be made: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_without_passwords() {
        let read = |text| parse(text).map(|url| url.to_string());
        assert_eq!(read("https://ml.example/ml/?x#y").unwrap(), "https://ml.example/ml");
        for wrong in ["ml.example", "ftp://ml.example", "https://", "https://u:geheim@ml.example"] {
            let error = read(wrong).unwrap_err();
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
