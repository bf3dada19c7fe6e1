//! A database while its tables are rebuilt: one transaction after the other, outside the pool's readers and writer.

use super::{PoolOptions, Tx, now, postgres, sqlite};
use crate::error::{Error, Result};
use crate::uri::DatabaseUri;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

/// Connections for changes of the schema.
pub struct Alter(Engine);

enum Engine {
    /// One connection each: to work on, and to hold the lock meanwhile. They come from two pools so that a small pool is enough.
    Postgres { work: postgres::Pool, lock: postgres::Pool },
    /// One that does not check references: dropping a table in order to replace it must not empty those that refer to it.
    Sqlite(Option<Connection>),
}

/// Several processes may find one database to change at once: one does, the others wait for it. The lock belongs to a
/// transaction, not to a session, so that it works behind a pooler and ends with its owner, however that ends.
const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock(7811887170463919)";
/// Waits for the same lock.
pub const LOCK: &str = "SELECT pg_advisory_xact_lock(7811887170463919)";
/// The transaction with the lock does nothing while the work is done.
const STAY: &str = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0";
/// Whoever waits for a table keeps everyone behind him waiting too.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = 0";

impl Alter {
    /// Connects to a database that exists.
    ///
    /// # Errors
    /// [`Error::Unavailable`], in the database's words.
    pub async fn open(uri: &DatabaseUri) -> Result<Self> {
        Ok(Self(match uri {
            DatabaseUri::Postgres(address) => Engine::Postgres {
                work: postgres::Pool::open(address, &PoolOptions::default()).await?,
                lock: postgres::Pool::open(address, &PoolOptions::default()).await?,
            },
            DatabaseUri::Sqlite(path) => {
                let conn = sqlite::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                conn.pragma_update(None, "foreign_keys", false)?;
                Engine::Sqlite(Some(conn))
            }
        }))
    }

    /// Runs `f` while no other process changes this database's schema, and calls `wait` first if one does.
    ///
    /// On SQLite each step takes the file's write lock instead: there `f` must look again in each step where it is.
    ///
    /// # Errors
    /// What `f` fails with, or what the lock does.
    pub async fn alone<T, F>(mut self, wait: impl Fn() + Send + Sync + 'static, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s mut Self) -> BoxFuture<'s, Result<T>> + Send + 'static,
    {
        let Engine::Postgres { lock, .. } = &self.0 else { return f(&mut self).await };
        let lock = lock.clone();
        lock.write_once(move |tx| {
            Box::pin(async move {
                tx.script(STAY).await?;
                if tx.first(TRY_LOCK, &[], |row| row.bool(0)).await? != Some(true) {
                    wait();
                    tx.all(LOCK, &[], |_| Ok(())).await?;
                }
                f(&mut self).await
            })
        })
        .await
    }

    /// Runs statements that PostgreSQL has outside transactions only, each by itself, for as long as they take; one transaction on
    /// SQLite.
    ///
    /// # Errors
    /// What `f` fails with.
    pub async fn apart<T, F>(&mut self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        match &self.0 {
            Engine::Postgres { work, .. } => work.read_once(f).await,
            Engine::Sqlite(_) => self.step(f).await,
        }
    }

    /// Runs one transaction. References are not checked in it on SQLite, and it waits 10 s for a table on PostgreSQL.
    ///
    /// # Errors
    /// What `f` fails with, or what the commit does.
    pub async fn step<T, F>(&mut self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        match &mut self.0 {
            Engine::Postgres { work, .. } => {
                work.write_once(move |tx| {
                    Box::pin(async move {
                        tx.script(LOCK_TIMEOUT).await?;
                        f(tx).await
                    })
                })
                .await
            }
            Engine::Sqlite(slot) => {
                let gone = || Error::Unavailable("the database's thread has ended".into());
                let mut conn = slot.take().ok_or_else(gone)?;
                let (sender, receiver) = oneshot::channel();
                // A step may take minutes, and is not waited for when the process is told to stop.
                sqlite::spawn("sqlite-alter", move || {
                    let done = in_transaction(&mut conn, f);
                    let _ = sender.send((done, conn));
                })?;
                let (done, conn) = receiver.await.map_err(|_| gone())?;
                *slot = Some(conn);
                done
            }
        }
    }
}

fn in_transaction<T, F>(conn: &mut Connection, f: F) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>>,
{
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let done = now(f(&mut Tx(super::Connection::Sqlite(conn))));
    let done = done.and_then(|value| conn.execute_batch("COMMIT").map(|()| value).map_err(Error::from));
    if !conn.is_autocommit() {
        let _ = conn.execute_batch("ROLLBACK");
    }
    done
}
