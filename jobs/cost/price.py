"""What GPUs do for their price: images a second, and the cost of an audit for a price that is stated."""


def paid(
    hours: float, computing: float | None, images: int, models: int, gpus: int, price: float | None = None
) -> list[str]:
    """Say how fast GPUs are and what they cost; they are paid from start to end, also while they wait for the cores.

    Parameters
    ----------
    hours : float
        Wall time; where `computing` is not known, the least, which the cores need.
    computing : float or None
        Hours of one GPU that forward passes take in all; None if they are not known.
    images, models, gpus : int
        Images that networks are given in all, each network counted; networks; GPUs that are paid.
    price : float, optional
        Of an hour of one GPU with its cores; without it no cost is said.
    """
    lines, all_hours = [], hours * gpus
    if computing and all_hours:
        lines.append(
            f"{images / all_hours / 3600:,.4g} images/s per GPU over the wall time, {images / computing / 3600:,.4g} while it "
            "computes; an image counts once for each model"
        )
    if price is not None:
        least = "at least " if computing is None else ""
        busy = "" if computing is None else f", {computing:,.2f} of them computing"
        lines.append(
            f"cost {least}{all_hours * price:,.2f} at {price:,.2f} per GPU hour, {all_hours * price / models:,.2f} per model: "
            f"{least}{all_hours:,.2f} GPU hours are paid{busy}"
        )
    return lines


__all__ = ["paid"]
