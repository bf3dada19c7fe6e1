//! Filters of traces, which reach further than others: into spans, assessments and links to runs and prompts.
//!
//! Mirrors `SearchTraceUtils` and `_get_filter_clauses_for_search_traces`: names are looked up in the order in which MLflow
//! does, so that `tags.name` is the name of the trace there and here.

use super::filter::{self, Literal, Piece};
use super::lex::Lex;
use super::operator::Operator;
use super::python;
use super::tree::Kind;
use api::error::invalid;

/// One comparison of a filter, its comparator checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub subject: Subject,
    pub operator: Operator,
    pub value: Literal,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Attribute(String),
    Tag(String),
    Metadata(String),
    /// The run that a trace was made in, or linked to.
    Run,
    /// A version of a prompt, `name/version`, that a trace is linked to.
    Prompt,
    /// `name`, `type`, `status` or `content` of any of its spans.
    Span(String),
    /// An attribute of any of its spans.
    SpanAttribute(String),
    Feedback(String),
    Expectation(String),
}

/// What a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entity {
    Attribute,
    Tag,
    Metadata,
    Span,
    Feedback,
    Expectation,
}

/// A comparison whose comparator is as written.
#[derive(Debug)]
pub(super) struct Clause<'s> {
    pub entity: Entity,
    pub key: String,
    pub comparator: &'s str,
    pub value: Literal,
}

const PREFIXES: [(&str, Entity); 10] = [
    ("attribute", Entity::Attribute),
    ("attributes", Entity::Attribute),
    ("expectation", Entity::Expectation),
    ("feedback", Entity::Feedback),
    ("metadata", Entity::Metadata),
    ("request_metadata", Entity::Metadata),
    ("span", Entity::Span),
    ("tag", Entity::Tag),
    ("tags", Entity::Tag),
    ("trace", Entity::Attribute),
];
const ATTRIBUTES: [&str; 13] = [
    "client_request_id",
    "end_time",
    "end_time_ms",
    "execution_time",
    "execution_time_ms",
    "name",
    "prompt",
    "request_id",
    "run_id",
    "status",
    "text",
    "timestamp",
    "timestamp_ms",
];
const NUMERIC: [&str; 6] =
    ["end_time", "end_time_ms", "execution_time", "execution_time_ms", "timestamp", "timestamp_ms"];
const WITH_LISTS: [&str; 5] = ["client_request_id", "name", "request_id", "run_id", "status"];
const SPAN_COLUMNS: [&str; 3] = ["name", "status", "type"];

const NUMBER_COMPARATORS: [&str; 6] = ["!=", "<", "<=", "=", ">", ">="];
const TAG_COMPARATORS: [&str; 5] = ["!=", "=", "ILIKE", "LIKE", "RLIKE"];
const TEXT_COMPARATORS: [&str; 7] = ["!=", "=", "ILIKE", "IN", "LIKE", "NOT IN", "RLIKE"];
const CONTENT_COMPARATORS: [&str; 2] = ["ILIKE", "LIKE"];

const TRACE_NAME: &str = "mlflow.traceName";
const LINKED_PROMPTS: &str = "mlflow.linkedPrompts";
const SOURCE_RUN: &str = "mlflow.sourceRun";
const SPAN_ATTRIBUTES: &str = "attributes.";

impl Entity {
    /// MLflow's name for it in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attribute => "attribute",
            Self::Tag => "tag",
            Self::Metadata => "request_metadata",
            Self::Span => "span",
            Self::Feedback => "feedback",
            Self::Expectation => "expectation",
        }
    }
}

/// Parses a filter; an empty one has no conditions.
pub(super) fn parse(filter: &str) -> api::Result<Vec<Condition>> {
    clauses(filter)?.into_iter().map(condition).collect()
}

/// The comparisons of a filter, with the names that MLflow keeps things under.
pub(super) fn clauses(filter: &str) -> api::Result<Vec<Clause<'_>>> {
    let comparisons = filter::trace_comparisons(filter)?;
    comparisons.iter().map(|pieces| clause(pieces)).collect()
}

/// Reads `entity.key` or a bare attribute, and checks that it may be used where `attributes` are the ones that can.
pub(super) fn identifier(text: &str, attributes: &[&str]) -> api::Result<(Entity, String)> {
    let (entity, key) = match text.split_once('.') {
        None => (Entity::Attribute, text),
        Some((prefix, key)) => (self::prefix(prefix)?, key),
    };
    let key = filter::bare(key);
    if entity == Entity::Attribute && !attributes.contains(&key) {
        let known = python::set(attributes);
        return Err(invalid(format!("Invalid attribute key '{key}' specified. Valid keys are '{known}'")));
    }
    Ok((entity, key.to_owned()))
}

/// Where a name leads that MLflow keeps elsewhere. Spans have names of their own.
pub(super) fn moved(entity: Entity, key: String) -> (Entity, String) {
    if entity == Entity::Span {
        return (entity, key);
    }
    match key.to_lowercase().as_str() {
        "name" => (Entity::Tag, TRACE_NAME.to_owned()),
        "prompt" => (Entity::Tag, LINKED_PROMPTS.to_owned()),
        "run_id" => (Entity::Metadata, SOURCE_RUN.to_owned()),
        "text" => (Entity::Span, "content".to_owned()),
        "timestamp" => (entity, "timestamp_ms".to_owned()),
        "execution_time" => (entity, "execution_time_ms".to_owned()),
        "end_time" => (entity, "end_time_ms".to_owned()),
        _ => (entity, key),
    }
}

fn prefix(prefix: &str) -> api::Result<Entity> {
    let bare = prefix.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or(prefix);
    let found = PREFIXES.iter().find(|(name, _)| *name == bare);
    found.map(|(_, entity)| *entity).ok_or_else(|| {
        let known = python::set(&PREFIXES.map(|(name, _)| name));
        invalid(format!("Invalid entity type '{bare}'. Valid values are {known}"))
    })
}

fn clause<'s>(pieces: &[Piece<'s>]) -> api::Result<Clause<'s>> {
    let [name, comparator, value] = sides(pieces)?;
    let (entity, key) = identifier(name.text, &ATTRIBUTES)?;
    let value = literal(entity, &key, value)?;
    let comparator = comparator.text;
    if entity == Entity::Span {
        // Before the comparator is put in capitals, so it has to be written so.
        check_span(&key, comparator)?;
    }
    let (entity, key) = moved(entity, key);
    Ok(Clause { entity, key, comparator, value })
}

/// The name, the comparator and the value of a comparison. Here the type name `timestamp` is a name.
fn sides<'s>(pieces: &[Piece<'s>]) -> api::Result<[Piece<'s>; 3]> {
    match *pieces {
        [name, comparator, value] if name.is_timestamp() => Ok([name, comparator, value]),
        [name, ..] if pieces.len() == 3 && name.kind != Kind::Identifier => Err(invalid(format!(
            "Invalid comparison clause. Expected 'TokenType.Name.Builtin' found '{}'",
            name.text
        ))),
        _ => filter::sides(pieces),
    }
}

/// Mirrors `SearchTraceUtils._get_value`.
fn literal(entity: Entity, key: &str, value: Piece) -> api::Result<Literal> {
    let is_text = matches!(value.kind, Kind::Leaf(Lex::Single) | Kind::Identifier);
    match (entity, value.kind) {
        _ if is_text => filter::quoted(value.text),
        (Entity::Tag | Entity::Span, Kind::Parenthesis) => filter::texts(value.text),
        (Entity::Attribute, Kind::Parenthesis) if WITH_LISTS.contains(&key) => filter::texts(value.text),
        (Entity::Attribute, Kind::Parenthesis) => Err(invalid(format!(
            "Only attributes in {} supports comparison with a list of quoted string values.",
            python::set(&WITH_LISTS)
        ))),
        (Entity::Attribute, Kind::Leaf(Lex::Integer | Lex::Float)) if NUMERIC.contains(&key) => {
            Ok(Literal::Number(value.text.to_owned()))
        }
        (Entity::Attribute, Kind::Leaf(Lex::Integer | Lex::Float)) => Err(invalid(format!(
            "Only the '{}' attributes support comparison with numeric values.",
            python::set(&NUMERIC)
        ))),
        (Entity::Attribute, _) => Err(invalid(format!(
            "Expected a quoted string value or a list of quoted string values for attributes. Got value {}",
            value.text
        ))),
        (entity, _) => Err(invalid(format!(
            "Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
            entity.name(),
            value.text
        ))),
    }
}

fn check_span(key: &str, comparator: &str) -> api::Result<()> {
    let allowed: &[&str] = match key.strip_prefix(SPAN_ATTRIBUTES) {
        Some("") => return Err(invalid("Span attribute name cannot be empty after 'attributes.'")),
        Some(_) => &TEXT_COMPARATORS,
        None if SPAN_COLUMNS.contains(&key) => &TEXT_COMPARATORS,
        None if key == "content" => &CONTENT_COMPARATORS,
        None => {
            return Err(invalid(format!(
                "Invalid span attribute '{key}'. Supported attributes: {}, attributes.<attribute_name>.",
                SPAN_COLUMNS.join(", ")
            )));
        }
    };
    refuse_unless(allowed, comparator, || {
        format!("span.{key} comparator '{comparator}' not one of '{}'", python::set(allowed))
    })
}

pub(super) fn condition(clause: Clause) -> api::Result<Condition> {
    let Clause { entity, key, .. } = clause;
    let comparator = clause.comparator.to_uppercase();
    let wrong = |printed: &[&str], close: &str| {
        format!("Invalid comparator '{comparator}' not one of '{}{close}", python::set(printed))
    };
    // The missing closing quotes in some of the messages are MLflow's.
    match entity {
        Entity::Attribute if NUMERIC.contains(&key.as_str()) => {
            refuse_unless(&NUMBER_COMPARATORS, &comparator, || wrong(&TEXT_COMPARATORS, ""))?;
        }
        Entity::Attribute => {
            refuse_unless(&TEXT_COMPARATORS, &comparator, || wrong(&TEXT_COMPARATORS, "'"))?;
        }
        Entity::Tag => refuse_unless(&TAG_COMPARATORS, &comparator, || wrong(&TAG_COMPARATORS, ""))?,
        Entity::Metadata => refuse_unless(&TAG_COMPARATORS, &comparator, || wrong(&TAG_COMPARATORS, "'"))?,
        Entity::Span => check_span(&key, &comparator)?,
        Entity::Feedback | Entity::Expectation if key.is_empty() => {
            return Err(invalid("Assessment field name cannot be empty"));
        }
        Entity::Feedback | Entity::Expectation => refuse_unless(&TEXT_COMPARATORS, &comparator, || {
            let known = python::set(&TEXT_COMPARATORS);
            format!("assessment.{key} comparator '{comparator}' not one of '{known}'")
        })?,
    }
    let operator = Operator::from_name(&comparator)
        .ok_or_else(|| invalid(format!("Invalid comparator '{comparator}'")))?;
    let subject = match entity {
        Entity::Attribute => Subject::Attribute(key),
        Entity::Metadata if key == SOURCE_RUN && operator == Operator::Eq => Subject::Run,
        Entity::Metadata => Subject::Metadata(key),
        Entity::Tag if key == LINKED_PROMPTS => {
            check_prompt(operator, &comparator, &clause.value)?;
            Subject::Prompt
        }
        Entity::Tag => Subject::Tag(key),
        Entity::Span => match key.strip_prefix(SPAN_ATTRIBUTES) {
            Some(name) => Subject::SpanAttribute(name.to_owned()),
            None => Subject::Span(key),
        },
        Entity::Feedback => Subject::Feedback(key),
        Entity::Expectation => Subject::Expectation(key),
    };
    Ok(Condition { subject, operator, value: clause.value })
}

fn check_prompt(operator: Operator, comparator: &str, value: &Literal) -> api::Result<()> {
    if operator != Operator::Eq {
        return Err(invalid(format!(
            "Invalid comparator '{comparator}' for prompts filter. Only '=' is supported with format: prompt = \
             \"name/version\""
        )));
    }
    match value {
        Literal::Text(text) if text.matches('/').count() != 1 => Err(invalid(format!(
            "Invalid prompts filter value '{text}'. Expected format: prompt = \"name/version\""
        ))),
        _ => Ok(()),
    }
}

fn refuse_unless(allowed: &[&str], comparator: &str, message: impl FnOnce() -> String) -> api::Result<()> {
    if allowed.contains(&comparator) { Ok(()) } else { Err(invalid(message())) }
}
