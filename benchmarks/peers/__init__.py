"""One module per peer: each exports one mapping from a work's name to the function that does it.

Such a function takes how many times to do the work, times nothing but the work, and returns figures by metric
key. The modules import their peer, so only the child that measures it imports them.
"""
