"""The settings of torch that float results depend on."""

import torch


def settle_torch() -> None:
    """Fix threads, TF32 and cudnn for this process; one thread, for actors are the parallelism."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


__all__ = ["settle_torch"]
