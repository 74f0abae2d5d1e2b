"""What is learned of a data set, and which images are held out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.training.lesson import LessonOptions, accuracies, lesson_of, majority, parameters_of
from tests.planted.lessons import SIDE, write_lesson


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(write_lesson(tmp_path_factory.mktemp("data") / "lesson", images=80))


def test_classes_are_learned_where_there_are_any_and_attributes_else(data: Dataset) -> None:
    classes, attributes = lesson_of(data, LessonOptions()), lesson_of(data, LessonOptions(learn="attributes"))
    assert (classes.kind, classes.names, classes.several) == ("classes", ("green", "red"), False)
    assert (attributes.kind, attributes.names, attributes.several) == ("attributes", ("large", "red"), True)
    assert (attributes.target[:, 1] == classes.target).all()
    assert (attributes.target[::5, 0] == -1).all()
    assert lesson_of(data, LessonOptions(attributes=("red",))).names == ("red",)
    assert lesson_of(data, LessonOptions(attributes="red, large")).names == ("red", "large")


def test_a_share_of_every_class_is_held_out_the_same_for_all(data: Dataset) -> None:
    lesson = lesson_of(data, LessonOptions(held_out=0.25))
    assert not set(lesson.train) & set(lesson.heldout)
    assert len(lesson.train) + len(lesson.heldout) == 80
    for one in (0, 1):
        count = (lesson.target == one).sum()
        assert (lesson.target[lesson.heldout] == one).sum() == round(0.25 * count)
    # another lesson on the same images holds out others only where classes demand it: the draw is of the data set
    more = lesson_of(data, LessonOptions(held_out=0.5))
    assert set(lesson.heldout) < set(more.heldout)


def test_images_of_a_group_are_never_on_both_sides(tmp_path: Path) -> None:
    with DatasetWriter(
        tmp_path / "grouped", source={"reader": "planted"}, group_of=lambda name: Path(name).stem[0]
    ) as out:
        for number in range(60):
            path = tmp_path / f"{chr(97 + number // 5)}{number}.png"
            Image.new("RGB", (SIDE, SIDE), (number, 0, 0)).save(path)
            out.attribute(out.image(path), "class", str(number // 5 % 2))
    lesson = lesson_of(Dataset(tmp_path / "grouped"), LessonOptions())
    assert not {row // 5 for row in lesson.train} & {row // 5 for row in lesson.heldout}
    assert lesson.names == ("0", "1")


def test_listed_images_train_and_all_others_are_held_out(data: Dataset, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("0003.png\n\nimages/0007.png\n0011.png\n")
    lesson = lesson_of(data, LessonOptions(train_on=str(listed)))
    assert lesson.train.tolist() == [3, 7, 11]
    assert len(lesson.heldout) == 77
    before = parameters_of(LessonOptions(train_on=str(listed)))
    (tmp_path / "moved.txt").write_text(listed.read_text())
    assert parameters_of(LessonOptions(train_on=str(tmp_path / "moved.txt"))) == before
    listed.write_text("0003.png\n0004.png\n")
    assert parameters_of(LessonOptions(train_on=str(listed))) != before
    assert lesson_of(data, LessonOptions(train_on=str(listed))).train.tolist() == [3, 4]
    listed.write_text("0003.png\n03.png\n")
    with pytest.raises(InputError, match=r"line 2: '03\.png': no image is called so\. Did you mean '00"):
        lesson_of(data, LessonOptions(train_on=str(listed)))


def test_numbers_of_classes_are_in_their_order(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "digits", source={"reader": "planted"}) as out:
        for number in range(48):
            path = tmp_path / f"{number}.png"
            Image.new("RGB", (SIDE, SIDE), (number, 0, 0)).save(path)
            out.attribute(out.image(path), "class", str(number % 12))
    assert lesson_of(Dataset(tmp_path / "digits"), LessonOptions()).names == tuple(map(str, range(12)))


def test_objects_are_learned_by_their_category(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "objects", source={"reader": "planted"}) as out:
        for number in range(20):
            path = tmp_path / f"{number}.png"
            Image.new("RGB", (130, 60), (number, 0, 0)).save(path)
            image = out.image(path, split="negative" if number > 15 else "train")
            if number <= 15:
                out.object(image, "cat", (0, 0, 60, 60))
                out.object(image, "dog", (65, 0, 130, 60))
    objects = Dataset(tmp_path / "objects")
    lesson = lesson_of(objects, LessonOptions(views="objects"))
    assert (lesson.kind, lesson.names, len(lesson.target)) == ("categories", ("cat", "dog"), 32)
    assert lesson.target.tolist() == [0, 1] * 16
    assert not {row // 2 for row in lesson.train} & {row // 2 for row in lesson.heldout}
    one = lesson_of(objects, LessonOptions(views="objects:cat", negatives=True))
    assert one.names == ("cat", "negative")
    assert np.bincount(one.target).tolist() == [16, 4]


def test_data_sets_that_teach_nothing_are_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "bare", source={"reader": "planted"}) as out:
        for number in range(4):
            path = tmp_path / f"{number}.png"
            Image.new("RGB", (SIDE, SIDE), (number, 0, 0)).save(path)
            out.attribute(out.image(path), "colour", "black")
    bare = Dataset(tmp_path / "bare")
    with pytest.raises(InputError, match="neither the attribute 'class' nor binary ones"):
        lesson_of(bare, LessonOptions())
    with pytest.raises(InputError, match=r"all images of .* are of one class, 'black'"):
        lesson_of(bare, LessonOptions(truth="colour"))


def test_the_constant_answer_and_its_accuracy_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    target, train = rng.integers(-1, 2, (50, 4)).astype(np.int8), np.arange(0, 50, 2)
    constant = majority(target, train)
    value, count = accuracies(target, constant)
    for name in range(4):
        ones = sum(target[row, name] == 1 for row in train)
        zeros = sum(target[row, name] == 0 for row in train)
        assert constant[name] == int(ones > zeros)
        known = [row for row in range(50) if target[row, name] >= 0]
        assert count[name] == len(known)
        assert value[name] == pytest.approx(sum(target[row, name] == constant[name] for row in known) / len(known))
    classes = np.array([2, 2, 1, 0, -1, 2])
    assert majority(classes, np.arange(5)) == 2
    assert accuracies(classes, majority(classes, np.arange(5)))[0] == pytest.approx([3 / 5])
