//! Whether a cloud can be used, found out without storing anything.

use bytes::Bytes;
use object_store::list::PaginatedListOptions;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions, UpdateVersion};

use crate::cloud_error::{self, CloudError, Fault};
use crate::cloud_open::Client;
use crate::cloud_uri::Container;

/// What is written on a condition that never holds, or begun and given up.
const PROBE: &str = ".ferroflow-check";

/// Lists one file of `folder`, which ends in a slash or is empty; on Azure it looks at the right to write as well.
///
/// # Errors
/// [`CloudError`].
pub(crate) async fn check(client: &Client, container: &Container, folder: &str) -> Result<(), CloudError> {
    let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
    let listed = client.pages().list_paginated(Some(folder), one).await;
    listed.map_err(|error| cloud_error::of(&error, container))?;
    let Client::Azure(azure) = client else { return Ok(()) };
    // A reader can list. A write on a condition that never holds is refused for the condition by whoever may write.
    let never = UpdateVersion { e_tag: Some("\"0x0\"".into()), version: None };
    let options = PutOptions { mode: PutMode::Update(never), ..PutOptions::default() };
    let put = async { azure.put_opts(&probe(folder)?, Bytes::new().into(), options).await };
    unless_harmless(put.await.map(drop), container)
}

/// Begins an upload in parts and gives it up, where that is a request of its own: S3 and Google. Who may not write may not
/// begin.
///
/// # Errors
/// [`CloudError`].
pub(crate) async fn begin(client: &Client, container: &Container, folder: &str) -> Result<(), CloudError> {
    let begun = match client {
        Client::Azure(_) => Ok(()),
        Client::S3(s3) => begin_one(s3, folder).await,
        Client::Gcs(gcs) => begin_one(gcs, folder).await,
    };
    unless_harmless(begun, container)
}

async fn begin_one(store: &impl MultipartStore, folder: &str) -> object_store::Result<()> {
    let probe = probe(folder)?;
    let id = store.create_multipart(&probe).await?;
    store.abort_multipart(&probe, &id).await
}

/// A condition that does not hold is what was asked for, and a store that does not know what was asked may work all the same.
fn unless_harmless(done: object_store::Result<()>, container: &Container) -> Result<(), CloudError> {
    match done {
        Ok(()) | Err(object_store::Error::Precondition { .. }) => Ok(()),
        Err(error) => {
            let error = cloud_error::of(&error, container);
            if error.fault == Fault::Other { Ok(()) } else { Err(error) }
        }
    }
}

fn probe(folder: &str) -> object_store::Result<Path> {
    Ok(Path::parse(format!("{folder}{PROBE}"))?)
}
