"""The fields of a profile, which says where the pipeline's steps run."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from graft.components.common.artifacts.signing.keys import check_public_keys
from graft.components.common.errors import GraftError
from graft.components.common.runs.verdict import QUIET_RUNS
from graft.components.common.steps import Component, FannedStep
from graft.components.export.config import check_server
from graft.pipelines.cluster.durations import DAY, MINUTE, parse_duration
from graft.pipelines.cluster.profile.last_steps import DeploySection, MirrorSection
from graft.pipelines.cluster.profile.pods import Pods, Toleration, Volume
from graft.pipelines.cluster.profile.section import Duration, EnvName, Memory, Quantity, Section, Uri, Whole

IMAGES_FILE = "images.json"

GpuStep = Literal["train", "evaluate"]

_QUICK: tuple[Component, ...] = ("resolve", "gate", "mirror", "notify")
_QUICK_SECONDS = 15 * MINUTE


def _public_keys(text: str) -> str:
    try:
        if text:
            check_public_keys(text, "it")
    except GraftError as error:
        raise ValueError(str(error)) from error
    return text


class Images(Section):
    """The images of the steps."""

    cpu: str
    """Image of all steps that need no GPU."""
    gpu: str = ""
    """Image of the steps that get a GPU."""


class Gpu(Section):
    """The GPU node pool, which `train` asks for, and `evaluate` where it is named."""

    type: str
    """Kubeflow: the resource, such as `nvidia.com/gpu`. Vertex: the accelerator, such as `NVIDIA_TESLA_T4`."""
    count: Annotated[Whole, Field(ge=1, le=16)] = 1
    """GPUs of one machine; `evaluate` gets one of them."""
    node_selector: dict[str, str] = {}
    """Labels of the node pool. Kubeflow only."""
    steps: Annotated[list[GpuStep], Field(min_length=1)] = ["train"]
    """The steps that get a GPU: `train`, `evaluate` or both."""
    tolerations: list[Toleration] = []
    """Taints of the node pool that these steps may ignore. Kubeflow only."""


class Retry(Section):
    """How often a failed step is tried again, and the pauses between. The gate is never tried again.

    On Kubeflow the installation has a say as well: docs/gke.md.
    """

    count: Annotated[Whole, Field(ge=0, le=10)] = 2
    """Further attempts."""
    backoff: Duration = "60s"
    """Pause before the second attempt."""
    factor: Annotated[Whole, Field(ge=1, le=10)] = 2
    """Factor by which each pause is longer than the one before: a whole number, as Kubeflow takes no other."""


class StepSettings(Section):
    """What one step gets."""

    cpu: Quantity = ""
    """CPU cores, such as `4` or `500m`."""
    memory: Memory = ""
    """Memory, such as `8Gi`."""
    timeout: Duration = ""
    """Time limit of each attempt from its pod's start on a node, such as `2h`; `15m` for resolve, gate, mirror and notify, and `1d` for the
    others, if not given. Kubeflow only."""
    retries: Annotated[Whole, Field(ge=0, le=10)] | None = None
    """Further attempts, instead of `retry.count`. Not for the gate: it would decide the same."""
    volume: Volume | None = None
    """A volume of the step's own for artifacts, of which Kubeflow copies every input whole. Kubeflow only."""


class FanOutSection(Section):
    """How many parts share a step's work before it runs. They run side by side, each placed as the step is. This needs a store."""

    parts: Annotated[Whole, Field(ge=1, le=64)]
    """The most parts. On Kubeflow those of all steps together are bounded by `kubeflow.max_workflow_size`."""
    images: Annotated[Whole, Field(ge=1)] = 50_000
    """How many images a part is worth: less work has fewer parts. A part should take minutes, so on GPUs some `250000`."""


class Secret(Section):
    """A key of a Kubernetes secret that steps get as an environment variable. Kubeflow only."""

    name: str
    """The secret's name."""
    key: str
    """The key in it."""
    env: EnvName
    """The environment variable."""
    steps: list[Component] = []
    """The steps that get it; all of them if not given."""


class SecretKey(Section):
    """A key of a Kubernetes secret."""

    name: str
    """The secret's name."""
    key: str
    """The key in it."""


class Notification(Section):
    """The webhook that is called when a run ends. Its URL is a secret, so it is not written here."""

    secret: SecretKey | None = None
    """The Kubernetes secret that holds the webhook's URL. Kubeflow only."""
    secret_manager: Annotated[str, Field(pattern=r"^(projects/[^/]+/secrets/[^/]+/versions/[^/]+)?$")] = ""
    """The Secret Manager version that holds the URL: `projects/…/secrets/…/versions/latest`."""
    format: Literal["json", "text"] = "json"
    """What is sent: all fields, or `text` alone for chats that take nothing else."""
    quiet: Annotated[Whole, Field(ge=1)] = QUIET_RUNS
    """Notify on every Nth unchanged run in a row; this is the N."""

    @model_validator(mode="after")
    def _one_place(self) -> "Notification":
        if bool(self.secret) == bool(self.secret_manager):
            raise ValueError("name one place of the webhook's URL: secret or secret_manager")
        return self


class Kubeflow(Section):
    """The Kubeflow Pipelines installation. `--endpoint`, `--namespace` and `--experiment` win over it."""

    endpoint: Uri = ""
    """Address of the API; in the cluster none is needed."""
    ui: Uri = ""
    """Address of the UI, to which printed links and notifications lead; if not given, the `endpoint`, which mostly serves both."""
    namespace: str = ""
    """The user namespace, where Kubeflow has several users."""
    experiment: str = "graft"
    """The experiment that runs and schedules belong to."""
    time_zone: str = "UTC"
    """The `CRON_SCHEDULE_TIMEZONE` of the installation, the only one its schedules can have."""
    max_workflow_size: Annotated[Whole, Field(ge=2**20, le=1_450_000)] = 2**20
    """The `MAX_WORKFLOW_SIZE` in bytes of the installation's workflow controller, which bounds the parts of `fan_out`."""

    def link(self, run: str) -> str:
        """Returns the address of a run's page; empty where the UI's is unknown."""
        where = self.ui or self.endpoint
        return f"{where.rstrip('/')}/#/runs/details/{run}" if where else ""


class Vertex(Section):
    """The Vertex AI project."""

    project: str = ""
    """The project's ID."""
    location: str = ""
    """The region, such as `europe-west4`."""
    endpoint: Uri = ""
    """Address of the API, where it is reached privately."""

    def link(self, run: str) -> str:
        """Returns the address of a run's page; empty without a project and location."""
        if not (self.project and self.location):
            return ""
        pipelines = f"https://console.cloud.google.com/vertex-ai/pipelines/locations/{self.location}"
        return f"{pipelines}/runs/{run}?project={self.project}"


class Profile(Section):
    """Where the pipeline's steps run."""

    images: Images | str = IMAGES_FILE
    """The images, or the file that `make push` wrote, relative to the profile."""
    pipeline_root: Uri = ""
    """Where the artifacts go, such as `gs://bucket/artifacts`; the installation's default if not given."""
    store: Uri = ""
    """The pipeline's `store` where a run names none."""
    service_account: str = ""
    """The account that the steps run under."""
    gpu: Gpu | None = None
    """The GPU node pool; without it the run needs no GPU."""
    retry: Retry = Retry()
    """Further attempts after a failure."""
    steps: dict[Component, StepSettings] = {}
    """CPU, memory, timeout, retries and volume by step."""
    pods: Pods = Pods()
    """What the pods of all steps get. Kubeflow only."""
    fan_out: dict[FannedStep, FanOutSection] = {}
    """Parts that share a step's work, by step: `ingest`, `train` and `evaluate` can have them."""
    secrets: list[Secret] = []
    """Kubernetes secrets that steps get as environment variables. Kubeflow only."""
    notification: Notification | None = None
    """The webhook that is called when a run ends."""
    verify_key: Annotated[str, AfterValidator(_public_keys)] = ""
    """The public keys in PEM, by one of which versions and `latest.json` must be signed. `export` signs them by the private key that
    `secrets` gives it as `GRAFT_SIGNING_KEY`. Kubeflow only."""
    validate_with: Annotated[str, AfterValidator(check_server)] = ""
    """The server that `export` tries the model with besides Graft's own: `kserve:ENVIRONMENT`, a virtual environment in the image, or a
    command with {folder}, {name} and {port}."""
    deploy: DeploySection | None = None
    """Where and how the model is brought into traffic after export; without it, it isn't."""
    mirror: MirrorSection | None = None
    """Another registry, which is told after export what Graft's says; without it, none is."""
    kubeflow: Kubeflow = Kubeflow()
    """The Kubeflow Pipelines installation."""
    vertex: Vertex = Vertex()
    """The Vertex AI project and region."""

    @model_validator(mode="before")
    @classmethod
    def _on_vertex_in_the_same_project(cls, content: Any) -> Any:
        """Fills in the project and location of a last step that is about Vertex, where its section has none."""
        if not isinstance(content, dict) or not isinstance(vertex := content.get("vertex"), dict):
            return content
        where = {field: vertex[field] for field in ("project", "location") if field in vertex}
        on_vertex = {
            name: where | section
            for name, kind in (("deploy", "target"), ("mirror", "to"))
            if isinstance(section := content.get(name), dict) and section.get(kind) == "vertex"
        }
        return content | on_vertex

    @model_validator(mode="after")
    def _never_retry_the_gate(self) -> "Profile":
        if (gate := self.steps.get("gate")) and gate.retries:
            raise ValueError("steps.gate.retries: the gate is never tried again: it would decide the same")
        return self

    def gpu_of(self, step: Component) -> Gpu | None:
        """Returns the GPU that a step asks for; `evaluate` runs on one alone."""
        if self.gpu is None or step not in self.gpu.steps:
            return None
        return self.gpu if step == "train" else self.gpu.model_copy(update={"count": 1})

    def timeout(self, step: Component) -> int:
        """Returns the seconds that an attempt of a step may take on Kubeflow."""
        given = self.steps.get(step, StepSettings()).timeout
        return parse_duration(given) if given else _QUICK_SECONDS if step in _QUICK else DAY
