//! What a failed transaction leaves behind, alone and beside others in one commit, on both engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod common;

use common::for_each_engine;
use futures_util::future::BoxFuture;
use store::db::{Db, Tx};
use store::{Error, Result};

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

#[tokio::test]
async fn an_append_that_fails_half_way_is_undone_too() {
    for_each_engine(async |db| {
        db.append(|tx| insert(tx, "kept".into(), false)).await.unwrap();
        assert!(db.append(|tx| insert(tx, "undone".into(), true)).await.is_err());
        db.append(|tx| insert(tx, "later".into(), false)).await.unwrap();
        assert_eq!(keys(&db).await, ["kept", "later"]);
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
