"""The code that runs in the processes of actors: the zygote, which forks them, and the runtime of one actor."""
