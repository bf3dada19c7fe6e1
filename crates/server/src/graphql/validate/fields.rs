//! Selections: fields, their arguments, spreads and directives.

use super::Check;
use crate::graphql::document::{
    Arguments, Directive, Field, InputDefinition, Literal, Selection, Type, TypeRef,
};
use crate::graphql::suggest::did_you_mean;
use std::collections::HashSet;

impl<'a> Check<'a> {
    /// Checks what stands in braces. `parent` is the object it selects from; `None` where that is not known, which was said.
    pub(super) fn selections(&mut self, parent: Option<&'a Type>, selections: &'a [Selection]) {
        for selection in selections {
            match selection {
                Selection::Field(field) => self.field(parent, field),
                Selection::Spread { name, directives } => {
                    self.spread(parent, name);
                    self.directives(directives, "FRAGMENT_SPREAD");
                }
                Selection::Inline { on, directives, selections } => {
                    let inside = match on {
                        Some(on) => self.inline_type(parent, on),
                        None => parent,
                    };
                    self.directives(directives, "INLINE_FRAGMENT");
                    self.selections(inside, selections);
                }
            }
        }
    }

    fn field(&mut self, parent: Option<&'a Type>, field: &'a Field) {
        let definition = parent.and_then(|parent| self.schema.field(parent, &field.name));
        match (parent, definition) {
            (Some(parent), Some(definition)) => {
                let place = format!("field '{}.{}'", parent.name, field.name);
                self.arguments(&definition.arguments, &field.arguments, &place, |argument, ty| {
                    format!("Field '{}' argument '{argument}' of type '{ty}' is required, but it was not provided.", field.name)
                });
                self.leaf(field, &definition.ty);
            }
            (Some(parent), None) if parent.is_object() => self.no_such_field(parent, field),
            _ => {}
        }
        self.directives(&field.directives, "FIELD");
        let inside = definition.and_then(|definition| self.named(&definition.ty)).filter(|ty| ty.is_object());
        self.selections(inside, &field.selections);
    }

    fn no_such_field(&mut self, parent: &Type, field: &Field) {
        let names = match &parent.shape {
            crate::graphql::document::Shape::Object(fields) => fields.as_slice(),
            _ => &[],
        };
        let close = did_you_mean(&field.name, names.iter().map(|f| f.name.as_str()), "");
        self.error(format!("Cannot query field '{}' on type '{}'.{close}", field.name, parent.name));
    }

    fn leaf(&mut self, field: &Field, ty: &TypeRef) {
        let name = &field.name;
        let is_object = self.named(ty).is_some_and(Type::is_object);
        if is_object && field.selections.is_empty() {
            self.error(format!(
                "Field '{name}' of type '{ty}' must have a selection of subfields. Did you mean '{name} {{ ... }}'?"
            ));
        }
        if !is_object && !field.selections.is_empty() {
            self.error(format!(
                "Field '{name}' must not have a selection since type '{ty}' has no subfields."
            ));
        }
    }

    fn spread(&mut self, parent: Option<&'a Type>, name: &str) {
        let Some(fragment) = self.document.fragment(name) else {
            return self.error(format!("Unknown fragment '{name}'."));
        };
        let on = self.schema.get(&fragment.on).filter(|ty| ty.is_object());
        if let (Some(parent), Some(on)) = (parent, on)
            && parent.name != on.name
        {
            self.error(format!(
                "Fragment '{name}' cannot be spread here as objects of type '{}' can never be of type '{}'.",
                parent.name, on.name
            ));
        }
    }

    fn inline_type(&mut self, parent: Option<&'a Type>, on: &str) -> Option<&'a Type> {
        let inside = self.known_type(on)?;
        if !inside.is_object() {
            self.error(format!("Fragment cannot condition on non composite type '{on}'."));
            return None;
        }
        if let Some(parent) = parent.filter(|parent| parent.name != inside.name) {
            self.error(format!(
                "Fragment cannot be spread here as objects of type '{}' can never be of type '{on}'.",
                parent.name
            ));
        }
        Some(inside)
    }

    /// Checks the directives at a place of that kind.
    pub(super) fn directives(&mut self, directives: &'a [Directive], location: &str) {
        let mut names = HashSet::new();
        for directive in directives {
            let name = &directive.name;
            if !names.insert(name) {
                self.error(format!("The directive '@{name}' can only be used once at this location."));
            }
            let Some(definition) = self.schema.directives().iter().find(|d| d.name == *name) else {
                self.error(format!("Unknown directive '@{name}'."));
                continue;
            };
            if !definition.locations.iter().any(|l| l == location) {
                self.error(format!(
                    "Directive '@{name}' may not be used on {}.",
                    location.to_lowercase().replace('_', " ")
                ));
            }
            let place = format!("directive '@{name}'");
            self.arguments(&definition.arguments, &directive.arguments, &place, |argument, ty| {
                format!("Directive '@{name}' argument '{argument}' of type '{ty}' is required, but it was not provided.")
            });
        }
    }

    fn arguments(
        &mut self,
        known: &'a [InputDefinition],
        given: &'a Arguments,
        place: &str,
        missing: impl Fn(&str, &TypeRef) -> String,
    ) {
        let mut names = HashSet::new();
        for (name, value) in given {
            if !names.insert(name) {
                self.error(format!("There can be only one argument named '{name}'."));
            }
            match known.iter().find(|argument| argument.name == *name) {
                Some(argument) => self.value(&argument.ty, value),
                None => {
                    let close = did_you_mean(name, known.iter().map(|argument| argument.name.as_str()), "");
                    self.error(format!("Unknown argument '{name}' on {place}.{close}"));
                }
            }
        }
        for argument in known {
            let required = matches!(argument.ty, TypeRef::NonNull(_)) && argument.default.is_none();
            if required && !given.iter().any(|(name, _): &(String, Literal)| *name == argument.name) {
                self.error(missing(&argument.name, &argument.ty));
            }
        }
    }
}
