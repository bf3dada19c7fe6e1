//! PostgreSQL: transactions and reads on pooled connections, tried again where that is right.

use super::connect::{Connections, Lease, PoolOptions, Statements};
use super::session::Session;
use super::{Connection, Tx};
use crate::error::{Error, Result};
use crate::uri::PostgresAddress;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::time::Duration;

/// How often a transaction is tried that others are in the way of, or whose connection is lost before its commit.
const TRIES: u32 = 6;
/// How long to wait before the second try, about; before each one after that, twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(4);

#[derive(Clone)]
pub(super) struct Pool(Connections);

impl Pool {
    pub(super) async fn open(address: &PostgresAddress, options: &PoolOptions) -> Result<Self> {
        let this = Self(Connections::new(address, options)?);
        this.connection().await?.give_back();
        Ok(this)
    }

    pub(super) fn longest_wait(&self) -> Duration {
        self.0.longest_wait()
    }

    pub(super) fn is_pooled(&self) -> bool {
        matches!(self.0.statements(), Statements::Unnamed)
    }

    async fn connection(&self) -> Result<Lease> {
        self.0.get().await
    }

    pub(super) async fn write<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send,
    {
        tried(|| self.write_once(f.clone())).await
    }

    /// One try. Fails with [`Error::Conflict`] and [`Error::Disconnected`] only if it certainly changed nothing.
    pub(super) async fn write_once<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send,
    {
        let client = self.connection().await?;
        let done = transact(&client, self.0.statements(), f).await;
        give_back(client, &done);
        done
    }

    pub(super) async fn append<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send,
    {
        tried(|| self.append_once(f.clone())).await.map_err(|error| match error {
            Error::Disconnected(reason) => lost(&reason),
            error => error,
        })
    }

    async fn append_once<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send,
    {
        let client = self.connection().await?;
        let session = Session::statement(&client, self.0.statements());
        let done = f(&mut Tx(Connection::Postgres(session))).await;
        give_back(client, &done);
        done
    }

    pub(super) async fn read<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Clone + Send,
    {
        tried(|| self.read_once(f.clone())).await
    }

    /// One try, outside a transaction.
    pub(super) async fn read_once<T, F>(&self, f: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send,
    {
        let client = self.connection().await?;
        let session = Session::reads(&client, self.0.statements());
        let done = f(&mut Tx(Connection::Postgres(session))).await;
        give_back(client, &done);
        done
    }
}

/// Tries until others are not in the way, and the connection is not lost; so often and no more.
async fn tried<T, Try: Future<Output = Result<T>>>(one: impl Fn() -> Try) -> Result<T> {
    let mut tries = 1;
    loop {
        match one().await {
            Err(Error::Conflict(_) | Error::Disconnected(_)) if tries < TRIES => {}
            done => return done,
        }
        pause(tries).await;
        tries += 1;
    }
}

async fn transact<T, F>(client: &Lease, statements: Statements, f: F) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send,
{
    let mut tx = Tx(Connection::Postgres(Session::transaction(client, statements)));
    let done = f(&mut tx).await;
    let Tx(Connection::Postgres(session)) = tx else { unreachable!("the variant made above") };
    match done {
        Ok(value) => match session.end("COMMIT").await {
            Ok(()) => Ok(value),
            // The answer was lost, not always the commit. Tried again, the write could be done twice.
            Err(Error::Disconnected(reason)) => Err(lost(&reason)),
            Err(error) => Err(error),
        },
        Err(error) => {
            session.end("ROLLBACK").await?;
            Err(error)
        }
    }
}

fn lost(reason: &str) -> Error {
    Error::Unavailable(format!(
        "the connection was lost during a commit, which may have been done or not: {reason}"
    ))
}

/// Gives a connection back, unless it is lost, which the pool may not have noticed yet.
fn give_back<T>(client: Lease, done: &Result<T>) {
    if matches!(done, Err(Error::Disconnected(_))) {
        client.discard();
    } else {
        client.give_back();
    }
}

/// Waits before the next try, half to one and a half times as long as is due, so that those who met do not meet again.
async fn pause(tries: u32) {
    // A version 4 UUID is the randomness at hand.
    let [low, high, ..] = *uuid::Uuid::new_v4().as_bytes();
    let jitter = f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX);
    tokio::time::sleep((FIRST_PAUSE * 2_u32.pow(tries - 1)).mul_f64(0.5 + jitter)).await;
}
