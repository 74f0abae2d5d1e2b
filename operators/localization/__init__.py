"""Localising a part from a few annotated images: nodes of an explanatory graph vote, beside baselines without a graph.

References
----------
Q. Zhang, R. Cao, F. Shi, Y. N. Wu, S.-C. Zhu, Interpreting CNN knowledge via an explanatory graph, AAAI 2018, section 4.3.
Q. Zhang, R. Cao, Y. N. Wu, S.-C. Zhu, Growing interpretable part graphs on ConvNets via multi-shot learning, AAAI 2017.
"""
