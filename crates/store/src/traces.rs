//! Traces: what is known of them without their spans.

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::search::traces::{TraceQuery, compile};
use api::{StoredAssessment, TraceInfo, TraceState};
use std::collections::HashMap;

const INFOS: &str = "
    SELECT request_id, experiment_id, timestamp_ms, execution_time_ms, status, client_request_id, request_preview,
           response_preview
    FROM trace_info WHERE request_id";
const METADATA: &str = "SELECT request_id, key, value FROM trace_request_metadata WHERE request_id";
const TAGS: &str = "SELECT request_id, key, value FROM trace_tags WHERE request_id";
const ASSESSMENTS: &str = "
    SELECT trace_id, assessment_id, name, assessment_type, value, error, created_timestamp, last_updated_timestamp,
           source_type, source_id, span_id, rationale, overrides, valid, assessment_metadata
    FROM assessments WHERE trace_id";

/// What belongs to a trace; column 0 of each part's rows is the trace's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The trace itself, which every search reads.
    Info,
    /// What is fixed when it is made.
    Metadata,
    /// What may be changed later.
    Tags,
    /// What was said of it.
    Assessments,
}

/// One page of traces, and the token of the next. Only these parts are read.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn search(
    tx: &mut Tx<'_>,
    query: &TraceQuery,
    parts: &[Part],
) -> Result<(Vec<TraceInfo>, Option<String>)> {
    let compiled = compile(tx.dialect(), query)?;
    let rows = tx.all_once(&compiled.sql.text, &compiled.sql.args, |row| compiled.row(row)).await?;
    let page = compiled.text_ids(rows);
    Ok((load(tx, &page.ids, parts).await?, page.next_page_token))
}

/// The traces with these ids, in this order; ids without a trace are left out.
async fn load(tx: &mut Tx<'_>, ids: &[String], parts: &[Part]) -> Result<Vec<TraceInfo>> {
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let dialect = tx.dialect();
    let queries: Vec<String> = parts.iter().map(|part| dialect.in_texts(part.sql(), 1, "")).collect();
    let mut loading: HashMap<&str, Loading> = ids.iter().map(|id| (id.as_str(), <_>::default())).collect();
    tx.each_of(&queries, &[Value::Texts(ids.to_vec())], |n, row| match loading.get_mut(row.str(0)?) {
        Some(trace) => trace.add(parts[n], row),
        None => Ok(()),
    })
    .await?;
    Ok(ids.iter().filter_map(|id| loading.remove(id.as_str())?.trace()).collect())
}

impl Part {
    fn sql(self) -> &'static str {
        match self {
            Self::Info => INFOS,
            Self::Metadata => METADATA,
            Self::Tags => TAGS,
            Self::Assessments => ASSESSMENTS,
        }
    }
}

/// What has been read of a trace.
#[derive(Default)]
struct Loading {
    info: Option<TraceInfo>,
    metadata: Vec<(String, Option<String>)>,
    tags: Vec<(String, Option<String>)>,
    assessments: Vec<StoredAssessment>,
}

impl Loading {
    fn add(&mut self, part: Part, row: &Row) -> Result<()> {
        match part {
            Part::Info => self.info = Some(info(row)?),
            Part::Metadata => self.metadata.push((row.text(1)?, row.opt_text(2)?)),
            Part::Tags => self.tags.push((row.text(1)?, row.opt_text(2)?)),
            Part::Assessments => self.assessments.push(assessment(row)?),
        }
        Ok(())
    }

    /// The trace, with what belongs to it sorted, so that both engines answer alike.
    fn trace(mut self) -> Option<TraceInfo> {
        self.metadata.sort();
        self.tags.sort();
        let key = |a: &StoredAssessment| (a.created_timestamp, a.assessment_id.clone());
        self.assessments.sort_by_key(key);
        let assessments = self.assessments.into_iter().map(Into::into).collect();
        Some(TraceInfo { metadata: self.metadata, tags: self.tags, assessments, ..self.info? })
    }
}

fn info(row: &Row) -> Result<TraceInfo> {
    Ok(TraceInfo {
        trace_id: row.text(0)?,
        experiment_id: row.int(1)?.to_string(),
        request_time: row.int(2)?,
        execution_duration: row.opt_int(3)?,
        state: TraceState::from_name(row.str(4)?),
        client_request_id: row.opt_text(5)?,
        request_preview: row.opt_text(6)?,
        response_preview: row.opt_text(7)?,
        metadata: vec![],
        tags: vec![],
        assessments: vec![],
    })
}

fn assessment(row: &Row) -> Result<StoredAssessment> {
    Ok(StoredAssessment {
        trace_id: row.text(0)?,
        assessment_id: row.text(1)?,
        name: row.text(2)?,
        assessment_type: row.text(3)?,
        value: row.text(4)?,
        error: row.opt_text(5)?,
        created_timestamp: row.int(6)?,
        last_updated_timestamp: row.int(7)?,
        source_type: row.text(8)?,
        source_id: row.opt_text(9)?,
        span_id: row.opt_text(10)?,
        rationale: row.opt_text(11)?,
        overrides: row.opt_text(12)?,
        valid: row.bool(13)?,
        metadata: row.opt_text(14)?,
    })
}
