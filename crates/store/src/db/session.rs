//! Statements on a connection to PostgreSQL.

use super::bulk::postgres_insert_if;
use super::connect::Statements;
use super::{Bulk, Column, Row, Value};
use crate::error::{Error, Result};
use deadpool_postgres::{ClientWrapper, StatementCache};
use futures_util::future::try_join;
use futures_util::stream::select_all;
use futures_util::{FutureExt, TryFutureExt, TryStreamExt, pin_mut};
use std::future::Future;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, RowStream};

/// A connection while one transaction, or some reads without one, run on it.
pub(super) struct Session<'a> {
    client: &'a ClientWrapper,
    statements: Statements,
    transaction: Transaction,
}

#[derive(PartialEq)]
enum Transaction {
    /// Each statement is one of its own, and changes nothing.
    None,
    /// Each statement is one of its own.
    Statement,
    /// Begins with the first statement.
    Due,
    Open,
    Ended,
}

impl<'a> Session<'a> {
    /// For reads: each sees what is committed when it begins.
    pub(super) fn reads(client: &'a ClientWrapper, statements: Statements) -> Self {
        Self { client, statements, transaction: Transaction::None }
    }

    /// For one statement that is a transaction by itself.
    pub(super) fn statement(client: &'a ClientWrapper, statements: Statements) -> Self {
        Self { client, statements, transaction: Transaction::Statement }
    }

    /// For one transaction.
    pub(super) fn transaction(client: &'a ClientWrapper, statements: Statements) -> Self {
        Self { client, statements, transaction: Transaction::Due }
    }

    /// Ends the transaction, if it ever began, by `COMMIT` or `ROLLBACK`.
    pub(super) async fn end(mut self, how: &'static str) -> Result<()> {
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Ended;
            self.client.batch_execute(how).await?;
        }
        Ok(())
    }

    /// Where statements run, and are kept under names if they may.
    fn place(&self) -> (&'a Client, Option<&'a StatementCache>) {
        (self.client, self.statements.kept(&self.client.statement_cache))
    }

    /// Runs statements. A `BEGIN` that is due goes with them, not a round trip before them.
    async fn run<T>(&mut self, statements: impl Future<Output = Result<T>>) -> Result<T> {
        if self.transaction != Transaction::Due {
            return statements.await;
        }
        self.transaction = Transaction::Open;
        let begin = self.client.batch_execute("BEGIN").map_err(Error::from);
        // They are sent in the order in which they are first polled.
        let ((), done) = try_join(begin, statements).await?;
        Ok(done)
    }

    pub(super) async fn exec(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        let (client, kept) = self.place();
        self.run(exec(client, kept, sql, args)).await
    }

    pub(super) async fn all<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let (client, kept) = self.place();
        self.run(all(client, kept, sql, args, map)).await
    }

    pub(super) async fn each_of(
        &mut self,
        queries: &[String],
        args: &[Value],
        each: impl FnMut(usize, &Row) -> Result<()>,
    ) -> Result<()> {
        let (client, kept) = self.place();
        self.run(each_of(client, kept, queries, args, each)).await
    }

    pub(super) async fn each(
        &mut self,
        sql: &str,
        args: &[Value],
        look: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        self.run(each_typed(self.client, sql, args, look)).await
    }

    pub(super) async fn all_once<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.run(all_typed(self.client, sql, args, map)).await
    }

    pub(super) async fn insert_many(&mut self, bulk: &Bulk, columns: &[Column]) -> Result<u64> {
        let (client, kept) = self.writes()?;
        self.run(insert_many(client, kept, bulk, columns)).await
    }

    /// Inserts, if the query finds so many rows: all in one statement.
    pub(super) async fn insert_if<const N: usize>(
        &mut self,
        query: &str,
        args: &[Value],
        expected: usize,
        inserts: [(&Bulk, &[Column]); N],
    ) -> Result<Option<[u64; N]>> {
        let (client, kept) = self.writes()?;
        self.run(insert_if(client, kept, query, args, expected, inserts)).await
    }

    pub(super) async fn script(&mut self, sql: &str) -> Result<()> {
        self.run(self.client.batch_execute(sql).map_err(Error::from)).await
    }

    fn writes(&self) -> Result<(&'a Client, Option<&'a StatementCache>)> {
        match self.transaction {
            Transaction::None => Err(Error::Database("a write outside a transaction".into())),
            _ => Ok(self.place()),
        }
    }
}

impl Drop for Session<'_> {
    /// Where a request was given up in mid-transaction. Sent by the first poll, not waited for.
    fn drop(&mut self) {
        if self.transaction == Transaction::Open {
            let _ = self.client.batch_execute("ROLLBACK").now_or_never();
        }
    }
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
    client: &Client,
    kept: Option<&StatementCache>,
    sql: &str,
    args: &[Value],
) -> std::result::Result<RowStream, tokio_postgres::Error> {
    match kept {
        Some(cache) => {
            let statement = cache.prepare(client, sql).await?;
            client.query_raw(&statement, params(args)).await
        }
        None => client.query_typed_raw(sql, typed(args)).await,
    }
}

async fn exec(client: &Client, kept: Option<&StatementCache>, sql: &str, args: &[Value]) -> Result<u64> {
    match kept {
        Some(cache) => {
            let statement = cache.prepare(client, sql).await?;
            Ok(client.execute(&statement, &params(args)).await?)
        }
        None => Ok(client.execute_typed(sql, &typed(args).collect::<Vec<_>>()).await?),
    }
}

async fn all<T>(
    client: &Client,
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
async fn each_of(
    client: &Client,
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
async fn all_typed<T>(
    client: &Client,
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

async fn each_typed(
    client: &Client,
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

async fn insert_many(
    client: &Client,
    kept: Option<&StatementCache>,
    bulk: &Bulk,
    columns: &[Column],
) -> Result<u64> {
    if super::is_empty(columns) {
        return Ok(0);
    }
    let sql = bulk.postgres(columns);
    let arrays = columns.iter().map(array);
    match kept {
        Some(cache) => {
            let statement = cache.prepare(client, &sql).await?;
            Ok(client.execute(&statement, &arrays.map(|(array, _)| array).collect::<Vec<_>>()).await?)
        }
        None => Ok(client.execute_typed(&sql, &arrays.collect::<Vec<_>>()).await?),
    }
}

async fn insert_if<const N: usize>(
    client: &Client,
    kept: Option<&StatementCache>,
    query: &str,
    args: &[Value],
    expected: usize,
    inserts: [(&Bulk, &[Column]); N],
) -> Result<Option<[u64; N]>> {
    let sql = postgres_insert_if(query, args.len(), &inserts);
    let expected = i64::try_from(expected).map_err(|_| Error::Database("too many rows".into()))?;
    let columns = inserts.iter().filter(|(_, columns)| !super::is_empty(columns));
    let arrays = columns.flat_map(|(_, columns)| columns.iter().map(array));
    let args = typed(args).chain([(&expected as &(dyn ToSql + Sync), Type::INT8)]).chain(arrays);
    let row = match kept {
        Some(cache) => {
            let statement = cache.prepare(client, &sql).await?;
            client.query_one(&statement, &args.map(|(arg, _)| arg).collect::<Vec<_>>()).await?
        }
        None => {
            let stream = client.query_typed_raw(&sql, args.collect::<Vec<_>>()).await?;
            pin_mut!(stream);
            let row = stream.try_next().await?;
            while stream.try_next().await?.is_some() {}
            row.ok_or_else(|| Error::Database("no row from an insert".into()))?
        }
    };
    if !row.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let mut counts = [0; N];
    for (n, count) in counts.iter_mut().enumerate() {
        *count = row.try_get::<_, i64>(n + 1)?.unsigned_abs();
    }
    Ok(Some(counts))
}

fn array(column: &Column) -> (&(dyn ToSql + Sync), Type) {
    match column {
        Column::Bools(v) => (v, Type::BOOL_ARRAY),
        Column::Ints(v) => (v, Type::INT8_ARRAY),
        Column::Floats(v) => (v, Type::FLOAT8_ARRAY),
        Column::Texts(v) => (v, Type::TEXT_ARRAY),
        Column::OptTexts(v) => (v, Type::TEXT_ARRAY),
    }
}
