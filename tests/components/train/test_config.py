"""Settings of a training: layers of overrides, and refusals that name what is allowed."""

from typing import get_args

import pytest

from graft.components.common.config import read_yaml, section, settings_json
from graft.components.common.errors import GraftError
from graft.components.gate.config import gate_config
from graft.components.train.backbones.known import ARCHITECTURES, BackboneName
from graft.components.train.config import TrainConfig
from graft.components.train.recipes import RECIPES, read_recipe, train_config


def test_precedence_is_defaults_recipe_config_parameter():
    assert train_config("sample").cut == "mixed4"
    from_config = train_config("sample", '{"train": {"cut": "mixed5", "epochs": 3}}')
    assert (from_config.cut, from_config.epochs) == ("mixed5", 3)
    from_parameter = train_config("sample", '{"train": {"cut": "mixed5", "epochs": 3}}', {"epochs": 7, "cut": None})
    assert (from_parameter.cut, from_parameter.epochs) == ("mixed5", 7)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_valid(recipe):
    train_config(recipe)


@pytest.mark.parametrize(
    ("recipe", "config", "overrides", "said"),
    [
        ("slow", "", {}, "no recipe 'slow': there are fast, accurate, seed"),
        ("", "", {"optimizer": "adagard"}, "optimizer can't be 'adagard': .*'adagrad', 'adam'"),
        (
            "",
            '{"train": {"layer": "mixed7"}}',
            {},
            "train has no setting 'layer': there are backbone, weights_sha256, cut",
        ),
        ("", '{"training": {}}', {}, "section 'training': there are ingest, train"),
        ("", '[{"train": {}}]', {}, "one object a step"),
        (
            "",
            '{"train": 3}',
            {},
            "The section 'train' of --config is 3: give it an object of settings, or leave it out",
        ),
        ("", '{"gate": null}', {}, "The section 'gate' of --config is null"),
        ("", "{cut: mixed7}", {}, "is not JSON"),
        ("", '{"train": ' + "[" * 10**5, {}, "is not JSON"),
        ('{"cut": ' + "[" * 10**5, "", {}, "recipe is not JSON"),
        ("", '{"train": {"learning_rate": NaN}}', {}, "learning_rate can't be nan"),
        ("", '{"train": {"epochs": 0}}', {}, "epochs can't be 0"),
        (
            "",
            '{"train": {"epochs": true, "batch_size": 0}}',
            {},
            r"epochs can't be True: it is a number\.(.|\n)*batch_size can't be 0",
        ),
        ("", '{"train": {"rotation": false}}', {}, "rotation can't be False: it is a number"),
        (
            "",
            "",
            {"backbone": "resnet50"},
            "backbone can't be 'resnet50': .*'inception_v3', 'efficientnet_v2_b0' or 'mobil",
        ),
        ("", "", {"backbone": "mobilenet_v3_large", "image_size": 31}, "image_size can't be 31: .*or equal to 32"),
        ("", '{"train": {"image_size": 74}}', {}, "image_size can't be 74: .*greater than or equal to 75"),
    ],
)
def test_refusals_name_the_field_and_what_is_allowed(recipe, config, overrides, said):
    with pytest.raises(GraftError, match=said):
        train_config(recipe, config, overrides)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
def test_a_backbone_brings_its_own_cut_and_scaling(architecture):
    config = train_config("", f'{{"train": {{"backbone": "{architecture.name}"}}}}')
    assert config == TrainConfig(backbone=architecture.name)
    assert (config.cut, config.scaling) == (architecture.default_cut, architecture.scaling)
    assert architecture.default_cut in architecture.blocks
    chosen = train_config("", "", {"backbone": architecture.name, "cut": architecture.blocks[0], "scaling": "unit"})
    assert (chosen.cut, chosen.scaling) == (architecture.blocks[0], "unit")


def test_every_backbone_can_be_named():
    assert set(get_args(BackboneName)) == set(ARCHITECTURES)


def test_a_recipe_s_layers_and_scaling_are_its_own_backbone_s():
    assert train_config("seed", "", {"backbone": "inception_v3"}) == train_config("seed")
    other = train_config("seed", "", {"backbone": "mobilenet_v3_large"})
    assert (other.cut, other.scaling, other.optimizer) == ("activation_19", "symmetric", "rmsprop")
    recipe = '{"backbone": "efficientnet_v2_b0", "cut": "block5e_add"}'
    assert train_config(recipe).cut == "block5e_add"
    assert train_config(recipe, "", {"backbone": "inception_v3"}) == TrainConfig()


def test_what_is_another_backbone_s_is_refused_before_any_work():
    assert TrainConfig(backbone="mobilenet_v3_large", image_size=32).image_size == 32
    for settings, said in (
        ({"backbone": "resnet50"}, "backbone can't be 'resnet50': there are inception_v3, efficientnet_v2_b0"),
        ({"image_size": 74}, "image_size can't be 74: .* 75, the least that InceptionV3 takes"),
        (
            {"backbone": "mobilenet_v3_large", "cut": "expanded_conv_2_add+mixed7"},
            r"cut can't be 'expanded_conv_2_add\+mixed7': mixed7 is InceptionV3's, and the blocks of MobileNetV3Large are exp",
        ),
        ({"cut": "mixed5+mixed7+mixed5"}, r"cut can't be 'mixed5\+mixed7\+mixed5': it names mixed5 twice"),
        ({"cut": "top_activation"}, "top_activation is EfficientNetV2B0's, and the blocks of InceptionV3 are mixed0"),
    ):
        with pytest.raises(GraftError, match=said):
            TrainConfig(**settings)


def test_ints_that_kfp_turned_into_floats_are_still_ints():
    assert train_config("", '{"train": {"epochs": 20.0}}').epochs == 20


def test_gate_parameter_wins_over_config_and_zero_leaves_it():
    config = '{"gate": {"min_accuracy": 0.7}}'
    assert gate_config("", 0).min_accuracy == 0.9
    assert gate_config(config, 0).min_accuracy == 0.7
    assert gate_config(config, 0.8).min_accuracy == 0.8


def test_empty_config_has_no_overrides():
    assert section(" ", "train") == {}


def test_an_unknown_recipe_hides_no_other_error():
    with pytest.raises(GraftError) as refused:
        train_config("slow", '{"train": {"epochs": 0}}', {"learning_rate": -1.0})
    told = refused.value.problems
    assert len(told) == 3
    for words in ("no recipe 'slow'", "epochs can't be 0", "learning_rate can't be -1.0"):
        assert any(words in line for line in told), (words, told)


def test_a_recipe_of_one_s_own_stands_where_a_name_does(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("cut: mixed5\nepochs: 3  # few\n")
    recipe = read_recipe(str(file))
    assert (train_config(recipe).cut, train_config(recipe).epochs) == ("mixed5", 3)
    assert train_config(recipe, '{"train": {"epochs": 4}}', {"cut": "mixed6"}) == train_config(
        "", '{"train": {"epochs": 4, "cut": "mixed6"}}'
    )


def test_words_and_numbers_of_yaml_are_what_people_mean(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "augmentation: off\nflip: no\nmirror: Yes\nepochs: 010\nlearning_rate: 1e-4\ntensorboard: 2026-01-31\nseed: 0x10\n"
    )
    config = train_config(read_recipe(str(file)))
    assert (config.augmentation, config.flip, config.mirror, config.epochs) == ("off", False, True, 10)
    assert (config.learning_rate, config.tensorboard, config.seed) == (1e-4, "2026-01-31", 16)
    file.write_text("unfreeze_epochs: 1:30")
    with pytest.raises(GraftError, match="unfreeze_epochs can't be '1:30'"):
        read_recipe(str(file))
    file.write_text("<<: {epochs: 5, patience: 4}\nepochs: 6\n")
    assert train_config(read_recipe(str(file))).epochs == 6


@pytest.mark.parametrize(
    "config", ['{"train": {"epochs": 5}, "train": {"patience": 4}}', '{"train": {"epochs": 5, "epochs": 6}}']
)
def test_a_setting_that_is_given_twice_is_refused(config):
    with pytest.raises(GraftError, match=r"stands in one object twice: keep one"):
        train_config("", config)


@pytest.mark.parametrize("content", ["train: {cut: !!set {a}}", "train: &a {cut: *a}", "train: {cut: !!binary /w==}"])
def test_what_is_no_setting_is_told_by_its_file(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(GraftError, match=r"config\.yaml holds a set, bytes that are no text, or an alias"):
        settings_json("config.yaml", read_yaml(str(tmp_path / "config.yaml")))


def test_yaml_s_binary_text_is_text(tmp_path):
    (tmp_path / "mine.yaml").write_text("cut: !!binary bWl4ZWQ1\n")
    assert train_config(read_recipe(str(tmp_path / "mine.yaml"))).cut == "mixed5"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("cat: mixed5", r"mine\.yaml: train has no setting 'cat'"),
        ("epochs: 5\ncut: mixed5\nepochs: 50", r"mine\.yaml is not YAML: line 3 gives epochs a second time"),
        ("epochs: true", r"mine\.yaml: train: epochs can't be True: it is a number"),
        ("epochs: many", r"mine\.yaml: train: epochs can't be 'many'"),
        ("- cut", r"mine\.yaml must hold settings, a line each"),
        ("cut: [", r"mine\.yaml is not YAML"),
        ("", r"mine\.yaml must hold settings"),
        ("[" * 5000, r"mine\.yaml is not YAML"),
        (
            "cut:\n- &a0 [1]\n" + "".join(f"- &a{n + 1} [{f'*a{n},' * 9}]\n" for n in range(9)),
            "train: cut can't be .{20,999}:",
        ),
        ("!!python/object/apply:os.system ['true']", r"mine\.yaml is not YAML"),
        (None, r"mine\.yaml doesn't exist"),
    ],
)
def test_a_bad_recipe_is_refused_by_file_and_field(tmp_path, content, said):
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(GraftError, match=said):
        read_recipe(str(file))
    with pytest.raises(GraftError, match="The recipe is not JSON"):
        train_config("{cut: mixed5}")
