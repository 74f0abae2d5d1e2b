"""Decision trees of a network: which filters carry a score, by which decision mode.

References
----------
Q. Zhang, Y. Yang, H. Ma, Y. N. Wu, Interpreting CNNs via decision trees, CVPR 2019. No code was released.
"""
