"""The runs that `test_search_runs` searches, and the filters and orders it tries."""

from __future__ import annotations

from typing import Any


def _run(name: str, **fields: Any) -> dict[str, Any]:
    defaults = {"user": "me", "status": "FINISHED", "metrics": {}, "params": {}, "tags": {}, "dataset": None, "deleted": False}
    return {"name": name, **defaults, **fields}


RUNS = [
    _run("Plain", metrics={"m": 1.0, "loss": 0.5}, params={"lr": "0.1", "Batch": "32"}, tags={"team": "red"}),
    _run("plain", metrics={"m": 2.0, "loss": "NaN"}, params={"lr": "0.01"}, tags={"team": "Red"}, status="FAILED"),
    _run("with 'quote'", metrics={"m": "NaN"}, params={"lr": ""}, tags={"team": "blue", "note": "it's"}),
    _run('double "quote"', metrics={"m": "Infinity"}, params={"other": "x"}, tags={"note": 'say "x"'}, user="you"),
    _run("under_score", metrics={"m": "-Infinity"}, params={"lr": "0.1"}, tags={"a.b": "dot", "c d": "space"}),
    _run("percent%", metrics={"m": -1.5, "with space": 3, "a/b": 4}, params={"a.b": "dot", "c d": "space"}),
    _run("Ünïcode 漢字", metrics={"m": 0.0, "ü": 1}, params={"ключ": "значение"}, tags={"ü": "ö"}, status="KILLED"),
    _run("data one", dataset=("train", "d1", "training"), metrics={"m": 1.0}, params={"lr": "1e-1"}),
    _run("data two", dataset=("Train", "d2", "eval"), metrics={"m": 5e-324}, tags={"team": "green"}),
    _run("data three", dataset=("train", "d2", "eval"), status="RUNNING", tags={"a`b": "tick"}),
    _run("nothing at all", status="SCHEDULED"),
    _run("back\\slash", metrics={"m": 1e308}, params={"lr": "back\\slash"}),
    _run("gone", metrics={"m": 1.0}, params={"lr": "0.1"}, deleted=True),
]

_METRICS = [
    *("metrics.m = 1", "metrics.m > 1", "metrics.m >= 1", "metrics.m < 1", "metrics.m <= 1", "metrics.m != 1", "metric.m = 1.0"),
    *("metrics.m > -2", "metrics.m = 5e-324", "metrics.m > 1e307", "metrics.m = 0", "metrics.m < 0", "metrics.m >= .5", "metrics.m > 1.e0"),
    *("metrics.loss = 0.5", "metrics.missing > 0", "metrics.`with space` = 3", 'metrics."with space" = 3', "metrics.`a/b` = 4", "metrics.a/b = 4"),
    *("metrics.ü = 1", "metrics.`ü` = 1", "metrics.m = 'a'", "metrics.m = '1'", "metrics.m LIKE '1'", "metrics.m IN (1)", "metrics.m = NaN"),
    *("metrics.m = inf", "metrics.m = -inf", "metrics.m > +1", "metrics.m = 1e999", "metrics.m = 0x10", "metrics.m == 1", "metrics.m <> 1"),
    *("metrics.m", "metrics.m >", "metrics. > 1", "metrics > 1", "METRICS.m > 1", "Metrics.m > 1", "metrics.M = 1", "metrics.m > 1 ", "  metrics.m > 1"),
    *("metrics.m>1", "metrics.m>=1 and metrics.m<=2", "metrics.m > 0 AND metrics.m < 3 AND metrics.loss > 0", "metrics.m > 1 AND", "metrics.m IS NULL"),
    *("1 < metrics.m", "metrics.m > metrics.loss", "metrics.m > 1 OR metrics.m < 0", "NOT metrics.m > 1", "(metrics.m > 1)", "metrics.m BETWEEN 1 AND 2"),
]
_PARAMS = [
    *("params.lr = '0.1'", "params.lr != '0.1'", "param.lr = '0.1'", "parameter.lr = '0.1'", "parameters.lr = '0.1'", 'params.lr = "0.1"'),
    *("params.lr = ''", "params.lr LIKE '0.%'", "params.lr LIKE '0._'", "params.lr ILIKE '1E%'", "params.lr LIKE '1E%'", "params.lr like '0%'"),
    *("params.lr = 0.1", "params.lr = abc", "params.lr > '0.1'", "params.lr IN ('0.1')", "params.Batch = '32'", "params.batch = '32'"),
    *("params.`a.b` = 'dot'", 'params."a.b" = \'dot\'', "params.a.b = 'dot'", "params.`c d` = 'space'", "params.ключ = 'значение'"),
    *("params.`ключ` = 'значение'", "params.lr = 'back\\slash'", "params.lr LIKE 'back\\%'", "params.missing = ''", "params.missing != 'x'", "params.other = \"x\""),
    *("params.lr LIKE '%'", "params.lr LIKE ''", "params.lr = '%'", "params.lr='0.1'", "params.lr = '0.1' AND params.Batch = '32'", "params.lr = `0.1`"),
]
_TAGS = [
    *("tags.team = 'red'", "tags.team != 'red'", "tag.team = 'red'", "tags.team ILIKE 'RED'", "tags.team LIKE 'red'", "tags.team LIKE '%e%'"),
    *("tags.note = 'it''s'", "tags.note = \"it's\"", "tags.note = 'say \"x\"'", "tags.note = 'it\\'s'", "tags.`a.b` = 'dot'", "tags.a.b = 'dot'"),
    *("tags.`c d` = 'space'", 'tags."c d" = \'space\'', "tags.ü = 'ö'", "tags.ü ILIKE 'Ö'", "tags.`a`b` = 'tick'", 'tags."a`b" = \'tick\''),
    *("tags.mlflow.runName = 'Plain'", "tags.`mlflow.runName` ILIKE 'plain'", "tags.team = red", "tags.team = 5", "tags.team IN ('red', 'blue')"),
    *("tags.team IS NULL", "tags.team IS NOT NULL", "tags.team = 'red' AND tags.team = 'Red'", "tags.missing != 'x'", "tags = 'red'", "tags. = 'red'"),
]
_ATTRIBUTES = [
    *("status = 'FINISHED'", "attributes.status = 'FAILED'", "attribute.status != 'FINISHED'", "attr.status = 'KILLED'", "run.status = 'RUNNING'"),
    *("status = 'finished'", "status ILIKE 'fin%'", "status LIKE 'F%'", "status IN ('FAILED', 'KILLED')", "status NOT IN ('FINISHED')", "status = 3"),
    *("start_time > 103", "start_time = 100", "start_time != 100", "start_time <= 101.5", "start_time > '103'", "start_time LIKE '1%'", "start_time IN (100)"),
    *("end_time > 195", "end_time < 195", "end_time != 200", "end_time = abc", "start_time > -1", "Created > 103", "created > 103", "start_time > 1e2"),
    *("run_name = 'Plain'", "run_name ILIKE 'PLAIN'", "run_name LIKE 'under_score'", "run_name LIKE 'underXscore'", "run_name LIKE 'percent%'", "run_name LIKE '%\\%'"),
    *("`run name` = 'Plain'", "`Run name` = 'Plain'", "`Run Name` = 'Plain'", "run name = 'Plain'", "attributes.run_name = 'Plain'", "attributes.`run name` = 'plain'"),
    *("run_name = 'with ''quote'''", "run_name = \"with 'quote'\"", "run_name = 'double \"quote\"'", "run_name ILIKE 'ünïcode%'", "run_name ILIKE 'ÜNÏCODE%'"),
    *("run_name IN ('Plain', 'plain')", "run_name NOT IN ('Plain')", "run_name = 'back\\slash'", "run_name LIKE 'back\\slash'", "run_name = Plain"),
    *("user_id = 'you'", "user_id != 'me'", "attributes.user_id IN ('you', 'me')", "source_name = 'x'", "name = 'Plain'", "foo = 'x'", "attributes.foo = 'x'"),
    *("run_name IN ('Plain' 'plain')", "run_name IN (Plain)", "run_name IN 'Plain'", "run_name IN ('Plain',", "run_name in ('Plain')", "run_name not in ('Plain')"),
    *("run_name NOT  IN ('Plain')", "run_name IN(\"Plain\")", "run_name IN (('Plain'))", "run_name IN (5)", "run_name IN (NULL)", "run_name IN ('it''s')"),
]
_DATASETS = [
    *("dataset.name = 'train'", "datasets.name = 'train'", "dataset.name != 'train'", "dataset.name ILIKE 'TRAIN'", "dataset.name LIKE 'tr%'"),
    *("dataset.digest = 'd2'", "dataset.digest IN ('d1', 'd2')", "dataset.digest NOT IN ('d1')", "dataset.context = 'eval'", "dataset.context != 'eval'"),
    *("dataset.context IN ('training')", "dataset.name = 'train' AND dataset.context = 'eval'", "dataset.name = 'train' AND dataset.digest = 'd1'"),
    *("dataset.foo = 'x'", "dataset = 'x'", "dataset.name > 'a'", "dataset.name = 5", "dataset.name = train", "dataset.`name` = 'train'", "dataset.name = \"train\""),
    *("dataset.context ILIKE 'EV%'", "dataset.context LIKE 'ev%'", "dataset.name IN ('train') AND metrics.m = 1"),
]
_MIXED = [
    *("", " ", "\n", "AND", "foo", "'", '"', "`", ";", "--", "1 = 1", "1", "'a'", "foo.bar = 'x'", "a.b.c = 'x'", "metrics.m > 1;", "metrics.m > 1; metrics.m < 2"),
    *("metrics.m > 0 AND params.lr = '0.1' AND tags.team = 'red' AND status = 'FINISHED'", "metrics.m > 0 and params.lr = '0.1'", "metrics.m > 0 And params.lr = '0.1'"),
    *("metrics.m > 0, params.lr = '0.1'", "metrics.m > 0 params.lr = '0.1'", "metrics.m > 0 AND AND params.lr = '0.1'", "metrics.m > 0 && params.lr = '0.1'"),
    *("params.lr = 'x' /* comment */", "params.lr = '0.1' -- comment", "SELECT * FROM runs", "params.lr = '0.1' LIMIT 1", "params.lr = '0.1' ORDER BY x"),
    *("tags.team = 'red' AND\ntags.team = 'red'", "tags.team\t=\t'red'", "tags.team = 'unclosed", "tags.`team = 'red'", "tags.team = 'red' AND (status = 'FINISHED')"),
    *("tags.team = 'a\x00b'", "status = 'FINISHED' AND start_time > 100 AND run_name != 'Plain'", "params.order = 'x'", "params.date = 'x'", "metrics.count > 1", "tags.user = 'x'"),
    *("tags.key = 'x'", "params.value = 'x'", "metrics.auto > 1", "params.`from` = 'x'", "params.select = 'x'", "tags.team = 'red' AND tags.date = '1'", "params.a-b = 'x'"),
    *("params.a:b = 'x'", "metrics.val_loss-1 > 1", "metrics.1m > 1", "metrics.`1m` > 1", "params.lr = '" + "x" * 3000 + "'", "attributes.start_time > 100"),
]
FILTERS = _METRICS + _PARAMS + _TAGS + _ATTRIBUTES + _DATASETS + _MIXED

ORDERS: list[Any] = [
    *(["metrics.m"], ["metrics.m ASC"], ["metrics.m DESC"], ["metrics.m desc"], ["metric.m"], ["metrics.loss DESC"], ["metrics.missing"]),
    *(["params.lr"], ["params.lr DESC"], ["parameters.lr"], ["params.`a.b`"], ['params."c d" DESC'], ["tags.team"], ["tags.team DESC"], ["tags.`a.b` DESC"]),
    *(["start_time"], ["start_time DESC"], ["end_time"], ["end_time DESC"], ["status"], ["status DESC", "start_time"], ["run_name"], ["run_name DESC"]),
    *(["attributes.start_time ASC"], ["attribute.start_time"], ["attr.start_time"], ["Created"], ["created DESC"], ["`run name`"], ["Run Name"], ["run name"]),
    *(["user_id", "start_time"], ["lifecycle_stage"], ["experiment_id"], ["dataset.name"], ["foo"], ["attributes.foo"]),
    *(["metrics.m", "params.lr DESC", "tags.team"], ["metrics.m ASC", "metrics.loss DESC"], ["metrics.m", "metrics.m DESC"], ["start_time ASC", "start_time DESC"]),
    *(["metrics.m FOO"], ["metrics.m ASC DESC"], ["metrics"], ["metrics."], [""], [" "], ["metrics.m, params.lr"], ["metrics.`with space` DESC"], ["metrics.with space"]),
    *(["metrics.m;"], ["metrics.m DESC NULLS LAST"], ["'metrics.m'"], ["metrics.ü DESC"], ["metrics.m  DESC"], [" metrics.m DESC "], ["metrics.m\nDESC"], ["end_time ASC", "status"]),
]
# The order of ids is random, so these are tried on a single run.
ORDERS_OF_ONE: list[Any] = [["artifact_uri", "start_time"], ["run_id"], ["attributes.run_id DESC"], ["run_uuid"]]
