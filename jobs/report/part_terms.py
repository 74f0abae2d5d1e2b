"""What numbers say of And-Or graphs and of questions about parts; see `glossary`."""

#: How strategies choose the object that a person is asked about; how a part is found after their answers.
_STRATEGIES = {
    "gain": "asking where the graph is predicted to gain most",
    "random": "asking at random",
    "lowest score": "asking about the crop that is explained worst",
    "most different": "asking about the crop least like those asked about",
}

_ANSWERED = {
    "person": "by the graph grown from the answers",
    "mean position": "at the mean of what was marked",
    "random crops": "by a graph of as many crops at random, each marked by its landmark",
}
_ENDS = {"": "mean", " low": "2.5th percentile of the mean", " high": "97.5th percentile of the mean"}

PART_TERMS: dict[str, str] = {
    "Templates of And-Or graphs.patterns": "patterns of the template, of all layers",
    "Templates of And-Or graphs.score": "the highest score of the template on a held-out crop",
    "Standards of And-Or graphs.filters": "filters of the layer",
    "Standards of And-Or graphs.silent": "filters that never vary there",
    "Standards of And-Or graphs.mean": "median over the filters of the mean activation",
    "Standards of And-Or graphs.deviation": "median over the filters of the standard deviation",
    "Questions about parts.seeds": "random pools of crops that may be asked about",
    "Questions about parts.answers": "questions that were answered",
    "Questions about parts.error": "mean distance from the part over all numbers of answers, in diagonals; lower is better",
    "Questions about parts.less": "by what share that is below the error of questions at random",
    "Questions about parts.less_low": "2.5th percentile over pools",
    "Questions about parts.less_high": "97.5th percentile over pools",
    "Questions about parts.needed": "answers until the mean distance is that of the last random question; none: never",
    "Questions about parts.right": "share of answers that what was found is right",
    "Questions about parts.place": "share of answers that the template is right and the place wrong",
    "Questions about parts.other": "share of answers that name another template",
    "Questions about parts.new": "share of answers that begin a template",
    "Answers of a person about parts.answers": "answers of this kind",
    "And-Or graph of a person's answers.weight": "of a template among those of its part, or of a filter in it; width alone",
    "Error against answers.answers": "questions that were answered",
    **{
        f"{heading}.{of}{end}": f"{which} distance from the part on held-out crops, {how}"
        for heading, ways in (("Error against answers", _STRATEGIES), ("Error against a person's answers", _ANSWERED))
        for of, how in ways.items()
        for end, which in _ENDS.items()
    },
}

__all__ = ["PART_TERMS"]
