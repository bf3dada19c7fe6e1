//! The floor under the benchmarks: what a database does with the statements of a write and no server around them.
//!
//! `floor SQLITE_FILE|POSTGRES_URI CALL[-grouped] CONNECTIONS SECONDS EXPERIMENT_ID` runs a call on the runs of an
//! experiment for some seconds and prints one line of JSON; nothing for a call that it does not have.
//!
//! Each call is a transaction of its own: on PostgreSQL on that many connections at a time, on SQLite, which has one
//! writer, one after the other. With `-grouped` one connection commits that many calls together.

use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const RUNS: &str = "SELECT run_uuid FROM runs WHERE experiment_id = $1";
const STAGE: &str = "SELECT lifecycle_stage, experiment_id FROM runs WHERE run_uuid = $1";
const METRICS: &str = "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan)";
const LATEST: &str = "INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan)";
const NEWER: &str = "
    ON CONFLICT (key, run_uuid) DO UPDATE SET
        value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value)
        > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)";
const EXPERIMENT: &str =
    "SELECT artifact_location FROM experiments WHERE experiment_id = $1 AND lifecycle_stage = 'active'";
const RUN: &str = "
    INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
                      source_version, lifecycle_stage, artifact_uri, experiment_id)
    VALUES ($1, 'careful-run-1', 'UNKNOWN', '', '', 'bench', 'RUNNING', 1795438994418, '', 'active', $2, $3)";
const TAGS: &str = "INSERT INTO tags (run_uuid, key, value)";
const NEW_TAGS: [(&str, &str); 4] = [
    ("mlflow.user", "bench"),
    ("mlflow.source.name", "train.py"),
    ("mlflow.source.type", "LOCAL"),
    ("mlflow.runName", "careful-run-1"),
];

#[derive(Clone, Copy)]
enum Call {
    /// So many metrics, of ten keys at the most, and as many steps as that needs.
    LogMetrics(usize),
    CreateRun,
}

#[derive(Clone)]
struct Plan {
    call: Call,
    connections: usize,
    per_commit: usize,
    time: Duration,
    experiment: i64,
    runs: Vec<String>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, database, name, connections, seconds, experiment] = arguments.as_slice() else {
        return Err(
            "usage: floor SQLITE_FILE|POSTGRES_URI CALL[-grouped] CONNECTIONS SECONDS EXPERIMENT_ID".into()
        );
    };
    let (name, grouped) = name.strip_suffix("-grouped").map_or((name.as_str(), false), |name| (name, true));
    let call = match name {
        "log-metric" => Call::LogMetrics(1),
        "log-batch-10" => Call::LogMetrics(10),
        "log-batch-100" => Call::LogMetrics(100),
        "log-batch-1000" => Call::LogMetrics(1000),
        "create-run" => Call::CreateRun,
        _ => return Ok(()),
    };
    let connections: usize = connections.parse()?;
    let plan = Plan {
        call,
        connections: if grouped { 1 } else { connections },
        per_commit: if grouped { connections } else { 1 },
        time: Duration::from_secs_f64(seconds.parse()?),
        experiment: experiment.parse()?,
        runs: Vec::new(),
    };
    let (calls, elapsed) = if database.starts_with("postgres") {
        postgres::drive(database, plan)?
    } else {
        sqlite::drive(database, plan)?
    };
    println!("{{\"calls\": {calls}, \"seconds\": {:.3}}}", elapsed.as_secs_f64());
    Ok(())
}

/// A number that no earlier point has as its step, with room for a batch's steps behind it.
fn first_number() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

/// The rows of one call; the last of each key is its newest.
struct Points {
    keys: Vec<String>,
    values: Vec<f64>,
    timestamps: Vec<i64>,
    steps: Vec<i64>,
}

fn points(count: usize, number: i64) -> Points {
    let rows = 0..count;
    Points {
        keys: rows.clone().map(|i| format!("f{count}-{}", i % 10)).collect(),
        values: rows.clone().map(|i| 1.0 / (number + i as i64) as f64).collect(),
        timestamps: vec![1_795_438_994_418; count],
        steps: rows.map(|i| number * 100 + (i / 10) as i64).collect(),
    }
}

impl Points {
    fn newest(&self) -> std::ops::Range<usize> {
        self.keys.len().saturating_sub(10)..self.keys.len()
    }
}

mod sqlite {
    use super::{
        Call, EXPERIMENT, Instant, LATEST, METRICS, NEW_TAGS, NEWER, Plan, RUN, RUNS, Result, STAGE, TAGS,
        first_number, points,
    };
    use rusqlite::{Connection, params};
    use std::ops::Range;
    use std::time::Duration;

    pub(super) fn drive(path: &str, mut plan: Plan) -> Result<(usize, Duration)> {
        let connection = Connection::open(path)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let mut runs = connection.prepare(RUNS)?;
        plan.runs = runs.query_map([plan.experiment], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let (began, mut calls, first) = (Instant::now(), 0, first_number()?);
        while began.elapsed() < plan.time {
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            for _ in 0..plan.per_commit {
                one(&connection, &plan, first + calls as i64)?;
                calls += 1;
            }
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok((calls, began.elapsed()))
    }

    fn one(connection: &Connection, plan: &Plan, number: i64) -> Result<()> {
        let Call::LogMetrics(count) = plan.call else {
            return create_run(connection, plan.experiment, number);
        };
        let run = &plan.runs[number as usize % plan.runs.len()];
        connection.prepare_cached(STAGE)?.query_row([run], |row| row.get::<_, String>(0))?;
        let points = points(count, number);
        let values = "VALUES ($1, $2, $3, $4, $5, $6)";
        let insert = |sql: &str, rows: Range<usize>| -> Result<()> {
            let mut statement = connection.prepare_cached(sql)?;
            for i in rows {
                let (value, timestamp) = (points.values[i], points.timestamps[i]);
                statement.execute(params![run, points.keys[i], value, timestamp, points.steps[i], false])?;
            }
            Ok(())
        };
        insert(&format!("{METRICS} {values} ON CONFLICT DO NOTHING"), 0..count)?;
        insert(&format!("{LATEST} {values} {NEWER}"), points.newest())
    }

    fn create_run(connection: &Connection, experiment: i64, number: i64) -> Result<()> {
        let root: String =
            connection.prepare_cached(EXPERIMENT)?.query_row([experiment], |row| row.get(0))?;
        let run = super::run_id(number);
        connection.prepare_cached(RUN)?.execute(params![
            run,
            format!("{root}/{run}/artifacts"),
            experiment
        ])?;
        let mut tag = connection.prepare_cached(&format!("{TAGS} VALUES ($1, $2, $3)"))?;
        for (key, value) in NEW_TAGS {
            tag.execute([&run, key, value])?;
        }
        Ok(())
    }
}

/// 32 hex digits, spread as random ids are.
fn run_id(number: i64) -> String {
    format!(
        "{:032x}",
        u128::from(number.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    )
}

mod postgres {
    use super::{
        Call, EXPERIMENT, Instant, LATEST, METRICS, NEW_TAGS, NEWER, Plan, RUN, RUNS, Result, STAGE, TAGS,
        first_number, points, run_id,
    };
    use std::time::Duration;
    use tokio_postgres::{Client, NoTls, Statement, Transaction};

    struct Statements {
        stage: Statement,
        metrics: Statement,
        latest: Statement,
        experiment: Statement,
        run: Statement,
        tags: Statement,
    }

    #[tokio::main]
    pub(super) async fn drive(uri: &str, plan: Plan) -> Result<(usize, Duration)> {
        let mut clients = Vec::new();
        for _ in 0..plan.connections {
            let (client, connection) = tokio_postgres::connect(uri, NoTls).await?;
            tokio::spawn(connection);
            let statements = prepare(&client).await?;
            clients.push((client, statements));
        }
        let experiment = i32::try_from(plan.experiment)?;
        let rows = clients[0].0.query(RUNS, &[&experiment]).await?;
        let plan = Plan { runs: rows.iter().map(|row| row.get(0)).collect(), ..plan };
        let (began, first) = (Instant::now(), first_number()?);
        let mut workers = Vec::new();
        for (index, (client, statements)) in clients.into_iter().enumerate() {
            // Far enough apart that no two connections use one number.
            let first = first + index as i64 * 10_000_000_000;
            workers.push(tokio::spawn(work(client, statements, plan.clone(), first)));
        }
        let mut calls = 0;
        for worker in workers {
            calls += worker.await??;
        }
        Ok((calls, began.elapsed()))
    }

    async fn prepare(client: &Client) -> Result<Statements> {
        let arrays =
            "SELECT * FROM UNNEST($1::text[], $2::text[], $3::float8[], $4::int8[], $5::int8[], $6::bool[])";
        Ok(Statements {
            stage: client.prepare(STAGE).await?,
            metrics: client.prepare(&format!("{METRICS} {arrays} ON CONFLICT DO NOTHING")).await?,
            latest: client.prepare(&format!("{LATEST} {arrays} {NEWER}")).await?,
            experiment: client.prepare(EXPERIMENT).await?,
            run: client.prepare(RUN).await?,
            tags: client
                .prepare(&format!("{TAGS} SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[])"))
                .await?,
        })
    }

    async fn work(mut client: Client, statements: Statements, plan: Plan, first: i64) -> Result<usize> {
        let (began, mut calls) = (Instant::now(), 0);
        while began.elapsed() < plan.time {
            let transaction = client.transaction().await?;
            for _ in 0..plan.per_commit {
                one(&transaction, &statements, &plan, first + calls as i64).await?;
                calls += 1;
            }
            transaction.commit().await?;
        }
        Ok(calls)
    }

    async fn one(tx: &Transaction<'_>, statements: &Statements, plan: &Plan, number: i64) -> Result<()> {
        let Call::LogMetrics(count) = plan.call else {
            return create_run(tx, statements, plan, number).await;
        };
        let run = &plan.runs[number as usize % plan.runs.len()];
        tx.query_one(&statements.stage, &[run]).await?;
        let points = points(count, number);
        for (statement, rows) in [(&statements.metrics, 0..count), (&statements.latest, points.newest())] {
            let (runs, flags) = (vec![run.as_str(); rows.len()], vec![false; rows.len()]);
            let (keys, values) = (&points.keys[rows.clone()], &points.values[rows.clone()]);
            let (timestamps, steps) = (&points.timestamps[rows.clone()], &points.steps[rows]);
            tx.execute(statement, &[&runs, &keys, &values, &timestamps, &steps, &flags]).await?;
        }
        Ok(())
    }

    async fn create_run(
        tx: &Transaction<'_>,
        statements: &Statements,
        plan: &Plan,
        number: i64,
    ) -> Result<()> {
        let experiment = i32::try_from(plan.experiment)?;
        let root: String = tx.query_one(&statements.experiment, &[&experiment]).await?.get(0);
        let run = run_id(number);
        tx.execute(&statements.run, &[&run, &format!("{root}/{run}/artifacts"), &experiment]).await?;
        let (keys, values): (Vec<_>, Vec<_>) = NEW_TAGS.into_iter().unzip();
        tx.execute(&statements.tags, &[&vec![run.as_str(); keys.len()], &keys, &values]).await?;
        Ok(())
    }
}
