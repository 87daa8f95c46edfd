"""Which model is meant by a path, a URI or a name in a registry."""

from graft.components.common import storage
from graft.components.common.artifacts.model import Model
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.registry.versions import models_in
from graft.components.common.runs.run import is_safe_name


def find_model(model: str, store: str) -> str:
    """Returns the path or URI of a model.

    Args:
        model: Path or URI of a Model, an Export, or the `model.keras` in one; with a store a name in its registry, as `pets` for the
            latest version or `pets@3f9a` for that whose name begins so.
        store: Path or URI of the store; empty for none.

    Raises:
        GraftError: It is neither, or the registry has no such version.
    """
    if not store:
        file = model.rpartition("/")[2]
        if file.endswith(".keras") and file != Model.KERAS:
            raise GraftError(
                f"{storage.redact(model)} can't be used without its record: name the Model, the Export, or the {Model.KERAS} in it."
            )
        if is_safe_name(model.partition("@")[0]) and not storage.exists(model):
            raise GraftError(
                f"There is no {model} here: name a Model or an Export, and with --store for a model of a registry."
            )
        return model.removesuffix(Model.KERAS) or "." if file == Model.KERAS else model
    name, at, version = model.partition("@")
    if at and not version:
        raise GraftError(f"{model} names no version: write {name}@VERSION, or {name} for the latest one.")
    if not is_safe_name(name):
        raise GraftError(f"{storage.redact(name)} is not a model's name: leave --store out for a path or URI.")
    registry = Registry(store, name)
    chosen = registry.versions.find(version) if version else registry.latest().version
    if not chosen:
        raise GraftError(
            f"{registry.folder} has no latest version: train and export one, or name one as {name}@VERSION. {models_in(store)}"
        )
    return registry.versions.uri(chosen)
