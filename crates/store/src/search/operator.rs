//! Comparators: which ones a clause may use, and what they are in SQL.
//!
//! Mirrors `SearchUtils.is_metric`, `is_param` and so on, which check the comparator while they ask for the type.

use super::filter::{Clause, Entity, Grammar};
use super::python;
use api::error::invalid;

/// A comparator that passed its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    ILike,
    RLike,
    In,
    NotIn,
}

const NUMERIC: [&str; 6] = ["!=", "<", "<=", "=", ">", ">="];
const STRING: [&str; 4] = ["!=", "=", "ILIKE", "LIKE"];
const STRING_OR_LIST: [&str; 6] = ["!=", "=", "ILIKE", "IN", "LIKE", "NOT IN"];

impl Operator {
    /// Reads a comparator written in capitals.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "=" => Self::Eq,
            "!=" => Self::Ne,
            "<" => Self::Lt,
            "<=" => Self::Le,
            ">" => Self::Gt,
            ">=" => Self::Ge,
            "LIKE" => Self::Like,
            "ILIKE" => Self::ILike,
            "RLIKE" => Self::RLike,
            "IN" => Self::In,
            "NOT IN" => Self::NotIn,
            _ => return None,
        })
    }

    /// Whether two numbers compare so; `None` for what only texts and lists are compared with.
    pub(super) fn compares(self, left: f64, right: f64) -> Option<bool> {
        let order = left.partial_cmp(&right)?;
        Some(match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            Self::Like | Self::ILike | Self::RLike | Self::In | Self::NotIn => return None,
        })
    }
}

/// The clause's operator, where `comparator` is its comparator in the case that counts.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`; the missing closing quotes in some of the messages are MLflow's.
pub fn check(grammar: &Grammar, clause: &Clause, comparator: &str) -> api::Result<Operator> {
    let numeric =
        clause.entity == Entity::Attribute && grammar.numeric_attributes.contains(&clause.key.as_str());
    let (allowed, printed, close): (&[&str], &[&str], _) = match clause.entity {
        Entity::Metric => (&NUMERIC, &NUMERIC, ""),
        Entity::Parameter => (&STRING, &STRING, "'"),
        Entity::Tag => (&STRING, &STRING, ""),
        Entity::Attribute if numeric => (&NUMERIC, &STRING_OR_LIST, ""),
        Entity::Attribute => (&STRING_OR_LIST, &STRING_OR_LIST, "'"),
        Entity::Dataset => (&STRING_OR_LIST, &STRING_OR_LIST, ""),
    };
    Operator::from_name(comparator).filter(|_| allowed.contains(&comparator)).ok_or_else(|| {
        let printed = python::set(printed);
        invalid(format!("Invalid comparator '{comparator}' not one of '{printed}{close}"))
    })
}
