//! What a GraphQL text says: the tree that `parse.rs` makes, of queries and of our own schema alike.

use std::collections::HashMap;
use std::fmt;

/// A whole text.
#[derive(Debug, Default)]
pub struct Document {
    pub operations: Vec<Operation>,
    pub fragments: Vec<Fragment>,
    pub types: Vec<Type>,
    pub directives: Vec<DirectiveDefinition>,
    fragment_places: HashMap<String, usize>,
}

impl Document {
    /// Adds a fragment. Of two with one name, which is a mistake, the first one is meant.
    pub fn add_fragment(&mut self, fragment: Fragment) {
        self.fragment_places.entry(fragment.name.clone()).or_insert(self.fragments.len());
        self.fragments.push(fragment);
    }

    /// The fragment of that name.
    pub fn fragment(&self, name: &str) -> Option<&Fragment> {
        self.fragment_places.get(name).map(|place| &self.fragments[*place])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

impl OperationKind {
    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }

    /// Where its directives stand, as the language calls it.
    pub fn location(self) -> &'static str {
        match self {
            Self::Query => "QUERY",
            Self::Mutation => "MUTATION",
            Self::Subscription => "SUBSCRIPTION",
        }
    }
}

#[derive(Debug)]
pub struct Operation {
    pub kind: OperationKind,
    pub name: Option<String>,
    pub variables: Vec<VariableDefinition>,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

#[derive(Debug)]
pub struct VariableDefinition {
    pub name: String,
    pub ty: TypeRef,
    pub default: Option<Literal>,
    pub directives: Vec<Directive>,
}

#[derive(Debug)]
pub struct Fragment {
    pub name: String,
    pub on: String,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

#[derive(Debug)]
pub enum Selection {
    Field(Field),
    /// `...Name`
    Spread {
        name: String,
        directives: Vec<Directive>,
    },
    /// `... on Type { }`
    Inline {
        on: Option<String>,
        directives: Vec<Directive>,
        selections: Vec<Selection>,
    },
}

#[derive(Debug)]
pub struct Field {
    pub alias: Option<String>,
    pub name: String,
    pub arguments: Arguments,
    pub directives: Vec<Directive>,
    /// Empty where there are no braces.
    pub selections: Vec<Selection>,
}

impl Field {
    /// What the answer calls it.
    pub fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

#[derive(Debug)]
pub struct Directive {
    pub name: String,
    pub arguments: Arguments,
}

/// Names with values, in the order of the text.
pub type Arguments = Vec<(String, Literal)>;

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Variable(String),
    /// As it was written.
    Int(String),
    /// As it was written.
    Float(String),
    Text(String),
    Bool(bool),
    Null,
    Enum(String),
    List(Vec<Literal>),
    Object(Arguments),
}

/// As graphql-core prints it in its messages.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "${name}"),
            Self::Int(text) | Self::Float(text) | Self::Enum(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A type as it is used: by name, in a list, or never null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeRef {
    Named(String),
    List(Box<TypeRef>),
    NonNull(Box<TypeRef>),
}

impl TypeRef {
    /// The name inside of lists and `!`.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::List(inner) | Self::NonNull(inner) => inner.name(),
        }
    }

    /// Without a `!` at its end.
    pub fn nullable(&self) -> &Self {
        match self {
            Self::NonNull(inner) => inner,
            other => other,
        }
    }
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(inner) => write!(f, "[{inner}]"),
            Self::NonNull(inner) => write!(f, "{inner}!"),
        }
    }
}

/// The definition of a type.
#[derive(Debug)]
pub struct Type {
    pub description: Option<String>,
    pub name: String,
    pub shape: Shape,
}

#[derive(Debug)]
pub enum Shape {
    Scalar,
    Object(Vec<FieldDefinition>),
    Input(Vec<InputDefinition>),
    Enum(Vec<EnumValue>),
}

#[derive(Debug)]
pub struct FieldDefinition {
    pub description: Option<String>,
    pub name: String,
    pub arguments: Vec<InputDefinition>,
    pub ty: TypeRef,
}

/// An argument, or a field of an input type.
#[derive(Debug)]
pub struct InputDefinition {
    pub description: Option<String>,
    pub name: String,
    pub ty: TypeRef,
    pub default: Option<Literal>,
}

#[derive(Debug)]
pub struct EnumValue {
    pub description: Option<String>,
    pub name: String,
}

#[derive(Debug)]
pub struct DirectiveDefinition {
    pub description: Option<String>,
    pub name: String,
    pub arguments: Vec<InputDefinition>,
    pub locations: Vec<String>,
}

impl Type {
    /// Whether values of it have fields to select.
    pub fn is_object(&self) -> bool {
        matches!(self.shape, Shape::Object(_))
    }

    /// Whether variables and arguments may have it.
    pub fn is_input(&self) -> bool {
        !self.is_object()
    }

    /// The field of that name of an object.
    pub fn field(&self, name: &str) -> Option<&FieldDefinition> {
        match &self.shape {
            Shape::Object(fields) => fields.iter().find(|field| field.name == name),
            _ => None,
        }
    }
}
