//! Searching traces and finding their spans, on both engines.

mod common;

use api::{Assessment, TraceInfo, TraceState};
use common::for_each_engine;
use store::Error;
use store::db::Db;
use store::search::traces::TraceQuery;
use store::spans::{self, Spans};
use store::traces::{self, Part};

const ALL: [Part; 4] = [Part::Info, Part::Metadata, Part::Tags, Part::Assessments];
const TRACES: &str = "
    INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status, client_request_id)
    VALUES ('tr-1', 0, 10, 5, 'OK', NULL), ('tr-2', 0, 10, NULL, 'IN_PROGRESS', 'mine'), ('tr-3', 0, 30, 7, 'ERROR', NULL),
           ('tr-4', 0, 40, 1, 'of tomorrow', NULL);
    INSERT INTO trace_tags (request_id, key, value)
    VALUES ('tr-1', 'mlflow.traceName', 'chat'), ('tr-1', 'team', 'red'), ('tr-2', 'team', 'Blue'), ('tr-3', 'team', NULL);
    INSERT INTO trace_request_metadata (request_id, key, value)
    VALUES ('tr-1', 'user', 'ann'), ('tr-3', 'mlflow.sourceRun', 'run-1');
    INSERT INTO entity_associations (association_id, source_type, source_id, destination_type, destination_id)
    VALUES ('a-1', 'trace', 'tr-2', 'run', 'run-1'), ('a-2', 'trace', 'tr-1', 'prompt_version', 'p/1'),
           ('a-3', 'run', 'tr-1', 'run', 'run-1');
    INSERT INTO spans (trace_id, experiment_id, span_id, name, type, status, start_time_unix_nano, content)
    VALUES ('tr-1', 0, 's', 'llm', 'CHAT_MODEL', 'OK', 1, '{\"attributes\": {\"model\": \"\\\"gpt-4\\\"\"}}'),
           ('tr-3', 0, 's', 'tool', 'TOOL', 'ERROR', 1, '{\"attributes\": {\"model\": \"\\\"other\\\"\"}}');
    INSERT INTO assessments (assessment_id, trace_id, name, assessment_type, value, created_timestamp,
                             last_updated_timestamp, source_type, valid)
    VALUES ('b', 'tr-1', 'good', 'feedback', 'true', 2, 2, 'HUMAN', TRUE),
           ('a', 'tr-1', 'answer', 'expectation', '\"yes\"', 1, 2, 'CODE', FALSE);";

fn query(filter: &str, order_by: &[&str], max_results: i64, page_token: &str) -> TraceQuery {
    TraceQuery {
        experiment_ids: vec![0, 99],
        filter: filter.to_owned(),
        order_by: order_by.iter().map(|text| (*text).to_owned()).collect(),
        max_results,
        page_token: page_token.to_owned(),
    }
}

async fn search(db: &Db, query: TraceQuery) -> store::Result<(Vec<TraceInfo>, Option<String>)> {
    db.read(move |tx| Box::pin(async move { traces::search(tx, &query, &ALL).await })).await
}

async fn found(db: &Db, filter: &str, order_by: &[&str]) -> Vec<String> {
    let (traces, _) = search(db, query(filter, order_by, 100, "")).await.expect(filter);
    traces.into_iter().map(|trace| trace.trace_id).collect()
}

async fn fill(db: &Db) {
    db.write(|tx| Box::pin(tx.script(TRACES))).await.expect("traces");
}

#[tokio::test]
async fn a_trace_comes_with_what_belongs_to_it() {
    for_each_engine(async |db| {
        fill(&db).await;
        let (traces, token) = search(&db, query("status = 'OK'", &[], 100, "")).await.expect("a trace");
        let [trace] = traces.as_slice() else { panic!("one trace: {traces:?}") };
        assert_eq!(token, None);
        let texts = |pairs: &[(&str, &str)]| -> Vec<(String, Option<String>)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
        };
        assert_eq!(trace.tags, texts(&[("mlflow.traceName", "chat"), ("team", "red")]));
        assert_eq!(trace.metadata, texts(&[("user", "ann")]));
        assert_eq!((trace.request_time, trace.execution_duration), (10, Some(5)));
        let names: Vec<_> = trace
            .assessments
            .iter()
            .map(|Assessment { assessment_id, valid, .. }| (assessment_id.as_str(), *valid))
            .collect();
        assert_eq!(names, [("a", false), ("b", true)]);
        let (traces, _) = search(&db, query("status = 'of tomorrow'", &[], 100, "")).await.expect("a trace");
        assert_eq!(traces[0].state, TraceState::Unspecified, "a newer server's state");
    })
    .await;
}

#[tokio::test]
async fn filters_find_traces() {
    for_each_engine(async |db| {
        fill(&db).await;
        for (filter, expected) in [
            ("timestamp > 10 AND status != 'of tomorrow'", "tr-3"),
            ("end_time <= 15", "tr-1 tr-2"),
            ("execution_time >= 5", "tr-3 tr-1"),
            ("request_id IN ('tr-1', 'tr-4')", "tr-4 tr-1"),
            ("name = 'chat'", "tr-1"),
            ("tags.team ILIKE 'B%'", "tr-2"),
            ("tags.team RLIKE '^(red|green)$'", "tr-1"),
            ("metadata.user RLIKE 'n+'", "tr-1"),
            ("run_id = 'run-1'", "tr-3 tr-2"),
            ("run_id != 'run-1'", ""),
            ("prompt = 'p/1'", "tr-1"),
            ("span.name = 'llm' AND span.type = 'CHAT_MODEL'", "tr-1"),
            ("span.attributes.model LIKE '%gpt%'", "tr-1"),
            ("span.attributes.model RLIKE '^other$'", "tr-3"),
            ("span.attributes.model RLIKE '^pt'", ""),
            ("trace.text LIKE '%other%'", "tr-3"),
            ("feedback.good = 'true'", "tr-1"),
            ("expectation.answer = '\"yes\"'", "tr-1"),
            ("expectation.good = 'true'", ""),
        ] {
            assert_eq!(found(&db, filter, &[]).await.join(" "), expected, "{filter}");
        }
        for filter in ["tags.team RLIKE '('", "timestamp_ms > 'x'", "tags.team = ('a')"] {
            let refused = search(&db, query(filter, &[], 100, "")).await.expect_err(filter);
            assert_eq!(refused.into_api().code.http_status(), 400, "{filter}");
        }
    })
    .await;
}

#[tokio::test]
async fn orders_are_the_same_page_by_page() {
    for_each_engine(async |db| {
        fill(&db).await;
        for (order, expected) in [
            (&[] as &[&str], ["tr-4", "tr-3", "tr-1", "tr-2"]),
            (&["timestamp"], ["tr-1", "tr-2", "tr-3", "tr-4"]),
            (&["execution_time DESC"], ["tr-3", "tr-1", "tr-4", "tr-2"]),
            (&["end_time DESC"], ["tr-4", "tr-3", "tr-1", "tr-2"]),
            (&["request_id DESC", "status"], ["tr-4", "tr-3", "tr-2", "tr-1"]),
            (&["tags.team DESC"], ["tr-1", "tr-2", "tr-4", "tr-3"]),
            (&["name", "metadata.user"], ["tr-1", "tr-4", "tr-3", "tr-2"]),
        ] {
            assert_eq!(found(&db, "", order).await, expected, "{order:?}");
            let (mut pages, mut token) = (vec![], Some(String::new()));
            while let Some(next) = token {
                let (page, following) = search(&db, query("", order, 2, &next)).await.expect("a page");
                pages.extend(page.into_iter().map(|trace| trace.trace_id));
                token = following;
            }
            assert_eq!(pages, expected, "{order:?} in pages");
        }
        let twice = search(&db, query("", &["timestamp", "timestamp_ms DESC"], 2, "")).await.unwrap_err();
        assert!(twice.to_string().contains("duplicate fields"), "{twice}");
    })
    .await;
}

const PLACES: &str = "
    INSERT INTO trace_tags (request_id, key, value)
    VALUES ('tr-1', 'mlflow.trace.spansLocation', 'TRACKING_STORE'), ('tr-1', 'mlflow.artifactLocation', 's3://unused'),
           ('tr-2', 'mlflow.artifactLocation', 's3://bucket/2');
    INSERT INTO spans (trace_id, experiment_id, span_id, parent_span_id, status, start_time_unix_nano, content)
    VALUES ('tr-1', 0, 'child-2', 's', 'OK', 3, 'third'), ('tr-1', 0, 'child-1', 's', 'OK', 0, 'second');";

#[tokio::test]
async fn spans_are_where_their_trace_says() {
    for_each_engine(async |db| {
        fill(&db).await;
        db.write(|tx| Box::pin(tx.script(PLACES))).await.expect("places");
        let find = async |id: &'static str| db.read(move |tx| Box::pin(spans::find(tx, id))).await;
        let Ok(Spans::Here(contents)) = find("tr-1").await else { panic!("no spans in the database") };
        assert!(contents[0].contains("gpt-4"), "{contents:?}");
        assert_eq!(contents[1..], ["second", "third"]);
        assert_eq!(find("tr-2").await.unwrap(), Spans::InFile(Some("s3://bucket/2".to_owned())));
        assert_eq!(find("tr-3").await.unwrap(), Spans::InFile(None));
        let Err(Error::Api(error)) = find("tr-9").await else { panic!("a trace that is not there") };
        assert_eq!(error.message, "Trace with ID tr-9 is not found.");
    })
    .await;
}
