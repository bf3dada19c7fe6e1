//! Fragments that spread themselves, and those that nobody spreads.

use super::Check;
use crate::graphql::document::Selection;
use std::collections::HashSet;

/// Answers whether fragments spread themselves: then they come to nothing that could be looked at further.
pub(super) fn check(check: &mut Check<'_>) -> bool {
    let before = check.errors.len();
    let mut done = HashSet::new();
    for fragment in &check.document.fragments {
        cycles(check, &fragment.name, &mut Vec::new(), &mut done);
    }
    let has_cycles = check.errors.len() > before;
    let mut used = HashSet::new();
    for operation in &check.document.operations {
        collect_used(check, &operation.selections, &mut used);
    }
    for fragment in &check.document.fragments {
        if !used.contains(fragment.name.as_str()) {
            check.error(format!("Fragment '{}' is never used.", fragment.name));
        }
    }
    has_cycles
}

/// Follows the spreads of a fragment. `path` are the fragments that led here; the limits keep it short.
fn cycles<'a>(check: &mut Check<'a>, name: &'a str, path: &mut Vec<&'a str>, done: &mut HashSet<&'a str>) {
    if !done.insert(name) {
        return;
    }
    let Some(fragment) = check.document.fragment(name) else { return };
    path.push(name);
    for spread in spreads(&fragment.selections) {
        match path.iter().position(|other| *other == spread) {
            Some(start) => {
                let via: Vec<_> = path[start + 1..].iter().map(|name| format!("'{name}'")).collect();
                let via = if via.is_empty() { String::new() } else { format!(" via {}", via.join(", ")) };
                check.error(format!("Cannot spread fragment '{spread}' within itself{via}."));
            }
            None => cycles(check, spread, path, done),
        }
    }
    path.pop();
}

fn collect_used<'a>(check: &Check<'a>, selections: &'a [Selection], used: &mut HashSet<&'a str>) {
    for name in spreads(selections) {
        if used.insert(name)
            && let Some(fragment) = check.document.fragment(name)
        {
            collect_used(check, &fragment.selections, used);
        }
    }
}

/// The names of all fragments that are spread in braces and in the braces inside.
fn spreads(selections: &[Selection]) -> Vec<&str> {
    let (mut names, mut left) = (Vec::new(), vec![selections]);
    while let Some(selections) = left.pop() {
        for selection in selections {
            match selection {
                Selection::Field(field) => left.push(&field.selections),
                Selection::Inline { selections, .. } => left.push(selections),
                Selection::Spread { name, .. } => names.push(name.as_str()),
            }
        }
    }
    names
}
