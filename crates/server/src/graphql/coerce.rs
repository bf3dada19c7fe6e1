//! From the values of variables and arguments to JSON of the types that the schema asks for.

use super::document::{
    Arguments, FieldDefinition, InputDefinition, Literal, Operation, Shape, Type, TypeRef,
};
use super::python::inspect;
use super::schema::Schema;
use super::suggest::did_you_mean;
use serde_json::{Map, Value};

/// As many errors are named.
const MAX_ERRORS: usize = 50;

/// The values of an operation's variables; those that were not given and have no default are left out.
///
/// # Errors
/// All that is wrong with them, in graphql-core's words.
pub fn variables(
    schema: &Schema,
    operation: &Operation,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<String>> {
    let mut errors = Vec::new();
    let mut values = Map::new();
    for variable in &operation.variables {
        let (name, ty) = (&variable.name, &variable.ty);
        let not_null = matches!(ty, TypeRef::NonNull(_));
        match (given.get(name), &variable.default) {
            (None, Some(default)) => {
                values.extend(literal(schema, ty, default, &Map::new()).map(|value| (name.clone(), value)));
            }
            (None, None) if not_null => {
                errors.push(format!("Variable '${name}' of required type '{ty}' was not provided."));
            }
            (None, None) => {}
            (Some(Value::Null), _) if not_null => {
                errors.push(format!("Variable '${name}' of non-null type '{ty}' must not be null."));
            }
            (Some(value), _) => {
                let mut reader = Reader { schema, variable: name, path: String::new(), errors: &mut errors };
                let value = reader.value(ty, value);
                values.insert(name.clone(), value);
            }
        }
    }
    if errors.len() > MAX_ERRORS {
        errors.truncate(MAX_ERRORS);
        errors
            .push("Too many errors processing variables, error limit reached. Execution aborted.".to_owned());
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

/// Reads the value of one variable.
struct Reader<'a> {
    schema: &'a Schema,
    variable: &'a str,
    /// Where in the value we are, as messages say it.
    path: String,
    errors: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn value(&mut self, ty: &TypeRef, value: &Value) -> Value {
        match (ty, value) {
            (TypeRef::NonNull(_), Value::Null) => {
                self.error(value, &format!("Expected non-nullable type '{ty}' not to be None."))
            }
            (TypeRef::NonNull(inner), _) => self.value(inner, value),
            (_, Value::Null) => Value::Null,
            (TypeRef::List(item), Value::Array(items)) => {
                let items = items.iter().enumerate();
                Value::Array(
                    items.map(|(index, value)| self.within(&format!("[{index}]"), item, value)).collect(),
                )
            }
            (TypeRef::List(item), _) => Value::Array(vec![self.value(item, value)]),
            (TypeRef::Named(name), _) => match self.schema.get(name) {
                Some(Type { shape: Shape::Input(known), .. }) => match value {
                    Value::Object(fields) => self.object(name, known, fields, value),
                    _ => self.error(value, &format!("Expected type '{name}' to be a mapping.")),
                },
                Some(named) => leaf(named, value).unwrap_or_else(|message| self.error(value, &message)),
                None => Value::Null,
            },
        }
    }

    fn object(
        &mut self,
        name: &str,
        known: &[InputDefinition],
        fields: &Map<String, Value>,
        value: &Value,
    ) -> Value {
        let mut read = Map::new();
        for field in known {
            if let Some(value) = fields.get(&field.name) {
                let value = self.within(&format!(".{}", field.name), &field.ty, value);
                read.insert(field.name.clone(), value);
            }
        }
        for given in fields.keys().filter(|given| !known.iter().any(|field| field.name == **given)) {
            let close = did_you_mean(given, known.iter().map(|field| field.name.as_str()), "");
            self.error(value, &format!("Field '{given}' is not defined by type '{name}'.{close}"));
        }
        Value::Object(read)
    }

    fn within(&mut self, step: &str, ty: &TypeRef, value: &Value) -> Value {
        let before = self.path.len();
        self.path.push_str(step);
        let value = self.value(ty, value);
        self.path.truncate(before);
        value
    }

    fn error(&mut self, value: &Value, message: &str) -> Value {
        if self.errors.len() <= MAX_ERRORS {
            let place = match self.path.is_empty() {
                true => String::new(),
                false => format!(" at '{}{}'", self.variable, self.path),
            };
            let value = inspect(value);
            self.errors
                .push(format!("Variable '${}' got invalid value {value}{place}; {message}", self.variable));
        }
        Value::Null
    }
}

fn leaf(ty: &Type, value: &Value) -> Result<Value, String> {
    let shown = || inspect(value);
    match (&ty.shape, ty.name.as_str(), value) {
        (Shape::Enum(values), name, Value::String(text)) => {
            if values.iter().any(|value| value.name == *text) {
                return Ok(value.clone());
            }
            let close = did_you_mean(text, values.iter().map(|value| value.name.as_str()), "the enum value ");
            Err(format!("Value '{text}' does not exist in '{name}' enum.{close}"))
        }
        (Shape::Enum(values), name, _) => {
            let close =
                did_you_mean(&shown(), values.iter().map(|value| value.name.as_str()), "the enum value ");
            Err(format!("Enum '{name}' cannot represent non-string value: {}.{close}", shown()))
        }
        (_, "String", Value::String(_)) | (_, "Boolean", Value::Bool(_)) => Ok(value.clone()),
        (_, "String", _) => Err(format!("String cannot represent a non string value: {}", shown())),
        (_, "Boolean", _) => Err(format!("Boolean cannot represent a non boolean value: {}", shown())),
        (_, "Int", Value::Number(number)) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            match whole {
                Some(whole) if (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&whole) => {
                    Ok(Value::from(whole as i64))
                }
                Some(_) => Err(format!("Int cannot represent non 32-bit signed integer value: {}", shown())),
                None => Err(format!("Int cannot represent non-integer value: {}", shown())),
            }
        }
        (_, "Int", _) => Err(format!("Int cannot represent non-integer value: {}", shown())),
        _ => long(value),
    }
}

/// MLflow's LongString, which takes what Python's `int` takes. A number beyond 64 bits stays a text, for messages.
fn long(value: &Value) -> Result<Value, String> {
    let expected = "Expected type 'LongString'. ";
    match value {
        Value::Bool(value) => Ok(Value::from(i64::from(*value))),
        Value::Number(number) => Ok(match number.as_i64() {
            Some(number) => Value::from(number),
            None => whole(number.as_f64().unwrap_or_default().trunc()),
        }),
        Value::String(text) => match integer(text) {
            Some(value) => Ok(value),
            None => Err(format!("{expected}invalid literal for int() with base 10: {}", inspect(value))),
        },
        _ => {
            let kind = if value.is_array() { "list" } else { "dict" };
            Err(format!(
                "{expected}int() argument must be a string, a bytes-like object or a real number, not '{kind}'"
            ))
        }
    }
}

fn whole(float: f64) -> Value {
    let text = format!("{float:.0}");
    text.parse::<i64>().map_or(Value::String(text), Value::from)
}

/// An integer in Python's notation.
fn integer(text: &str) -> Option<Value> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.replace('_', "");
    let between = !unsigned.starts_with('_') && !unsigned.ends_with('_') && !unsigned.contains("__");
    if digits.is_empty() || !between || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let text = format!("{sign}{digits}");
    Some(text.parse::<i64>().map_or(Value::String(text), Value::from))
}

/// The arguments of a field, which have been validated; those left out are left out here.
pub fn arguments(
    schema: &Schema,
    definition: &FieldDefinition,
    given: &Arguments,
    variables: &Map<String, Value>,
) -> Map<String, Value> {
    let mut values = Map::new();
    for argument in &definition.arguments {
        let literal_of = given.iter().find(|(name, _)| *name == argument.name).map(|(_, value)| value);
        let value = literal_of.and_then(|value| literal(schema, &argument.ty, value, variables));
        let default =
            || argument.default.as_ref().and_then(|value| literal(schema, &argument.ty, value, variables));
        values.extend(value.or_else(default).map(|value| (argument.name.clone(), value)));
    }
    values
}

/// The JSON of a value in the text; `None` for a variable without a value.
fn literal(schema: &Schema, ty: &TypeRef, value: &Literal, variables: &Map<String, Value>) -> Option<Value> {
    Some(match (ty.nullable(), value) {
        (_, Literal::Variable(name)) => return variables.get(name).cloned(),
        (_, Literal::Null) => Value::Null,
        (TypeRef::List(item), Literal::List(values)) => Value::Array(
            values.iter().map(|v| literal(schema, item, v, variables).unwrap_or_default()).collect(),
        ),
        (TypeRef::List(item), value) => Value::Array(vec![literal(schema, item, value, variables)?]),
        (ty, Literal::Object(fields)) => {
            let known = match schema.named(ty).map(|ty| &ty.shape) {
                Some(Shape::Input(known)) => known.as_slice(),
                _ => &[],
            };
            let field = |(name, value): &(String, Literal)| {
                let field = known.iter().find(|field| field.name == *name)?;
                Some((name.clone(), literal(schema, &field.ty, value, variables)?))
            };
            Value::Object(fields.iter().filter_map(field).collect())
        }
        (_, Literal::Int(text)) => integer(text)?,
        (ty, _) if ty.name() == "LongString" => Value::Null,
        (_, Literal::Text(text) | Literal::Enum(text)) => Value::String(text.clone()),
        (_, Literal::Bool(value)) => Value::Bool(*value),
        (_, Literal::Float(_) | Literal::List(_)) => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;
    use serde_json::json;

    fn read(text: &str, given: Value) -> Result<Map<String, Value>, Vec<String>> {
        let document = parse(text).expect("a document");
        variables(&Schema::default(), &document.operations[0], given.as_object().expect("an object"))
    }

    #[test]
    fn values_of_variables() {
        let versions =
            |given: Value| read("query ($i: MlflowSearchModelVersionsInput) { a }", json!({ "i": given }));
        for (given, expected) in [
            (json!({"maxResults": "12"}), json!({"maxResults": 12})),
            (json!({"maxResults": 1.7}), json!({"maxResults": 1})),
            (json!({"maxResults": true}), json!({"maxResults": 1})),
            (json!({"maxResults": " -1_0 "}), json!({"maxResults": -10})),
            (json!({"maxResults": null}), json!({"maxResults": null})),
            (json!({"maxResults": i64::MIN}), json!({"maxResults": i64::MIN})),
            (json!({"maxResults": 1u64 << 63}), json!({"maxResults": "9223372036854775808"})),
            (json!({"orderBy": "name"}), json!({"orderBy": ["name"]})),
            (json!(null), json!(null)),
        ] {
            assert_eq!(versions(given).map(Value::Object), Ok(json!({ "i": expected })));
        }
        assert_eq!(
            read("query ($a: Int = 3, $b: Int) { a }", json!({})).map(Value::Object),
            Ok(json!({"a": 3}))
        );
    }

    #[test]
    fn values_that_are_refused() {
        let said = |ty: &str, given: Value| {
            let errors = read(&format!("query ($i: {ty}) {{ a }}"), given.clone()).expect_err("refused");
            format!("{ty} {given}\n    {}", errors.join("\n    "))
        };
        let long = json!({"i": {"a": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "b": {"c": {"d": 1}, "e": {}}, "f": "x".repeat(300)}});
        let cases = [
            said("Int!", json!({})),
            said("Int!", json!({"i": null})),
            said("Int", json!({"i": "1"})),
            said("Int", json!({"i": true})),
            said("Int", json!({"i": 1.5})),
            said("Int", json!({"i": 2147483648u64})),
            said("String", json!({"i": 3})),
            said("[String!]", json!({"i": ["a", null, 3]})),
            said("Boolean", json!({"i": 1})),
            said("LongString", json!({"i": "x"})),
            said("LongString", json!({"i": []})),
            said("LongString", json!({"i": {}})),
            said("MlflowViewType", json!({"i": "ACTIVE"})),
            said("MlflowViewType", json!({"i": 1})),
            said("MlflowGetRunInput", json!({"i": 3})),
            said("MlflowGetRunInput", json!({"i": {"run_id": "1", "zzzzzzzz": 1}})),
            said("MlflowGetRunInput", long),
        ];
        insta::assert_snapshot!(cases.join("\n"));
        let many = json!({"i": vec![json!(null); 60]});
        assert_eq!(
            read("query ($i: [String!]) { a }", many).map_err(|errors| errors.len()),
            Err(MAX_ERRORS + 1)
        );
    }
}
