"""Makes experiment ids recognisable.

Ids are small integers, and which ones a server gives out depends on its history (a refused insert uses one up on
PostgreSQL). The two servers of a comparison therefore start at far-apart six-digit numbers that appear nowhere else:
an id is then known by its look, wherever it stands in an answer, and an id of the wrong server cannot go unnoticed.
"""

from __future__ import annotations

import re

import sqlalchemy

OFFICIAL_FIRST_ID = 730_000
CANDIDATE_FIRST_ID = 940_000
EXPERIMENT_ID = re.compile(r"(?<![0-9a-zA-Z.])(?:73|94)\d{4}(?![0-9a-zA-Z.])")

INSERT_SEED = """
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
VALUES (:id, 'seed of the experiment ids', 'mlflow-artifacts:/seed', 'deleted', 1, 1)
"""
RESTART_SEQUENCE = "SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), :id)"


def start_experiment_ids_at(uri: str, first: int) -> None:
    """Lets the ids of a database begin after `first`, by a deleted experiment with that id."""
    engine = sqlalchemy.create_engine(uri)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(INSERT_SEED), {"id": first})
        if engine.dialect.name == "postgresql":
            connection.execute(sqlalchemy.text(RESTART_SEQUENCE), {"id": first})
    engine.dispose()
