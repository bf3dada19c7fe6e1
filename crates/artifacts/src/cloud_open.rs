//! From a container and an environment to a client that has credentials.

use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use object_store::azure::MicrosoftAzure;
use object_store::gcp::GoogleCloudStorage;
use object_store::list::PaginatedListStore;

use crate::cloud_uri::Container;
use crate::environment::Secrets;
use crate::{Result, open_azure, open_gcs, open_s3};

/// A client of one container or bucket.
#[derive(Debug)]
pub(crate) enum Client {
    Azure(MicrosoftAzure),
    S3(AmazonS3),
    Gcs(GoogleCloudStorage),
}

impl Client {
    pub fn objects(&self) -> &dyn ObjectStore {
        match self {
            Self::Azure(client) => client,
            Self::S3(client) => client,
            Self::Gcs(client) => client,
        }
    }

    pub fn pages(&self) -> &dyn PaginatedListStore {
        match self {
            Self::Azure(client) => client,
            Self::S3(client) => client,
            Self::Gcs(client) => client,
        }
    }
}

/// Makes a client of `container`. Nothing is sent yet.
///
/// # Errors
/// [`crate::Error::Settings`] when the credentials cannot be used.
pub(crate) fn open(container: &Container, secrets: &mut Secrets<'_>) -> Result<Client> {
    match container {
        Container::Azure { name, account, suffix } => {
            open_azure::open(name, account, suffix, secrets).map(Client::Azure)
        }
        Container::S3(bucket) => open_s3::open(bucket, secrets).map(Client::S3),
        Container::Gcs(bucket) => open_gcs::open(bucket, secrets).map(Client::Gcs),
    }
}
