"""An endpoint of Vertex AI: versions come up beside what is served, are asked at a second endpoint, and then get traffic."""

import json
import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from google.cloud import aiplatform_v1 as api

from graft.components.common.errors import GraftError
from graft.components.common.services import vertex as polling
from graft.components.common.services.vertex import VertexClient
from graft.components.common.services.vertex_models import VertexModels, vertex_id
from graft.components.deploy.candidate import Candidate
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.target import OvertakenError, Placed, Target
from graft.components.deploy.targets.vertex_endpoint import VertexEndpoint, deployed_id, shares_of, version_of

# How long an endpoint may take to send requests by its new shares.
_TURN_SECONDS = 120.0


def open_vertex(config: DeployConfig, name: str) -> Target:
    """Returns the endpoint of Vertex AI that serves a model, by Google's default credentials.

    Args:
        config: Says where.
        name: The model's name.

    Raises:
        GraftError: There are no credentials.
    """
    return VertexTarget(VertexClient(config.project, config.location), config, name)


class VertexTarget(Target):
    """An endpoint of Vertex AI, which Graft makes.

    Vertex has no way to ask a deployed model that gets no traffic. So a version is deployed twice: to the endpoint, without traffic,
    and to a second one of Graft's, where it is asked, and from where it goes again. What got traffic after that is labelled so, and
    isn't asked a second time when it gets more, or gets it back.

    Args:
        client: Asks Vertex.
        config: Which endpoint, and on what machines.
        name: The model's name.

    Raises:
        GraftError: There are no credentials.
    """

    splits = True

    def __init__(self, client: VertexClient, config: DeployConfig, name: str) -> None:
        identifier = config.endpoint or vertex_id(name)
        self.where = f"the Vertex endpoint {identifier} in {config.location}"
        self._client, self._config = client, config
        self._models = VertexModels(client, name, config.image)
        self._served = VertexEndpoint(client, identifier, vertex_id(name))
        self._trial = VertexEndpoint(client, f"{identifier}-check", vertex_id(name))
        self._predictions = client.service(api.PredictionServiceClient)
        self._seen: dict[str, int] = {}
        self._proven, self._turn = "", 1

    def look(self) -> list[Placed]:
        """Returns what is deployed to the endpoint."""
        endpoint = self._served.find()
        self._seen = shares_of(endpoint) if endpoint else {}
        marks = {one.id: _mark(endpoint, one) for one in endpoint.deployed_models} if endpoint else {}
        self._turn = 1 + max((mark.turn for mark in marks.values() if mark), default=0)

        def came(one: Any) -> tuple[int, Any]:
            mark, is_ours = marks[one.id], bool(version_of(one))
            return mark.turn if mark else self._turn * is_ours, one.create_time

        return [
            Placed(version_of(one), self._seen.get(one.id, 0), f"deployed model {one.id}", mark.counter if mark else 0)
            for one in (sorted(endpoint.deployed_models, key=came) if endpoint else [])
            for mark in [marks[one.id]]
        ]

    def plan(self, candidate: Candidate, percent: int) -> str:
        """Returns what `stage` and `move` would do."""
        machines = f"{self._config.replicas} to {self._config.max_replicas} machines {self._config.machine_type}"
        return (
            f"The version {candidate.version[:12]} would be uploaded as {self._models.resource}@graft-{candidate.version} from "
            f"{_folder(candidate)}, deployed to {self._served.name} on {machines}, asked at {self._trial.name}, "
            f"and get {percent}% of the traffic."
        )

    def stage(self, candidate: Candidate) -> None:
        """Uploads a version and deploys it, to both endpoints at the same time."""
        seconds, version = self._config.timeout, candidate.version
        number = self._models.upload(version, _folder(candidate), seconds)
        endpoint = self._served.find()
        there = [one for one in endpoint.deployed_models if version_of(one) == version] if endpoint else []
        if there and _mark(endpoint, there[0]):
            self._proven = version
            return
        until = time.monotonic() + seconds
        doing = [
            (place, place.deploy(version, self._deployed(number, place), seconds))
            for place in (self._trial, self._served)
        ]
        for place, what in doing:
            place.finish(what, until - time.monotonic())

    def ask(self, candidate: Candidate) -> bytes | None:
        """Asks a version at the second endpoint, or nothing if it got traffic before."""
        if candidate.version == self._proven:
            return None
        identifier = deployed_id(candidate.version)
        self._trial.share(shares_of(self._trial.make(self._config.timeout)), lambda endpoint: ({identifier: 100}, {}))
        instances = json.loads(candidate.request)["instances"]
        request = api.PredictRequest.from_json(json.dumps({"endpoint": self._trial.name, "instances": instances}))
        until = time.monotonic() + _TURN_SECONDS
        while True:
            said = self._client.call("the request", self._predictions.predict, request=request)
            if said.deployed_model_id == identifier:
                return json.dumps(
                    {"predictions": json.loads(api.PredictResponse.to_json(said))["predictions"]}
                ).encode()
            if time.monotonic() > until:
                raise GraftError(f"{self._trial.name} still sends requests to {said.deployed_model_id}: try again.")
            time.sleep(polling.POLL_SECONDS)

    def move(self, candidate: Candidate, percent: int) -> None:
        """Changes the endpoint's shares, and labels the version as one that has answered."""
        identifier = deployed_id(candidate.version)
        others = {other: share for other, share in self._seen.items() if other != identifier}
        split = {identifier: 100}
        if percent < 100 and others:
            split = {identifier: percent, max(others, key=lambda other: others[other]): 100 - percent}

        def decide(endpoint: Any) -> tuple[dict[str, int], dict[str, str]]:
            there = {one.id: one for one in endpoint.deployed_models}
            if not any(version_of(one) == candidate.version for one in there.values()):
                raise OvertakenError(f"Somebody else has removed {identifier} from {self._served.name}.")
            marks = {one.id: _mark(endpoint, one) for one in there.values()}
            marks[identifier] = _Mark(candidate.counter, self._turn)
            return split, dict(_label(there[one], mark) for one, mark in marks.items() if mark)

        self._served.share(self._seen, decide)
        self._seen = split

    def drop(self, candidate: Candidate) -> None:
        """Removes a version from both endpoints, which has got no traffic yet."""
        self._empty_trial()
        if endpoint := self._served.find():
            shares = shares_of(endpoint)
            gone = [
                one.id
                for one in endpoint.deployed_models
                if version_of(one) == candidate.version and one.id not in shares and not _mark(endpoint, one)
            ]
            self._served.undeploy(gone, self._config.timeout)

    def clean(self, promoted: Sequence[str]) -> None:
        """Empties the second endpoint, and removes from the first what gets no traffic and isn't kept."""
        seconds = self._config.timeout
        self._empty_trial()
        if endpoint := self._served.find():
            shares = shares_of(endpoint)
            idle = {
                version_of(one): one for one in endpoint.deployed_models if version_of(one) and one.id not in shares
            }
            kept = [version for version in promoted if version in idle and _mark(endpoint, idle[version])]
            gone = [one.id for version, one in idle.items() if version not in kept[: self._config.keep]]
            self._served.undeploy(gone, seconds)

    def _empty_trial(self) -> None:
        if (trial := self._trial.find()) and trial.deployed_models:
            self._trial.share(shares_of(trial), lambda endpoint: ({}, {}))
            self._trial.undeploy([one.id for one in trial.deployed_models if version_of(one)], self._config.timeout)

    def _deployed(self, number: str, place: VertexEndpoint) -> Any:
        config, once = self._config, place is self._trial
        return api.DeployedModel(
            model=f"{self._models.resource}@{number}",
            service_account=config.service_account,
            dedicated_resources=api.DedicatedResources(
                machine_spec=api.MachineSpec(machine_type=config.machine_type),
                min_replica_count=1 if once else config.replicas,
                max_replica_count=1 if once else max(config.replicas, config.max_replicas),
            ),
        )


class _Mark(NamedTuple):
    """What a label of the endpoint says of a deployed model that has answered.

    Attributes:
        counter: The counter of the `latest.json` by which it got traffic.
        turn: A higher one than that of all that got some before.
    """

    counter: int
    turn: int


def _label(deployed: Any, mark: _Mark) -> tuple[str, str]:
    """Returns the label for that very deployed model, and not another of the same ID."""
    return f"graft-answered-{deployed.id}", f"{deployed.create_time.timestamp():.0f}-{mark.counter}-{mark.turn}"


def _mark(endpoint: Any, deployed: Any) -> _Mark | None:
    """Returns what the endpoint's label says of a deployed model; None if it has not answered yet."""
    label, wanted = _label(deployed, _Mark(0, 0))
    found = re.fullmatch(r"([0-9]+)-([0-9]+)-([0-9]+)", endpoint.labels.get(label, ""))
    if not found or found[1] != wanted.partition("-")[0]:
        return None
    return _Mark(int(found[2]), int(found[3]))


def _folder(candidate: Candidate) -> str:
    """Returns the folder that holds a version's `saved_model.pb`, as Vertex takes it.

    Raises:
        GraftError: It is not on Cloud Storage.
    """
    if not candidate.uri.startswith("gs://"):
        raise GraftError(
            f"Vertex takes models from gs:// alone, and the version is {candidate.uri}: use a store there."
        )
    return f"{candidate.uri}/{candidate.base_path}/1"
