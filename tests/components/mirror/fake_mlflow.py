"""MLflow's model registry, with state: no kinder than the server of release 3.17, by whose recorded answers it is checked.

What it does not know is refused, also where the real server overlooks it: fields, sources, filters.
"""

import itertools
import re
import time

from faults import FaultyServer, RefusalError

CODES = {"RESOURCE_DOES_NOT_EXIST": (404, "RESOURCE_NOT_FOUND"), "INTERNAL_ERROR": (500, "INTERNAL_ERROR")}
LOCAL = re.compile(r"(file:|[^:]*$)")
MOST_LETTERS = {"key": 250, "value": 100_000}


def problem(code, message):
    status, kind = CODES.get(code, (400, code))
    return status, {"error_code": code, "message": message, "sqlstate": "KAM00", "error_class": kind}


def refuse(code, message):
    raise RefusalError(*problem(code, message))


def checked(given, needed, allowed=()):
    """Refuses fields that are missing, unknown or no text."""
    for name in needed:
        if name not in given:
            refuse(
                "INVALID_PARAMETER_VALUE",
                f"Missing value for required parameter '{name}'. See the API docs for more information about request parameters.",
            )
    for name, value in given.items():
        if name not in (*needed, *allowed):
            refuse("INVALID_PARAMETER_VALUE", f"there is no parameter '{name}'")
        if name != "tags" and not isinstance(value, str):
            refuse(
                "INVALID_PARAMETER_VALUE",
                f"Invalid value {value} for parameter '{name}' supplied:  Hint: Value was of type '{type(value).__name__}'. "
                "See the API docs for more information about request parameters.",
            )


def tag_list(tags):
    for tag in tags:
        checked(tag, ("key", "value"))
        for name, most in MOST_LETTERS.items():
            if len(tag[name]) > most:
                refuse("INVALID_PARAMETER_VALUE", f"'{name}' exceeds the maximum length of {most} characters")
    return {tag["key"]: tag["value"] for tag in tags}


class FakeMlflow(FaultyServer):
    """The tracking server."""

    def __init__(self, token=""):
        super().__init__(token)
        self.models = {}

    def error(self, status, text):
        return problem("INTERNAL_ERROR", text)[1]

    def kill(self):
        """Answers nothing any more."""
        self.drop(".*", times=10**6)

    def start(self):
        """Answers again."""
        self.faults.clear()

    # The API.

    def get_model(self, match, query, body):
        checked(query, ("name",))
        return {"registered_model": self._shown(self._model(query["name"]))}

    def create_model(self, match, query, body):
        checked(body, ("name",), ("description", "tags"))
        if body["name"] in self.models:
            refuse("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={body['name']}) already exists.")
        now = time.time_ns() // 10**6
        model = {"name": body["name"], "creation_timestamp": now, "last_updated_timestamp": now}
        model["description"] = body.get("description", "")
        self.models[body["name"]] = model | {
            "tags": tag_list(body.get("tags", [])),
            "aliases": {},
            "versions": {},
            "numbers": itertools.count(1),
        }
        return {"registered_model": self._shown(self.models[body["name"]])}

    def set_alias(self, match, query, body):
        checked(body, ("name", "alias", "version"))
        if not re.fullmatch(r"[\w-]+", body["alias"]) or re.fullmatch(r"latest|[vV]\d+", body["alias"]):
            refuse("INVALID_PARAMETER_VALUE", f"Invalid alias name: '{body['alias']}'.")
        self._version(body)
        self._model(body["name"])["aliases"][body["alias"]] = body["version"]
        return {}

    def delete_alias(self, match, query, body):
        checked(body, ("name", "alias"))
        self._model(body["name"])["aliases"].pop(body["alias"], None)
        return {}

    def search(self, match, query, body):
        checked(query, (), ("filter", "max_results", "page_token"))
        name = re.fullmatch(r"name='([\w.-]+)'", query.get("filter", ""))
        most = int(query.get("max_results", 10_000))
        if not name or not 0 < most <= 200_000:
            refuse("INVALID_PARAMETER_VALUE", f"Invalid filter or limit: {query}")
        versions = list(self.models.get(name[1], {"versions": {}})["versions"].values())[::-1]
        start = int(query.get("page_token", 0))
        page = {"model_versions": [self._of_version(version) for version in versions[start : start + most]]}
        more = {"next_page_token": str(start + most)} if len(versions) > start + most else {}
        return {name: value for name, value in (page | more).items() if value}

    def create_version(self, match, query, body):
        checked(body, ("name", "source"), ("tags", "description"))
        tags = tag_list(body.get("tags", []))
        source = body["source"]
        if LOCAL.match(source):
            refuse(
                "INVALID_PARAMETER_VALUE",
                f"Invalid model version source: '{source}'. To use a local path as a model version source, the run_id request parameter "
                "has to be specified and the local path has to be contained within the artifact directory of the run specified by the "
                "run_id.",
            )
        if not re.match(r"(gs|s3|graft):/", source) or ".." in source:
            refuse("INVALID_PARAMETER_VALUE", f"Invalid model version source: '{source}'.")
        model = self._model(body["name"])
        now, number = time.time_ns() // 10**6, str(next(model["numbers"]))
        times = {"creation_timestamp": now, "last_updated_timestamp": now}
        description = {"description": body.get("description", ""), "source": source}
        made = {"name": body["name"], "version": number, **times, "current_stage": "None", **description}
        model["versions"][number] = made | {"run_id": "", "status": "READY", "tags": tags, "run_link": ""}
        return {"model_version": self._of_version(model["versions"][number])}

    def set_tag(self, match, query, body):
        checked(body, ("name", "version", "key"), ("value",))
        self._version(body)["tags"] |= tag_list([{"key": body["key"], "value": body.get("value", "")}])
        return {}

    def delete_version(self, match, query, body):
        checked(body, ("name", "version"))
        self._version(body)
        model = self._model(body["name"])
        del model["versions"][body["version"]]
        model["aliases"] = {name: to for name, to in model["aliases"].items() if to != body["version"]}
        return {}

    def _model(self, name):
        if name not in self.models:
            refuse("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
        return self.models[name]

    def _version(self, body):
        versions = self._model(body["name"])["versions"]
        if body["version"] not in versions:
            told = f"Model Version (name={body['name']}, version={body['version']}) not found"
            refuse("RESOURCE_DOES_NOT_EXIST", told)
        return versions[body["version"]]

    def _shown(self, model):
        shown = {name: value for name, value in model.items() if name not in ("versions", "numbers")}
        shown["tags"] = _pairs(model["tags"])
        shown["aliases"] = [{"alias": name, "version": to} for name, to in model["aliases"].items()]
        shown["latest_versions"] = [self._of_version(version) for version in list(model["versions"].values())[-1:]]
        return {name: value for name, value in shown.items() if value}

    def _of_version(self, version):
        shown = version | {"tags": _pairs(version["tags"])}
        return {name: value for name, value in shown.items() if name != "tags" or value}

    API = "/api/2.0/mlflow"
    routes = (
        (f"GET {API}/registered-models/get", get_model),
        (f"POST {API}/registered-models/create", create_model),
        (f"POST {API}/registered-models/alias", set_alias),
        (f"DELETE {API}/registered-models/alias", delete_alias),
        (f"GET {API}/model-versions/search", search),
        (f"POST {API}/model-versions/create", create_version),
        (f"POST {API}/model-versions/set-tag", set_tag),
        (f"DELETE {API}/model-versions/delete", delete_version),
    )


def _pairs(tags):
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]
