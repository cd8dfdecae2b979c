"""Protocols: exchanges of typed messages between actors, each with a promise it keeps through crashes."""
