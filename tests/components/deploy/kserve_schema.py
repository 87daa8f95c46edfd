"""Writes kserve_schema.json: the fields and types of an InferenceService, from the models that KServe generates for its Python package.

    python tests/components/deploy/kserve_schema.py FOLDER_OF_kserve/models

The package (kserve 0.21.0) needs an environment of its own, which `make servers` makes. tests/servers then compares.
"""

import ast
import json
import sys
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
# What Graft writes and reads. A field of another type is known by name alone.
_MODELS = (
    "v1beta1_inference_service",
    "v1beta1_inference_service_spec",
    "v1beta1_inference_service_status",
    "v1beta1_component_status_spec",
    "v1beta1_predictor_spec",
    "v1beta1_model_spec",
    "v1beta1_model_format",
    "v1beta1_model_status",
    "knative_condition",
)


def schema(folder):
    """Returns the types of fields by model and name in JSON."""
    found = {}
    for module in _MODELS:
        code = (folder / f"{module}.py").read_text()
        model = next(node for node in ast.parse(code).body if isinstance(node, ast.ClassDef))
        tables = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in model.body
            if isinstance(node, ast.Assign) and node.targets[0].id in ("openapi_types", "attribute_map")
        }
        found[model.name] = {name: tables["openapi_types"][field] for field, name in tables["attribute_map"].items()}
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(schema(Path(sys.argv[1])), indent=1, sort_keys=True) + "\n")
