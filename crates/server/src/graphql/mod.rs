//! GraphQL, as MLflow's UI speaks it: one small schema, whose fields are handlers of REST routes.
//!
//! A text is parsed (`parse.rs`), measured (`limits.rs`), validated (`validate/`) and executed (`execute.rs`): the fields of its
//! operation are resolved (`resolve.rs`), and what is selected of them is written (`write.rs`, `introspect.rs`). Messages are
//! graphql-core's, which MLflow passes on.

mod coerce;
mod document;
mod execute;
mod introspect;
mod lex;
mod limits;
mod parse;
mod python;
mod resolve;
mod schema;
mod suggest;
mod validate;
mod write;

pub use limits::QueryLimits;
pub use resolve::Root;
pub use schema::Schema;

use crate::app::App;
use crate::respond::Failure;
use api::GraphqlRequest;
use api::error::invalid;
use execute::Outcome;
use serde_json::Value;

/// The longest text of a query, in bytes. The UI's have less than two thousand.
const MAX_QUERY: usize = 256 * 1024;

/// Answers a request, with JSON.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` for a query that cannot be read, and the errors of a server that fails. Everything else that is
/// wrong is in the answer.
pub async fn answer(app: &App, request: GraphqlRequest) -> Result<String, Failure> {
    let outcome = outcome(app, request).await?;
    let errors = match outcome.errors.is_empty() {
        true => Value::Null,
        false => Value::from(outcome.errors),
    };
    let data = outcome.data.as_deref().unwrap_or("null");
    Ok(format!("{{\"data\":{data},\"errors\":{errors}}}"))
}

async fn outcome(app: &App, request: GraphqlRequest) -> Result<Outcome, Failure> {
    let query = request.query.as_deref().unwrap_or_default();
    if query.len() > MAX_QUERY {
        return Err(invalid(format!(
            "The GraphQL query is longer than {MAX_QUERY} bytes. Ask for less at a time, and give values as variables."
        ))
        .into());
    }
    let document = parse::parse(query).map_err(|error| {
        let lex::SyntaxError { message, line, column } = error;
        invalid(format!("The GraphQL query cannot be read at line {line}, column {column}: {message}."))
    })?;
    if let Err(message) = limits::check(&document, app.settings().graphql) {
        return Ok(Outcome::refused(vec![message]));
    }
    let errors = validate::validate(app.graphql(), &document);
    if !errors.is_empty() {
        return Ok(Outcome::refused(errors));
    }
    execute::execute(app, &document, request.operation_name().as_deref(), &request.variables).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Words that GraphQL texts are made of, names of the schema among them.
    const WORDS: &[&str] = &[
        "{",
        "{",
        "{",
        "}",
        "}",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "=",
        "!",
        "$",
        "@",
        "...",
        "...F",
        "...G",
        "on",
        "query",
        "mutation",
        "fragment F on Query",
        "fragment G on Test",
        "test",
        "output",
        "mlflowGetRun",
        "input",
        "run",
        "info",
        "runId",
        "__schema",
        "types",
        "a:",
        "$a",
        "$a: String",
        "\"x\"",
        "3",
        "1.5",
        "null",
        "ALL",
        "{runId: $a}",
        "@component(name: \"x\")",
        "{ test { output } }",
    ];

    /// All that is done with a text before something is looked up: none of it may fall over.
    fn look_at(text: &str) {
        let Ok(document) = parse::parse(text) else { return };
        let schema = Schema::default();
        if limits::check(&document, QueryLimits::default()).is_ok()
            && validate::validate(&schema, &document).is_empty()
        {
            for operation in &document.operations {
                drop(write::grouped(&document, &[&operation.selections]));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "\\PC*") {
            look_at(&text);
        }

        #[test]
        fn any_words(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
            look_at(&words.join(" "));
        }

        #[test]
        fn any_fields(words in prop::collection::vec(prop::sample::select(WORDS), 0..12)) {
            look_at(&format!("query ($a: String) {{ test {{ {} }} }} fragment F on Query {{ ...F }} fragment G on Test {{ ...G }}", words.join(" ")));
        }
    }
}
