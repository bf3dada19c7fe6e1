//! The model registry, on both engines.

mod common;

use api::validate::Alias;
use api::{CreateModelVersion, ErrorCode, ModelVersion, RegisteredModel, Tag, VersionNumber};
use common::for_each_engine;
use futures_util::future::join_all;
use serde_json::json;
use store::Error;
use store::db::Db;
use store::experiments::ExperimentId;
use store::logged_models::{self, NewLoggedModel};
use store::model_versions::{self, NewModelVersion, Origin};
use store::registered_models::{self, NewRegisteredModel};
use store::search::model_versions::ModelVersionQuery;
use store::search::registered_models::RegisteredModelQuery;

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

fn number(n: i32) -> VersionNumber {
    n.into()
}

fn new_version(name: &str) -> NewModelVersion {
    NewModelVersion {
        name: name.into(),
        source: "s3://bucket/m".into(),
        storage_location: None,
        run_id: String::new(),
        tags: vec![],
        run_link: String::new(),
        description: String::new(),
        noted_in: None,
        now_ms: 20,
    }
}

async fn create(db: &Db, name: &str, tags: Vec<Tag>) -> store::Result<RegisteredModel> {
    let new = NewRegisteredModel { name: name.into(), tags, description: "d".into(), now_ms: 10 };
    db.write(move |tx| Box::pin(registered_models::create(tx, new))).await
}

async fn get(db: &Db, name: &'static str) -> store::Result<RegisteredModel> {
    db.read(move |tx| Box::pin(registered_models::get(tx, name))).await
}

async fn add(db: &Db, new: NewModelVersion) -> store::Result<ModelVersion> {
    db.write(move |tx| Box::pin(model_versions::create(tx, new))).await
}

async fn get_version(db: &Db, name: &'static str, n: i32) -> store::Result<ModelVersion> {
    db.read(move |tx| Box::pin(async move { model_versions::get(tx, name, &number(n)).await })).await
}

async fn transition(db: &Db, name: &'static str, n: i32, stage: &'static str, archive: bool) {
    db.write(move |tx| {
        Box::pin(
            async move { model_versions::transition(tx, name, &n.to_string(), stage, archive, 30).await },
        )
    })
    .await
    .expect("a version that moves");
}

async fn set_alias(db: &Db, name: &'static str, alias: &'static str, n: i32) -> store::Result<()> {
    let alias = Alias::parse_new(alias).expect("an alias");
    db.write(move |tx| {
        Box::pin(async move { registered_models::set_alias(tx, name, &alias, &number(n)).await })
    })
    .await
}

async fn delete_version(db: &Db, name: &'static str, n: i32) -> store::Result<()> {
    db.write(move |tx| Box::pin(async move { model_versions::delete(tx, name, &number(n), 40).await })).await
}

fn refused<T: std::fmt::Debug>(result: store::Result<T>, code: ErrorCode, message: &str) {
    match result {
        Err(Error::Api(error)) => assert_eq!((error.code, error.message.as_str()), (code, message)),
        other => panic!("{other:?} instead of {message}"),
    }
}

#[tokio::test]
async fn a_model_from_creation_to_deletion() {
    for_each_engine(async |db| {
        let tags = vec![tag("b", "1"), tag("a", "old"), tag("a", "new")];
        let model = create(&db, "m", tags).await.unwrap();
        assert_eq!(model.tags, [tag("a", "new"), tag("b", "1")]);
        assert_eq!((model.creation_timestamp, model.last_updated_timestamp), (Some(10), Some(10)));
        refused(
            create(&db, "m", vec![]).await,
            ErrorCode::ResourceAlreadyExists,
            "Registered Model (name=m) already exists.",
        );
        let prompt = tag("mlflow.prompt.is_prompt", "true");
        refused(
            create(&db, "m", vec![prompt]).await,
            ErrorCode::ResourceAlreadyExists,
            "Tried to create a prompt with name 'm', but the name is already taken by a registered model. MLflow does not \
             allow creating a model and a prompt with the same name.",
        );

        let version = add(&db, NewModelVersion { tags: vec![tag("t", "1")], ..new_version("m") }).await.unwrap();
        assert_eq!((version.version.as_str(), version.current_stage.as_deref()), ("1", Some("None")));
        set_alias(&db, "m", "champion", 1).await.unwrap();
        let renamed = db
            .write(|tx| Box::pin(registered_models::rename(tx, "m", "n", 25)))
            .await
            .unwrap();
        assert_eq!((renamed.name.as_str(), renamed.aliases[0].alias.as_str()), ("n", "champion"));
        assert_eq!(renamed.latest_versions[0].tags, [tag("t", "1")]);
        assert_eq!(renamed.latest_versions[0].last_updated_timestamp, Some(25));
        refused(get(&db, "m").await, ErrorCode::ResourceDoesNotExist, "Registered Model with name=m not found");

        db.write(|tx| Box::pin(registered_models::delete(tx, "n", 50))).await.unwrap();
        refused(get(&db, "n").await, ErrorCode::ResourceDoesNotExist, "Registered Model with name=n not found");
        create(&db, "n", vec![]).await.unwrap();
        assert!(get(&db, "n").await.unwrap().aliases.is_empty());
        assert_eq!(add(&db, new_version("n")).await.unwrap().version, "1");
    })
    .await;
}

/// Whether PostgreSQL looks at the length of a new value without a row to put it in depends on the plan it happens to use.
#[tokio::test]
async fn what_is_not_there_is_missed_before_a_new_value_is_looked_at() {
    for_each_engine(async |db| {
        let long: &'static str = "x".repeat(5001).leak();
        let rename = db.write(|tx| Box::pin(registered_models::rename(tx, "m", long, 5))).await;
        refused(rename, ErrorCode::ResourceDoesNotExist, "Registered Model with name=m not found");
        let update = db.write(|tx| Box::pin(registered_models::update(tx, "m", long, 5))).await;
        refused(update, ErrorCode::ResourceDoesNotExist, "Registered Model with name=m not found");
        let describe = db
            .write(move |tx| {
                Box::pin(async move {
                    model_versions::update(tx, "m", &number(1), Some(long.to_owned()), 5).await
                })
            })
            .await;
        refused(describe, ErrorCode::ResourceDoesNotExist, "Model Version (name=m, version=1) not found");
    })
    .await;
}

#[tokio::test]
async fn numbers_are_neither_doubled_nor_used_again() {
    for_each_engine(async |db| {
        create(&db, "m", vec![]).await.unwrap();
        let added = join_all((0..64).map(|_| add(&db, new_version("m")))).await;
        let mut numbers: Vec<i32> = added.into_iter().map(|v| v.unwrap().version.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=64).collect::<Vec<_>>());
        delete_version(&db, "m", 64).await.unwrap();
        assert_eq!(add(&db, new_version("m")).await.unwrap().version, "65");
    })
    .await;
}

#[tokio::test]
async fn stages_have_their_latest_versions() {
    for_each_engine(async |db| {
        create(&db, "m", vec![]).await.unwrap();
        for _ in 0..4 {
            add(&db, new_version("m")).await.unwrap();
        }
        transition(&db, "m", 1, "staging", false).await;
        transition(&db, "m", 3, "Staging", true).await;
        transition(&db, "m", 2, "Production", false).await;
        let latest = async |stages: &[&str]| {
            let stages: Vec<String> = stages.iter().map(|s| (*s).to_owned()).collect();
            let found = db
                .read(move |tx| Box::pin(async move { model_versions::get_latest(tx, "m", &stages).await }))
                .await
                .unwrap();
            found.into_iter().map(|v| v.version).collect::<Vec<_>>()
        };
        assert_eq!(latest(&[]).await, ["1", "2", "3", "4"]);
        assert_eq!(latest(&["Archived"]).await, ["1"]);
        assert_eq!(latest(&["staging", "NONE"]).await, ["3", "4"]);
        let newest = Alias::parse("latest").unwrap();
        let by_alias = db
            .read(move |tx| Box::pin(async move { model_versions::get_by_alias(tx, "m", &newest).await }))
            .await;
        assert_eq!(by_alias.unwrap().version, "4");
        assert_eq!(get_version(&db, "m", 1).await.unwrap().last_updated_timestamp, Some(30));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_version_says_nothing_of_its_origin() {
    for_each_engine(async |db| {
        create(&db, "m", vec![]).await.unwrap();
        add(&db, NewModelVersion { run_id: "r".into(), ..new_version("m") }).await.unwrap();
        set_alias(&db, "m", "champion", 1).await.unwrap();
        delete_version(&db, "m", 1).await.unwrap();
        let missing = "Model Version (name=m, version=1) not found";
        refused(get_version(&db, "m", 1).await, ErrorCode::ResourceDoesNotExist, missing);
        refused(delete_version(&db, "m", 1).await, ErrorCode::ResourceDoesNotExist, missing);
        refused(set_alias(&db, "m", "champion", 1).await, ErrorCode::ResourceDoesNotExist, missing);
        let model = get(&db, "m").await.unwrap();
        assert_eq!((model.aliases.len(), model.latest_versions.len()), (0, 0));
        let row = "SELECT source, run_id, current_stage FROM model_versions WHERE name = $1";
        let left = db
            .read(move |tx| {
                Box::pin(async move {
                    tx.first(row, &["m".into()], |row| Ok([row.text(0)?, row.text(1)?, row.text(2)?])).await
                })
            })
            .await;
        assert_eq!(left.unwrap().unwrap(), ["REDACTED-SOURCE-PATH", "REDACTED-RUN-ID", "Deleted_Internal"]);
    })
    .await;
}

#[tokio::test]
async fn a_version_remembers_the_logged_model_it_is_made_from() {
    for_each_engine(async |db| {
        let new = NewLoggedModel {
            experiment_id: ExperimentId::parse("0").unwrap(),
            name: None,
            model_type: String::new(),
            source_run_id: "run".into(),
            params: vec![],
            tags: vec![],
            now_ms: 1,
        };
        let model = db.write(move |tx| Box::pin(logged_models::create(tx, new))).await.unwrap().info;
        create(&db, "m", vec![]).await.unwrap();
        create(&db, "n", vec![]).await.unwrap();
        let of_model =
            |name: &str| NewModelVersion { noted_in: Some(model.model_id.clone()), ..new_version(name) };
        // At the same time, and none is lost.
        let added = join_all(["m", "n", "m", "n"].map(|name| add(&db, of_model(name)))).await;
        assert!(added.iter().all(Result::is_ok), "{added:?}");
        let id = model.model_id.clone();
        let found = db.read(move |tx| Box::pin(async move { logged_models::get(tx, &id).await })).await;
        let tags = found.unwrap().info.tags;
        let noted: serde_json::Value = serde_json::from_str(&tags[0].value).unwrap();
        assert_eq!((tags[0].key.as_str(), noted.as_array().unwrap().len()), ("mlflow.modelVersions", 4));

        let request = json!({"name": "m", "source": format!("models:/{}", model.model_id)});
        let request: CreateModelVersion = serde_json::from_value(request).unwrap();
        let origin = db
            .read(move |tx| Box::pin(async move { model_versions::origin(tx, &request).await }))
            .await
            .unwrap();
        let location = Some(model.artifact_uri.clone());
        assert_eq!((&origin.storage_location, origin.run_id.as_str()), (&location, "run"));
        let Origin { storage_location, run_id } = origin;
        let copy = add(&db, NewModelVersion { storage_location, run_id, ..new_version("m") }).await.unwrap();
        let copy = number(copy.version.parse().unwrap());
        let (artifacts, owners) = db
            .read(move |tx| {
                Box::pin(async move {
                    let artifacts = model_versions::artifacts(tx, "m", &copy).await?;
                    let owners = model_versions::owners(tx, &artifacts).await?;
                    Ok((artifacts, owners))
                })
            })
            .await
            .unwrap();
        assert_eq!(
            (artifacts.location.as_str(), artifacts.run_id.as_str()),
            (model.artifact_uri.as_str(), "run")
        );
        assert_eq!(owners, [model.artifact_uri]);
    })
    .await;
}

#[tokio::test]
async fn searches_keep_prompts_apart_and_page() {
    for_each_engine(async |db| {
        let prompt = || tag("mlflow.prompt.is_prompt", "true");
        for (name, tags) in [("a", vec![tag("k", "1")]), ("b", vec![prompt()]), ("c", vec![]), ("d", vec![])]
        {
            create(&db, name, tags.clone()).await.unwrap();
            for now_ms in [20, 21] {
                add(&db, NewModelVersion { tags: tags.clone(), now_ms, ..new_version(name) }).await.unwrap();
            }
        }
        for (name, expected) in [("a", false), ("b", true), ("unknown", false)] {
            let found = db.read(move |tx| Box::pin(registered_models::is_prompt(tx, name))).await;
            assert_eq!(found.unwrap(), expected, "{name}");
        }
        delete_version(&db, "c", 1).await.unwrap();
        let models = async |filter: &str, page_token: String| {
            let query = RegisteredModelQuery {
                filter: filter.into(),
                order_by: vec!["name DESC".into()],
                max_results: 2,
                page_token,
            };
            let (found, token) = db
                .read(move |tx| Box::pin(async move { registered_models::search(tx, &query).await }))
                .await
                .unwrap();
            (found.into_iter().map(|m| m.name).collect::<Vec<_>>(), token)
        };
        let (first, token) = models("", String::new()).await;
        assert_eq!(first, ["d", "c"]);
        assert_eq!(models("", token.unwrap()).await, (vec!["a".to_owned()], None));
        assert_eq!(models("tags.`mlflow.prompt.is_prompt` = 'true'", String::new()).await.0, ["b"]);
        assert_eq!(models("tags.k = '1' AND name LIKE 'a%'", String::new()).await.0, ["a"]);

        let versions = async |filter: &str, order_by: &[&str], page_token: String| {
            let query = ModelVersionQuery {
                filter: filter.into(),
                order_by: order_by.iter().map(|o| (*o).to_owned()).collect(),
                max_results: 3,
                page_token,
            };
            let (found, token) = db
                .read(move |tx| Box::pin(async move { model_versions::search(tx, &query).await }))
                .await
                .unwrap();
            (found.into_iter().map(|v| format!("{}/{}", v.name, v.version)).collect::<Vec<_>>(), token)
        };
        let (first, token) = versions("", &[], String::new()).await;
        assert_eq!(first, ["a/2", "c/2", "d/2"]);
        assert_eq!(versions("", &[], token.unwrap()).await, (vec!["a/1".to_owned(), "d/1".into()], None));
        let (first, token) = versions("", &["version_number", "name DESC"], String::new()).await;
        assert_eq!(first, ["d/1", "a/1", "d/2"]);
        assert_eq!(versions("", &["version_number", "name DESC"], token.unwrap()).await.0, ["c/2", "a/2"]);
        assert_eq!(versions("version_number > 1 AND tags.k = '1'", &[], String::new()).await.0, ["a/2"]);
    })
    .await;
}
