"""Options of synthesis with a learned prior."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.run.lists import different, floats
from filterscope.pipeline.run.options import Options, at_most, option


class SynthesisOptions(Options):
    """Which prior, how many chains, and how they go."""

    method: ClassVar[str] = "synthesis"

    prior: StrictStr | None = option(
        None,
        "what generates: folder of the inverters of the layers, or a network with decode, as in SOURCE;mean=0;std=1",
    )
    weights: Annotated[
        tuple[Annotated[StrictFloat, Field(ge=0, le=1e6)], ...], BeforeValidator(floats), AfterValidator(different)
    ] = option((1e-5, 1e-3, 1e-1), "weights of the prior, each with chains of its own")
    noise: StrictFloat = option(1e-3, "weight of the noise, in exact mode", ge=0, le=1e6)
    mode: Literal["exact", "release"] = option(
        "exact", "gradient and noise: exact, or as in the authors' release, which drops part of one and leaves no noise"
    )
    steps: Annotated[StrictInt, at_most(100_000, "each takes a pass forward and back")] = option(
        100, "steps of a chain", ge=1
    )
    rate: StrictFloat = option(0.05, "mean size of a step, in deviations of the codes", gt=0, le=100)
    chains: Annotated[StrictInt, at_most(64, "those of a unit are in memory at once")] = option(
        4, "chains of each unit and weight, from different random starts", ge=1
    )
    sample: Annotated[StrictInt, at_most(1_000_000, "more units than layers have")] = option(
        8, "units of every layer, drawn unless --units names them", ge=1
    )
    views: Annotated[StrictInt, at_most(20_000, "all are in memory at once")] = option(
        100, "real images that pictures are compared with, and as many known ones", ge=2
    )
    transfer: StrictStr | None = option(
        None, "another network, as of prior: whether the pictures move its matched unit too"
    )
    transfer_layer: StrictStr = option("-1", "layer of that network")
    seed: Annotated[StrictInt, at_most(2**31 - 1, "seeds have 31 bits")] = option(
        0, "seed of the starts and the noise", ge=0
    )


__all__ = ["SynthesisOptions"]
