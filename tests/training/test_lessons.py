"""Laws of lessons: an encoder learns new kinds of a degradation, and goes on saying the same of all others."""

from dataclasses import replace

import pytest
import torch

from restorekit.errors import TrainingError
from restorekit.training.budget import Budget
from restorekit.training.memory import Lesson, Memory
from restorekit.training.recipes import EncoderRecipe
from restorekit.training.start import start_encoder
from restorekit.training.teacher import ALONE, curriculum_of
from tests.training.recipes import CATALOG, degradations

NAMES = ("noise", "jpeg")
RECIPE = EncoderRecipe(
    names=NAMES,
    shares=(1, 1),
    picture=128,
    crops=2,
    groups=2,
    evidence=0.0,
    restoration_share=0.0,
    calibration_share=0.0,
    lessons=("noise:camera", "noise:grain"),
    precision="fp32",
)


def started(photos, run, weights, recipe=RECIPE, names=NAMES):
    return start_encoder(replace(recipe, names=names), CATALOG, photos, run, weights, weights)


def test_of_known_kinds_the_encoder_that_it_started_from_has_nothing_to_learn(photos, tmp_path, weights_folder):
    """The gradient is nothing beside that of a lesson."""
    training = started(photos, tmp_path, weights_folder, replace(RECIPE, lesson_share=0.0))
    taught = started(photos, tmp_path, weights_folder, replace(RECIPE, lesson_share=1.0))

    def gradient(training):
        generator = torch.Generator().manual_seed(5)
        training.loss(training.draw(generator), generator).backward()
        return sum(float(p.grad.square().sum()) for p in training.encoder.parameters() if p.grad is not None)

    assert gradient(training) < 1e-6 * gradient(taught)


def test_lessons_move_the_encoder_and_no_key(photos, tmp_path, weights_folder):
    training = started(photos, tmp_path, weights_folder)
    keys = {name: p.clone() for name, p in training.keys.named_parameters()}
    stem = training.encoder.stem.weight.clone()
    training.run(Budget(iterations=4), tmp_path)
    assert all(torch.equal(p, keys[name]) for name, p in training.keys.named_parameters())
    assert not torch.equal(training.encoder.stem.weight, stem)


def test_the_teacher_of_a_resumed_training_is_the_encoder_of_its_beginning(photos, tmp_path, weights_folder):
    training = started(photos, tmp_path, weights_folder)
    training.run(Budget(iterations=3), tmp_path)
    again = started(photos, tmp_path, weights_folder)
    assert not torch.equal(again.encoder.stem.weight, again.teacher.encoder.stem.weight)
    assert torch.equal(again.teacher.encoder.stem.weight, training.teacher.encoder.stem.weight)


def test_a_lesson_is_of_a_new_kind_and_everything_else_of_known_ones():
    everything = degradations(NAMES)
    curriculum = curriculum_of(RECIPE.lessons, everything, 0.4)
    choices = torch.Generator().manual_seed(0)
    drawn = [curriculum.draw([everything[0]], everything, choices) for _ in range(600)]
    lessons = [(chosen, kinds) for chosen, kinds, lesson in drawn if lesson]
    others = [kinds for _, kinds, lesson in drawn if not lesson]
    assert {kinds["noise"] for _, kinds in lessons} == {"camera", "grain"}
    assert {kinds["noise"] for kinds in others} == set(everything[0].kinds) - {"camera", "grain"}
    assert 0.3 < len(lessons) / len(drawn) < 0.5
    alone = sum(len(chosen) == 1 for chosen, _ in lessons) / len(lessons)
    assert abs(alone - ALONE - 0.25) < 0.1  # the noise drawn for the others cannot come beside itself


def test_lessons_are_refused_where_there_is_nothing_to_forget_or_no_such_kind(photos, tmp_path, weights_folder):
    with pytest.raises(TrainingError, match="from_weights"):
        start_encoder(RECIPE, CATALOG, photos, tmp_path, weights_folder)
    with pytest.raises(TrainingError, match=r"no lesson noise:gaussian; there are .*noise:camera"):
        started(photos, tmp_path, weights_folder, replace(RECIPE, lessons=("noise:gaussian",)))


def test_pictures_that_are_partly_blank_are_not_rehearsed_beside_whole_ones():
    memory = Memory(8)
    for crops in (4, 9, 5, 9):
        memory.add(Lesson(torch.zeros(1, crops, 3), torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2)))
    assert len(memory.pictures) == 2
    assert memory.draw(4, torch.Generator().manual_seed(0)).features.shape == (4, 9, 3)
