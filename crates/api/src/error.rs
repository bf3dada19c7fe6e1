//! The errors a client may see: MLflow's error codes and their HTTP statuses.

use serde::Serialize;

/// Shorthand for results that end in a client-visible [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error a client sees as `{"error_code": .., "message": ..}`, the shape of MLflow's
/// `MlflowException.serialize_as_json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    /// MLflow's name for the kind of failure; decides the HTTP status.
    #[serde(rename = "error_code")]
    pub code: ErrorCode,
    /// What went wrong and, where the client can act, what to do next.
    pub message: String,
}

/// The codes of MLflow's `databricks.proto` that Ferroflow answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum ErrorCode {
    InternalError,
    TemporarilyUnavailable,
    BadRequest,
    InvalidParameterValue,
    EndpointNotFound,
    InvalidState,
    PermissionDenied,
    Unauthenticated,
    NotImplemented,
    RequestLimitExceeded,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    ResourceExhausted,
}

impl ErrorCode {
    /// The HTTP status MLflow sends with this code (`ERROR_CODE_TO_HTTP_STATUS`; unlisted codes are 500 there).
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadRequest | Self::InvalidParameterValue | Self::ResourceAlreadyExists => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::EndpointNotFound | Self::ResourceDoesNotExist => 404,
            Self::RequestLimitExceeded | Self::ResourceExhausted => 429,
            Self::InternalError | Self::InvalidState => 500,
            Self::NotImplemented => 501,
            Self::TemporarilyUnavailable => 503,
        }
    }
}

impl Error {
    /// An error with any code; the named constructors below read better where they fit.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// `INVALID_PARAMETER_VALUE`: the request is at fault.
pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidParameterValue, message)
}

/// `RESOURCE_DOES_NOT_EXIST`: the named thing is not there.
pub fn not_found(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::ResourceDoesNotExist, message)
}

/// `RESOURCE_ALREADY_EXISTS`: the name is taken.
pub fn already_exists(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::ResourceAlreadyExists, message)
}

/// `INVALID_STATE`: the thing exists but is not in a state that allows the call. MLflow answers 500 here.
pub fn invalid_state(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidState, message)
}

/// `INTERNAL_ERROR`, with a message fit for a client (never one from the database).
pub fn internal(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, message)
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
