"""Records how MLflow reads filters and orders, as goldens for the Rust parser.

    python conformance/record_search.py crates/store/src/search/testdata

Runs MLflow's own parsers (no server, no database) over a corpus of written and generated texts and writes one JSON file
per searchable entity. The corpus depends on nothing but this file, so a recording can be repeated. Python prints sets in
random order; they are sorted here.
"""

import json
import math
import random
import re
import sys
from pathlib import Path

from sqlalchemy.orm import Session

from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import (
    _get_filter_clauses_for_search_traces,
    _get_orderby_clauses,
    _get_orderby_clauses_for_search_traces,
    _get_search_experiments_filter_clauses,
    _get_search_experiments_order_by_clauses,
    _get_sqlalchemy_filter_clauses,
)
from mlflow.utils.search_logged_model_utils import parse_filter_string
from mlflow.utils.search_utils import (
    SearchExperimentsUtils,
    SearchModelUtils,
    SearchModelVersionUtils,
    SearchTraceUtils,
    SearchUtils,
)

DIALECT = "sqlite"

RUN_NAMES = """
    metrics.loss metric.loss metrics.`a b` metrics."a.b" metrics.a.b.c metrics."a b"."c" `metrics`.loss Metrics.loss
    metrics. metrics .x metrics.'q' metrics.acc-top metrics.0abc metrics.5 metrics._x metrics.é metrics.x/y metrics.*
    metrics.loss[0] metrics.user metrics.created metrics.run_id
    params.lr param.lr parameter.lr parameters.lr params.`l r` params."l.r" params.IN params.x$y params.-x params.a:b
    tags.team tag.team tags.`mlflow.source.name` tags.mlflow.source.name tags."mlflow.note" tags.`a``b` tags.timestamp
    attribute.status attributes.status attr.status run.status status `status` "status" 'status' Status STATUS
    attributes."status" attributes.`run_id` run_id run_name attributes.run_name "Run name" `Run name` `run name`
    attributes."Run Name" Run name user_id start_time end_time created Created attributes.created artifact_uri
    lifecycle_stage experiment_id name user key timestamp date foo foo.bar a.b.c _x x1 1x
    dataset.name datasets.digest dataset.context dataset.foo dataset."name" datasets.`context` inputs.name
    model.x f(x) (x) [x] [a b] x::int :x ?
""".split("\n")

EXPERIMENT_NAMES = """
    name attribute.name attributes.name attr.name `name` "name" 'name' Name attribute.`name` attribute."name"
    creation_time attribute.creation_time last_update_time experiment_id lifecycle_stage artifact_location
    tags.team tag.team tags.`a b` tags."a.b" tags.a.b `tags`.x tags. params.x metrics.x dataset.name foo user timestamp
""".split("\n")

MODEL_NAMES = """
    name attributes.name attribute.name attributes.`name` `name` "name" Name model_id model_type status source_run_id
    creation_time creation_timestamp creation_timestamp_ms last_updated_timestamp last_updated_timestamp_ms
    last_updated_time attributes.creation_timestamp_ms attributes.creation_timestamp experiment_id artifact_location
    lifecycle_stage status_message foo user timestamp
    metrics.loss metrics.`a b` metrics."a" metrics.a.b metric.loss Metrics.loss metrics. params.lr param.lr params.`l r`
    params.a.b tags.team tags.`a.b` tag.team tags."x"
""".split("\n")

REGISTERED_NAMES = """
    name attribute.name attributes.name attr.name `name` "name" 'name' Name attribute.`name` attribute."name" attribute.
    creation_timestamp last_updated_timestamp timestamp description run_id version version_number source_path current_stage
    attribute.version_number attribute.run_id attribute.source_path `version_number` tags.team tag.team tags.`a b` tags."a.b"
    tags.a.b `tags`.x tags. params.x metrics.x dataset.name foo tags.`mlflow.prompt.is_prompt` tag."mlflow.prompt.is_prompt"
""".split("\n")

REGISTRY_ORDERS = [
    "version_number", "version_number DESC", "creation_timestamp", "creation_timestamp DESC", "last_updated_timestamp",
    "last_updated_timestamp DESC", "`version_number` DESC", "\"name\"", "`name`", "attribute.version_number", "tags.name", "tag.version_number DESC",
    "attribute.`name`", "attributes.name", "tags.team", "description", "timestamp DESC",
]

TRACE_NAMES = """
    status trace.status attribute.status attributes.status attr.status `status` "status" Status request_id trace_id client_request_id
    timestamp timestamp_ms trace.timestamp attributes.timestamp_ms `timestamp` TIMESTAMP execution_time execution_time_ms end_time end_time_ms
    name trace.name attributes.`name` run_id attributes.run_id prompt trace.prompt text trace.text `text` experiment_id foo user
    tags.team tag.team tags.`a b` tags."a.b" tags.a.b `tags`.x tags. tags.name tags.run_id tags.text tags.prompt tags.timestamp
    tags.`mlflow.linkedPrompts` tags.`mlflow.traceName` metadata.user request_metadata.user metadata.`mlflow.sourceRun` metadata.run_id metadata.
    span.name span.type span.status span.content span.foo span. span.attributes.model span.attributes. span.attributes.`a b` span.`name` `span`.name
    feedback.good feedback.`a b` feedback. feedback.name expectation.answer expectation.text assessment.good metrics.m params.p
""".split("\n")

TRACE_FILTERS = [
    "timestamp > 1", "timestamp >= 1 AND status = 'OK'", "status = 'OK' AND timestamp < 5", "timestamp > 1.5", "timestamp > 'x'", "timestamp", "timestamp >",
    "timestamp > 1 AND timestamp < 5", "timestamp > 1 timestamp < 5", "timestamp LIKE 1", "timestamp foo bar baz", "timestamp IN (1)", "timestamp NOT IN (1)",
    "timestamp = -1", "timestamp > 1, status = 'OK'", "timestamp > 1;", "(timestamp > 1)", "timestamp > 1 -- c", "timestamp /* c */ > 1", "1 < timestamp",
    "prompt = 'a/1'", "prompt = 'a'", "prompt = 'a/b/c'", "prompt != 'a/1'", "prompt IN ('a/1')", "prompt LIKE 'a/1'", "name RLIKE 'x'", "name rlike 'x'",
    "span.name like 'x'", "span.name LIKE 'x'", "span.content RLIKE 'x'", "text like 'x'", "trace.text like 'x'", "trace.text = 'x'", "status in ('OK', 'Error')",
    "feedback.good rlike 'x'", "feedback.good IN ('x')", "feedback.good = ('x')", "run_id = 'a' AND run_id = 'b'", "name IN ('A', 'b')", "status NOT RLIKE 'x'",
]

TRACE_ORDERS = [
    "timestamp_ms", "timestamp_ms DESC", "execution_time", "execution_time_ms DESC", "request_id", "request_id DESC", "name DESC", "run_id", "prompt", "text",
    "trace.status", "trace.timestamp DESC", "metadata.user", "request_metadata.user DESC", "tags.name", "tags.timestamp", "span.name", "feedback.good",
    "expectation.answer", "client_request_id", "tags.`a b` DESC", "experiment_id DESC", "`trace`.status",
]

OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "LIKE", "like", "ILIKE", "ilike", "Like", "RLIKE", "NOT LIKE", "==", "<>",
             "=~", "IN", "in", "NOT IN", "not in", "NOT  IN", "IS", "BETWEEN", "~", ":=", "<=>"]

VALUES = ["0.5", "1", "-1", "-1.5", "1e5", "1E-5", "1e+5", ".5", "-.5", "1.", "+1", "- 1", "0x1F", "10abc", "1_000", "1.5x",
          "99999999999999999999", "nan", "inf", "NaN", "true", "null", "NULL", "None", "'abc'", '"abc"', "`abc`", "abc",
          "'it''s'", r"'it\'s'", "'a\"b'", '"a\'b"', "''", '""', "'", "'open", '"open', "'%x%'", "'a b'", "'a AND b'", "'é✓'",
          r"'a\\'", "'('", "'(a)'", "('a')", "('a', 'b')", '("a", "b")', "('a' 'b')", "('a',)", "()", "( )", "('a', 1)", "(1, 2)",
          "(a, b)", "('a' , \"b\")", "('A', 'b')", "('a', 'b'", "('a',,'b')", "['a']", "('a\\n')", "a.b", '"a"."b"', "f(1)",
          "1 + 2", "1-2", "1 2", "'a' 'b'", "?", ":x", "%s", "$1", "*", "", "date '2020-01-01'", "timestamp", "CURRENT_DATE"]

RUN_FILTERS = [
    "", " ", "\n", ";", "metrics.a > 1;", "metrics.a > 1; metrics.b > 2", "metrics.a > 1 ; ", "metrics.a > 1;\n",
    "metrics.a > 1 AND params.b = 'x'", "metrics.a > 1 and params.b = 'x'", "metrics.a > 1 And\tparams.b = 'x'",
    "metrics.a > 1\nAND\nparams.b = 'x'", "metrics.a>1 AND params.b='x'", "metrics.a>1AND params.b='x'",
    "metrics.a > 1 OR metrics.b > 2", "metrics.a > 1, metrics.b > 2", "metrics.a > 1 metrics.b > 2",
    "metrics.a > 1 AND AND metrics.b > 2", "AND metrics.a > 1", "metrics.a > 1 AND", "AND", "OR", "NOT metrics.a > 1",
    "(metrics.a > 1)", "(metrics.a > 1) AND metrics.b > 2", "metrics.a > 1 AND (metrics.b > 2)", "metrics.a", "metrics.a >",
    "> 1", "1 < metrics.a", "1 = 1", "'a' = 'a'", "metrics.a > metrics.b", "metrics.a = metrics.b = 1", "1 < metrics.a < 2",
    "metrics.a > 1 foo", "metrics.a > 1 -- comment", "metrics.a > 1 -- comment\nAND metrics.b > 2", "/* c */ metrics.a > 1",
    "metrics.a /* c */ > 1", "metrics.a > 1 /* c */ AND metrics.b > 1", "# c\nmetrics.a > 1", "WHERE metrics.a > 1",
    "SELECT * FROM runs", "metrics.a > 1 ORDER BY metrics.a", "metrics.a > 1 LIMIT 5", "metrics.a > 1 GROUP BY x",
    "run_id IN ('a') AND run_id NOT IN ('b')", "run_id IN ('a') AND metrics.a > 1", "metrics.a > 1 AND run_id IN ('a')",
    "status = 'a' run_id IN ('b')", "foo bar run_id IN ('b')", "foo bar baz run_id IN ('b')", "run_id IN ('a'), run_id IN ('b')",
    "run_id IN('a','b')", "run_id in(\"a\")", "run_id IN (\n'a',\n'b'\n)", "run_id NOT\nIN ('a')", "run_id IN (('a'))",
    "run_id IN ('a') run_id IN ('b')", "run_id IN", "run_id NOT IN", "run_id NOT", "IN ('a')", "attributes.run_id IN ('a', 'b')",
    "status IN ('FINISHED')", "status NOT IN ('FINISHED')", "params.a IN ('x')", "tags.a NOT IN ('x')", "metrics.a IN (1)",
    "start_time IN (1)", "dataset.name IN ('a', 'b')", "dataset.name NOT IN ('a')", "datasets.digest in ('a')",
    "dataset.context IN ('train', 'test')", "dataset.name = 'a' AND dataset.digest = 'b' AND dataset.context LIKE 'tr%'",
    "params.a LIKE 'x%' AND tags.b ILIKE '%Y' AND run_name LIKE 'z_'", "tags.`mlflow.parentRunId` = 'abc'",
    "attributes.start_time >= 1664067852747", "start_time > '1664067852747'", "start_time < -1 AND end_time >= 1e3",
    "metrics.`m` > 1e5 AND metrics.\"m\" < 1e-5", "params.`a.b` = 'x' AND params.\"a.b\" != 'y'", "tags.a = \"b\"",
    "params.a = 'x", "params.a = x'", "params.a = \"x'", "params.a = 'x\" AND params.b = 'y'", "params.'a' = 'x'",
    "params.a = 'x' AND params.b = 'it''s' AND metrics.c <= .5", "metrics.a.b > 1", "metrics. a > 1", "metrics .a > 1",
    "metrics . a > 1", "tags.user = 'x'", "tags.key = 'x'", "tags.select = 'x'", "tags.order = 'x'", "tags.desc = 'x'",
    "tags.date = 'x'", "tags.IN = 'x'", "tags.values = 'x'", "tags.as = 'x'", "tags.case = 'x'", "tags.end = 'x'",
    "a" * 40 + " = 'x'", "((((a))))", "(" * 101 + ")" * 101, "(" * 99 + ")" * 99, "a=" * 150 + "a", "(" * 20, ")" * 20,
    "metrics.a > 1 AND metrics.b = 'x'", "params.a > 'x'", "params.a < 'x'", "tags.a >= 'x'", "status > 'x'", "start_time LIKE 'x'",
    "start_time LIKE 1", "metrics.a LIKE 1", "metrics.a LIKE 'x'", "dataset.name > 'x'", "dataset.name", "dataset = 'x'",
    "params = 'x'", "metrics > 1", "tags.a = 'b' AS c", "x AS y = 1", "params.a = 'x' 'y'", "params.a = \"x\" \"y\"",
    "metrics.a > 1 ASC", "metrics.a DESC > 1", "a, b, c", "a b", "a b c", "1 a", "'a' b", "a:b = 'c'", "a->b = 'c'",
    "params.a->>'b' = 'c'", "params.a[1] = 'x'", "params.[a] = 'x'", "\u00a0metrics.a > 1", "métrics.a > 1", "metrics.a ＞ 1",
    "params.日本 = '語'", "tags.`日本 語` = 'x'", "tags.a = '\\'", "tags.a = '\\\\'", "tags.a = 'x\ty\nz'", "tags.a = 'a;b'",
    "tags.a = 'x' AND tags.b = 'y;z'", "tags.a = ';", "tags.a != ''", "tags.a = '''", "tags.a = ''''", "`a`.`b`.`c` = 'x'",
    "\"params.a\" = 'x'", "`params.a` = 'x'", "params.\"a\" = \"b\"", "params.\"a\"\"b\" = 'x'", "@x = 1", "#x = 1", "$x = 1",
]

ORDERS = [
    "metrics.a", "metrics.a ASC", "metrics.a asc", "metrics.a DESC", "metrics.a desc", "metrics.a Desc", " metrics.a",
    "metrics.a ", "metrics.a  DESC", "metrics.a\tDESC", "metrics.a\nDESC", "metrics.a DESC ", "metrics.a foo", "metrics.a foo bar",
    "metrics.a DESC NULLS LAST", "metrics.a ASC DESC", "metrics.a, metrics.b", "metrics.a DESC, metrics.b", "metrics.`a b` DESC",
    "metrics.\"a b\" DESC", "metrics.`a b`", "metrics.\"a b\"", "metrics.a b", "metrics.a.b DESC", "metrics.`a.b` ASC", "metrics",
    "metrics.", "metrics. DESC", ".a", "params.lr", "param.lr DESC", "parameter.lr", "tags.t DESC", "tag.t", "tags.`mlflow.user` DESC",
    "attributes.start_time", "attribute.start_time DESC", "attr.end_time", "run.status", "start_time", "start_time DESC", "end_time",
    "created", "Created DESC", "status", "user_id", "artifact_uri", "run_id", "run_id DESC", "run_name", "`Run name`", "\"Run name\" DESC",
    "name", "name DESC", "experiment_id", "experiment_id ASC", "creation_time", "creation_time DESC", "last_update_time",
    "attribute.name", "attribute.creation_time DESC", "lifecycle_stage", "foo", "foo.bar", "user", "key", "timestamp", "timestamp ASC",
    "timestamp  desc", "timestamp foo", "date", "dataset.name", "dataset.foo", "datasets.digest DESC", "", " ", ";", "metrics.a;",
    "1", "1 DESC", "'a'", "'a' DESC", "\"a\"", "\"start_time\"", "\"start_time\" DESC", "`start_time`", "`start_time` DESC", "(a)",
    "f(a)", "a + b", "metrics.a > 1", "metrics.a AS b", "metrics.é", "metrics.\"it's\" DESC", "metrics.`it's` DESC", "metrics.`it's`",
    "metrics.\"a\\\"b\" DESC", "metrics.\"a\\b\" DESC", "metrics.'q' DESC", "metrics.a-b", "metrics.a/b DESC", "metrics.0a",
    "metrics.a -- c", "metrics.a /* c */ DESC", "-metrics.a", "metrics.a\\ b", "SELECT", "ASC", "DESC", "desc DESC", "metrics.desc DESC",
    "metrics.a:b DESC", "tags.\"a\" \"b\"", "metrics.a\u00a0DESC", "(" * 101 + ")" * 101,
]


def main(target):
    target.mkdir(parents=True, exist_ok=True)
    session = Session()

    def run_filter(text):
        parsed = SearchUtils.parse_search_filter(text)
        _get_sqlalchemy_filter_clauses(parsed, session, DIALECT)
        return clauses(parsed)

    def run_order(text):
        parsed = SearchUtils.parse_order_by_for_search_runs(text)
        _get_orderby_clauses([text], session)
        return list(parsed)

    def experiment_filter(text):
        parsed = SearchExperimentsUtils.parse_search_filter(text)
        _get_search_experiments_filter_clauses(parsed, DIALECT)
        return clauses(parsed)

    def experiment_order(text):
        parsed = SearchExperimentsUtils.parse_order_by_for_search_experiments(text)
        _get_search_experiments_order_by_clauses([text])
        return list(parsed)

    def model_filter(text):
        comparisons = parse_filter_string(text)
        for c in comparisons:
            # What the database would refuse.
            if isinstance(c.value, tuple) != (c.op in ("IN", "NOT IN")):
                raise TypeError("a list goes with IN, and only with IN")
            if isinstance(c.value, tuple) and not all(isinstance(v, str) for v in c.value):
                raise TypeError("a list of something else than strings")
        return [[c.entity.type.value, c.entity.key, c.op, shown(c.value)] for c in comparisons]

    def registered_filter(text):
        parsed = SearchModelUtils.parse_search_filter(text)
        RegistryStore._get_search_registered_model_filter_query(parsed, DIALECT)
        return clauses(parsed)

    def registered_order(text):
        [clause] = RegistryStore._parse_search_registered_models_order_by([text])[:1]
        return column(clause)

    def version_filter(text):
        parsed = SearchModelVersionUtils.parse_search_filter(text)
        RegistryStore._get_search_model_versions_filter_clauses(parsed, DIALECT)
        return clauses(parsed)

    def version_order(text):
        [clause] = RegistryStore._parse_search_model_versions_order_by([text])[:1]
        return column(clause)

    def trace_filter(text):
        parsed = SearchTraceUtils.parse_search_filter_for_search_traces(text)
        _get_filter_clauses_for_search_traces(text, session, DIALECT)
        for c in parsed:
            # What the database would refuse.
            if isinstance(c["value"], tuple) != (c["comparator"].upper() in ("IN", "NOT IN")):
                raise TypeError("a list goes with IN, and only with IN")
        return clauses(parsed)

    def trace_order(text):
        parsed = SearchTraceUtils.parse_order_by_for_search_traces(text)
        _get_orderby_clauses_for_search_traces([text], session)
        return list(parsed)

    written = RUN_FILTERS
    save(target / "runs.json", run_filter, written + generated(RUN_NAMES, 1, 420), run_order, ORDERS)
    save(target / "experiments.json", experiment_filter, written + generated(EXPERIMENT_NAMES, 2, 150), experiment_order, ORDERS)
    orders = ORDERS + REGISTRY_ORDERS
    filters = written + generated(REGISTERED_NAMES, 4, 150)
    save(target / "registered_models.json", registered_filter, filters, registered_order, orders)
    filters = written + generated(REGISTERED_NAMES, 5, 250)
    save(target / "model_versions.json", version_filter, filters, version_order, orders)
    filters = TRACE_FILTERS + written + generated(TRACE_NAMES, 6, 300)
    save(target / "traces.json", trace_filter, filters, trace_order, TRACE_ORDERS + ORDERS)
    save(target / "logged_models.json", model_filter, written + generated(MODEL_NAMES, 3, 250), None, [])


def column(clause):
    """The column of an ORDER BY clause, and whether it ascends."""
    return [str(clause.element), clause.modifier.__name__ == "asc_op"]


def clauses(parsed):
    return [[c["type"], c["key"], c["comparator"], shown(c["value"])] for c in parsed]


def shown(value):
    """Floats without a JSON form as text."""
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def generated(lines, seed, count):
    """Every name once with a fitting comparison, then random comparisons, alone and joined."""
    # Names with a blank in them stand between quotes.
    names = re.findall(r"""(?:[^\s`"'\[]|`[^`]*`|"[^"]*"|'[^']*'|\[[^\]]*\])+""", "\n".join(lines))
    rng = random.Random(seed)
    texts = [f"{name} {op}" for name in names for op in ("= 'x'", "> 1")]
    while len(texts) < 2 * len(names) + count:
        parts = [f"{rng.choice(names)} {rng.choice(OPERATORS)} {rng.choice(VALUES)}" for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        texts.append(rng.choice([" AND ", " and ", "\nAND ", " AND ", " OR ", ", "]).join(parts))
        # Fitting ones are rare among random ones, and the joins matter most there.
        if rng.random() < 0.3:
            good = [rng.choice(names) + rng.choice([" = 'x'", " LIKE '%x'", " > 0.5", "!='y'", "<= 3", " = \"z\""]) for _ in range(2)]
            texts.append(" AND ".join(good))
    return texts


def save(path, read_filter, filters, read_order, orders):
    recorded = {"filters": [record(read_filter, text) for text in dict.fromkeys(filters)]}
    if read_order:
        recorded["orders"] = [record(read_order, text) for text in dict.fromkeys(orders)]
    lines = [
        f'"{kind}": [\n' + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]"
        for kind, cases in recorded.items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(path.name, {kind: len(cases) for kind, cases in recorded.items()})


def record(read, text):
    """`is` is what MLflow understands, `error` what it answers, `crash` the exception it does not foresee."""
    try:
        return {"text": text, "is": read(text)}
    except MlflowException as e:
        kind = "error" if e.error_code == "INVALID_PARAMETER_VALUE" else "crash"
        return {"text": text, kind: re.sub(r"\{('[^{}]*')\}", sorted_set, e.message)}
    except Exception as e:
        return {"text": text, "crash": f"{type(e).__name__}: {e}"}


def sorted_set(match):
    return "{" + ", ".join(sorted(match.group(1).split(", "))) + "}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
