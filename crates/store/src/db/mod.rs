//! The database layer: the only code that knows which engine it talks to.
//!
//! A statement is written once, with `$1, $2, ..` in order of first use, and runs on both engines unmodified. Store
//! functions take a [`Tx`] and are `async`. On PostgreSQL they run on tokio; on SQLite the whole transaction is sent as a
//! closure to the writer thread, where its future never waits and so is done at its first poll.

mod alter;
mod bulk;
mod connect;
mod dialect;
mod group;
mod ingest;
mod postgres;
mod reach;
mod row;
mod session;
mod sqlite;
mod tls;
mod transient;
mod value;

pub use alter::{Alter, LOCK};
pub use bulk::{Bulk, Column};
pub use connect::{PoolOptions, Prepared};
pub use dialect::Dialect;
pub use ingest::Ingest;
pub use row::Row;
pub use value::Value;

use crate::error::Result;
use crate::uri::DatabaseUri;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// A database: a pool of PostgreSQL connections, or one SQLite file with its writer and reader threads.
#[derive(Clone)]
pub struct Db(Engine);

#[derive(Clone)]
enum Engine {
    Postgres(postgres::Pool),
    Sqlite(sqlite::Pool),
}

/// A transaction (or, for reads on PostgreSQL, a connection in autocommit) on which statements run.
pub struct Tx<'a>(Connection<'a>);

enum Connection<'a> {
    Postgres(session::Session<'a>),
    Sqlite(&'a mut rusqlite::Connection),
}

impl Db {
    /// Opens the database and makes one connection, so that a wrong address or password shows at start-up.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] or [`crate::Error::Refused`], in the database's words.
    pub async fn open(uri: &DatabaseUri) -> Result<Self> {
        Self::open_with(uri, &PoolOptions::default()).await
    }

    /// Like [`Db::open`], with other than the usual connections.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] or [`crate::Error::Refused`], in the database's words.
    pub async fn open_with(uri: &DatabaseUri, options: &PoolOptions) -> Result<Self> {
        Ok(Self(match uri {
            DatabaseUri::Postgres(address) => Engine::Postgres(postgres::Pool::open(address, options).await?),
            DatabaseUri::Sqlite(path) => Engine::Sqlite(sqlite::Pool::open(path)?),
        }))
    }

    /// Which SQL this database speaks, where it matters.
    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Engine::Postgres(_) => Dialect::Postgres,
            Engine::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Whether a pooler between us and PostgreSQL has shown itself, or statements are sent whole as if there were one.
    pub fn is_pooled(&self) -> bool {
        match &self.0 {
            Engine::Postgres(pool) => pool.is_pooled(),
            Engine::Sqlite(_) => false,
        }
    }

    /// How long a request may wait for others before it is told to come back.
    pub fn longest_wait(&self) -> Duration {
        match &self.0 {
            Engine::Postgres(pool) => pool.longest_wait(),
            Engine::Sqlite(_) => PoolOptions::default().wait,
        }
    }

    /// Runs one write transaction: commits when `f` succeeds, rolls back when it fails, and returns only after the commit.
    /// On SQLite several waiting transactions share one commit. On PostgreSQL `f` runs again, some times at the most, when
    /// other transactions are in the way or the connection is lost; but never after a commit that may have been done.
    ///
    /// # Errors
    /// What `f` fails with, or what the commit does.
    pub async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        match &self.0 {
            Engine::Postgres(pool) => pool.write(f).await,
            Engine::Sqlite(pool) => pool.write(f).await,
        }
    }

    /// Like [`Db::write`], for an `f` that makes one change, with one statement ([`Tx::insert_if`]), and may be done twice: once
    /// more is no change. That spares PostgreSQL the transaction around it, and SQLite the savepoint, which costs as much as a
    /// small write does.
    ///
    /// # Errors
    /// What `f` fails with, or what the commit does.
    pub async fn append<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        match &self.0 {
            Engine::Postgres(pool) => pool.append(f).await,
            Engine::Sqlite(pool) => pool.append(f).await,
        }
    }

    /// Runs reads: one snapshot on SQLite, autocommit on a pooled connection on PostgreSQL, where `f` runs again as in
    /// [`Db::write`].
    ///
    /// # Errors
    /// What `f` fails with.
    pub async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        match &self.0 {
            Engine::Postgres(pool) => pool.read(f).await,
            Engine::Sqlite(pool) => pool.read(f).await,
        }
    }
}

impl Tx<'_> {
    /// Which SQL this transaction speaks, where it matters.
    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Connection::Postgres(_) => Dialect::Postgres,
            Connection::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Runs a statement and answers how many rows it touched.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn exec(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        match &mut self.0 {
            Connection::Postgres(session) => session.exec(sql, args).await,
            Connection::Sqlite(conn) => sqlite::exec(conn, sql, args),
        }
    }

    /// Runs a query of fixed text and maps every row.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn all<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        match &mut self.0 {
            Connection::Postgres(session) => session.all(sql, args, map).await,
            Connection::Sqlite(conn) => sqlite::all(conn, sql, args, map),
        }
    }

    /// Runs queries of fixed text that take the same arguments, and hands each row to `each` with the number of its query.
    /// PostgreSQL gets all of them at once, so that they wait for one answer, not for one each; which query's rows come first
    /// is open.
    ///
    /// # Errors
    /// See [`crate::Error`], and what `each` fails with.
    pub async fn each_of(
        &mut self,
        queries: &[String],
        args: &[Value],
        each: impl FnMut(usize, &Row) -> Result<()>,
    ) -> Result<()> {
        match &mut self.0 {
            Connection::Postgres(session) => session.each_of(queries, args, each).await,
            Connection::Sqlite(conn) => sqlite::each_of(conn, queries, args, each),
        }
    }

    /// Runs a query planned for these very values, and looks at its rows as they come, so that they need not all be kept.
    ///
    /// A plan that is kept is made for the average value. Where values differ by thousands of rows, that costs more than
    /// planning does.
    ///
    /// # Errors
    /// See [`crate::Error`], and what `look` fails with.
    pub async fn each(
        &mut self,
        sql: &str,
        args: &[Value],
        look: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        match &mut self.0 {
            Connection::Postgres(session) => session.each(sql, args, look).await,
            Connection::Sqlite(conn) => sqlite::each(conn, sql, args, look),
        }
    }

    /// Runs a query whose text was built for this call, without keeping its plan.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn all_once<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        match &mut self.0 {
            Connection::Postgres(session) => session.all_once(sql, args, map).await,
            Connection::Sqlite(conn) => sqlite::all(conn, sql, args, map),
        }
    }

    /// Runs a query of fixed text and maps its first row, if there is one.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn first<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl Fn(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.all(sql, args, map).await?.into_iter().next())
    }

    /// Inserts rows given by column, in one statement on PostgreSQL and with one prepared statement on SQLite.
    /// Answers how many rows the statement inserted or changed.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn insert_many(&mut self, bulk: &Bulk, columns: &[Column]) -> Result<u64> {
        match &mut self.0 {
            Connection::Postgres(session) => session.insert_many(bulk, columns).await,
            Connection::Sqlite(conn) => sqlite::insert_many(conn, bulk, columns),
        }
    }

    /// Inserts rows as [`Tx::insert_many`] does, if a query finds so many rows. Answers how many rows each insert inserted or
    /// changed, or `None` when the query finds fewer or more, and nothing was changed.
    ///
    /// PostgreSQL gets it as one statement.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn insert_if<const N: usize>(
        &mut self,
        query: &str,
        args: &[Value],
        expected: usize,
        inserts: [(&Bulk, &[Column]); N],
    ) -> Result<Option<[u64; N]>> {
        match &mut self.0 {
            Connection::Postgres(session) => session.insert_if(query, args, expected, inserts).await,
            Connection::Sqlite(conn) => {
                if sqlite::all(conn, query, args, |_| Ok(()))?.len() != expected {
                    return Ok(None);
                }
                let mut counts = [0; N];
                for (count, (bulk, columns)) in counts.iter_mut().zip(inserts) {
                    *count = sqlite::insert_many(conn, bulk, columns)?;
                }
                Ok(Some(counts))
            }
        }
    }

    /// Runs several statements of fixed text without parameters: a schema.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Connection::Postgres(session) => session.script(sql).await,
            Connection::Sqlite(conn) => Ok(conn.execute_batch(sql)?),
        }
    }
}

/// Whether there is no row in these columns.
fn is_empty(columns: &[Column]) -> bool {
    debug_assert!(columns.windows(2).all(|w| w[0].len() == w[1].len()), "columns of one length");
    columns.first().is_none_or(|c| c.len() == 0)
}

/// Runs a future that does not wait, because it only talks to in-process SQLite.
fn now<T>(future: BoxFuture<'_, T>) -> T {
    future.now_or_never().expect("a SQLite transaction never waits")
}
