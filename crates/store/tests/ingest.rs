//! Single metrics, params and tags that are logged together: each gets the answer that it gets alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod common;

use api::validate::Limits;
use api::{Metric, Run, Tag};
use common::for_each_engine;
use futures_util::future::join_all;
use std::sync::{Arc, Mutex};
use store::Error;
use store::db::{Db, Dialect};
use store::experiments::ExperimentId;
use store::runs::ingest::Ingest;
use store::runs::log::{Batch, Entry};
use store::runs::{self, NewRun};
use tokio::sync::oneshot;

fn metric(key: &str, value: f64, step: i64) -> Entry {
    let (dataset_name, dataset_digest, model_id, run_id) = (None, None, None, None);
    let key = key.into();
    Entry::Metric(Metric { key, value, timestamp: 1, step, dataset_name, dataset_digest, model_id, run_id })
}

fn pair(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

fn param(key: &str, value: &str) -> Entry {
    Entry::Param(pair(key, value))
}

fn tag(key: &str, value: &str) -> Entry {
    Entry::Tag(pair(key, value))
}

async fn new_run(db: &Db) -> String {
    let (user_id, run_name) = (String::new(), "probe".into());
    let experiment_id = ExperimentId::parse("0").unwrap();
    let new = NewRun { experiment_id, user_id, start_time: 1, tags: Vec::new(), run_name };
    db.write(move |tx| Box::pin(runs::create(tx, new))).await.unwrap().info.run_id
}

async fn get_run(db: &Db, run_id: &str) -> Run {
    let run_id = run_id.to_owned();
    db.read(move |tx| Box::pin(async move { runs::get(tx, &run_id).await })).await.unwrap()
}

/// Logs all of this at once, and answers what became of each.
async fn log_at_once(db: &Db, entries: Vec<(&str, Entry)>) -> Vec<String> {
    let ingest = Ingest::new(db.clone());
    let log = |(run_id, entry): (&str, Entry)| ingest.log(run_id.to_owned(), entry, Limits::default());
    let answers = join_all(entries.into_iter().map(log)).await;
    answers.into_iter().map(|a| a.map_or_else(|e| e.into_api().message, |()| "done".into())).collect()
}

#[tokio::test]
async fn each_gets_the_answer_that_it_gets_alone() {
    for_each_engine(async |db| {
        let (run, deleted) = (new_run(&db).await, new_run(&db).await);
        let gone = deleted.clone();
        db.write(move |tx| Box::pin(async move { runs::delete(tx, &gone, 5).await })).await.unwrap();
        let first = log_at_once(&db, vec![(&run, param("old", "1"))]).await;
        assert_eq!(first, ["done"]);
        let answers = log_at_once(
            &db,
            vec![
                // A group of one, for which the others wait: the test has one thread, which asks for all of them first.
                (&run, tag("first", "1")),
                (&run, tag("second", "1")),
                (&run, tag("t", "1")),
                (&run, tag("t", "2")),
                (&run, tag("t", "3")),
                (&run, metric("m", 1.0, 1)),
                (&run, metric("m", 3.0, 3)),
                (&run, metric("m", 2.0, 2)),
                (&run, metric("m", 2.0, 2)),
                (&run, metric("", 1.0, 1)),
                (&deleted, metric("m", 1.0, 1)),
                ("unknown", param("p", "1")),
                (&run, param("old", "2")),
                (&run, param("old", "1")),
                (&run, param("new", "1")),
                (&run, param("new", "2")),
                (&run, param("new", "1")),
                (&run, tag("mlflow.runName", "renamed")),
            ],
        )
        .await;
        let deleted_run = format!("The run {deleted} must be in the 'active' state. Current state is deleted.");
        let clash = |key: &str| {
            format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged with value='1' for \
                 run ID='{run}'. Attempted logging new value '2'."
            )
        };
        let (old, new) = (clash("old"), clash("new"));
        assert!(answers[9].starts_with("Invalid value \"\" for parameter 'name'"), "{}", answers[9]);
        for (n, answer) in answers.iter().enumerate() {
            let expected = match n {
                9 => continue,
                10 => deleted_run.as_str(),
                11 => "Run with id=unknown not found",
                12 => &old,
                15 => &new,
                _ => "done",
            };
            assert_eq!(answer, expected, "answer {n}");
        }
        let mut run = get_run(&db, &run).await;
        run.data.params.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(run.info.run_name.as_deref(), Some("renamed"));
        assert_eq!(run.data.params, [pair("new", "1"), pair("old", "1")]);
        assert!(run.data.tags.contains(&pair("t", "3")), "{:?}", run.data.tags);
        assert_eq!((run.data.metrics.len(), run.data.metrics[0].step), (1, 3));
        assert_eq!(points(&db).await, ["m 1", "m 2", "m 3"]);
    })
    .await;
}

async fn points(db: &Db) -> Vec<String> {
    const POINTS: &str = "SELECT key, step FROM metrics ORDER BY key, step";
    let read =
        db.read(|tx| Box::pin(tx.all(POINTS, &[], |row| Ok(format!("{} {}", row.text(0)?, row.int(1)?)))));
    read.await.unwrap()
}

#[tokio::test]
async fn one_that_the_database_refuses_spoils_nothing_for_the_others() {
    const RULE: &str = "ALTER TABLE params ADD CONSTRAINT no_bad CHECK (value <> 'bad')";
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Sqlite {
            return; // SQLite takes no rule for a table that is there
        }
        db.write(|tx| Box::pin(tx.script(RULE))).await.unwrap();
        let run = new_run(&db).await;
        let keys: Vec<_> = (0..20).map(|n| format!("k{n:02}")).collect();
        let value = |n: usize| if n == 10 { "bad" } else { "good" };
        let entries = keys.iter().enumerate().map(|(n, key)| (run.as_str(), param(key, value(n)))).collect();
        for (n, answer) in log_at_once(&db, entries).await.iter().enumerate() {
            assert_eq!(answer == "done", n != 10, "{n}: {answer}");
        }
        assert_eq!(get_run(&db, &run).await.data.params.len(), 19);
    })
    .await;
}

#[tokio::test]
async fn a_rename_that_fails_half_way_spoils_nothing_for_the_others() {
    const RULE: &str = "
        CREATE TRIGGER no_name BEFORE INSERT ON tags WHEN NEW.key = 'mlflow.runName'
        BEGIN SELECT RAISE(ABORT, 'no names'); END";
    const FILE: &str = "PRAGMA database_list";
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Postgres {
            return; // a transaction there is never shared with a rename
        }
        let run = new_run(&db).await;
        db.write(|tx| Box::pin(tx.script(RULE))).await.unwrap();
        let file = db.read(|tx| Box::pin(tx.first(FILE, &[], |row| row.text(2)))).await.unwrap().unwrap();
        let other = rusqlite::Connection::open(file).unwrap();
        // While another process holds the file's lock, what comes waits for one commit.
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let ingest = Ingest::new(db.clone());
        let param = ingest.log(run.clone(), param("k", "1"), Limits::default());
        let rename = ingest.log(run.clone(), tag("mlflow.runName", "new"), Limits::default());
        let (param, rename, ()) =
            tokio::join!(param, rename, async { other.execute_batch("ROLLBACK").unwrap() });
        assert!(matches!(rename, Err(Error::Constraint { .. })), "{rename:?}");
        assert!(param.is_ok(), "{param:?}");
        let run = get_run(&db, &run).await;
        assert_eq!(run.data.params, [pair("k", "1")]);
        assert_ne!(run.info.run_name.as_deref(), Some("new"));
    })
    .await;
}

#[tokio::test]
async fn batches_that_are_logged_together_stay_whole() {
    for_each_engine(async |db| {
        let run = new_run(&db).await;
        assert_eq!(log_at_once(&db, vec![(&run, param("old", "1"))]).await, ["done"]);
        let batch = |n: usize| {
            let Entry::Metric(metric) = metric("m", 0.5, n as i64) else { unreachable!("made as one") };
            let old = pair("old", if n == 5 { "2" } else { "1" });
            let name = Some(pair("mlflow.runName", "renamed")).filter(|_| n == 7);
            let tags = [pair("t", &n.to_string())].into_iter().chain(name).collect();
            (
                run.as_str(),
                Entry::Batch(Batch {
                    metrics: vec![metric],
                    params: vec![old, pair(&n.to_string(), "1")],
                    tags,
                }),
            )
        };
        let mut entries: Vec<_> = (0..20).map(batch).collect();
        entries.insert(10, ("nosuchrun", Entry::Batch(Batch::default())));
        let answers = log_at_once(&db, entries).await;
        for (n, answer) in answers.iter().enumerate() {
            match n {
                5 => assert!(
                    answer.contains("[{'key': 'old', 'old_value': '1', 'new_value': '2'}]"),
                    "{answer}"
                ),
                10 => assert!(answer.contains("nosuchrun"), "{answer}"),
                _ => assert_eq!(answer, "done", "answer {n}"),
            }
        }
        let run = get_run(&db, &run).await;
        assert_eq!(run.info.run_name.as_deref(), Some("renamed"));
        assert_eq!(run.data.params.len(), 1 + 19, "all but those of the batch that was refused");
        assert!(run.data.params.iter().all(|p| p.key != "5" && p.value == "1"), "{:?}", run.data.params);
        assert_eq!(points(&db).await.len(), 19);
    })
    .await;
}

#[tokio::test]
async fn a_run_that_somebody_holds_does_not_hold_up_the_others() {
    // The lock that the references of new rows wait for.
    const HOLD: &str = "SELECT 1 FROM runs WHERE run_uuid = $1 FOR UPDATE";
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Sqlite {
            return; // There is one writer, and all wait for it.
        }
        let (held, other) = (new_run(&db).await, new_run(&db).await);
        let (holds, is_held) = oneshot::channel();
        let (let_go, end) = oneshot::channel::<()>();
        let signals = Arc::new(Mutex::new(Some((holds, end))));
        let (holder, run) = (db.clone(), held.clone());
        let holder = tokio::spawn(async move {
            let hold = holder.write(move |tx| {
                Box::pin(async move {
                    let (holds, end) = signals.lock().unwrap().take().unwrap();
                    tx.exec(HOLD, &[run.as_str().into()]).await?;
                    holds.send(()).unwrap();
                    end.await.unwrap();
                    Ok(())
                })
            });
            hold.await
        });
        is_held.await.unwrap();
        let ingest = Ingest::new(db.clone());
        let log = |run: &str, step| ingest.log(run.to_owned(), metric("m", 1.0, step), Limits::default());
        let mut waiting = Box::pin(join_all((0..4).map(|step| log(&held, step))));
        let others = join_all((0..40).map(|step| log(&other, step)));
        let served = tokio::select! {
            _ = &mut waiting => panic!("the run is held"),
            served = others => served,
        };
        assert!(served.iter().all(Result::is_ok), "{served:?}");
        let_go.send(()).unwrap();
        assert!(waiting.await.iter().all(Result::is_ok));
        holder.await.unwrap().unwrap();
        assert_eq!(get_run(&db, &held).await.data.metrics[0].step, 3);
    })
    .await;
}

#[tokio::test]
async fn a_lost_commit_is_nobodys_success() {
    const LOSE: &str = "
        CREATE FUNCTION terminate() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER terminate AFTER INSERT ON params DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION terminate()";
    for_each_engine(async |db| {
        if db.dialect() == Dialect::Sqlite {
            return;
        }
        db.write(|tx| Box::pin(tx.script(LOSE))).await.unwrap();
        let run = new_run(&db).await;
        let ingest = Ingest::new(db.clone());
        let log = |n: u32| ingest.log(run.clone(), param(&n.to_string(), "1"), Limits::default());
        for answer in join_all((0..20).map(log)).await {
            assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
        }
        assert!(get_run(&db, &run).await.data.params.is_empty());
    })
    .await;
}
