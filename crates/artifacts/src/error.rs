//! What can go wrong with artifacts, and what the client is told to do about it.

use std::io;

use api::ErrorCode;

use crate::{ArtifactPath, CloudError, Fault};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of an artifact operation.
#[derive(Debug)]
pub enum Error {
    /// The path could lead out of the artifact root.
    InvalidPath,
    /// The path leads out of the artifact root through a symbolic link.
    OutsideRoot,
    /// There is no file of this name.
    NotFound(ArtifactPath),
    /// A file was asked for, but this is a folder.
    IsFolder(ArtifactPath),
    /// A folder is needed where a file is.
    BelowFile(ArtifactPath),
    /// The asked-for bytes do not exist in a file of this size.
    RangeNotSatisfiable {
        /// The whole file's size.
        size: u64,
    },
    /// The store's URI is not one this version can open.
    UnsupportedUri(String),
    /// The URI is not a place in the cloud that its scheme names; the sentence says why.
    BadUri(String),
    /// What the operator set for a cloud cannot be used; the sentence says why.
    Settings(String),
    /// The parts of an upload are not as they must be; the sentence says why.
    BadParts(String),
    /// The store takes uploads in one piece only, or cannot sign URLs for others.
    NoMultipart,
    /// A cloud's store failed.
    Cloud(Box<CloudError>),
    /// The artifacts are behind an artifact proxy, and this server is not one.
    NotServed(String),
    /// The body of an upload ended with an error; nothing was stored.
    Body(String),
    /// The storage failed.
    Io(io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InvalidPath => f.write_str("Invalid path"),
            Self::OutsideRoot => f.write_str("Invalid path: resolved path is outside the artifact directory"),
            Self::NotFound(path) => write!(f, "No such artifact: '{path}'"),
            Self::IsFolder(path) => {
                write!(f, "'{path}' is a folder. List it and name one of the files in it instead.")
            }
            Self::BelowFile(path) => {
                write!(f, "Cannot store '{path}': a part of this path is a file. Choose another path or delete that file.")
            }
            Self::RangeNotSatisfiable { size } => write!(f, "The artifact has {size} bytes, fewer than the range asks for."),
            Self::UnsupportedUri(uri) => write!(
                f,
                "Artifacts cannot be stored in '{uri}'. Use a path, or a URI that begins with file:, wasbs://, abfss://, s3:// or \
                 gs://."
            ),
            Self::BadUri(why) | Self::Settings(why) | Self::BadParts(why) => f.write_str(why),
            // Clients know this text, and send the file in one piece.
            Self::NoMultipart => {
                f.write_str("Multipart upload is not supported for the current artifact repository")
            }
            Self::Cloud(error) => error.fmt(f),
            Self::NotServed(uri) => write!(
                f,
                "The artifacts of '{uri}' are reached through an artifact proxy, which this server is not: it runs with \
                 `--no-serve-artifacts`. Run it with `--serve-artifacts`, or ask the server that has them."
            ),
            Self::Body(why) => write!(f, "The upload was not complete and nothing was stored ({why}). Send it again."),
            Self::Io(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => f.write_str(
                    "The artifact store is full. Ask the operator of the server to free or add space, then try again.",
                ),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => f.write_str(
                    "The server may not access this part of its artifact store. Ask its operator to check the \
                     permissions of the artifact directory.",
                ),
                io::ErrorKind::InvalidFilename => {
                    f.write_str("A name in the path is longer than the artifact store allows. Choose a shorter one.")
                }
                _ => write!(f, "The artifact store failed: {error}"),
            },
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CloudError> for Error {
    fn from(error: CloudError) -> Self {
        Self::Cloud(Box::new(error))
    }
}

impl From<Error> for api::Error {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::InvalidPath | Error::OutsideRoot | Error::IsFolder(_) | Error::BelowFile(_) => {
                ErrorCode::InvalidParameterValue
            }
            // HTTP has its own status for this one, which the handlers answer with.
            Error::RangeNotSatisfiable { .. } => ErrorCode::InvalidParameterValue,
            // MLflow answers 500 when a download is missing, which its clients then repeat for minutes.
            Error::NotFound(_) => ErrorCode::ResourceDoesNotExist,
            Error::UnsupportedUri(_) | Error::NoMultipart => ErrorCode::NotImplemented,
            Error::NotServed(_) | Error::BadUri(_) | Error::BadParts(_) => ErrorCode::InvalidParameterValue,
            Error::Settings(_) => ErrorCode::InternalError,
            Error::Cloud(error) => match error.fault {
                // Clients repeat a request after this one, and it may well succeed.
                Fault::Unavailable | Fault::Conflict => ErrorCode::TemporarilyUnavailable,
                _ => ErrorCode::InternalError,
            },
            Error::Body(_) => ErrorCode::BadRequest,
            // A longer name than the file system allows is the client's to mend.
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidFilename => {
                ErrorCode::InvalidParameterValue
            }
            Error::Io(_) => ErrorCode::InternalError,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_error_reads_as_mlflows() {
        let error = api::Error::from(Error::InvalidPath);
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::InvalidParameterValue, "Invalid path"));
    }

    #[test]
    fn a_full_disk_says_so() {
        let error = api::Error::from(Error::Io(io::ErrorKind::StorageFull.into()));
        assert_eq!(error.code.http_status(), 500);
        assert!(error.message.starts_with("The artifact store is full."), "{error}");
    }

    #[test]
    fn a_missing_artifact_is_404() {
        let path = ArtifactPath::parse("a/b").unwrap();
        let error = api::Error::from(Error::NotFound(path));
        assert_eq!((error.code.http_status(), error.message.as_str()), (404, "No such artifact: 'a/b'"));
    }
}
