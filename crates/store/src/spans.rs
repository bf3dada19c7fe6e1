//! The spans of a trace, or the place where its client put them.

use crate::db::Tx;
use crate::error::Result;
use api::error::not_found;

/// Where the spans of a trace are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spans {
    /// In the database, each as JSON: those without a parent first, then by their start.
    Here(Vec<String>),
    /// In a file `traces.json` below this artifact URI, if the trace says where.
    InFile(Option<String>),
}

const PLACES: &str = "
    SELECT (SELECT value FROM trace_tags WHERE request_id = t.request_id AND key = 'mlflow.trace.spansLocation'),
           (SELECT value FROM trace_tags WHERE request_id = t.request_id AND key = 'mlflow.artifactLocation')
    FROM trace_info t WHERE request_id = $1";
const SPANS: &str = "
    SELECT content FROM spans WHERE trace_id = $1
    ORDER BY CASE WHEN parent_span_id IS NULL THEN 0 ELSE 1 END, start_time_unix_nano, span_id";

/// Finds the spans of a trace, which may still go on.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn find(tx: &mut Tx<'_>, trace_id: &str) -> Result<Spans> {
    let places = tx.first(PLACES, &[trace_id.into()], |row| Ok((row.opt_text(0)?, row.opt_text(1)?))).await?;
    let (spans, file) = places.ok_or_else(|| not_found(format!("Trace with ID {trace_id} is not found.")))?;
    if spans.as_deref() != Some("TRACKING_STORE") {
        return Ok(Spans::InFile(file));
    }
    Ok(Spans::Here(tx.all(SPANS, &[trace_id.into()], |row| row.text(0)).await?))
}
