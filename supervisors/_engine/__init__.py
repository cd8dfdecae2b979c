"""The engine: a supervisor as a pure state machine. It decides and has no effects."""
