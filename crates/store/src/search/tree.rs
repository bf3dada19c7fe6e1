//! Lexemes grouped into the tree that MLflow's parsers walk: sqlparse's identifiers, comparisons, parentheses and lists.
//!
//! sqlparse groups in passes over the flat list, each pass joining neighbours around a middle token. The passes and their
//! order decide which inputs MLflow accepts (`a > 1 b > 2` is, `a > 1 b` is not), so they are repeated here; those for
//! SQL's blocks, casts with time zones and window functions are left out.

use super::joins::{self, Join, Reach, is_member, is_number};
use super::lex::{Lex, MAX_LEXEMES, lex};

/// sqlparse gives up on deeper trees (`MAX_GROUPING_DEPTH`).
const MAX_DEPTH: usize = 100;

/// What a node of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf(Lex),
    Identifier,
    Comparison,
    Function,
    Parenthesis,
    Brackets,
    Operation,
    TypedLiteral,
    Assignment,
    IdentifierList,
    Comment,
    Where,
}

/// A kind and the part of the text it covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// A node: a leaf, or a group of nodes.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub head: Head,
    pub children: Vec<Node>,
}

/// The input is more than sqlparse accepts; in sqlparse's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooComplex {
    #[error("Maximum grouping depth exceeded ({MAX_DEPTH}).")]
    Deep,
    #[error("Maximum number of tokens exceeded ({MAX_LEXEMES}).")]
    Long,
}

/// The statements of `text`; usually one, none when it is blank, several around `;`.
pub(super) fn parse(text: &str) -> Result<Vec<Vec<Node>>, TooComplex> {
    let mut statements = statements(text)?;
    for nodes in &mut statements {
        Grouping { text }.run(nodes)?;
    }
    Ok(statements)
}

impl Head {
    /// The text this node covers.
    pub fn text(self, source: &str) -> &str {
        &source[self.start..self.end]
    }

    /// White space or a line break.
    pub fn is_blank(self) -> bool {
        matches!(self.kind, Kind::Leaf(Lex::Whitespace | Lex::Newline))
    }

    /// A keyword that reads `word`, which is given in capitals.
    pub fn is_keyword(self, source: &str, word: &str) -> bool {
        self.kind == Kind::Leaf(Lex::Keyword) && self.text(source).eq_ignore_ascii_case(word)
    }

    fn is_group(self) -> bool {
        !matches!(self.kind, Kind::Leaf(_))
    }
}

fn statements(text: &str) -> Result<Vec<Vec<Node>>, TooComplex> {
    let mut all = vec![];
    let mut nodes = vec![];
    let mut level = 0;
    let mut ended = false;
    for lexeme in lex(text).ok_or(TooComplex::Long)? {
        if ended && !matches!(lexeme.kind, Lex::Whitespace | Lex::Comment) {
            all.push(std::mem::take(&mut nodes));
            (level, ended) = (0, false);
        }
        if lexeme.kind == Lex::Punctuation {
            match &text[lexeme.start..lexeme.end] {
                "(" => level += 1,
                ")" => level -= 1,
                ";" if level <= 0 => ended = true,
                _ => {}
            }
        }
        let head = Head { kind: Kind::Leaf(lexeme.kind), start: lexeme.start, end: lexeme.end };
        nodes.push(Node { head, children: vec![] });
    }
    if !nodes.iter().all(|n| n.head.is_blank()) {
        all.push(nodes);
    }
    Ok(all)
}

struct Grouping<'s> {
    text: &'s str,
}

type Pass = Result<(), TooComplex>;

impl Grouping<'_> {
    fn run(&self, nodes: &mut Vec<Node>) -> Pass {
        self.comments(nodes);
        self.delimited(nodes, Kind::Brackets, "[", "]", 0)?;
        self.delimited(nodes, Kind::Parenthesis, "(", ")", 0)?;
        self.everywhere(nodes, Some(Kind::Function), 0, &Self::functions)?;
        self.everywhere(nodes, Some(Kind::Where), 0, &Self::where_clauses)?;
        self.join(nodes, None, &joins::PERIOD, 0)?;
        self.join(nodes, None, &joins::ARRAY, 0)?;
        self.everywhere(nodes, Some(Kind::Identifier), 0, &Self::identifiers)?;
        self.everywhere(nodes, Some(Kind::Identifier), 0, &Self::orders)?;
        self.join(nodes, None, &joins::TYPECAST, 0)?;
        self.join(nodes, None, &joins::TYPED_LITERAL, 0)?;
        self.join(nodes, None, &joins::OPERATOR, 0)?;
        self.join(nodes, None, &joins::COMPARISON, 0)?;
        self.join(nodes, None, &joins::AS, 0)?;
        self.everywhere(nodes, None, 0, &Self::aliases)?;
        self.join(nodes, None, &joins::ASSIGNMENT, 0)?;
        self.attach_comments(nodes);
        self.join(nodes, None, &joins::LIST, 0)
    }

    /// Runs a pass on every list of the tree, innermost first, except inside groups of kind `skip`.
    fn everywhere(
        &self,
        nodes: &mut Vec<Node>,
        skip: Option<Kind>,
        depth: usize,
        pass: &impl Fn(&Self, &mut Vec<Node>),
    ) -> Pass {
        if depth > MAX_DEPTH {
            return Err(TooComplex::Deep);
        }
        for node in nodes.iter_mut().filter(|n| n.head.is_group() && Some(n.head.kind) != skip) {
            self.everywhere(&mut node.children, skip, depth + 1, pass)?;
        }
        pass(self, nodes);
        Ok(())
    }

    fn join(&self, nodes: &mut Vec<Node>, parent: Option<Kind>, join: &Join, depth: usize) -> Pass {
        if depth > MAX_DEPTH {
            return Err(TooComplex::Deep);
        }
        if join.recurse {
            for node in nodes.iter_mut().filter(|n| n.head.is_group() && n.head.kind != join.kind) {
                self.join(&mut node.children, Some(node.head.kind), join, depth + 1)?;
            }
        }
        // A parenthesis holds its own brackets, which no join may take away.
        let delimited = matches!(parent, Some(Kind::Parenthesis | Kind::Brackets));
        let heads: Vec<Head> = nodes.iter().map(|n| n.head).collect();
        let mut taken = 0;
        let mut before: Option<(usize, Head)> = None;
        for (i, &head) in heads.iter().enumerate() {
            let Some(at) = i.checked_sub(taken) else { continue };
            if head.is_blank() {
                continue;
            }
            if (join.middle)(head, self.text)
                && let Some((from, first)) = before
            {
                let next = (at + 1..nodes.len()).find(|n| !nodes[*n].head.is_blank());
                let after = next.map(|n| nodes[n].head);
                let edge = delimited && (from == 0 || next.is_some_and(|n| n + 1 == nodes.len()));
                if !edge && (join.before)(first, self.text) && (join.after)(after, self.text) {
                    let next = next.unwrap_or(at);
                    let (from, to) = match join.reach {
                        Reach::Both => (from, next),
                        Reach::Before => (from, at),
                        Reach::After => (at, next),
                        Reach::Period => (from, if after.is_some_and(is_member) { next } else { at }),
                    };
                    let extend = join.extend && nodes[from].head.kind == join.kind;
                    group(nodes, join.kind, from, to, extend);
                    taken += to - from;
                    before = Some((from, nodes[from].head));
                    continue;
                }
            }
            before = Some((at, head));
        }
        Ok(())
    }

    fn delimited(&self, nodes: &mut Vec<Node>, kind: Kind, open: &str, close: &str, depth: usize) -> Pass {
        if depth > MAX_DEPTH {
            return Err(TooComplex::Deep);
        }
        let mut opened = vec![];
        let mut i = 0;
        while i < nodes.len() {
            if nodes[i].head.is_group() {
                self.delimited(&mut nodes[i].children, kind, open, close, depth + 1)?;
            } else if nodes[i].head.kind == Kind::Leaf(Lex::Punctuation) {
                let mark = nodes[i].head.text(self.text);
                if mark == open {
                    opened.push(i);
                } else if mark == close
                    && let Some(from) = opened.pop()
                {
                    group(nodes, kind, from, i, false);
                    i = from;
                }
            }
            i += 1;
        }
        Ok(())
    }

    fn comments(&self, nodes: &mut Vec<Node>) {
        let mut i = 0;
        while i < nodes.len() {
            if nodes[i].head.kind == Kind::Leaf(Lex::Comment) {
                let is_part = |n: &Node| matches!(n.head.kind, Kind::Leaf(Lex::Comment | Lex::Newline));
                let Some(len) = nodes[i..].iter().position(|n| !is_part(n)) else { return };
                group(nodes, Kind::Comment, i, i + len - 1, false);
            }
            i += 1;
        }
    }

    /// A comment belongs to the group before it, which makes a comparison of four parts.
    fn attach_comments(&self, nodes: &mut Vec<Node>) {
        let mut i = 0;
        while i < nodes.len() {
            if nodes[i].head.kind == Kind::Comment
                && let Some(before) = nodes[..i].iter().rposition(|n| !n.head.is_blank())
                && nodes[before].head.is_group()
            {
                group(nodes, nodes[before].head.kind, before, i, true);
                i = before;
            }
            i += 1;
        }
    }

    fn functions(&self, nodes: &mut Vec<Node>) {
        let mut i = 0;
        while i < nodes.len() {
            let named = matches!(nodes[i].head.kind, Kind::Leaf(Lex::Name | Lex::Builtin | Lex::Placeholder));
            if let Some(next) = following(nodes, i).filter(|_| named)
                && nodes[next].head.kind == Kind::Parenthesis
            {
                group(nodes, Kind::Function, i, next, false);
            }
            i += 1;
        }
    }

    fn where_clauses(&self, nodes: &mut Vec<Node>) {
        if let Some(from) = nodes.iter().position(|n| n.head.is_keyword(self.text, "WHERE")) {
            let close = |n: &Node| {
                ["ORDER BY", "GROUP BY", "LIMIT", "HAVING"].iter().any(|w| n.head.is_keyword(self.text, w))
            };
            let to = nodes[from..].iter().position(close).map_or(nodes.len(), |n| from + n) - 1;
            let bracket = nodes[to].head.text(self.text) == ")";
            group(nodes, Kind::Where, from, if bracket { to - 1 } else { to }, false);
        }
    }

    fn identifiers(&self, nodes: &mut Vec<Node>) {
        for i in 0..nodes.len() {
            if matches!(nodes[i].head.kind, Kind::Leaf(Lex::Name | Lex::Symbol)) {
                group(nodes, Kind::Identifier, i, i, false);
            }
        }
    }

    fn orders(&self, nodes: &mut Vec<Node>) {
        let mut i = 0;
        while i < nodes.len() {
            if nodes[i].head.kind == Kind::Leaf(Lex::Order)
                && let Some(before) = nodes[..i].iter().rposition(|n| !n.head.is_blank())
                && (nodes[before].head.kind == Kind::Identifier || is_number(nodes[before].head))
            {
                group(nodes, Kind::Identifier, before, i, false);
                i = before;
            }
            i += 1;
        }
    }

    fn aliases(&self, nodes: &mut Vec<Node>) {
        let mut i = 0;
        while i < nodes.len() {
            let head = nodes[i].head;
            let named = is_number(head)
                || matches!(
                    head.kind,
                    Kind::Parenthesis
                        | Kind::Function
                        | Kind::Identifier
                        | Kind::Operation
                        | Kind::Comparison
                );
            if let Some(next) = following(nodes, i).filter(|_| named)
                && nodes[next].head.kind == Kind::Identifier
            {
                group(nodes, Kind::Identifier, i, next, head.kind == Kind::Identifier);
            }
            i += 1;
        }
    }
}

fn following(nodes: &[Node], at: usize) -> Option<usize> {
    (at + 1..nodes.len()).find(|n| !nodes[*n].head.is_blank())
}

/// Puts the nodes `from..=to` into one group, or adds them to the group at `from`.
fn group(nodes: &mut Vec<Node>, kind: Kind, from: usize, to: usize, extend: bool) {
    let end = nodes[to].head.end;
    if extend {
        let added: Vec<Node> = nodes.drain(from + 1..=to).collect();
        nodes[from].children.extend(added);
        nodes[from].head.end = end;
    } else {
        let start = nodes[from].head.start;
        let children: Vec<Node> = nodes.drain(from..=to).collect();
        nodes.insert(from, Node { head: Head { kind, start, end }, children });
    }
}
