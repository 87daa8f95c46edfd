"""The resolve step: fails in seconds on what would fail after an hour, and names what this run is about."""

import dataclasses
import hashlib
import json
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.results import UNCHANGED, ResolveResult
from graft.components.common.compute.weights import check_weights
from graft.components.common.config import configure, section
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import last_decided
from graft.components.common.runs.step_record import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.export.config import ExportConfig
from graft.components.export.formats import check_packages
from graft.components.gate.config import gate_config
from graft.components.ingest.config import IngestConfig
from graft.components.resolve.code import code_digest
from graft.components.resolve.fingerprint import fingerprint
from graft.components.resolve.preflight import check_baselines, check_store
from graft.components.train.recipes import train_config


def resolve(
    source: str,
    weights: str = "imagenet",
    recipe: str = "",
    config: str = "",
    optimizer: str = "",
    learning_rate: float = 0.0,
    min_accuracy: float = 0.0,
    run: Run = Run(),  # noqa: B008 (frozen)
    *,
    force: bool = False,
) -> ResolveResult:
    """Checks that a run can begin, and returns the digest of what it would work on, or that nothing changed.

    What it works on is compared with the last run of the name that came to a decision, which a failed gate is as well. A run that was
    killed, cancelled or failed otherwise decided nothing.

    Args:
        source: Path or URI of the images.
        weights: The backbone's weights.
        recipe: The recipe; empty for the default.
        config: The pipeline's `config` parameter, JSON.
        optimizer: The optimizer; empty for the recipe's.
        learning_rate: The learning rate; 0 for the recipe's.
        min_accuracy: The gate's threshold; 0 for its default.
        run: The run; its store, if it has one, knows the earlier ones.
        force: Whether to go on although nothing changed.

    Raises:
        GraftError: The source, the weights, the registry or a model to compare with can't be read, the store or the place of the
            TensorBoard logs not written, a setting is wrong, or a package for a format is missing.
    """
    settings = check_settings(recipe, config, optimizer, learning_rate, min_accuracy)
    for written in filter(None, (run.store, settings["train"]["tensorboard"])):
        check_store(written)
    if run.store:
        Registry(run.store, run.name).latest()
    check_weights(weights)
    check_baselines(settings["evaluate"])
    check_packages(settings["export"]["formats"])
    found = {
        "source": fingerprint(source),
        "weights": weights if weights in ("imagenet", "random") else fingerprint(weights),
        "settings": settings,
        "code": code_digest(),
    }
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    same_as = _decided(digest, run)
    return ResolveResult(
        digest=UNCHANGED if same_as and not force else digest,
        source=storage.redact(source),
        found=digest,
        same_as=same_as,
    )


def _decided(digest: str, run: Run) -> str:
    """Returns the last decided run if it was about the same, else nothing."""
    decided = last_decided(run.store, run.name, run.run_id) if run.store else None
    if decided is None:
        return ""
    past, records = decided
    return past.run_id if records.resolved and records.resolved.found == digest else ""


def check_settings(
    recipe: str, config: str, optimizer: str, learning_rate: float, min_accuracy: float
) -> dict[str, dict[str, Any]]:
    """Returns the effective settings of every step, after checking them all.

    Args:
        recipe: As in `resolve`, like the others.
        config: JSON of further settings.
        optimizer: The optimizer; empty for the recipe's.
        learning_rate: The learning rate; 0 for the recipe's.
        min_accuracy: The gate's threshold; 0 for its default.

    Raises:
        GraftError: A recipe, section, field or value is not allowed.
    """
    chosen: dict[str, Any] = {
        "ingest": configure("ingest", IngestConfig, section(config, "ingest")),
        "train": train_config(recipe, config, {"optimizer": optimizer or None, "learning_rate": learning_rate or None}),
        "evaluate": configure("evaluate", EvaluateConfig, section(config, "evaluate")),
        "gate": gate_config(config, min_accuracy),
        "export": configure("export", ExportConfig, section(config, "export")),
    }
    return {step: dataclasses.asdict(settings) for step, settings in chosen.items()}
