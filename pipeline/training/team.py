"""Workers that train one network together: whose share of a batch is whose, and what all of them know together."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Team:
    """One worker of a training, and how many there are; all of them make the same calls in the same order.

    Attributes
    ----------
    rank : int
        Its number, from 0; the first one writes.
    size : int
        Workers; where there is one, nothing is sent.
    """

    rank: int = 0
    size: int = 1

    def share(self, count: int, least: int = 1) -> tuple[slice, bool]:
        """Divide rows among the workers.

        Parameters
        ----------
        count : int
            Rows.
        least : int
            Rows that each worker needs; where there are fewer, every worker is shown all.

        Returns
        -------
        rows : slice
            Those of this worker; the shares follow each other by rank.
        tells : bool
            Whether this worker's answers count: each row is told of once.
        """
        if count < least * self.size:
            return slice(0, count), self.rank == 0
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size), True

    def joined(self, value: Any) -> list[Any]:
        """Return what each worker gave, by rank."""
        if self.size == 1:
            return [value]
        from torch import distributed

        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def summed(self, values: "list[float]", device: str) -> "list[float]":
        """Return sums over the workers; sent from `device`."""
        if self.size == 1:
            return values
        import torch

        sums = torch.tensor(values, dtype=torch.float64, device=device)
        torch.distributed.all_reduce(sums)
        return sums.tolist()

    def parallel(self, network: "nn.Module") -> "nn.Module":
        """Return a network whose backward pass averages gradients over the workers; it has the same parameters."""
        if self.size == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        # statistics of batch norm are those of each worker's share until `settle` joins them
        return DistributedDataParallel(network, broadcast_buffers=False)

    def settle(self, network: "nn.Module") -> None:
        """Have all workers hold the same buffers: running statistics of batch norm averaged, all others of the first worker.

        Averages of running statistics are exact: they change linearly with those of batches.
        """
        if self.size == 1:
            return
        from torch import distributed
        from torch.nn.modules.batchnorm import _NormBase

        averaged = {
            id(buffer)
            for module in network.modules()
            if isinstance(module, _NormBase)
            for buffer in (module.running_mean, module.running_var)
            if buffer is not None
        }
        for buffer in network.buffers():
            if id(buffer) in averaged:
                distributed.all_reduce(buffer)
                buffer /= self.size
            else:
                distributed.broadcast(buffer, 0)


ALONE = Team()

__all__ = ["ALONE", "Team"]
