"""Well-known networks at full size, written from their papers, and what makes them realistic.

`catalog.py` lists them; `images.py` makes images and `realistic.py` weights, because neither a
dataset nor trained weights are needed to build an accelerator and to measure how long that takes.
"""
