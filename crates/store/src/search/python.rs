//! The little Python that shows through in MLflow's answers: how values are printed in messages, and the literals that are
//! lists in filters (MLflow reads them with `ast.literal_eval`).

use serde_json::Value as Json;

/// `repr` of a string.
pub(super) fn repr(s: &str) -> String {
    let quote = if s.contains('\'') && !s.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if (c as u32) < 0x20 || (0x7f..0xa1).contains(&(c as u32)) => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `repr` of bytes.
pub(super) fn repr_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    let mut out = format!("b{}", quote as char);
    for &b in bytes {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if b == quote => out.extend(['\\', b as char]),
            0x20..=0x7e => out.push(b as char),
            b => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push(quote as char);
    out
}

/// `str` of a list of strings: `['a', 'b']`.
pub(super) fn list(items: &[impl AsRef<str>]) -> String {
    format!("[{}]", joined(items))
}

/// `str` of a set of strings. Python prints sets in no particular order; here it is that of `items`.
pub(super) fn set(items: &[&str]) -> String {
    format!("{{{}}}", joined(items))
}

/// `str` of what `json.loads` returns.
pub(super) fn json(value: &Json) -> String {
    match value {
        Json::Null => "None".into(),
        Json::Bool(true) => "True".into(),
        Json::Bool(false) => "False".into(),
        Json::Number(n) => n.to_string(),
        Json::String(s) => repr(s),
        Json::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(k, v)| format!("{}: {}", repr(k), json(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// What a list literal in a filter turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// Strings; possibly none.
    Texts(Vec<String>),
    /// A list with something else than strings in it, printed as Python prints it.
    Mixed(String),
    /// Not a literal.
    Malformed,
}

/// Reads `('a', 'b')`. A single item needs no comma, as in `('a')`.
pub(super) fn tuple(text: &str) -> Literal {
    let mut reader = Reader { rest: text };
    match reader.tuple() {
        Some(items) if reader.skip().rest.is_empty() => {
            if items.iter().all(|i| matches!(i, Item::Text(_))) {
                Literal::Texts(items.into_iter().map(Item::into_text).collect())
            } else {
                let shown: Vec<String> = items.into_iter().map(Item::shown).collect();
                Literal::Mixed(format!("({}{})", shown.join(", "), if shown.len() == 1 { "," } else { "" }))
            }
        }
        _ => Literal::Malformed,
    }
}

fn joined(items: &[impl AsRef<str>]) -> String {
    items.iter().map(|i| repr(i.as_ref())).collect::<Vec<_>>().join(", ")
}

enum Item {
    Text(String),
    Number(String),
}

impl Item {
    fn into_text(self) -> String {
        match self {
            Self::Text(s) | Self::Number(s) => s,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Text(s) => repr(&s),
            Self::Number(n) => n,
        }
    }
}

struct Reader<'s> {
    rest: &'s str,
}

impl Reader<'_> {
    fn skip(&mut self) -> &mut Self {
        self.rest = self.rest.trim_start();
        self
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.skip().rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn tuple(&mut self) -> Option<Vec<Item>> {
        if !self.eat('(') {
            return None;
        }
        let mut items = vec![];
        while !self.eat(')') {
            if !items.is_empty() && !self.eat(',') {
                return None;
            }
            if !items.is_empty() && self.eat(')') {
                break;
            }
            items.push(self.item()?);
        }
        Some(items)
    }

    fn item(&mut self) -> Option<Item> {
        if self.skip().rest.starts_with(['\'', '"']) {
            let mut text = String::new();
            // Strings next to each other are one string in Python.
            while self.skip().rest.starts_with(['\'', '"']) {
                text.push_str(&self.string()?);
            }
            return Some(Item::Text(text));
        }
        if self.eat('(') {
            let item = self.item()?;
            return self.eat(')').then_some(item);
        }
        let len = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))?;
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        let is_number = word.parse::<f64>().is_ok() && word.contains(|c: char| c.is_ascii_digit());
        (is_number || ["None", "True", "False"].contains(&word)).then(|| Item::Number(word.to_owned()))
    }

    fn string(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut chars = self.rest.char_indices().skip(1);
        let mut out = String::new();
        while let Some((i, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[i + 1..];
                    return Some(out);
                }
                '\n' => return None,
                '\\' => match chars.next()?.1 {
                    '\n' => {}
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    c @ ('\\' | '\'' | '"') => out.push(c),
                    'x' => out.push(hex(&mut chars, 2)?),
                    'u' => out.push(hex(&mut chars, 4)?),
                    c => out.extend(['\\', c]),
                },
                c => out.push(c),
            }
        }
        None
    }
}

fn hex(chars: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> Option<char> {
    let code: String = chars.take(digits).map(|(_, c)| c).collect();
    (code.len() == digits).then(|| u32::from_str_radix(&code, 16).ok().and_then(char::from_u32))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_are_read_as_python_reads_them() {
        assert_eq!(tuple("('a', \"b\")"), Literal::Texts(vec!["a".into(), "b".into()]));
        assert_eq!(tuple("('a')"), Literal::Texts(vec!["a".into()]));
        assert_eq!(tuple("('a' 'b',)"), Literal::Texts(vec!["ab".into()]));
        assert_eq!(tuple("(('a'))"), Literal::Texts(vec!["a".into()]));
        assert_eq!(tuple("()"), Literal::Texts(vec![]));
        assert_eq!(tuple("('a', 1)"), Literal::Mixed("('a', 1)".into()));
        assert_eq!(tuple("(1)"), Literal::Mixed("(1,)".into()));
        assert_eq!(tuple("('a',,)"), Literal::Malformed);
        assert_eq!(tuple("(a)"), Literal::Malformed);
        assert_eq!(tuple(r"('\x41\n')"), Literal::Texts(vec!["A\n".into()]));
    }

    #[test]
    fn strings_print_as_in_python() {
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("a\"'\n"), "'a\"\\'\\n'");
        assert_eq!(repr_bytes(b"\xff'"), "b\"\\xff'\"");
    }
}
