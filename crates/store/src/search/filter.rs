//! Filters: `metrics.loss < 0.5 AND tags.team = 'a'` as a list of clauses, refused in MLflow's words.
//!
//! Mirrors `SearchUtils.parse_search_filter` and its overrides in `mlflow/utils/search_utils.py`. What differs between
//! the searchable entities is data in a [`Grammar`].

use super::lex::Lex;
use super::python;
use super::tree::{self, Head, Kind, Node};
use api::error::invalid;

/// What a name in a filter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Entity {
    Metric,
    Parameter,
    Tag,
    Attribute,
    Dataset,
}

/// One comparison of a filter. The comparator is as written; [`super::operator`] checks it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Clause {
    pub entity: Entity,
    pub key: String,
    pub comparator: String,
    pub value: Literal,
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A number as written.
    Number(String),
    /// A quoted text without its quotes; nothing inside is unescaped.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
}

/// The names one searchable entity knows. Sets are sorted as they are to be printed.
pub struct Grammar {
    /// The prefixes before the dot, and what they stand for.
    pub prefixes: &'static [(&'static str, Entity)],
    /// The rest of the message about a prefix that is not there, after the prefix.
    pub valid_prefixes: &'static str,
    /// Whether prefixes may stand in backticks.
    pub quoted_prefixes: bool,
    /// The attributes a filter may name.
    pub attributes: &'static [&'static str],
    /// Those of them that are numbers.
    pub numeric_attributes: &'static [&'static str],
    /// The attributes an `order_by` may name.
    pub order_attributes: &'static [&'static str],
    /// How clauses that are no comparisons are quoted in the message.
    pub clause_quote: &'static str,
}

/// A clause of the statement that is left after white space and `AND`.
pub(super) enum Part<'s> {
    /// A comparison: the whole text, and its pieces without white space.
    Comparison(&'s str, Vec<Piece<'s>>),
    /// Anything else.
    Other(Piece<'s>),
}

/// A node's kind and text.
#[derive(Clone, Copy)]
pub(super) struct Piece<'s> {
    pub kind: Kind,
    pub text: &'s str,
}

impl Entity {
    /// MLflow's name for it in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Parameter => "parameter",
            Self::Tag => "tag",
            Self::Attribute => "attribute",
            Self::Dataset => "dataset",
        }
    }
}

/// The attributes of a dataset that filters may name.
pub(super) const DATASET_ATTRIBUTES: [&str; 3] = ["context", "digest", "name"];

/// Parses a filter; an empty one has no clauses.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn parse(grammar: &Grammar, filter: &str) -> api::Result<Vec<Clause>> {
    let comparisons = comparisons(filter, grammar.clause_quote)?;
    comparisons.iter().map(|pieces| clause(grammar, pieces)).collect()
}

/// The comparisons of a filter, in pieces without white space; `clause_quote` is how clauses that are no comparisons are
/// quoted in the message about them.
pub(super) fn comparisons<'s>(filter: &'s str, clause_quote: &str) -> api::Result<Vec<Vec<Piece<'s>>>> {
    comparisons_among(filter, clause_quote, parts)
}

/// The same for filters of traces, where `timestamp` is a name.
pub(super) fn trace_comparisons(filter: &str) -> api::Result<Vec<Vec<Piece<'_>>>> {
    comparisons_among(filter, "'", trace_parts)
}

fn comparisons_among<'s>(
    filter: &'s str,
    clause_quote: &str,
    parts: fn(&[Node], &'s str) -> Vec<Part<'s>>,
) -> api::Result<Vec<Vec<Piece<'s>>>> {
    if filter.is_empty() {
        return Ok(vec![]);
    }
    let mut statements =
        tree::parse(filter).map_err(|_| invalid(format!("Error on parsing filter '{filter}'")))?;
    let statement = match (statements.pop(), statements.is_empty()) {
        (None, _) => return Err(invalid(format!("Invalid filter '{filter}'. Could not be parsed."))),
        (Some(statement), true) => statement,
        (Some(_), false) => {
            return Err(invalid(format!(
                "Search filter contained multiple expression {}. Provide AND-ed expression list.",
                python::repr(filter)
            )));
        }
    };
    let parts = parts(&statement, filter);
    let strangers: Vec<String> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Other(piece) if !piece.is_and() => {
                Some(format!("{clause_quote}{}{clause_quote}", piece.text))
            }
            _ => None,
        })
        .collect();
    if !strangers.is_empty() {
        return Err(invalid(format!("Invalid clause(s) in filter string: {}", strangers.join(", "))));
    }
    let comparison = |part| match part {
        Part::Comparison(_, pieces) => Some(pieces),
        Part::Other(_) => None,
    };
    Ok(parts.into_iter().filter_map(comparison).collect())
}

/// Reads `entity.key` or a bare attribute, and checks that it may be used where `attributes` are the ones that can.
pub(super) fn identifier(
    grammar: &Grammar,
    text: &str,
    attributes: &[&str],
) -> api::Result<(Entity, String)> {
    let (entity, key) = match text.split_once('.') {
        None => (Entity::Attribute, text),
        Some((prefix, key)) => (self::prefix(grammar, prefix)?, key),
    };
    let key = bare(key);
    let known: &[&str] = match entity {
        Entity::Attribute => attributes,
        Entity::Dataset => &DATASET_ATTRIBUTES,
        _ => return Ok((entity, key.to_owned())),
    };
    if !known.contains(&key) {
        let kind = entity.name();
        let known = python::set(known);
        return Err(invalid(format!("Invalid {kind} key '{key}' specified. Valid keys are '{known}'")));
    }
    Ok((entity, key.to_owned()))
}

/// The statement without white space, and with `a IN (..)` as one comparison: sqlparse leaves it in three pieces.
///
/// Mirrors `_join_in_comparison_tokens`, which walks on by four pieces when an identifier is not followed by a list.
pub(super) fn parts<'s>(statement: &[Node], source: &'s str) -> Vec<Part<'s>> {
    parts_with(statement, source, |_, _| None)
}

/// The same, with `timestamp > 1` as one comparison: sqlparse takes the name for that of a type, and leaves it in three
/// pieces. Where it is followed by something else, the name is said once more after that.
fn trace_parts<'s>(statement: &[Node], source: &'s str) -> Vec<Part<'s>> {
    parts_with(statement, source, |nodes, parts| {
        let [name, comparator, value, ..] = nodes else { return None };
        let [name, comparator, value] = [name, comparator, value].map(|node| node.head.piece(source));
        if !name.is_timestamp() {
            return None;
        }
        let is_number = value.kind == Kind::Leaf(Lex::Integer);
        if comparator.kind == Kind::Leaf(Lex::Comparison) && ORDERS.contains(&comparator.text) && is_number {
            let text = &source[nodes[0].head.start..nodes[2].head.end];
            parts.push(Part::Comparison(text, vec![name, comparator, value]));
        } else {
            parts.extend(nodes[..3].iter().map(|node| part(node, source)));
            parts.push(Part::Other(name));
        }
        Some(3)
    })
}

/// What two numbers can be compared with.
const ORDERS: [&str; 6] = ["!=", "<", "<=", "=", ">", ">="];

/// [`parts`], where `first` may take some of the nodes that are left before anything else, and says how many.
fn parts_with<'s>(
    statement: &[Node],
    source: &'s str,
    first: impl Fn(&[&Node], &mut Vec<Part<'s>>) -> Option<usize>,
) -> Vec<Part<'s>> {
    let nodes: Vec<&Node> = statement.iter().filter(|n| !n.head.is_blank()).collect();
    let mut parts = vec![];
    let mut i = 0;
    while i < nodes.len() {
        if let Some(taken) = first(&nodes[i..], &mut parts) {
            i += taken;
            continue;
        }
        let joined = match &nodes[i..] {
            [a, op, list, ..] if is_in(a, list, &[op], &["IN"], source) => {
                Some((vec![a.head.piece(source), op.head.piece(source), list.head.piece(source)], 3))
            }
            [a, not, op, list, ..] if is_in(a, list, &[not, op], &["NOT", "IN"], source) => {
                let op = Piece { kind: op.head.kind, text: "NOT IN" };
                Some((vec![a.head.piece(source), op, list.head.piece(source)], 4))
            }
            _ => None,
        };
        let taken = match joined {
            Some((pieces, taken)) => {
                let text = &source[nodes[i].head.start..nodes[i + taken - 1].head.end];
                parts.push(Part::Comparison(text, pieces));
                taken
            }
            None => {
                let skipped = if nodes[i].head.kind == Kind::Identifier { 4 } else { 1 };
                let skipped = skipped.min(nodes.len() - i);
                parts.extend(nodes[i..i + skipped].iter().map(|n| part(n, source)));
                skipped
            }
        };
        i += taken;
    }
    parts
}

impl Head {
    fn piece(self, source: &str) -> Piece<'_> {
        Piece { kind: self.kind, text: self.text(source) }
    }
}

impl Piece<'_> {
    /// The type name `timestamp`, in small letters.
    pub fn is_timestamp(&self) -> bool {
        self.kind == Kind::Leaf(Lex::Builtin) && self.text == "timestamp"
    }

    fn is_and(&self) -> bool {
        self.kind == Kind::Leaf(Lex::Keyword) && self.text.eq_ignore_ascii_case("AND")
    }
}

fn is_in(first: &Node, list: &Node, words: &[&&Node], expected: &[&str], source: &str) -> bool {
    first.head.kind == Kind::Identifier
        && list.head.kind == Kind::Parenthesis
        && words.iter().zip(expected).all(|(node, word)| node.head.is_keyword(source, word))
}

fn part<'s>(node: &Node, source: &'s str) -> Part<'s> {
    let piece = node.head.piece(source);
    if node.head.kind == Kind::Comparison {
        let pieces = node.children.iter().filter(|n| !n.head.is_blank()).map(|n| n.head.piece(source));
        Part::Comparison(piece.text, pieces.collect())
    } else {
        Part::Other(piece)
    }
}

fn clause(grammar: &Grammar, pieces: &[Piece]) -> api::Result<Clause> {
    let [name, comparator, value] = sides(pieces)?;
    let (entity, key) = identifier(grammar, name.text, grammar.attributes)?;
    let value = literal(grammar, entity, &key, value)?;
    Ok(Clause { entity, key, comparator: comparator.text.to_owned(), value })
}

/// The name, the comparator and the value of a comparison.
pub(super) fn sides<'s>(pieces: &[Piece<'s>]) -> api::Result<[Piece<'s>; 3]> {
    let [name, comparator, value] = *pieces else {
        return Err(invalid(format!("Invalid comparison clause. Expected 3 tokens found {}", pieces.len())));
    };
    if name.kind != Kind::Identifier {
        return Err(invalid(format!(
            "Invalid comparison clause. Expected 'Identifier' found '{}'",
            name.text
        )));
    }
    Ok([name, comparator, value])
}

fn prefix(grammar: &Grammar, prefix: &str) -> api::Result<Entity> {
    let bare = if grammar.quoted_prefixes { trim(prefix, '`').unwrap_or(prefix) } else { prefix };
    grammar
        .prefixes
        .iter()
        .find(|(name, _)| *name == bare)
        .map(|(_, entity)| *entity)
        .ok_or_else(|| invalid(format!("Invalid entity type '{bare}'. {}", grammar.valid_prefixes)))
}

/// Mirrors `SearchUtils._get_value`.
fn literal(grammar: &Grammar, entity: Entity, key: &str, value: Piece) -> api::Result<Literal> {
    let text = value.text;
    let is_number = matches!(value.kind, Kind::Leaf(Lex::Integer | Lex::Float));
    let is_text = matches!(value.kind, Kind::Leaf(Lex::Single) | Kind::Identifier);
    let is_list = value.kind == Kind::Parenthesis;
    let numeric_attribute = entity == Entity::Attribute && grammar.numeric_attributes.contains(&key);
    match entity {
        _ if is_number && (entity == Entity::Metric || numeric_attribute) => {
            Ok(Literal::Number(text.to_owned()))
        }
        Entity::Metric => Err(invalid(format!("Expected numeric value type for metric. Found {text}"))),
        Entity::Attribute if numeric_attribute => {
            Err(invalid(format!("Expected numeric value type for numeric attribute: {key}. Found {text}")))
        }
        _ if is_text => quoted(text),
        Entity::Parameter | Entity::Tag => Err(invalid(format!(
            "Expected a quoted string value for {} (e.g. 'my-value'). Got value {text}",
            entity.name()
        ))),
        Entity::Attribute if is_list && key != "run_id" => Err(invalid(
            "Only the 'run_id' attribute supports comparison with a list of quoted string values.",
        )),
        Entity::Attribute | Entity::Dataset if is_list => texts(text),
        Entity::Attribute => {
            Err(invalid(format!("Expected a quoted string value for attributes. Got value {text}")))
        }
        Entity::Dataset => {
            Err(invalid(format!("Expected a quoted string value for dataset attributes. Got value {text}")))
        }
    }
}

/// A text between quotes.
pub(super) fn quoted(text: &str) -> api::Result<Literal> {
    match trim_quotes(text) {
        Some(inner) => Ok(Literal::Text(inner.to_owned())),
        None => Err(invalid(format!(
            "Parameter value is either not quoted or unidentified quote types used for string value {text}. \
             Use either single or double quotes."
        ))),
    }
}

/// Mirrors `_parse_list_from_sql_token`. MLflow then drops every item that is not in lower case (`_parse_run_ids`), which
/// makes no difference to run ids and loses data sets whose names have capitals; here all are kept.
pub(super) fn texts(text: &str) -> api::Result<Literal> {
    match python::tuple(text) {
        python::Literal::Texts(items) if items.is_empty() => Err(invalid(
            "While parsing a list in the query, expected a non-empty list of string values, but got empty list",
        )),
        python::Literal::Texts(items) => Ok(Literal::Texts(items)),
        python::Literal::Mixed(shown) => Err(invalid(format!(
            "While parsing a list in the query, expected string value, punctuation, or whitespace, but got different \
             type in list: {shown}"
        ))),
        python::Literal::Malformed => Err(invalid(
            "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.",
        )),
    }
}

/// A key without the quotes or backticks around it.
pub(super) fn bare(key: &str) -> &str {
    let key = trim_quotes(key).unwrap_or(key);
    trim(key, '`').unwrap_or(key)
}

/// What stands between quotes of one kind.
fn trim_quotes(text: &str) -> Option<&str> {
    trim(text, '\'').or_else(|| trim(text, '"'))
}

fn trim(text: &str, quote: char) -> Option<&str> {
    text.strip_prefix(quote)?.strip_suffix(quote)
}
