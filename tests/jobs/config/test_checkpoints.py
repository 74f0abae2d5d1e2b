"""A glob of checkpoints stands for one model each, and each has a name of its own."""

from pathlib import Path

from filterscope.jobs.config.audit import AuditConfig, load_config
from tests.jobs.config.loading import CHECKPOINTS, load, message, touch


def names_and_files(config: AuditConfig, folder: Path) -> list[tuple[str | None, str]]:
    start = f"torchvision:resnet18@{folder}/"
    return [(model.name, model.source.removeprefix(start)) for model in config.models]


def test_a_glob_stands_for_one_model_a_checkpoint_sorted_and_named_by_stem(folder: Path) -> None:
    touch("ck/epoch-02.pth", "ck/epoch-01.pth", "ck/last one.pth", "ck/log.txt")
    Path("ck/folder.pth").mkdir()
    config = load(CHECKPOINTS.format("ck/*.pth"))
    files = [("epoch-01", "ck/epoch-01.pth"), ("epoch-02", "ck/epoch-02.pth"), ("last-one", "ck/last one.pth")]
    assert names_and_files(config, folder) == files
    assert {model.input_size for model in config.models} == {32}


def test_checkpoints_of_one_stem_take_their_folder_and_a_stated_name_goes_before(folder: Path) -> None:
    touch("s0/best.pth", "s1/best.pth")
    plain, named = CHECKPOINTS.format("s*/best.pth"), CHECKPOINTS.format("s*/best.pth") + 'name = "run7"\n'
    assert [model.name for model in load(plain).models] == ["s0-best", "s1-best"]
    assert [model.name for model in load(named).models] == ["run7-s0-best", "run7-s1-best"]


def test_checkpoints_that_differ_by_suffix_alone_take_it(folder: Path) -> None:
    touch("ck/a.pth", "ck/a.pt")
    assert [model.name for model in load(CHECKPOINTS.format("ck/*")).models] == ["ck-a.pt", "ck-a.pth"]


def test_a_folder_with_glob_characters_in_its_name_is_taken_as_it_is(folder: Path) -> None:
    touch("run[7]/data/x", "run[7]/a.pth")
    Path("run[7]/zoo.toml").write_text(CHECKPOINTS.format("*.pth"))
    assert names_and_files(load_config("run[7]/zoo.toml"), folder) == [("a", "run[7]/a.pth")]


def test_a_glob_that_matches_nothing_says_where_it_looked(folder: Path) -> None:
    expected = f"zoo.toml: [[models]] number 1: checkpoints 'ck/*.pth' match no file in {folder}"
    assert message(CHECKPOINTS.format("ck/*.pth")) == expected


def test_checkpoints_that_cannot_be_told_apart_are_refused(folder: Path) -> None:
    touch("a/s/best.pth", "b/s/best.pth")
    assert message(CHECKPOINTS.format("*/s/best.pth")) == (
        f"zoo.toml: [[models]] number 1: checkpoints {folder}/a/s/best.pth and {folder}/b/s/best.pth "
        "would both be named 's-best.pth'; rename one or list them one by one"
    )
