"""The command that predicts the classes of images."""

import csv
import dataclasses
import json
import logging
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from graft.components.common import storage
from graft.components.common.artifacts.signing.keys import verifying
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.pipelines.cli.exits import EXIT_ERROR
from graft.pipelines.local.named_model import find_model
from graft.pipelines.local.predicting import Prediction, find_images, predict_images

log = logging.getLogger("graft")


def predict(
    model: str,
    /,
    *images: str,
    store: str = "",
    verify_key: str = "",
    form: Annotated[Literal["table", "json", "csv"], Parameter(name="--format")] = "table",
) -> None:
    """Predicts the classes of images; exit code 1 if one of them can't be used.

    Args:
        model: Path or URI of a Model or an Export; with a store a name in its registry, as pets (the latest version) or pets@3f9a.
        images: Paths or URIs of images, or of folders of them.
        store: Path or URI of the store whose registry has the model.
        verify_key: File of the public keys, one of which must have signed the version; if not given: what GRAFT_VERIFY_KEY names.
        form: How to print the result.
    """
    files, found = find_images(images)
    if not files and not found:
        where = f" in {', '.join(map(storage.redact, images))}" if images else ""
        raise GraftError(f"There is no image to predict{where}: name files, or folders with images in them.")
    with verifying(verify_key):
        found += predict_images(find_model(model, store), files)
    write = {"table": _table, "json": _json, "csv": _csv}[form]
    write(found)
    if unusable := sum(bool(prediction.error) for prediction in found):
        log.error("%s of %s files can't be used", f"{unusable:,}", f"{len(found):,}")
        sys.exit(EXIT_ERROR)


def _table(found: list[Prediction]) -> None:
    width = max(len(escaped(prediction.image)) for prediction in found)
    for prediction in found:
        told = prediction.error or f"{prediction.label}  {max(prediction.probabilities.values()):.1%}"
        if prediction.confident is False:
            told += "  not confident"
        print(f"{escaped(prediction.image):<{width}}  {escaped(told)}")


def _json(found: list[Prediction]) -> None:
    told = [dataclasses.asdict(prediction) for prediction in found]
    if not _abstains(found):
        for prediction in told:
            del prediction["confident"]
    for line in json.dumps(told, indent=2, ensure_ascii=False).split("\n"):
        print(escaped(line))


def _csv(found: list[Prediction]) -> None:
    classes = next((list(prediction.probabilities) for prediction in found if prediction.probabilities), [])
    writer = csv.writer(sys.stdout, lineterminator="\n")
    abstains = ["confident"] if _abstains(found) else []
    writer.writerow(["image", "label", *map(_cell, classes), *abstains, "error"])
    for prediction in found:
        shown = [prediction.probabilities.get(name, "") for name in classes]
        shown += ["" if prediction.confident is None else str(prediction.confident).lower() for _ in abstains]
        writer.writerow([_cell(prediction.image), _cell(prediction.label), *shown, _cell(prediction.error)])


def _abstains(found: list[Prediction]) -> bool:
    """Tells whether the model says if it is confident."""
    return any(prediction.confident is not None for prediction in found)


def _cell(text: str) -> str:
    """Returns text for a spreadsheet, which would take what begins so for a formula: https://owasp.org/www-community/attacks/CSV_Injection."""
    return f"'{escaped(text)}" if text.startswith(("=", "+", "-", "@")) else escaped(text)
