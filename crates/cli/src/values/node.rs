//! A values file as it was read: YAML's types, with the keys in the file's order.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value, with all that is in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads YAML as Helm does, `yes` and `off` for booleans included.
    ///
    /// # Errors
    /// A sentence with the line, and without the file's text, which may hold passwords.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut options = serde_saphyr::Options::default();
        options.with_snippet = false;
        serde_saphyr::from_str_with_options(text, options)
            .map_err(|e| e.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// What a key of a map has.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What keys, separated by dots, lead to.
    pub fn at(&self, keys: &str) -> Option<&Self> {
        keys.split('.').try_fold(self, Self::get)
    }

    /// The text that keys lead to, if it is one and not empty.
    pub fn text(&self, keys: &str) -> Option<&str> {
        match self.at(keys) {
            Some(Self::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Whether keys lead to a boolean, and to which.
    pub fn truth(&self, keys: &str) -> Option<bool> {
        match self.at(keys) {
            Some(Self::Bool(truth)) => Some(*truth),
            _ => None,
        }
    }

    /// Whether this says nothing: null, or an empty text, list or map.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => false,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Node, E> {
        Ok(Node::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Int(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Int(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry::<Node, Node>()? {
            let key = match entry.0 {
                Node::Text(key) => key,
                Node::Bool(key) => key.to_string(),
                Node::Int(key) => key.to_string(),
                _ => return Err(A::Error::custom("a key is a text")),
            };
            map.push((key, entry.1));
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_helm_reads_it() {
        let node = Node::read(
            "a: yes\nb: {c: '1', d: [1, 1.5, ~, x y]}\ne: |\n  two\n  lines\nf: &p {g: 0}\nh: {<<: *p, i: 1}\n",
        )
        .unwrap();
        assert_eq!(node.truth("a"), Some(true));
        assert_eq!(node.text("b.c"), Some("1"));
        let list = vec![Node::Int(1), Node::Float(1.5), Node::Null, Node::Text("x y".into())];
        assert_eq!(node.at("b.d"), Some(&Node::List(list)));
        assert_eq!(node.text("e"), Some("two\nlines\n"));
        assert_eq!(node.at("h.g"), Some(&Node::Int(0)));
        assert_eq!(node.at("h.nothing"), None);
    }

    #[test]
    fn an_error_does_not_repeat_the_file() {
        for broken in
            ["password: geheim: x\n", "password: 'geheim\n", "a: {geheim: [}\n", "a: 1\n---\nb: geheim\n"]
        {
            let error = Node::read(broken).unwrap_err();
            assert!(!error.contains("geheim"), "{error}");
        }
        assert!(Node::read("a: 1\na: 2\n").unwrap_err().contains("uplicate"));
    }
}
