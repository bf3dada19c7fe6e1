//! Cuts a GraphQL text into words.

/// A word of the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    /// One of `! $ & ( ) : = @ [ ] { } |`.
    Mark(char),
    /// `...`
    Spread,
    Name(&'a str),
    Int(&'a str),
    Float(&'a str),
    /// Without its quotes, its escapes resolved.
    Text(String),
    End,
}

/// Why a text cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

/// The rest of a text.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word and where it begins.
    pub fn next(&mut self) -> Result<(Token<'a>, usize), SyntaxError> {
        self.skip_what_means_nothing();
        let start = self.at;
        let Some(first) = self.peek() else { return Ok((Token::End, start)) };
        let token = match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '}' | '|' => {
                self.at += 1;
                Token::Mark(first)
            }
            '.' if self.rest().starts_with("...") => {
                self.at += 3;
                Token::Spread
            }
            'a'..='z' | 'A'..='Z' | '_' => Token::Name(self.take(is_name)),
            '0'..='9' | '-' => self.number()?,
            '"' if self.rest().starts_with("\"\"\"") => Token::Text(self.block_text()?),
            '"' => Token::Text(self.text()?),
            other => return Err(self.error(start, format!("the character {other:?} means nothing here"))),
        };
        Ok((token, start))
    }

    /// An error at a place of the text.
    pub fn error(&self, at: usize, message: String) -> SyntaxError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        SyntaxError {
            message,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, belongs: fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_what_means_nothing(&mut self) {
        loop {
            self.take(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}'));
            if self.peek() != Some('#') {
                return;
            }
            self.take(|c| !matches!(c, '\n' | '\r'));
        }
    }

    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let start = self.at;
        let bad = |lexer: &Self| lexer.error(start, "this is no number".to_owned());
        if self.peek() == Some('-') {
            self.at += 1;
        }
        let digits = self.take(|c| c.is_ascii_digit());
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return Err(bad(self));
        }
        let mut is_float = false;
        if self.peek() == Some('.') {
            is_float = true;
            self.at += 1;
            if self.take(|c| c.is_ascii_digit()).is_empty() {
                return Err(bad(self));
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            is_float = true;
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            if self.take(|c| c.is_ascii_digit()).is_empty() {
                return Err(bad(self));
            }
        }
        if self.peek().is_some_and(|c| is_name(c) || c == '.') {
            return Err(bad(self));
        }
        let text = &self.text[start..self.at];
        Ok(if is_float { Token::Float(text) } else { Token::Int(text) })
    }

    fn text(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else { return Err(self.unterminated(start)) };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\n' | '\r' => return Err(self.unterminated(start)),
                '\\' => {
                    self.at += 1;
                    text.push(self.escape()?);
                    // No text with it can be stored, and none is looked for.
                    if text.ends_with('\0') {
                        return Err(
                            self.error(start, "this text holds the character NUL (U+0000)".to_owned())
                        );
                    }
                }
                c => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
    }

    fn unterminated(&self, start: usize) -> SyntaxError {
        self.error(start, "this text has no end: its closing quote is missing".to_owned())
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let start = self.at;
        let bad = |lexer: &Self| lexer.error(start, "this escape sequence means nothing".to_owned());
        let c = self.peek().ok_or_else(|| bad(self))?;
        self.at += c.len_utf8();
        Ok(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' if self.peek() == Some('{') => {
                self.at += 1;
                let digits = self.take(|c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok();
                if self.peek() != Some('}') {
                    return Err(bad(self));
                }
                self.at += 1;
                code.and_then(char::from_u32).ok_or_else(|| bad(self))?
            }
            'u' => {
                let mut units = vec![self.unit().ok_or_else(|| bad(self))?];
                if (0xd800..0xdc00).contains(&units[0]) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    units.push(self.unit().ok_or_else(|| bad(self))?);
                }
                let mut decoded = char::decode_utf16(units);
                match (decoded.next(), decoded.next()) {
                    (Some(Ok(c)), None) => c,
                    _ => return Err(bad(self)),
                }
            }
            _ => return Err(bad(self)),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    /// A text in three quotes: lines as they are, without what they are indented by.
    fn block_text(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 3;
        let mut raw = String::new();
        loop {
            let rest = self.rest();
            if let Some(after) = rest.strip_prefix("\"\"\"") {
                self.at = self.text.len() - after.len();
                return Ok(dedent(&raw));
            }
            if let Some(after) = rest.strip_prefix("\\\"\"\"") {
                self.at = self.text.len() - after.len();
                raw.push_str("\"\"\"");
                continue;
            }
            let Some(c) = self.peek() else { return Err(self.unterminated(start)) };
            self.at += c.len_utf8();
            raw.push(c);
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn dedent(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = raw.split('\n').collect();
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_blank = |line: &&str| indent(line) == line.len();
    let common =
        lines.iter().skip(1).filter(|line| !is_blank(line)).map(|line| indent(line)).min().unwrap_or(0);
    let lines: Vec<&str> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| if index == 0 { line } else { line.get(common..).unwrap_or_default() })
        .collect();
    let first = lines.iter().position(|line| !is_blank(line)).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !is_blank(line)).map_or(first, |last| last + 1);
    lines[first..last].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
        let mut lexer = Lexer::new(text);
        let mut words = Vec::new();
        loop {
            match lexer.next()?.0 {
                Token::End => return Ok(words),
                word => words.push(word),
            }
        }
    }

    #[test]
    fn words_of_each_kind() {
        let expected = vec![
            Token::Mark('{'),
            Token::Name("a_1"),
            Token::Mark(':'),
            Token::Int("-12"),
            Token::Float("1.5e-3"),
            Token::Spread,
            Token::Text("é\n🚀 \"".to_owned()),
            Token::Mark('}'),
        ];
        let text = "\u{feff}{ a_1: -12, 1.5e-3 # a comment }\n ... \"\\u00e9\\n\\ud83d\\uDE80 \\\"\" }";
        assert_eq!(words(text), Ok(expected));
        assert_eq!(words("\"\\u{1F680}\""), Ok(vec![Token::Text("🚀".to_owned())]));
    }

    #[test]
    fn a_block_loses_its_indentation() {
        let text = "\"\"\"\n    one\n      two \\\"\"\"\n\n    three\n  \"\"\"";
        assert_eq!(words(text), Ok(vec![Token::Text("one\n  two \"\"\"\n\nthree".to_owned())]));
    }

    #[test]
    fn what_is_no_word() {
        for text in [
            "01",
            "1.",
            "1e",
            "-",
            "1x",
            "1.5.2",
            "\"a",
            "\"a\nb\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud83d\"",
            "\"\"\"a",
            "%",
            "é",
            "..",
        ] {
            assert!(words(text).is_err(), "{text}");
        }
        let error = words("{\n  é").expect_err("no word");
        assert_eq!((error.line, error.column), (2, 3));
    }
}
