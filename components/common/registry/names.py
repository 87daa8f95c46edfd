"""The names of the models in a store."""

from graft.components.common import storage
from graft.components.common.runs.step_record import is_safe_name


def models_in(store: str) -> str:
    """Returns a sentence with the names of the models in a store, for a message that says of one that nothing is there.

    Args:
        store: Path or URI of the store.

    Raises:
        GraftError: The store can't be read.
    """
    names = {file.path.partition("/")[0] for file in storage.list(f"{store.rstrip('/')}/models") if "/" in file.path}
    held = ", ".join(sorted(filter(is_safe_name, names))) or "none"
    return f"Models in {storage.redact(store)}: {held}."
