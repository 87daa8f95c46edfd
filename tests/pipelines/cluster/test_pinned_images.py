"""Images go into a compiled pipeline by digest."""

import pytest
from web import web_server

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.profile.fields import Images, Profile
from graft.pipelines.cluster.profile.images import pinned_images, unknown_images
from graft.pipelines.cluster.profile.reading import read_profile

PINNED = "registry.example/graft@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("graft:cpu", "is a tag, which can be moved"),
        ("graft", "is a tag, which can be moved"),
        ("registry/Graft", "is no image"),
        ("registry/graft@sha256:123", "is no image"),
        ("x;rm -rf /", "is no image"),
        ("", "is no image"),
    ],
)
def test_images_go_in_by_digest_or_not_at_all(image, said):
    with pytest.raises(GraftError, match=said):
        pinned_images(Profile(images=Images(cpu=image)), None, allow_tag=False)


def test_a_tag_without_docker_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(
        GraftError, match=r"or use --allow-tag.*no Docker Engine answers here to ask the registry\.$"
    ) as refused:
        pinned_images(Profile(images=Images(cpu="registry.example/graft:cpu")), None, allow_tag=False)
    assert "Error while fetching" not in str(refused.value)


def test_tags_only_where_they_are_allowed():
    profile = Profile(images=Images(cpu="graft:cpu"))
    assert pinned_images(profile, None, allow_tag=True).cpu == "graft:cpu"
    with pytest.raises(GraftError, match="is no image"):
        pinned_images(Profile(images=Images(cpu="$(id)")), None, allow_tag=True)


def test_a_gpu_needs_a_gpu_image():
    profile = read_profile(None, "kubeflow").model_copy(update={"images": Images(cpu=PINNED)})
    with pytest.raises(GraftError, match=r"images\.gpu: the profile asks for a GPU"):
        pinned_images(profile, None, allow_tag=False)


def test_a_registry_that_does_not_answer_is_asked_once(monkeypatch):
    def engine(method, path, body):
        if path.endswith("/version"):
            return 200, {"ApiVersion": "1.41"}
        raise ConnectionAbortedError

    with web_server(engine) as web:
        monkeypatch.setenv("DOCKER_HOST", web.url.replace("http", "tcp"))
        assert unknown_images(Images(cpu=PINNED, gpu=PINNED.replace("0", "1"))) == []
    assert len([path for _, path, _, _ in web.asked if not path.endswith("/version")]) == 1
