//! The steps from MLflow's first revision to 3.7.0's, each as our own SQL, in `migrations/`: `both` runs on either engine.
//! SQLite cannot change a column, so there such a step copies the table, as MLflow's own does.

use crate::db::Dialect;

/// One step of a migration: what the database needs to get to `revision` from the one before.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The Alembic revision that the database is at afterwards.
    pub revision: &'static str,
    /// The revision that it starts from; none for the schema of MLflow 0.9.1, which had no revision yet.
    pub down_revision: Option<&'static str>,
    /// What it is about, for people.
    pub title: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

impl Step {
    /// The statements; empty where the engine needs none.
    pub fn sql(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}

const NOTHING: &str = "";

/// Every step, in order; the last one ends at [`super::HEAD`].
pub const STEPS: [Step; 40] = [
    Step {
        revision: "451aebb31d03",
        down_revision: None,
        title: "steps of metrics",
        postgres: include_str!("migrations/postgres/001_451aebb31d03.sql"),
        sqlite: include_str!("migrations/sqlite/001_451aebb31d03.sql"),
    },
    Step {
        revision: "90e64c465722",
        down_revision: Some("451aebb31d03"),
        title: "users of runs become tags",
        postgres: include_str!("migrations/both/002_90e64c465722.sql"),
        sqlite: include_str!("migrations/both/002_90e64c465722.sql"),
    },
    Step {
        revision: "181f10493468",
        down_revision: Some("90e64c465722"),
        title: "metrics that are not a number",
        postgres: include_str!("migrations/postgres/003_181f10493468.sql"),
        sqlite: include_str!("migrations/sqlite/003_181f10493468.sql"),
    },
    Step {
        revision: "df50e92ffc5e",
        down_revision: Some("181f10493468"),
        title: "tags of experiments",
        postgres: include_str!("migrations/both/004_df50e92ffc5e.sql"),
        sqlite: include_str!("migrations/both/004_df50e92ffc5e.sql"),
    },
    Step {
        revision: "7ac759974ad8",
        down_revision: Some("df50e92ffc5e"),
        title: "longer tags",
        postgres: include_str!("migrations/postgres/005_7ac759974ad8.sql"),
        sqlite: include_str!("migrations/sqlite/005_7ac759974ad8.sql"),
    },
    Step {
        revision: "89d4b8295536",
        down_revision: Some("7ac759974ad8"),
        title: "latest values of metrics",
        postgres: include_str!("migrations/both/006_89d4b8295536.sql"),
        sqlite: include_str!("migrations/both/006_89d4b8295536.sql"),
    },
    Step {
        revision: "2b4d017a5e9b",
        down_revision: Some("89d4b8295536"),
        title: "model registry",
        postgres: include_str!("migrations/both/007_2b4d017a5e9b.sql"),
        sqlite: include_str!("migrations/both/007_2b4d017a5e9b.sql"),
    },
    Step {
        revision: "cfd24bdc0731",
        down_revision: Some("2b4d017a5e9b"),
        title: "killed runs",
        postgres: include_str!("migrations/postgres/008_cfd24bdc0731.sql"),
        sqlite: include_str!("migrations/sqlite/008_cfd24bdc0731.sql"),
    },
    Step {
        revision: "0a8213491aaa",
        down_revision: Some("cfd24bdc0731"),
        title: "nothing here: MySQL only",
        postgres: NOTHING,
        sqlite: NOTHING,
    },
    Step {
        revision: "728d730b5ebd",
        down_revision: Some("0a8213491aaa"),
        title: "tags of registered models",
        postgres: include_str!("migrations/both/010_728d730b5ebd.sql"),
        sqlite: include_str!("migrations/both/010_728d730b5ebd.sql"),
    },
    Step {
        revision: "27a6a02d2cf1",
        down_revision: Some("728d730b5ebd"),
        title: "tags of model versions",
        postgres: include_str!("migrations/both/011_27a6a02d2cf1.sql"),
        sqlite: include_str!("migrations/both/011_27a6a02d2cf1.sql"),
    },
    Step {
        revision: "84291f40a231",
        down_revision: Some("27a6a02d2cf1"),
        title: "links from model versions to runs",
        postgres: include_str!("migrations/both/012_84291f40a231.sql"),
        sqlite: include_str!("migrations/both/012_84291f40a231.sql"),
    },
    Step {
        revision: "a8c4a736bde6",
        down_revision: Some("84291f40a231"),
        title: "model versions without a run",
        postgres: include_str!("migrations/postgres/013_a8c4a736bde6.sql"),
        sqlite: include_str!("migrations/sqlite/013_a8c4a736bde6.sql"),
    },
    Step {
        revision: "39d1c3be5f05",
        down_revision: Some("a8c4a736bde6"),
        title: "marks of metrics are true or false",
        postgres: NOTHING,
        sqlite: include_str!("migrations/sqlite/014_39d1c3be5f05.sql"),
    },
    Step {
        revision: "c48cb773bb87",
        down_revision: Some("39d1c3be5f05"),
        title: "nothing here: MySQL only",
        postgres: NOTHING,
        sqlite: NOTHING,
    },
    Step {
        revision: "bd07f7e963c5",
        down_revision: Some("c48cb773bb87"),
        title: "indexes by run",
        postgres: include_str!("migrations/both/016_bd07f7e963c5.sql"),
        sqlite: include_str!("migrations/both/016_bd07f7e963c5.sql"),
    },
    Step {
        revision: "0c779009ac13",
        down_revision: Some("bd07f7e963c5"),
        title: "when runs were deleted",
        postgres: include_str!("migrations/both/017_0c779009ac13.sql"),
        sqlite: include_str!("migrations/both/017_0c779009ac13.sql"),
    },
    Step {
        revision: "cc1f77228345",
        down_revision: Some("0c779009ac13"),
        title: "params of 500 characters",
        postgres: include_str!("migrations/postgres/018_cc1f77228345.sql"),
        sqlite: include_str!("migrations/sqlite/018_cc1f77228345.sql"),
    },
    Step {
        revision: "97727af70f4d",
        down_revision: Some("cc1f77228345"),
        title: "times of experiments",
        postgres: include_str!("migrations/both/019_97727af70f4d.sql"),
        sqlite: include_str!("migrations/both/019_97727af70f4d.sql"),
    },
    Step {
        revision: "3500859a5d39",
        down_revision: Some("97727af70f4d"),
        title: "aliases of registered models",
        postgres: include_str!("migrations/both/020_3500859a5d39.sql"),
        sqlite: include_str!("migrations/both/020_3500859a5d39.sql"),
    },
    Step {
        revision: "7f2a7d5fae7d",
        down_revision: Some("3500859a5d39"),
        title: "data sets and inputs",
        postgres: include_str!("migrations/both/021_7f2a7d5fae7d.sql"),
        sqlite: include_str!("migrations/both/021_7f2a7d5fae7d.sql"),
    },
    Step {
        revision: "2d6e25af4d3e",
        down_revision: Some("7f2a7d5fae7d"),
        title: "params of 8,000 characters",
        postgres: include_str!("migrations/postgres/022_2d6e25af4d3e.sql"),
        sqlite: include_str!("migrations/sqlite/022_2d6e25af4d3e.sql"),
    },
    Step {
        revision: "acf3f17fdcc7",
        down_revision: Some("2d6e25af4d3e"),
        title: "storage locations of model versions",
        postgres: include_str!("migrations/both/023_acf3f17fdcc7.sql"),
        sqlite: include_str!("migrations/both/023_acf3f17fdcc7.sql"),
    },
    Step {
        revision: "867495a8f9d4",
        down_revision: Some("acf3f17fdcc7"),
        title: "traces",
        postgres: include_str!("migrations/both/024_867495a8f9d4.sql"),
        sqlite: include_str!("migrations/both/024_867495a8f9d4.sql"),
    },
    Step {
        revision: "5b0e9adcef9c",
        down_revision: Some("867495a8f9d4"),
        title: "tags of traces go with them",
        postgres: include_str!("migrations/postgres/025_5b0e9adcef9c.sql"),
        sqlite: include_str!("migrations/sqlite/025_5b0e9adcef9c.sql"),
    },
    Step {
        revision: "4465047574b1",
        down_revision: Some("5b0e9adcef9c"),
        title: "nothing here: MySQL only",
        postgres: NOTHING,
        sqlite: NOTHING,
    },
    Step {
        revision: "f5a4f2784254",
        down_revision: Some("4465047574b1"),
        title: "tags of 8,000 characters",
        postgres: include_str!("migrations/postgres/027_f5a4f2784254.sql"),
        sqlite: include_str!("migrations/sqlite/027_f5a4f2784254.sql"),
    },
    Step {
        revision: "0584bdc529eb",
        down_revision: Some("f5a4f2784254"),
        title: "data sets go with their experiment",
        postgres: include_str!("migrations/postgres/028_0584bdc529eb.sql"),
        sqlite: include_str!("migrations/sqlite/028_0584bdc529eb.sql"),
    },
    Step {
        revision: "400f98739977",
        down_revision: Some("0584bdc529eb"),
        title: "logged models",
        postgres: include_str!("migrations/both/029_400f98739977.sql"),
        sqlite: include_str!("migrations/both/029_400f98739977.sql"),
    },
    Step {
        revision: "6953534de441",
        down_revision: Some("400f98739977"),
        title: "steps of inputs",
        postgres: include_str!("migrations/both/030_6953534de441.sql"),
        sqlite: include_str!("migrations/both/030_6953534de441.sql"),
    },
    Step {
        revision: "bda7b8c39065",
        down_revision: Some("6953534de441"),
        title: "tags of model versions without a limit",
        postgres: include_str!("migrations/postgres/031_bda7b8c39065.sql"),
        sqlite: include_str!("migrations/sqlite/031_bda7b8c39065.sql"),
    },
    Step {
        revision: "cbc13b556ace",
        down_revision: Some("bda7b8c39065"),
        title: "previews of traces",
        postgres: include_str!("migrations/both/032_cbc13b556ace.sql"),
        sqlite: include_str!("migrations/both/032_cbc13b556ace.sql"),
    },
    Step {
        revision: "770bee3ae1dd",
        down_revision: Some("cbc13b556ace"),
        title: "assessments",
        postgres: include_str!("migrations/both/033_770bee3ae1dd.sql"),
        sqlite: include_str!("migrations/both/033_770bee3ae1dd.sql"),
    },
    Step {
        revision: "a1b2c3d4e5f6",
        down_revision: Some("770bee3ae1dd"),
        title: "spans",
        postgres: include_str!("migrations/both/034_a1b2c3d4e5f6.sql"),
        sqlite: include_str!("migrations/both/034_a1b2c3d4e5f6.sql"),
    },
    Step {
        revision: "de4033877273",
        down_revision: Some("a1b2c3d4e5f6"),
        title: "associations of entities",
        postgres: include_str!("migrations/both/035_de4033877273.sql"),
        sqlite: include_str!("migrations/both/035_de4033877273.sql"),
    },
    Step {
        revision: "1a0cddfcaa16",
        down_revision: Some("de4033877273"),
        title: "webhooks",
        postgres: include_str!("migrations/both/036_1a0cddfcaa16.sql"),
        sqlite: include_str!("migrations/both/036_1a0cddfcaa16.sql"),
    },
    Step {
        revision: "534353b11cbc",
        down_revision: Some("1a0cddfcaa16"),
        title: "scorers",
        postgres: include_str!("migrations/both/037_534353b11cbc.sql"),
        sqlite: include_str!("migrations/both/037_534353b11cbc.sql"),
    },
    Step {
        revision: "71994744cf8e",
        down_revision: Some("534353b11cbc"),
        title: "evaluation data sets",
        postgres: include_str!("migrations/both/038_71994744cf8e.sql"),
        sqlite: include_str!("migrations/both/038_71994744cf8e.sql"),
    },
    Step {
        revision: "3da73c924c2f",
        down_revision: Some("71994744cf8e"),
        title: "outputs of evaluation data sets",
        postgres: include_str!("migrations/both/039_3da73c924c2f.sql"),
        sqlite: include_str!("migrations/both/039_3da73c924c2f.sql"),
    },
    Step {
        revision: "bf29a5ff90ea",
        down_revision: Some("3da73c924c2f"),
        title: "jobs",
        postgres: include_str!("migrations/both/040_bf29a5ff90ea.sql"),
        sqlite: include_str!("migrations/both/040_bf29a5ff90ea.sql"),
    },
];

/// The steps of the tables of users and permissions, which MLflow's auth app keeps. Before MLflow 3.6 it made them without a
/// revision, so the first step leaves those alone that are there.
pub(super) const AUTH_STEPS: [Step; 2] = [
    Step {
        revision: "8606fa83a998",
        down_revision: None,
        title: "users and their permissions",
        postgres: include_str!("migrations/postgres/auth_001_8606fa83a998.sql"),
        sqlite: include_str!("migrations/sqlite/auth_001_8606fa83a998.sql"),
    },
    Step {
        revision: "0965eb92f5f0",
        down_revision: Some("8606fa83a998"),
        title: "permissions for scorers",
        postgres: include_str!("migrations/postgres/auth_002_0965eb92f5f0.sql"),
        sqlite: include_str!("migrations/sqlite/auth_002_0965eb92f5f0.sql"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_chains_that_end_at_their_heads() {
        for (steps, head) in [(&STEPS[..], super::super::HEAD), (&AUTH_STEPS[..], "0965eb92f5f0")] {
            assert_eq!(steps[0].down_revision, None);
            for pair in steps.windows(2) {
                assert_eq!(pair[1].down_revision, Some(pair[0].revision));
            }
            assert_eq!(steps[steps.len() - 1].revision, head);
        }
    }
}
