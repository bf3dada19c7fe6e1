//! The groups of an order that begins with a metric (`metrics.auc DESC`).
//!
//! MLflow's order has three groups one after the other: runs where it is a number, where it is NaN, and where
//! there is none. Each is a statement of its own with an order of its own, and the next one is only read when those before do not
//! fill the page. So the best runs come straight out of an index on `latest_metrics (key, value)`, if there is one, and the rest out
//! of the one of the newest runs. Where the filter asks for the metric (`metrics.auc > 0.9`, by `metrics.auc DESC`), there is
//! no third group, and no second where the filter has no place for 0, which is what NaN is stored as; and the one join serves
//! filter and order. The other conditions become scalar subqueries there: PostgreSQL joins an EXISTS before it sorts, and takes
//! conditions on one run's rows for independent, so that it expects too few runs to stop early; planning those joins takes
//! longer than a small search does.

use super::filter::{Clause, Entity};
use super::operator::Operator;
use super::order::OrderBy;
use super::page_token::Start;
use super::runs::{is_on, value};
use crate::db::Value;

/// The part of the runs that one statement finds, by the metric that the order begins with (`s0`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// All of them: the order begins with something else.
    All,
    /// Those where it is a number, as all are that the filter leaves.
    NumbersAlone,
    Numbers,
    NotNumbers,
    /// Those without the metric.
    Nothing,
}

impl Group {
    /// Its place in MLflow's order.
    pub fn place(self) -> usize {
        match self {
            Self::All | Self::NumbersAlone | Self::Numbers => 0,
            Self::NotNumbers => 1,
            Self::Nothing => 2,
        }
    }

    pub fn has_metric(self) -> bool {
        matches!(self, Self::NumbersAlone | Self::Numbers | Self::NotNumbers)
    }
}

/// The groups there may be, one after the other.
pub(super) fn groups(orders: &[OrderBy], conditions: &[(&Clause, Operator)]) -> &'static [Group] {
    let Some(metric) = orders.first().filter(|order| order.entity == Entity::Metric) else {
        return &[Group::All];
    };
    let leaves_out_nan = |(clause, operator): &(&Clause, Operator)| match value(clause) {
        Ok(Value::Float(value)) => operator.compares(0.0, value) == Some(false),
        _ => false,
    };
    let mut asked = conditions.iter().filter(|(clause, _)| is_on(clause, metric)).peekable();
    if asked.peek().is_none() {
        &[Group::Numbers, Group::NotNumbers, Group::Nothing]
    } else if asked.any(leaves_out_nan) {
        &[Group::NumbersAlone]
    } else {
        &[Group::Numbers, Group::NotNumbers]
    }
}

/// Those groups that a page may have runs of: the last row's and what follows.
pub(super) fn groups_from(groups: &'static [Group], start: &Start) -> &'static [Group] {
    match start {
        Start::After(values) if groups.len() > 1 => {
            let before = groups.iter().filter(
                |group| matches!(values.first(), Some(Value::Int(place)) if *place > group.place() as i64),
            );
            // A token that was made up may name a group that there is not.
            &groups[before.count().min(groups.len() - 1)..]
        }
        _ => groups,
    }
}
