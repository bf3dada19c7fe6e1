//! Connections to PostgreSQL: how they are made, kept and given back.

use super::reach::{NoConnection, Reach};
use crate::error::{Error, Result};
use crate::uri::PostgresAddress;
use deadpool::managed::{
    self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use deadpool_postgres::{ClientWrapper, StatementCache};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, SimpleQueryMessage};

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

/// Says in a session that it is ours: a pooler in between refuses the setting or loses it.
const MARK: &str = "-c ferroflow.session=direct";
const IS_MARKED: &str = "SELECT current_setting('ferroflow.session', true)";

/// Makes connections, with the password as it is at that moment.
pub(super) struct Connector {
    reach: Reach,
    options: PoolOptions,
    /// Whether statements get names; from the first pooler met on, they do not.
    named: AtomicBool,
    /// When a connection was last lost. Those of its age may lead to the same server: one that is gone without a word, or
    /// that is no primary any more.
    lost: Mutex<Option<Instant>>,
}

#[derive(Clone)]
pub(super) struct Connections(managed::Pool<Connector>);

/// A connection of the pool.
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
            reach: Reach::new(address).map_err(Error::Refused)?,
            options: options.clone(),
            named: AtomicBool::new(options.prepared != Prepared::Never),
            lost: Mutex::new(None),
        };
        // A new connection has a limit for each address that is tried.
        let timeouts = Timeouts { wait: Some(options.wait), create: None, recycle: None };
        let pool = managed::Pool::builder(connector)
            .max_size(options.size + options.overflow)
            .runtime(deadpool::Runtime::Tokio1)
            .timeouts(timeouts)
            // Few connections in use, and these again and again: their sessions have what they need at hand.
            .queue_mode(managed::QueueMode::Lifo)
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
            other => Error::Unavailable(other.to_string()),
        })?;
        Ok(Lease { client: Some(client), pool: self.0.clone() })
    }

    pub(super) fn longest_wait(&self) -> Duration {
        self.0.manager().options.wait
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
                Err(error) if error.is_refused_setting() => self.named.store(false, Ordering::Relaxed),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.connect("").await?)
    }

    async fn recycle(&self, client: &mut ClientWrapper, metrics: &Metrics) -> RecycleResult<Error> {
        if client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        if self.lost().is_some_and(|lost| metrics.created < lost) {
            return Err(RecycleError::message("as old as one that was lost"));
        }
        match self.options.recycle {
            Some(age) if metrics.age() >= age => Err(RecycleError::message("old")),
            _ => Ok(()),
        }
    }
}

impl Connector {
    async fn connect(&self, mark: &str) -> std::result::Result<ClientWrapper, NoConnection> {
        let timeout =
            self.options.statement_timeout.map(|t| format!("-c statement_timeout={}", t.as_millis()));
        let complete = |config: &mut Config| {
            let said = config.get_options().map(str::to_owned);
            let options = said.iter().chain(&timeout).map(String::as_str).chain(Some(mark));
            let options: Vec<_> = options.filter(|o| !o.is_empty()).collect();
            if !options.is_empty() {
                config.options(options.join(" "));
            }
        };
        let (client, connection) = self.reach.connect(complete).await?;
        // What ends it shows at the next statement.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(ClientWrapper::new(client, task))
    }

    fn lost(&self) -> MutexGuard<'_, Option<Instant>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Lease {
    /// Gives the connection back, with nothing running on it.
    pub(super) fn give_back(mut self) {
        let options = &self.pool.manager().options;
        let client = self.client.take();
        // As SQLAlchemy's pool: those who wait come first, then as many as are kept stay.
        if options.overflow > 0 && self.pool.status().available >= options.size {
            drop(client.map(Object::take));
        }
    }

    /// Closes the connection instead of giving it back: it is broken, and the pool may not have noticed yet. Those that are as
    /// old are closed before their next use.
    pub(super) fn discard(mut self) {
        let Some(client) = self.client.take() else { return };
        let created = Object::metrics(&client).created;
        drop(Object::take(client));
        let mut lost = self.pool.manager().lost();
        // One that was not to be used again tells nothing about those that are newer.
        if lost.is_none_or(|lost| created >= lost) {
            *lost = Some(Instant::now());
        }
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
    /// A request was given up in the middle, as its client hung up or had waited long enough. What it asked the database still
    /// runs, and whoever got this connection next would wait for it, beyond every limit.
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        // At the very end of the process there is nobody left to wait.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(quieten(client, self.pool.clone()));
        }
    }
}

/// How long an answer that nobody waits for may still take, before it is cancelled.
const NEARLY_DONE: Duration = Duration::from_millis(100);
/// How long a cancelled statement may take to end, before its connection is closed.
const CANCELLED: Duration = Duration::from_secs(5);

/// Keeps a connection from the pool until nothing runs on it.
async fn quieten(client: Object<Connector>, pool: managed::Pool<Connector>) {
    // Answered after all that was sent before it.
    let quiet = |limit| timeout(limit, client.batch_execute(""));
    if let Ok(Ok(())) = quiet(NEARLY_DONE).await {
        return;
    }
    let cancelled = async {
        if let Ok(tls) = pool.manager().reach.tls() {
            let _ = client.cancel_token().cancel_query(tls).await;
        }
    };
    let is_quiet =
        timeout(CANCELLED, cancelled).await.is_ok() && matches!(quiet(CANCELLED).await, Ok(Ok(())));
    if !is_quiet {
        drop(Object::take(client));
    }
}
