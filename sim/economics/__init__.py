"""Economics of the market for foundation models: pure functions of numbers and arrays.

No input or output, no randomness, no state: the same arguments always give the same result, so every function can be
checked against its closed form (see ``docs/limits.md``) and used on its own.
"""
