//! The filters of logged models, which MLflow reads with a parser of their own.
//!
//! Mirrors `mlflow/utils/search_logged_model_utils.py`: prefixes are exact and plural, comparators in words in capitals,
//! only single quotes delimit a value. What that parser fails at (a word where a number belongs, an unknown attribute) is
//! INVALID_PARAMETER_VALUE here.

use super::filter::{Part, parts};
use super::operator::Operator;
use super::sort::KeyKind;
use super::{float, python, tree};
use crate::db::Value;
use api::Error;
use api::error::invalid;

/// What a name in the filter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntityType {
    Attribute,
    Metric,
    Param,
    Tag,
}

/// One comparison of the filter.
#[derive(Debug)]
pub(super) struct Comparison {
    pub entity: EntityType,
    pub key: String,
    pub operator: Operator,
    pub value: Operand,
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Number(f64),
    Text(String),
    Texts(Vec<String>),
}

impl From<Operand> for Value {
    fn from(operand: Operand) -> Self {
        match operand {
            Operand::Number(x) => Self::Float(x),
            Operand::Text(s) => Self::Text(s),
            Operand::Texts(items) => Self::Texts(items),
        }
    }
}

impl EntityType {
    const ALL: [Self; 4] = [Self::Attribute, Self::Metric, Self::Param, Self::Tag];

    /// The prefix in filters.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Attribute => "attributes",
            Self::Metric => "metrics",
            Self::Param => "params",
            Self::Tag => "tags",
        }
    }
}

/// Parses a filter; an empty one has no comparisons.
pub(super) fn parse(filter: &str) -> api::Result<Vec<Comparison>> {
    if filter.is_empty() {
        return Ok(vec![]);
    }
    let shown = || python::repr(filter);
    let statements = tree::parse(filter)
        .map_err(|e| invalid(format!("Invalid filter string: {}. SQLParseError('{e}')", shown())))?;
    let [statement] = statements.as_slice() else {
        return Err(invalid(format!(
            "Invalid filter string: {}. Expected a single SQL expression.",
            shown()
        )));
    };
    let mut comparisons = vec![];
    for part in parts(statement, filter) {
        match part {
            Part::Comparison(text, pieces) => {
                let [name, operator, value] = pieces.as_slice() else {
                    return Err(invalid(format!(
                        "Invalid comparison: {text}. Expected a comparison with 3 tokens."
                    )));
                };
                comparisons.push(comparison(name.text, operator.text, value.text)?);
            }
            Part::Other(piece) if piece.text.trim().eq_ignore_ascii_case("AND") => {}
            Part::Other(_) => {
                return Err(invalid(format!(
                    "Invalid filter string: {}. Expected a list of comparisons separated by 'AND' \
                     (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01').",
                    shown()
                )));
            }
        }
    }
    let misplaced = |c: &&Comparison| {
        matches!(c.value, Operand::Texts(_)) != matches!(c.operator, Operator::In | Operator::NotIn)
    };
    match comparisons.iter().find(misplaced) {
        Some(c) => Err(invalid(format!(
            "Invalid comparison of {}.{}: lists of values go with the comparators IN and NOT IN.",
            c.entity.prefix(),
            c.key
        ))),
        None => Ok(comparisons),
    }
}

/// The column of an attribute, under MLflow's names and its aliases.
pub(super) fn column(attribute: &str) -> Option<(&'static str, KeyKind)> {
    Some(match attribute {
        "model_id" => ("m.model_id", KeyKind::Text),
        "experiment_id" => ("m.experiment_id", KeyKind::Int),
        "name" => ("m.name", KeyKind::Text),
        "artifact_location" => ("m.artifact_location", KeyKind::Text),
        "creation_time" | "creation_timestamp" | "creation_timestamp_ms" => {
            ("m.creation_timestamp_ms", KeyKind::Int)
        }
        "last_updated_timestamp" | "last_updated_timestamp_ms" => {
            ("m.last_updated_timestamp_ms", KeyKind::Int)
        }
        "status" => ("m.status", KeyKind::Int),
        "lifecycle_stage" => ("m.lifecycle_stage", KeyKind::Text),
        "model_type" => ("m.model_type", KeyKind::Text),
        "source_run_id" => ("m.source_run_id", KeyKind::Text),
        "status_message" => ("m.status_message", KeyKind::Text),
        _ => return None,
    })
}

/// The message about an attribute that is no column. MLflow fails looking for one.
pub(super) fn unknown_attribute(key: &str) -> Error {
    const KNOWN: [&str; 10] = [
        "artifact_location",
        "creation_timestamp",
        "experiment_id",
        "last_updated_timestamp",
        "model_id",
        "model_type",
        "name",
        "source_run_id",
        "status",
        "status_message",
    ];
    invalid(format!("Invalid attribute key '{key}' specified. Valid keys are '{}'", python::set(&KNOWN)))
}

/// The integer a quoted text stands for: a status by its name or number, an experiment id.
pub(super) fn integer(column: &str, text: &str) -> api::Result<i64> {
    let status = match text {
        "UNSPECIFIED" | "LOGGED_MODEL_STATUS_UNSPECIFIED" => Some(0),
        "PENDING" | "LOGGED_MODEL_PENDING" => Some(1),
        "READY" | "LOGGED_MODEL_READY" => Some(2),
        "FAILED" | "LOGGED_MODEL_UPLOAD_FAILED" => Some(3),
        _ => None,
    };
    let status = status.filter(|_| column == "m.status");
    status.or_else(|| text.parse().ok()).ok_or_else(|| {
        invalid(format!("Invalid value {} for the attribute {}.", python::repr(text), &column[2..]))
    })
}

/// Mirrors `Entity.from_str`, `Entity.validate_op` and the reading of values in `parse_filter_string`.
fn comparison(name: &str, operator: &str, value: &str) -> api::Result<Comparison> {
    let (entity, key) = entity(name)?;
    let numeric = entity == EntityType::Metric
        || (entity == EntityType::Attribute
            && matches!(column(&key), Some(("m.creation_timestamp_ms" | "m.last_updated_timestamp_ms", _))));
    let allowed: &[Operator] = match numeric {
        true => &[Operator::Lt, Operator::Le, Operator::Gt, Operator::Ge, Operator::Eq, Operator::Ne],
        false => {
            &[Operator::Eq, Operator::Ne, Operator::Like, Operator::ILike, Operator::In, Operator::NotIn]
        }
    };
    let Some(checked) = Operator::from_name(operator).filter(|op| allowed.contains(op)) else {
        return Err(invalid(format!(
            "Invalid comparison operator for {}.{key}: {}. Expected one of \
             ('=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN').",
            entity.prefix(),
            python::repr(operator)
        )));
    };
    let value = if numeric {
        Operand::Number(float(value)?)
    } else if value.starts_with('(') {
        texts(value)?
    } else {
        Operand::Text(value.trim_matches('\'').to_owned())
    };
    Ok(Comparison { entity, key, operator: checked, value })
}

fn entity(name: &str) -> api::Result<(EntityType, String)> {
    // MLflow's pattern is `^([a-z]+)\.(.+)$`; what does not fit is an attribute with a dot in its name.
    let split = name.split_once('.').filter(|(prefix, key)| {
        !prefix.is_empty()
            && prefix.bytes().all(|b| b.is_ascii_lowercase())
            && !key.is_empty()
            && !key.contains('\n')
    });
    let Some((prefix, key)) = split else {
        let name = match name {
            "creation_time" | "creation_timestamp" => "creation_timestamp_ms",
            "last_updated_timestamp" => "last_updated_timestamp_ms",
            name => name,
        };
        return Ok((EntityType::Attribute, name.trim_matches('`').to_owned()));
    };
    let entity = EntityType::ALL.into_iter().find(|e| e.prefix() == prefix).ok_or_else(|| {
        invalid(format!(
            "Invalid entity type: {}. Expected one of ['attributes', 'metrics', 'params', 'tags'].",
            python::repr(prefix)
        ))
    })?;
    Ok((entity, key.trim_matches('`').to_owned()))
}

fn texts(value: &str) -> api::Result<Operand> {
    match python::tuple(value) {
        python::Literal::Texts(items) => Ok(Operand::Texts(items)),
        python::Literal::Mixed(_) | python::Literal::Malformed => {
            Err(invalid(format!("Invalid list {value}. Expected a list of quoted string values.")))
        }
    }
}
