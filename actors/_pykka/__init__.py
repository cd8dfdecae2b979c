"""Everything that touches pykka's privates: its actors in our cells, and its proxy."""
