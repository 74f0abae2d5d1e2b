"""Network dissection: thresholds, data-set IoU of units and concepts, top images."""
