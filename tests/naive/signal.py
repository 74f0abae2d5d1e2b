"""Slow twins of the patterns of linear neurons, from the definition: one neuron, one input, one value at a time."""

import numpy as np


def pattern(inputs, outputs, weight, rectified=True):
    """Return the pattern of one neuron from its inputs (n, F) and outputs (n,), zeros if it has none."""
    where = [number for number, output in enumerate(outputs) if output > 0 or not rectified]
    if len(where) < 2 or len({float(outputs[number]) for number in where}) < 2:
        return np.zeros(len(weight))
    mean_y = sum(float(outputs[number]) for number in where) / len(where)
    found = np.zeros(len(weight))
    for entry in range(len(weight)):
        mean_x = sum(float(inputs[number][entry]) for number in where) / len(where)
        terms = [(float(inputs[number][entry]) - mean_x) * (float(outputs[number]) - mean_y) for number in where]
        found[entry] = sum(terms) / len(where)
    return found / sum(float(weight[entry]) * found[entry] for entry in range(len(weight)))


def patches(images, kernel, stride, padding, dilation, groups, outputs):
    """Return what each output channel of a convolution sees, a list of (n, F) arrays: images in order, row by row."""
    count, channels, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    span = dilation * (kernel - 1) + 1
    found = []
    for output in range(outputs):
        group = output // (outputs // groups)
        own = range(group * (channels // groups), (group + 1) * (channels // groups))
        places = [
            (image, top, left)
            for image in range(count)
            for top in range(0, height + 2 * padding - span + 1, stride)
            for left in range(0, width + 2 * padding - span + 1, stride)
        ]
        taps = [(channel, row, column) for channel in own for row in range(kernel) for column in range(kernel)]
        rows = [
            [padded[image, channel, top + row * dilation, left + column * dilation] for channel, row, column in taps]
            for image, top, left in places
        ]
        found.append(np.array(rows))
    return found
