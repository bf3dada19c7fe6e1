//! Writes values as YAML that Helm reads back as the same values, with a comment behind a value where there is something to say.

use super::node::Node;
use super::path::Path;
use std::fmt::Write as _;

/// Words that some reader of YAML takes for something else than a text.
const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];

/// The text of a map. `comment` is asked for each value by its path.
pub fn write(map: &[(String, Node)], comment: &dyn Fn(&Path) -> Option<String>) -> String {
    let mut text = String::new();
    entries(&mut text, map, &Path::default(), 0, comment);
    text
}

type Comment<'a> = &'a dyn Fn(&Path) -> Option<String>;

fn entries(text: &mut String, map: &[(String, Node)], path: &Path, depth: usize, comment: Comment<'_>) {
    for (key, node) in map {
        let path = path.key(key);
        indent(text, depth);
        *text += &format!("{}:", scalar(key));
        value(text, node, &path, depth, comment);
    }
}

/// What stands behind a key or a dash, and the end of its line.
fn value(text: &mut String, node: &Node, path: &Path, depth: usize, comment: Comment<'_>) {
    let said = comment(path).map(|said| format!("  # {said}")).unwrap_or_default();
    match node {
        Node::Map(map) if !map.is_empty() => {
            *text += &format!("{said}\n");
            entries(text, map, path, depth + 1, comment);
        }
        Node::List(list) if !list.is_empty() => {
            *text += &format!("{said}\n");
            items(text, list, path, depth + 1, comment);
        }
        Node::Text(lines) if is_block(lines) => {
            let chomp = if lines.ends_with('\n') { "" } else { "-" };
            *text += &format!(" |{chomp}{said}\n");
            for line in lines.strip_suffix('\n').unwrap_or(lines).split('\n') {
                // An empty line needs no spaces.
                if !line.is_empty() {
                    indent(text, depth + 1);
                }
                *text += &format!("{line}\n");
            }
        }
        node => *text += &format!(" {}{said}\n", short(node)),
    }
}

fn items(text: &mut String, list: &[Node], path: &Path, depth: usize, comment: Comment<'_>) {
    for (n, node) in list.iter().enumerate() {
        let path = path.index(n);
        indent(text, depth);
        text.push('-');
        match node {
            Node::Map(map) if !map.is_empty() && comment(&path).is_none() => {
                let mut inner = String::new();
                entries(&mut inner, map, &path, depth + 1, comment);
                // The first key stands behind the dash.
                *text += &format!(" {}", inner.trim_start());
            }
            node => value(text, node, &path, depth, comment),
        }
    }
}

fn indent(text: &mut String, depth: usize) {
    *text += &"  ".repeat(depth);
}

/// A value on one line.
fn short(node: &Node) -> String {
    match node {
        Node::Null => "null".into(),
        Node::Bool(truth) => truth.to_string(),
        Node::Int(number) => number.to_string(),
        // Its shortest form that is still no integer.
        Node::Float(number) => format!("{number:?}"),
        Node::Text(text) => scalar(text),
        Node::List(_) => "[]".into(),
        Node::Map(_) => "{}".into(),
    }
}

/// A text, in quotes unless every reader takes it for a text without them.
fn scalar(text: &str) -> String {
    match (is_plain(text) || is_quantity(text)) && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// Names, paths and addresses.
fn is_plain(text: &str) -> bool {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '/';
    let goes_on = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    text.starts_with(starts) && text.replace("://", "//").chars().all(goes_on)
}

/// Numbers with a unit, such as 500m, 1Gi and 25%.
fn is_quantity(text: &str) -> bool {
    let number = ["m", "Ki", "Mi", "Gi", "Ti", "%"].iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            c if is_printable(c) => quoted.push(c),
            c => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// What YAML lets stand in a file, but for line breaks.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text reads better as lines, and can be written so.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.split('\n').all(|line| line.chars().all(is_printable) && !line.ends_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(Node::Null),
            any::<bool>().prop_map(Node::Bool),
            any::<i64>().prop_map(|n| Node::Int(n.into())),
            any::<f64>().prop_filter("a number", |n| n.is_finite()).prop_map(Node::Float),
            any::<String>().prop_map(Node::Text),
            "[a-z0-9:#{}&*!|>'\"%@,. \n-]{0,20}".prop_map(Node::Text),
            "[a-z]{1,3}://[a-z/:]{0,5}|[0-9]{0,3}(m|Ki|Gi|%|e|k)".prop_map(Node::Text),
            "(?i)true|no|on|null|~|0x1f|1e3|1_000|[.]inf|[.]nan|=|<<|0o7|2024-01-01|12:30:00"
                .prop_map(Node::Text),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Node::List),
                prop::collection::btree_map("[a-zA-Z0-9./ :#-]{1,12}|yes|null|[0-9]{1,3}", inner, 0..5)
                    .prop_map(|map| Node::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(
            nodes in prop::collection::btree_map("[a-z]{1,5}", any_node(), 1..5),
            with_comments: bool,
        ) {
            let map: Vec<_> = nodes.into_iter().collect();
            let text = write(&map, &|_| with_comments.then(|| "a: 'comment'".to_owned()));
            prop_assert_eq!(Node::read(&text).unwrap(), Node::Map(map), "{}", text);
        }
    }

    #[test]
    fn it_reads_well() {
        let text = "\
ingress:
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt-prod
  hosts:
    - host: mlflow.example
      paths:
        - path: /
          pathType: Prefix
    - - a
      - \"no\"
  tls: []
script: |
  one

  two
tag: \"3.7.0\"
";
        let Node::Map(map) = Node::read(text).unwrap() else { panic!("no map") };
        let written = write(&map, &|_| None);
        assert_eq!(written.replace("    -\n      - a", "    - - a"), text);
    }
}
