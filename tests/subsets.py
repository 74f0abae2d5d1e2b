"""Some images of a finished run, judged as if there were no others: how splits and permuted masks are measured."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from filterscope.operators.activations.fold_quantiles import part_thresholds
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import LEFT_OUT, category_sets
from filterscope.operators.statistics.replication import balanced_folds
from filterscope.pipeline.engine.keys import Fingerprint, Key, blocks
from filterscope.pipeline.methods.dissection.annotated import Draws, Maps
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.significance import null
from filterscope.pipeline.methods.significance.significance import expectation
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.run.folder import RunFolder


@lru_cache(maxsize=4)
def task_of(run, layer):
    """Return the task of the first block of units of a layer, of the only model."""
    plan = RunFolder.existing(run).plan()
    (model,) = plan.models
    found = model.layer(layer)
    name, start, stop = blocks("units", found.channels, plan.options.unit_block)[0]
    return BlockTask(Key("null", (model.name, layer, name), Fingerprint({})), plan, model, found, start, stop)


@lru_cache(maxsize=1)
def _maps(run, layer):
    return list(null._Block(task_of(run, layer)).parts())


class Subset(null._Block):
    """The stages `null` and `significance` of one block of units on some of the images.

    Parameters
    ----------
    run, layer : path and str
        A finished run and a layer of its model.
    images : bool ndarray of shape (images,)
        The images that there are.
    masks_of : int64 ndarray of shape (images,), optional
        Whose masks each image has; its own by default.
    group : int64 ndarray of shape (images,), optional
        Number of the first image of each image's group; each is its own by default.
    fewest : int, optional
        Groups that a concept must be in to label a unit; by default the images of the run's options.
    quantile : float, optional
        Probability above the thresholds; by default that of the run.
    """

    def __init__(self, run, layer, images, *, masks_of=None, group=None, fewest=None, **options):
        task = task_of(run, layer)
        super().__init__(replace(task, plan=task.plan.with_options(**options)))
        options = self.task.plan.of(DissectionOptions)
        self._all, self.decoded = _maps(run, layer), np.flatnonzero(images)
        self.group = self.image if group is None else group
        self.masks = self.masks.take(self.image if masks_of is None else masks_of)
        self.kinds = category_sets(self.masks, self.category, self.categories)
        self.eligible = np.flatnonzero(self._groups_of_concepts() >= (fewest or options.min_images))
        self.slot = np.full(len(self.category), -1)
        self.slot[self.eligible] = np.arange(len(self.eligible))
        keys = np.array([f"{seed_of('fold', number):032x}" for number in self.group[self.decoded].tolist()])
        self.fold = np.zeros(len(images), np.int64)
        self.fold[self.decoded] = balanced_folds(keys, null.FOLDS)
        self.half = self.fold % 2
        self.threshold = part_thresholds(self._in_one, self.threshold, np.ones((1, 1), bool), options.quantile)[0]

    def _groups_of_concepts(self):
        image = np.repeat(self.image, np.diff(self.masks.first))
        here = np.isin(image, self.decoded)
        held = np.unique([self.masks.concept[here], self.group[image[here]]], axis=1)[0]
        return np.bincount(held, minlength=len(self.category))

    def _in_one(self):
        return ((part.maps, np.zeros(len(part.views), np.int64)) for part in self.parts())

    def parts(self):
        """Yield the maps of these images."""
        for part in self._all:
            here = np.isin(part.views, self.decoded)
            if here.any():
                yield Maps(*(values[here] for values in part))

    def judged(self):
        """Return what the stages find, which units are live, and the expected IoUs."""
        self.find_thresholds()
        self.tally()
        self.follow_choices()
        found = self.findings()
        live = (np.concatenate([part.maxima for part in self.parts()]) > self.threshold).any(axis=0)
        return found, live, expectation(found, found["share"], live)

    def elsewhere(self, label, images):
        """Return the IoU of labels (concepts, int64, shape (U,)) on other images, with the thresholds of these."""
        here, self.decoded = self.decoded, np.flatnonzero(images)
        draws = Draws(self, np.where(images, self.image, LEFT_OUT)[None])
        for part in self.parts():
            draws.add(part, self.threshold)
        self.decoded = here
        return draws.iou()[0, self.slot[label], np.arange(self.units)]
