//! Where artifacts are kept, and who serves them.

use super::data::DataOptions;
use super::values::truth;
use api::uri::Locations;
use artifacts::{Store, Stores};
use clap::{ArgAction, Args};
use server::sources::SourcePattern;
use std::path::Path;

#[derive(Args)]
#[command(next_help_heading = "Artifacts")]
pub struct ArtifactOptions {
    /// Where new experiments keep their artifacts [default: mlflow-artifacts:/, or ./mlruns with --no-serve-artifacts].
    #[arg(long, env = "MLFLOW_DEFAULT_ARTIFACT_ROOT", value_name = "URI")]
    default_artifact_root: Option<String>,

    /// Serve artifacts through this server; the default.
    #[arg(long, env = "MLFLOW_SERVE_ARTIFACTS", value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL", overrides_with = "no_serve_artifacts")]
    serve_artifacts: Option<bool>,

    /// Let clients reach artifacts by themselves.
    #[arg(long, overrides_with = "serve_artifacts")]
    no_serve_artifacts: bool,

    /// Serve artifacts and nothing else.
    #[arg(long, env = "MLFLOW_ARTIFACTS_ONLY", value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set, hide_default_value = true, value_name = "BOOL")]
    pub artifacts_only: bool,

    /// Where served artifacts are kept: a folder, or wasbs://, abfss://, s3:// or gs://.
    #[arg(long, env = "MLFLOW_ARTIFACTS_DESTINATION", value_name = "URI", default_value = "./mlartifacts")]
    artifacts_destination: String,

    /// More places where clients may keep experiments: folders of this machine, schemes such as oss:, or * for anywhere,
    /// comma-separated.
    #[arg(long, env = "FERROFLOW_ALLOWED_ARTIFACT_LOCATIONS", value_name = "PLACES", value_parser = Locations::parse, hide_default_value = true, default_value = "")]
    allowed_artifact_locations: Locations,

    /// A regular expression that every source of a model version must match somewhere.
    #[arg(long, env = "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX", value_name = "REGEX", value_parser = SourcePattern::parse)]
    model_version_source_pattern: Option<SourcePattern>,

    /// How many files may be sent and received at the same time; more wait for a moment, then get 503.
    #[arg(long, env = "FERROFLOW_MAX_TRANSFERS", value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    max_transfers: u32,
}

impl ArtifactOptions {
    /// Checks what does not go together.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self, data: &DataOptions) -> Result<(), String> {
        if self.artifacts_only && !self.are_served() {
            return Err(
                "--artifacts-only and --no-serve-artifacts leave nothing to serve; leave one out".into()
            );
        }
        if self.artifacts_only && data.is_chosen() {
            return Err(
                "--artifacts-only serves no runs, so it does not go with --backend-store-uri; leave one out"
                    .into(),
            );
        }
        Ok(())
    }

    /// Where the artifacts are that this server serves, if it does.
    ///
    /// # Errors
    /// A sentence about a place that cannot be used.
    pub fn destination(&self, stores: &Stores) -> Result<Option<Store>, String> {
        if !self.are_served() {
            return Ok(None);
        }
        let store = stores.open(&self.artifacts_destination);
        store.map(Some).map_err(|e| format!("--artifacts-destination: {e}"))
    }

    /// The root that new experiments get a folder below.
    ///
    /// # Errors
    /// A sentence about a root that cannot be used.
    pub fn root(&self, working_dir: &Path) -> Result<String, String> {
        let default = if self.are_served() { "mlflow-artifacts:/" } else { "./mlruns" };
        let root = self.default_artifact_root.as_deref().unwrap_or(default);
        api::uri::resolve_uri_if_local(root, working_dir)
            .map_err(|e| format!("--default-artifact-root: {}", e.message))
    }

    /// Where clients may keep experiments, besides the root.
    pub fn locations(&self) -> Locations {
        self.allowed_artifact_locations.clone()
    }

    /// What every source of a model version must match.
    pub fn source_pattern(&self) -> Option<SourcePattern> {
        self.model_version_source_pattern.clone()
    }

    /// How many files may be on their way at the same time.
    pub fn max_transfers(&self) -> usize {
        self.max_transfers as usize
    }

    fn are_served(&self) -> bool {
        !self.no_serve_artifacts && self.serve_artifacts.unwrap_or(true)
    }
}
