"""The sentence encoder that needs no network."""

from __future__ import annotations

import numpy as np

from valuedrift.embedding.encode import OFFLINE, embed


def test_texts_become_unit_vectors_in_their_order_with_like_texts_near() -> None:
    texts = ["Should abortion be legal?", "How do I bake a sourdough loaf at home?", "Is it right to forbid abortion?"]
    vectors = embed(texts, OFFLINE)
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    near, far = vectors[0] @ vectors[2], vectors[0] @ vectors[1]
    assert near > 0.5 > far
