//! What becomes of each value of a chart: a table of rules, and the one routine that goes through a file by it. A value
//! that no rule is for is left, and said to be.

use super::node::Node;
use super::path::{self, Leaf, Path, Step};

/// What is done with the values under some keys.
pub struct Rule {
    /// Keys, separated by dots. `**` at the end is whatever follows.
    keys: &'static str,
    /// The other chart's own value, as YAML; empty where there is none that ours has, too.
    default: &'static str,
    action: Action,
}

/// What a rule does.
#[derive(Clone, Copy)]
pub enum Action {
    /// The same key.
    Same,
    /// Another key, with what follows.
    To(&'static str),
    /// Ours does without, for this reason.
    Replaced(&'static str),
    /// What Ferroflow does not have, for this reason, if it is switched on.
    Refused { on: &'static str, why: &'static str },
    /// A value that alone has no place, for this reason.
    Left(&'static str),
    /// What takes more than one look.
    Ask(fn(&Leaf, &Node) -> Fate),
}

/// What became of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is in the new values, or, without a value of its own, is said by what stands there.
    Carried { to: Path, value: Option<Node> },
    /// It says what is so anyway.
    Default,
    /// It belongs to something that is switched off.
    Off,
    /// Ours does without.
    Replaced(String),
    /// It is not in the new values.
    Left(String),
}

/// A value that the other chart has without being told, and ours has not.
pub struct Added {
    pub keys: &'static str,
    pub value: Node,
    pub why: &'static str,
}

/// A file, and what became of it.
pub struct Conversion {
    /// The new values.
    pub values: Node,
    /// Every value of the file.
    pub fates: Vec<(Leaf, Fate)>,
    /// What is in the new values besides.
    pub added: Vec<Added>,
}

/// A line of a table.
pub const fn rule(keys: &'static str, default: &'static str, action: Action) -> Rule {
    Rule { keys, default, action }
}

impl Fate {
    /// The value, at another place.
    pub fn moved(leaf: &Leaf, to: Path) -> Self {
        Self::Carried { to, value: Some(leaf.value.clone()) }
    }

    /// Another value, at another place.
    pub fn set(to: Path, value: Node) -> Self {
        Self::Carried { to, value: Some(value) }
    }

    /// No place, for this reason.
    pub fn left(why: impl Into<String>) -> Self {
        Self::Left(why.into())
    }
}

/// Goes through a file by the tables, of which the first rule that fits counts.
pub fn convert(file: &Node, tables: &[&[Rule]], added: Vec<Added>) -> Conversion {
    let rules = || tables.iter().copied().flatten();
    let fate = |leaf: &Leaf| match rules().find_map(|rule| Some((rule, rule.rest(&leaf.path)?))) {
        Some((rule, rest)) => rule.fate(leaf, rest, file),
        // A section of which nothing is said.
        None if is_nothing(&leaf.value) && rules().any(|rule| rule.is_below(&leaf.path)) => Fate::Default,
        None => Fate::Left(unknown(&leaf.path, rules())),
    };
    let mut fates: Vec<_> = path::leaves(file)
        .into_iter()
        .map(|leaf| (fate(&leaf), leaf))
        .map(|(fate, leaf)| (leaf, fate))
        .collect();
    let mut values = put_all(&mut fates);
    let mut put = |added: &Added| path::put(&mut values, &Path::of(added.keys), added.value.clone());
    let added = added.into_iter().filter(|added| put(added)).collect();
    for (_, fate) in &mut fates {
        if let Fate::Carried { to, value: None } = fate
            && path::get(&values, to).is_none()
        {
            *fate = Fate::Left(format!("it is of no use alone; see {to}"));
        }
    }
    if values == Node::Null {
        values = Node::Map(Vec::new());
    }
    Conversion { values, fates, added }
}

/// Puts together what is carried over. An item of a list may come before those that stand in front of it, so it goes round until
/// nothing fits any more.
fn put_all(fates: &mut [(Leaf, Fate)]) -> Node {
    let mut values = Node::Null;
    let mut waiting: Vec<usize> = (0..fates.len()).collect();
    loop {
        let before = waiting.len();
        waiting.retain(|n| match &fates[*n].1 {
            Fate::Carried { to, value: Some(value) } => !path::put(&mut values, to, value.clone()),
            _ => false,
        });
        if waiting.len() == before || waiting.is_empty() {
            break;
        }
    }
    for n in waiting {
        if let Fate::Carried { to, .. } = &fates[n].1 {
            fates[n].1 = Fate::Left(format!("{to} is said by another value already; say it once"));
        }
    }
    values
}

fn is_nothing(value: &Node) -> bool {
    matches!(value, Node::Null | Node::Map(_)) && value.is_empty()
}

impl Rule {
    /// Whether the rule is for keys below this path.
    fn is_below(&self, path: &Path) -> bool {
        let mut keys = self.keys.split('.');
        path.0.iter().all(|step| matches!(step, Step::Key(key) if keys.next() == Some(key)))
            && keys.next().is_some()
    }

    /// The steps that follow the rule's own keys, if it is for this path.
    fn rest<'a>(&self, path: &'a Path) -> Option<&'a [Step]> {
        let (keys, open) = match self.keys.strip_suffix(".**") {
            Some(keys) => (keys, true),
            None => (self.keys, false),
        };
        let mut rest = path.0.as_slice();
        for key in keys.split('.') {
            let (Step::Key(first), others) = rest.split_first()? else { return None };
            if first != key {
                return None;
            }
            rest = others;
        }
        (open || rest.is_empty()).then_some(rest)
    }

    fn fate(&self, leaf: &Leaf, rest: &[Step], file: &Node) -> Fate {
        if self.is_default(leaf, rest, file) {
            return Fate::Default;
        }
        let fate = self.carry(leaf, rest, file);
        match &fate {
            Fate::Carried { to, value: Some(Node::Null) }
                if !to.0.iter().any(|step| matches!(step, Step::Index(_))) =>
            {
                Fate::left("null takes away what the chart has; write the value that you want instead")
            }
            _ => fate,
        }
    }

    fn carry(&self, leaf: &Leaf, rest: &[Step], file: &Node) -> Fate {
        match self.action {
            Action::Same => Fate::moved(leaf, leaf.path.clone()),
            Action::To(keys) => Fate::moved(leaf, Path::of(keys).then(rest)),
            Action::Replaced(why) => Fate::Replaced(why.into()),
            Action::Refused { on, why } => match file.truth(on) {
                Some(true) => Fate::left(why),
                _ => Fate::Off,
            },
            Action::Left(why) => Fate::left(why),
            Action::Ask(answer) => answer(leaf, file),
        }
    }

    /// Whether a value is the other chart's own. Of a list all items are, or none: a part of one would be another list.
    fn is_default(&self, leaf: &Leaf, rest: &[Step], file: &Node) -> bool {
        if self.default.is_empty() {
            return false;
        }
        // The tables are tested to be readable.
        let Ok(default) = Node::read(self.default) else { return false };
        let keys = rest.iter().take_while(|step| matches!(step, Step::Key(_))).count();
        let of_list = leaf.path.0.len() - rest.len() + keys;
        let Some(default) = follow(&default, &rest[..keys]) else { return false };
        match follow(file, &leaf.path.0[..of_list]) {
            Some(Node::Null) => default.is_empty(),
            found => found == Some(default),
        }
    }
}

fn follow<'a>(node: &'a Node, keys: &[Step]) -> Option<&'a Node> {
    keys.iter().try_fold(node, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(_) => None,
    })
}

/// What to say of a key that no rule is for.
fn unknown<'a>(path: &Path, rules: impl Iterator<Item = &'a Rule>) -> String {
    let given = path.to_string();
    let keys = rules.map(|rule| rule.keys.trim_end_matches(".**"));
    let nearest = keys.map(|keys| (distance(&given, keys), keys)).min();
    match nearest {
        Some((changes, keys)) if changes <= 2 => {
            format!("no such key is known; is {keys} meant?")
        }
        _ => "no such key is known; look for its like in the values of charts/ferroflow".into(),
    }
}

/// How many letters have to be put in, taken out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (n, a) in a.chars().enumerate() {
        let mut diagonal = n;
        row[0] = n + 1;
        for (m, b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[m + 1];
            row[m + 1] = changed.min(row[m] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// What the tests of the tables need.
#[cfg(test)]
impl Rule {
    pub fn parts(&self) -> (&'static str, &'static str, Action) {
        (self.keys, self.default, self.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Rule] = &[
        rule("port", "80", Action::Same),
        rule("annotations.**", "{}", Action::To("meta.annotations")),
        rule("context.**", "{user: 1001, drop: []}", Action::Same),
        rule("mysql.**", "", Action::Refused { on: "mysql.enabled", why: "no MySQL" }),
        rule("more.deep.keys", "", Action::Same),
        rule("name", "", Action::To("meta.name")),
        rule("title", "", Action::To("meta.name")),
    ];

    fn fates(file: &str) -> (Vec<Fate>, Node) {
        let Conversion { values, fates, .. } = convert(&Node::read(file).unwrap(), &[TABLE], Vec::new());
        (fates.into_iter().map(|(_, fate)| fate).collect(), values)
    }

    #[test]
    fn the_first_rule_that_fits_says_what_happens() {
        let (found, values) = fates("{port: 8080, annotations: {a.b/c: d}, context: {user: 7, drop: []}}");
        assert_eq!(
            values,
            Node::read("{port: 8080, meta: {annotations: {a.b/c: d}}, context: {user: 7}}").unwrap()
        );
        assert_eq!(found.last(), Some(&Fate::Default));
        assert_eq!(fates("{port: 80, annotations: {}}").0, [Fate::Default, Fate::Default]);
    }

    #[test]
    fn what_is_switched_off_is_not_missed() {
        assert_eq!(fates("{mysql: {enabled: false, host: x}}").0, [Fate::Off, Fate::Off]);
        let left = Fate::left("no MySQL");
        assert_eq!(fates("{mysql: {enabled: true, host: x}}").0, [left.clone(), left]);
    }

    #[test]
    fn an_empty_section_says_nothing() {
        let (found, values) = fates("{mysql: , more: {deep: {}}}");
        assert_eq!((found, values), (vec![Fate::Off, Fate::Default], Node::Map(Vec::new())));
    }

    #[test]
    fn what_has_no_place_is_left() {
        for (file, word) in [
            ("{prot: 1}", "is port meant?"),
            ("{something: {else: 1}}", "no such key"),
            ("{port: {a: 1}}", "no such key"),
            ("{name: a, title: b}", "meta.name is said by another value"),
            ("{context: {user: ~}}", "null takes away"),
            ("{mysqll: {}}", "is mysql meant?"),
        ] {
            let (found, _) = fates(file);
            let Some(Fate::Left(why)) = found.last() else { panic!("{file}: {found:?}") };
            assert!(why.contains(word), "{file}: {why}");
        }
    }

    #[test]
    fn distances_are_counted() {
        for (a, b, expected) in
            [("", "abc", 3), ("port", "prot", 2), ("hosts", "host", 1), ("same", "same", 0)]
        {
            assert_eq!(distance(a, b), expected);
            assert_eq!(distance(b, a), expected);
        }
    }
}
