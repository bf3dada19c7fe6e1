//! Pages against a model: on SQLite with MLflow's schema, every order is read page by page and compared with a sort in
//! memory that follows MLflow's rules.

use super::experiments::{self, ExperimentQuery};
use super::logged_models::{self, LoggedModelQuery};
use super::runs::{self, Begin, RunQuery};
use super::{Page, Search};
use crate::db::{Dialect, Row, Value};
use api::ViewType;
use rusqlite::{Connection, params};
use std::cmp::Ordering;

const SCHEMA: &str = include_str!("../schema/sqlite.sql");
const METRIC: &str =
    "INSERT INTO latest_metrics (key, value, step, is_nan, run_uuid) VALUES ('m', ?1, 0, ?2, ?3)";
const MODEL: &str = "
    INSERT INTO logged_models
      (model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status,
       lifecycle_stage, model_type)
    VALUES (?1, 0, ?2, '', ?3, ?3, 2, 'active', ?4)";
const MODEL_METRIC: &str = "
    INSERT INTO logged_model_metrics
      (model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, experiment_id, run_id, dataset_name)
    VALUES (?1, 'm', ?2, ?3, ?4, 0, ?5, 'd')";

/// A run as the model knows it. Values repeat, so that every order has ties, and are missing here and there.
struct Run {
    id: String,
    start_time: i64,
    end_time: Option<i64>,
    name: Option<String>,
    metric: Option<(f64, bool)>,
    param: Option<String>,
}

/// Digits that look random and are the same in every test run (a linear congruential generator).
struct Digits(u64);

impl Digits {
    fn below(&mut self, n: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % n).unwrap()
    }

    fn sometimes<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(4) > 0).then(|| value(self))
    }
}

fn database() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.pragma_update(None, "case_sensitive_like", true).unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db.execute("INSERT INTO experiments VALUES (0, 'Default', '', 'active', 1, 1)", []).unwrap();
    db
}

fn add_runs(db: &Connection, digits: &mut Digits, from: i64, count: i64) -> Vec<Run> {
    let mut runs = vec![];
    for _ in from..from + count {
        let run = Run {
            id: format!("{:016x}", digits.below(1 << 31)),
            start_time: digits.below(9),
            end_time: digits.sometimes(|d| d.below(5)),
            name: digits.sometimes(|d| format!("n{}", d.below(4))),
            metric: digits.sometimes(|d| {
                if d.below(5) == 0 { (0.0, true) } else { (d.below(7) as f64 / 3.0 - 1.0, false) }
            }),
            param: digits.sometimes(|d| ["b", "A", "é", "'"][d.below(4) as usize].to_owned()),
        };
        db.execute(
            "INSERT INTO runs (run_uuid, name, start_time, end_time, lifecycle_stage, experiment_id, status)
             VALUES (?1, ?2, ?3, ?4, 'active', 0, 'FINISHED')",
            params![run.id, run.name, run.start_time, run.end_time],
        )
        .unwrap();
        if let Some((value, is_nan)) = run.metric {
            db.execute(METRIC, params![value, is_nan, run.id]).unwrap();
        }
        if let Some(value) = &run.param {
            db.execute(
                "INSERT INTO params (key, value, run_uuid) VALUES ('p', ?1, ?2)",
                params![value, run.id],
            )
            .unwrap();
        }
        runs.push(run);
    }
    runs
}

fn run(db: &Connection, search: &Search) -> Vec<Vec<Value>> {
    let mut statement = db.prepare(&search.sql.text).unwrap();
    let mut rows = statement.query(rusqlite::params_from_iter(&search.sql.args)).unwrap();
    let mut found = vec![];
    while let Some(row) = rows.next().unwrap() {
        found.push(search.row(&Row::Sqlite(row)).unwrap());
    }
    found
}

/// Reads all pages, `between` running after each; answers the ids of each page.
fn pages<Id>(page: impl Fn(&str) -> Page<Id>, mut between: impl FnMut(usize)) -> Vec<Vec<Id>> {
    let mut all = vec![];
    let mut token = Some(String::new());
    while let Some(t) = token {
        let page = page(&t);
        all.push(page.ids);
        token = page.next_page_token;
        between(all.len());
        assert!(all.len() < 1000, "the pages end");
    }
    all
}

fn run_page(db: &Connection, order_by: &[String], max_results: i64, page_token: &str) -> Page<String> {
    filtered_page(db, "", order_by, max_results, page_token)
}

fn filtered_page(
    db: &Connection,
    filter: &str,
    order_by: &[String],
    max_results: i64,
    page_token: &str,
) -> Page<String> {
    let query = RunQuery {
        experiment_ids: vec![0],
        filter: filter.to_owned(),
        view: ViewType::ActiveOnly,
        order_by: order_by.to_vec(),
        max_results,
        page_token: page_token.to_owned(),
    };
    let page = |begin| {
        let search = runs::compile_from(Dialect::Sqlite, &query, begin).unwrap();
        search.text_ids(run(db, &search))
    };
    let found = page(Begin::Anywhere);
    // Pages of one run take a while.
    let others = [Begin::Runs, Begin::Metric].into_iter().filter(|_| max_results > 1);
    for begin in others {
        let same = page(begin);
        assert_eq!(
            (&same.ids, &same.next_page_token),
            (&found.ids, &found.next_page_token),
            "{query:?} {begin:?}"
        );
    }
    found
}

/// NULLs last whatever the direction.
fn nulls_last<T: PartialOrd>(a: Option<T>, b: Option<T>, ascending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => {
            let order = a.partial_cmp(&b).unwrap();
            if ascending { order } else { order.reverse() }
        }
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// MLflow's order, clause by clause.
fn model(a: &Run, b: &Run, order_by: &[String]) -> Ordering {
    for clause in order_by {
        let (key, direction) = clause.split_once(' ').unwrap_or((clause, "ASC"));
        let ascending = direction == "ASC";
        let metric = |run: &Run| run.metric.map(|(value, _)| value);
        let bucket = |run: &Run| run.metric.map_or(2, |(_, is_nan)| i32::from(is_nan));
        let order = match key {
            "start_time" => nulls_last(Some(a.start_time), Some(b.start_time), ascending),
            "end_time" => nulls_last(a.end_time, b.end_time, ascending),
            "run_name" => nulls_last(a.name.as_ref(), b.name.as_ref(), ascending),
            "run_id" => nulls_last(Some(&a.id), Some(&b.id), ascending),
            "params.p" => nulls_last(a.param.as_ref(), b.param.as_ref(), ascending),
            "metrics.m" => bucket(a).cmp(&bucket(b)).then(nulls_last(metric(a), metric(b), ascending)),
            _ => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    b.start_time.cmp(&a.start_time).then(a.id.cmp(&b.id))
}

#[test]
fn runs_come_in_mlflows_order_page_by_page() {
    let db = database();
    let mut all = add_runs(&db, &mut Digits(1), 0, 200);
    let orders: [&[&str]; 14] = [
        &[],
        &["start_time"],
        &["start_time DESC"],
        &["end_time"],
        &["end_time DESC"],
        &["run_name DESC", "end_time ASC"],
        &["run_id DESC", "end_time"],
        &["metrics.m"],
        &["metrics.m DESC"],
        &["metrics.m DESC", "params.p", "end_time DESC"],
        &["params.p", "metrics.m"],
        &["params.p DESC", "start_time ASC"],
        &["metrics.absent DESC", "tags.absent"],
        &["tags.absent DESC", "run_name"],
    ];
    for order_by in orders {
        let order_by: Vec<String> = order_by.iter().map(|s| (*s).to_owned()).collect();
        all.sort_by(|a, b| model(a, b, &order_by));
        let expected: Vec<&str> = all.iter().map(|run| run.id.as_str()).collect();
        for size in [1, 7, 50, 200, 300] {
            let pages = pages(|token| run_page(&db, &order_by, size, token), |_| ());
            let found = pages.concat();
            assert_eq!(found, expected, "{order_by:?} in pages of {size}");
            // As in MLflow, a full last page is followed by an empty one.
            assert_eq!(pages.len() as i64, 200 / size + 1, "{order_by:?} in pages of {size}");
        }
    }
}

#[test]
fn a_filter_on_the_orders_metric_leaves_the_order_alone() {
    let db = database();
    let mut all = add_runs(&db, &mut Digits(6), 0, 200);
    // NaN is stored as 0, and MLflow's filters take it for that.
    type Keeps = fn(f64) -> bool;
    let filters: [(&str, Keeps); 8] = [
        ("metrics.m > 0.1", |m| m > 0.1),
        ("metrics.m > -0.5", |m| m > -0.5),
        ("metrics.m <= -0.3", |m| m <= -0.3),
        ("metrics.m < 0.5", |m| m < 0.5),
        ("metrics.m = 1", |m| m == 1.0),
        ("metrics.m = 0", |m| m == 0.0),
        ("metrics.m != 0", |m| m != 0.0),
        ("metrics.m > -0.5 AND metrics.m < 0", |m| m > -0.5 && m < 0.0),
    ];
    let orders: [&[&str]; 4] = [
        &["metrics.m"],
        &["metrics.m DESC"],
        &["metrics.m DESC", "params.p", "end_time DESC"],
        &["params.p", "metrics.m"],
    ];
    for order_by in orders {
        let order_by: Vec<String> = order_by.iter().map(|s| (*s).to_owned()).collect();
        all.sort_by(|a, b| model(a, b, &order_by));
        for (filter, keeps) in filters {
            for (param, text) in
                [(None, filter.to_owned()), (Some("A"), format!("{filter} AND params.p = 'A'"))]
            {
                let kept = all.iter().filter(|run| run.metric.is_some_and(|(m, _)| keeps(m)));
                let kept = kept.filter(|run| param.is_none() || run.param.as_deref() == param);
                let expected: Vec<&str> = kept.map(|run| run.id.as_str()).collect();
                assert!(!expected.is_empty(), "{text} finds something");
                for size in [1, 7, 300] {
                    let found = pages(|token| filtered_page(&db, &text, &order_by, size, token), |_| ());
                    assert_eq!(found.concat(), expected, "{text} by {order_by:?} in pages of {size}");
                }
            }
        }
    }
}

#[test]
fn pages_neither_repeat_nor_skip_when_runs_are_created_in_between() {
    let db = database();
    let mut digits = Digits(2);
    let mut before: Vec<String> = add_runs(&db, &mut digits, 0, 100).into_iter().map(|run| run.id).collect();
    for order_by in [vec![], vec!["metrics.m DESC".to_owned()]] {
        let pages = pages(
            |token| run_page(&db, &order_by, 9, token),
            |n| drop(add_runs(&db, &mut digits, 0, if n < 10 { 3 } else { 0 })),
        );
        let mut found = pages.concat();
        found.sort_unstable();
        let distinct = found.len();
        found.dedup();
        assert_eq!(found.len(), distinct, "no run comes twice");
        before.sort_unstable();
        assert!(before.iter().all(|id| found.binary_search(id).is_ok()), "no run is skipped");
    }
}

#[test]
fn mlflows_own_tokens_work() {
    let db = database();
    add_runs(&db, &mut Digits(3), 0, 30);
    let all = run_page(&db, &[], 30, "").ids;
    // {"offset": 20}
    let page = run_page(&db, &[], 5, "eyJvZmZzZXQiOiAyMH0=");
    assert_eq!(page.ids, all[20..25]);
    assert_eq!(run_page(&db, &[], 5, &page.next_page_token.unwrap()).ids, all[25..]);
}

#[test]
fn experiments_come_in_order_page_by_page() {
    let db = database();
    let mut digits = Digits(4);
    let mut all = vec![(Some(1), 0)];
    for id in 1..60 {
        let created = digits.sometimes(|d| d.below(6));
        db.execute(
            "INSERT INTO experiments VALUES (?1, ?2, '', 'active', ?3, NULL)",
            params![id, format!("e{:02}", 60 - id), created],
        )
        .unwrap();
        all.push((created, id));
    }
    let read = |order_by: &[&str]| {
        let order_by: Vec<String> = order_by.iter().map(|s| (*s).to_owned()).collect();
        let page = |page_token: &str| {
            let query = ExperimentQuery {
                filter: String::new(),
                view: ViewType::All,
                order_by: order_by.clone(),
                max_results: 7,
                page_token: page_token.to_owned(),
            };
            let search = experiments::compile(Dialect::Sqlite, &query).unwrap();
            search.int_ids(run(&db, &search))
        };
        pages(page, |_| ())
    };
    // SQLite puts NULLs last in descending order and first in ascending order.
    all.sort_by(|a, b| nulls_last(a.0, b.0, false).then(a.1.cmp(&b.1)));
    let expected: Vec<i64> = all.iter().map(|e| e.1).collect();
    let newest_first = read(&[]);
    assert_eq!(newest_first.concat(), expected);
    assert_eq!(
        newest_first.len(),
        9,
        "60 experiments are 8 full pages and a rest, and no empty page after them"
    );
    all.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    let expected: Vec<i64> = all.iter().map(|e| e.1).collect();
    assert_eq!(read(&["creation_time"]).concat(), expected);
    assert_eq!(read(&["last_update_time DESC", "name"]).concat()[..3], [0, 59, 58]);
    assert_eq!(read(&["experiment_id DESC", "name"]).concat()[..3], [59, 58, 57]);
}

#[test]
fn logged_models_come_in_order_page_by_page() {
    let db = database();
    let mut digits = Digits(5);
    add_runs(&db, &mut digits, 0, 2);
    let runs: Vec<String> = run_page(&db, &[], 2, "").ids;
    let mut all = vec![];
    for n in 0..50 {
        let id = format!("m-{n:02}");
        let created = digits.below(5);
        let kind = digits.sometimes(|d| format!("t{}", d.below(3)));
        db.execute(MODEL, params![id, format!("n{n}"), created, kind]).unwrap();
        let latest = digits.sometimes(|d| d.below(4) as f64 / 2.0);
        if let Some(value) = latest {
            // An older value, and two runs that logged for the same time: none of it may repeat the model.
            db.execute(MODEL_METRIC, params![id, 1, 9, 100.0, runs[0]]).unwrap();
            db.execute(MODEL_METRIC, params![id, 2, 1, value, runs[0]]).unwrap();
            db.execute(MODEL_METRIC, params![id, 2, 1, value, runs[1]]).unwrap();
        }
        all.push((id, created, kind, latest));
    }
    let read = |filter: &str, field_name: &str, ascending| {
        let order =
            logged_models::OrderBy { field_name, ascending, dataset_name: None, dataset_digest: None };
        let page = |page_token: &str| {
            let query = LoggedModelQuery {
                experiment_ids: &[0],
                filter,
                datasets: &[],
                order_by: &[order],
                max_results: 7,
                page_token,
            };
            let search = logged_models::compile(Dialect::Sqlite, &query).unwrap();
            search.text_ids(run(&db, &search))
        };
        pages(page, |_| ()).concat()
    };
    for ascending in [true, false] {
        all.sort_by(|a, b| nulls_last(a.3, b.3, ascending).then(b.1.cmp(&a.1)).then(a.0.cmp(&b.0)));
        let ids: Vec<&str> = all.iter().map(|m| m.0.as_str()).collect();
        assert_eq!(read("", "metrics.m", ascending), ids);
        let with_metric = all.iter().filter(|m| m.3.is_some()).count();
        assert_eq!(read("metrics.m >= 0", "metrics.m", ascending), ids[..with_metric]);
        all.sort_by(|a, b| {
            nulls_last(a.2.as_ref(), b.2.as_ref(), ascending).then(b.1.cmp(&a.1)).then(a.0.cmp(&b.0))
        });
        let ids: Vec<&str> = all.iter().map(|m| m.0.as_str()).collect();
        assert_eq!(read("status = 'READY'", "model_type", ascending), ids);
    }
}
