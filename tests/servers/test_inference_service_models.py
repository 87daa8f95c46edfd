"""What the tests of deploying know of an InferenceService is what KServe's own package says."""

import json
import sys

from support import ROOT, skip

sys.path.append(str(ROOT / "tests/components/deploy"))
import kserve_schema

ENVIRONMENT = ROOT / "build/servers/kserve"


def test_the_fields_of_an_inference_service_are_those_of_kserves_models():
    found = list(ENVIRONMENT.glob("lib/python3*/site-packages/kserve/models"))
    if not found:
        skip("kserve", f"{ENVIRONMENT.relative_to(ROOT)} doesn't exist: make servers")
    assert kserve_schema.schema(found[0]) == json.loads(kserve_schema.FILE.read_text())
