//! Whether a text that can be read means something, in graphql-core's words: clients show them.
//!
//! One walk over all definitions, in the text's order, then what concerns several of them.

mod fields;
mod fragments;
mod merge;
mod values;
mod variables;

use super::document::{Document, Fragment, Operation, Type, TypeRef};
use super::schema::Schema;
use super::suggest::did_you_mean;
use std::collections::HashSet;

/// As many errors are named.
const MAX_ERRORS: usize = 100;

/// Everything that is wrong with a document; nothing where it can be executed. It must have passed `limits::check`.
pub fn validate(schema: &Schema, document: &Document) -> Vec<String> {
    let mut check = Check { schema, document, errors: Vec::new() };
    for ty in &document.types {
        check.error(format!("The '{}' definition is not executable.", ty.name));
    }
    for directive in &document.directives {
        check.error(format!("The '{}' definition is not executable.", directive.name));
    }
    check.operations();
    check.fragments();
    let has_cycles = fragments::check(&mut check);
    variables::check(&mut check);
    if !has_cycles {
        merge::check(&mut check);
    }
    let mut errors = check.errors;
    if errors.len() > MAX_ERRORS {
        errors.truncate(MAX_ERRORS);
        errors.push("Too many validation errors, error limit reached. Validation aborted.".to_owned());
    }
    errors
}

/// A walk and what it found.
struct Check<'a> {
    schema: &'a Schema,
    document: &'a Document,
    errors: Vec<String>,
}

impl<'a> Check<'a> {
    fn error(&mut self, message: String) {
        // One more than is told, to know that there are more.
        if self.errors.len() <= MAX_ERRORS {
            self.errors.push(message);
        }
    }

    fn operations(&mut self) {
        let operations: &'a [Operation] = &self.document.operations;
        let mut names = HashSet::new();
        for operation in operations {
            match &operation.name {
                Some(name) if !names.insert(name) => {
                    self.error(format!("There can be only one operation named '{name}'."));
                }
                None if operations.len() > 1 => {
                    self.error("This anonymous operation must be the only defined operation.".to_owned());
                }
                _ => {}
            }
            self.variables(operation);
            self.directives(&operation.directives, operation.kind.location());
            self.selections(self.schema.root(operation.kind), &operation.selections);
        }
    }

    fn variables(&mut self, operation: &'a Operation) {
        let mut names = HashSet::new();
        for variable in &operation.variables {
            if !names.insert(&variable.name) {
                self.error(format!("There can be only one variable named '${}'.", variable.name));
            }
            if let Some(ty) = self.known_type(variable.ty.name()) {
                if ty.is_input() {
                    if let Some(default) = &variable.default {
                        self.value(&variable.ty, default);
                    }
                } else {
                    self.error(format!(
                        "Variable '${}' cannot be non-input type '{}'.",
                        variable.name, variable.ty
                    ));
                }
            }
            self.directives(&variable.directives, "VARIABLE_DEFINITION");
        }
    }

    fn fragments(&mut self) {
        let fragments: &'a [Fragment] = &self.document.fragments;
        let mut names = HashSet::new();
        for fragment in fragments {
            let name = &fragment.name;
            if !names.insert(name) {
                self.error(format!("There can be only one fragment named '{name}'."));
            }
            let on = self.known_type(&fragment.on);
            if on.is_some_and(|ty| !ty.is_object()) {
                self.error(format!(
                    "Fragment '{name}' cannot condition on non composite type '{}'.",
                    fragment.on
                ));
            }
            self.directives(&fragment.directives, "FRAGMENT_DEFINITION");
            self.selections(on, &fragment.selections);
        }
    }

    /// The type of that name; an error where there is none.
    fn known_type(&mut self, name: &str) -> Option<&'a Type> {
        let found = self.schema.get(name);
        if found.is_none() {
            let names = self.schema.types().iter().map(|ty| ty.name.as_str());
            self.error(format!("Unknown type '{name}'.{}", did_you_mean(name, names, "")));
        }
        found
    }

    fn named(&self, ty: &TypeRef) -> Option<&'a Type> {
        self.schema.named(ty)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    /// Each line of `bad.txt` is a document with something wrong in it; the snapshot has what is said about it.
    #[test]
    fn what_is_said() {
        let schema = Schema::default();
        let said = |text: &str| {
            let document = parse(text).unwrap_or_else(|error| panic!("{text}: {}", error.message));
            format!("{text}\n    {}", validate(&schema, &document).join("\n    "))
        };
        let lines: Vec<_> = include_str!("bad.txt").lines().map(said).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_is_right() {
        let schema = Schema::default();
        for text in include_str!("good.txt").lines() {
            let document = parse(text).unwrap_or_else(|error| panic!("{text}: {}", error.message));
            assert_eq!(validate(&schema, &document), Vec::<String>::new(), "{text}");
        }
    }
}
