"""The new model meets others on the same images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.evaluate.comparison import compare
from graft.components.evaluate.contender import Contender
from graft.components.evaluate.overlap import unseen

Array = np.ndarray[Any, Any]


def check_numbers(probabilities: Array, whose: str) -> None:
    """Refuses a model whose answers are no numbers: no figure of it would mean anything.

    Args:
        probabilities: float [N, classes], its answers.
        whose: The model's path or URI, for the message.

    Raises:
        GraftError: It is one.
    """
    if bad := int((~np.isfinite(probabilities)).any(axis=1).sum()):
        raise GraftError(
            f"{whose} answers {bad:,} of {len(probabilities):,} images with no number: train or name another."
        )


class Meeting:
    """The images that models meet on, and what each predicts.

    Args:
        dataset: The dataset.
        split: Its split.
        index: The split's index, with what `unseen` needs.
        labels: int [N], the true classes.
        digest: Digest of the new model.
        predicted: int [N], the classes that it predicts.

    Attributes:
        predicted: By a model's digest, the classes that it predicts.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        index: Mapping[str, Sequence[Any]],
        labels: Array,
        digest: str,
        predicted: Array,
    ) -> None:
        self._dataset, self._split, self._index = dataset, split, index
        self._labels, self._digest = labels, digest
        self.predicted = {digest: predicted}
        self._fair: dict[str, Array] = {}

    def compare(self, role: str, rival: Contender) -> dict[str, Any]:
        """Compares the new model with another on the images that the other was not trained on, each model running once.

        Args:
            role: What the other one is: `champion` or `anchor`.
            rival: The other one.

        Returns:
            As `comparison.compare`; also its `uri` and `model_digest`, and `left_out`, how many images it was trained on.

        Raises:
            GraftError: It was trained on all of them, or answers with no numbers.
        """
        if rival.digest not in self.predicted:
            probabilities = rival.predict(self._dataset, self._split, f"evaluating the {role}")
            check_numbers(probabilities, rival.uri)
            self.predicted[rival.digest] = probabilities.argmax(axis=1)
        fair = self.fair(rival)
        if not fair.any():
            raise GraftError(
                f"The {role}, {rival.uri}, was trained on every {self._split} image of {self._dataset.path} or a near twin: ingest "
                f"splits that hold, or compare with none (--{role} none)."
            )
        right = {digest: (predicted == self._labels)[fair] for digest, predicted in self.predicted.items()}
        compared = compare(right[self._digest], right[rival.digest])
        if rival.digest == self._digest:  # a model is not worse than itself, however few the images
            compared |= {"interval": [0.0, 0.0], "lower": 0.0}
        left_out = int((~fair).sum())
        return {"uri": rival.uri, "model_digest": rival.digest, **compared, "left_out": left_out}

    def fair(self, rival: Contender) -> Array:
        """Returns which images another model was not trained on, nor on near twins of: bool [N].

        Args:
            rival: The other one. Of one without an index all are taken for such.

        Raises:
            GraftError: Its index is damaged.
        """
        if rival.uri not in self._fair:
            everything = np.ones(len(self._labels), bool)
            self._fair[rival.uri] = unseen(self._index, rival.index, rival.uri) if rival.index else everything
        return self._fair[rival.uri]
