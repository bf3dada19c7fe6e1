//! A filter's text cut into lexemes, the way sqlparse cuts SQL.
//!
//! MLflow has no grammar of its own: it hands filters and `order_by` clauses to sqlparse and looks at what comes out. What
//! is an identifier, a number or a keyword is therefore decided by sqlparse's rules, including the odd ones (`10abc` is the
//! number 1 and the name `0abc`). The rules are tried in sqlparse's order; those that only concern SQL statements are left
//! out.

/// The words with a meaning in SQL: one line per first letter, `%` before type names. A bare word among them is not an
/// identifier, which decides what MLflow says about it.
const KEYWORDS: &str = include_str!("keywords.txt");

/// sqlparse gives up on longer inputs (`MAX_GROUPING_TOKENS`).
pub(super) const MAX_LEXEMES: usize = 10_000;

/// What a lexeme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lex {
    Whitespace,
    Newline,
    Comment,
    Name,
    /// A type name such as `timestamp` or `text`.
    Builtin,
    Placeholder,
    Keyword,
    /// `ASC` or `DESC`.
    Order,
    Integer,
    Float,
    Hexadecimal,
    /// `'...'`
    Single,
    /// `"..."`
    Symbol,
    Punctuation,
    Comparison,
    Operator,
    Wildcard,
    Assignment,
    Other,
}

/// A piece of the text: its kind and where it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexeme {
    pub kind: Lex,
    pub start: usize,
    pub end: usize,
}

/// Cuts `text` into lexemes that cover it without gaps; `None` when there are more than [`MAX_LEXEMES`].
pub(super) fn lex(text: &str) -> Option<Vec<Lexeme>> {
    let mut lexemes = Vec::new();
    let mut start = 0;
    while start < text.len() {
        if lexemes.len() == MAX_LEXEMES {
            return None;
        }
        let (kind, len) = next(text, start);
        lexemes.push(Lexeme { kind, start, end: start + len });
        start += len;
    }
    Some(lexemes)
}

fn next(text: &str, at: usize) -> (Lex, usize) {
    let s = &text[at..];
    let before = text[..at].chars().next_back();
    blank(s)
        .or_else(|| special(s, before))
        .or_else(|| name(s, before))
        .or_else(|| number(s))
        .or_else(|| string(s, before))
        .or_else(|| phrase(s))
        .or_else(|| word(s))
        .or_else(|| symbol(s))
        .unwrap_or_else(|| (Lex::Other, s.chars().next().map_or(0, char::len_utf8)))
}

/// Comments, newlines and white space.
fn blank(s: &str) -> Option<(Lex, usize)> {
    if let Some(close) = s.strip_prefix("/*").and_then(|inner| inner.find("*/")) {
        return Some((Lex::Comment, close + 4));
    }
    if s.starts_with("--") || s.starts_with("# ") {
        let end = s.find(['\r', '\n']).map_or(s.len(), |i| i + newline(&s[i..]));
        return Some((Lex::Comment, end));
    }
    if newline(s) > 0 {
        return Some((Lex::Newline, newline(s)));
    }
    let c = s.chars().next()?;
    // Python counts the four ASCII separators as white space, Rust does not.
    (c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)).then(|| (Lex::Whitespace, c.len_utf8()))
}

fn newline(s: &str) -> usize {
    if s.starts_with("\r\n") { 2 } else { usize::from(s.starts_with(['\r', '\n'])) }
}

/// Assignments, casts, wildcards, quoted names and placeholders.
fn special(s: &str, before: Option<char>) -> Option<(Lex, usize)> {
    if s.starts_with(":=") {
        return Some((Lex::Assignment, 2));
    }
    if s.starts_with("::") {
        return Some((Lex::Punctuation, 2));
    }
    if s.starts_with('*') {
        return Some((Lex::Wildcard, 1));
    }
    if s.starts_with('`') {
        return quoted(s, '`', false).map(|len| (Lex::Name, len));
    }
    if s.starts_with('?') {
        return Some((Lex::Placeholder, 1));
    }
    if s.starts_with("%s") || s.starts_with("%S") {
        return Some((Lex::Placeholder, 2));
    }
    if s.starts_with(['$', ':']) && !before.is_some_and(is_word) {
        let len = span(&s[1..], is_word);
        return (len > 0).then_some((Lex::Placeholder, 1 + len));
    }
    None
}

/// Words that are names because of what stands next to them, whatever they mean in SQL.
fn name(s: &str, before: Option<char>) -> Option<(Lex, usize)> {
    let first = s.chars().next()?;
    if !is_letter(first) {
        return None;
    }
    let len = span(s, is_word);
    let (word, rest) = s.split_at(len);
    if one_of(word, &["CASE", "IN", "VALUES", "USING", "FROM", "AS"]) {
        return Some((Lex::Keyword, len));
    }
    let member = rest.trim_start().strip_prefix('.').is_some_and(|after| !after.starts_with(is_digit));
    (member || before == Some('.') || rest.starts_with('(')).then_some((Lex::Name, len))
}

fn number(s: &str) -> Option<(Lex, usize)> {
    let sign = usize::from(s.starts_with('-'));
    if s.get(sign..sign + 2).is_some_and(|p| p.eq_ignore_ascii_case("0x")) {
        let digits = span(&s[sign + 2..], |c| c.is_ascii_hexdigit());
        if digits > 0 {
            return Some((Lex::Hexadecimal, sign + 2 + digits));
        }
    }
    let whole = span(&s[sign..], is_digit);
    let point = sign + whole;
    let fraction = s[point..].strip_prefix('.').map(|f| span(f, is_digit));
    if let Some(len) = exponent(s, point, fraction.unwrap_or(0)).filter(|_| whole > 0) {
        return Some((Lex::Float, len));
    }
    // A number may not run into a letter; the last digit is given up to avoid it when another digit remains.
    let runs_into_letter = |end: usize| s[end..].starts_with(|c| is_letter(c) || c == '_');
    if let Some(fraction) = fraction.filter(|f| whole > 0 || *f > 0) {
        let end = point + 1 + fraction;
        if !runs_into_letter(end) {
            return Some((Lex::Float, end));
        }
        if fraction > usize::from(whole == 0) {
            return Some((Lex::Float, end - 1));
        }
    }
    if whole > 0 && !runs_into_letter(point) {
        return Some((Lex::Integer, point));
    }
    (whole > 1).then(|| (Lex::Integer, point - 1))
}

/// The length of a number with an exponent, given where its whole part ends.
fn exponent(s: &str, point: usize, fraction: usize) -> Option<usize> {
    let mantissa = if fraction > 0 { point + 1 + fraction } else { point };
    let tail = s[mantissa..].strip_prefix(['e', 'E'])?;
    let sign = usize::from(tail.starts_with('-'));
    let digits = span(&tail[sign..], is_digit);
    (digits > 0).then_some(mantissa + 1 + sign + digits)
}

fn string(s: &str, before: Option<char>) -> Option<(Lex, usize)> {
    if s.starts_with('\'') {
        return quoted(s, '\'', true).map(|len| (Lex::Single, len));
    }
    if s.starts_with('"') {
        return quoted(s, '"', true).map(|len| (Lex::Symbol, len));
    }
    if s.starts_with('[') && !before.is_some_and(|c| is_word(c) || c == ']' || c == ')') {
        let inner = span(&s[1..], |c| c != '[' && c != ']');
        return (inner > 0 && s[1 + inner..].starts_with(']')).then_some((Lex::Name, inner + 2));
    }
    None
}

/// The length of a quoted text. A doubled quote, or one after a backslash, does not end it unless nothing else does.
fn quoted(s: &str, quote: char, backslash: bool) -> Option<usize> {
    let bytes = s.as_bytes();
    let quote = quote as u8;
    let mut last_resort = None;
    let mut i = 1;
    while i < bytes.len() {
        let doubled = bytes[i] == quote && bytes.get(i + 1) == Some(&quote);
        let escaped = backslash && bytes[i] == b'\\' && bytes.get(i + 1) == Some(&quote);
        if doubled || escaped {
            last_resort = Some(if doubled { i + 1 } else { i + 2 });
            i += 2;
        } else if bytes[i] == quote {
            return Some(i + 1);
        } else {
            i += 1;
        }
    }
    last_resort
}

/// Orders, comparisons in words, and pairs of keywords.
fn phrase(s: &str) -> Option<(Lex, usize)> {
    let len = span(s, is_word);
    let (first, rest) = s.split_at(len);
    let gap = rest.len() - rest.trim_start().len();
    let second_len = span(&rest[gap..], is_word);
    let second = if gap > 0 { &rest[gap..gap + second_len] } else { "" };
    let both = len + gap + second_len;
    if one_of(first, &["ASC", "DESC"]) {
        let after = &rest[gap + second_len..];
        let third_gap = after.len() - after.trim_start().len();
        let third_len = span(&after[third_gap..], is_word);
        let third = &after[third_gap..third_gap + third_len];
        let nulls = one_of(second, &["NULLS"]) && third_gap > 0 && one_of(third, &["FIRST", "LAST"]);
        return Some((Lex::Order, if nulls { both + third_gap + third_len } else { len }));
    }
    if one_of(first, &["LIKE", "ILIKE", "RLIKE", "REGEXP"]) {
        return Some((Lex::Comparison, len));
    }
    if one_of(first, &["NOT"]) && one_of(second, &["LIKE", "ILIKE", "RLIKE", "REGEXP"]) {
        return Some((Lex::Comparison, both));
    }
    let pair = (one_of(first, &["NOT"]) && one_of(second, &["NULL"]))
        || (one_of(first, &["ORDER", "GROUP"]) && one_of(second, &["BY"]));
    pair.then_some((Lex::Keyword, both))
}

fn word(s: &str) -> Option<(Lex, usize)> {
    if s.starts_with(['@', '#']) {
        let mark = if s.starts_with("##") { 2 } else { 1 };
        let len = span(&s[mark..], is_word);
        let named = s[mark..].starts_with(is_letter) && s[mark..].chars().take(2).all(is_word) && len > 1;
        return named.then_some((Lex::Name, mark + len));
    }
    if !s.starts_with(is_word) {
        return None;
    }
    let len = span(s, |c| is_word(c) || c == '$' || c == '#');
    Some((keyword(&s[..len]).unwrap_or(Lex::Name), len))
}

fn symbol(s: &str) -> Option<(Lex, usize)> {
    const JSON: [&str; 11] = ["->>", "->", "#>>", "#>", "@>", "<@", "?||", "?|", "?&", "#-", "-"];
    if s.starts_with([';', ':', '(', ')', '[', ']', ',', '.']) {
        return Some((Lex::Punctuation, 1));
    }
    if let Some(operator) = JSON.iter().find(|o| s.starts_with(**o)) {
        return Some((Lex::Operator, operator.len()));
    }
    let len = span(s, |c| "<>=~!".contains(c));
    if len > 0 {
        return Some((Lex::Comparison, len));
    }
    let len = span(s, |c| "+/@#%^&|-".contains(c));
    (len > 0).then_some((Lex::Operator, len))
}

fn keyword(word: &str) -> Option<Lex> {
    let upper = word.to_ascii_uppercase();
    let line = KEYWORDS
        .lines()
        .find(|line| line.trim_start_matches('%').starts_with(upper.get(..1).unwrap_or(" ")))?;
    line.split(' ').find_map(|entry| match entry.strip_prefix('%') {
        Some(builtin) => (builtin == upper).then_some(Lex::Builtin),
        None => (entry == upper).then_some(Lex::Keyword),
    })
}

fn one_of(word: &str, candidates: &[&str]) -> bool {
    candidates.iter().any(|c| word.eq_ignore_ascii_case(c))
}

/// How many bytes at the start of `s` are made of `accept`ed characters.
fn span(s: &str, accept: impl Fn(char) -> bool) -> usize {
    s.find(|c| !accept(c)).unwrap_or(s.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// sqlparse's `[A-ZÀ-Ü]`, without case.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || ('À'..='Ü').contains(&c) || ('à'..='ü').contains(&c)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(Lex, &str)> {
        let lexemes = lex(text).unwrap();
        lexemes
            .iter()
            .filter(|l| l.kind != Lex::Whitespace)
            .map(|l| (l.kind, &text[l.start..l.end]))
            .collect()
    }

    #[test]
    fn numbers_follow_sqlparse() {
        assert_eq!(cut("10abc"), [(Lex::Integer, "1"), (Lex::Name, "0abc")]);
        assert_eq!(cut("-1.5e-3"), [(Lex::Float, "-1.5e-3")]);
        assert_eq!(cut("1."), [(Lex::Float, "1.")]);
        assert_eq!(cut("-.5"), [(Lex::Float, "-.5")]);
        assert_eq!(cut("0x1F"), [(Lex::Hexadecimal, "0x1F")]);
    }

    #[test]
    fn quotes_end_at_the_last_quote_that_can() {
        assert_eq!(cut("'it''s'"), [(Lex::Single, "'it''s'")]);
        assert_eq!(cut(r"'a\'b'"), [(Lex::Single, r"'a\'b'")]);
        assert_eq!(cut(r"'a\'"), [(Lex::Single, r"'a\'")]);
        assert_eq!(cut("'left"), [(Lex::Other, "'"), (Lex::Keyword, "left")]);
    }

    #[test]
    fn a_word_before_a_dot_is_a_name() {
        assert_eq!(cut("user"), [(Lex::Keyword, "user")]);
        assert_eq!(cut("user.x"), [(Lex::Name, "user"), (Lex::Punctuation, "."), (Lex::Name, "x")]);
        assert_eq!(cut("timestamp"), [(Lex::Builtin, "timestamp")]);
    }
}
