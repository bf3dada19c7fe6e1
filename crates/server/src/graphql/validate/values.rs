//! Values that are written in the text.

use super::Check;
use crate::graphql::document::{Arguments, InputDefinition, Literal, Shape, Type, TypeRef};
use crate::graphql::suggest::did_you_mean;
use std::collections::HashSet;

impl Check<'_> {
    /// Checks that a value is one of its type. Variables in it are looked at by themselves.
    pub(super) fn value(&mut self, ty: &TypeRef, value: &Literal) {
        match (ty, value) {
            (_, Literal::Variable(_)) => {}
            (TypeRef::NonNull(_), Literal::Null) => {
                self.error(format!("Expected value of type '{ty}', found null."));
            }
            (TypeRef::NonNull(inner), _) => self.value(inner, value),
            (_, Literal::Null) => {}
            (TypeRef::List(item), Literal::List(values)) => {
                for value in values {
                    self.value(item, value);
                }
            }
            (TypeRef::List(item), _) => self.value(item, value),
            (TypeRef::Named(name), _) => {
                let Some(named) = self.schema.get(name) else { return };
                match (&named.shape, value) {
                    (Shape::Input(known), Literal::Object(fields)) => self.input_object(named, known, fields),
                    (Shape::Input(_), _) => {
                        self.error(format!("Expected value of type '{ty}', found {value}."))
                    }
                    _ => {
                        if let Err(message) = leaf(named, value) {
                            self.error(message);
                        }
                    }
                }
            }
        }
    }

    fn input_object(&mut self, ty: &Type, known: &[InputDefinition], fields: &Arguments) {
        let mut names = HashSet::new();
        for (name, value) in fields {
            if !names.insert(name) {
                self.error(format!("There can be only one input field named '{name}'."));
            }
            match known.iter().find(|field| field.name == *name) {
                Some(field) => self.value(&field.ty, value),
                None => {
                    let close = did_you_mean(name, known.iter().map(|field| field.name.as_str()), "");
                    self.error(format!("Field '{name}' is not defined by type '{}'.{close}", ty.name));
                }
            }
        }
    }
}

/// Whether a scalar or an enum may be written like that.
fn leaf(ty: &Type, value: &Literal) -> Result<(), String> {
    match (&ty.shape, ty.name.as_str(), value) {
        (Shape::Enum(values), name, Literal::Enum(text)) => {
            if values.iter().any(|value| value.name == *text) {
                return Ok(());
            }
            let close = did_you_mean(text, values.iter().map(|value| value.name.as_str()), "the enum value ");
            Err(format!("Value '{text}' does not exist in '{name}' enum.{close}"))
        }
        (Shape::Enum(values), name, _) => {
            let text = value.to_string();
            let close =
                did_you_mean(&text, values.iter().map(|value| value.name.as_str()), "the enum value ");
            Err(format!("Enum '{name}' cannot represent non-enum value: {text}.{close}"))
        }
        (_, "Int", Literal::Int(text)) => match text.parse::<i32>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("Int cannot represent non 32-bit signed integer value: {text}")),
        },
        (_, "Int", _) => Err(format!("Int cannot represent non-integer value: {value}")),
        (_, "String", Literal::Text(_)) | (_, "Boolean", Literal::Bool(_)) => Ok(()),
        (_, "String", _) => Err(format!("String cannot represent a non string value: {value}")),
        (_, "Boolean", _) => Err(format!("Boolean cannot represent a non boolean value: {value}")),
        // MLflow's LongString takes everything, and what is not an integer for null.
        _ => Ok(()),
    }
}
