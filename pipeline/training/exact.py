"""Computing the same bits each time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def exactly(device: str, threads: int) -> Iterator[None]:
    """Have torch use so many threads and algorithms that give the same bits; the process is left as it was.

    On a GPU some layers have no such algorithm: there a training is repeated as well as it can be.
    """
    import torch

    # as cuBLAS demands; read when it is first used
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng():
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
        try:
            yield
        finally:
            torch.set_num_threads(before)
            torch.use_deterministic_algorithms(strict, warn_only=warns)


__all__ = ["exactly"]
