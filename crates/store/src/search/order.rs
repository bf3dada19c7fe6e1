//! `order_by` clauses: `metrics.loss DESC`, `start_time`.
//!
//! Mirrors `SearchUtils._parse_order_by_string`, which lets sqlparse find the words and `shlex` split them.

use super::filter::{Entity, Grammar, identifier};
use super::lex::Lex;
use super::tree::{self, Kind, Node};
use api::error::invalid;

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct OrderBy {
    pub entity: Entity,
    pub key: String,
    pub ascending: bool,
}

/// Parses one `order_by` clause.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn parse(grammar: &Grammar, order_by: &str) -> api::Result<OrderBy> {
    let (name, ascending) = name_and_direction(order_by)?;
    let (entity, key) = identifier(grammar, &name, grammar.order_attributes)?;
    Ok(OrderBy { entity, key, ascending })
}

/// The name in an `order_by` clause, as it is written, and whether it ascends.
pub(super) fn name_and_direction(order_by: &str) -> api::Result<(String, bool)> {
    let unparsable = || invalid(format!("Invalid order_by clause '{order_by}'. Could not be parsed."));
    let mut statements = tree::parse(order_by)
        .map_err(|_| invalid(format!("Error on parsing order_by clause '{order_by}'")))?;
    let statement = statements.pop().filter(|_| statements.is_empty()).ok_or_else(unparsable)?;
    let column = column(&statement, order_by).ok_or_else(unparsable)?;
    let words = split(&column.replace('`', "\"")).ok_or_else(unparsable)?;
    let (name, ascending) = match words.as_slice() {
        [] | [_] => (column.as_str(), true),
        [name, direction] => match direction.to_lowercase().as_str() {
            "asc" => (name.as_str(), true),
            "desc" => (name.as_str(), false),
            _ => {
                return Err(invalid(format!("Invalid ordering key in order_by clause '{order_by}'.")));
            }
        },
        _ => return Err(unparsable()),
    };
    Ok((name.trim().to_owned(), ascending))
}

/// The clause's text if it is one identifier. `timestamp` is a type in SQL and gets a pass of its own.
fn column(statement: &[Node], source: &str) -> Option<String> {
    let is_timestamp =
        |n: &Node| n.head.kind == Kind::Leaf(Lex::Builtin) && n.head.text(source) == "timestamp";
    match statement {
        [only] if only.head.kind == Kind::Identifier => Some(only.head.text(source).to_owned()),
        [only] if is_timestamp(only) => Some("timestamp".to_owned()),
        [first, blanks @ .., last]
            if is_timestamp(first)
                && blanks.iter().all(|n| n.head.is_blank())
                && last.head.kind == Kind::Leaf(Lex::Order) =>
        {
            Some(format!("timestamp {}", last.head.text(source)))
        }
        _ => None,
    }
}

/// Python's `shlex.split`; `None` when a quote is not closed, which MLflow answers with an internal error.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => word.get_or_insert_default().push_str(&until(&mut chars, '\'', false)?),
            '"' => word.get_or_insert_default().push_str(&until(&mut chars, '"', true)?),
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

fn until(chars: &mut std::str::Chars, quote: char, escapes: bool) -> Option<String> {
    let mut out = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(out),
            '\\' if escapes => match chars.next()? {
                c @ ('"' | '\\') => out.push(c),
                c => out.extend(['\\', c]),
            },
            c => out.push(c),
        }
    }
}
