//! URLs that are signed for a client, so that it reaches one object of a cloud without credentials of its own.

use std::time::Duration;

use object_store::azure::MicrosoftAzure;
use object_store::path::Path;
use object_store::signer::{Method, Signer, Url};

use crate::cloud_open::Client;

/// The URL at which whoever has it can read `key` for as long as it is `valid`; `None` where none can be signed.
///
/// # Errors
/// Those of the library: no credentials, or the store refuses to let them sign.
pub(crate) async fn to_read(
    client: &Client,
    key: &Path,
    valid: Duration,
) -> object_store::Result<Option<Url>> {
    match client {
        Client::Azure(azure) => of_azure(azure, Method::GET, key, valid).await,
        Client::S3(s3) => s3.signed_url(Method::GET, key, valid).await.map(Some),
        Client::Gcs(gcs) => gcs.signed_url(Method::GET, key, valid).await.map(Some),
    }
}

/// The same for Azure and any method. There is none with a SAS token, nor for names that a URL has to escape.
///
/// # Errors
/// As [`to_read`].
pub(crate) async fn of_azure(
    azure: &MicrosoftAzure,
    method: Method,
    key: &Path,
    valid: Duration,
) -> object_store::Result<Option<Url>> {
    match azure.signed_url(method, key, valid).await {
        // The library signs the name as the URL spells it, where Azure checks the name itself (object_store 0.14).
        Ok(signed) => Ok(Some(signed).filter(|signed| !signed.path().contains('%'))),
        Err(error) if is_unsignable(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A SAS token signs nothing: there is no key to do it with.
fn is_unsignable(error: &object_store::Error) -> bool {
    error.to_string().contains("Generating SAS keys")
}
