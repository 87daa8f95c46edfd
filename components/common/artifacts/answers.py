"""Which images a model answers: those for which it is confident."""

from pydantic import Field

from graft.components.common.artifacts.record import Part


class RiskCoverage(Part):
    """Risk by coverage: only the most confident images are answered, at most 100 shares of them."""

    coverage: tuple[float, ...] = Field(description="Share of the images that are answered, ascending.")
    risk: tuple[float, ...] = Field(description="Share of the answered images that are wrong.")
    confidence: tuple[float, ...] = Field(description="Confidence from which on images are answered.")


class Answered(Part):
    """The images for which the model is confident, by the confidence that was chosen when it was trained."""

    wanted_accuracy: float = Field(description="The accuracy that they should have.")
    abstain_below: float = Field(description="The confidence below which the model is not confident.")
    images: int = Field(description="How many images are answered.")
    coverage: float = Field(description="Share of the images that are answered.")
    wrong: int = Field(description="The answered images that are wrong.")
    risk: float | None = Field(description="Share of the answered images that are wrong; None if none is answered.")
    risk_upper: float = Field(
        description="With 95% confidence (one-sided, Clopper and Pearson) the risk is at most this, unless the images chose the model."
    )
