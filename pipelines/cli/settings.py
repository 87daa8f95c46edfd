"""What a run works on and how: the pipeline's parameters as options of the command line."""

import dataclasses

from cyclopts import Parameter

from graft.pipelines.cli.options import ConfigOption, RecipeOption


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class RunSettings:
    """The pipeline's parameters.

    Attributes:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest. Without it: the public cats and dogs archive, or
            on this machine drawn pictures where that can't be reached.
        weights: imagenet (the default where a source is named), random, or path or URI of a Keras weights file.
        recipe: Name of the training's settings, or a .yaml file of them; the default ones if not given.
        optimizer: Optimizer; the recipe's if not given.
        learning_rate: Learning rate; the recipe's if 0.
        min_accuracy: Accuracy that the gate asks for; its default if 0.
        config: JSON of further settings, a section a step, such as {"train": {"cut": "mixed4"}}, or a .yaml file of them.
        store: Path or URI of the store; on this machine the folder store among the runs if not given, on a cluster the
            profile's.
        name: The model's name.
        force: Run although nothing changed.
    """

    source: str = ""
    weights: str = ""
    recipe: RecipeOption = ""
    optimizer: str = ""
    learning_rate: float = 0.0
    min_accuracy: float = 0.0
    config: ConfigOption = ""
    store: str = ""
    name: str = "model"
    force: bool = False

    def check(self) -> None:
        """Checks what can be checked without looking at source and weights.

        Raises:
            GraftError: A recipe, section, field or value is not allowed.
        """
        from graft.components.resolve.resolve import check_settings

        check_settings(self.recipe, self.config, self.optimizer, self.learning_rate, self.min_accuracy)
