//! Where a value stands in a file, and the values of a file one by one.

use super::node::Node;
use std::fmt;

/// A step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// The way to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

/// A value that has no others in it, or is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    pub path: Path,
    pub value: Node,
}

impl Path {
    /// Keys that are separated by dots.
    pub fn of(keys: &str) -> Self {
        Self(keys.split('.').map(|key| Step::Key(key.to_owned())).collect())
    }

    /// One key further.
    pub fn key(&self, key: &str) -> Self {
        self.and(Step::Key(key.to_owned()))
    }

    /// One item further.
    pub fn index(&self, n: usize) -> Self {
        self.and(Step::Index(n))
    }

    /// This, and then the other one's steps.
    pub fn then(&self, rest: &[Step]) -> Self {
        Self(self.0.iter().chain(rest).cloned().collect())
    }

    fn and(&self, step: Step) -> Self {
        self.then(&[step])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            let dot = if n == 0 { "" } else { "." };
            match step {
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Key(key) if is_word(key) => write!(formatter, "{dot}{key}")?,
                Step::Key(key) => write!(formatter, "{dot}{key:?}")?,
            }
        }
        Ok(())
    }
}

/// All leaves of a file, in its order.
pub fn leaves(node: &Node) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(node, Path::default(), &mut found);
    found
}

fn collect(node: &Node, path: Path, found: &mut Vec<Leaf>) {
    match node {
        Node::Map(map) if !map.is_empty() => {
            map.iter().for_each(|(key, node)| collect(node, path.key(key), found));
        }
        Node::List(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(n, node)| collect(node, path.index(n), found));
        }
        leaf => found.push(Leaf { path, value: leaf.clone() }),
    }
}

/// Whether a key needs no quotes.
fn is_word(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "/_-".contains(c))
}

/// What a path leads to.
pub fn get<'a>(root: &'a Node, path: &Path) -> Option<&'a Node> {
    path.0.iter().try_fold(root, |node, step| match (node, step) {
        (Node::List(list), Step::Index(n)) => list.get(*n),
        (node, Step::Key(key)) => node.get(key),
        _ => None,
    })
}

/// Puts a value where a path leads, unless there is one, or something that has no such place. Answers whether it did.
pub fn put(root: &mut Node, path: &Path, value: Node) -> bool {
    let there = Some(&*root).filter(|root| **root != Node::Null);
    let free = is_free(there, &path.0);
    if free {
        *place(root, &path.0) = value;
    }
    free
}

/// Whether nothing stands there. What is empty was put so, and nothing can be put into it any more.
fn is_free(there: Option<&Node>, path: &[Step]) -> bool {
    let Some(there) = there else { return path.iter().all(|step| !matches!(step, Step::Index(1..))) };
    match (there, path.split_first()) {
        (Node::Map(map), Some((Step::Key(key), rest))) if !map.is_empty() => is_free(there.get(key), rest),
        (Node::List(list), Some((Step::Index(n), rest))) if !list.is_empty() && *n <= list.len() => {
            is_free(list.get(*n), rest)
        }
        _ => false,
    }
}

/// Makes the way to a place that is free.
fn place<'a>(root: &'a mut Node, path: &[Step]) -> &'a mut Node {
    let Some((step, rest)) = path.split_first() else { return root };
    if *root == Node::Null {
        *root = match step {
            Step::Key(_) => Node::Map(Vec::new()),
            Step::Index(_) => Node::List(Vec::new()),
        };
    }
    let inner = match (root, step) {
        (Node::Map(map), Step::Key(key)) => {
            let n = map.iter().position(|(name, _)| name == key).unwrap_or(map.len());
            if n == map.len() {
                map.push((key.clone(), Node::Null));
            }
            &mut map[n].1
        }
        (Node::List(list), Step::Index(n)) => {
            if *n == list.len() {
                list.push(Node::Null);
            }
            &mut list[*n]
        }
        (root, _) => return root,
    };
    place(inner, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_well() {
        let path = Path::of("ingress.annotations").key("cert-manager.io/cluster-issuer");
        assert_eq!(path.to_string(), r#"ingress.annotations."cert-manager.io/cluster-issuer""#);
        assert_eq!(Path::of("a").index(0).key("b-c").to_string(), "a[0].b-c");
    }

    #[test]
    fn what_is_taken_apart_can_be_put_together() {
        let node = Node::read("a: {b: 1, c: [], d: [{e: {}, f: x}, [1, 2]]}\ng: ''\n").unwrap();
        let mut again = Node::Null;
        for Leaf { path, value } in leaves(&node) {
            assert!(put(&mut again, &path, value), "{path}");
        }
        assert_eq!(again, node);
    }

    #[test]
    fn nothing_is_put_over_something() {
        let mut node = Node::read("a: {b: 1, c: [x], d: {}, e: [~]}").unwrap();
        let before = node.clone();
        for path in [
            Path::of("a"),
            Path::of("a.b"),
            Path::of("a.b.c"),
            Path::of("a.d"),
            Path::of("a.d.x"),
            Path::of("a.e").index(0),
            Path::of("a").index(0),
            Path::of("a.c").index(2),
        ] {
            assert!(!put(&mut node, &path, Node::Int(2)), "{path}");
        }
        assert_eq!(node, before);
        assert!(put(&mut node, &Path::of("a.c").index(1), Node::Int(2)));
        assert_eq!(node, Node::read("a: {b: 1, c: [x, 2], d: {}, e: [~]}").unwrap());
    }
}
