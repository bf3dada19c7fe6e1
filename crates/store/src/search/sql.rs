//! SQL under construction: literals of the program and bound values, nothing else.

use super::operator::Operator;
use crate::db::{Dialect, Value};
use api::error::invalid;

/// A statement's text with its arguments. Only `&'static str` and numbers become text, so what a client sends can only
/// become an argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Sql {
    /// The text, with `$1, $2, ..` numbered in order of first use.
    pub text: String,
    /// The values of `$1, $2, ..`.
    pub args: Vec<Value>,
    dialect: Dialect,
}

/// The number of a bound value, to use it again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Param(usize);

impl Sql {
    /// An empty statement for one engine.
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { text: String::new(), args: vec![], dialect }
    }

    /// Appends a part of the statement.
    pub(super) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.text.push_str(sql);
        self
    }

    /// Appends a number, as in the alias `s1`.
    pub(super) fn push_number(&mut self, n: usize) -> &mut Self {
        self.text.push_str(&n.to_string());
        self
    }

    /// Appends `$n` for a new value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.bind_param(value.into());
        self
    }

    /// Appends `$n` for a new value that is used again.
    pub(super) fn bind_param(&mut self, value: Value) -> Param {
        self.args.push(value);
        let param = Param(self.args.len());
        self.again(param);
        param
    }

    /// Appends the `$n` of a value bound before.
    pub(super) fn again(&mut self, param: Param) -> &mut Self {
        self.push("$").push_number(param.0)
    }

    /// Appends `column = ANY(..)` or what the engine has for it; one value is compared without a list, which lets both
    /// planners use the order of an index behind it.
    pub(super) fn is_one_of(&mut self, column: &'static str, mut values: Vec<i64>) -> &mut Self {
        if values.len() == 1 {
            return self.push(column).push(" = ").bind(values.remove(0));
        }
        self.list(column, self.dialect.is_among(), Value::Ints(values))
    }

    /// Appends `column comparator value`.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` for a pattern the engine would refuse, or a list where a single value belongs.
    pub(super) fn compare(
        &mut self,
        column: &'static str,
        operator: Operator,
        value: Value,
    ) -> api::Result<&mut Self> {
        let is_list = matches!(value, Value::Texts(_) | Value::Ints(_));
        if is_list != matches!(operator, Operator::In | Operator::NotIn) {
            return Err(invalid("Lists of values can only be used with the comparators IN and NOT IN."));
        }
        if let (Operator::Like | Operator::ILike, Value::Text(pattern)) = (operator, &value)
            && !self.dialect.accepts_pattern(pattern)
        {
            return Err(invalid("LIKE pattern must not end with escape character"));
        }
        if let (Operator::RLike, Value::Text(pattern)) = (operator, &value) {
            self.dialect.check_regex(pattern)?;
        }
        let plain = match operator {
            Operator::Eq => " = ",
            Operator::Ne => " <> ",
            Operator::Lt => " < ",
            Operator::Le => " <= ",
            Operator::Gt => " > ",
            Operator::Ge => " >= ",
            Operator::Like => " LIKE ",
            Operator::RLike => self.dialect.matches_regex(),
            Operator::ILike => {
                let (before, between, after) = self.dialect.like_without_case();
                return Ok(self.push(before).push(column).push(between).bind(value).push(after));
            }
            Operator::In => return Ok(self.list(column, self.dialect.is_among(), value)),
            Operator::NotIn => return Ok(self.list(column, self.dialect.is_not_among(), value)),
        };
        Ok(self.push(column).push(plain).bind(value))
    }

    fn list(
        &mut self,
        column: &'static str,
        around: (&'static str, &'static str),
        values: Value,
    ) -> &mut Self {
        self.push(column).push(around.0).bind(values).push(around.1)
    }
}
