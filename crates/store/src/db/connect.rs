//! Connections to PostgreSQL: how they are made, kept and given back.

use super::{tls, transient};
use crate::error::{Error, Result};
use crate::uri::{PostgresAddress, TlsMode};
use deadpool::managed::{
    self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use deadpool_postgres::{ClientWrapper, StatementCache};
use std::error::Error as StdError;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How many connections there are, how long they live, and what they may do. SQLite has no use for it.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// Connections that are kept.
    pub size: usize,
    /// Connections beyond those, closed as soon as nobody waits for one.
    pub overflow: usize,
    /// The age at which a connection is replaced before its next use.
    pub recycle: Option<Duration>,
    /// How long a request waits for a free connection before it is told to come back.
    pub wait: Duration,
    /// How long the server lets a statement run.
    pub statement_timeout: Option<Duration>,
    /// Whether statements are prepared under names.
    pub prepared: Prepared,
}

/// Whether statements are prepared once and kept by name, which a pooler that changes sessions between transactions breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// Unless there is a pooler between.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            // Enough for a busy server, few enough for a database shared with others.
            size: 10,
            overflow: 0,
            recycle: None,
            wait: Duration::from_secs(30),
            statement_timeout: None,
            prepared: Prepared::Auto,
        }
    }
}

/// How long a connection may take to be made.
const CREATE: Duration = Duration::from_secs(30);

/// Says in a session that it is ours: a pooler in between refuses the setting or loses it.
const MARK: &str = "-c ferroflow.session=direct";
const IS_MARKED: &str = "SELECT current_setting('ferroflow.session', true)";

/// Makes connections, with the password as it is at that moment.
pub(super) struct Connector {
    address: PostgresAddress,
    tls: MakeRustlsConnect,
    options: PoolOptions,
    /// Whether statements get names; from the first pooler met on, they do not.
    named: AtomicBool,
}

#[derive(Clone)]
pub(super) struct Connections(managed::Pool<Connector>);

/// A connection of the pool. Given back, it is closed if enough others are idle.
pub(super) struct Lease {
    client: Option<Object<Connector>>,
    pool: managed::Pool<Connector>,
}

/// Whether statements have names on a connection.
#[derive(Debug, Clone, Copy)]
pub enum Statements {
    /// They are prepared once and kept.
    Named,
    /// They are sent whole each time.
    Unnamed,
}

impl Statements {
    pub(super) fn kept(self, cache: &StatementCache) -> Option<&StatementCache> {
        match self {
            Self::Named => Some(cache),
            Self::Unnamed => None,
        }
    }
}

impl Connections {
    pub(super) fn new(address: &PostgresAddress, options: &PoolOptions) -> Result<Self> {
        let connector = Connector {
            address: address.clone(),
            tls: tls::connector(&address.tls).map_err(Error::Refused)?,
            options: options.clone(),
            named: AtomicBool::new(options.prepared != Prepared::Never),
        };
        let timeouts = Timeouts { wait: Some(options.wait), create: Some(CREATE), recycle: Some(CREATE) };
        let pool = managed::Pool::builder(connector)
            .max_size(options.size + options.overflow)
            .runtime(deadpool::Runtime::Tokio1)
            .timeouts(timeouts)
            .build()
            .map_err(|e| Error::Database(e.to_string()))?;
        Ok(Self(pool))
    }

    /// A free connection, or a new one.
    pub(super) async fn get(&self) -> Result<Lease> {
        let client = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(TimeoutType::Wait) => Error::Unavailable(format!(
                "all {} connections were in use for {} s",
                self.0.status().max_size,
                self.0.manager().options.wait.as_secs()
            )),
            PoolError::Timeout(_) => Error::Unavailable("the server does not answer".into()),
            other => Error::Unavailable(other.to_string()),
        })?;
        Ok(Lease { client: Some(client), pool: self.0.clone() })
    }

    /// Whether statements have names at present.
    pub(super) fn statements(&self) -> Statements {
        if self.0.manager().named.load(Ordering::Relaxed) { Statements::Named } else { Statements::Unnamed }
    }
}

impl managed::Manager for Connector {
    type Type = ClientWrapper;
    type Error = Error;

    async fn create(&self) -> Result<ClientWrapper> {
        let wants_to_know = self.options.prepared == Prepared::Auto && self.named.load(Ordering::Relaxed);
        if wants_to_know {
            match self.connect(MARK).await {
                Ok(client) => {
                    if !is_marked(&client).await? {
                        self.named.store(false, Ordering::Relaxed);
                        self.check_timeout_reaches_the_server()?;
                    }
                    return Ok(client);
                }
                Err(error) if is_refused_setting(&error) => self.named.store(false, Ordering::Relaxed),
                Err(error) => return Err(unavailable(&error)),
            }
        }
        self.connect("").await.map_err(|error| unavailable(&error))
    }

    async fn recycle(&self, client: &mut ClientWrapper, metrics: &Metrics) -> RecycleResult<Error> {
        if client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        match self.options.recycle {
            Some(age) if metrics.age() >= age => Err(RecycleError::message("old")),
            _ => Ok(()),
        }
    }
}

/// Why there is no connection.
enum NoConnection {
    Password(String),
    Postgres(tokio_postgres::Error, TlsMode),
}

impl Connector {
    async fn connect(&self, mark: &str) -> std::result::Result<ClientWrapper, NoConnection> {
        let mut config = self.address.config().map_err(NoConnection::Password)?;
        let timeout =
            self.options.statement_timeout.map(|t| format!("-c statement_timeout={}", t.as_millis()));
        let said = config.get_options().map(str::to_owned);
        let options: Vec<_> = said
            .iter()
            .chain(&timeout)
            .map(String::as_str)
            .chain(Some(mark))
            .filter(|o| !o.is_empty())
            .collect();
        if !options.is_empty() {
            config.options(options.join(" "));
        }
        let connected = config.connect(self.tls.clone()).await;
        let (client, connection) =
            connected.map_err(|error| NoConnection::Postgres(error, self.address.tls.mode))?;
        // What ends it shows at the next statement.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(ClientWrapper::new(client, task))
    }

    fn check_timeout_reaches_the_server(&self) -> Result<()> {
        match self.options.statement_timeout {
            None => Ok(()),
            Some(_) => Err(Error::Refused(POOLED_TIMEOUT.into())),
        }
    }
}

const POOLED_TIMEOUT: &str = "the pooler before the database does not pass settings on, so --db-statement-timeout cannot \
                              work; leave it out, and set it for the role: ALTER ROLE .. SET statement_timeout = '60s'";

async fn is_marked(client: &Client) -> Result<bool> {
    let answer = client.simple_query(IS_MARKED).await?;
    Ok(answer.iter().any(|m| matches!(m, SimpleQueryMessage::Row(row) if row.get(0) == Some("direct"))))
}

/// PgBouncer: `unsupported startup parameter: options` (08P01). Others say that it is not supported (0A000).
fn is_refused_setting(error: &NoConnection) -> bool {
    let NoConnection::Postgres(error, _) = error else { return false };
    let refusals = [&SqlState::PROTOCOL_VIOLATION, &SqlState::FEATURE_NOT_SUPPORTED];
    error.as_db_error().is_some_and(|e| refusals.contains(&e.code()))
}

fn unavailable(error: &NoConnection) -> Error {
    match error {
        NoConnection::Password(text) => Error::Refused(text.clone()),
        NoConnection::Postgres(error, mode) if transient::may_pass(error) => {
            Error::Unavailable(reason(error, *mode))
        }
        NoConnection::Postgres(error, mode) => Error::Refused(reason(error, *mode)),
    }
}

/// What the server or the system said about a connection that failed. Neither repeats a password.
fn reason(error: &tokio_postgres::Error, mode: TlsMode) -> String {
    if let Some(db) = error.as_db_error() {
        let advice = match db.message() {
            text if text.contains("startup parameter") => {
                "; the pooler before the database takes no settings: leave --db-statement-timeout and options out, and set \
                 them for the role with ALTER ROLE"
            }
            text if text.contains("no encryption") || text.contains("SSL off") => {
                "; sslmode=require uses TLS"
            }
            _ => "",
        };
        return format!("{}{advice}", db.message());
    }
    let Some(source) = error.source() else { return error.to_string() };
    if let Some(refusal) = tls::refusal(source) {
        return refusal;
    }
    let text = source.to_string();
    match text.as_str() {
        "server does not support TLS" if mode != TlsMode::Prefer => {
            "the server does not support TLS, and sslmode asks for it; switch TLS on there, or write sslmode=prefer".into()
        }
        "password missing" => {
            "the server asks for a password; put it into the address, PGPASSWORD or --db-password-file".into()
        }
        _ => format!("{error}: {text}"),
    }
}

impl Lease {
    /// Closes the connection instead of giving it back: it is broken, and the pool may not have noticed yet.
    pub(super) fn discard(mut self) {
        drop(self.client.take().map(Object::take));
    }
}

impl Deref for Lease {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.client.as_ref().expect("given back only when dropped")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        self.client.as_mut().expect("given back only when dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let options = &self.pool.manager().options;
        // As SQLAlchemy's pool: those who wait come first, then as many as are kept stay.
        if options.overflow > 0 && self.pool.status().available >= options.size {
            drop(self.client.take().map(Object::take));
        }
    }
}
