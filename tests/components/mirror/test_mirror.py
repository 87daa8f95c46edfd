"""An MLflow server has what the registry says, however often it is told, whatever is lost, and whoever else tells it."""

import shutil
import uuid

import pytest
from conftest import Mirrored
from mlflow_exchanges import record, recorded

from graft.components.common.errors import NotPromotedError

WRITES = "^(POST|DELETE)"


def test_every_server_answers_as_a_real_one_was_recorded_to(server):
    assert record(server.url) == recorded()


def test_a_season_of_five_runs(server, bucket, tmp_path):
    pets = Mirrored(f"{bucket}/graft", f"pets-{uuid.uuid4().hex[:8]}", server.url, tmp_path)
    published = []
    for seed, accuracy in enumerate((0.9, 0.92, 0.91)):
        published.append(pets.publish(seed, accuracy))
        result = pets.mirror()
        assert (result.champion, result.versions, result.where) == (published[-1], seed + 1, server.url)
        assert pets.champion == published[-1]
    # The fourth run was compared with an older champion: it is published and not promoted.
    published.append(pets.publish(3, promote=False))
    with pytest.raises(NotPromotedError):
        pets.registry.challenge(published[3], None)
    assert pets.mirror().champion == pets.champion == published[2]
    published.append(pets.publish(4, 0.95))
    assert pets.mirror().champion == pets.champion == published[4]

    pets.registry.rollback("it sees cats in cars")
    assert pets.mirror().champion == pets.champion == published[2]
    assert pets.held == published
    assert pets.states == ["promoted earlier", "promoted earlier", "latest", "not promoted", "withdrawn"]
    about = pets.registry.versions.about(published[4])
    number, source, tags = pets.versions[4]
    assert (number, source) == (5, f"{bucket}/graft/models/{pets.registry.name}/versions/{published[4]}")
    assert (tags["graft_model_digest"], tags["graft_accuracy"]) == (about.model_digest, "0.95")
    evaluation = pets.registry.versions.evaluation(published[4])
    assert tags["graft_dataset_digest"] == evaluation.trained_on_digest
    assert float(tags["graft_auc"]) == pytest.approx(evaluation.metrics.auc, abs=1e-6)
    assert tags["graft_images"] == str(evaluation.images)

    pets.registry.promote(published[0])
    assert pets.mirror().champion == pets.champion == published[0]
    pets.registry.prune(1)
    pets.mirror()
    assert pets.states == ["latest", "removed", "promoted earlier", "removed", "withdrawn"]


def test_what_is_up_to_date_is_left_alone(server, pets):
    for seed in range(3):
        pets.publish(seed)
    assert pets.mirror().changed == 3
    server.asked.clear()
    again = pets.mirror()
    assert (again.changed, again.versions) == (0, 3)
    assert server.times(WRITES) == 0


def test_without_a_latest_version_there_is_no_champion(pets):
    version = pets.publish(1, promote=False)
    assert (pets.mirror().champion, pets.champion, pets.states) == ("", None, ["not promoted"])
    pets.ask("POST", "registered-models/alias", alias="champion", version="1")
    assert pets.champion == version
    assert (pets.mirror().champion, pets.champion) == ("", None)


def test_what_others_changed_is_put_right(pets):
    one, two = pets.publish(1), pets.publish(2)
    pets.mirror()
    pets.ask("POST", "model-versions/set-tag", version="1", key="graft_accuracy", value="1.0")
    pets.ask("POST", "model-versions/set-tag", version="1", key="reviewed_by", value="Ada")
    pets.ask("POST", "registered-models/alias", alias="champion", version="1")
    pets.ask("POST", "registered-models/alias", alias="reviewed", version="1")
    pets.mirror()
    assert pets.champion == two
    assert (pets.versions[0][2]["graft_accuracy"], pets.versions[0][2]["reviewed_by"]) == ("0.9", "Ada")
    assert {"alias": "reviewed", "version": "1"} in pets.ask("GET", "registered-models/get")["registered_model"][
        "aliases"
    ]
    pets.ask("DELETE", "model-versions/delete", version="1")
    pets.mirror()
    assert (pets.held, pets.champion) == ([two, one], two)


def test_versions_of_others_stay(server, pets, tmp_path):
    pets.ask("POST", "registered-models/create")
    pets.ask("POST", "model-versions/create", source="s3://elsewhere/model")
    version = pets.publish(1)
    (tmp_path / "other").mkdir()
    elsewhere = Mirrored(str(tmp_path / "elsewhere"), pets.registry.name, server.url, tmp_path / "other")
    assert elsewhere.publish(1) == version
    for registry in (pets, elsewhere, pets):
        assert registry.mirror().versions == 1
    folders = [registry.registry.folder for registry in (pets, elsewhere)]
    assert [source for _, source, _ in pets.versions] == [
        "s3://elsewhere/model",
        *(f"graft:{folder}/versions/{version}" for folder in folders),
    ]
    assert pets.states == ["latest", "latest"]


def test_a_damaged_version_keeps_no_other_from_being_mirrored(pets, caplog):
    one, two = pets.publish(1), pets.publish(2)
    shutil.rmtree(f"{pets.registry.versions.uri(one)}/lineage")
    result = pets.mirror()
    assert (result.versions, pets.held, pets.champion) == (1, [two], two)
    assert "a version is not mirrored" in caplog.text and "evaluation.json" in caplog.text


def test_what_became_the_latest_meanwhile_is_the_champion(faked, fake):
    one, two = faked.publish(1), faked.publish(2, promote=False)
    answer = fake._answer

    def promoted_meanwhile(method, target, headers, body):
        if method == "POST" and target.endswith("alias"):
            fake._answer = answer
            faked.registry.promote(two)
        return answer(method, target, headers, body)

    fake._answer = promoted_meanwhile
    assert (faked.mirror().champion, faked.champion) == (two, two)
    assert faked.held == [one, two] and faked.states == ["promoted earlier", "latest"]
