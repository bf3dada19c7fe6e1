//! Executes a document that has been validated: resolves the operation's fields, then writes what they select.

use super::coerce;
use super::document::{Document, Field, FieldDefinition, Operation, OperationKind, Selection, Type};
use super::introspect;
use super::resolve::{Resolved, Root, Wanted, resolve};
use super::schema::Schema;
use super::write::{self, Writer};
use crate::app::App;
use crate::respond::Failure;
use serde_json::{Map, Value};

/// What is sent back.
#[derive(Debug, Default)]
pub struct Outcome {
    /// JSON, unless nothing could be executed.
    pub data: Option<String>,
    pub errors: Vec<String>,
}

impl Outcome {
    /// Nothing but errors.
    pub fn refused(errors: Vec<String>) -> Self {
        Self { data: None, errors }
    }
}

/// Executes the operation of that name, or the only one.
///
/// # Errors
/// When this server or its database fails; what is wrong with the query is in the outcome.
pub async fn execute(
    app: &App,
    document: &Document,
    operation_name: Option<&str>,
    variables: &Map<String, Value>,
) -> Result<Outcome, Failure> {
    let schema = app.graphql();
    let operation = match choose(document, operation_name) {
        Ok(operation) => operation,
        Err(message) => return Ok(Outcome::refused(vec![message])),
    };
    let variables = match coerce::variables(schema, operation, variables) {
        Ok(variables) => variables,
        Err(errors) => return Ok(Outcome::refused(errors)),
    };
    let Some(root) = schema.root(operation.kind) else {
        let message = format!("Schema is not configured to execute {} operation.", operation.kind.word());
        return Ok(Outcome::refused(vec![message]));
    };
    let execution = Execution { app, schema, document, kind: operation.kind, variables };
    execution.run(root, &operation.selections).await
}

fn choose<'a>(document: &'a Document, name: Option<&str>) -> Result<&'a Operation, String> {
    match (name, document.operations.as_slice()) {
        (Some(name), operations) => operations
            .iter()
            .find(|operation| operation.name.as_deref() == Some(name))
            .ok_or_else(|| format!("Unknown operation named '{name}'.")),
        (None, [operation]) => Ok(operation),
        (None, []) => Err("Must provide an operation.".to_owned()),
        (None, _) => Err("Must provide operation name if query contains multiple operations.".to_owned()),
    }
}

struct Execution<'a> {
    app: &'a App,
    schema: &'a Schema,
    document: &'a Document,
    kind: OperationKind,
    variables: Map<String, Value>,
}

impl<'a> Execution<'a> {
    async fn run(&self, root: &'a Type, selections: &'a [Selection]) -> Result<Outcome, Failure> {
        let mut data = String::from("{");
        let mut errors = Vec::new();
        for group in write::grouped(self.document, &[selections]) {
            let field = group.first();
            let Some(definition) = self.schema.field(root, &field.name) else { continue };
            write::key(&mut data, field.key());
            let resolved = match self.resolve(root, field, definition, &group.below()).await {
                Ok(resolved) => resolved,
                Err(failure) if failure.is_the_servers() => return Err(failure),
                Err(failure) => {
                    errors.push(failure.into_message());
                    Resolved::Nothing
                }
            };
            self.write(&mut data, definition, &group.below(), &resolved);
        }
        data.push('}');
        Ok(Outcome { data: Some(data), errors })
    }

    async fn resolve(
        &self,
        root: &'a Type,
        field: &'a Field,
        definition: &'a FieldDefinition,
        below: &[&'a [Selection]],
    ) -> Result<Resolved, Failure> {
        let arguments = coerce::arguments(self.schema, definition, &field.arguments, &self.variables);
        match field.name.as_str() {
            "__typename" => Ok(Resolved::Typename(root.name.clone())),
            "__schema" => Ok(Resolved::Schema),
            "__type" => {
                let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
                Ok(Resolved::Type(name.to_owned()))
            }
            name => match Root::of(self.kind, name) {
                Some(root) => {
                    let wanted = Wanted {
                        experiments: write::selects(self.document, below, "runs.experiment")
                            || write::selects(self.document, below, "run.experiment"),
                        model_versions: write::selects(self.document, below, "runs.modelVersions")
                            || write::selects(self.document, below, "run.modelVersions"),
                    };
                    resolve(self.app, root, arguments, wanted).await
                }
                None => Ok(Resolved::Nothing),
            },
        }
    }

    fn write(
        &self,
        out: &mut String,
        definition: &'a FieldDefinition,
        below: &[&'a [Selection]],
        resolved: &Resolved,
    ) {
        let writer = Writer { schema: self.schema, document: self.document };
        match resolved {
            Resolved::Nothing => out.push_str("null"),
            Resolved::Typename(name) => write::text(out, name),
            Resolved::Message { message, related } => {
                writer.value(out, &definition.ty, below, Some(message), related)
            }
            Resolved::Points(histories) => writer.points(out, below, histories),
            Resolved::Schema => {
                let introspection = introspect::Introspection { writer: &writer };
                introspection.schema(out, below);
            }
            Resolved::Type(name) => {
                let introspection = introspect::Introspection { writer: &writer };
                match self.schema.get(name) {
                    Some(ty) => introspection.named_type(out, below, ty),
                    None => out.push_str("null"),
                }
            }
        }
    }
}
