"""A run, opened: its tables, queries over them, its report, and its units one by one."""

import html
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import polars as pl

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.places import absolute
from filterscope.schemas.results import TABLES

if TYPE_CHECKING:
    from filterscope.pipeline.methods.attribution.prediction import Prediction
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.run.plan import Plan, PlannedModel
    from filterscope.unit import Unit

_LAYER_COLUMNS = ("model", "layer", "channels", "height", "width", "receptive_field")


class Run:
    """A run folder; every table of it is an attribute, a Polars LazyFrame: `run.units`, `run.unit_concept`.

    A table that the run has not computed is empty, with its columns. ``docs/tables.md`` describes all of them.

    Parameters
    ----------
    path : path
        Folder of the run, on this machine or ``s3://BUCKET/KEY``.

    Raises
    ------
    InputError
        If there is no run.
    """

    def __init__(self, path: str | PurePath) -> None:
        self.path = RunFolder.existing(absolute(path, Path.cwd())).path

    def __getattr__(self, name: str) -> pl.LazyFrame:
        if name not in TABLES:
            raise AttributeError(f"a run has no table {name!r}.{did_you_mean(name, TABLES)}")
        return schemas.scan(self.path, name)

    def __dir__(self) -> Sequence[str]:
        return sorted({*super().__dir__(), *TABLES})

    @cached_property
    def plan(self) -> "Plan":
        """What the run computes: models, layers, options."""
        return RunFolder(self.path).plan()

    @property
    def labels(self) -> pl.DataFrame:
        """Every unit with its label and its `standing`, beside the columns of `units` and `unit_significance`.

        `standing` is an enumeration that sorts by what labels are worth: strong, tentative, few images, chance, no label.
        """
        from filterscope.pipeline.methods.significance.findings import labels
        from filterscope.pipeline.methods.significance.trust import STANDINGS

        return labels(self.path).with_columns(pl.col("standing").cast(pl.Enum(STANDINGS)))

    def query(self, sql: str) -> pl.DataFrame:
        """Answer one SQL statement that reads the tables, as `filterscope query` does.

        Raises
        ------
        InputError
            If it writes, cannot be parsed, or names a table or column that does not exist.
        """
        from filterscope.jobs.findings.query import query

        return query(self.path, sql)

    def report(self, out: str | PurePath | None = None) -> Path:
        """Write the report, or what of it is missing or out of date, and return its first page.

        Parameters
        ----------
        out : path, optional
            Folder of the site; by default ``report`` in the run folder.

        Raises
        ------
        InputError
            If the run has no findings, or `out` holds something else.
        """
        from filterscope.jobs.report.site import write_report

        return write_report(self.path, None if out is None else Path(out))

    def unit(self, layer: str, unit: int, model: str | None = None) -> "Unit":
        """Return a unit with what is known of it; in a notebook it shows itself.

        Parameters
        ----------
        layer : str
            Name of the layer, as in the table `layers`.
        unit : int
            Number of the unit, from 0.
        model : str, optional
            Name of the model; needed where several models of the run have the layer.

        Raises
        ------
        InputError
            If there is no such model, layer or unit, or its layer was not dissected.
        """
        from filterscope.unit import Unit

        planned = self._model(layer, model)
        return Unit.of(self.plan, planned, self._layer(planned, layer), unit)

    def explain(
        self,
        image: int,
        *,
        view: int | None = None,
        model: str | None = None,
        target: str | int = "predicted",
        methods: str | Sequence[str] | None = None,
        layer: str | None = None,
    ) -> "Prediction":
        """Explain one prediction: where its score comes from, by many methods beside their controls; writes nothing.

        Parameters
        ----------
        image : int
            Number of the image in the data set.
        view : int, optional
            Number of one of its views; by default the first.
        model : str, optional
            Name of the model; needed where the run has several.
        target : str or int
            Class whose score is explained: "predicted", the one of highest score; "true"; a number, or a name.
        methods : str or sequence of str, optional
            Ways to explain it, such as "grad_cam,occlusion"; by default all that take fewer than 10 forward passes, and those
            of the run.
        layer : str, optional
            Layer of the methods that explain by one; by default the deepest audited one whose maps are larger than 1 x 1.

        Returns
        -------
        Prediction
            Its `maps` and `controls` map names to float32 arrays of shape (height, width); `found` holds the numbers too.

        Raises
        ------
        InputError
            If something asked for is not there, or the network gives no class scores.
        RunError
            If weights or preprocessing changed since the run was planned.
        """
        from filterscope.jobs.terminal import say
        from filterscope.pipeline.methods.attribution.explain import ask

        asked = methods.split(",") if isinstance(methods, str) else methods
        question = ask(
            self.plan, image, view=view, model=model, target=str(target), methods=asked, layer=layer,
        )  # fmt: skip
        for line in question.costs():
            say(line)
        return question.explained(say)

    def _model(self, layer: str, name: str | None) -> "PlannedModel":
        models = {model.name: model for model in self.plan.models}
        if name is not None:
            if name not in models:
                hint = did_you_mean(name, models)
                raise InputError(f"no model {name!r} in {self.path}; its models are {', '.join(models)}.{hint}")
            return models[name]
        having = [model for model in models.values() if any(own.name == layer for own in model.layers)]
        if len(having) > 1:
            names = ", ".join(model.name for model in having)
            raise InputError(f"several models of {self.path} have a layer {layer!r}: {names}; state model=")
        return having[0] if having else next(iter(models.values()))

    def _layer(self, model: "PlannedModel", name: str) -> "Layer":
        found = {layer.name: layer for layer in model.layers}
        if name not in found:
            hint = did_you_mean(str(name), found)
            raise InputError(
                f"no layer {name!r} of {model.name} in {self.path}; its layers are {', '.join(found)}.{hint}"
            )
        return found[name]

    def _rows(self) -> pl.DataFrame:
        """Return a row for each layer: its shape, and how many of its units detect a concept; null if not dissected."""
        detectors = self.units.group_by("model", "layer").agg(pl.col("detector").sum().alias("detectors"))
        layers = self.layers.select(_LAYER_COLUMNS)
        return layers.join(detectors, on=["model", "layer"], how="left", maintain_order="left").collect()

    def __repr__(self) -> str:
        layers = sum(len(model.layers) for model in self.plan.models)
        return f"Run({str(self.path)!r}): {_count(len(self.plan.models), 'model')}, {_count(layers, 'layer')}"

    def _repr_html_(self) -> str:
        """Show the layers as a table."""
        rows = self._rows()
        head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in rows.columns)
        cells = ("".join(f"<td>{html.escape(_shown(value))}</td>" for value in row) for row in rows.iter_rows())
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        title = f"<p><strong>{html.escape(str(self.path))}</strong></p>"
        return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def open(run: str | PurePath) -> Run:  # noqa: A001
    """Open a run.

    Parameters
    ----------
    run : path
        Folder of the run, on this machine or ``s3://BUCKET/KEY``.

    Raises
    ------
    InputError
        If there is no run.
    """
    return Run(run)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


__all__ = ["Run", "open"]
