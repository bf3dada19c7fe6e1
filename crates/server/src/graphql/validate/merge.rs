//! Fields of one name in the answer must be one field.

use super::Check;
use crate::graphql::document::{Arguments, Field, Selection};

pub(super) fn check(check: &mut Check<'_>) {
    for operation in &check.document.operations {
        for conflict in conflicts(check, &[&operation.selections]) {
            check.error(format!(
                "Fields '{}' conflict because {}. Use different aliases on the fields to fetch both if this was intentional.",
                conflict.key, conflict.reason
            ));
        }
    }
}

struct Conflict {
    key: String,
    reason: String,
}

/// All conflicts in braces that come together, and below. The limits keep the number of fields small, fragments included.
fn conflicts(check: &Check<'_>, together: &[&[Selection]]) -> Vec<Conflict> {
    let mut fields: Vec<&Field> = Vec::new();
    for selections in together {
        collect(check, selections, &mut Vec::new(), &mut fields);
    }
    let mut found = Vec::new();
    let mut keys: Vec<(&str, Vec<&Field>)> = Vec::new();
    for field in fields {
        match keys.iter_mut().find(|(key, _)| *key == field.key()) {
            Some((_, same)) => same.push(field),
            None => keys.push((field.key(), vec![field])),
        }
    }
    for (key, same) in keys {
        let first = same[0];
        let reasons: Vec<_> = same[1..].iter().filter_map(|other| differ(first, other)).collect();
        if !reasons.is_empty() {
            found.extend(reasons.into_iter().map(|reason| Conflict { key: key.to_owned(), reason }));
            continue;
        }
        let below: Vec<_> = same.iter().map(|field| field.selections.as_slice()).collect();
        let below = conflicts(check, &below);
        let within_one = same.len() == 1;
        match below.as_slice() {
            [] => {}
            // What is wrong inside of one field is said there.
            _ if within_one => found.extend(below),
            _ => {
                let reasons: Vec<_> = below
                    .iter()
                    .map(|c| format!("subfields '{}' conflict because {}", c.key, c.reason))
                    .collect();
                found.push(Conflict { key: key.to_owned(), reason: reasons.join(" and ") });
            }
        }
    }
    found
}

/// The fields of one level, with those of its fragments. `open` are the fragments that it is in, which may spread themselves.
fn collect<'a>(
    check: &Check<'a>,
    selections: &'a [Selection],
    open: &mut Vec<&'a str>,
    fields: &mut Vec<&'a Field>,
) {
    for selection in selections {
        match selection {
            Selection::Field(field) => fields.push(field),
            Selection::Inline { selections, .. } => collect(check, selections, open, fields),
            Selection::Spread { name, .. } => {
                if let Some(fragment) =
                    check.document.fragment(name).filter(|_| !open.contains(&name.as_str()))
                {
                    open.push(name);
                    collect(check, &fragment.selections, open, fields);
                    open.pop();
                }
            }
        }
    }
}

fn differ(one: &Field, other: &Field) -> Option<String> {
    if one.name != other.name {
        return Some(format!("'{}' and '{}' are different fields", one.name, other.name));
    }
    let sorted = |arguments: &Arguments| {
        let mut texts: Vec<_> = arguments.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        texts.sort();
        texts
    };
    (sorted(&one.arguments) != sorted(&other.arguments)).then(|| "they have differing arguments".to_owned())
}
