//! Variables: each one that is used must be defined, with a type that fits, and each one that is defined must be used.

use super::Check;
use crate::graphql::document::{
    Arguments, Directive, Field, InputDefinition, Literal, Operation, Selection, Shape, Type, TypeRef,
    VariableDefinition,
};
use std::collections::HashSet;

/// A place where a variable stands, and what is expected there, as far as that is known.
struct Use<'a> {
    name: &'a str,
    expected: Option<&'a TypeRef>,
    has_default: bool,
}

pub(super) fn check(check: &mut Check<'_>) {
    for operation in &check.document.operations {
        let uses = uses(check, operation);
        let in_operation = |word: &str| match &operation.name {
            Some(name) => format!(" {word} operation '{name}'"),
            None => String::new(),
        };
        for used in &uses {
            match operation.variables.iter().find(|variable| variable.name == used.name) {
                None => {
                    check.error(format!("Variable '${}' is not defined{}.", used.name, in_operation("by")))
                }
                Some(variable) => {
                    if let Some(expected) = used
                        .expected
                        .filter(|_| check.named(&variable.ty).is_some())
                        .filter(|expected| !fits(variable, expected, used.has_default))
                    {
                        check.error(format!(
                            "Variable '${}' of type '{}' used in position expecting type '{expected}'.",
                            used.name, variable.ty
                        ));
                    }
                }
            }
        }
        for variable in &operation.variables {
            if !uses.iter().any(|used| used.name == variable.name) {
                check.error(format!("Variable '${}' is never used{}.", variable.name, in_operation("in")));
            }
        }
    }
}

/// Every use in an operation and in the fragments that belong to it, each fragment once.
fn uses<'a>(check: &Check<'a>, operation: &'a Operation) -> Vec<Use<'a>> {
    let mut uses = Vec::new();
    let directives = |uses: &mut Vec<Use<'a>>, directives: &'a [Directive]| {
        for directive in directives {
            let definition = check.schema.directives().iter().find(|known| known.name == directive.name);
            arguments(check, definition.map_or(&[], |d| d.arguments.as_slice()), &directive.arguments, uses);
        }
    };
    directives(&mut uses, &operation.directives);
    let mut known = HashSet::new();
    let mut left: Vec<(Option<&Type>, &[Selection])> =
        vec![(check.schema.root(operation.kind), &operation.selections)];
    while let Some((parent, selections)) = left.pop() {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    directives(&mut uses, &field.directives);
                    left.push((in_field(check, parent, field, &mut uses), &field.selections));
                }
                Selection::Inline { on, selections, directives: given } => {
                    directives(&mut uses, given);
                    let inside = on.as_ref().map_or(parent, |on| check.schema.get(on));
                    left.push((inside, selections));
                }
                Selection::Spread { name, directives: given } => {
                    directives(&mut uses, given);
                    if let Some(fragment) =
                        check.document.fragment(name).filter(|f| known.insert(f.name.as_str()))
                    {
                        directives(&mut uses, &fragment.directives);
                        left.push((check.schema.get(&fragment.on), &fragment.selections));
                    }
                }
            }
        }
    }
    uses
}

/// Collects what a field uses; answers the type of its selections.
fn in_field<'a>(
    check: &Check<'a>,
    parent: Option<&'a Type>,
    field: &'a Field,
    uses: &mut Vec<Use<'a>>,
) -> Option<&'a Type> {
    let definition = parent.and_then(|parent| check.schema.field(parent, &field.name));
    let known = definition.map_or(&[][..], |definition| definition.arguments.as_slice());
    arguments(check, known, &field.arguments, uses);
    definition.and_then(|definition| check.named(&definition.ty))
}

fn arguments<'a>(
    check: &Check<'a>,
    known: &'a [InputDefinition],
    given: &'a Arguments,
    uses: &mut Vec<Use<'a>>,
) {
    for (name, value) in given {
        let argument = known.iter().find(|argument| argument.name == *name);
        let has_default = argument.is_some_and(has_default);
        in_value(check, argument.map(|argument| &argument.ty), has_default, value, uses);
    }
}

fn in_value<'a>(
    check: &Check<'a>,
    expected: Option<&'a TypeRef>,
    default: bool,
    value: &'a Literal,
    uses: &mut Vec<Use<'a>>,
) {
    match value {
        Literal::Variable(name) => uses.push(Use { name, expected, has_default: default }),
        Literal::List(items) => {
            let item = match expected.map(TypeRef::nullable) {
                Some(TypeRef::List(item)) => Some(&**item),
                _ => None,
            };
            items.iter().for_each(|value| in_value(check, item, false, value, uses));
        }
        Literal::Object(fields) => {
            let known = match expected.and_then(|ty| check.named(ty)).map(|ty| &ty.shape) {
                Some(Shape::Input(known)) => known.as_slice(),
                _ => &[],
            };
            arguments(check, known, fields, uses);
        }
        _ => {}
    }
}

fn has_default(definition: &InputDefinition) -> bool {
    definition.default.as_ref().is_some_and(|default| *default != Literal::Null)
}

/// Whether a variable may stand where that type is expected. One that may be null fits where null does not, if one of the two
/// has another default.
fn fits(variable: &VariableDefinition, expected: &TypeRef, has_default: bool) -> bool {
    if let (TypeRef::NonNull(inner), false) = (expected, matches!(variable.ty, TypeRef::NonNull(_))) {
        let not_null = variable.default.as_ref().is_some_and(|default| *default != Literal::Null);
        return (not_null || has_default) && is_subtype(&variable.ty, inner);
    }
    is_subtype(&variable.ty, expected)
}

fn is_subtype(ty: &TypeRef, expected: &TypeRef) -> bool {
    match (ty, expected) {
        (TypeRef::NonNull(one), TypeRef::NonNull(other)) => is_subtype(one, other),
        (TypeRef::NonNull(one), other) => is_subtype(one, other),
        (TypeRef::List(one), TypeRef::List(other)) => is_subtype(one, other),
        (TypeRef::Named(one), TypeRef::Named(other)) => one == other,
        _ => false,
    }
}
