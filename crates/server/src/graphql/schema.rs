//! MLflow's GraphQL schema, as its server has it: read from the files in `schema/`, one a noun.

use super::document::{DirectiveDefinition, FieldDefinition, OperationKind, Shape, Type, TypeRef};
use super::parse::parse;
use std::collections::HashMap;

const TEXTS: [&str; 7] = [
    include_str!("schema/root.graphql"),
    include_str!("schema/experiments.graphql"),
    include_str!("schema/runs.graphql"),
    include_str!("schema/metrics.graphql"),
    include_str!("schema/model_versions.graphql"),
    include_str!("schema/artifacts.graphql"),
    include_str!("schema/introspection.graphql"),
];

/// All types and directives.
#[derive(Debug)]
pub struct Schema {
    types: Vec<Type>,
    by_name: HashMap<String, usize>,
    directives: Vec<DirectiveDefinition>,
    /// The fields that every query has besides those of its type.
    meta: Vec<FieldDefinition>,
    /// The field that every object has.
    typename: FieldDefinition,
}

impl Default for Schema {
    fn default() -> Self {
        let document = parse(&TEXTS.concat()).expect("the schema's files are GraphQL");
        let types = in_order(document.types);
        let by_name = types.iter().enumerate().map(|(index, ty)| (ty.name.clone(), index)).collect();
        let mut meta = parse(META).expect("these fields are GraphQL").types;
        let Shape::Object(mut meta) = meta.remove(0).shape else { unreachable!("it is a type") };
        let typename = meta.remove(0);
        Self { types, by_name, directives: document.directives, meta, typename }
    }
}

/// Each type comes before those that it names first, beginning with the roots.
fn in_order(types: Vec<Type>) -> Vec<Type> {
    let mut left: HashMap<String, Type> = types.into_iter().map(|ty| (ty.name.clone(), ty)).collect();
    let mut ordered = Vec::new();
    for root in ["Query", "Mutation", "__Schema"] {
        take(root, &mut left, &mut ordered);
    }
    ordered
}

fn take(name: &str, left: &mut HashMap<String, Type>, ordered: &mut Vec<Type>) {
    let Some(ty) = left.remove(name) else { return };
    let named: Vec<String> = match &ty.shape {
        Shape::Object(fields) => fields
            .iter()
            .flat_map(|field| {
                [&field.ty].into_iter().chain(field.arguments.iter().map(|argument| &argument.ty))
            })
            .map(|ty| ty.name().to_owned())
            .collect(),
        Shape::Input(fields) => fields.iter().map(|field| field.ty.name().to_owned()).collect(),
        Shape::Scalar | Shape::Enum(_) => Vec::new(),
    };
    ordered.push(ty);
    for name in named {
        take(&name, left, ordered);
    }
}

/// What the language adds to a schema, `__typename` first.
const META: &str = "type Meta { __typename: String! __schema: __Schema! __type(name: String!): __Type }";

impl Schema {
    /// Every type, in graphql-core's order.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// Every directive.
    pub fn directives(&self) -> &[DirectiveDefinition] {
        &self.directives
    }

    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<&Type> {
        self.by_name.get(name).map(|index| &self.types[*index])
    }

    /// The type inside of lists and `!`.
    pub fn named(&self, ty: &TypeRef) -> Option<&Type> {
        self.get(ty.name())
    }

    /// The type whose fields an operation selects; there are no subscriptions.
    pub fn root(&self, kind: OperationKind) -> Option<&Type> {
        match kind {
            OperationKind::Query => self.get("Query"),
            OperationKind::Mutation => self.get("Mutation"),
            OperationKind::Subscription => None,
        }
    }

    /// A field of an object, those included that the language adds.
    pub fn field<'a>(&'a self, parent: &'a Type, name: &str) -> Option<&'a FieldDefinition> {
        match name {
            "__typename" => parent.is_object().then_some(&self.typename),
            "__schema" | "__type" if parent.name == "Query" => {
                self.meta.iter().find(|field| field.name == name)
            }
            _ => parent.field(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        let schema = Schema::default();
        assert_eq!(schema.by_name.len(), schema.types.len());
        for ty in schema.types() {
            let named: Vec<&TypeRef> = match &ty.shape {
                Shape::Object(fields) => {
                    fields.iter().flat_map(|f| f.arguments.iter().map(|a| &a.ty).chain([&f.ty])).collect()
                }
                Shape::Input(fields) => fields.iter().map(|field| &field.ty).collect(),
                Shape::Scalar | Shape::Enum(_) => Vec::new(),
            };
            for name in named {
                assert!(schema.named(name).is_some(), "{} names {name}, which is not defined", ty.name);
            }
        }
        for name in ["__schema", "__type", "__typename"] {
            let query = schema.root(OperationKind::Query).expect("a query type");
            assert!(schema.field(query, name).is_some(), "{name}");
        }
    }
}
