"""Credentials come from the environment alone, and an address that holds some is refused."""

import base64
import json

import pytest
from web import web_server

from graft.components.common.config import configure
from graft.components.common.errors import GraftError
from graft.components.mirror.config import MirrorConfig
from graft.components.mirror.mirror import mirror

SECRET = "s3cret-töken"
VARIABLES = [f"MLFLOW_TRACKING_{name}" for name in ("TOKEN", "USERNAME", "PASSWORD")]
BASIC = "Basic " + base64.b64encode(f"ada:{SECRET}".encode()).decode()
BEARER = f"Bearer {SECRET}".encode().decode("latin-1")  # as the server reads a header

REFUSED = {
    "to is missing: name the address": {},
    "to can't be 'mlflow.example.com': name the address": {"to": "mlflow.example.com"},
    "to can't be 'databricks://prod': name the address": {"to": "databricks://prod"},
    "to can't be 'https://': name the address": {"to": "https://"},
    "to can't be 'https:///mlflow': name the address": {"to": "https:///mlflow"},
    "to can't be 'https://mlflow.example.com\\n': name the address": {"to": "https://mlflow.example.com\n"},
    "holds a user name, password or query string beside https://mlflow.example.com": {
        "to": f"https://a:{SECRET}@mlflow.example.com"
    },
    "password or query string beside https://mlflow.example.com/x": {
        "to": f"https://mlflow.example.com/x?token={SECRET}"
    },
    "project, location and image are for vertex alone": {"to": "https://mlflow.example.com", "project": "p"},
    "needs project, location and image": {"to": "vertex", "project": "p"},
    "mirror has no setting 'token'": {"to": "https://mlflow.example.com", "token": SECRET},
}


@pytest.mark.parametrize("told", REFUSED)
def test_what_can_be_no_mirror_is_refused(told):
    with pytest.raises(GraftError) as refused:
        configure("mirror", MirrorConfig, REFUSED[told])
    assert told in str(refused.value) and SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (("", "", ""), None),
        ((f"{SECRET}\n", "", ""), BEARER),
        (("", "ada", f"{SECRET}\n"), BASIC),
        (("other", "ada", SECRET), BASIC),  # as MLflow's own client does
        (("", "ada", ""), None),
    ],
)
def test_credentials_are_those_of_the_environment(faked, monkeypatch, tmp_path, caplog, given, sent):
    for variable, value in zip(VARIABLES, given, strict=True):
        monkeypatch.setenv(variable, value)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    faked.publish(1)
    with web_server(lambda method, path, body: (401, {})) as web:
        result = mirror(faked.registry, MirrorConfig(web.url))
    ((_, _, headers, _),) = web.asked
    assert headers.get("Authorization") == sent
    assert SECRET not in caplog.text + json.dumps(result.model_dump(mode="json"))
