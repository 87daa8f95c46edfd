"""Of a list that is too long for a record, a Parquet file has all entries; a record that has them all is as it was before."""

import pyarrow.parquet as pq
from data_reports import DUPLICATE, make_index, make_record

from graft.components.common.artifacts.dataset import Dataset, LeftOutTwin, Relabelled, TwinPair, Unusable
from graft.components.common.artifacts.lists.whole_lists import MOST, read_list, table_of

BAD = {"label": "cats", "reason": "is damaged", "version": "1-2"}
TWIN = {
    **{"label": "cats", "reason": "is the same as 'b'", "sha256": "a" * 64, "twin": "b"},
    **{"twin_sha256": "b" * 64, "distance": 0, "identical": True},
}


def lists(entries):
    return {
        "excluded": [(TWIN if number % 2 else BAD) | {"path": f"cats/{number}.jpg"} for number in range(entries)],
        "duplicates": [DUPLICATE | {"path": f"{number}", "twin": "b"} for number in range(entries)],
        "warnings": [f"Beware of {number}." for number in range(entries)],
        "ignored": [f"notes/{number}.txt" for number in range(entries)],
    }


def test_a_list_that_is_not_too_long_is_in_the_record_alone(tmp_path):
    made = make_record(make_index(), **lists(MOST))
    made.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]
    assert "totals" not in (tmp_path / "dataset.json").read_text()
    assert Dataset.load(tmp_path) == made and made.total("excluded") == MOST


def test_of_a_longer_one_the_record_has_the_beginning_and_the_file_all(tmp_path):
    made = make_record(make_index(), **lists(MOST + 20_000) | {"warnings": ["Beware."]})
    made.write(tmp_path)
    record = Dataset.load(tmp_path)
    assert record.totals == dict.fromkeys(("excluded", "duplicates", "ignored"), MOST + 20_000)
    for name in Dataset.LISTS:
        all_of_it = getattr(made, name)
        assert getattr(record, name) == all_of_it[:MOST]
        assert record.total(name) == made.total(name) == len(all_of_it)
        if name in record.totals:
            assert read_list(tmp_path / "whole_lists.parquet", name) == table_of(name, all_of_it)
    rows = pq.read_table(tmp_path / "whole_lists.parquet").filter(pq.filters_to_expression([("list", "=", "excluded")]))
    assert rows["distance"].to_pylist() == [TWIN["distance"] if number % 2 else None for number in range(len(rows))]
    assert (tmp_path / "dataset.json").stat().st_size < 2**20


def test_the_file_has_a_column_for_each_field_of_an_entry():
    columns = set(table_of("excluded", []).column_names)
    entries = (Unusable, LeftOutTwin, TwinPair, Relabelled)
    assert columns == {"list", "text"}.union(*(entry.model_fields for entry in entries))
