"""What a search leaves: the best settings as a recipe of one's own, and a table of all that were tried."""

import csv
import dataclasses
import io
import secrets
from collections.abc import Sequence
from pathlib import PurePosixPath

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.train.config import TrainConfig
from graft.components.train.tune.search import Tried, best_of
from graft.components.train.tune.search_space import SEARCHED

SUFFIXES = (".yaml", ".yml")


def trials_file(recipe: str) -> str:
    """Returns where the table of a recipe's trials goes: `tuned.trials.csv` beside `tuned.yaml`.

    Raises:
        GraftError: The recipe's file has another ending, by which no command would take it for one, or its name is no valid UTF-8.
    """
    storage.check_text(recipe)
    if not recipe.endswith(SUFFIXES):
        raise GraftError(f"The recipe can't be {storage.redact(recipe)}: give a file that ends in .yaml.")
    return f"{recipe.rpartition('.')[0]}.trials.csv"


def check_place(recipe: str) -> None:
    """Writes and deletes a probe beside a recipe: what a search found is not to be lost because it can't be written.

    Raises:
        GraftError: One of them failed, or the recipe would take a folder's place.
    """
    local = storage.local_path(recipe)
    if local and local.is_dir():
        raise GraftError(f"The recipe can't be {storage.redact(recipe)}: that is a folder; name a file in it.")
    name = secrets.token_hex(3)  # as long as what it stands for
    probe = trials_file(recipe).removesuffix("trials.csv") + f"{name}.csv"
    try:
        storage.write(probe, name.encode())
        storage.delete(probe)
    except GraftError as error:  # it speaks of the probe
        raise GraftError(str(error).replace(storage.redact(probe), storage.redact(recipe))) from error


def write_recipe(uri: str, tried: Sequence[Tried], dataset: str) -> None:
    """Writes the table, then the recipe, each as a whole.

    Args:
        uri: Path or URI of the recipe.
        tried: All that was tried; the settings that the search began with come first.
        dataset: Digest of the dataset.

    Raises:
        GraftError: A file can't be written.
    """
    import yaml

    best, start, table = best_of(tried), tried[0], trials_file(uri)
    fields = {field.name: getattr(best.config, field.name) for field in dataclasses.fields(TrainConfig)}
    defaults = dataclasses.asdict(TrainConfig(best.config.backbone)) | {"backbone": TrainConfig.backbone}
    settings = {name: value for name, value in fields.items() if name in SEARCHED or value != defaults[name]}
    which = "better than the beginning is none" if best is start else "the best"
    found = (
        f"# graft tune: {which} of {len(tried) - 1} trials by their loss, out of fold, on {best.images:,} training images of the\n"
        f"# dataset {dataset}.\n"
        f"# loss {best.loss:.4f}, accuracy {best.accuracy:.1%}; at the beginning: {start.loss:.4f}, {start.accuracy:.1%}\n"
        f"# all trials: {escaped(PurePosixPath(storage.redact(table)).name)}\n"
    )
    storage.write(table, _table(tried).encode())
    storage.write(uri, (found + yaml.safe_dump(settings, sort_keys=False)).encode())


def _table(tried: Sequence[Tried]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", *SEARCHED, "images", "loss", "accuracy"])
    for number, one in enumerate(tried):
        settings = [getattr(one.config, name) for name in SEARCHED]
        writer.writerow([number, *settings, len(one.losses), f"{one.loss:.6f}", f"{one.accuracy:.4f}"])
    return text.getvalue()
