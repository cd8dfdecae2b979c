"""Trees of actors that restart each other by policy."""
from supervisors._backoff import constant, exponential, linear
from supervisors._builders import budget, child, dynamic_supervisor, partition_supervisor, supervisor, tasks
from supervisors._start import start
from supervisors._errors import *
