"""Requests that nobody would send by mistake, made from seeds, and what must hold whatever they are.

Case `n` of seed `s` is always the same, so a find is repeated with PERCEPT_FUZZ_SEED=s and looked at alone.
"""
