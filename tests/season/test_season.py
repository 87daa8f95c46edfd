"""A season of retrainings on a real GCS server, with what goes wrong in a year: nobody looks, and the latest is still the best one."""

import fsspec
import pytest
import season
from proxy import Proxy
from support import gcs_server

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.runs.history import read_history
from graft.pipelines.local.history_page import write_history
from graft.pipelines.local.named_model import find_model
from graft.pipelines.local.predicting import predict_images

pytestmark = [pytest.mark.slow, pytest.mark.photographs]

# In these only more images of the same kind come, as they do in others where something happens besides, and 6 is killed in place of 7:
# `make simulate` plays them, too.
LEFT_OUT = [2, 4, 7, 9]
KILLED = 6
OUTAGE = 8.0
GOOD = [1, 6, 8]
# Of the run that was killed after ingest and started again, the second start finds its images checked.
NEW = {1: season.FIRST, KILLED: 0}
TOLD = 4_500  # bytes; a photograph has 26,000
FEATURES = 288  # of mixed2, which the season trains on


@pytest.fixture(scope="module")
def played(photographs, pretrained, tmp_path_factory):
    """The season, by the number of the run; the server is gone when it is over."""
    folder = tmp_path_factory.mktemp("season")
    with gcs_server() as address, pytest.MonkeyPatch.context() as patch:
        proxy = Proxy(address)
        patch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        fsspec.filesystem("gs").clear_instance_cache()
        fsspec.filesystem("gs").mkdir("season")
        found = {}
        events = season.play(
            photographs, pretrained, "gs://season", proxy, folder, LEFT_OUT, killed=KILLED, outage=OUTAGE
        )
        for number, result in events:
            print(*season.row(number, result), sep=" | ")
            if result.latest not in [earlier.latest for earlier in found.values()]:
                serves(result.latest)
            found[number] = result
        write_history(folder / "history.html", season.NAME, read_history("gs://season/store", season.NAME))
        assert proxy.refused > 0
        yield found
        fsspec.filesystem("gs").clear_instance_cache()


def serves(version):
    """Has the registry's latest version, which must be that one, tell what is on a photograph."""
    uri = find_model(season.NAME, "gs://season/store")
    assert uri.endswith(version)
    (answer,) = predict_images(uri, ["gs://season/photos/00000.jpg"])
    assert answer.label in ("cats", "dogs"), answer


def test_every_run_ends_as_it_should(played):
    outcomes = {number: result.past.outcome for number, result in played.items()}
    expected = dict.fromkeys(GOOD, Outcome.SUCCEEDED) | {3: Outcome.UNCHANGED, 5: Outcome.GATE_FAILED}
    assert outcomes == dict(sorted(expected.items()))


def test_after_every_run_the_registry_is_clean_and_its_latest_serves(played):
    assert [result.problems for result in played.values()] == [[]] * 5
    assert all(result.latest for result in played.values())


def test_the_latest_moves_only_when_the_gate_passes(played):
    before = None
    for number, result in played.items():
        if number not in GOOD:
            assert result.latest == before
        else:
            assert result.latest == result.past.version and result.past.promoted
        before = result.latest


def test_shuffled_labels_are_found_by_the_gate_alone(played):
    past = played[5].past
    assert past.accuracy < 0.7 and past.new == season.MORE
    assert past.difference < -0.2


def test_cost_follows_the_new_images(played):
    for number in GOOD:
        past, (read, written) = played[number].past, played[number].moved
        added, size = season.FIRST if number == 1 else season.MORE, played[number].new_bytes
        assert past.new == NEW.get(number, season.MORE), number
        # The head is trained on four fifths of the images; the others are there to judge it.
        assert past.computed <= past.new, number
        # Beside the new photographs, what the storage tells of each one that is looked at, a run that was killed included.
        told = TOLD * past.images * (2 if number == KILLED else 1)
        assert size <= read["photos"] <= size + told, number
        assert written["shards"] <= 1.1 * size + 100_000, number
        assert written["features"] <= 2 * FEATURES * added + 200_000, number


def test_a_run_that_finds_nothing_new_moves_next_to_nothing(played):
    read, written = played[3].moved
    assert sum(read.values()) < 3_000_000 and sum(written.values()) < 100_000
    assert played[3].models == 0 and played[3].past.computed is None


def test_corrupt_files_are_left_out_and_gone_when_they_are_removed(played):
    assert {number: result.unusable for number, result in played.items() if number != 3} == {
        number: season.CORRUPT if number == 6 else 0 for number in played if number != 3
    }


def test_a_killed_training_goes_on_where_it_stopped(played):
    assert played[KILLED].past.computed == 0


def test_an_outage_is_ridden_out(played):
    assert played[8].past.outcome == Outcome.SUCCEEDED


def test_another_distribution_is_flagged_and_the_usual_one_is_not(played):
    assert "brightness" in played[8].past.drift
    assert played[6].past.drift == ()


def test_champion_and_anchor_run_on_new_images_only(played):
    assert (played[1].models, played[1].again) == (1, 0)
    assert all(played[number].models in (2, 3) for number in (5, 6, 8))
    # A third of the new images is evaluated, and some hundred earlier ones are.
    assert all(0 < played[number].again <= 0.8 * season.MORE for number in (5, 6, 8))
