"""What numbers of findings with pictures are, for the glossary."""

#: As `glossary.TERMS`, which holds these.
OF_PICTURES: dict[str, str] = {
    # of effective fields
    "68 %": "radius of the disc about the centroid that holds 68 % of the gradient's magnitude",
    "95 %": "radius of the disc about the centroid that holds 95 % of the gradient's magnitude",
    "uniform 68 %": "radius of 68 % were all pixels of the theoretical field inside the input alike",
    "uniform 95 %": "radius of 95 % were all pixels of the theoretical field inside the input alike",
    "random 68 %": "radius of 68 % in the network with its weights in another order",
    "random 95 %": "radius of 95 % in the network with its weights in another order",
    "long to short": "standard deviation of the field along its long axis over that along its short one",
    "random long to short": "the same in the network with its weights in another order",
    "down": "centroid of the field less its theoretical centre, rows, mean over units",
    "right": "centroid of the field less its theoretical centre, columns, mean over units",
    "by chance up to": "largest correlation, either sign, of the central 95 % of permuted units",
    "occlusion to gradient": "size found by occlusion over the side of a square as large as the disc of 68 %, median",
    # of feature visualisation
    "beat the data": "share of the units whose picture reaches at least the largest activation on the data",
    "noise": "the same of the noise that the picture began as",
    "scrambled": "the same of the picture with its phases drawn anew",
    # of saliency
    "Whether saliency maps depend on what was learned.rectifiers": "rectifiers of the network that followed the rule",
    "head shuffled": "rank correlation with the map of the network whose last module has its weights in another order",
    "all shuffled": "rank correlation with the map of the network all of whose weights are in another order",
    "edges": "rank correlation with the strength of the edges of the image",
    "Images made for classes.in the data": "largest score of the class on the drawn views",
    "of noise": "score of the class on the noise that the image was made from",
    "Images made for classes.scrambled": "score of the class on the image with random phases",
    "of the twin's": "score of the class on the image that the network with shuffled weights makes for it",
    "gain of the twin": "by how much the network with shuffled weights raises its own score",
    # of inversion
    "of its class": "error of other drawn views of the class in place of the image, mean",
    "What layers still know of an image.nearest": "error of the drawn view that is nearest in the layer",
    "What layers still know of an image.noise": "error of the noise that the image was made from",
    "shuffled": "error in the network with its weights in another order",
    "in pixels": "squared distance of the pixels to the view, over that of the view to its mean colour",
    "nearest in pixels": "the same of the drawn view whose pixels are nearest",
    "shuffled in pixels": "the same of what the network with shuffled weights gives back",
}

__all__ = ["OF_PICTURES"]
