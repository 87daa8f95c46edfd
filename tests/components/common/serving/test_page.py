"""The page's policy lets its own script run and nothing else, whatever the classes are called."""

import base64
import hashlib
import json
import re

from graft.components.common.serving.page import page

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "\u2028<!--<script>",
    "\ud800",
]


def test_the_policy_names_the_one_script_and_forbids_other_servers():
    answer = page("pets", HOSTILE)
    data, script = re.findall(r"<script[^>]*>(.*?)</script>", answer.text, re.DOTALL)
    assert json.loads(data) == {"name": "pets", "classes": HOSTILE}
    policy = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "http" not in answer.headers["Content-Security-Policy"]


def test_it_fetches_nothing():
    text = page("pets", ["cats", "dogs"]).text
    assert re.findall(r"https?:|@import|url\(|innerHTML", text) == []
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["data:,"]
