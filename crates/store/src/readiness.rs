//! What a server looks at again and again to tell whether it can do its work.

use crate::db::Tx;
use crate::error::Result;

const REVISION: &str = "SELECT version_num FROM alembic_version";

/// The revision of the database's schema, if it says one.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when there is no table to say it.
pub async fn revision(tx: &mut Tx<'_>) -> Result<Option<String>> {
    tx.first(REVISION, &[], |row| row.text(0)).await
}
