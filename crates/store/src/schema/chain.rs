//! The two lists of steps, and the tables that say how far along them a database is.

use super::steps::AUTH_STEPS;
use super::{STEPS, Step};

/// Tables that have revisions of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Experiments, runs and everything else that the server serves.
    Tracking,
    /// Users and permissions, of MLflow's auth app: in a database of their own, or in the same one.
    Auth,
}

impl Chain {
    /// The steps, in order.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Tracking => &STEPS,
            Self::Auth => &AUTH_STEPS,
        }
    }

    /// The revision of MLflow 3.7.0.
    pub fn head(self) -> &'static str {
        self.revision_after(self.steps().len())
    }

    /// Where a database is that has done this many steps, for people.
    pub fn revision_after(self, steps: usize) -> &'static str {
        match (self, steps.checked_sub(1)) {
            (_, Some(last)) => self.steps()[last].revision,
            (Self::Tracking, None) => "none (MLflow 0.9.1)",
            (Self::Auth, None) => "none (before MLflow 3.6)",
        }
    }

    /// What is at a revision, as the beginning of a sentence.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Tracking => "the database is",
            Self::Auth => "the database's tables of users and permissions are",
        }
    }

    /// The way out that an upgrade by hand has, for those who have a choice.
    pub(super) fn other_way(self) -> &'static str {
        match self {
            Self::Tracking => ", or start without --no-database-migration",
            Self::Auth => "",
        }
    }

    /// The table with the revision.
    pub(super) fn version_table(self) -> &'static str {
        match self {
            Self::Tracking => "alembic_version",
            Self::Auth => "alembic_version_auth",
        }
    }

    /// The question for the revision.
    pub(super) fn revision(self) -> &'static str {
        match self {
            Self::Tracking => "SELECT version_num FROM alembic_version",
            Self::Auth => "SELECT version_num FROM alembic_version_auth",
        }
    }

    /// The statement that ends a step, in the same transaction.
    pub fn set_revision(self, step: &Step) -> String {
        let (table, revision) = (self.version_table(), step.revision);
        match step.down_revision {
            Some(before) => {
                format!("UPDATE {table} SET version_num = '{revision}' WHERE version_num = '{before}'")
            }
            None => format!(
                "\nCREATE TABLE {table} (\n    version_num VARCHAR(32) NOT NULL,\n    \
                 CONSTRAINT {table}_pkc PRIMARY KEY (version_num)\n);\n\
                 INSERT INTO {table} (version_num) VALUES ('{revision}')"
            ),
        }
    }
}
