"""Every operation of a ref gives the same on a node of Ray."""

from __future__ import annotations

from tests.actors.place.cast import placing
from tests.actors.place.test_every_host import gives
from tests.support import in_loop


@in_loop
async def test_every_operation_of_a_ref_gives_on_ray_what_it_gives_on_the_loop() -> None:
    expected, found = await gives("loop"), await gives(placing())
    assert found == expected
