"""Stage `graph-summary`: what the explanatory graph of a layer amounts to: compression, dictionary, coverage."""

import numpy as np
import pyarrow as pa

from filterscope.operators.explanatory_graph.settings import nodes_per_filter
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.graph.crops import GraphViews, graph_categories
from filterscope.pipeline.methods.graph.learn import NODES
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.graph.rows import parts_of
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import LayerTask, by_layer
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


def summarise(task: LayerTask) -> list[Output]:
    """Count the nodes of a layer in every category."""
    rows = [_row(task, GraphViews.of(task.plan, category)) for category in graph_categories(task.plan)]
    table = pa.Table.from_pylist(rows, schema=TABLES["graph_summary"])
    count, digest = write_table(task.plan.run, "graph_summary", task.key.place, [table])
    return [Output(task.key, count, checksums={"graph_summary": digest})]


def _row(task: LayerTask, views: GraphViews) -> dict[str, object]:
    layer, mode = task.layer, task.plan.of(GraphOptions).mode
    nodes = pa.concat_tables(parts_of(task.plan.run, "graph_nodes", task.model.name, layer.name, views.name))
    unit, alone = nodes["unit"].to_numpy(), np.asarray(nodes["merged_into"].is_null())
    survives, images, mass = (nodes[name].to_numpy() for name in ("survives", "images", "mass"))
    units, first = np.unique(unit, return_index=True)
    total = float(nodes["filter_mass"].to_numpy()[first].sum())
    represented, learning = len(np.unique(unit[survives])), int(views.learning(mode).sum())
    return {
        "model": task.model.name,
        "layer": layer.name,
        "category": views.category,
        "mode": mode,
        "filters": layer.channels,
        "silent": layer.channels - len(units),
        "learned": len(units) * nodes_per_filter(layer.height, layer.width),
        "nodes": int(alone.sum()),
        "surviving": int(survives.sum()),
        "represented": represented,
        "patterns_per_filter": float(survives.sum()) / represented if represented else None,
        "learning_views": learning,
        "heldout_views": int(views.heldout.sum()),
        "nodes_per_view": float(images[survives].sum()) / learning if represented else None,
        "views_per_node": float(images[survives].mean()) if represented else None,
        "explained": float(mass.sum()) / total if total else None,
        "explained_by_surviving": float(mass[survives].sum()) / total if total else None,
    }


GRAPH_SUMMARY = StageKind("graph-summary", reads=(NODES,), writes=(Table("graph_summary"),), plan=by_layer(summarise))
