"""A worker whose linear layers stay as they are, as on GPUs; vLLM's CPU build repacks them and drops the originals.

Worker processes import it; in the tests' own process it would change all tests.
"""

from __future__ import annotations

import torch
import vllm.model_executor.layers.utils as vllm_layers

from valuedrift.generation.vllm_worker import HeldWeights


def keep(layer: torch.nn.Module, remove_weight: bool) -> None:
    layer.cpu_linear = torch.nn.functional.linear


vllm_layers.dispatch_cpu_unquantized_gemm = keep


class PlainLayers(HeldWeights):
    """See above."""
