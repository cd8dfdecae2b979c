"""Resilience: policies around a call, composable with `|`, and grants of shared resources.

General layout: `_policy` says what a policy is, and each policy is a module. `_circuit`, `_pace`, `_ledger` decide
without effects. `_resources` is the actor, `_grant` the client's side of it.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
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
    from teams.resilience._pool import ResourcePool
    from teams.resilience._rate_limit import RateLimit, rate_limit
    from teams.resilience._resources import Resources
    from teams.resilience._retry import Retry, retry
    from teams.resilience._staged_start import StagedStart, staged_start
    from teams.resilience._timeout import Timeout, timeout
    from teams.resilience.errors import (
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
    from teams.resilience.events import (
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
    "PoolUsage",
    "RateLimit",
    "RateLimited",
    "Recoverable",
    "Refused",
    "ResourceClient",
    "ResourcePool",
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
    "staged_start",
    "timeout",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.resilience._batch": ["Batch", "batch"],
            "teams.resilience._breaker": ["CircuitBreaker", "circuit_breaker"],
            "teams.resilience._bulkhead": ["Bulkhead", "bulkhead"],
            "teams.resilience._cache": ["Cache", "CacheStatistics", "cache"],
            "teams.resilience._circuit": ["CircuitState"],
            "teams.resilience._degrade": ["Degrade", "degrade"],
            "teams.resilience._fallback": ["Fallback", "fallback"],
            "teams.resilience._grant": ["Grant", "Holding", "ResourceClient", "holding", "resources"],
            "teams.resilience._kill_switch": ["KillSwitch", "kill_switch"],
            "teams.resilience._ledger": ["PoolUsage"],
            "teams.resilience._policy": ["Batching", "Call", "Policy"],
            "teams.resilience._pool": ["ResourcePool"],
            "teams.resilience._rate_limit": ["RateLimit", "rate_limit"],
            "teams.resilience._resources": ["Resources"],
            "teams.resilience._retry": ["Retry", "retry"],
            "teams.resilience._staged_start": ["StagedStart", "staged_start"],
            "teams.resilience._timeout": ["Timeout", "timeout"],
            "teams.resilience.errors": [
                "AllFailed",
                "BatchMismatch",
                "BulkheadFull",
                "CallsItself",
                "CircuitOpen",
                "Fatal",
                "PolicyInUse",
                "RateLimited",
                "Recoverable",
                "Refused",
                "ResourceTimeout",
                "ResourceUnavailable",
                "SwitchThrown",
                "TimedOut",
                "WrongCall",
            ],
            "teams.resilience.events": [
                "CallGivenUp",
                "CallRefused",
                "CallTimedOut",
                "CircuitClosed",
                "CircuitHalfOpened",
                "CircuitOpened",
                "DegradationEnded",
                "Degraded",
                "FellBack",
                "ResourcesGranted",
                "ResourcesReleased",
                "Retried",
            ],
        },
    )
