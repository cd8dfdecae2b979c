"""Resilience: policies around a call, composable with `|`, and grants of shared resources.

General layout: `_policy` says what a policy is, and each policy is a module. `_circuit`, `_pace`, `_ledger` decide
without effects. `_resources` is the actor, `_grant` the client's side of it.
"""

from teams._errors import (
    AllFailed,
    BatchMismatch,
    BulkheadFull,
    CallsItself,
    CircuitOpen,
    Fatal,
    PolicyInUse,
    RateLimited,
    Recoverable,
    Refused,
    ResourceTimeout,
    ResourceUnavailable,
    SwitchThrown,
    TimedOut,
    WrongCall,
)
from teams._events import (
    CallGivenUp,
    CallRefused,
    CallTimedOut,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    DegradationEnded,
    Degraded,
    FellBack,
    ResourcesGranted,
    ResourcesReleased,
    Retried,
)
from teams.resilience._batch import Batch, batch
from teams.resilience._breaker import CircuitBreaker, circuit_breaker
from teams.resilience._bulkhead import Bulkhead, bulkhead
from teams.resilience._cache import Cache, CacheStatistics, cache
from teams.resilience._circuit import CircuitState
from teams.resilience._degrade import Degrade, degrade
from teams.resilience._fallback import Fallback, fallback
from teams.resilience._grant import Grant, Holding, ResourceClient, holding, resources
from teams.resilience._kill_switch import KillSwitch, kill_switch
from teams.resilience._ledger import PoolUsage
from teams.resilience._policy import Batching, Call, Policy
from teams.resilience._pool import Pool
from teams.resilience._rate_limit import RateLimit, rate_limit
from teams.resilience._resources import Resources
from teams.resilience._retry import Retry, retry
from teams.resilience._staged_start import StagedStart, staged, staged_start
from teams.resilience._timeout import Timeout, timeout

__all__ = [
    "AllFailed",
    "Batch",
    "BatchMismatch",
    "Batching",
    "Bulkhead",
    "BulkheadFull",
    "Cache",
    "CacheStatistics",
    "Call",
    "CallGivenUp",
    "CallRefused",
    "CallTimedOut",
    "CallsItself",
    "CircuitBreaker",
    "CircuitClosed",
    "CircuitHalfOpened",
    "CircuitOpen",
    "CircuitOpened",
    "CircuitState",
    "DegradationEnded",
    "Degrade",
    "Degraded",
    "Fallback",
    "Fatal",
    "FellBack",
    "Grant",
    "Holding",
    "KillSwitch",
    "Policy",
    "PolicyInUse",
    "Pool",
    "PoolUsage",
    "RateLimit",
    "RateLimited",
    "Recoverable",
    "Refused",
    "ResourceClient",
    "ResourceTimeout",
    "ResourceUnavailable",
    "Resources",
    "ResourcesGranted",
    "ResourcesReleased",
    "Retried",
    "Retry",
    "StagedStart",
    "SwitchThrown",
    "TimedOut",
    "Timeout",
    "WrongCall",
    "batch",
    "bulkhead",
    "cache",
    "circuit_breaker",
    "degrade",
    "fallback",
    "holding",
    "kill_switch",
    "rate_limit",
    "resources",
    "retry",
    "staged",
    "staged_start",
    "timeout",
]
