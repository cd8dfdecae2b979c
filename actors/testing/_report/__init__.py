"""The oracles that judge a run, the report of a failure, and its replay."""
