"""Vertex AI's models, v1, with state: uploads, versions, aliases and labels.

What it takes and refuses is what the reference says (comments in google/cloud/aiplatform_v1/types/{model,model_service}.py, and
docs.cloud.google.com/vertex-ai/docs/model-registry/{model-alias,delete-model}). A request is parsed as the client's own message, in
which no unknown field may be. Names are told with the project's number, whichever way they are asked for. Where the reference is silent,
it is the stricter way: a resource takes one operation at a time.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from fake_vertex import LABEL, LABEL_VALUE, WHERE, refuse, wording
from faults import FaultyServer, RefusalError
from google.cloud import aiplatform_v1 as api
from google.protobuf import json_format

NUMBER = "123456789"
MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
ALIAS = re.compile(r"[a-z][a-z0-9-]{0,126}[a-z0-9]")
IMAGE = re.compile(r"[a-z0-9.-]+(/[\w.-]+)+(:[\w.-]+|@sha256:[0-9a-f]{64})")
PAGE = 2
_SET_BY_VERTEX = {"name", "versionId", "createTime", "updateTime", "deployedModels", "versionCreateTime", "etag"}


def parsed(kind, body, **more):
    """Returns a request as the client's message, which has every field that it names."""
    try:
        return kind.wrap(json_format.ParseDict({**body, **more}, kind.pb()()))
    except json_format.ParseError as error:
        refuse(400, f"Invalid JSON payload received. {error}")


def told(message):
    return json_format.MessageToDict(type(message).pb(message), use_integers_for_enums=True)


def check_labels(labels):
    if len(labels) > 64:
        refuse(400, "There can be at most 64 labels.")
    for key, value in labels.items():
        if not LABEL.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            refuse(400, f"Invalid label {key}: {value}")


class FakeVertexModels(FaultyServer):
    """The models of a project, and the operations on all that it has.

    Args:
        token: Bearer token that every request must carry; empty for none.

    Attributes:
        folders: The folders that hold a `saved_model.pb`.
        polls: How often an operation is looked at before it is done.
    """

    def __init__(self, token=""):
        super().__init__(token)
        self.models, self.model_labels, self.folders = {}, {}, set()
        self.operations, self.polls = {}, 2
        self._moment = datetime(2026, 11, 1, tzinfo=UTC)

    def error(self, status, text):
        return wording(status, text)

    def now(self):
        self._moment += timedelta(seconds=1)
        return self._moment

    # Operations.

    def take_on(self, resource, response, effect):
        """Starts an operation: after some looks at it, its effect happens, and it tells the effect's message or error."""
        if self.under_way(resource):
            refuse(400, f'There are other operations running on "{resource}".')
        name = f"{resource}/operations/{len(self.operations) + 1}"
        self.operations[name] = {"left": self.polls, "effect": effect, "type": response, "done": None}
        return {"name": name}

    def under_way(self, resource):
        return [name for name, one in self.operations.items() if name.startswith(f"{resource}/") and not one["done"]]

    def finish_operations(self):
        """Lets time pass until all is done."""
        for name, one in self.operations.items():
            while not one["done"]:
                self._look(name)

    def _look(self, name):
        one = self.operations[name]
        if one["done"]:
            return one["done"]
        one["left"] -= 1
        if one["left"] > 0:
            return {"name": name}
        try:
            kind = f"type.googleapis.com/google.cloud.aiplatform.v1.{one['type']}"
            one["done"] = {"name": name, "done": True, "response": {"@type": kind, **one["effect"]()}}
        except RefusalError as refusal:
            said = refusal.body["error"]["message"]
            one["done"] = {"name": name, "done": True, "error": {"code": 9, "message": said}}
        return one["done"]

    def get_operation(self, match, query, body):
        name = self._named(match[1])
        if name not in self.operations:
            refuse(404, f"Operation {name} not found")
        for other in self.operations:  # time passes for all of them
            if other != name:
                self._look(other)
        return self._look(name)

    def list_operations(self, match, query, body):
        resource, start = self._named(match[1]), int(query.get("pageToken") or 0)
        known = {name: one for name, one in self.operations.items() if name.startswith(f"{resource}/operations/")}
        names = [*known][start : start + PAGE]
        more = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(known) else {}
        return {"operations": [known[name]["done"] or {"name": name} for name in names], **more}

    # Models.

    def upload_model(self, match, query, body):
        request = parsed(api.UploadModelRequest, body)
        model, where = request.model, f"projects/{NUMBER}/locations/{match[2]}"
        if forged := _SET_BY_VERTEX & set(body.get("model", {})):
            refuse(400, f"Only Vertex sets {forged}.")
        if not 1 <= len(model.display_name) <= 128:
            refuse(400, "display_name must have 1 to 128 characters")
        if not IMAGE.fullmatch(model.container_spec.image_uri):
            refuse(400, f"Invalid image URI {model.container_spec.image_uri!r}")
        if not model.artifact_uri.startswith("gs://"):
            refuse(400, "artifact_uri must be a Cloud Storage path")
        if model.artifact_uri not in self.folders:
            refuse(400, f"There is no saved_model.pb in {model.artifact_uri}")
        check_labels(model.labels)
        self._check_aliases(model.version_aliases)
        if bool(request.parent_model) == bool(request.model_id):
            refuse(400, "Exactly one of parent_model and model_id must be set.")
        if request.model_id and not MODEL_ID.fullmatch(request.model_id):
            refuse(400, f"Invalid model ID {request.model_id!r}")
        name = self._named(request.parent_model) or f"{where}/models/{request.model_id}"
        if request.parent_model:
            self._model(name)
        elif name in self.models or self.under_way(name):
            refuse(409, f"Model {name} already exists")

        def upload():
            versions = self.models.setdefault(name, {})
            number = str(max(map(int, versions), default=0) + 1)
            aliases = {*model.version_aliases, *(() if versions else ("default",))}
            version = api.Model(model, name=name, version_id=number, version_create_time=self.now())
            version.version_aliases, version.container_spec = [], None
            versions[number] = version
            self._move_aliases(versions, number, aliases)
            return {"model": name, "modelVersionId": number}

        return self.take_on(name, "UploadModelResponse", upload)

    def get_model(self, match, query, body):
        return self._told(*self.find_version(self._named(match[1])))

    def list_versions(self, match, query, body):
        name, start = self._named(match[1]), int(query.get("pageToken") or 0)
        versions = list(self._model(name).values())
        more = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(versions) else {}
        return {"models": [self._told(name, version) for version in versions[start : start + PAGE]], **more}

    def update_model(self, match, query, body):
        changed = parsed(api.Model, body)
        mask = self.mask(query, {"labels", "version_description"})
        if changed.name and self._named(changed.name) != self._named(match[1]):
            refuse(400, "The model's name is another one.")
        name, version = self.find_version(self._named(match[1]))
        if "@" not in self._named(match[1]):
            refuse(400, "version_description is a field of a version, and the name is a model's.")
        if "labels" in mask:
            check_labels(changed.labels)
            version.labels = dict(changed.labels)
        if "version_description" in mask:
            version.version_description = changed.version_description
        return self._told(name, version)

    def merge_aliases(self, match, query, body):
        request = parsed(api.MergeVersionAliasesRequest, body)
        name, _, number = self._named(match[1]).partition("@")
        versions = self._model(name)
        if number not in versions:
            refuse(400, "The version must be told by its ID.")
        given = {alias for alias in request.version_aliases if not alias.startswith("-")}
        taken = {alias[1:] for alias in request.version_aliases if alias.startswith("-")}
        self._check_aliases([*given, *taken])
        if not request.version_aliases or given & taken or "default" in taken:
            refuse(400, "There must be aliases, and one default version.")
        kept = [alias for alias in versions[number].version_aliases if alias not in taken]
        versions[number].version_aliases = kept
        self._move_aliases(versions, number, given)
        return self._told(name, versions[number])

    def delete_version(self, match, query, body):
        name, _, number = self._named(match[1]).partition("@")
        versions = self._model(name)
        version = versions.get(number) or refuse(404, f"Model version {match[1]} not found")
        if len(versions) == 1:
            refuse(400, "The only version of a model can't be deleted.")
        if "default" in version.version_aliases:
            refuse(400, "The default version can't be deleted.")
        if self.is_deployed(name, number):
            refuse(400, f"The model version {match[1]} is deployed.")

        def delete():
            versions.pop(number, None)
            return {}

        taken_on = self.take_on(name, "DeleteOperationMetadata", delete)
        self.operations[taken_on["name"]]["type"] = "DeleteOperationMetadata"
        return taken_on

    def is_deployed(self, name, number):
        return False

    def find_version(self, name):
        """Returns a version by its number or alias; the default one if none is named."""
        model, _, which = name.partition("@")
        versions = self._model(model)
        for number, version in versions.items():
            if number == which or (which or "default") in version.version_aliases:
                return model, version
        return refuse(404, f"Model version {name} not found")

    def mask(self, query, allowed):
        fields = {
            re.sub("[A-Z]", lambda at: f"_{at[0].lower()}", one) for one in query.get("updateMask", "").split(",")
        }
        if not fields or not fields <= allowed:
            refuse(400, f"The update mask can't be {query.get('updateMask')!r}")
        return fields

    def _told(self, name, version):
        return told(version)

    def _model(self, name):
        return self.models.get(name) or refuse(404, f"Model {name} not found")

    @staticmethod
    def _check_aliases(aliases):
        for alias in aliases:
            if not ALIAS.fullmatch(alias):
                refuse(400, f"Invalid version alias {alias!r}")

    @staticmethod
    def _move_aliases(versions, number, aliases):
        """An alias has one version: it is removed from the one that had it."""
        for version in versions.values():
            version.version_aliases = [alias for alias in version.version_aliases if alias not in aliases]
        versions[number].version_aliases = [*versions[number].version_aliases, *sorted(aliases)]

    @staticmethod
    def _named(name):
        return re.sub(r"^projects/[^/]+", f"projects/{NUMBER}", unquote(name)) if name else ""

    def _parsed(self, headers, body):
        try:
            return json.loads(body or b"{}")
        except ValueError:
            return refuse(400, "Invalid JSON payload received.")

    routes = (
        (f"POST {WHERE}/models:upload", upload_model),
        (r"GET /v1/(projects/[^/]+/locations/[^/]+/models/[^/:]+)", get_model),
        (r"GET /v1/(projects/[^/]+/locations/[^/]+/models/[^/:]+):listVersions", list_versions),
        (r"PATCH /v1/(projects/[^/]+/locations/[^/]+/models/[^/:]+)", update_model),
        (r"POST /v1/(projects/[^/]+/locations/[^/]+/models/[^/:]+):mergeVersionAliases", merge_aliases),
        (r"DELETE /v1/(projects/[^/]+/locations/[^/]+/models/[^/:]+):deleteVersion", delete_version),
        (r"GET /(?:v1|ui)/(projects/.+/operations/\d+)", get_operation),
        (r"GET /(?:v1|ui)/(projects/[^/]+/locations/[^/]+/(?:models|endpoints)/[^/]+)/operations", list_operations),
    )
