//! The passes that join a middle node with its neighbours (`a . b`, `a = b`), as data for [`super::tree`].
//!
//! Which kinds of neighbours each accepts is sqlparse's choice (`sqlparse/engine/grouping.py`).

use super::lex::Lex;
use super::tree::{Head, Kind};

/// Which nodes a join takes besides the one in the middle.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    Both,
    Before,
    After,
    /// Both when what follows a period can be a name, else only the one before.
    Period,
}

/// A pass that joins a middle node with its neighbours.
pub(super) struct Join {
    pub kind: Kind,
    pub middle: fn(Head, &str) -> bool,
    pub before: fn(Head, &str) -> bool,
    pub after: fn(Option<Head>, &str) -> bool,
    pub reach: Reach,
    /// A group of the same kind before the middle grows instead of being wrapped.
    pub extend: bool,
    pub recurse: bool,
}

pub(super) const PERIOD: Join = Join {
    kind: Kind::Identifier,
    middle: |h, s| {
        matches!(
            (h.kind, h.text(s)),
            (Kind::Leaf(Lex::Punctuation), ".") | (Kind::Leaf(Lex::Operator), "->" | "->>")
        )
    },
    before: |h, _| is_nameable(h) || matches!(h.kind, Kind::Brackets),
    after: |_, _| true,
    reach: Reach::Period,
    extend: true,
    recurse: true,
};

pub(super) const ARRAY: Join = Join {
    kind: Kind::Identifier,
    middle: |h, _| h.kind == Kind::Brackets,
    before: |h, _| is_nameable(h) || matches!(h.kind, Kind::Brackets | Kind::Function),
    after: |_, _| true,
    reach: Reach::Before,
    extend: true,
    recurse: false,
};

pub(super) const TYPECAST: Join = Join {
    kind: Kind::Identifier,
    middle: |h, s| h.kind == Kind::Leaf(Lex::Punctuation) && h.text(s) == "::",
    before: |_, _| true,
    after: |h, _| h.is_some(),
    reach: Reach::Both,
    extend: true,
    recurse: true,
};

pub(super) const TYPED_LITERAL: Join = Join {
    kind: Kind::TypedLiteral,
    middle: |h, _| h.kind == Kind::Leaf(Lex::Builtin),
    before: |_, _| true,
    after: |h, _| h.is_some_and(|h| h.kind == Kind::Leaf(Lex::Single)),
    reach: Reach::After,
    extend: false,
    recurse: true,
};

pub(super) const OPERATOR: Join = Join {
    kind: Kind::Operation,
    middle: |h, _| matches!(h.kind, Kind::Leaf(Lex::Operator | Lex::Wildcard)),
    before: |h, _| is_value(h) || h.kind == Kind::Brackets,
    after: |h, _| h.is_some_and(|h| is_value(h) || h.kind == Kind::Brackets),
    reach: Reach::Both,
    extend: false,
    recurse: true,
};

pub(super) const COMPARISON: Join = Join {
    kind: Kind::Comparison,
    middle: |h, _| h.kind == Kind::Leaf(Lex::Comparison),
    before: |h, s| is_value(h) || h.is_keyword(s, "NULL"),
    after: |h, s| h.is_some_and(|h| is_value(h) || h.is_keyword(s, "NULL")),
    reach: Reach::Both,
    extend: false,
    recurse: true,
};

pub(super) const AS: Join = Join {
    kind: Kind::Identifier,
    middle: |h, s| h.is_keyword(s, "AS"),
    before: |h, s| !matches!(h.kind, Kind::Leaf(Lex::Keyword | Lex::Order)) || h.is_keyword(s, "NULL"),
    after: |h, _| h.is_some(),
    reach: Reach::Both,
    extend: true,
    recurse: true,
};

pub(super) const ASSIGNMENT: Join = Join {
    kind: Kind::Assignment,
    middle: |h, _| h.kind == Kind::Leaf(Lex::Assignment),
    before: |h, _| h.kind != Kind::Leaf(Lex::Keyword),
    after: |h, _| h.is_some_and(|h| h.kind != Kind::Leaf(Lex::Keyword)),
    reach: Reach::Both,
    extend: true,
    recurse: true,
};

pub(super) const LIST: Join = Join {
    kind: Kind::IdentifierList,
    middle: |h, s| h.kind == Kind::Leaf(Lex::Punctuation) && h.text(s) == ",",
    before: |h, _| is_listable(h),
    after: |h, _| h.is_some_and(is_listable),
    reach: Reach::Both,
    extend: true,
    recurse: true,
};

pub(super) fn is_number(h: Head) -> bool {
    matches!(h.kind, Kind::Leaf(Lex::Integer | Lex::Float | Lex::Hexadecimal))
}

fn is_nameable(h: Head) -> bool {
    matches!(h.kind, Kind::Identifier | Kind::Leaf(Lex::Name | Lex::Symbol))
}

pub(super) fn is_member(h: Head) -> bool {
    matches!(
        h.kind,
        Kind::Brackets | Kind::Function | Kind::Leaf(Lex::Name | Lex::Symbol | Lex::Wildcard | Lex::Single)
    )
}

fn is_value(h: Head) -> bool {
    matches!(
        h.kind,
        Kind::Parenthesis
            | Kind::Function
            | Kind::Identifier
            | Kind::Operation
            | Kind::TypedLiteral
            | Kind::Leaf(
                Lex::Integer | Lex::Float | Lex::Single | Lex::Symbol | Lex::Name | Lex::Placeholder
            )
    )
}

fn is_listable(h: Head) -> bool {
    matches!(
        h.kind,
        Kind::Comparison | Kind::IdentifierList | Kind::Leaf(Lex::Keyword | Lex::Comment | Lex::Wildcard)
    ) || (is_value(h) && !matches!(h.kind, Kind::Parenthesis | Kind::TypedLiteral))
}
