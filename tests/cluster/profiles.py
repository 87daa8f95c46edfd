"""A profile of a cluster that is played here, and its images."""

IMAGES = {"cpu": "registry.example/graft@sha256:" + "0" * 64, "gpu": "registry.example/graft@sha256:" + "1" * 64}


def write_profile(path, target, url, extra=""):
    text = "pipeline_root: gs://bucket/artifacts\n"
    if target == "vertex":
        text += f"service_account: graft@p.iam.example\nvertex: {{project: p, location: l, endpoint: '{url}'}}\n"
    else:
        text += f"kubeflow: {{endpoint: '{url}'}}\n"
    path.write_text(text + extra)
    return path
