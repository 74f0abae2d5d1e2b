"""Part graphs grown from a few annotated parts, and questions that grow them further: And-Or graphs of units.

A part is one of its templates [OR]; a template is all of its patterns, each a unit of some layer that lies where the part
expects it [AND].

References
----------
Q. Zhang, R. Cao, Y. N. Wu, S.-C. Zhu, Growing interpretable part graphs on ConvNets via multi-shot learning, AAAI 2017.
Q. Zhang, R. Cao, Y. N. Wu, S.-C. Zhu, Mining object parts from CNNs via active question-answering, CVPR 2017.
"""
