"""GraphQL: what the interface sends, every field of the schema, and queries that are wrong in every way."""

from __future__ import annotations

from typing import Any

from differential.pair import Exchange, Pair
from differential.steps import MAX_INT64, MIN_INT64, UNKNOWN_EXPERIMENT, UNKNOWN_RUN
from differential.steps import create_experiment, create_model, create_run, dataset, log_batch
from ui_operations import names_anywhere, ui_operations

# What the interface of 3.7.0 sends. A new one must be tried below before it is added here.
UI_OPERATIONS = {"MlflowGetExperimentQuery", "GetRun", "SearchRuns", "GetMetricHistoryBulkInterval"}
RUN_FIELDS = """
  info { runId runUuid runName experimentId userId status startTime endTime artifactUri lifecycleStage }
  data { metrics { key value timestamp step datasetName datasetDigest modelId runId } params { key value } tags { key value } }
  inputs { datasetInputs { tags { key value } dataset { name digest sourceType source schema profile } } modelInputs { modelId } }
  outputs { modelOutputs { modelId step } }
  experiment { experimentId name artifactLocation lifecycleStage lastUpdateTime creationTime tags { key value } }
"""
VERSION_FIELDS = """
  name version creationTimestamp lastUpdatedTimestamp userId currentStage description source runId status statusMessage
  tags { key value } runLink aliases modelId modelParams { name value }
  modelMetrics { key value timestamp step datasetName datasetDigest modelId runId }
  deploymentJobState { jobId runId currentTaskName }
"""
TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name } } }"
INPUT = f"name description defaultValue isDeprecated deprecationReason type {{ {TYPE} }}"
SCHEMA = f"""{{ __schema {{
  description queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
  directives {{ name description isRepeatable locations isDeprecated deprecationReason args {{ {INPUT} }} }}
  types {{
    kind name description specifiedByURL isOneOf
    fields(includeDeprecated: true) {{ name description isDeprecated deprecationReason type {{ {TYPE} }} args {{ {INPUT} }} }}
    inputFields {{ {INPUT} }} interfaces {{ name }} possibleTypes {{ name }}
    enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }}
  }}
}} }}"""


def graphql(pair: Pair, query: Any, variables: Any = None, **more: Any) -> Exchange:
    """Sends a query, by POST."""
    body = {"query": query, **more}
    return pair.send("POST", "/graphql", body=body if variables is None else {**body, "variables": variables})


def with_input(pair: Pair, field: str, input_type: str, selection: str, value: Any) -> Exchange:
    """Selects a field of `Query` whose input is a variable."""
    query = f"query Q($input: {input_type}) {{ {field}(input: $input) {{ {selection} }} }}"
    return graphql(pair, query, {"input": value})


def test_the_list_of_operations_is_whole() -> None:
    operations = {operation.name for operation in ui_operations()}
    assert operations == UI_OPERATIONS
    assert names_anywhere() <= UI_OPERATIONS


def test_what_the_interface_sends(pair: Pair) -> None:
    experiment, run = _filled(pair)
    variables = {
        "MlflowGetExperimentQuery": {"input": {"experimentId": experiment}},
        "GetRun": {"data": {"runId": run}},
        "SearchRuns": {"data": {"experimentIds": [experiment], "filter": "", "orderBy": [], "maxResults": 100, "pageToken": None}},
        "GetMetricHistoryBulkInterval": {
            "data": {"runIds": [run], "metricKey": "loss", "startStep": None, "endStep": None, "maxResults": 320}
        },
    }
    for operation in ui_operations():
        exchange = graphql(pair, operation.text, variables[operation.name], operationName=operation.name)
        for answer in (exchange.official, exchange.candidate):
            body = answer.json()
            assert answer.status == 200 and body["errors"] is None, body
            assert all(field is not None for field in body["data"].values()), body


def test_experiments(pair: Pair) -> None:
    experiment = create_experiment(pair, tags=[{"key": "ünï", "value": "🚀"}])
    selection = "__typename apiError { code message helpUrl traceId errorDetails { field } } experiment { __typename experimentId name"
    selection += " artifactLocation lifecycleStage lastUpdateTime creationTime tags { __typename key value } }"
    get = lambda value: with_input(pair, "mlflowGetExperiment", "MlflowGetExperimentInput", selection, value)  # noqa: E731
    get({"experimentId": experiment})
    pair.post("experiments/delete", {"experiment_id": experiment})
    get({"experimentId": experiment})
    for odd in (UNKNOWN_EXPERIMENT, "abc", "", None, 3, 1.5, True, [experiment], {}, "🚀", str(MAX_INT64), "12 "):
        get({"experimentId": odd})
    for odd in ({}, None, 3, "x", [], [{"experimentId": experiment}], {"experiment_id": experiment}, {"experimentId": "1", "x": 1}):
        get(odd)
    for literal in (f'{{experimentId: "{experiment}"}}', f"{{experimentId: {UNKNOWN_EXPERIMENT}}}", "null", "3", "{}", "[]"):
        graphql(pair, f"{{ mlflowGetExperiment(input: {literal}) {{ experiment {{ name }} }} }}")
    graphql(pair, "{ mlflowGetExperiment { experiment { name } } }")
    graphql(pair, f'{{ a: mlflowGetExperiment(input: {{experimentId: "{experiment}"}}) {{ experiment {{ name }} }} b: test(inputString: "x") {{ output }} '
                  f'c: mlflowGetExperiment(input: {{experimentId: "{UNKNOWN_EXPERIMENT}"}}) {{ experiment {{ name }} }} }}')


def test_runs(pair: Pair) -> None:
    experiment, run = _filled(pair)
    selection = f"apiError {{ code }} run {{ {RUN_FIELDS} modelVersions {{ {VERSION_FIELDS} }} }}"
    get = lambda value: with_input(pair, "mlflowGetRun", "MlflowGetRunInput", selection, value)  # noqa: E731
    for value in ({"runId": run}, {"runUuid": run}, {"runId": run, "runUuid": UNKNOWN_RUN}, {"runId": "", "runUuid": run}):
        get(value)
    for odd in (UNKNOWN_RUN, "", None, 3, 1.5, True, [], {}, "🚀 ünïcode", "' OR 1=1 --", "a" * 300):
        get({"runId": odd})
    get({})
    empty = create_run(pair, experiment, start_time=5)
    get({"runId": empty})
    pair.post("runs/update", {"run_id": empty, "status": "FAILED", "end_time": MAX_INT64})
    get({"runId": empty})
    pair.post("runs/delete", {"run_id": empty})
    get({"runId": empty})
    pair.post("experiments/delete", {"experiment_id": experiment})
    get({"runId": run})


def test_searching_runs(pair: Pair) -> None:
    experiment, run = _filled(pair)
    other = create_experiment(pair)
    for number in range(3):
        create_run(pair, other, start_time=10 + number)
    selection = f"apiError {{ code }} nextPageToken runs {{ {RUN_FIELDS} modelVersions {{ name version creationTimestamp status source }} }}"
    search = lambda value: with_input(pair, "mlflowSearchRuns", "MlflowSearchRunsInput", selection, value)  # noqa: E731
    both = [experiment, other]
    search({"experimentIds": both})
    search({"experimentIds": experiment})
    first = search({"experimentIds": both, "maxResults": 2, "orderBy": ["start_time ASC"]})
    token = first.ref("data.mlflowSearchRuns.nextPageToken")
    search({"experimentIds": both, "maxResults": 2, "orderBy": ["start_time ASC"], "pageToken": token})
    search({"experimentIds": both, "filter": "metrics.loss < 1", "orderBy": ["metrics.loss DESC", "start_time"]})
    search({"experimentIds": both, "filter": "params.`ünï` = '🚀'"})
    for name, odd in (
        *(("maxResults", value) for value in (0, -1, 50000, 50001, 2**31, "1", 1.5, 1.0, True, [], MAX_INT64, MIN_INT64, 1e19)),
        *(("experimentIds", value) for value in ([], [UNKNOWN_EXPERIMENT], ["abc"], [""], [None], [3], None, 3, {}, [[experiment]])),
        *(("filter", value) for value in ("xx", "metrics.", "params.a = 1", "metrics.a = 'x'", 3, None, "attributes.foo = 'a'", "🚀")),
        *(("orderBy", value) for value in (["zz"], ["metrics.loss"], "start_time", [None], [3], None, ["start_time", "start_time"])),
        *(("pageToken", value) for value in ("abc", "", "bm8=", 3, None)),
        *(("runViewType", value) for value in ("ALL", "DELETED_ONLY", "ACTIVE", "all", 1, None, [], {})),
    ):
        search({"experimentIds": both, name: odd})
    search({})
    search(None)
    graphql(pair, f'mutation {{ mlflowSearchRuns(input: {{experimentIds: "{experiment}", maxResults: 1}}) {{ runs {{ info {{ runId }} }} }} }}')
    graphql(pair, f'{{ mlflowSearchRuns(input: {{experimentIds: ["{experiment}"], runViewType: "ALL"}}) {{ runs {{ info {{ runId }} }} }} }}')


def test_special_values(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    values = [("one", 1.5, 1, 0), ("nan", "NaN", MAX_INT64, MAX_INT64), ("most", "Infinity", 0, MIN_INT64), ("least", "-Infinity", 2, -1)]
    log_batch(pair, run, metrics=[*values, ("whole", 3, 1, 0), ("tiny", 5e-324, 1, 0), ("zero", -0.0, 1, 0)], params=[("ü", "🚀\"\\\n\t\u2028")])
    with_input(pair, "mlflowGetRun", "MlflowGetRunInput", f"run {{ {RUN_FIELDS} }}", {"runId": run})


def test_histories(pair: Pair) -> None:
    experiment, run = _filled(pair)
    second = create_run(pair, experiment, start_time=7)
    log_batch(pair, second, metrics=[("loss", value, 1, step) for step, value in enumerate([5, 4.5, "Infinity", 3])])
    log_batch(pair, second, metrics=[("nan", value, 1, step) for step, value in enumerate([1, "NaN", 2])])
    many = [("many", step / 7, 1, step) for step in range(900)]
    for start in range(4):
        log_batch(pair, second, metrics=[(key, value, at, step + start * 900) for key, value, at, step in many])
    selection = "__typename apiError { code message } metrics { __typename key value timestamp step runId }"
    history = lambda value: with_input(  # noqa: E731
        pair, "mlflowGetMetricHistoryBulkInterval", "MlflowGetMetricHistoryBulkIntervalInput", selection, value
    )
    for key in ("loss", "nan", "many", "nope", "", None, 3, "🚀"):
        history({"runIds": [run, second], "metricKey": key})
    both = {"runIds": [run, second], "metricKey": "loss"}
    for more in ({"maxResults": 1}, {"startStep": 0, "endStep": 1}, {"startStep": 2}, {"startStep": 3, "endStep": 1}, {"maxResults": 0}):
        history({**both, **more})
    for odd in ({"maxResults": "1"}, {"startStep": 1.5, "endStep": 2}, {"startStep": 2**31}, {"endStep": True}):
        history({**both, **odd})
    for run_ids in ([], [UNKNOWN_RUN], run, [run, run], [run] * 101, None, [3], [None], {}):
        history({"runIds": run_ids, "metricKey": "loss"})
    history({"runIds": [run]})
    history({"metricKey": "loss"})
    history({})


def test_artifacts(pair: Pair) -> None:
    run = create_run(pair, create_experiment(pair))
    for path in ("a.txt", "folder/ü.txt", "folder/deep/b.bin"):
        pair.send("POST", "/ajax-api/2.0/mlflow/upload-artifact", (("run_uuid", run), ("path", path)), b"1234")
    selection = "apiError { code } rootUri nextPageToken files { __typename path isDir fileSize }"
    show = lambda value: with_input(pair, "mlflowListArtifacts", "MlflowListArtifactsInput", selection, value)  # noqa: E731
    for more in ({}, {"path": "folder"}, {"path": "folder/deep"}, {"path": "nope"}, {"path": ""}, {"path": None}, {"pageToken": "x"}):
        show({"runId": run, **more})
    show({"runUuid": run})
    for path in ("..", "../x", "/etc", "folder/../..", "%2e%2e", 3, True, []):
        show({"runId": run, "path": path})
    for run_id in (UNKNOWN_RUN, "", None, 3):
        show({"runId": run_id})
    show({})


def test_model_versions(pair: Pair) -> None:
    experiment, run = _filled(pair)
    selection = f"apiError {{ code }} nextPageToken modelVersions {{ __typename {VERSION_FIELDS} }}"
    search = lambda value: with_input(  # noqa: E731
        pair, "mlflowSearchModelVersions", "MlflowSearchModelVersionsInput", selection, value
    )
    of_run = f"run_id = '{run}'"
    search({"filter": of_run})
    first = search({"filter": of_run, "maxResults": 1, "orderBy": ["version_number DESC"]})
    token = first.ref("data.mlflowSearchModelVersions.nextPageToken")
    search({"filter": of_run, "maxResults": 1, "orderBy": ["version_number DESC"], "pageToken": token})
    for name, odd in (
        *(("maxResults", value) for value in ("5", " 6 ", "1_0", 7.7, None, MAX_INT64 + 1, str(MAX_INT64 + 1), 0, -3, 200_001)),
        *(("maxResults", value) for value in ("x", "1.5", "", [], {}, [1])),
        *(("filter", value) for value in ("zz", "name = 'nope'", "name = 3", 3, "tags.a = 'x'", "🚀")),
        *(("orderBy", value) for value in ("name", ["zz"], [None], [3], None)),
        *(("pageToken", value) for value in ("abc", "", 3)),
    ):
        search({"filter": of_run, name: odd})
    unset = "query Q($input: MlflowSearchModelVersionsInput) { mlflowSearchModelVersions(input: $input) { modelVersions { deploymentJobState { jobState runState } } } }"
    graphql(pair, unset, {"input": {"filter": of_run}})
    search(None)
    for literal in ("1", '"1"', "1.5", "true", "null", "[1]", "99999999999999999999", "-1"):
        graphql(pair, f'{{ mlflowSearchModelVersions(input: {{filter: "{of_run}", maxResults: {literal}}}) {{ modelVersions {{ version }} }} }}')


def test_data_sets(pair: Pair) -> None:
    experiment, _ = _filled(pair)
    query = """mutation M($input: MlflowSearchDatasetsInput) { mlflowSearchDatasets(input: $input) {
        apiError { code } datasetSummaries { __typename experimentId name digest context } } }"""
    for ids in ([experiment], experiment, [UNKNOWN_EXPERIMENT], [], ["abc"], [None], None, [3], [experiment] * 21):
        graphql(pair, query, {"input": {"experimentIds": ids}})
    graphql(pair, query, {"input": {}})
    graphql(pair, query, {})


def test_echoes(pair: Pair) -> None:
    for query in (
        '{ test(inputString: "ünï 🚀 \\"\\\\ \\u00e9") { output } }',
        '{ test(inputString: """\n  block\n    text\n""") { __typename output } }',
        '{ test(inputString: "") { output again: output } }',
        "{ test(inputString: null) { output } }",
        "{ test { output } }",
        "{ test(inputString: 3) { output } }",
        'mutation { testMutation(inputString: "x") { output } }',
        "mutation { testMutation { output } }",
        "{ __typename }",
        "mutation M { __typename }",
        "subscription { test { output } }",
        "subscription S { x }",
        '# comment\n query,Q { ... { test(inputString: "a") { ... on Test { output } } } }',
        '{ ...F ...G } fragment F on Query { test(inputString: "a") { output } } fragment G on Query { test(inputString: "a") { o: output } }',
    ):
        graphql(pair, query)
    pair.send("GET", "/graphql", body={"query": '{ test(inputString: "by GET") { output } }'})
    pair.send("GET", "/graphql", (("query", "{ __typename }"),), body={"query": '{ test(inputString: "x") { output } }'})


def test_variables_and_operations(pair: Pair) -> None:
    echo = "query Q($a: String) { test(inputString: $a) { output } }"
    for variables in ({"a": "x"}, {"a": None}, {}, {"b": 1}, {"a": 3}, {"a": "x", "b": 1}, None):
        graphql(pair, echo, variables)
    for declared, given in (
        ("String!", {}), ("String!", {"a": None}), ("String!", {"a": "x"}), ('String = "d"', {}), ('String = "d"', {"a": None}),
        ('String! = "d"', {}), ("Int", {"a": 1}), ("[String]", {"a": ["x"]}), ("Nope", {}), ("Test", {}), ("Query", {}), ("String = 3", {}),
    ):
        graphql(pair, f"query Q($a: {declared}) {{ test(inputString: $a) {{ output }} }}", given)
    two = 'query A { test(inputString: "a") { output } } query B { test(inputString: "b") { output } } mutation C { __typename }'
    for name in ("A", "B", "C", "D", "", None, 3):
        graphql(pair, two, operationName=name)
    graphql(pair, "fragment F on Query { __typename }")
    graphql(pair, two, operationName="A", extensions={"persistedQuery": {"version": 1}})


def test_queries_that_mean_nothing(pair: Pair) -> None:
    for query in (
        "{ nope }", "{ tests { output } }", "{ mlflowGetRunn { run { info { runId } } } }", "{ test { out } }", "{ test { outputs { x } } }",
        "{ test }", "{ test { output { x } } }", "{ mlflowGetRun { run { info } } }", "{ test(inputStrin: 3) { output } }",
        '{ test(inputString: "a", inputString: "b") { output } }', "{ test(a: 1, b: 2) { output } }",
        '{ mlflowGetRun(input: {run_id: "1"}) { run { info { runId } } } }', '{ mlflowGetRun(input: {runId: "1", runId: "2"}) { apiError { code } } }',
        "{ mlflowGetRun(input: {runId: 1}) { apiError { code } } }", "{ mlflowGetRun(input: {runId: {a: 1}}) { apiError { code } } }",
        "{ mlflowGetRun(input: 3) { apiError { code } } }", '{ mlflowGetRun(input: "x") { apiError { code } } }', "{ mlflowGetRun(input: [{}]) { apiError { code } } }",
        "{ mlflowSearchRuns(input: {runViewType: SOME}) { nextPageToken } }", "{ mlflowSearchRuns(input: {runViewType: ALLL}) { nextPageToken } }",
        "{ mlflowSearchRuns(input: {maxResults: 2147483648}) { nextPageToken } }", "{ mlflowSearchRuns(input: {maxResults: 1.0}) { nextPageToken } }",
        '{ mlflowSearchRuns(input: {maxResults: "1"}) { nextPageToken } }', '{ mlflowSearchRuns(input: {experimentIds: [1, "2", true]}) { nextPageToken } }',
        "query Q { test { output } } query Q { test { output } }", "{ __typename } { __typename }", "query Q { __typename } { __typename }",
        "query Q($a: String) { __typename }", "query ($a: String) { __typename }", "query Q { test(inputString: $a) { output } }", "{ test(inputString: $a) { output } }",
        'query Q($a: String, $a: String) { test(inputString: $a) { output } }', "query Q($a: Int) { mlflowSearchRuns(input: {experimentIds: [$a]}) { nextPageToken } }",
        "query Q($a: String) { __type(name: $a) { name } }", "{ __type { name } }", '{ __type(name: "Nope") { name } }', "{ __type(name: 3) { name } }",
        "{ ...F }", "{ __typename } fragment F on Query { __typename }", "{ ...F } fragment F on Nope { x }", "{ ...F } fragment F on Strin { x }",
        "{ ...F } fragment F on String { x }", "{ ...F } fragment F on Test { output }", "{ ... on Test { output } }", "{ ... on Nope { x } }", "{ ... on Int { x } }",
        "{ ...F } fragment F on Query { __typename } fragment F on Query { __typename }", "{ ...F } fragment F on Query { ...F }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }",
        "{ test @skip(if: true) { output } }", "{ test @include(if: false) { output } }", '{ test @component(name: "x") { output } }', "query @component { __typename }",
        "query @component(name: 3) { __typename }", 'query @component(name: "a") @component(name: "b") { __typename }', 'query @component(name: "a", nam: "b") { __typename }',
        'mutation @component(name: "a") { __typename }', 'subscription @component(name: "a") { x }', "{ __typename @nope }", "query ($a: String @nope) { test(inputString: $a) { output } }",
        '{ a: test(inputString: "a") { output } a: __typename }', '{ test(inputString: "a") { output } test(inputString: "b") { output } }',
        "{ test { x: output x: __typename } }", "{ mlflowGetRun { run { info { x: runId } } } mlflowGetRun { run { info { x: runUuid } } } }",
        "type X { a: Int }", "scalar X { a }", "{ __typename } type Y { a: Int }", "{ __schema { types { nam } } }", "{ test { __schema { description } } }",
    ):
        graphql(pair, query)


def test_limits(pair: Pair) -> None:
    deep = lambda levels: "{ a " * (levels - 1) + "{ x" + " }" * levels  # noqa: E731
    for levels in (9, 10, 11, 12, 40):
        graphql(pair, deep(levels))
    names = lambda count, form: " ".join(form.format(n=n) for n in range(count))  # noqa: E731
    for count in (10, 11):
        graphql(pair, "{ " + names(count, 't{n}: test(inputString: "{n}") {{ output }}') + " }")
        graphql(pair, "{ test(inputString: \"a\") { " + names(count, "o{n}: output") + " } }")
        graphql(pair, "{ " + "__typename " * count + "}")
        graphql(pair, "{ ...F } fragment F on Query { " + "__typename " * count + "}")
    for count in (98, 100):
        each = 'a{n}: test(inputString: "a") {{ ' + "output " * count + "}}"
        graphql(pair, "{ " + names(10, each) + " }")
    two = "{ ...A ...B } fragment A on Query { %s } fragment B on Query { %s }"
    form = 't{n}: test(inputString: "{n}") {{ output }}'
    graphql(pair, two % (names(3, form), names(4, form)))
    # Fragments that come to more than the limits in their places.
    graphql(pair, two % (names(5, form), names(5, "u" + form)) + " fragment C on Test { output }")
    graphql(pair, "{ a: test(inputString: \"x\") { ...F } } fragment F on Test { " + "output " * 9 + "... { ...G } } fragment G on Test { " + names(9, "o{n}: output") + "}")
    graphql(pair, "{ ... { " + names(11, form) + " } }")
    graphql(pair, "{ test(inputString: \"x\") { " + "...F " * 200 + "} } fragment F on Test { " + "output " * 10 + "}")


def test_the_schema(pair: Pair) -> None:
    graphql(pair, SCHEMA)
    for name in ("Query", "MlflowViewType", "MlflowRunExtension", "LongString", "MlflowSearchRunsInput", "__Type", "Nope"):
        graphql(pair, f'{{ __type(name: "{name}") {{ __typename kind name fields {{ __typename name type {{ {TYPE} }} }} inputFields {{ name }} enumValues {{ name }} }} }}')


def test_bodies(pair: Pair) -> None:
    json_type = (("Content-Type", "application/json"),)
    query = b'{"query": "{ __typename }"}'
    for body in (b"", b"{bad", b"[]", b"null", b'"x"', b"3", b"{}", b"[" + query + b"]", b"\xff\xfe", b'{"query": "{ __typename }", "variables": {"a": NaN}}'):
        pair.send("POST", "/graphql", body=body, headers=json_type)
    for odd in (None, 3, True, [], {}, "", " ", "{", "}", "{ a", "frob", "query", "query Q", "{ a(b: ) }", "{ test(inputString: \"a) { output } }", "# only", "é", "{}"):
        graphql(pair, odd)
    for variables in ([1], "x", 3, True):
        graphql(pair, "{ __typename }", variables)
    for content_type in ("text/plain", "application/graphql", "application/json; charset=utf-8", "multipart/form-data; boundary=x"):
        pair.send("POST", "/graphql", body=query, headers=(("Content-Type", content_type),))
    pair.send("GET", "/graphql")
    pair.send("GET", "/graphql", (("query", "{ __typename }"),))
    for method in ("PUT", "DELETE", "PATCH"):
        pair.send(method, "/graphql", body=query, headers=json_type)
    pair.send("POST", "/api/2.0/mlflow/graphql", body=query, headers=json_type)
    graphql(pair, '{ test(inputString: "a\\u0000b") { output } }')
    graphql(pair, "query Q($a: String) { test(inputString: $a) { output } }", {"a": "a\x00b"})


def _filled(pair: Pair) -> tuple[str, str]:
    """An experiment with a run that has something of everything: the ids of both."""
    experiment = create_experiment(pair, tags=[{"key": "team", "value": "ü"}])
    run = create_run(pair, experiment, start_time=3, run_name="a run", user_id="ann", tags=[{"key": "mlflow.user", "value": "ann"}])
    metrics = [("loss", 1 / (step + 1), 100 + step, step) for step in range(5)]
    log_batch(pair, run, metrics=metrics, params=[("ünï", "🚀"), ("lr", "0.1")], tags=[("t", "v")])
    pair.post("runs/log-inputs", {"run_id": run, "datasets": [dataset(pair.name("d"), "1", schema="{}", profile='{"rows": 3}'), dataset(pair.name("e"), "2")]})
    model = create_model(pair, experiment, source_run_id=run)
    pair.post("runs/log-inputs", {"run_id": run, "models": [{"model_id": model}]})
    pair.post("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 3}]})
    name = pair.name("model")
    pair.post("registered-models/create", {"name": name})
    for number in range(2):
        tags = [{"key": "k", "value": str(number)}]
        fields = {"run_id": run, "description": "d", "run_link": "http://x/", "tags": tags}
        pair.post("model-versions/create", {"name": name, "source": f"mlflow-artifacts:/m/{number}", **fields})
    pair.post("registered-models/alias", {"name": name, "alias": "best", "version": "1"})
    return experiment, run
