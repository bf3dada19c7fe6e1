//! The URIs of cloud storage, as MLflow writes them.

use std::fmt;

use crate::{Error, Result};

/// A container or bucket: what one client of a cloud talks to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Container {
    /// Azure Blob Storage, or ADLS Gen2 through its blob endpoint.
    Azure {
        /// The container, which ADLS calls a file system.
        name: String,
        /// The storage account.
        account: String,
        /// What follows the account in the name of its blob endpoint, like `blob.core.windows.net`.
        suffix: String,
    },
    /// S3, and what speaks like it.
    S3(String),
    /// Google Cloud Storage.
    Gcs(String),
}

/// A place in cloud storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloudUri {
    pub container: Container,
    /// The folder that all keys begin with; without slashes at its ends, empty for the whole container.
    pub prefix: String,
}

/// The endpoints of Azure's clouds. Others are the operator's to name: what a URI says may come from a client, and the server
/// sends its credentials there.
const AZURE_SUFFIXES: [&str; 5] = [
    "core.windows.net",
    "core.usgovcloudapi.net",
    "core.chinacloudapi.cn",
    "core.cloudapi.de",
    "storage.azure.net",
];

/// Whether `uri` is in cloud storage.
pub(crate) fn is_cloud(uri: &str) -> bool {
    uri.split_once("://").is_some_and(|(scheme, _)| kind(scheme).is_some())
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Blob,
    DataLake,
    S3,
    Gcs,
}

fn kind(scheme: &str) -> Option<Kind> {
    match scheme.to_ascii_lowercase().as_str() {
        "wasbs" | "wasb" => Some(Kind::Blob),
        "abfss" | "abfs" => Some(Kind::DataLake),
        "s3" => Some(Kind::S3),
        "gs" => Some(Kind::Gcs),
        _ => None,
    }
}

/// Takes `uri` apart. As in MLflow nothing is decoded: `%20` in it is `%20` in the keys. `own_suffix` is one more end of names
/// of Azure's endpoints that the operator trusts.
///
/// # Errors
/// [`Error::UnsupportedUri`] for other schemes, [`Error::BadUri`] for what is none of these URIs.
pub(crate) fn parse(uri: &str, own_suffix: Option<&str>) -> Result<CloudUri> {
    let (scheme, rest) = uri.split_once("://").unwrap_or((uri, ""));
    let kind = kind(scheme).ok_or_else(|| Error::UnsupportedUri(scheme.to_owned()))?;
    let wrong = |why: &str| Error::BadUri(format!("The artifact location of scheme '{scheme}' {why}."));
    if rest.contains(['?', '#']) || rest.chars().any(|c| c.is_ascii_control() || c == '\\') {
        return Err(wrong("has a query, a fragment or a control character; leave it out"));
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = path.strip_suffix('/').unwrap_or(path);
    if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(wrong("has an empty, '.' or '..' part in its path; leave it out"));
    }
    let container = match kind {
        Kind::Blob | Kind::DataLake => azure(host, kind, own_suffix).ok_or_else(|| {
            wrong(match kind {
                Kind::Blob => "must be wasbs://<container>@<account>.blob.core.windows.net/<path>",
                _ => "must be abfss://<file system>@<account>.dfs.core.windows.net/<path>",
            })
        })?,
        Kind::S3 | Kind::Gcs if !is_name(host) => {
            return Err(wrong("must name a bucket and a path in it, and nothing else"));
        }
        Kind::S3 => Container::S3(host.to_owned()),
        Kind::Gcs => Container::Gcs(host.to_owned()),
    };
    Ok(CloudUri { container, prefix: prefix.to_owned() })
}

fn azure(host: &str, kind: Kind, own_suffix: Option<&str>) -> Option<Container> {
    let (name, host) = host.split_once('@')?;
    let (account, suffix) = host.split_once('.')?;
    let is_account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let suffix = suffix.to_ascii_lowercase();
    // Both kinds of URI may name either endpoint: the blobs are the same.
    let suffix = match suffix.split_once("dfs.") {
        Some((before, after)) if before.is_empty() || before.ends_with('.') => {
            format!("{before}blob.{after}")
        }
        _ if kind == Kind::DataLake && !suffix.contains("blob.") => return None,
        _ => suffix,
    };
    let (_, cloud) = suffix.split_once("blob.")?;
    let trusted = AZURE_SUFFIXES.contains(&cloud) || own_suffix == Some(cloud);
    (is_name(name) && is_account && trusted && is_name(&suffix)).then(|| Container::Azure {
        name: name.to_owned(),
        account: account.to_owned(),
        suffix,
    })
}

/// What containers and buckets are called: `$root` and `$web` are containers too.
fn is_name(name: &str) -> bool {
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'$');
    !name.is_empty() && !name.starts_with('.') && !name.contains("..") && name.bytes().all(in_name)
}

/// In a sentence.
impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Azure { name, account, .. } => {
                write!(f, "the container '{name}' of the storage account '{account}'")
            }
            Self::S3(name) => write!(f, "the S3 bucket '{name}'"),
            Self::Gcs(name) => write!(f, "the Google Cloud Storage bucket '{name}'"),
        }
    }
}

/// As a URI again.
impl fmt::Display for CloudUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.container {
            Container::Azure { name, account, suffix } => write!(f, "wasbs://{name}@{account}.{suffix}")?,
            Container::S3(name) => write!(f, "s3://{name}")?,
            Container::Gcs(name) => write!(f, "gs://{name}")?,
        }
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_uris_mlflow_takes() {
        let blob = "wasbs://c@acc.blob.core.windows.net";
        for (uri, expected) in [
            ("wasbs://c@acc.blob.core.windows.net/a/b", format!("{blob}/a/b")),
            ("wasb://c@acc.blob.core.windows.net/", blob.to_owned()),
            ("WASBS://c@acc.blob.core.windows.net", blob.to_owned()),
            ("abfss://c@acc.dfs.core.windows.net/a/", format!("{blob}/a")),
            ("abfs://c@acc.blob.core.windows.net/a", format!("{blob}/a")),
            (
                "abfss://c@acc.dfs.core.usgovcloudapi.net/a",
                "wasbs://c@acc.blob.core.usgovcloudapi.net/a".into(),
            ),
            (
                "wasbs://c@acc.blob.core.chinacloudapi.cn/a",
                "wasbs://c@acc.blob.core.chinacloudapi.cn/a".into(),
            ),
            (
                "abfss://c@acc.privatelink.dfs.core.windows.net/a",
                "wasbs://c@acc.privatelink.blob.core.windows.net/a".into(),
            ),
            ("wasbs://$root@acc.blob.core.own.cloud/a", "wasbs://$root@acc.blob.core.own.cloud/a".into()),
            ("s3://bucket/a%20b/c d", "s3://bucket/a%20b/c d".into()),
            ("s3://bucket", "s3://bucket".into()),
            ("gs://a_bucket.x/ä", "gs://a_bucket.x/ä".into()),
        ] {
            assert_eq!(parse(uri, Some("core.own.cloud")).unwrap().to_string(), expected, "{uri}");
        }
    }

    #[test]
    fn refuses_what_could_lead_elsewhere_and_shows_no_secret() {
        for uri in [
            "wasbs://c@acc.blob.core.windows.net/a?sig=secret",
            "wasbs://c@acc.blob.core.windows.net/a#secret",
            "wasbs://c:secret@acc.blob.core.windows.net/a",
            "wasbs://c@d@acc.blob.core.windows.net/a",
            "wasbs://c@acc.blob.core.windows.net.secret.com/a",
            "wasbs://c@acc.blob.core.windows.net:secret/a",
            "wasbs://c@acc.secret.com/a",
            "wasbs://c@acc.secret.com/blob.core.windows.net",
            "wasbs://c@secret.com.blob.core.windows.net@x/a",
            "wasbs://acc.blob.core.windows.net/secret",
            "abfss://c@acc.core.windows.net/secret",
            "s3://key:secret@bucket/a",
            "s3://key@bucket/secret",
            "s3:///secret",
            "s3://bucket/secret/../../x",
            "s3://bucket//secret",
            "s3://bucket/secret\n",
            "gs://bucket\\secret/x",
            "gs://../secret",
        ] {
            let error = parse(uri, None).unwrap_err();
            assert!(matches!(error, Error::BadUri(_)), "{uri}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
