//! The way to a database: how it is protected, how long it is, and how many may go it at a time.

use crate::db::{Db, PoolOptions, Prepared, Tx};
use crate::error::{Error, Result};
use crate::uri::DatabaseUri;
use std::time::{Duration, Instant};

/// What a session shows of the way to its server.
#[derive(Debug, Clone)]
pub struct Way {
    /// The version of TLS, if there is any. A pooler in between shows its own.
    pub tls: Option<String>,
    /// Whether there is a pooler in between.
    pub is_pooled: bool,
    /// The server's clock, in milliseconds since 1970.
    pub now_ms: i64,
    /// How long a statement takes that does nothing.
    pub latency: Duration,
    /// How many connections this user gets in this database.
    pub max_connections: i64,
    /// How many of the server's are in use by anybody.
    pub connections: i64,
}

/// How often the length is measured; the middle one counts.
const TIMES: usize = 5;

/// Logs in and measures; changes nothing. SQLite has no such way.
///
/// # Errors
/// What keeps us from logging in, or from looking.
pub async fn measure(uri: &DatabaseUri, options: &PoolOptions) -> Result<Option<Way>> {
    let DatabaseUri::Postgres(_) = uri else { return Ok(None) };
    // Only who asks for names of statements is shown whether there is a pooler.
    let options = PoolOptions { size: 1, overflow: 0, prepared: Prepared::Auto, ..options.clone() };
    let db = Db::open_with(uri, &options).await?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        db.read(|tx| Box::pin(nothing(tx))).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let way = db.read(|tx| Box::pin(look(tx))).await?;
    Ok(Some(Way { is_pooled: db.is_pooled(), latency: times[TIMES / 2], ..way }))
}

async fn nothing(tx: &mut Tx<'_>) -> Result<()> {
    tx.first("SELECT 1", &[], |_| Ok(())).await.map(drop)
}

/// `LEAST` passes over limits that are not set, and superusers have none of their own. What others do is hidden from most users,
/// that they are there is not.
const WAY: &str = "
    SELECT (SELECT version::text FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl),
           (extract(epoch FROM clock_timestamp()) * 1000)::int8,
           LEAST(current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8,
                 (SELECT NULLIF(rolconnlimit, -1)::int8 FROM pg_roles WHERE rolname = current_user AND NOT rolsuper),
                 (SELECT NULLIF(datconnlimit, -1)::int8 FROM pg_database WHERE datname = current_database())),
           (SELECT count(*)::int8 FROM pg_stat_activity WHERE backend_type = 'client backend')";

async fn look(tx: &mut Tx<'_>) -> Result<Way> {
    let found = tx.first(WAY, &[], |row| {
        Ok(Way {
            tls: row.opt_text(0)?,
            is_pooled: false,
            now_ms: row.int(1)?,
            latency: Duration::ZERO,
            max_connections: row.int(2)?,
            connections: row.int(3)?,
        })
    });
    found.await?.ok_or_else(|| Error::Database("the session shows nothing of itself".into()))
}
