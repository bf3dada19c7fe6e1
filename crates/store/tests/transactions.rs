//! What a failed transaction leaves behind, alone and beside others in one commit, on both engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod common;

use api::ErrorCode;
use common::for_each_engine;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use store::db::{Bulk, Column, Db, Dialect, Tx};
use store::{Error, Result};
use tokio::sync::Barrier;

const INSERT: &str = "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (0, $1, 'v')";
const KEYS: &str = "SELECT key FROM experiment_tags ORDER BY key";

fn insert<'t>(tx: &'t mut Tx<'_>, key: String, then_fail: bool) -> BoxFuture<'t, Result<()>> {
    Box::pin(async move {
        tx.exec(INSERT, &[key.into()]).await?;
        if then_fail { Err(Error::Database("as the test wants it".into())) } else { Ok(()) }
    })
}

async fn keys(db: &Db) -> Vec<String> {
    db.read(|tx| Box::pin(async { tx.all(KEYS, &[], |row| row.text(0)).await })).await.unwrap()
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_and_disturbs_nobody() {
    for_each_engine(async |db| {
        let writes = (0..200).map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |tx| insert(tx, format!("{i:03}"), i % 2 == 1)).await.is_ok()
            })
        });
        for (i, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(write.await.unwrap(), i % 2 == 0);
        }
        let expected: Vec<_> = (0..200).step_by(2).map(|i| format!("{i:03}")).collect();
        assert_eq!(keys(&db).await, expected);
    })
    .await;
}

const TAGS: Bulk = Bulk { insert: "INSERT INTO experiment_tags (key, value, experiment_id)", then: "" };

/// Inserts a tag of experiment 0, and one of another, if the query finds a row.
async fn insert_two(db: &Db, query: &'static str, key: &'static str, other: i64) -> Result<Option<[u64; 2]>> {
    let tag = move |experiment| {
        [Column::Texts(vec![key.into()]), Column::Texts(vec!["1".into()]), Column::Ints(vec![experiment])]
    };
    db.append(move |tx| {
        Box::pin(async move { tx.insert_if(query, &[], 1, [(&TAGS, &tag(0)), (&TAGS, &tag(other))]).await })
    })
    .await
}

#[tokio::test]
async fn an_append_that_fails_half_way_is_undone_too() {
    for_each_engine(async |db| {
        db.append(|tx| insert(tx, "kept".into(), false)).await.unwrap();
        assert!(insert_two(&db, "SELECT 1", "undone", 77).await.is_err(), "there is no experiment 77");
        assert!(insert_two(&db, "SELECT 1", "undone", 0).await.is_err(), "it is there already");
        db.append(|tx| insert(tx, "later".into(), false)).await.unwrap();
        assert_eq!(keys(&db).await, ["kept", "later"]);
    })
    .await;
}

#[tokio::test]
async fn rows_go_in_only_if_the_query_finds_as_many() {
    const ANOTHER: &str =
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, '7', 'active')";
    for_each_engine(async |db| {
        db.write(|tx| Box::pin(tx.exec(ANOTHER, &[]))).await.unwrap();
        for query in ["SELECT 1 WHERE 1 = 0", "SELECT 1 UNION SELECT 2"] {
            assert_eq!(insert_two(&db, query, "no", 7).await.unwrap(), None);
        }
        assert_eq!(keys(&db).await, [""; 0]);
        assert_eq!(insert_two(&db, "SELECT 1", "yes", 7).await.unwrap(), Some([1, 1]));
        assert_eq!(keys(&db).await, ["yes", "yes"]);
    })
    .await;
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    for_each_engine(async |db| {
        let doomed = db.clone();
        let panicked = tokio::spawn(async move {
            doomed.write::<(), _>(|_| Box::pin(async { panic!("as the test wants it") })).await
        });
        assert!(panicked.await.map_or(true, |answer| answer.is_err()));
        db.write(|tx| insert(tx, "after".into(), false)).await.unwrap();
        assert_eq!(keys(&db).await, ["after"]);
    })
    .await;
}

const RAISE: &str = "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (0, $1, '1')
    ON CONFLICT (key, experiment_id) DO UPDATE SET value = CAST(CAST(experiment_tags.value AS integer) + 1 AS text)";
const VALUES: &str = "SELECT value FROM experiment_tags ORDER BY key";

/// Two transactions that cannot both go on: each waits at its first try until the other has begun, too.
struct Meeting {
    tries: AtomicUsize,
    both: Barrier,
}

impl Meeting {
    fn new() -> Arc<Self> {
        Arc::new(Self { tries: AtomicUsize::new(0), both: Barrier::new(2) })
    }

    async fn wait(&self) {
        if self.tries.fetch_add(1, SeqCst) < 2 {
            self.both.wait().await;
        }
    }
}

async fn values(db: &Db) -> Vec<String> {
    db.read(|tx| Box::pin(async { tx.all(VALUES, &[], |row| row.text(0)).await })).await.unwrap()
}

#[tokio::test]
async fn deadlocked_writes_are_both_done() {
    for_each_engine(async |db| {
        // SQLite has one writer, so that nobody meets.
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        let meeting = Meeting::new();
        let raise = |first: &'static str, second: &'static str| {
            let meeting = Arc::clone(&meeting);
            db.write(move |tx| {
                Box::pin(async move {
                    tx.exec(RAISE, &[first.into()]).await?;
                    meeting.wait().await;
                    tx.exec(RAISE, &[second.into()]).await
                })
            })
        };
        let (one, other) = tokio::join!(raise("a", "b"), raise("b", "a"));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        assert_eq!(values(&db).await, ["2", "2"]);
        assert_eq!(meeting.tries.load(SeqCst), 3, "there was a deadlock");
    })
    .await;
}

#[tokio::test]
async fn writes_that_cannot_be_put_in_order_are_both_done() {
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        db.write(|tx| Box::pin(async { tx.exec(RAISE, &["a".into()]).await })).await.unwrap();
        let meeting = Meeting::new();
        let raise = || {
            let meeting = Arc::clone(&meeting);
            db.write(move |tx| {
                Box::pin(async move {
                    tx.script("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
                    tx.all(VALUES, &[], |_| Ok(())).await?;
                    meeting.wait().await;
                    tx.exec(RAISE, &["a".into()]).await
                })
            })
        };
        let (one, other) = tokio::join!(raise(), raise());
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        assert_eq!(values(&db).await, ["3"]);
        assert_eq!(meeting.tries.load(SeqCst), 3, "one was tried again");
    })
    .await;
}

/// How often a write is tried that runs `sql` after an insert, and how it ends.
async fn tries(db: &Db, sql: &'static str) -> (usize, Result<()>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let done = db.write(move |tx| {
        Box::pin(async move {
            let number = seen.fetch_add(1, SeqCst);
            tx.exec(INSERT, &[format!("{number}").into()]).await?;
            tx.script(sql).await
        })
    });
    let done = done.await;
    (count.load(SeqCst), done)
}

#[tokio::test]
async fn a_write_is_tried_a_few_times_and_then_refused_for_the_moment() {
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        for (sql, expected) in [
            ("DO $$ BEGIN RAISE 'no order' USING ERRCODE = '40001'; END $$", 6),
            ("DO $$ BEGIN RAISE 'a deadlock' USING ERRCODE = '40P01'; END $$", 6),
            ("SELECT pg_terminate_backend(pg_backend_pid())", 6),
            ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(10)", 1),
            ("SET LOCAL lock_timeout = 1; DO $$ BEGIN RAISE 'locked' USING ERRCODE = '55P03'; END $$", 1),
        ] {
            let (count, done) = tries(&db, sql).await;
            assert_eq!(count, expected, "{sql}");
            let error = done.unwrap_err().into_api();
            assert_eq!(error.code, ErrorCode::TemporarilyUnavailable, "{sql}");
        }
        assert!(values(&db).await.is_empty(), "nothing of them stays");
    })
    .await;
}

const TERMINATE_AT_COMMIT: &str = "
    CREATE FUNCTION terminate() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER terminate AFTER INSERT ON experiment_tags DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION terminate()";

#[tokio::test]
async fn a_commit_without_an_answer_is_not_tried_again() {
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        db.write(|tx| Box::pin(tx.script(TERMINATE_AT_COMMIT))).await.unwrap();
        let (count, done) = tries(&db, "").await;
        assert_eq!(count, 1);
        assert_eq!(done.unwrap_err().into_api().code, ErrorCode::TemporarilyUnavailable);
    })
    .await;
}

#[tokio::test]
async fn lost_connections_are_replaced_and_nobody_notices() {
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        // So many at once that the pool is full.
        let keep = |n: usize| {
            db.read(move |tx| {
                Box::pin(async move {
                    tx.all("SELECT pg_sleep(0.05), $1", &[n.to_string().into()], |_| Ok(())).await
                })
            })
        };
        futures_util::future::try_join_all((0..20).map(keep)).await.unwrap();
        db.write(|tx| Box::pin(tx.script(TERMINATE_OTHERS))).await.unwrap();
        let writes = (0..40).map(|n| db.write(move |tx| insert(tx, format!("{n:02}"), false)));
        futures_util::future::try_join_all(writes).await.unwrap();
        assert_eq!(keys(&db).await.len(), 40);
    })
    .await;
}

const TERMINATE_OTHERS: &str = "
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";
