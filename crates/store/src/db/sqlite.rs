//! SQLite: one writer thread that commits what is queued in one go, and reader threads on the write-ahead log.

use super::group::Queue;
use super::{Bulk, Column, Row, Tx, Value, now};
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use regex_lite::Regex;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OpenFlags};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Requests that may wait for a thread; more are told to come back.
const QUEUE: usize = 4096;
/// Pages in the write-ahead log after which it is copied into the database: 16 MiB. SQLite's own 1,000 are full after some
/// fifteen commits of busy clients, and each copy waits for the disk twice.
const PAGES_IN_LOG: i64 = 4000;
/// How long to wait for another process that holds the file's lock.
const BUSY: Duration = Duration::from_secs(30);
const READERS: usize = 4;
/// What each reader keeps of the database, once it has read that much. A search for 100 runs touches some 650 pages of a
/// large one; in SQLite's own 2,000 KiB each would push out another that the next search needs again.
const READ_CACHE_KIB: i64 = 4096;
const STATEMENTS: usize = 256;

/// What a job did: whether it must be undone, and how to answer once it is known whether the commit worked.
struct Outcome {
    failed: bool,
    answer: Answer,
}

/// Answers the requester: with what the job found, or with why the commit failed.
type Answer = Box<dyn FnOnce(Option<&Error>) + Send>;

/// A transaction on its way to a thread.
struct Job {
    run: Run,
    undo: Undo,
}

/// Runs on a connection inside a transaction, or learns why there is none.
type Run = Box<dyn FnOnce(std::result::Result<&mut Connection, &Error>) -> Outcome + Send>;

/// How a failed transaction is undone that shares its commit with others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    /// By a savepoint around it.
    Savepoint,
    /// Not at all: it fails before its first change, if it fails. A savepoint costs about as much as a point does.
    NothingToUndo,
}

#[derive(Clone)]
pub(super) struct Pool {
    writer: SyncSender<Job>,
    readers: SyncSender<Job>,
}

impl Pool {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let write = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        // The mode stays with the file; with it readers never wait for the writer.
        write.pragma_update(None, "journal_mode", "wal")?;
        let (writer, jobs) = sync_channel(QUEUE);
        spawn("sqlite-writer", move || write_loop(write, Queue::new(jobs)))?;
        let (readers, jobs) = sync_channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..READERS {
            let (path, jobs) = (path.to_owned(), Arc::clone(&jobs));
            spawn("sqlite-reader", move || read_loop(&path, &jobs))?;
        }
        Ok(Self { writer, readers })
    }

    pub(super) async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        submit(&self.writer, Undo::Savepoint, f).await
    }

    pub(super) async fn append<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        submit(&self.writer, Undo::NothingToUndo, f).await
    }

    pub(super) async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        submit(&self.readers, Undo::NothingToUndo, f).await
    }
}

pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let started = std::thread::Builder::new().name(name.into()).spawn(body);
    started.map(drop).map_err(|e| Error::Unavailable(format!("no thread for the database: {e}")))
}

async fn submit<T, F>(queue: &SyncSender<Job>, undo: Undo, f: F) -> Result<T>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let run: Run = Box::new(move |conn| {
        // A panic must cost its own request only, not the thread that everyone's writes go through.
        let done = match conn {
            Ok(conn) => catch_unwind(AssertUnwindSafe(|| now(f(&mut Tx(super::Connection::Sqlite(conn))))))
                .unwrap_or_else(|_| Err(Error::Database("a request panicked".into()))),
            Err(error) => Err(Error::Unavailable(error.to_string())),
        };
        let failed = done.is_err();
        let answer = move |commit_failed: Option<&Error>| {
            let answer = match commit_failed {
                Some(error) if done.is_ok() => Err(Error::Unavailable(format!("commit failed: {error}"))),
                _ => done,
            };
            // The requester may have gone away; what is committed stays.
            let _ = sender.send(answer);
        };
        Outcome { failed, answer: Box::new(answer) }
    });
    queue.try_send(Job { run, undo }).map_err(|error| match error {
        TrySendError::Full(_) => Error::Unavailable("too many requests are waiting".into()),
        TrySendError::Disconnected(_) => Error::Unavailable("the database thread has ended".into()),
    })?;
    receiver.await.map_err(|_| Error::Unavailable("the database thread has ended".into()))?
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|e| Error::Refused(e.to_string()))?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "foreign_keys", true)?;
    // An acknowledged write survives a power cut, not only a crash of the process.
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "wal_autocheckpoint", PAGES_IN_LOG)?;
    // As MLflow sets it: LIKE tells cases apart, ILIKE is spelt with LOWER.
    conn.pragma_update(None, "case_sensitive_like", true)?;
    add_regexp(&conn)?;
    Ok(conn)
}

/// Adds the function behind `REGEXP`, which SQLite lacks: whether the pattern is found in the text. A pattern is read once a
/// statement.
fn add_regexp(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let regexp = |call: &mut Context<'_>| {
        let read =
            |pattern: ValueRef<'_>| -> std::result::Result<_, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Regex::new(pattern.as_str()?)?)
            };
        let pattern = call.get_or_create_aux(0, read)?;
        let text = call.get_raw(1).as_str_or_null()?;
        Ok(text.map(|text| pattern.is_match(text)))
    };
    Ok(conn.create_scalar_function("regexp", 2, flags, regexp)?)
}

/// Runs jobs until the last sender is gone. Whatever waits is committed together; a lone job is committed at once.
fn write_loop(mut conn: Connection, mut queue: Queue<Job>) {
    while let Some(first) = queue.first() {
        let mut outcomes = Vec::new();
        let committed = match cached(&conn, "BEGIN IMMEDIATE") {
            Ok(()) => run_group(&mut conn, first, &mut queue, &mut outcomes),
            Err(error) => {
                // Another process has held the lock for long. Who waits by now has waited as long; one after the other they
                // would wait as long again, each.
                let waiting = std::iter::once(first).chain(queue.drain());
                outcomes.extend(waiting.map(|job| (job.run)(Err(&error))));
                Err(error)
            }
        };
        if !conn.is_autocommit() {
            let _ = conn.execute_batch("ROLLBACK");
        }
        queue.end(outcomes.len(), committed.as_ref().copied().unwrap_or_default());
        for outcome in outcomes {
            (outcome.answer)(committed.as_ref().err());
        }
    }
}

/// Runs the first job and those that share its commit, each as its [`Undo`] says, and answers how long the commit took.
fn run_group(
    conn: &mut Connection,
    first: Job,
    queue: &mut Queue<Job>,
    outcomes: &mut Vec<Outcome>,
) -> Result<Duration> {
    let mut next = Some(first);
    while let Some(job) = next {
        let (outcome, undone) = match job.undo {
            Undo::Savepoint => run_in_savepoint(conn, job.run)?,
            Undo::NothingToUndo => {
                let before = conn.total_changes();
                let outcome = (job.run)(Ok(&mut *conn));
                // It broke its promise, or the disk failed under it: nothing of this group may stay.
                let half_way = outcome.failed && conn.total_changes() != before;
                let undone = if half_way { Err(unavailable("a write failed half-way")) } else { Ok(()) };
                (outcome, undone)
            }
        };
        outcomes.push(outcome);
        undone?;
        if conn.is_autocommit() {
            // On a full disk, among others, SQLite rolls back by itself; what came next would be committed on its own.
            return Err(unavailable("the database undid the transaction"));
        }
        next = queue.next(outcomes.len());
    }
    let began = Instant::now();
    cached(conn, "COMMIT")?;
    Ok(began.elapsed())
}

/// Runs a job, and says whether it was undone where it failed.
fn run_in_savepoint(conn: &mut Connection, run: Run) -> Result<(Outcome, Result<()>)> {
    cached(conn, "SAVEPOINT job")?;
    let outcome = run(Ok(&mut *conn));
    let undone = if outcome.failed { cached(conn, "ROLLBACK TO job") } else { Ok(()) };
    let released = undone.and_then(|()| cached(conn, "RELEASE job"));
    Ok((outcome, released))
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable(reason.into())
}

/// Runs reads, each in a transaction of its own, so that its statements see one state of the database.
fn read_loop(path: &Path, jobs: &Mutex<Receiver<Job>>) {
    // Opened at the first use: an idle server keeps no connections it does not need.
    let mut conn = None;
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let outcome = match open_for_reading(path, &mut conn) {
            Ok(conn) => {
                let outcome = (job.run)(Ok(&mut *conn));
                let _ = cached(conn, "ROLLBACK");
                outcome
            }
            Err(error) => (job.run)(Err(&error)),
        };
        (outcome.answer)(None);
    }
}

fn open_for_reading<'a>(path: &Path, slot: &'a mut Option<Connection>) -> Result<&'a mut Connection> {
    let conn = match slot {
        Some(conn) => conn,
        None => {
            let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            conn.pragma_update(None, "cache_size", -READ_CACHE_KIB)?;
            slot.insert(conn)
        }
    };
    cached(conn, "BEGIN")?;
    Ok(conn)
}

fn cached(conn: &Connection, sql: &str) -> Result<()> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn prepare<'c>(conn: &'c Connection, sql: &str) -> Result<CachedStatement<'c>> {
    let statement = conn.prepare_cached(sql)?;
    // SQLite numbers `$n` by first appearance, so a text that names them in another order would bind them wrongly.
    debug_assert!(
        (1..=statement.parameter_count()).all(|i| statement.parameter_name(i) == Some(&format!("${i}"))),
        "parameters must first appear in ascending order: {sql}"
    );
    Ok(statement)
}

pub(super) fn exec(conn: &Connection, sql: &str, args: &[Value]) -> Result<u64> {
    Ok(prepare(conn, sql)?.execute(rusqlite::params_from_iter(args))? as u64)
}

pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    args: &[Value],
    map: impl Fn(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    each(conn, sql, args, |row| {
        out.push(map(row)?);
        Ok(())
    })?;
    Ok(out)
}

pub(super) fn each(
    conn: &Connection,
    sql: &str,
    args: &[Value],
    mut look: impl FnMut(&Row) -> Result<()>,
) -> Result<()> {
    let mut statement = prepare(conn, sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(args))?;
    while let Some(row) = rows.next()? {
        look(&Row::Sqlite(row))?;
    }
    Ok(())
}

pub(super) fn each_of(
    conn: &Connection,
    queries: &[String],
    args: &[Value],
    mut each: impl FnMut(usize, &Row) -> Result<()>,
) -> Result<()> {
    for (n, sql) in queries.iter().enumerate() {
        let mut statement = prepare(conn, sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(args))?;
        while let Some(row) = rows.next()? {
            each(n, &Row::Sqlite(row))?;
        }
    }
    Ok(())
}

pub(super) fn insert_many(conn: &Connection, bulk: &Bulk, columns: &[Column]) -> Result<u64> {
    if super::is_empty(columns) {
        return Ok(0);
    }
    let mut statement = prepare(conn, &bulk.sqlite(columns))?;
    let mut changed = 0;
    for row in 0..columns[0].len() {
        for (index, column) in (1..).zip(columns) {
            match column {
                Column::Bools(v) => statement.raw_bind_parameter(index, v[row])?,
                Column::Ints(v) => statement.raw_bind_parameter(index, v[row])?,
                Column::Floats(v) => statement.raw_bind_parameter(index, v[row])?,
                Column::Texts(v) => statement.raw_bind_parameter(index, v[row].as_str())?,
                Column::OptTexts(v) => statement.raw_bind_parameter(index, v[row].as_deref())?,
            }
        }
        changed += statement.raw_execute()? as u64;
    }
    Ok(changed)
}
