//! What a cloud's errors mean, and what is to be done about them.
//!
//! The library's own words hold addresses, and what the store sent back; people get the store's name for the error only.

use std::error::Error as _;
use std::fmt;

use object_store::client::{HttpError, HttpErrorKind};

use crate::cloud_uri::Container;
use crate::{ArtifactPath, Error};

/// A failure of a cloud's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError {
    /// What is wrong.
    pub fault: Fault,
    container: Container,
    /// As the store calls it.
    code: Option<String>,
}

/// What is wrong with a cloud's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There are no credentials, or they are not valid.
    Credentials,
    /// The credentials are valid, and may not do this.
    Role,
    /// There is no such container or bucket.
    Container,
    /// The bucket is in another region.
    Region,
    /// No connection can be made.
    Unreachable,
    /// It does not answer for the moment.
    Unavailable,
    /// Somebody else wrote to the same path meanwhile.
    Conflict,
    /// A listing holds a name that cannot be part of a path here.
    Name,
    /// Anything else.
    Other,
}

/// The error of a request about `path`.
pub(crate) fn of_path(error: &object_store::Error, container: &Container, path: &ArtifactPath) -> Error {
    let failure = of(error, container);
    let is_missing = matches!(error, object_store::Error::NotFound { .. });
    if is_missing && failure.fault == Fault::Other { Error::NotFound(path.clone()) } else { failure.into() }
}

/// The error of a request about a whole container.
pub(crate) fn of(error: &object_store::Error, container: &Container) -> CloudError {
    let text = error.to_string();
    let code = between(&text, "<Code>", "</Code>").map(str::to_owned);
    let status = status(&text);
    let code = code.or_else(|| status.map(|status| format!("HTTP status {status}")));
    let fault = match http_kind(error) {
        Some(HttpErrorKind::Connect) if !is_about_credentials(&text) => Fault::Unreachable,
        Some(_) if !is_about_credentials(&text) => Fault::Unavailable,
        _ if matches!(error, object_store::Error::InvalidPath { .. }) => Fault::Name,
        _ => fault(code.as_deref().unwrap_or_default(), status, &text),
    };
    CloudError { fault, container: container.clone(), code }
}

fn fault(code: &str, status: Option<u16>, text: &str) -> Fault {
    match code {
        // Azurite calls a wrong key as Azure calls a network that is not let in.
        "AuthorizationFailure" if text.contains("failed to authenticate") => Fault::Credentials,
        "AuthenticationFailed"
        | "InvalidAuthenticationInfo"
        | "NoAuthenticationInformation"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "ExpiredToken"
        | "TokenRefreshRequired"
        | "RequestTimeTooSkewed"
        | "AuthorizationHeaderMalformed" => Fault::Credentials,
        "ContainerNotFound" | "NoSuchBucket" | "ResourceNotFound" | "ContainerBeingDeleted" => {
            Fault::Container
        }
        "PermanentRedirect" | "IllegalLocationConstraintException" => Fault::Region,
        "InvalidBlockList" | "InvalidBlobOrBlock" | "NoSuchUpload" | "ConditionalRequestConflict" => {
            Fault::Conflict
        }
        _ if is_about_credentials(text) => Fault::Credentials,
        _ if text.contains("redirect without LOCATION") => Fault::Region,
        _ => match status {
            Some(401) => Fault::Credentials,
            Some(403) => Fault::Role,
            Some(301 | 307 | 308) => Fault::Region,
            Some(408 | 429 | 500..) => Fault::Unavailable,
            _ => Fault::Other,
        },
    }
}

/// Whether the request that failed was one for a token, not one to the store.
fn is_about_credentials(text: &str) -> bool {
    ["token request", "token response", "token file", "CreateSession", "/metadata/identity/", "/latest/"]
        .iter()
        .any(|words| text.contains(words))
}

fn http_kind(error: &object_store::Error) -> Option<HttpErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

/// The status that the store answered with, as the library tells it.
pub(crate) fn status(text: &str) -> Option<u16> {
    between(text, "status code: ", " ").and_then(|digits| digits.trim_end_matches(':').parse().ok())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    // A code of the store is a word; anything longer could be anything.
    (found.len() <= 60 && found.chars().all(|c| c.is_ascii_alphanumeric() || ":._-".contains(c)))
        .then_some(found)
}

impl CloudError {
    /// What must be set, and which right is needed, in the words of the cloud.
    fn words(&self) -> (&'static str, &'static str) {
        match self.container {
            Container::Azure { .. } => (
                "AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCESS_KEY, AZURE_STORAGE_SAS_TOKEN or the identity that \
                 AZURE_CLIENT_ID names",
                "the role 'Storage Blob Data Contributor', and let its network rules admit this server",
            ),
            Container::S3(_) => (
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile that AWS_PROFILE names, or the role of this machine or \
                 pod",
                "the rights s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload",
            ),
            Container::Gcs(_) => (
                "GOOGLE_APPLICATION_CREDENTIALS, or the service account of this machine or pod",
                "the role 'Storage Object User'",
            ),
        }
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, (credentials, right)) = (&self.container, self.words());
        let code = self.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        match self.fault {
            Fault::Credentials => write!(
                f,
                "The server has no valid credentials for {place}{code}. Ask its operator to check {credentials}."
            ),
            Fault::Role => write!(
                f,
                "The server's credentials do not allow this in {place}{code}. Ask its operator to give them {right}."
            ),
            Fault::Container => write!(
                f,
                "Artifact storage is missing: {place} does not exist{code}. Ask the operator of the server to create it, or to name another."
            ),
            Fault::Region => write!(
                f,
                "Artifact storage is elsewhere: {place} is in another region{code}. Ask the operator of the server to set AWS_DEFAULT_REGION to the bucket's."
            ),
            Fault::Unreachable => write!(
                f,
                "The server cannot connect to {place}. Ask its operator to check the name, the endpoint, the network and the certificates."
            ),
            Fault::Unavailable => write!(
                f,
                "Artifact storage does not answer as it should for the moment: {place}{code}. Try again."
            ),
            Fault::Conflict => write!(
                f,
                "Another upload to this path was finished first in {place}{code}, and nothing of this one was stored. Send it again."
            ),
            Fault::Name => write!(
                f,
                "There is an object in {place} whose name has an empty, '.' or '..' part, or a control character, which this server cannot handle. Rename or delete it with the store's own tools."
            ),
            Fault::Other => write!(
                f,
                "Artifact storage failed: {place}{code}. Its operator finds out more in its own logs."
            ),
        }
    }
}

impl CloudError {
    /// In a few words, for those who ask whether the server is ready.
    pub fn brief(&self) -> &'static str {
        match self.fault {
            Fault::Credentials => "has no valid credentials",
            Fault::Role => "has credentials without the needed role",
            Fault::Container => "has no such container or bucket",
            Fault::Region => "is in another region",
            Fault::Unreachable => "cannot be connected to",
            Fault::Unavailable => "does not answer",
            Fault::Conflict | Fault::Name | Fault::Other => "fails",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn each_fault_is_told_apart_and_shows_no_secret() {
        let said = "Error performing list request: Error performing GET https://x/?sig=secret in 1ms - Server returned \
                    non-2xx status code: ";
        let bucket = Container::S3("b".into());
        for (tail, expected) in [
            (
                "403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code><Message>secret</Message></Error>",
                Fault::Credentials,
            ),
            ("403 Forbidden: <Code>AuthenticationFailed</Code>", Fault::Credentials),
            ("403 Forbidden: <Code>AuthorizationPermissionMismatch</Code>", Fault::Role),
            ("403 Forbidden: <Code>AccessDenied</Code>", Fault::Role),
            ("404 Not Found: <Code>ContainerNotFound</Code>", Fault::Container),
            ("404 Not Found: <Code>NoSuchBucket</Code>", Fault::Container),
            ("503 Service Unavailable: <Code>ServerBusy</Code>", Fault::Unavailable),
            ("503 Service Unavailable: ", Fault::Unavailable),
            ("401 Unauthorized: ", Fault::Credentials),
            ("301 Moved Permanently: <Code>PermanentRedirect</Code>", Fault::Region),
            ("400 Bad Request: <Code>InvalidBlockList</Code>", Fault::Conflict),
            ("400 Bad Request: <Code>secret and more words</Code>", Fault::Other),
        ] {
            let error = of(&generic(&format!("{said}{tail}")), &bucket);
            assert_eq!(error.fault, expected, "{tail}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let token = generic(
            "Error performing token request: Server returned non-2xx status code: 400 Bad Request: {}",
        );
        assert_eq!(of(&token, &bucket).fault, Fault::Credentials);
    }
}
