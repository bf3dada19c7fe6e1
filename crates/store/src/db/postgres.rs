//! PostgreSQL: the connection pool, and statements on a connection.

use super::connect::{Connections, Lease, PoolOptions, Statements};
use super::{Column, Row, Tx, Value};
use crate::error::{Error, Result};
use crate::uri::PostgresAddress;
use deadpool_postgres::StatementCache;
use futures_util::future::BoxFuture;
use futures_util::stream::select_all;
use futures_util::{TryFutureExt, TryStreamExt, pin_mut};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, RowStream};

/// How often a transaction is tried that others are in the way of, or whose connection is lost before its commit.
const TRIES: u32 = 6;
/// How long to wait before the second try, about; before each one after that, twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(4);

#[derive(Clone)]
pub(super) struct Pool(Connections);

impl Pool {
    pub(super) async fn open(address: &PostgresAddress, options: &PoolOptions) -> Result<Self> {
        let this = Self(Connections::new(address, options)?);
        drop(this.connection().await?);
        Ok(this)
    }

    async fn connection(&self) -> Result<Lease> {
        self.0.get().await
    }

    pub(super) async fn write<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send,
    {
        let mut tries = 1;
        loop {
            match self.write_once(f.clone()).await {
                Err(Error::Conflict(_) | Error::Disconnected(_)) if tries < TRIES => {}
                done => return done,
            }
            pause(tries).await;
            tries += 1;
        }
    }

    /// One try. Fails with [`Error::Conflict`] and [`Error::Disconnected`] only if it certainly changed nothing.
    pub(super) async fn write_once<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send,
    {
        let mut client = self.connection().await?;
        let done = transact(&mut client, self.0.statements(), f).await;
        discard_if_lost(client, &done);
        done
    }

    pub(super) async fn read<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send,
    {
        let mut tries = 1;
        loop {
            match self.read_once(f.clone()).await {
                Err(Error::Conflict(_) | Error::Disconnected(_)) if tries < TRIES => {}
                done => return done,
            }
            pause(tries).await;
            tries += 1;
        }
    }

    /// One try, outside a transaction.
    pub(super) async fn read_once<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send,
    {
        let client = self.connection().await?;
        let done = f(&mut Tx::PostgresRead(&client, self.0.statements())).await;
        discard_if_lost(client, &done);
        done
    }
}

async fn transact<T, F>(client: &mut Lease, statements: Statements, f: F) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send,
{
    let mut tx = Tx::Postgres(client.transaction().await?, statements);
    let done = f(&mut tx).await;
    let Tx::Postgres(tx, _) = tx else { unreachable!("the variant made above") };
    match done {
        Ok(value) => match tx.commit().await.map_err(Error::from) {
            Ok(()) => Ok(value),
            // The answer was lost, not always the commit. Tried again, the write could be done twice.
            Err(Error::Disconnected(reason)) => Err(Error::Unavailable(format!(
                "the connection was lost during a commit, which may have been done or not: {reason}"
            ))),
            Err(error) => Err(error),
        },
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// Keeps a lost connection from going back to the pool, which may not have noticed yet.
fn discard_if_lost<T>(client: Lease, done: &Result<T>) {
    if matches!(done, Err(Error::Disconnected(_))) {
        client.discard();
    }
}

/// Waits before the next try, half to one and a half times as long as is due, so that those who met do not meet again.
async fn pause(tries: u32) {
    // A version 4 UUID is the randomness at hand.
    let [low, high, ..] = *uuid::Uuid::new_v4().as_bytes();
    let jitter = f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX);
    tokio::time::sleep((FIRST_PAUSE * 2_u32.pow(tries - 1)).mul_f64(0.5 + jitter)).await;
}

fn params(args: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    args.iter().map(|v| v as &(dyn ToSql + Sync)).collect()
}

/// The arguments with their types, for statements that are not prepared first.
fn typed(args: &[Value]) -> impl ExactSizeIterator<Item = (&(dyn ToSql + Sync), Type)> {
    args.iter().map(|v| (v as &(dyn ToSql + Sync), v.postgres_type()))
}

/// Runs a statement of fixed text, kept under a name where there is a place to keep it.
async fn rows(
    client: &impl GenericClient,
    kept: Option<&StatementCache>,
    sql: &str,
    args: &[Value],
) -> std::result::Result<RowStream, tokio_postgres::Error> {
    match kept {
        Some(cache) => {
            let statement = cache.prepare(client.client(), sql).await?;
            client.query_raw(&statement, params(args)).await
        }
        None => client.query_typed_raw(sql, typed(args)).await,
    }
}

pub(super) async fn exec(
    client: &impl GenericClient,
    kept: Option<&StatementCache>,
    sql: &str,
    args: &[Value],
) -> Result<u64> {
    match kept {
        Some(cache) => {
            let statement = cache.prepare(client.client(), sql).await?;
            Ok(client.execute(&statement, &params(args)).await?)
        }
        None => Ok(client.execute_typed(sql, &typed(args).collect::<Vec<_>>()).await?),
    }
}

pub(super) async fn all<T>(
    client: &impl GenericClient,
    kept: Option<&StatementCache>,
    sql: &str,
    args: &[Value],
    map: impl Fn(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    let stream = rows(client, kept, sql, args).await?;
    pin_mut!(stream);
    let mut out = Vec::new();
    while let Some(row) = stream.try_next().await? {
        out.push(map(&Row::Postgres(&row))?);
    }
    Ok(out)
}

/// Sends all statements before it waits for the first answer. All answers are read as they come: the connection stops
/// reading while rows of any statement wait.
pub(super) async fn each_of(
    client: &impl GenericClient,
    kept: Option<&StatementCache>,
    queries: &[String],
    args: &[Value],
    mut each: impl FnMut(usize, &Row) -> Result<()>,
) -> Result<()> {
    let answers = queries.iter().enumerate().map(|(n, sql)| {
        let rows = rows(client, kept, sql, args).try_flatten_stream();
        Box::pin(rows.map_ok(move |row| (n, row)))
    });
    let mut answers = select_all(answers);
    while let Some((n, row)) = answers.try_next().await? {
        each(n, &Row::Postgres(&row))?;
    }
    Ok(())
}

/// One round trip, no server-side statement left behind: for texts that rarely repeat.
pub(super) async fn all_typed<T>(
    client: &impl GenericClient,
    sql: &str,
    args: &[Value],
    map: impl Fn(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    each_typed(client, sql, args, |row| {
        out.push(map(row)?);
        Ok(())
    })
    .await?;
    Ok(out)
}

pub(super) async fn each_typed(
    client: &impl GenericClient,
    sql: &str,
    args: &[Value],
    mut look: impl FnMut(&Row) -> Result<()>,
) -> Result<()> {
    let stream = client.query_typed_raw(sql, typed(args)).await?;
    pin_mut!(stream);
    while let Some(row) = stream.try_next().await? {
        look(&Row::Postgres(&row))?;
    }
    Ok(())
}

pub(super) async fn insert_many(
    client: &impl GenericClient,
    kept: Option<&StatementCache>,
    sql: &str,
    columns: &[Column],
) -> Result<u64> {
    let arrays = columns.iter().map(|column| -> (&(dyn ToSql + Sync), Type) {
        match column {
            Column::Bools(v) => (v, Type::BOOL_ARRAY),
            Column::Ints(v) => (v, Type::INT8_ARRAY),
            Column::Floats(v) => (v, Type::FLOAT8_ARRAY),
            Column::Texts(v) => (v, Type::TEXT_ARRAY),
            Column::OptTexts(v) => (v, Type::TEXT_ARRAY),
        }
    });
    match kept {
        Some(cache) => {
            let statement = cache.prepare(client.client(), sql).await?;
            Ok(client.execute(&statement, &arrays.map(|(array, _)| array).collect::<Vec<_>>()).await?)
        }
        None => Ok(client.execute_typed(sql, &arrays.collect::<Vec<_>>()).await?),
    }
}
