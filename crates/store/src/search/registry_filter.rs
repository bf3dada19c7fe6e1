//! Filters of the model registry: registered models and their versions.
//!
//! Mirrors `SearchModelUtils` and `SearchModelVersionUtils`, which differ from the other searches in small ways: attributes
//! are not taken out of their quotes, comparators are put in capitals, and prompts are left out unless asked for.

use super::Sql;
use super::filter::{self, Clause, Entity, Literal, Piece};
use super::lex::Lex;
use super::operator::Operator;
use super::python;
use super::tree::Kind;
use crate::db::Value;
use api::IS_PROMPT;
use api::error::invalid;

/// The attributes that a filter may name. Sets are sorted as they are to be printed.
pub(super) struct Attributes {
    /// All of them.
    pub names: &'static [&'static str],
    /// Those of them, and of those in orders, that are numbers; empty where numbers are refused altogether.
    pub numeric: &'static [&'static str],
}

/// Parses a filter; an empty one has no clauses. Comparators are not checked yet.
pub(super) fn parse(attributes: &Attributes, filter: &str) -> api::Result<Vec<Clause>> {
    let comparisons = filter::comparisons(filter, "")?;
    comparisons.iter().map(|pieces| clause(attributes, pieces)).collect()
}

fn clause(attributes: &Attributes, pieces: &[Piece]) -> api::Result<Clause> {
    let [name, comparator, value] = filter::sides(pieces)?;
    let (entity, key) = identifier(name.text, attributes.names)?;
    let value = match entity {
        Entity::Tag => tag_value(value)?,
        _ => attribute_value(attributes, &key, value)?,
    };
    Ok(Clause { entity, key, comparator: comparator.text.to_uppercase(), value })
}

/// An attribute is compared with the known ones as it is written, so that it cannot stand in quotes.
fn identifier(text: &str, attributes: &[&str]) -> api::Result<(Entity, String)> {
    let (entity, key) = match text.split_once('.') {
        None | Some(("attribute", _)) => {
            (Entity::Attribute, text.split_once('.').map_or(text, |(_, key)| key))
        }
        Some(("tag" | "tags", key)) => (Entity::Tag, key),
        Some((prefix, _)) => {
            return Err(invalid(format!(
                "Invalid entity type '{prefix}'. Valid entity types are ('attribute', 'tag', 'tags')"
            )));
        }
    };
    if entity == Entity::Attribute && !attributes.contains(&key) {
        let known = python::set(attributes);
        return Err(invalid(format!("Invalid attribute key '{key}' specified. Valid keys are '{known}'")));
    }
    Ok((entity, filter::bare(key).to_owned()))
}

fn is_text(value: Piece) -> bool {
    matches!(value.kind, Kind::Leaf(Lex::Single) | Kind::Identifier)
}

fn tag_value(value: Piece) -> api::Result<Literal> {
    if is_text(value) {
        return filter::quoted(value.text);
    }
    Err(invalid(format!(
        "Expected a quoted string value for tag (e.g. 'my-value'). Got value {}",
        value.text
    )))
}

fn attribute_value(attributes: &Attributes, key: &str, value: Piece) -> api::Result<Literal> {
    match value.kind {
        _ if is_text(value) => filter::quoted(value.text),
        Kind::Parenthesis if key == "run_id" => filter::texts(value.text),
        Kind::Parenthesis => Err(invalid(
            "Only the 'run_id' attribute supports comparison with a list of quoted string values.",
        )),
        Kind::Leaf(Lex::Integer | Lex::Float) if attributes.numeric.contains(&key) => {
            Ok(Literal::Number(value.text.to_owned()))
        }
        Kind::Leaf(Lex::Integer | Lex::Float) if !attributes.numeric.is_empty() => Err(invalid(format!(
            "Only the '{}' attributes support comparison with numeric values.",
            python::set(attributes.numeric)
        ))),
        _ => Err(invalid(format!(
            "Expected a quoted string value or a list of quoted string values for attributes. Got value {}",
            value.text
        ))),
    }
}

/// The comparator of a clause about a tag, or about a text that may not be compared with a list.
pub(super) fn text_operator(clause: &Clause) -> api::Result<Operator> {
    let operator = Operator::from_name(&clause.comparator);
    operator
        .filter(|op| matches!(op, Operator::Eq | Operator::Ne | Operator::Like | Operator::ILike))
        .ok_or_else(|| {
            invalid(format!("Invalid comparator for {}: {}", clause.entity.name(), clause.comparator))
        })
}

/// Whether a search asks for prompts, and so gets nothing else. Else it gets no prompts, and what it says of their tag does not
/// count. The first clause about the tag decides.
pub(super) fn asks_for_prompts<'c>(clauses: impl IntoIterator<Item = &'c Clause>) -> bool {
    let first = clauses.into_iter().find(|clause| is_about_prompts(clause));
    first.is_some_and(|clause| match (&clause.value, clause.comparator.as_str()) {
        (Literal::Text(value), "=") => value.eq_ignore_ascii_case("true"),
        (Literal::Text(value), "!=") => value.eq_ignore_ascii_case("false"),
        _ => false,
    })
}

/// Whether a clause is about the tag that makes a prompt.
fn is_about_prompts(clause: &Clause) -> bool {
    clause.entity == Entity::Tag && clause.key == IS_PROMPT
}

/// Where the tags of something are.
pub(super) struct Tags {
    /// The inner query, up to the comparison of the key.
    pub exists: &'static str,
    /// The whole condition that it is no prompt.
    pub no_prompt: &'static str,
}

/// Appends the conditions about tags, and that there are no prompts if none are asked for.
pub(super) fn write_tags(
    sql: &mut Sql,
    tags: &Tags,
    clauses: &[(Clause, Operator)],
    prompts: bool,
) -> api::Result<()> {
    if !prompts {
        sql.push(" AND ").push(tags.no_prompt);
    }
    for (clause, operator) in clauses.iter().filter(|(clause, _)| clause.entity == Entity::Tag) {
        if !prompts && is_about_prompts(clause) {
            continue;
        }
        sql.push(" AND ").push(tags.exists).bind(clause.key.as_str()).push(" AND ");
        sql.compare("f.value", *operator, text(clause))?.push(")");
    }
    Ok(())
}

/// The value of a clause that is compared with texts.
pub(super) fn text(clause: &Clause) -> Value {
    match &clause.value {
        Literal::Number(text) | Literal::Text(text) => text.as_str().into(),
        Literal::Texts(texts) => Value::Texts(texts.clone()),
    }
}

/// How many results a page may have.
pub(super) fn check_max_results(max_results: i64, most: i64) -> api::Result<()> {
    match max_results {
        ..1 => Err(invalid(format!(
            "Invalid value for max_results. It must be a positive integer, but got {max_results}"
        ))),
        n if n > most => Err(invalid(format!(
            "Invalid value for request parameter max_results. It must be at most {most}, but got value {n}"
        ))),
        _ => Ok(()),
    }
}
