"""The pictures on the pages of the methods: ``make pictures`` draws them again, into ``docs/pictures``.

A module that is named after a page has a function `picture`, which returns an SVG. Its numbers come from the operators, applied
to the drawn sample or to planted data, so that they are the same on every machine.
"""
