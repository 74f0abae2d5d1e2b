"""Explanatory graphs: which part patterns the filters of a network mix, and how patterns of neighbouring layers move together.

References
----------
Q. Zhang, R. Cao, F. Shi, Y. N. Wu, S.-C. Zhu, Interpreting CNN knowledge via an explanatory graph, AAAI 2018.
Q. Zhang, S.-C. Zhu, Visual interpretability for deep learning: a survey, 2018, section 4.1.
"""
