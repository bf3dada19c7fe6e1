"""Fills the model registry by SQL: 5,000 models of 20 versions each, beside `seed.py`'s runs.

Each model has a description, a tag `team` and an alias `champion`; each version a run, a source and a tag `quality`. Every 50th
model is a prompt. One text serves SQLite and PostgreSQL.
"""

from __future__ import annotations

MODELS = 5_000
VERSIONS = 20
PROMPTS_EACH = 50
# The version that `champion` stands for.
CHAMPION = 17


def model(number: int) -> str:
    """The name of a model."""
    return f"model-{number:04d}"


def like_matching(part: str) -> int:
    """How many models that are no prompts have this in their names."""
    return sum(1 for number in range(MODELS) if part in model(number) and number % PROMPTS_EACH)


def statements(upto: str) -> str:
    """`upto` is a query with the numbers from 0 to below `MODELS`, called i."""
    versions = ", ".join(f"({number})" for number in range(1, VERSIONS + 1))
    name = "'model-' || SUBSTR('0000' || i, LENGTH('0000' || i) - 3, 4)"
    prompt = f"i % {PROMPTS_EACH} = 0"
    return f"""
        CREATE TEMPORARY TABLE seeded_models AS SELECT i, {name} AS name FROM ({upto}) AS n;
        CREATE TEMPORARY TABLE seeded_versions AS
        SELECT i, name, v.column1 AS version FROM seeded_models CROSS JOIN (VALUES {versions}) AS v;
        INSERT INTO registered_models (name, creation_time, last_updated_time, description)
        SELECT name, 1700000000000 + i, 1700000000000 + i * 7919 % {MODELS}, 'What ' || name || ' is for' FROM seeded_models;
        INSERT INTO registered_model_tags (key, value, name) SELECT 'team', 'team' || (i % 7), name FROM seeded_models;
        INSERT INTO registered_model_tags (key, value, name)
        SELECT 'mlflow.prompt.is_prompt', 'true', name FROM seeded_models WHERE {prompt};
        INSERT INTO registered_model_aliases (alias, version, name) SELECT 'champion', {CHAMPION}, name FROM seeded_models;
        INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, user_id, current_stage, source,
                                    run_id, status, storage_location)
        SELECT name, version, 1700000000000 + i, 1700000000000 + (i * {VERSIONS} + version) * 7919 % 1000003, '', 'bench',
               CASE version WHEN {VERSIONS} THEN 'Production' ELSE 'None' END,
               'mlflow-artifacts:/1/' || md5('run' || (i * {VERSIONS} + version)) || '/artifacts/model',
               md5('run' || (i * {VERSIONS} + version)), 'READY',
               'mlflow-artifacts:/1/' || md5('run' || (i * {VERSIONS} + version)) || '/artifacts/model'
        FROM seeded_versions;
        INSERT INTO model_version_tags (key, value, name, version)
        SELECT 'quality', '' || ((i + version) % 10), name, version FROM seeded_versions;
        INSERT INTO model_version_tags (key, value, name, version)
        SELECT 'mlflow.prompt.is_prompt', 'true', name, version FROM seeded_versions WHERE {prompt};"""
