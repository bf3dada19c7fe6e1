//! Google Cloud Storage: at which endpoint, with which credentials.

use std::path::Path;

use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};

use crate::environment::Secrets;
use crate::{Error, Result, cloud_http};

/// A file of credentials, else the account of the machine or the pod.
pub(crate) fn open(bucket: &str, secrets: &mut Secrets<'_>) -> Result<GoogleCloudStorage> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_retry(cloud_http::retries())
        .with_http_connector(cloud_http::connector()?);
    if let Some(host) = secrets.var("STORAGE_EMULATOR_HOST") {
        let url = if host.contains("://") { host } else { format!("http://{host}") };
        builder = builder.with_base_url(url.trim_end_matches('/')).with_bearer_token("emulator");
    } else if let Some(file) = secrets.var("GOOGLE_APPLICATION_CREDENTIALS") {
        // Read here too, to see when it changes, and because the library's words could quote it.
        secrets.read(Path::new(&file)).map_err(|e| {
            Error::Settings(format!(
                "The file {file} that GOOGLE_APPLICATION_CREDENTIALS names cannot be read: {e}."
            ))
        })?;
        builder = builder.with_application_credentials(file);
    }
    builder.build().map_err(|_| {
        Error::Settings(
            "The credentials of Google Cloud cannot be used. GOOGLE_APPLICATION_CREDENTIALS must name the JSON key of a service \
             account, or what `gcloud auth application-default login` wrote."
                .into(),
        )
    })
}
