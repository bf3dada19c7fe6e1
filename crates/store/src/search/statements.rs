//! What typical searches become, side by side for both engines, and that no input does more than be refused.

use super::experiments::ExperimentQuery;
use super::logged_models::{Dataset, LoggedModelQuery, OrderBy};
use super::model_versions::ModelVersionQuery;
use super::registered_models::RegisteredModelQuery;
use super::runs::RunQuery;
use super::traces::TraceQuery;
use super::{Search, experiments, logged_models, model_versions, registered_models, runs, traces};
use crate::db::{Dialect, Value};
use api::{ErrorCode, ViewType};
use insta::assert_snapshot;
use proptest::prelude::*;

fn run_query(filter: &str, order_by: &[String]) -> RunQuery {
    RunQuery {
        experiment_ids: vec![1],
        filter: filter.to_owned(),
        view: ViewType::ActiveOnly,
        order_by: order_by.to_vec(),
        max_results: 100,
        page_token: String::new(),
    }
}

pub(super) fn order(clauses: &[&str]) -> Vec<String> {
    clauses.iter().map(|s| (*s).to_owned()).collect()
}

/// The statement for both engines, then the arguments.
pub(super) fn shown(compile: impl Fn(Dialect) -> api::Result<Search>) -> String {
    let (postgres, sqlite) = (compile(Dialect::Postgres).unwrap().sql, compile(Dialect::Sqlite).unwrap().sql);
    assert_eq!(postgres.args, sqlite.args);
    let args: Vec<String> = postgres.args.iter().map(|v| format!("{v:?}")).collect();
    let broken =
        |sql: &str| sql.replace(" FROM ", "\nFROM ").replace(" AND ", "\nAND ").replace(" ORDER", "\nORDER");
    let text = if postgres.text == sqlite.text {
        broken(&sqlite.text)
    } else {
        format!("postgres: {}\nsqlite: {}", broken(&postgres.text), broken(&sqlite.text))
    };
    format!("{text}\n-- {}", args.join(", "))
}

fn shown_run(filter: &str, order_by: &[&str]) -> String {
    shown(|dialect| runs::compile(dialect, &run_query(filter, &order(order_by))))
}

#[test]
fn the_newest_runs() {
    assert_snapshot!(shown_run("", &[]), @r#"
    SELECT runs.start_time, runs.run_uuid
    FROM runs WHERE runs.experiment_id = $1
    AND runs.lifecycle_stage = 'active'
    ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $2
    -- Int(1), Int(100)
    "#);
}

#[test]
fn runs_by_metric_and_parameter() {
    assert_snapshot!(shown_run("metrics.acc >= 0.9 AND params.lr = '0.1'", &["metrics.acc DESC"]), @r#"
    SELECT 0, s0.value, runs.start_time, runs.run_uuid
    FROM runs JOIN latest_metrics s0 ON s0.run_uuid = runs.run_uuid
    AND s0.key = $1 WHERE runs.experiment_id = $2
    AND runs.lifecycle_stage = 'active'
    AND s0.value >= $3
    AND COALESCE((SELECT f.value = $4
    FROM params f WHERE f.run_uuid = runs.run_uuid
    AND f.key = $5), FALSE)
    ORDER BY s0.value DESC, runs.start_time DESC, runs.run_uuid LIMIT $6
    -- Text("acc"), Int(1), Float(0.9), Text("0.1"), Text("lr"), Int(100)
    "#);
    // NaN, stored as 0, may be among them.
    assert_snapshot!(shown_run("metrics.acc <= 0.9 AND params.lr = '0.1'", &["metrics.acc DESC"]), @r#"
    SELECT *
    FROM (SELECT 0, s0.value, runs.start_time, runs.run_uuid
    FROM runs JOIN latest_metrics s0 ON s0.run_uuid = runs.run_uuid
    AND s0.key = $1 WHERE runs.experiment_id = $2
    AND runs.lifecycle_stage = 'active'
    AND NOT s0.is_nan
    AND s0.value <= $3
    AND COALESCE((SELECT f.value = $4
    FROM params f WHERE f.run_uuid = runs.run_uuid
    AND f.key = $5), FALSE)
    ORDER BY s0.value DESC, runs.start_time DESC, runs.run_uuid LIMIT $6) AS g0 UNION ALL SELECT *
    FROM (SELECT 1, s0.value, runs.start_time, runs.run_uuid
    FROM runs JOIN latest_metrics s0 ON s0.run_uuid = runs.run_uuid
    AND s0.key = $7 WHERE runs.experiment_id = $8
    AND runs.lifecycle_stage = 'active'
    AND s0.is_nan
    AND s0.value <= $9
    AND COALESCE((SELECT f.value = $10
    FROM params f WHERE f.run_uuid = runs.run_uuid
    AND f.key = $11), FALSE)
    ORDER BY s0.value DESC, runs.start_time DESC, runs.run_uuid LIMIT $12) AS g1 LIMIT $13
    -- Text("acc"), Int(1), Float(0.9), Text("0.1"), Text("lr"), Int(100), Text("acc"), Int(1), Float(0.9), Text("0.1"), Text("lr"), Int(100), Int(100)
    "#);
}

#[test]
fn runs_by_attribute() {
    assert_snapshot!(shown_run("status != 'FAILED' and created > 1700000000000 AND run_name LIKE 'a%'", &["end_time"]), @r#"
    SELECT runs.end_time, runs.start_time, runs.run_uuid
    FROM runs WHERE runs.experiment_id = $1
    AND runs.lifecycle_stage = 'active'
    AND runs.status <> $2
    AND runs.start_time > $3
    AND EXISTS (SELECT 1
    FROM tags f WHERE f.run_uuid = runs.run_uuid
    AND f.key = 'mlflow.runName'
    AND f.value LIKE $4)
    ORDER BY runs.end_time NULLS LAST, runs.start_time DESC, runs.run_uuid LIMIT $5
    -- Int(1), Text("FAILED"), Int(1700000000000), Text("a%"), Int(100)
    "#);
}

#[test]
fn runs_without_case() {
    assert_snapshot!(shown_run("tags.`mlflow.user` ILIKE 'Al%'", &["tags.team", "run_id DESC"]), @r#"
    postgres: SELECT s0.value, runs.run_uuid
    FROM runs LEFT JOIN tags s0 ON s0.run_uuid = runs.run_uuid
    AND s0.key = $1 WHERE runs.experiment_id = $2
    AND runs.lifecycle_stage = 'active'
    AND EXISTS (SELECT 1
    FROM tags f WHERE f.run_uuid = runs.run_uuid
    AND f.key = $3
    AND f.value ILIKE $4)
    ORDER BY s0.value NULLS LAST, runs.run_uuid DESC LIMIT $5
    sqlite: SELECT s0.value, runs.run_uuid
    FROM runs LEFT JOIN tags s0 ON s0.run_uuid = runs.run_uuid
    AND s0.key = $1 WHERE runs.experiment_id = $2
    AND runs.lifecycle_stage = 'active'
    AND EXISTS (SELECT 1
    FROM tags f WHERE f.run_uuid = runs.run_uuid
    AND f.key = $3
    AND LOWER(f.value) LIKE LOWER($4))
    ORDER BY s0.value NULLS LAST, runs.run_uuid DESC LIMIT $5
    -- Text("team"), Int(1), Text("mlflow.user"), Text("Al%"), Int(100)
    "#);
}

#[test]
fn runs_among_others() {
    assert_snapshot!(shown_run("run_id IN ('a', 'b')", &[]), @r#"
    postgres: SELECT runs.start_time, runs.run_uuid
    FROM runs WHERE runs.experiment_id = $1
    AND runs.lifecycle_stage = 'active'
    AND runs.run_uuid = ANY($2)
    ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $3
    sqlite: SELECT runs.start_time, runs.run_uuid
    FROM runs WHERE runs.experiment_id = $1
    AND runs.lifecycle_stage = 'active'
    AND runs.run_uuid IN (SELECT value
    FROM json_each($2))
    ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $3
    -- Int(1), Texts(["a", "b"]), Int(100)
    "#);
    assert_snapshot!(shown_run("run_id NOT IN ('a')", &["run_id"]), @r#"
    postgres: SELECT runs.run_uuid
    FROM runs WHERE runs.experiment_id = $1
    AND runs.lifecycle_stage = 'active'
    AND runs.run_uuid <> ALL($2)
    ORDER BY runs.run_uuid LIMIT $3
    sqlite: SELECT runs.run_uuid
    FROM runs WHERE runs.experiment_id = $1
    AND runs.lifecycle_stage = 'active'
    AND runs.run_uuid NOT IN (SELECT value
    FROM json_each($2))
    ORDER BY runs.run_uuid LIMIT $3
    -- Int(1), Texts(["a"]), Int(100)
    "#);
}

#[test]
fn runs_by_data_set() {
    assert_snapshot!(shown_run("dataset.name = 'iris' AND datasets.context = 'train'", &[]), @r#"
    SELECT runs.start_time, runs.run_uuid
    FROM runs WHERE runs.experiment_id = $1
    AND runs.lifecycle_stage = 'active'
    AND EXISTS (SELECT 1
    FROM inputs f JOIN datasets d ON d.dataset_uuid = f.source_id WHERE f.destination_type = 'RUN'
    AND f.destination_id = runs.run_uuid
    AND f.source_type = 'DATASET'
    AND d.name = $2)
    AND EXISTS (SELECT 1
    FROM inputs f JOIN input_tags t ON t.input_uuid = f.input_uuid WHERE f.destination_type = 'RUN'
    AND f.destination_id = runs.run_uuid
    AND f.source_type = 'DATASET'
    AND t.name = 'mlflow.data.context'
    AND t.value = $3)
    ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $4
    -- Int(1), Text("iris"), Text("train"), Int(100)
    "#);
}

#[test]
fn runs_of_several_experiments() {
    let query = RunQuery { experiment_ids: vec![1, 2], view: ViewType::All, ..run_query("", &[]) };
    assert_snapshot!(shown(|dialect| runs::compile(dialect, &query)), @r#"
    postgres: SELECT runs.start_time, runs.run_uuid
    FROM runs WHERE runs.experiment_id = ANY($1)
    AND runs.lifecycle_stage IN ('active', 'deleted')
    ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $2
    sqlite: SELECT runs.start_time, runs.run_uuid
    FROM runs WHERE runs.experiment_id IN (SELECT value
    FROM json_each($1))
    AND runs.lifecycle_stage IN ('active', 'deleted')
    ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $2
    -- Ints([1, 2]), Int(100)
    "#);
}

#[test]
fn the_next_page_of_runs() {
    let by_metric = order(&["metrics.acc DESC"]);
    for order_by in [&[][..], &by_metric] {
        let query = run_query("", order_by);
        let search = runs::compile(Dialect::Sqlite, &RunQuery { max_results: 1, ..query.clone() }).unwrap();
        let keys = match order_by.len() {
            0 => vec![Value::Int(1_700_000_000_000), "abc".into()],
            _ => vec![Value::Int(0), Value::Float(0.5), Value::Int(1_700_000_000_000), "abc".into()],
        };
        let token = search.text_ids(vec![keys]).next_page_token.unwrap();
        let next = RunQuery { page_token: token, ..query.clone() };
        let text = shown(|dialect| runs::compile(dialect, &next));
        match order_by.len() {
            0 => assert_snapshot!(text, @r#"
            SELECT runs.start_time, runs.run_uuid
            FROM runs WHERE runs.experiment_id = $1
            AND runs.lifecycle_stage = 'active'
            AND (runs.start_time <= $2
            AND (runs.start_time < $2 OR (runs.run_uuid > $3)))
            ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $4
            -- Int(1), Int(1700000000000), Text("abc"), Int(100)
            "#),
            _ => assert_snapshot!(text, @r#"
            SELECT *
            FROM (SELECT 0, s0.value, runs.start_time, runs.run_uuid
            FROM runs JOIN latest_metrics s0 ON s0.run_uuid = runs.run_uuid
            AND s0.key = $1 WHERE runs.experiment_id = $2
            AND runs.lifecycle_stage = 'active'
            AND NOT s0.is_nan
            AND (s0.value <= $3
            AND (s0.value < $3 OR (runs.start_time <= $4
            AND (runs.start_time < $4 OR (runs.run_uuid > $5)))))
            ORDER BY s0.value DESC, runs.start_time DESC, runs.run_uuid LIMIT $6) AS g0 UNION ALL SELECT *
            FROM (SELECT 1, s0.value, runs.start_time, runs.run_uuid
            FROM runs JOIN latest_metrics s0 ON s0.run_uuid = runs.run_uuid
            AND s0.key = $7 WHERE runs.experiment_id = $8
            AND runs.lifecycle_stage = 'active'
            AND s0.is_nan
            ORDER BY s0.value DESC, runs.start_time DESC, runs.run_uuid LIMIT $9) AS g1 UNION ALL SELECT *
            FROM (SELECT 2, CAST(NULL AS DOUBLE PRECISION), runs.start_time, runs.run_uuid
            FROM runs LEFT JOIN latest_metrics s0 ON s0.run_uuid = runs.run_uuid
            AND s0.key = $10 WHERE runs.experiment_id = $11
            AND runs.lifecycle_stage = 'active'
            AND s0.run_uuid IS NULL
            ORDER BY runs.start_time DESC, runs.run_uuid LIMIT $12) AS g2 LIMIT $13
            -- Text("acc"), Int(1), Float(0.5), Int(1700000000000), Text("abc"), Int(100), Text("acc"), Int(1), Int(100), Text("acc"), Int(1), Int(100), Int(100)
            "#),
        }
    }
}

#[test]
fn experiments_by_tag() {
    let query = ExperimentQuery {
        filter: "name ILIKE 'a%' AND tags.team = 'b'".to_owned(),
        view: ViewType::ActiveOnly,
        order_by: vec![],
        max_results: 10,
        page_token: String::new(),
    };
    assert_snapshot!(shown(|dialect| experiments::compile(dialect, &query)), @r#"
    postgres: SELECT experiments.creation_time, experiments.experiment_id
    FROM experiments WHERE experiments.lifecycle_stage = 'active'
    AND experiments.name ILIKE $1
    AND EXISTS (SELECT 1
    FROM experiment_tags f WHERE f.experiment_id = experiments.experiment_id
    AND f.key = $2
    AND f.value = $3)
    ORDER BY experiments.creation_time DESC NULLS FIRST, experiments.experiment_id LIMIT $4
    sqlite: SELECT experiments.creation_time, experiments.experiment_id
    FROM experiments WHERE experiments.lifecycle_stage = 'active'
    AND LOWER(experiments.name) LIKE LOWER($1)
    AND EXISTS (SELECT 1
    FROM experiment_tags f WHERE f.experiment_id = experiments.experiment_id
    AND f.key = $2
    AND f.value = $3)
    ORDER BY experiments.creation_time DESC NULLS LAST, experiments.experiment_id LIMIT $4
    -- Text("a%"), Text("team"), Text("b"), Int(11)
    "#);
}

#[test]
fn logged_models_by_metric() {
    let by_metric = OrderBy {
        field_name: "metrics.acc",
        ascending: false,
        dataset_name: Some("d"),
        dataset_digest: None,
    };
    let query = LoggedModelQuery {
        experiment_ids: &[1],
        filter: "metrics.acc > 0.5 AND params.p IN ('x', 'y') AND status = 'READY'",
        datasets: &[Dataset { dataset_name: "d", dataset_digest: Some("1") }],
        order_by: &[by_metric],
        max_results: 10,
        page_token: "",
    };
    assert_snapshot!(shown(|dialect| logged_models::compile(dialect, &query)), @r#"
    postgres: SELECT k0, creation_timestamp_ms, model_id
    FROM (SELECT m.model_id, m.creation_timestamp_ms, (SELECT f.metric_value
    FROM logged_model_metrics f WHERE f.model_id = m.model_id
    AND f.metric_name = $1
    AND f.dataset_name = $2
    ORDER BY f.metric_timestamp_ms DESC, f.metric_step DESC, f.run_id DESC LIMIT 1) AS k0
    FROM logged_models m WHERE m.experiment_id = $3
    AND m.lifecycle_stage <> 'deleted'
    AND EXISTS (SELECT 1
    FROM logged_model_metrics f WHERE f.model_id = m.model_id
    AND f.metric_name = $4
    AND f.metric_value > $5
    AND ((f.dataset_name = $6
    AND f.dataset_digest = $7)))
    AND EXISTS (SELECT 1
    FROM logged_model_params f WHERE f.model_id = m.model_id
    AND f.param_key = $8
    AND f.param_value = ANY($9))
    AND m.status = $10) found WHERE TRUE
    ORDER BY k0 DESC NULLS LAST, creation_timestamp_ms DESC, model_id LIMIT $11
    sqlite: SELECT k0, creation_timestamp_ms, model_id
    FROM (SELECT m.model_id, m.creation_timestamp_ms, (SELECT f.metric_value
    FROM logged_model_metrics f WHERE f.model_id = m.model_id
    AND f.metric_name = $1
    AND f.dataset_name = $2
    ORDER BY f.metric_timestamp_ms DESC, f.metric_step DESC, f.run_id DESC LIMIT 1) AS k0
    FROM logged_models m WHERE m.experiment_id = $3
    AND m.lifecycle_stage <> 'deleted'
    AND EXISTS (SELECT 1
    FROM logged_model_metrics f WHERE f.model_id = m.model_id
    AND f.metric_name = $4
    AND f.metric_value > $5
    AND ((f.dataset_name = $6
    AND f.dataset_digest = $7)))
    AND EXISTS (SELECT 1
    FROM logged_model_params f WHERE f.model_id = m.model_id
    AND f.param_key = $8
    AND f.param_value IN (SELECT value
    FROM json_each($9)))
    AND m.status = $10) found WHERE TRUE
    ORDER BY k0 DESC NULLS LAST, creation_timestamp_ms DESC, model_id LIMIT $11
    -- Text("acc"), Text("d"), Int(1), Text("acc"), Float(0.5), Text("d"), Text("1"), Text("p"), Texts(["x", "y"]), Int(2), Int(11)
    "#);
}

#[test]
fn max_results_is_checked_in_mlflows_words() {
    let message = |max_results| {
        runs::compile(Dialect::Sqlite, &RunQuery { max_results, ..run_query("", &[]) }).unwrap_err().message
    };
    assert_eq!(
        message(0),
        "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"
    );
    assert_eq!(
        message(50_001),
        "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000"
    );
}

#[test]
fn what_a_database_would_refuse_is_refused_before() {
    let message = |dialect, filter| runs::compile(dialect, &run_query(filter, &[])).map_err(|e| e.message);
    let trailing = r"tags.a LIKE 'x\'";
    assert_eq!(
        message(Dialect::Postgres, trailing).unwrap_err(),
        "LIKE pattern must not end with escape character"
    );
    assert!(message(Dialect::Sqlite, trailing).is_ok());
    assert_eq!(
        message(Dialect::Sqlite, "tags.a = '\0'").unwrap_err(),
        "A search cannot contain the character NUL"
    );
}

#[test]
fn a_field_may_be_ordered_by_once() {
    let error =
        runs::compile(Dialect::Sqlite, &run_query("", &order(&["start_time", "created DESC"]))).unwrap_err();
    assert_eq!(error.message, "`order_by` contains duplicate fields: ['start_time', 'created DESC']");
}

/// Text made of what filters are made of.
fn filter_like() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "metrics|params|tags|attributes|dataset|run_id|name|status|start_time|span|metadata|feedback|text|[.]|[a-z]{1,3}",
        "=|!=|<|>=|LIKE|ILIKE|RLIKE|IN|NOT|AND|OR|AS|NULL|DESC|timestamp|;|,|::|:=|->|[*]|--|/[*]|[*]/",
        "[0-9]{1,3}|-?[0-9][.][0-9]|1e5|'[a-z%]{0,3}'|\"[a-z]{0,3}\"|`[a-z ]{0,3}`|[('\")\\[\\]`\\\\]| |\n",
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// Whatever comes in, the answer is a statement with its arguments in order, or a refusal.
fn check(search: api::Result<Search>) {
    match search {
        Ok(search) => {
            let mut seen = 0;
            for piece in search.sql.text.split('$').skip(1) {
                let digits: String = piece.chars().take_while(char::is_ascii_digit).collect();
                let n: usize = digits.parse().unwrap();
                assert!(n <= seen + 1, "${n} is used before ${}", seen + 1);
                seen = seen.max(n);
            }
            assert_eq!(seen, search.sql.args.len());
        }
        Err(error) => assert_eq!(error.code, ErrorCode::InvalidParameterValue),
    }
}

proptest! {
    #[test]
    fn any_text_is_a_search_or_refused(
        filter in prop_oneof![any::<String>(), filter_like()],
        clause in prop_oneof![any::<String>(), filter_like()],
        page_token in prop_oneof![Just(String::new()), any::<String>(), "[A-Za-z0-9+/=]{0,40}"],
    ) {
        let order_by = [clause.clone()];
        for order_by in [&[][..], &order_by] {
            let query = RunQuery { page_token: page_token.clone(), ..run_query(&filter, order_by) };
            check(runs::compile(Dialect::Postgres, &query));
            check(experiments::compile(Dialect::Sqlite, &ExperimentQuery {
                filter: filter.clone(),
                view: ViewType::All,
                order_by: order_by.to_vec(),
                max_results: 5,
                page_token: page_token.clone(),
            }));
        }
        check(registered_models::compile(Dialect::Postgres, &RegisteredModelQuery {
            filter: filter.clone(),
            order_by: vec![clause.clone()],
            max_results: 5,
            page_token: page_token.clone(),
        }));
        let versions = model_versions::compile(Dialect::Sqlite, &ModelVersionQuery {
            filter: filter.clone(),
            order_by: vec![clause.clone()],
            max_results: 5,
            page_token: page_token.clone(),
        });
        check(versions.map(|search| search.into_search()));
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            check(traces::compile(dialect, &TraceQuery {
                experiment_ids: vec![1, 2],
                filter: filter.clone(),
                order_by: vec![clause.clone()],
                max_results: 5,
                page_token: page_token.clone(),
            }));
        }
        let order = OrderBy { field_name: &clause, ascending: true, dataset_name: None, dataset_digest: None };
        check(logged_models::compile(Dialect::Postgres, &LoggedModelQuery {
            experiment_ids: &[1, 2],
            filter: &filter,
            datasets: &[],
            order_by: &[order],
            max_results: 5,
            page_token: &page_token,
        }));
    }
}
