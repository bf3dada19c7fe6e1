//! Answers about the schema itself: `__schema` and `__type`. Nothing in it is deprecated, so that `includeDeprecated` changes
//! nothing.

use super::document::{
    DirectiveDefinition, EnumValue, Field, FieldDefinition, InputDefinition, Literal, OperationKind,
    Selection, Shape, Type, TypeRef,
};
use super::write::{Writer, list, text};
/// What is selected of a value.
type Below<'a, 'b> = &'b [&'a [Selection]];

/// Writes parts of the schema.
pub struct Introspection<'w, 'a> {
    pub writer: &'w Writer<'a>,
}

impl<'a> Introspection<'_, 'a> {
    /// `__Schema`
    pub fn schema(&self, out: &mut String, below: Below<'a, '_>) {
        let schema = self.writer.schema;
        self.object(out, "__Schema", below, |out, field, below| match field.name.as_str() {
            "types" => list(out, schema.types(), |out, ty| self.named_type(out, below, ty)),
            "queryType" => self.root(out, below, OperationKind::Query),
            "mutationType" => self.root(out, below, OperationKind::Mutation),
            "directives" => {
                list(out, schema.directives(), |out, directive| self.directive(out, below, directive))
            }
            _ => out.push_str("null"),
        });
    }

    /// `__Type` of a type that has a name.
    pub fn named_type(&self, out: &mut String, below: Below<'a, '_>, ty: &'a Type) {
        self.object(out, "__Type", below, |out, field, below| match (field.name.as_str(), &ty.shape) {
            ("kind", shape) => text(out, kind(shape)),
            ("name", _) => text(out, &ty.name),
            ("description", _) => optional(out, ty.description.as_deref()),
            ("fields", Shape::Object(fields)) => {
                list(out, fields, |out, definition| self.field(out, below, definition));
            }
            ("interfaces", Shape::Object(_)) => out.push_str("[]"),
            ("enumValues", Shape::Enum(values)) => {
                list(out, values, |out, value| self.enum_value(out, below, value))
            }
            ("inputFields", Shape::Input(fields)) => {
                list(out, fields, |out, definition| self.input(out, below, definition));
            }
            ("isOneOf", Shape::Input(_)) => out.push_str("false"),
            _ => out.push_str("null"),
        });
    }

    /// `__Type` of a type as it is used, which may be a list of one that has a name.
    fn used_type(&self, out: &mut String, below: Below<'a, '_>, ty: &'a TypeRef) {
        let (kind, inner) = match ty {
            TypeRef::List(inner) => ("LIST", inner),
            TypeRef::NonNull(inner) => ("NON_NULL", inner),
            TypeRef::Named(name) => {
                return match self.writer.schema.get(name) {
                    Some(ty) => self.named_type(out, below, ty),
                    None => out.push_str("null"),
                };
            }
        };
        self.object(out, "__Type", below, |out, field, below| match field.name.as_str() {
            "kind" => text(out, kind),
            "ofType" => self.used_type(out, below, inner),
            _ => out.push_str("null"),
        });
    }

    fn root(&self, out: &mut String, below: Below<'a, '_>, kind: OperationKind) {
        match self.writer.schema.root(kind) {
            Some(ty) => self.named_type(out, below, ty),
            None => out.push_str("null"),
        }
    }

    fn field(&self, out: &mut String, below: Below<'a, '_>, definition: &'a FieldDefinition) {
        self.object(out, "__Field", below, |out, field, below| match field.name.as_str() {
            "name" => text(out, &definition.name),
            "description" => optional(out, definition.description.as_deref()),
            "args" => list(out, &definition.arguments, |out, argument| self.input(out, below, argument)),
            "type" => self.used_type(out, below, &definition.ty),
            other => never_deprecated(out, other),
        });
    }

    fn input(&self, out: &mut String, below: Below<'a, '_>, definition: &'a InputDefinition) {
        self.object(out, "__InputValue", below, |out, field, below| match field.name.as_str() {
            "name" => text(out, &definition.name),
            "description" => optional(out, definition.description.as_deref()),
            "type" => self.used_type(out, below, &definition.ty),
            "defaultValue" => optional(out, definition.default.as_ref().map(Literal::to_string).as_deref()),
            other => never_deprecated(out, other),
        });
    }

    fn enum_value(&self, out: &mut String, below: Below<'a, '_>, value: &'a EnumValue) {
        self.object(out, "__EnumValue", below, |out, field, _| match field.name.as_str() {
            "name" => text(out, &value.name),
            "description" => optional(out, value.description.as_deref()),
            other => never_deprecated(out, other),
        });
    }

    fn directive(&self, out: &mut String, below: Below<'a, '_>, directive: &'a DirectiveDefinition) {
        self.object(out, "__Directive", below, |out, field, below| match field.name.as_str() {
            "name" => text(out, &directive.name),
            "description" => optional(out, directive.description.as_deref()),
            "isRepeatable" => out.push_str("false"),
            "locations" => list(out, &directive.locations, |out, location| text(out, location)),
            "args" => list(out, &directive.arguments, |out, argument| self.input(out, below, argument)),
            other => never_deprecated(out, other),
        });
    }

    fn object(
        &self,
        out: &mut String,
        name: &str,
        below: Below<'a, '_>,
        one: impl FnMut(&mut String, &'a Field, Below<'a, '_>),
    ) {
        match self.writer.schema.get(name) {
            Some(ty) => self.writer.fields(out, ty, below, one),
            None => out.push_str("null"),
        }
    }
}

fn kind(shape: &Shape) -> &'static str {
    match shape {
        Shape::Scalar => "SCALAR",
        Shape::Object(_) => "OBJECT",
        Shape::Input(_) => "INPUT_OBJECT",
        Shape::Enum(_) => "ENUM",
    }
}

fn never_deprecated(out: &mut String, name: &str) {
    out.push_str(if name == "isDeprecated" { "false" } else { "null" });
}

fn optional(out: &mut String, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => out.push_str("null"),
    }
}
