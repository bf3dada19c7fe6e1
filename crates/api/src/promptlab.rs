//! `runs/create-promptlab-run`: a prompt that was tried out in the UI, as a run with a model that repeats it.

use crate::error::{Result, invalid};
use crate::experiments::Tag;
use crate::iso_time::datetime;
use crate::log_model::python_json;
use crate::number;
use crate::request::{Field, Request, from_body, parse_object};
use serde::Deserialize;
use serde_json::{Value, json};

/// The tags of such a run, by which the UI knows what it is and where its table is.
pub const PROMPTLAB_TAGS: [(&str, &str); 2] = [
    ("mlflow.loggedArtifacts", r#"[{"path": "eval_results_table.json", "type": "table"}]"#),
    ("mlflow.runSourceType", "PROMPT_ENGINEERING"),
];

/// `runs/create-promptlab-run`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreatePromptlabRun {
    #[serde(default, deserialize_with = "number::opt_experiment_id")]
    pub experiment_id: Option<String>,
    #[serde(default)]
    pub run_name: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
    pub prompt_template: String,
    #[serde(deserialize_with = "number::messages")]
    pub prompt_parameters: Vec<Parameter>,
    pub model_route: String,
    #[serde(default, deserialize_with = "number::messages")]
    pub model_parameters: Vec<Parameter>,
    pub model_input: String,
    /// What the model answered, of whatever type.
    #[serde(default)]
    pub model_output: Value,
    #[serde(default, deserialize_with = "number::messages")]
    pub model_output_parameters: Vec<Parameter>,
    #[serde(default)]
    pub user_id: Option<String>,
    /// Epoch milliseconds; now where it is left out.
    #[serde(default, deserialize_with = "number::opt_int64")]
    pub start_time: Option<i64>,
}

/// A name, and a value as Python writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Parameter {
    /// The name.
    pub key: String,
    /// The value.
    #[serde(default = "none", deserialize_with = "scalar")]
    pub value: String,
}

impl Request for CreatePromptlabRun {
    // MLflow has words of its own for what is missing, see `from_body`.
    const FIELDS: &'static [Field] = &[];
}

/// What must be there and neither empty nor 0.
const REQUIRED: [&str; 6] =
    ["experiment_id", "prompt_template", "prompt_parameters", "model_route", "model_input", "mlflow_version"];

impl CreatePromptlabRun {
    /// Reads the request.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn from_body(body: &[u8]) -> Result<Self> {
        let fields = parse_object(body)?;
        let missing = REQUIRED.iter().find(|name| fields.get(**name).is_none_or(is_empty));
        match missing {
            Some(name) => Err(invalid(format!("CreatePromptlabRun request must specify {name}."))),
            None => from_body(body),
        }
    }

    /// The params of the run.
    pub fn params(&self) -> Vec<Tag> {
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
        let mut params: Vec<Tag> =
            self.model_parameters.iter().map(|param| tag(&param.key, &param.value)).collect();
        params.extend([tag("model_route", &self.model_route), tag("prompt_template", &self.prompt_template)]);
        params
    }

    /// The files of the run, by their paths.
    pub fn files(&self, model: &PromptlabModel) -> Vec<(&'static str, String)> {
        let inputs: Value =
            self.prompt_parameters.iter().map(|param| Value::from(param.value.as_str())).collect();
        vec![
            ("model/MLmodel", self.mlmodel(model)),
            ("model/parameters.yaml", self.parameters_yaml()),
            ("model/input_example.json", python_json(&json!({ "inputs": inputs }))),
            ("model/serving_input_example.json", self.serving_example()),
            ("model/requirements.txt", REQUIREMENT.to_owned()),
            ("model/conda.yaml", format!("{CONDA_YAML}  - {REQUIREMENT}\nname: mlflow-env\n")),
            ("model/python_env.yaml", PYTHON_ENV_YAML.to_owned()),
            ("eval_results_table.json", python_json(&self.table())),
        ]
    }

    /// In lines, as MLflow writes what people send to a server.
    fn serving_example(&self) -> String {
        let values = self.prompt_parameters.iter().map(|param| python_json(&param.value.as_str().into()));
        let lines: Vec<String> = values.map(|value| format!("      {value}")).collect();
        format!("{{\n  \"inputs\": {{\n    \"inputs\": [\n{}\n    ]\n  }}\n}}", lines.join(",\n"))
    }

    /// One row: what was put into the prompt, the prompt, and what came of it.
    fn table(&self) -> Value {
        let (mut columns, mut row) = (vec![], vec![]);
        let mut add = |column: &str, value: Value| {
            columns.push(column.to_owned());
            row.push(value);
        };
        self.prompt_parameters.iter().for_each(|param| add(&param.key, param.value.as_str().into()));
        add("prompt", self.model_input.as_str().into());
        add("output", self.model_output.clone());
        self.model_output_parameters.iter().for_each(|param| add(&param.key, param.value.as_str().into()));
        json!({ "columns": columns, "data": [row] })
    }

    fn mlmodel(&self, model: &PromptlabModel) -> String {
        let column = |name: &str| json!({ "type": "string", "name": name, "required": true });
        let inputs: Value = self.prompt_parameters.iter().map(|param| column(&param.key)).collect();
        let outputs = json!([column("output")]);
        format!(
            "artifact_path: model\n\
             flavors:\n  \
               python_function:\n    \
                 env:\n      \
                   conda: conda.yaml\n      \
                   virtualenv: python_env.yaml\n    \
                 loader_module: mlflow.prompt.promptlab_model\n    \
                 parameters_path: parameters.yaml\n    \
                 python_version: '{PYTHON}'\n\
             is_signature_from_type_hint: false\n\
             mlflow_version: {MLFLOW}\n\
             model_uuid: {uuid}\n\
             run_id: {run_id}\n\
             saved_input_example_info:\n  \
               artifact_path: input_example.json\n  \
               serving_input_path: serving_input_example.json\n  \
               type: json_object\n\
             signature:\n  \
               inputs: {inputs}\n  \
               outputs: {outputs}\n  \
               params: null\n\
             type_hint_from_example: false\n\
             utc_time_created: '{created}'\n",
            uuid = yaml(&model.uuid),
            run_id = yaml(&model.run_id),
            inputs = yaml(&python_json(&inputs)),
            outputs = yaml(&python_json(&outputs)),
            created = datetime(model.created_ms),
        )
    }

    fn parameters_yaml(&self) -> String {
        let map = |params: &[Parameter]| {
            let last_of_each = params
                .iter()
                .enumerate()
                .filter(|(n, param)| !params[n + 1..].iter().any(|later| later.key == param.key));
            let entries: Vec<String> = last_of_each
                .map(|(_, param)| format!("\n  {}: {}", yaml(&param.key), yaml(&param.value)))
                .collect();
            if entries.is_empty() { " {}".to_owned() } else { entries.concat() }
        };
        format!(
            "model_parameters:{}\nmodel_route: {}\nprompt_parameters:{}\nprompt_template: {}\n",
            map(&self.model_parameters),
            yaml(&self.model_route),
            map(&self.prompt_parameters),
            yaml(&self.prompt_template)
        )
    }
}

/// The model of such a run, which asks the same again.
#[derive(Debug, Clone)]
pub struct PromptlabModel {
    /// The run it belongs to.
    pub run_id: String,
    /// A new id of 32 hexadecimal digits.
    pub uuid: String,
    /// Epoch milliseconds.
    pub created_ms: i64,
}

impl PromptlabModel {
    /// What goes into the run's history of models, as `MLmodel` in JSON: at that time it has no flavors yet.
    pub fn to_json(&self) -> String {
        json!({
            "run_id": self.run_id,
            "artifact_path": "model",
            "utc_time_created": datetime(self.created_ms),
            "model_uuid": self.uuid,
            "flavors": {},
        })
        .to_string()
    }
}

const MLFLOW: &str = "3.7.0";
/// The oldest Python that this MLflow runs on. The official server names the one that it runs on itself.
const PYTHON: &str = "3.10";
const REQUIREMENT: &str = "mlflow[gateway]==3.7.0";
const CONDA_YAML: &str = "channels:\n- conda-forge\ndependencies:\n- python=3.10\n- pip\n- pip:\n";
const PYTHON_ENV_YAML: &str = "python: '3.10'\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n";

/// Whether Python takes a value for false.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn none() -> String {
    "None".to_owned()
}

fn scalar<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<String, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(none()),
        Value::Bool(true) => Ok("True".to_owned()),
        Value::Bool(false) => Ok("False".to_owned()),
        Value::Number(n) => Ok(n.to_string()),
        Value::String(text) => Ok(text),
        Value::Array(_) | Value::Object(_) => {
            Err(serde::de::Error::custom("a parameter's value is a text or a number"))
        }
    }
}

/// A text in YAML, whatever is in it: between double quotes, with everything escaped that a reader may stumble over.
fn yaml(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' => {
                out.push(c)
            }
            '\u{ff00}'..='\u{fffd}' => out.push(c),
            c if u32::from(c) > 0xffff => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => out.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Value {
        json!({
            "experiment_id": "7", "prompt_template": "Say \"{{a}}\"\n", "prompt_parameters": [{"key": "a", "value": "é😀"}],
            "model_route": "chat", "model_parameters": [{"key": "temperature", "value": 0.5}, {"key": "stop", "value": null}],
            "model_input": "Say é", "model_output": "é", "model_output_parameters": [{"key": "tokens", "value": 3}],
            "mlflow_version": "2.7.1"
        })
    }

    fn read(body: &Value) -> Result<CreatePromptlabRun> {
        CreatePromptlabRun::from_body(body.to_string().as_bytes())
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in REQUIRED {
            for nothing in [Value::Null, json!(""), json!([]), json!(0), json!(false)] {
                let mut body = body();
                body[name] = nothing;
                let message = read(&body).unwrap_err().message;
                assert_eq!(message, format!("CreatePromptlabRun request must specify {name}."));
            }
        }
        let mut wrong = body();
        wrong["model_parameters"] = json!([{"key": "a", "value": [1]}]);
        assert!(read(&wrong).unwrap_err().message.contains("a parameter's value is a text or a number"));
    }

    #[test]
    fn values_are_as_python_writes_them() {
        let params: Vec<_> = read(&body()).unwrap().params().into_iter().map(|p| (p.key, p.value)).collect();
        let expected = [
            ("temperature", "0.5"),
            ("stop", "None"),
            ("model_route", "chat"),
            ("prompt_template", "Say \"{{a}}\"\n"),
        ];
        assert_eq!(params, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_table_is_one_row() {
        let expected =
            json!({"columns": ["a", "prompt", "output", "tokens"], "data": [["é😀", "Say é", "é", "3"]]});
        assert_eq!(read(&body()).unwrap().table(), expected);
    }

    #[test]
    fn texts_are_safe_in_yaml() {
        assert_eq!(
            yaml("a: 'b' \"c\"\\\n\t\u{85}é😀\u{feff}"),
            r#""a: 'b' \"c\"\\\n\u0009\u0085é\U0001F600\uFEFF""#
        );
        let text = read(&body()).unwrap().parameters_yaml();
        assert!(text.ends_with("prompt_template: \"Say \\\"{{a}}\\\"\\n\"\n"), "{text}");
    }
}
