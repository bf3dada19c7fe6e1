//! Which failures of a connection may pass by themselves. A server that starts waits for those, and ends at the others.

use super::tls;
use std::error::Error as _;
use std::io;

/// Whether the next try may go better, though nobody changes a user, a right or an address.
pub(super) fn may_pass(error: &tokio_postgres::Error) -> bool {
    if let Some(db) = error.as_db_error() {
        // Class 28: login, 3D: no such database, 42: rights and unknown settings, 22: bad settings, 0A: not supported. Poolers
        // have one code for everything.
        let lasts = ["28", "3D", "42", "22", "0A"].iter().any(|class| db.code().code().starts_with(class));
        let of_a_pooler = ["startup parameter", "no such", "does not exist", "authentication failed"];
        return !lasts && !of_a_pooler.iter().any(|text| db.message().contains(text));
    }
    match error.source() {
        None => true,
        Some(source) if tls::refusal(source).is_some() => false,
        // Where the system has no number for it, it is ours: a host that is no primary is `PermissionDenied`, too.
        Some(source) => source
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.raw_os_error().is_none() || e.kind() != io::ErrorKind::PermissionDenied),
    }
}
