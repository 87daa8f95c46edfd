"""What the API server of Kubeflow Pipelines, release 2.17, refuses, in its own words."""

import base64
import binascii
import json
from datetime import UTC, datetime

from faults import RefusalError

# gRPC codes by HTTP status, as in the body of an error.
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 429: 8, 500: 13, 503: 14}
# The fields of robfig/cron 1.2 (Parse): seconds first, Sunday is 0 only.
CRON_FIELDS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
CRON_NAMES = {
    4: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    5: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
}
FILTER_KEYS = {"display_name", "name", "created_at", "id"}
KINDS = {
    "STRING": (str, "requires type string, but the input parameter is not of string value type"),
    "BOOLEAN": (bool, "requires type bool, but the parameter value is not of bool value type"),
    "NUMBER_DOUBLE": (
        (int, float),
        "requires type double or integer, but the parameter value is not of number value type",
    ),
}
KINDS["NUMBER_INTEGER"] = KINDS["NUMBER_DOUBLE"]
CRON_REFUSED = (
    "Failed to create a recurring run due to conversion error: Invalid input error: "
    "Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron). Error: "
)


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # the server keeps seconds


def same(name, other):
    """Whether the server's database takes two names for one: it doesn't look at case."""
    return name.casefold() == other.casefold()


def exists(what, name, verb):
    return (
        f"Already exist error: Failed to create a new {what}. The name {name} already {verb}. Please specify a new name"
    )


def no_namespace(where, *, short=False):
    experiment = where.get("experiment_id")
    missing = f"Failed to fetch namespace from experiment {experiment}: ResourceNotFoundError: Experiment {experiment} not found"
    return missing if short else f"Failed to fetch namespace for experiment {experiment}: {missing}"


def error_body(status, message):
    """Returns the body of an error, as the API's gateway makes it of a gRPC status."""
    code = CODES.get(status, 2)
    details = [{"@type": "type.googleapis.com/google.rpc.Status", "code": code, "message": message}]
    return {"code": code, "message": message, "details": details}


def refuse(status, message):
    raise RefusalError(status, error_body(status, message))


def check_cron(line):
    """Refuses what robfig/cron 1.2 does. Five fields pass, and mean something else: the first is seconds all the same."""
    fields = line.split()
    if not 5 <= len(fields) <= 6:
        refuse(400, f"{CRON_REFUSED}Expected 5 to 6 fields, found {len(fields)}: {line}")
    for number, field in enumerate(fields):
        for part in field.split(","):
            _check_range(part.upper(), number)


def _check_range(part, number):
    span, _, step = part.partition("/")
    if step and not (step.isdigit() and int(step)):
        refuse(400, f"{CRON_REFUSED}Failed to parse int from {step}")
    if span in ("*", "?"):
        return
    low, high = CRON_FIELDS[number]
    names = CRON_NAMES.get(number, [])
    ends = []
    for end in span.split("-"):
        if end not in names and not end.isdigit():
            refuse(400, f"{CRON_REFUSED}Failed to parse int from {end}")
        ends.append(names.index(end) + low if end in names else int(end))
    if len(ends) > 2:
        refuse(400, f"{CRON_REFUSED}Too many hyphens: {span}")
    if ends[0] < low:
        refuse(400, f"{CRON_REFUSED}Beginning of range ({ends[0]}) below minimum ({low}): {part}")
    if ends[-1] > high:
        refuse(400, f"{CRON_REFUSED}End of range ({ends[-1]}) above maximum ({high}): {part}")
    if ends[0] > ends[-1]:
        refuse(400, f"{CRON_REFUSED}Beginning of range ({ends[0]}) beyond end of range ({ends[-1]}): {part}")


def check_parameters(doing, version, body):
    """Refuses parameters that don't fit those that the root of the pipeline declares."""
    wrong = f"{doing}: invalid pipeline job inputs: Invalid input error: "
    spec = version["pipeline_spec"].get("pipeline_spec", version["pipeline_spec"])
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    given = (body.get("runtime_config") or {}).get("parameters") or {}
    for name, parameter in declared.items():
        if name not in given:
            if not parameter.get("isOptional") and "defaultValue" not in parameter:
                refuse(
                    400,
                    f"{wrong}parameter {name} is not optional, yet has neither default value nor user provided value",
                )
            continue
        wanted, said = KINDS[parameter["parameterType"]]
        if not isinstance(given[name], wanted) or (isinstance(given[name], bool) and wanted is not bool):
            refuse(400, f"{wrong}input parameter {name} {said}")
    if extra := sorted(set(given) - set(declared)):
        refuse(400, f"{wrong}parameter(s) provided are not required by pipeline: {', '.join(extra)}")


def page(field, entries, query):
    """Returns the entries that a request lists: those that its filter wants, oldest first, a page of them."""
    wrong = "Failed to create list options: "
    for key, value in _predicates(wrong, query.get("filter")):
        entries = [entry for entry in entries if str(entry.get(key)).casefold() == str(value).casefold()]
    entries = sorted(entries, key=lambda entry: entry["created_at"])
    size, start = int(query.get("page_size") or 20), 0
    if token := query.get("page_token"):
        try:
            start = json.loads(base64.b64decode(token, validate=True))["start"]
        except (binascii.Error, ValueError):
            refuse(
                400,
                f"{wrong}InvalidInputError: Invalid page token: illegal base64 data at input byte {len(token) // 4}",
            )
    end = start + size
    more = base64.b64encode(json.dumps({"start": end}).encode()).decode() if end < len(entries) else ""
    found = {field: entries[start:end], "total_size": len(entries), "next_page_token": more}
    return {key: value for key, value in found.items() if value}  # what is empty is never sent


def _predicates(wrong, text):
    try:
        predicates = json.loads(text or "{}").get("predicates", [])
    except ValueError:
        refuse(
            400,
            f'{wrong}Invalid input error: failed to parse valid filter from "{text}": proto: unexpected EOF',
        )
    for predicate in predicates:
        if predicate.get("key") not in FILTER_KEYS:
            refuse(
                400,
                f'{wrong}Invalid input error: no support for filtering on unrecognized field "{predicate.get("key")}"',
            )
        if predicate.get("operation") not in (1, "EQUALS"):
            refuse(400, f"{wrong}Invalid input error: no support for the operation {predicate.get('operation')}")
        yield predicate["key"], predicate.get("string_value", predicate.get("stringValue"))
