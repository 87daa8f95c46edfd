"""The resolve step: fails in seconds on what would fail after an hour, and names what this run is about."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.artifacts.model_source import find_record
from graft.components.common.artifacts.outcomes.results import UNCHANGED, ResolveResult
from graft.components.common.artifacts.outcomes.run_record import outcome_of
from graft.components.common.checks import check_all
from graft.components.common.config import configure, section
from graft.components.common.errors import GraftError, raise_all
from graft.components.common.parameters import Parameters
from graft.components.common.progress import doing
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import last_decided
from graft.components.common.runs.run import Run
from graft.components.common.steps import last_steps_of_this_run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.export.config import ExportConfig
from graft.components.export.formats import check_machine
from graft.components.gate.config import gate_config
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.corrections import read_corrections
from graft.components.ingest.source.file_names import printable
from graft.components.resolve.code import code_digest
from graft.components.resolve.fingerprint import fingerprint, look_at
from graft.components.resolve.preflight import check_store
from graft.components.train.backbones.known import architecture_of
from graft.components.train.backbones.weights import NAMED, check_weights
from graft.components.train.config import TrainConfig
from graft.components.train.recipes import train_config


def resolve(parameters: Parameters, run: Run = Run()) -> ResolveResult:  # noqa: B008 (frozen)
    """Checks that a run can begin, and returns the digest of what it would work on, or that nothing changed.

    What it works on is compared with the last run of the name that came to a decision, which a failed gate is as well. A run that was
    killed, cancelled or failed otherwise decided nothing.

    Args:
        parameters: The pipeline's parameters.
        run: The run; its store, if it has one, knows the earlier ones.

    Raises:
        GraftError: The source, the weights, the corrections, the registry or a model to compare with can't be read, the store or the
            place of the TensorBoard logs not written, a setting is wrong, a package for a format is missing, or no temporary files can be
            written. Where several things are wrong, the error tells all of them.
    """
    doing("looking at source, weights and store")
    found, listing = check_run(parameters, run)
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    same_as = _decided(digest, run)
    unchanged = same_as and not parameters.force
    if listing and run.store and not unchanged:
        listing.keep(run.folder, storage.uri_in(parameters.source), digest)
    return ResolveResult(
        digest=UNCHANGED if unchanged else digest,
        source=printable(storage.redact(storage.uri_in(parameters.source))),
        found=digest,
        same_as=same_as,
        last_steps=last_steps_of_this_run(),
    )


def _decided(digest: str, run: Run) -> str:
    """Returns the last decided run if it was about the same, else nothing."""
    decided = last_decided(run.store, run.name, run.run_id) if run.store else None
    if decided is None:
        return ""
    past, records = decided
    resolved = outcome_of(records.resolve)
    return past.run_id if resolved and resolved.found == digest else ""


def check_run(parameters: Parameters, run: Run) -> tuple[dict[str, Any], SourceListing | None]:
    """Checks everything that a run needs, and returns what it is about: source, weights, settings and code.

    Also returned is what storage told of the source's files, as `look_at` returns it.

    What waits for a network waits at the same time. What would need something that is wrong isn't tried.

    Args:
        parameters: The pipeline's parameters; an empty source or weights are not looked at.
        run: The run.

    Raises:
        GraftError: As in `resolve`.
    """
    settings, problems = _settings(parameters)
    train, ingest, evaluate, export = (settings.get(step) for step in ("train", "ingest", "evaluate", "export"))
    checks: dict[str, Callable[[], Any]] = {}
    if parameters.source and (
        ingest or "://" not in parameters.source
    ):  # a web server is asked within the settings' bounds only
        reach = ingest.reach if ingest else storage.Reach.NAMED
        checks["source"] = lambda: look_at(storage.uri_in(parameters.source), [run.store], reach)
    if ingest and ingest.corrections:
        checks["corrections"] = lambda: read_corrections(ingest).digest
    if parameters.weights:
        checks["weights"] = partial(_weights, parameters.weights, train)
    if run.store:
        checks["store"] = lambda: _check_store(run)
    if train and train.tensorboard:
        checks["tensorboard"] = lambda: check_store(train.tensorboard)
    for role, baseline in evaluate.named_baselines.items() if evaluate else ():
        checks[role] = partial(find_record, baseline)
    checks["machine"] = lambda: check_machine(export.formats if export else ())
    found = dict(zip(checks, check_all(list(checks.values()), problems), strict=True))
    source, listing = found.get("source", (None, None))
    about = {"source": source, "weights": found.get("weights"), "settings": _as_dicts(settings), "code": code_digest()}
    if corrections := found.get("corrections"):
        about["corrections"] = corrections
    return about, listing


def _weights(weights: str, train: TrainConfig | None) -> str:
    """Returns the name of the weights, or the fingerprint of their file, after checking them."""
    weights = storage.uri_in(weights)
    if train:
        check_weights(weights, train.weights_sha256, architecture_of(train.backbone))
    else:
        check_weights(weights)
    return weights if weights in NAMED else fingerprint(weights)


def _check_store(run: Run) -> None:
    check_store(run.store)
    Registry(run.store, run.name).latest()


def check_settings(parameters: Parameters) -> dict[str, dict[str, Any]]:
    """Returns the effective settings of every step, after checking them all.

    Args:
        parameters: The pipeline's parameters; source, weights and store are not looked at.

    Raises:
        GraftError: Recipes, sections, fields or values are not allowed.
    """
    settings, problems = _settings(parameters)
    raise_all(problems)
    return _as_dicts(settings)


def _settings(parameters: Parameters) -> tuple[dict[str, Any], list[GraftError]]:
    """Returns the settings of those steps whose settings are right, and what is wrong with the others'."""
    config = parameters.config
    given = {"optimizer": parameters.optimizer or None, "learning_rate": parameters.learning_rate or None}
    makers: dict[str, Callable[[], Any]] = {
        "ingest": lambda: configure("ingest", IngestConfig, section(config, "ingest")),
        "train": lambda: train_config(parameters.recipe, config, given),
        "evaluate": lambda: configure("evaluate", EvaluateConfig, section(config, "evaluate")),
        "gate": lambda: gate_config(config, parameters.min_accuracy),
        "export": lambda: configure("export", ExportConfig, section(config, "export")),
    }
    settings, problems = {}, []
    for step, make in makers.items():
        try:
            settings[step] = make()
        except GraftError as error:
            problems.append(error)
    return settings, problems


def _as_dicts(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step: dataclasses.asdict(chosen) for step, chosen in settings.items()}
