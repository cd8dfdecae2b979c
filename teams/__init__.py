"""Actors that work together.

`teams` stands on `supervisors` and `actors`, and neither of them imports it. It reaches them through one seam
module each, `teams._actors` and `teams._supervisors`, and nowhere else; `lint-imports` enforces both rules.

Today this package holds this façade and nothing else: there is nothing to import from it. The message
protocols, patterns and orchestration of teams come with a later release.
"""

__all__: list[str] = []
