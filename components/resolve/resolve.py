"""The resolve step: fails in seconds on what would fail after an hour, and names what this run is about."""

import dataclasses
import hashlib
import json
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.model_source import find_record
from graft.components.common.artifacts.results import UNCHANGED, ResolveResult
from graft.components.common.artifacts.run_record import outcome_of
from graft.components.common.compute.weights import NAMED, check_weights
from graft.components.common.config import configure, section
from graft.components.common.parameters import Parameters
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import last_decided
from graft.components.common.runs.step_record import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.export.config import ExportConfig
from graft.components.export.formats import check_machine
from graft.components.gate.config import gate_config
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.source.file_names import printable
from graft.components.resolve.code import code_digest
from graft.components.resolve.fingerprint import fingerprint
from graft.components.resolve.preflight import check_store
from graft.components.train.recipes import train_config


def resolve(parameters: Parameters, run: Run = Run()) -> ResolveResult:  # noqa: B008 (frozen)
    """Checks that a run can begin, and returns the digest of what it would work on, or that nothing changed.

    What it works on is compared with the last run of the name that came to a decision, which a failed gate is as well. A run that was
    killed, cancelled or failed otherwise decided nothing.

    Args:
        parameters: The pipeline's parameters.
        run: The run; its store, if it has one, knows the earlier ones.

    Raises:
        GraftError: The source, the weights, the registry or a model to compare with can't be read, the store or the place of the
            TensorBoard logs not written, a setting is wrong, a package for a format is missing, or no temporary files can be written.
    """
    settings = check_settings(parameters)
    for written in filter(None, (run.store, settings["train"]["tensorboard"])):
        check_store(written)
    if run.store:
        Registry(run.store, run.name).latest()
    source, weights = storage.uri_in(parameters.source), storage.uri_in(parameters.weights)
    check_weights(weights, settings["train"]["weights_sha256"])
    for baseline in EvaluateConfig(**settings["evaluate"]).named_baselines.values():
        find_record(baseline)
    check_machine(settings["export"]["formats"])
    found = {
        "source": fingerprint(source, [run.store], IngestConfig(**settings["ingest"]).reach),
        "weights": weights if weights in NAMED else fingerprint(weights),
        "settings": settings,
        "code": code_digest(),
    }
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    same_as = _decided(digest, run)
    return ResolveResult(
        digest=UNCHANGED if same_as and not parameters.force else digest,
        source=printable(storage.redact(source)),
        found=digest,
        same_as=same_as,
    )


def _decided(digest: str, run: Run) -> str:
    """Returns the last decided run if it was about the same, else nothing."""
    decided = last_decided(run.store, run.name, run.run_id) if run.store else None
    if decided is None:
        return ""
    past, records = decided
    resolved = outcome_of(records.resolve)
    return past.run_id if resolved and resolved.found == digest else ""


def check_settings(parameters: Parameters) -> dict[str, dict[str, Any]]:
    """Returns the effective settings of every step, after checking them all.

    Args:
        parameters: The pipeline's parameters; source, weights and store are not looked at.

    Raises:
        GraftError: A recipe, section, field or value is not allowed.
    """
    config = parameters.config
    given = {"optimizer": parameters.optimizer or None, "learning_rate": parameters.learning_rate or None}
    chosen: dict[str, Any] = {
        "ingest": configure("ingest", IngestConfig, section(config, "ingest")),
        "train": train_config(parameters.recipe, config, given),
        "evaluate": configure("evaluate", EvaluateConfig, section(config, "evaluate")),
        "gate": gate_config(config, parameters.min_accuracy),
        "export": configure("export", ExportConfig, section(config, "export")),
    }
    return {step: dataclasses.asdict(settings) for step, settings in chosen.items()}
