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
mod row;
mod sqlite;
mod tls;
mod value;

pub use alter::{Alter, LOCK};
pub use bulk::{Bulk, Column};
pub use connect::{PoolOptions, Prepared};
pub use dialect::Dialect;
pub use ingest::{Ingest, Place};
pub use row::Row;
pub use value::Value;

use crate::error::{Error, Result};
use crate::uri::DatabaseUri;
use connect::Statements;
use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// A database: a pool of PostgreSQL connections, or one SQLite file with its writer and reader threads.
#[derive(Clone)]
pub struct Db(Engine);

#[derive(Clone)]
enum Engine {
    Postgres(postgres::Pool),
    Sqlite(sqlite::Pool),
}

/// A transaction (or, for reads on PostgreSQL, a connection in autocommit) on which statements run.
pub enum Tx<'a> {
    /// A PostgreSQL transaction.
    Postgres(deadpool_postgres::Transaction<'a>, Statements),
    /// A PostgreSQL connection outside a transaction, for reads.
    PostgresRead(&'a ClientWrapper, Statements),
    /// A SQLite connection inside a transaction.
    Sqlite(&'a mut rusqlite::Connection),
}

impl Db {
    /// Opens the database and makes one connection, so that a wrong address or password shows at start-up.
    ///
    /// # Errors
    /// [`Error::Unavailable`], in the database's words.
    pub async fn open(uri: &DatabaseUri) -> Result<Self> {
        Self::open_with(uri, &PoolOptions::default()).await
    }

    /// Like [`Db::open`], with other than the usual connections.
    ///
    /// # Errors
    /// [`Error::Unavailable`], in the database's words.
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

    /// Like [`Db::write`], for an `f` that makes sure of everything before its first change, so that it either succeeds or has
    /// changed nothing. That spares SQLite the savepoint, which costs as much as a small write does.
    ///
    /// # Errors
    /// What `f` fails with, or what the commit does.
    pub async fn append<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        match &self.0 {
            Engine::Postgres(pool) => pool.write(f).await,
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
        match self {
            Self::Postgres(..) | Self::PostgresRead(..) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Runs a statement and answers how many rows it touched.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn exec(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        match self {
            Self::Postgres(tx, s) => postgres::exec(&**tx, s.kept(&tx.statement_cache), sql, args).await,
            Self::PostgresRead(client, s) => {
                postgres::exec(&***client, s.kept(&client.statement_cache), sql, args).await
            }
            Self::Sqlite(conn) => sqlite::exec(conn, sql, args),
        }
    }

    /// Runs a query of fixed text and maps every row.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn all<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Self::Postgres(tx, s) => postgres::all(&**tx, s.kept(&tx.statement_cache), sql, args, map).await,
            Self::PostgresRead(client, s) => {
                postgres::all(&***client, s.kept(&client.statement_cache), sql, args, map).await
            }
            Self::Sqlite(conn) => sqlite::all(conn, sql, args, map),
        }
    }

    /// Runs queries of fixed text that take the same arguments, and hands each row to `each` with the number of its query.
    /// PostgreSQL gets all of them at once, so that they wait for one answer, not for one each; which query's rows come first
    /// is open.
    ///
    /// # Errors
    /// See [`Error`], and what `each` fails with.
    pub async fn each_of(
        &mut self,
        queries: &[String],
        args: &[Value],
        each: impl FnMut(usize, &Row) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Postgres(tx, s) => {
                postgres::each_of(&**tx, s.kept(&tx.statement_cache), queries, args, each).await
            }
            Self::PostgresRead(client, s) => {
                postgres::each_of(&***client, s.kept(&client.statement_cache), queries, args, each).await
            }
            Self::Sqlite(conn) => sqlite::each_of(conn, queries, args, each),
        }
    }

    /// Runs a query planned for these very values, and looks at its rows as they come, so that they need not all be kept.
    ///
    /// A plan that is kept is made for the average value. Where values differ by thousands of rows, that costs more than
    /// planning does.
    ///
    /// # Errors
    /// See [`Error`], and what `look` fails with.
    pub async fn each(
        &mut self,
        sql: &str,
        args: &[Value],
        look: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Postgres(tx, _) => postgres::each_typed(&**tx, sql, args, look).await,
            Self::PostgresRead(client, _) => postgres::each_typed(&***client, sql, args, look).await,
            Self::Sqlite(conn) => sqlite::each(conn, sql, args, look),
        }
    }

    /// Runs a query whose text was built for this call, without keeping its plan.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn all_once<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Self::Postgres(tx, _) => postgres::all_typed(&**tx, sql, args, map).await,
            Self::PostgresRead(client, _) => postgres::all_typed(&***client, sql, args, map).await,
            Self::Sqlite(conn) => sqlite::all(conn, sql, args, map),
        }
    }

    /// Runs a query of fixed text and maps its first row, if there is one.
    ///
    /// # Errors
    /// See [`Error`].
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
    /// See [`Error`].
    pub async fn insert_many(&mut self, bulk: &Bulk, columns: &[Column]) -> Result<u64> {
        debug_assert!(columns.windows(2).all(|w| w[0].len() == w[1].len()), "columns of one length");
        if columns.first().is_none_or(|c| c.len() == 0) {
            return Ok(0);
        }
        match self {
            Self::Postgres(tx, s) => {
                let kept = s.kept(&tx.statement_cache);
                postgres::insert_many(&**tx, kept, &bulk.postgres(columns), columns).await
            }
            Self::PostgresRead(..) => Err(Error::Database("insert outside a write transaction".into())),
            Self::Sqlite(conn) => sqlite::insert_many(conn, &bulk.sqlite(columns), columns),
        }
    }

    /// Runs several statements of fixed text without parameters: a schema.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        match self {
            Self::Postgres(tx, _) => Ok(tx.batch_execute(sql).await?),
            Self::PostgresRead(client, _) => Ok(client.batch_execute(sql).await?),
            Self::Sqlite(conn) => Ok(conn.execute_batch(sql)?),
        }
    }
}

/// Runs a future that does not wait, because it only talks to in-process SQLite.
fn now<T>(future: BoxFuture<'_, T>) -> T {
    future.now_or_never().expect("a SQLite transaction never waits")
}
