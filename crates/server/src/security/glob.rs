//! Python's `fnmatch` patterns for host names: `*`, `?`, `[a-z]`, `[!a-z]`; cases are not told apart.

/// A pattern, ready to match.
#[derive(Debug, Clone)]
pub struct Glob(Vec<Token>);

#[derive(Debug, Clone)]
enum Token {
    Many,
    One,
    Byte(u8),
    Set { negated: bool, ranges: Vec<(u8, u8)> },
}

impl Glob {
    /// Reads a pattern. Every text is one: a bracket without its partner stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            tokens.push(match first {
                b'*' => Token::Many,
                b'?' => Token::One,
                b'[' => match set(tail) {
                    Some((token, after)) => {
                        rest = after;
                        token
                    }
                    None => Token::Byte(b'['),
                },
                byte => Token::Byte(byte.to_ascii_lowercase()),
            });
        }
        Self(tokens)
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let (tokens, text) = (&self.0, text.as_bytes());
        let (mut at, mut seen) = (0, 0);
        // Where to go on when the last star must take one more byte.
        let mut star = None;
        loop {
            match tokens.get(at) {
                Some(Token::Many) => {
                    at += 1;
                    star = Some((at, seen));
                    continue;
                }
                Some(token) if text.get(seen).is_some_and(|byte| token.takes(byte.to_ascii_lowercase())) => {
                    (at, seen) = (at + 1, seen + 1);
                    continue;
                }
                None if seen == text.len() => return true,
                _ => {}
            }
            match star {
                Some((after, from)) if from < text.len() => {
                    (at, seen) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Many | Self::One => true,
            Self::Byte(own) => *own == byte,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&byte)) != *negated
            }
        }
    }
}

/// What stands behind a `[`, up to and without its `]`, and what comes after that.
fn set(text: &[u8]) -> Option<(Token, &[u8])> {
    let negated = text.first() == Some(&b'!');
    let text = &text[usize::from(negated)..];
    // A `]` in the first place is a member.
    let end = 1 + text.iter().skip(1).position(|b| *b == b']')?;
    let mut ranges = Vec::new();
    let mut members = &text[..end];
    loop {
        members = match members {
            [low, b'-', high, rest @ ..] => {
                ranges.push((low.to_ascii_lowercase(), high.to_ascii_lowercase()));
                rest
            }
            [one, rest @ ..] => {
                ranges.push((one.to_ascii_lowercase(), one.to_ascii_lowercase()));
                rest
            }
            [] => return Some((Token::Set { negated, ranges }, &text[end + 1..])),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*", "A", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.x", "a.x.x", true),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[!a-c]1", "d1", true),
            ("[!a-c]1", "a1", false),
            ("[]]x", "]x", true),
            ("[[]x", "[x", true),
            ("[x", "[x", true),
            ("[]x", "[]x", true),
            ("[a-]x", "-x", true),
            ("[!]x", "[!]x", true),
        ] {
            assert_eq!(Glob::parse(pattern).matches(text), expected, "{pattern:?} {text:?}");
        }
    }
}
