"""Slow twins of inversion: what is made small, one value at a time."""


def loss(values, targets, pixels, smoothness, weight):
    """Return the error in a layer, plus roughness and excess of normalised pixels (channels, height, width), weighed."""
    lengths = sum(float(target) ** 2 for target in targets.ravel())
    error = sum((float(a) - float(b)) ** 2 for a, b in zip(values.ravel(), targets.ravel(), strict=True)) / lengths
    channels, height, width = pixels.shape
    down = [
        (float(pixels[c, y + 1, x]) - float(pixels[c, y, x])) ** 2
        for c in range(channels) for y in range(height - 1) for x in range(width)
    ]  # fmt: skip
    across = [
        (float(pixels[c, y, x + 1]) - float(pixels[c, y, x])) ** 2
        for c in range(channels) for y in range(height) for x in range(width - 1)
    ]  # fmt: skip
    far = [(float(value) / 2) ** 6 for value in pixels.ravel()]
    rough = sum(down) / len(down) + sum(across) / len(across)
    return error + smoothness * rough + weight * sum(far) / len(far)
