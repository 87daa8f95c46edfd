"""What the last steps, which bring a version elsewhere, return and leave in their run records."""

from pydantic import Field

from graft.components.common.artifacts.outcomes.results import Result


class DeployResult(Result):
    """What deploy brought into traffic."""

    where: str = Field(description="The place that serves the model.")
    version: str = Field(description="The version; empty where none was promoted yet.")
    percent: int = Field(description="Its share of the traffic there.")
    changed: bool = Field(description="Whether that is new.")

    @property
    def summary(self) -> str:
        """One line for people."""
        if not self.version:
            return f"no version was promoted yet, so {self.where} stays as it is"
        return f"{self.where} {'now' if self.changed else 'already'} gives {self.percent}% of its traffic to version {self.version[:12]}"


class MirrorResult(Result):
    """What mirror told another registry."""

    where: str = Field(description="The other registry.")
    champion: str = Field("", description="The version that is `champion` there; empty for none.")
    versions: int = Field(0, description="Versions that it has, of those in the registry.")
    changed: int = Field(0, description="Those of them that were added or brought up to date.")
    problem: str = Field("", description="Why it is not up to date, which the next call mends; empty if it is.")

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.problem:
            return f"not mirrored, the next run catches up: {self.problem}"
        champion = f"champion {self.champion[:12]}" if self.champion else "no champion"
        return f"{self.where} has {self.versions:,} versions, {self.changed:,} of them new or changed, {champion}"
