//! `metrics/*`

use crate::app::App;
use crate::extract::{Proto, pairs};
use crate::respond::{Failure, Points};
use api::error::invalid;
use api::request::text_without_nul;
use api::{GetMetricHistory, GetMetricHistoryBulkInterval, Histories, MAX_RESULTS_PER_RUN, run_id_of};
use axum::extract::State;
use axum::http::Uri;
use store::metrics::{self, Interval};

/// `GET metrics/get-history`
pub async fn get_history(
    State(app): State<App>,
    Proto(request): Proto<GetMetricHistory>,
) -> Result<Points, Failure> {
    let run_id = run_id_of(request.run_id, request.run_uuid);
    let key = request.metric_key.unwrap_or_default();
    let (limit, token) = (request.max_results, request.page_token);
    let histories = app
        .db()
        .read(move |tx| {
            Box::pin(async move { metrics::history_page(tx, run_id, key, limit, token.as_deref()).await })
        })
        .await?;
    Ok(Points(histories))
}

/// The most points of one `metrics/get-history-bulk`.
const MAX_HISTORY_RESULTS: i64 = 25_000;
/// The most runs of one `metrics/get-history-bulk`.
const MAX_RUN_IDS_PER_REQUEST: usize = 100;

/// `GET metrics/get-history-bulk`
pub async fn get_history_bulk(State(app): State<App>, uri: Uri) -> Result<Points, Failure> {
    let (run_ids, key, limit) = bulk_query(&uri)?;
    let histories = app
        .db()
        .read(move |tx| Box::pin(async move { metrics::history_bulk(tx, run_ids, &key, limit).await }))
        .await?;
    Ok(Points(histories))
}

/// This route has no message in MLflow; it reads its query by hand, with texts of its own.
fn bulk_query(uri: &Uri) -> Result<(Vec<String>, String, i64), Failure> {
    let pairs = pairs(uri)?;
    let one = |name: &str| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
    let run_ids: Vec<_> = pairs.iter().filter(|(k, _)| k == "run_id").map(|(_, v)| v.clone()).collect();
    if run_ids.is_empty() {
        return Err(invalid("GetMetricHistoryBulk request must specify at least one run_id.").into());
    }
    if run_ids.len() > MAX_RUN_IDS_PER_REQUEST {
        return Err(invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {MAX_RUN_IDS_PER_REQUEST} run_ids. Received {} \
             run_ids.",
            run_ids.len()
        ))
        .into());
    }
    let key = one("metric_key")
        .ok_or_else(|| invalid("GetMetricHistoryBulk request must specify a metric_key."))?;
    text_without_nul("metric_key", &key)?;
    for run_id in &run_ids {
        text_without_nul("run_id", run_id)?;
    }
    let limit = match one("max_results") {
        None => MAX_HISTORY_RESULTS,
        Some(text) => match text.trim().parse::<i64>() {
            Ok(n) if n >= 0 => n.min(MAX_HISTORY_RESULTS),
            _ => return Err(invalid(format!("max_results must be a number from 0, not '{text}'.")).into()),
        },
    };
    Ok((run_ids, key, limit))
}

/// `GET metrics/get-history-bulk-interval`
pub async fn get_history_bulk_interval(
    State(app): State<App>,
    Proto(request): Proto<GetMetricHistoryBulkInterval>,
) -> Result<Points, Failure> {
    let interval = Interval {
        steps: Interval::steps(request.start_step, request.end_step)?,
        run_ids: request.run_ids,
        key: request.metric_key.unwrap_or_default(),
        max_results: request.max_results.unwrap_or(MAX_RESULTS_PER_RUN),
    };
    let metrics = app.db().read(move |tx| Box::pin(metrics::history_bulk_interval(tx, interval))).await?;
    Ok(Points(Histories { metrics, ..Histories::default() }))
}
