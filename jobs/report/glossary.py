"""What every number of the report is, in a sentence: the meaning that the schema gives its column, or a sentence of its own."""

from functools import cache

from filterscope.jobs.report.terms import OF_PICTURES
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.methods.significance.trust import MEANINGS
from filterscope.schemas.results import TABLES

_OVER = f"over {DETECTOR_IOU}"
_INSTABILITY = "deviation of the distance to a landmark, in diagonals; lower is steadier"

#: Findings that have columns of controls.
_OF_MAPS = ("Maps that point at a region", "Maps that point near a region", "Maps that lie in a region")
#: How the policies that ask about views go about it.
_POLICIES = {
    "uub": "by a bandit over partitions that counts old answers less (Lakkaraju et al. 2017), mean over trials",
    "random": "by asking about views at random, mean over trials",
    "least-confident": "by asking about the least confident views first",
    "most-distant": "by asking first about the views whose activations are farthest from their mean over the class",
    "greedy": "by asking about the partition that was wrong most often, mean over trials",
    "epsilon": "as greedy, every tenth question being about any partition, mean over trials",
    "ucb1": "by the bandit UCB1 over partitions, mean over trials",
}

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

#: What is computed from columns and so is none itself; ``finding.column`` where columns of that name differ.
TERMS: dict[str, str] = {
    **{str(name): meaning for name, meaning in MEANINGS.items()},
    "IoU": "intersection over union of the unit's mask and its label, over the whole data set; 0 where none",
    "labelled": f"units with a label: their best concept has an IoU {_OVER}",
    "over 0.04": f"units whose best concept has an IoU {_OVER}; those of all verdicts but no label",
    "by chance": f"units {_OVER} under permuted annotations, on average",
    "unique": f"distinct labels of units {_OVER}",
    "unique per category": "distinct best concepts of each category, summed over the categories",
    "median IoU": "median over the units of the IoU of their best concept",
    "dead": "units that are constant or never above zero",
    "saturated": "units whose threshold T is their maximum, so that nothing is above it",
    "instability": f"location instability, the {_INSTABILITY}; mean over landmarks",
    "units of a concept": "units labelled with the concept",
    "strong units of a concept": f"units labelled with the concept whose label is strong: {MEANINGS['strong']}",
    "best IoU": "IoU of the best unit labelled with the concept: by verdict, then by IoU",
    "best unit": "the best unit labelled with the concept: by verdict, then by IoU",
    "margin": "IoU of the best concept minus that of the second best",
    "effective images": "images, or groups of images, on which the label rests: (sum I)^2 / sum I^2 over them",
    "above T": "share of all activations above the threshold T",
    "input": "rows and columns of what the network is given",
    "theoretical field": "rows and columns of the input on which a value of the layer can depend",
    "empirical field": "side of the square as large as the region whose occlusion changes the activation, in input pixels",
    "purity low": "2.5 % of the draws have a lower mean",
    "purity high": "2.5 % of the draws have a higher mean",
    "data set": "name of the data set's folder",
    "views": "what the networks were given: whole images, or crops of objects",
    "shown images": "images of the data set that the views show",
    "of category": "how many of them are of this category, or mirrored",
    "concepts of category": "concepts of this category",
    "concepts": "concepts that the data set annotates",
    "identity": "beginning of a digest of the data set; other data have another",
    "rejected": "how many were left out, where, and why, with one of them",
    # of findings, by their columns
    "What routing selects.groups": "groups of codes that win on some image, such as a capsule of each class",
    "Codes beside random directions.groups": "groups of codes, such as a capsule of each class",
    "Rules that networks obey.by chance": "truth with the right-hand side of the rule permuted over images, on average",
    "Rules that networks obey.q": "false discovery rate, over the rules of the model, of being as true under permuted images",
    "in data": "truth of the rule with the labels on file in place of the network's",
    "network": "accuracy of the network on its own",
    "with rules": "accuracy of the posterior that the rules give",
    "Rules imposed on answers.permuted": "accuracy of the posterior with concepts of other images, on average",
    "Parses of boxes.pooled": "accuracy of a linear head on the mean over the box, learned alike",
    "leaves per box": "leaves of the best parse of a box, on average",
    "entropy by chance": "entropy of the trees with categories permuted over boxes, on average, in bits",
    "random deletion": "drop of the score for other rectangles of as many cells, on average",
    "flips agree": "share of boxes whose mirror image has the mirrored tree",
    "other flips": "the same for the mirror image of another box of the category",
    "seeds agree": "share of boxes that a head of another seed parses alike",
    "other boxes": "the same for the other head's parse of another box of the category",
    "elsewhere": "share of the held-out boxes of other categories that are parsed so",
    "inside anyway": "share of all boxes of the category in which the landmark lies in these cells, whatever their parse",
    "cuts deep": "cuts on the longest way from the whole box to a leaf, on average",
    "Views that break rules.by chance": "truth with the right-hand side of the rule permuted over images, on average",
    "Views that break rules.truth": "mean truth of the rule over the groundings, from 0 to 1",
    "least truth": "truth of the rule on the first of these views",
    "units": "units that the row is about",
    "detectors": f"units whose best concept has an IoU {_OVER}",
    "unique_top1": f"distinct labels of units {_OVER}",
    "unique_per_category": "distinct best concepts of each category, summed over the categories",
    "mean_top_iou": "mean over the units of the IoU of their best concept",
    "standing": "what the label is worth: " + "; ".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items()),
    "over_cutoff": f"units {_OVER}",
    "expected_by_chance": f"units {_OVER} under permuted annotations, on average",
    "parts": "parts that enough views show",
    "part_interpretability": "mean over units of the largest share of a part's views that the unit meets with an IoU over 0.2",
    "over_half": "units that meet a part on more than half of the views that show it",
    "mean over units": "mean over the units of the share of the part's views that a unit meets with an IoU over 0.2",
    "Best parts.units": "units of which the part is the best one",
    "unique labels": f"distinct labels of units {_OVER}",
    "mean IoU": "mean over the units of the IoU of their best concept",
    "same label": "share of units, or whether this one, whose label is that of the run",
    "same by chance": "share of units whose label would be the same if labels were dealt out to them at random",
    "Labels at other thresholds.labelled": "units that have a label there",
    "activations above T, %": "percentage of all activations above the threshold",
    "T": "the threshold: activations above it make the unit's mask",
    "own quantile": "whether this is the quantile of the run",
    "theoretical": "side of the theoretical receptive field, in input pixels",
    "clipped": "root of the area of the theoretical field inside the input, in input pixels",
    "empirical": "side of a square as large as the region whose occlusion changes the activation, in input pixels",
    "smaller": "units whose empirical field is smaller than the part of the theoretical one inside the input",
    "offset y": "how far the middle of the empirical field lies below that of the theoretical one, in input pixels",
    "offset x": "how far the middle of the empirical field lies to the right of that of the theoretical one, in input pixels",
    "+- y": "standard error of the mean offset downwards",
    "+- x": "standard error of the mean offset to the right",
    "steadier": "units that are steadier than both baselines, p < 0.05",
    "displacement": "deviation of the vector to a landmark, in diagonals",
    "of a constant": "the displacement of a constant position: the landmark's own deviation",
    "units that track": "share of units whose tracking is above 0, that of a constant",
    "tracking where triggered": "tracking over the images that trigger the unit",
    "instability where triggered": f"over the images that trigger the unit: {_INSTABILITY}",
    "triggered": "share of the images measured that trigger it: a response of at least half the mean of its 20 best",
    "tracking_10": "10th percentile, over units and landmarks, of tracking: 0 for a constant, 1 for a follower",
    "tracking_50": "median, over units and landmarks, of tracking: 0 for a constant, 1 for a follower",
    "tracking_90": "90th percentile, over units and landmarks, of tracking: 0 for a constant, 1 for a follower",
    "centre": f"the same of a dot at the centre: {_INSTABILITY}",
    "random": f"the same of positions drawn over the view: {_INSTABILITY}",
    "filters": "filters, which are the units of the layer",
    "one": "filters whose peaks form one cluster",
    "two": "filters whose peaks form two clusters",
    "three": "filters whose peaks form three clusters",
    "more": "filters whose peaks form more than three clusters",
    "too few peaks": "filters with too few peaks to tell",
    "mean": "patterns of a filter, on average",
    "median peaks": "peaks of a filter, the median",
    "largest share": "share of a filter's peaks that are of its largest pattern, the median over filters with several",
    "Patterns of its filters.share": "share of all filters of the layer",
    "Largest patterns beside landmarks.patterns": "instability of patterns of the filters",
    "Nodes beside patterns.patterns": f"of patterns of the same filters: {_INSTABILITY}",
    "Patterns on held-out crops.patterns": "patterns of the filters",
    "fixed": f"of a dot at the crop's centre: {_INSTABILITY}",
    "own mean": f"of the pattern held at its mean position: {_INSTABILITY}",
    "beat": "share of patterns that are steadier than their own mean position, p < 0.05, which 0.05 would be by chance",
    "tracking": "how closely positions follow the landmark: 0 for a constant, 1 for a follower",
    "spread if strewn": "spread of peaks that are strewn evenly over the input",
    "row": "mean row, in input pixels from the top",
    "column": "mean column, in input pixels from the left",
    "activation": "mean activation at the peaks",
    "layers": "layers whose filters it takes apart",
    "crops learned from": "crops of objects that the graph was learned from",
    "held out": "crops that were kept back to measure on",
    "nodes of a filter": "nodes that a filter is taken apart into, on average",
    "by surviving nodes": "the same by surviving nodes alone",
    "candidates": "nodes of the layer that lower ones could be tied to",
    "nodes": "surviving nodes",
    "Nodes beside patterns.nodes": f"of surviving nodes: {_INSTABILITY}",
    "triggered by, %": "percentage of crops that trigger the node",
    "peak share": "share of the filter's peaks that lie about the node",
    "Nodes.by chance": "the same about the best place once peaks are shuffled over positions, 99th percentile",
    "raw filters": f"of the peaks of filters as they are: {_INSTABILITY}",
    "own filter": f"of the peaks of the nodes' own filters: {_INSTABILITY}",
    "node instability": f"of the nodes: {_INSTABILITY}",
    "beat all controls": "share of surviving nodes that are steadier than every control, each with p < 0.05",
    "by chance, at most": "share that would beat all controls by chance, at most",
    "tracking of filters": "how closely peaks of filters follow the landmark: 0 for a constant, 1 for a follower; median",
    "Parts that groups of nodes find.members": "nodes or filters of a group",
    "Parts that groups of nodes find.less": "by what share nodes err less than the best method without a graph",
    "learning": "crops that the group was chosen on, mirrored ones too",
    "heldout": "held-out crops on which the landmark is looked for",
    "offset down": "mean row of the landmark less that of the node, by score, in input pixels",
    "offset right": "mean column of the landmark less that of the node, by score, in input pixels",
    "Nodes of the groups.displacement": "deviation of the vector to the landmark, by score, in diagonals",
    "Nodes of the groups.effective images": "images that it rests on: (sum of weights)^2 over the sum of their squares",
    "held-out distance": "distance from the landmark on held-out crops, by score, in diagonals",
    "follow": "share of units whose follows_shift lies two standard errors above 0",
    "follows_shift_10": "10th percentile, over units, of how far they move with the content: 0 a constant, 1 a follower",
    "follows_shift_50": "median, over units, of how far they move with the content: 0 for a constant, 1 for a follower",
    "follows_shift_90": "90th percentile, over units, of how far they move with the content: 0 a constant, 1 a follower",
    "follows shift": "how far the unit moves with the content: 0 for a constant, 1 for a follower",
    "follows where triggered": "the same over the views that trigger the unit",
    "Units that move with the content.error": "standard error of follows_shift, on average over units",
    "Whether it moves with the content.error": "standard error of follows shift, over source images",
    "pairs": "pairs of crops measured, one of each view",
    "where triggered": "tracking of nodes over the views that trigger them; median",
    "displacement of nodes": "deviation of the vector from nodes to the landmark, in diagonals; mean",
    "tracking of nodes": "how closely nodes follow the landmark: 0 for a constant, 1 for a follower; median",
    "measured": "views of a node that were measured, on average",
    "crops": "held-out crops",
    "with a peak": "share of crops on which the pattern has a peak above T",
    "one each": "filters divided by their patterns: what share would have a peak if each filter had one",
    "raw": f"of the peaks of the same filters: {_INSTABILITY}",
    "patterns' own mean": f"of patterns held at their mean positions: {_INSTABILITY}",
    "nodes' own mean": f"of nodes held at their mean positions: {_INSTABILITY}",
    "crop centre": f"of a dot at the crop's centre: {_INSTABILITY}",
    "less": "by what share nodes scatter less than patterns",
    "less_low": "lower limit of its 95 % interval over source images",
    "less_high": "upper limit of its 95 % interval over source images",
    "nodes win": "share of filters whose nodes are steadier, significantly",
    "patterns win": "share of filters whose patterns are steadier, significantly",
    "What nodes gain over patterns.by chance": "share of filters that either would win by chance",
    "images": "images that were counted",
    "classes": "classes that the network tells apart",
    "Gradients of class scores with respect to maps.classes": "classes whose scores gradients were taken of",
    "left out": "views of the category whose score is not above 0 or does not depend on the layer",
    "modes": "nodes of the tree's second layer, where merging two of them would lower the likelihood",
    "linear": "median share of the score that gradient times map explains",
    "pooled": "the same after summing both over positions",
    "root": "of the root alone, one mode for all",
    "random tree": "of a tree of the same shape over shuffled views",
    "k-means": "of as many clusters of gradients",
    "Decision modes.mode": "number of the node",
    "Decision modes.size": "views of the node",
    "What parts give.share": "share of the score that the node says the part's filters gave",
    "What parts give.of filters": "share of the filters assigned to any part that the part has",
    "What parts give.measured": "share of the score that is lost when they are silenced",
    "top-1": "share of views whose true class has the highest score",
    "top-5": "share of views whose true class is among the five of highest score",
    "+-": "standard error of top-1 over images",
    "Accuracy of the networks on the views whose true class is known.chance": "top-1 of a random answer",
    "chance of 5": "top-5 of a random answer",
    "constant": "top-1 of always giving the commonest class of these views",
    "constant 5": "top-5 of always giving the five commonest classes of these views",
    "mean probability": "probability of the class of highest score, on average over views",
    "Confidence.median": "probability of the class of highest score, the median over views",
    "at least 0.9": "share of views on which that probability is at least 0.9",
    "overconfidence": "mean probability minus the share of views that are right; 0 would be calibrated on average",
    "Attributes that units know.tested": "attributes that enough images have and enough lack",
    "Attributes that units know.found": "attributes that the best unit of the layer tells, p <= 0.05",
    "Attributes that units know.by chance": "attributes that would be found if none were told, at most",
    "Attributes that units know.strong": "attributes that some unit knows strongly: q <= 0.05, AUC >= 0.75 or <= 0.25",
    "Attributes that units know.strong units": "units that know an attribute strongly",
    "Attributes that units know.pairs": "pairs of unit and attribute with q <= 0.05",
    "Attributes that units know.pairs by chance": "pairs that stand out as far under permuted images, on average",
    "zero share": "share of views whose gradient is zero everywhere",
    "smallest": "smallest magnitude over the views, that of a view being its largest",
    "median": "median magnitude over the views, that of a view being its largest",
    "largest": "largest magnitude over the views",
    "empty": "views whose map says nothing or is broken; they count as misses",
    "low": "lower limit of the 95 % interval, over images",
    "high": "upper limit of the 95 % interval, over images",
    **{f"{heading}.centre": "the same of a Gaussian about the centre" for heading in _OF_MAPS},
    **{f"{heading}.random": "the same of noise" for heading in _OF_MAPS},
    "edges": "the same of the strength of edges",
    "random network": "the same of the method on a network whose weights are in another order",
    "unknown": "views on which one of the maps is the same everywhere",
    "passes a view": "forward passes that a map took as long as",
    "Views that were attacked.views": "views that were drawn and decoded",
    "Views that were attacked.attacked": "views that the network is right about, or sure of where no true class is known",
    "Views that were attacked.wrong": "views whose true class is not the one predicted, which are not attacked",
    "Views that were attacked.unsure": "views without a true class on which no class is probable enough",
    "Views that were attacked.target": "views that have the class that attacks are after already",
    "rate": "share of the attacked views whose class changed",
    "How often attacks change the class.low": "lower limit of its 95 % interval (Wilson)",
    "How often attacks change the class.high": "upper limit of its 95 % interval (Wilson)",
    "Attacks by class.low": "lower limit of its 95 % interval (Wilson)",
    "Attacks by class.high": "upper limit of its 95 % interval (Wilson)",
    "in 8 bits": "share on which it still has changed once the image is rounded to 8 bits per value",
    "control": "share on which a random change of the same size does the same",
    "How often attacks change the class.l2": "Euclidean length of the changes that succeed, black to white being 1; the median",
    "How often attacks change the class.distortion": "root mean square of the changes that succeed; the median",
    "How often attacks change the class.linf": "largest change of a value in what succeeds, black to white being 1; the median",
    "How often attacks change the class.queries": "forward passes that the attack took as long as; the median",
    "How often attacks change the class.check": "share of L-BFGS's changes in whose reach another attack succeeds too",
    "becomes": "class that it becomes most often",
    "in noise": "the same under random noise of equal length",
    "Layers under attack.larger": "share of units and views that the attack changes more than the noise does; 0.5 by chance",
    "Attack gallery.before": "probability of the class before the attack",
    "Attack gallery.after": "probability, after the attack, of the class before it",
    "under control": "probability, under the control (a random change of the same size), of the class before the attack",
    "grey levels": "largest change of a value, in grey levels of 255",
    "off after": "share of units that are on and are off after the attack",
    "off in noise": "the same in noise of equal length",
    "on after": "share of units that are off and are on after the attack",
    "on in noise": "the same in noise of equal length",
    "images above T": "images with an activation above the threshold somewhere",
    "views above T": "views with an activation above the threshold somewhere",
    "views if scattered": "views that would have one if as many activations lay at random over all views and positions",
    "all views": "views of the data set",
    "mask pixels": "pixels above the threshold in a view that has one, on average",
    # of blind spots
    "unknown unknowns": "confident predictions among them that are wrong, by the true classes on file",
    "Unknown unknowns found.views": "confident views of the critical class with a true class on file",
    "questions": "views that a policy may ask about",
    "Unknown unknowns found.+-": "standard deviation of what random finds, over its trials",
    **{
        f"{heading}.{policy}": f"wrong predictions found {how}"
        for heading in ("Unknown unknowns found", "Unknown unknowns against questions", "Answers")
        for policy, how in _POLICIES.items()
    },
    "random low": "lower end of the 95 % interval of what one trial at random finds (hypergeometric)",
    "random high": "upper end of that interval",
    "Answers.question": "questions asked",
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
    "members": "views of the partition",
    "share wrong": "share of views with a true class on file that are predicted wrongly",
    "Answers to questions of `filterscope ask`.answers": "views that a person was asked about and answered",
    "unsure": "answers of a person who was unsure, which count neither way",
    "Answers to questions of `filterscope ask`.share wrong": "share of the other answers that call the prediction wrong",
    "of all views": "the same share of all views of the critical class",
    "answered": "members that a person was asked about and answered",
    "answered wrong": "members whose prediction is wrong by these answers",
    "Linear heads.train": "views that the head was trained on",
    "Linear heads.test": "views that it was tested on",
    "Linear heads.accuracy": "share of test views whose label is predicted",
    **{
        f"{heading}.{order}": f"share of the wrong labels found when those {first} are checked first"
        for heading in ("Label errors", "Label errors found, by the share of labels checked")
        for order, first in (
            ("self-influence", "of largest self-influence"),
            ("loss", "of largest loss"),
            ("random", "drawn"),
        )
    },
    "accuracy with errors": "share of test views that is right after training with the wrong labels",
    "after self-influence": "the same once errors found by self-influence are put right",
    "after loss": "the same once errors found by loss are put right",
    "after random": "the same once errors found at random are put right",
    "without errors": "the same once all errors are put right",
    "shown": "training views shown",
    "predicted otherwise": "share of them whose label is not what the head predicts",
    "also by influence": "how many of them are shown by self-influence too",
    "Groups of training views.left out": "training views that the head is trained without",
    "Groups of training views.predicted": "change of the mean loss of all test views without the group, by influence",
    "Groups of training views.actual": "the same by training again",
    "random group": "the same, by training again, without a random group of the same size",
    "own value": "change of the mean loss of test views with the value, by training again",
    "own value, random group": "the same without a random group of the same size",
    "Training attacks.views": "test views that the head is right about and that were attacked",
    "share flipped": "share of the test views whose label is lost once the head is trained on the changed views",
    "Training attacks.low": "lower limit of its 95 % interval (Wilson)",
    "Training attacks.high": "upper limit of its 95 % interval (Wilson)",
    "by noise": "share whose label is lost with random noise of equal length in the same training views",
    "loss before": "loss of the test view before; the median",
    "loss after": "loss of the test view after training on the changed views; the median",
    "loss in noise": "loss of the test view after training on views in noise; the median",
    "loss rank": "place by loss, 0 the largest",
    "Harmful and helpful training views.strongest": "influence of the first training view shown",
    "same class": "share of the training views shown that have the label of the test view",
    # of biased representations
    **{
        f"{heading}.{name}": meaning
        for heading in (
            "Attributes tied together",
            "Relations that are not as expected",
            "Relations in the last layer",
            "Inference patterns",
        )
        for name, meaning in (
            ("relation", "cosine of the gradients of both outputs where each has its evidence, mean over views"),
            ("random network", "the same in the network with its weights in another order"),
            ("in the data", "correlation of both attributes in the labels"),
            ("low", "lower limit of the 95 % interval of the relation, over source images"),
            ("high", "upper limit of the 95 % interval of the relation, over source images"),
        )
    },
    "Edited views.before": "score of the attribute on the view",
    "Edited views.after": "score after the edit",
    "Edited views.under control": "score after the control: an equal region painted elsewhere, or a view with it pasted",
    "Edited views.effect": "of the edit over all views: part of the contrast that it takes, less that of its control",
    **OF_PICTURES,
    "gap before": "accuracy on images that agree less that on images that contradict, of the network as it was",
    "gap after": "the same of the mended network, mean over trials",
    "gap control": "the same after the control, mean over trials",
    "omega before": "the mined relation of both attributes in the network as it was",
    "omega after": "the same in the mended network, mean over trials",
    "omega control": "the same after the control, mean over trials",
    "labels paid": "images that a person labels for it",
    "distance low": "lower end of the 95 % interval of the distance (bootstrap over held-out images)",
    "distance high": "upper end of that interval",
    "gain low": "lower end of the 95 % interval of the gain (bootstrap over trials and images)",
    "gain high": "upper end of the 95 % interval of the gain",
}


def says(term: str) -> str:
    """Return the sentence of a term: one of `TERMS`, or what the schema says of a column written as ``table.column``.

    Raises
    ------
    KeyError
        If there is none.
    """
    if term in TERMS:
        return TERMS[term]
    table, _, name = term.partition(".")
    return _meanings(table)[name]


def column_says(name: str, finding: Finding) -> str | None:
    """Return the sentence of a column of a finding, None if nothing says what it is."""
    stored = (_meanings(table)[name] for table in finding.tables if name in _meanings(table))
    return TERMS.get(f"{heading_of(finding)}.{name}") or next(stored, TERMS.get(name))


def heading_of(finding: Finding) -> str:
    """Return the heading of a finding without what explains it."""
    return finding.title.partition(":")[0]


@cache
def _meanings(table: str) -> dict[str, str]:
    return {field.name: _sentence(field.metadata or {}) for field in TABLES[table]}


def _sentence(notes: dict[bytes, bytes]) -> str:
    meaning, unit = (notes.get(key, b"").decode() for key in (b"meaning", b"unit"))
    return f"{meaning} ({unit})" if unit else meaning


__all__ = ["TERMS", "column_says", "heading_of", "says"]
