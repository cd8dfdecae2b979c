"""The numbers the README quotes, each with the peer it is compared to, measured in one run.

`python -m benchmarks` runs every work for every subject. Layering: `_works` and `_subjects` say what is
measured and for which library; `_harness` launches each measurement in a fresh child (`_run`) and interleaves them in
rounds; `_report`, `_goals` and `_table` turn the outcomes into rows and text. Only a child imports a peer,
through `benchmarks.peers`, or `ours`.
"""
