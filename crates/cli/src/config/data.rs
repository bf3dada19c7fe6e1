//! Where runs are kept, and how long their values may be.

use super::database::PlaceOptions;
use super::values::truth;
use clap::{ArgAction, Args};
use std::fs;
use std::path::Path;
use store::uri::DatabaseUri;

const DEFAULT: &str = "sqlite:///mlflow.db";

#[derive(Args)]
#[command(next_help_heading = "Tracking data")]
pub struct DataOptions {
    /// Where runs are kept: sqlite:///PATH or postgresql://USER@HOST/DATABASE [default: sqlite:///mlflow.db].
    #[arg(long, env = "MLFLOW_BACKEND_STORE_URI", value_name = "URI")]
    backend_store_uri: Option<String>,

    /// Where registered models are kept, if not where runs are [default: the same database].
    #[arg(long, env = "MLFLOW_REGISTRY_STORE_URI", value_name = "URI")]
    registry_store_uri: Option<String>,

    /// Do not migrate a database of an older MLflow at the start, but wait until `ferroflow db upgrade` has.
    #[arg(long, env = "FERROFLOW_NO_DATABASE_MIGRATION", value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set, hide_default_value = true, value_name = "BOOL")]
    pub no_database_migration: bool,

    /// Cut params and tags that are too long instead of refusing them.
    #[arg(long, env = "MLFLOW_TRUNCATE_LONG_VALUES", value_parser = truth, default_value = "true", action = ArgAction::Set, value_name = "BOOL")]
    pub truncate_long_values: bool,

    /// The longest artifact location of an experiment, in characters.
    #[arg(long, env = "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH", default_value_t = 2048, value_name = "N")]
    pub artifact_location_max_length: usize,
}

impl DataOptions {
    /// The database to serve.
    ///
    /// # Errors
    /// A sentence that never repeats an address, which may hold a password.
    pub fn database(&self, place: &PlaceOptions, working_dir: &Path) -> Result<DatabaseUri, String> {
        let named = place.database(self.backend_store_uri.as_deref(), "--backend-store-uri")?;
        match named {
            Some(database) => Ok(database),
            None if has_file_store(&working_dir.join("mlruns")) => Err(format!(
                "./mlruns has runs of MLflow's file store, which is not supported. Name a database with \
                     --backend-store-uri; {DEFAULT} is a new one without these runs"
            )),
            None => DatabaseUri::parse(DEFAULT),
        }
    }

    /// The database of registered models, if it is another one than `database`.
    ///
    /// # Errors
    /// A sentence that never repeats an address, which may hold a password.
    pub fn registry(
        &self,
        place: &PlaceOptions,
        database: &DatabaseUri,
    ) -> Result<Option<DatabaseUri>, String> {
        registry(self.registry_store_uri.as_deref(), place, database)
    }

    /// Whether the operator chose a database other than the default one.
    pub fn is_chosen(&self) -> bool {
        self.backend_store_uri.as_deref().is_some_and(|uri| uri != DEFAULT)
    }
}

/// What `--registry-store-uri` names, if it is another database than `database`.
///
/// # Errors
/// A sentence that never repeats an address, which may hold a password.
pub fn registry(
    uri: Option<&str>,
    place: &PlaceOptions,
    database: &DatabaseUri,
) -> Result<Option<DatabaseUri>, String> {
    let named = uri.map(|uri| place.other_database(uri, "--registry-store-uri")).transpose()?;
    Ok(named.filter(|named| named != database))
}

/// MLflow's own test for data that a default start would go on with (`_has_existing_mlruns_data`).
fn has_file_store(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let numbered = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        numbered && entry.path().join("meta.yaml").is_file()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(backend: Option<&str>, registry: Option<&str>) -> DataOptions {
        DataOptions {
            backend_store_uri: backend.map(str::to_owned),
            registry_store_uri: registry.map(str::to_owned),
            no_database_migration: false,
            truncate_long_values: true,
            artifact_location_max_length: 2048,
        }
    }

    #[test]
    fn the_registry_may_be_in_another_database() {
        let place = PlaceOptions::default();
        for (backend, registry, apart) in [
            (None, None, false),
            (None, Some(DEFAULT), false),
            (Some("postgresql://u:a@h/d"), Some("postgresql+psycopg2://u:a@h/d"), false),
            (Some("postgresql://u:a@h/d"), Some("postgresql://u:a@h/e"), true),
            (None, Some("postgresql://u:a@h/d"), true),
        ] {
            let options = options(backend, registry);
            let database = options.database(&place, Path::new("/nowhere")).unwrap();
            let found = options.registry(&place, &database).unwrap();
            assert_eq!(found.is_some(), apart, "{backend:?} {registry:?}");
        }
        let database = DatabaseUri::parse(DEFAULT).unwrap();
        let error = options(None, Some("mysql://u:geheim@h/d")).registry(&place, &database).unwrap_err();
        assert!(error.contains("--registry-store-uri") && !error.contains("geheim"), "{error}");
    }

    #[test]
    fn runs_in_a_file_store_are_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let database = |backend| options(backend, None).database(&PlaceOptions::default(), folder.path());
        fs::create_dir_all(folder.path().join("mlruns/0/artifacts")).unwrap();
        assert!(database(None).is_ok(), "artifacts alone are no file store");
        fs::write(folder.path().join("mlruns/0/meta.yaml"), "").unwrap();
        assert!(database(None).unwrap_err().contains("file store"));
        assert!(database(Some(DEFAULT)).is_ok());
    }
}
