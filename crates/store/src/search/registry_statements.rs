//! What typical searches of the model registry become, side by side for both engines.

use super::model_versions::{self, ModelVersionQuery};
use super::registered_models::{self, RegisteredModelQuery};
use super::statements::{order, shown};
use insta::assert_snapshot;

#[test]
fn registered_models_that_are_no_prompts() {
    let query = RegisteredModelQuery {
        filter: "name LIKE 'a%' AND tags.team = 'b'".to_owned(),
        order_by: order(&["timestamp DESC"]),
        max_results: 10,
        page_token: String::new(),
    };
    assert_snapshot!(shown(|dialect| registered_models::compile(dialect, &query)), @r#"
    postgres: SELECT registered_models.last_updated_time, registered_models.name
    FROM registered_models WHERE TRUE
    AND registered_models.name LIKE $1
    AND NOT EXISTS (SELECT 1
    FROM registered_model_tags p WHERE p.name = registered_models.name
    AND p.key = 'mlflow.prompt.is_prompt'
    AND p.value = 'true')
    AND EXISTS (SELECT 1
    FROM registered_model_tags f WHERE f.name = registered_models.name
    AND f.key = $2
    AND f.value = $3)
    ORDER BY registered_models.last_updated_time DESC NULLS FIRST, registered_models.name LIMIT $4
    sqlite: SELECT registered_models.last_updated_time, registered_models.name
    FROM registered_models WHERE TRUE
    AND registered_models.name LIKE $1
    AND NOT EXISTS (SELECT 1
    FROM registered_model_tags p WHERE p.name = registered_models.name
    AND p.key = 'mlflow.prompt.is_prompt'
    AND p.value = 'true')
    AND EXISTS (SELECT 1
    FROM registered_model_tags f WHERE f.name = registered_models.name
    AND f.key = $2
    AND f.value = $3)
    ORDER BY registered_models.last_updated_time DESC NULLS LAST, registered_models.name LIMIT $4
    -- Text("a%"), Text("team"), Text("b"), Int(11)
    "#);
}

#[test]
fn versions_of_prompts() {
    let query = ModelVersionQuery {
        filter: "tags.`mlflow.prompt.is_prompt` = 'true' AND version_number > 1 AND run_id IN ('r')"
            .to_owned(),
        order_by: vec![],
        max_results: 10,
        page_token: String::new(),
    };
    assert_snapshot!(
        shown(|dialect| model_versions::compile(dialect, &query).map(|search| search.into_search())),
        @r#"
    postgres: SELECT model_versions.last_updated_time, model_versions.name, model_versions.version
    FROM model_versions WHERE model_versions.current_stage <> 'Deleted_Internal'
    AND model_versions.version > $1
    AND model_versions.run_id = ANY($2)
    AND EXISTS (SELECT 1
    FROM model_version_tags f WHERE f.name = model_versions.name
    AND f.version = model_versions.version
    AND f.key = $3
    AND f.value = $4)
    ORDER BY model_versions.last_updated_time DESC NULLS FIRST, model_versions.name, model_versions.version DESC LIMIT $5
    sqlite: SELECT model_versions.last_updated_time, model_versions.name, model_versions.version
    FROM model_versions WHERE model_versions.current_stage <> 'Deleted_Internal'
    AND model_versions.version > $1
    AND model_versions.run_id IN (SELECT value
    FROM json_each($2))
    AND EXISTS (SELECT 1
    FROM model_version_tags f WHERE f.name = model_versions.name
    AND f.version = model_versions.version
    AND f.key = $3
    AND f.value = $4)
    ORDER BY model_versions.last_updated_time DESC NULLS LAST, model_versions.name, model_versions.version DESC LIMIT $5
    -- Int(1), Texts(["r"]), Text("mlflow.prompt.is_prompt"), Text("true"), Int(11)
    "#
    );
}
