//! How much one query may ask for.
//!
//! MLflow counts definition by definition (`graphql_no_batching.py`), so that fields in a fragment count once however often it
//! is spread, and its aliases beside those of its neighbours not at all. Here a query passes the same checks, and then again
//! with every fragment in its place: what a query costs is what it comes to, not how short it is to write.

use super::document::{Document, Field, Selection};
use std::collections::HashMap;

/// Levels of fields in one definition.
const MAX_DEPTH: usize = 10;
/// Levels of fields with the fragments in their places. The usual query for the whole schema has 14.
const MAX_DEPTH_IN_PLACE: usize = 20;
/// Fields, in one text.
const MAX_SELECTIONS: usize = 1000;
/// How long a chain of fragments may be in which each has the next in it, named or not; the checks that follow go down such
/// chains.
const MAX_CHAIN: usize = 50;

/// What the operator may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// `MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS`
    pub root_fields: usize,
    /// `MLFLOW_SERVER_GRAPHQL_MAX_ALIASES`: at one level.
    pub aliases: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { root_fields: 10, aliases: 10 }
    }
}

/// Looks whether a text stays within all limits.
///
/// # Errors
/// MLflow's sentence about the first limit that is exceeded.
pub fn check(document: &Document, limits: QueryLimits) -> Result<(), String> {
    let written = as_written(document)?;
    refuse_more(written, limits)?;
    let mut in_place = InPlace { document, known: HashMap::new(), chain: 0 };
    for fragment in &document.fragments {
        in_place.fragment(&fragment.name)?;
    }
    let mut whole = Cost::default();
    for operation in &document.operations {
        let cost = in_place.selections(&operation.selections)?;
        if cost.depth > MAX_DEPTH_IN_PLACE {
            return Err(too_deep(MAX_DEPTH_IN_PLACE));
        }
        whole.selections = whole.selections.saturating_add(cost.selections);
        whole.level_fields = whole.level_fields.saturating_add(cost.level_fields);
        whole.aliases = whole.aliases.max(cost.aliases);
    }
    if whole.selections > MAX_SELECTIONS {
        return Err(too_many_selections());
    }
    refuse_more((whole.level_fields, whole.aliases), limits)
}

fn refuse_more((root_fields, aliases): (usize, usize), limits: QueryLimits) -> Result<(), String> {
    let more = |what: &str, limit: usize, got: usize, variable: &str| {
        Err(format!(
            "GraphQL queries should have at most {limit} {what}, got {got} {what}. To increase the limit, set the \
             MLFLOW_SERVER_GRAPHQL_MAX_{variable} environment variable."
        ))
    };
    if root_fields > limits.root_fields {
        return more("root fields", limits.root_fields, root_fields, "ROOT_FIELDS");
    }
    if aliases > limits.aliases {
        return more("aliases", limits.aliases, aliases, "ALIASES");
    }
    Ok(())
}

fn too_deep(limit: usize) -> String {
    format!("Query exceeds maximum depth of {limit}")
}

fn too_many_selections() -> String {
    format!("Query exceeds maximum total selections of {MAX_SELECTIONS}")
}

/// MLflow's count: fields at the top of any definition, and the most aliases in one pair of braces. It does not look into
/// fragments without a name.
fn as_written(document: &Document) -> Result<(usize, usize), String> {
    let (mut root_fields, mut aliases, mut total) = (0, 0, 0);
    let operations = document.operations.iter().map(|operation| &operation.selections);
    let fragments = document.fragments.iter().map(|fragment| &fragment.selections);
    for selections in operations.chain(fragments) {
        let mut left = vec![(selections, 1)];
        while let Some((selections, depth)) = left.pop() {
            if depth > MAX_DEPTH {
                return Err(too_deep(MAX_DEPTH));
            }
            for field in fields(selections) {
                total += 1;
                if total > MAX_SELECTIONS {
                    return Err(too_many_selections());
                }
                if !field.selections.is_empty() {
                    left.push((&field.selections, depth + 1));
                }
            }
            root_fields += if depth == 1 { fields(selections).count() } else { 0 };
            aliases = aliases.max(fields(selections).filter(|field| field.alias.is_some()).count());
        }
    }
    Ok((root_fields, aliases))
}

fn fields(selections: &[Selection]) -> impl Iterator<Item = &Field> {
    selections.iter().filter_map(|selection| match selection {
        Selection::Field(field) => Some(field),
        _ => None,
    })
}

/// What braces come to once every fragment is in its place.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    selections: usize,
    depth: usize,
    level_fields: usize,
    level_aliases: usize,
    /// The most at any level.
    aliases: usize,
    /// The longest chain of fragments below.
    chain: usize,
}

impl Cost {
    /// Something that stands at the same level.
    fn beside(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.depth = self.depth.max(other.depth);
        self.level_fields = self.level_fields.saturating_add(other.level_fields);
        self.level_aliases = self.level_aliases.saturating_add(other.level_aliases);
        self.aliases = self.aliases.max(other.aliases).max(self.level_aliases);
        self.chain = self.chain.max(other.chain);
    }
}

struct InPlace<'a> {
    document: &'a Document,
    known: HashMap<&'a str, Cost>,
    /// The length of the chain of fragments that leads to where we are.
    chain: usize,
}

impl<'a> InPlace<'a> {
    fn selections(&mut self, selections: &'a [Selection]) -> Result<Cost, String> {
        let mut cost = Cost::default();
        for selection in selections {
            let one = match selection {
                Selection::Field(field) => self.field(field)?,
                Selection::Inline { selections, .. } => self.linked(selections)?,
                Selection::Spread { name, .. } => self.fragment(name)?,
            };
            cost.beside(one);
        }
        Ok(cost)
    }

    fn field(&mut self, field: &'a Field) -> Result<Cost, String> {
        let below = self.selections(&field.selections)?;
        let level_aliases = usize::from(field.alias.is_some());
        Ok(Cost {
            selections: below.selections.saturating_add(1),
            depth: below.depth + 1,
            level_fields: 1,
            level_aliases,
            aliases: below.aliases.max(level_aliases),
            chain: below.chain,
        })
    }

    /// A fragment that spreads itself comes to nothing here; it is refused later.
    fn fragment(&mut self, name: &str) -> Result<Cost, String> {
        let Some(fragment) = self.document.fragment(name) else { return Ok(Cost::default()) };
        if let Some(cost) = self.known.get(fragment.name.as_str()) {
            return Ok(*cost);
        }
        self.known.insert(&fragment.name, Cost::default());
        let cost = self.linked(&fragment.selections)?;
        self.known.insert(&fragment.name, cost);
        Ok(cost)
    }

    /// The selections of a fragment, which is one more link of its chain.
    fn linked(&mut self, selections: &'a [Selection]) -> Result<Cost, String> {
        self.chain += 1;
        let cost = if self.chain > MAX_CHAIN { None } else { Some(self.selections(selections)?) };
        self.chain -= 1;
        match cost {
            Some(cost) if cost.chain < MAX_CHAIN => Ok(Cost { chain: cost.chain + 1, ..cost }),
            _ => {
                Err(format!("Query exceeds maximum of {MAX_CHAIN} fragments in a row that spread each other"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn said(text: &str) -> String {
        let document = parse(text).expect("a document");
        check(&document, QueryLimits::default()).err().unwrap_or_else(|| "ok".to_owned())
    }

    fn times(n: usize, one: impl Fn(usize) -> String) -> String {
        (0..n).map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn as_mlflow_counts() {
        let deep = |n: usize| format!("{}x{}", "{ a ".repeat(n - 1) + "{", " }".repeat(n));
        assert_eq!(said(&deep(10)), "ok");
        assert_eq!(said(&deep(11)), "Query exceeds maximum depth of 10");
        assert_eq!(said(&format!("{{ a {{ {} }} }}", times(999, |n| format!("f{n}")))), "ok");
        assert!(
            said(&format!("{{ a {{ {} }} }}", times(1000, |n| format!("f{n}"))))
                .starts_with("Query exceeds maximum total")
        );
        assert_eq!(said(&format!("{{ {} }}", times(10, |n| format!("f{n}")))), "ok");
        assert!(
            said(&format!("{{ {} }}", times(11, |n| format!("f{n}"))))
                .starts_with("GraphQL queries should have at most 10 root fields, got 11")
        );
        assert!(
            said(&format!("{{ a {{ {} }} }}", times(11, |n| format!("f{n}: f"))))
                .contains("at most 10 aliases, got 11 aliases.")
        );
    }

    #[test]
    fn a_fragment_costs_where_it_is_spread() {
        let six = times(6, |n| format!("f{n}: f"));
        let two = |inside: &str| {
            format!("{{ a {{ {inside} ...F }} }} fragment F on T {{ {} }}", times(5, |n| format!("g{n}: g")))
        };
        assert_eq!(said(&two("x")), "ok");
        assert!(said(&two(&six)).contains("got 11 aliases"));
        assert!(
            said(&format!("{{ ...F ...F }} fragment F on T {{ {} }}", times(6, |n| format!("f{n}"))))
                .contains("got 12 root fields")
        );
        assert!(
            said(&format!("{{ ... {{ {} }} }}", times(11, |n| format!("f{n}"))))
                .contains("got 11 root fields")
        );
        // Each fragment spreads the next ten times: ten to the power of eight fields in a short text.
        let bomb = times(8, |n| {
            format!("fragment F{n} on T {{ a {{ {} }} }}", times(10, |_| format!("...F{}", n + 1)))
        });
        assert!(
            said(&format!("{{ ...F0 }} {bomb} fragment F8 on T {{ x }}"))
                .starts_with("Query exceeds maximum total")
        );
        let deep = "fragment A on T { a { a { a { a { a { a { a { a { ...B } } } } } } } } }";
        let deeper = "fragment B on T { a { a { a { a { a { a { a { a { a { x } } } } } } } } } }";
        let text = format!("{{ a {{ a {{ a {{ a {{ ...A }} }} }} }} }} {deep} {deeper}");
        assert_eq!(said(&text), "Query exceeds maximum depth of 20");
    }

    #[test]
    fn fragments_that_lead_nowhere_or_too_far() {
        assert_eq!(said("{ ...A } fragment A on T { ...B } fragment B on T { ...A }"), "ok");
        assert_eq!(said("{ ...A }"), "ok");
        let chain = |n: usize| times(n, |n| format!("fragment F{n} on T {{ ...F{} }}", n + 1));
        assert_eq!(said(&format!("{{ ...F0 }} {}", chain(50))), "ok");
        assert!(said(&format!("{{ ...F0 }} {}", chain(51))).contains("in a row"));
        let nested = |n: usize| format!("{} x {}", "... { ".repeat(n), "}".repeat(n));
        assert_eq!(said(&format!("{{ {} }}", nested(50))), "ok");
        assert!(said(&format!("{{ {} }}", nested(51))).contains("in a row"));
        let both = times(45, |n| {
            format!("fragment F{n} on T {{ {} ...F{} {} }}", "... { ".repeat(45), n + 1, "}".repeat(45))
        });
        assert!(said(&format!("{{ x }} {both}")).contains("in a row"));
        let backwards = times(20_000, |n| format!("fragment F{} on T {{ ...F{n} }}", n + 1));
        assert!(said(&format!("{{ x }} {backwards}")).contains("in a row"));
    }
}
