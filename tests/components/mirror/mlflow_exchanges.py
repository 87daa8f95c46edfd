"""What a real MLflow server answers to a row of requests; `python mlflow_exchanges.py URL` records it anew, from an empty server."""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

RECORDED = Path(__file__).parent / "recorded/mlflow.jsonl"
TIMES = ("creation_timestamp", "last_updated_timestamp")
SOURCE = {"name": "pets", "source": "gs://bucket/graft/models/pets/versions/1"}
ALIAS = {"name": "pets", "alias": "champion"}

REQUESTS = [
    ("GET", "registered-models/get", {"name": "pets"}),
    ("GET", "registered-models/get", {}),
    ("GET", "model-versions/search", {"filter": "name='pets'", "max_results": "10000"}),
    ("POST", "model-versions/create", SOURCE),
    ("POST", "registered-models/create", {"name": "pets", "description": "A mirror"}),
    ("POST", "registered-models/create", {"name": "pets"}),
    ("GET", "registered-models/get", {"name": "pets"}),
    ("POST", "model-versions/create", SOURCE | {"tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]}),
    ("POST", "model-versions/create", SOURCE),
    ("POST", "model-versions/create", SOURCE | {"source": "/mnt/models/pets/versions/1"}),
    ("POST", "model-versions/create", SOURCE | {"source": "file:///mnt/models/pets/versions/1"}),
    ("POST", "model-versions/create", SOURCE | {"source": "graft:/mnt/models/pets/versions/1"}),
    ("POST", "model-versions/create", SOURCE | {"source": 5}),
    ("POST", "model-versions/create", {"name": "pets"}),
    ("POST", "model-versions/set-tag", {"name": "pets", "version": "1", "key": "a", "value": "3"}),
    ("POST", "model-versions/set-tag", {"name": "pets", "version": "9", "key": "a", "value": "3"}),
    ("POST", "model-versions/set-tag", {"name": "pets", "version": 1, "key": "a", "value": "3"}),
    ("POST", "registered-models/alias", ALIAS | {"version": "1"}),
    ("POST", "registered-models/alias", ALIAS | {"version": "9"}),
    ("GET", "registered-models/get", {"name": "pets"}),
    ("GET", "model-versions/search", {"filter": "name='pets'", "max_results": "10000"}),
    ("DELETE", "model-versions/delete", {"name": "pets", "version": "1"}),
    ("DELETE", "model-versions/delete", {"name": "pets", "version": "1"}),
    ("GET", "registered-models/get", {"name": "pets"}),
    ("POST", "registered-models/alias", ALIAS | {"version": "2"}),
    ("DELETE", "registered-models/alias", ALIAS),
    ("DELETE", "registered-models/alias", ALIAS),
    ("DELETE", "registered-models/alias", ALIAS | {"name": "none"}),
    ("POST", "model-versions/create", SOURCE | {"source": "s3://bucket/graft/models/pets/versions/2"}),
    ("GET", "model-versions/search", {"filter": "name='pets'", "max_results": "10000"}),
]


def ask(url, method, path, content):
    """Returns the status and the JSON of an answer."""
    target = f"{url}/api/2.0/mlflow/{path}" + (f"?{urlencode(content)}" if method == "GET" else "")
    body = None if method == "GET" else json.dumps(content).encode()
    request = urllib.request.Request(target, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def record(url):
    """Returns the requests with the answers, without what differs from time to time."""
    return [[*request, *_settled(*ask(url, *request))] for request in REQUESTS]


def recorded():
    """Returns what a real server answered."""
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


def _settled(status, answer):
    return status, _sorted(answer)


def _sorted(value):
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=json.dumps)
    if isinstance(value, dict):
        return {name: _sorted(inner) for name, inner in value.items() if name not in TIMES}
    return value


if __name__ == "__main__":
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text("".join(f"{json.dumps(exchange, sort_keys=True)}\n" for exchange in record(sys.argv[1])))
