"""Errors: typed, picklable, and with a text that says what to do."""

from __future__ import annotations

import pickle
from typing import Any

import pykka
import pytest

import actors
from actors import ActorError, Crashed, Killed, Shutdown

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "ActorCrashed": ("root/a", SystemExit(3)),
    "ActorDeadError": ("root/a", Shutdown("why"), {"message": 1}),
    "BlockingCallError": ("ask()", "`await ref.call(message)`"),
    "CallTimeout": ("root/a", "Greet"),
    "DeadlockError": (("a", "b", "a"),),
    "HandlerDefinitionError": ("Greeter.greet", "takes 3 parameters"),
    "MissingExtra": ("greenlet", "letitcrash[testing]"),
    "CleanupTimeout": ("root/a", "close (callback)", 1.5),
    "HandlerTimeout": ("root/a", "Greet", 1.5),
    "IncarnationEnded": ("root/a", 1, "join('late')"),
    "InvalidPriority": ("root/a", None, "message"),
    "LinkedExit": ("root/a", Killed()),
    "LoopStopRefused": ("root/a", "r"),
    "MailboxFull": ("root/a", 10, "message"),
    "NameTaken": ("n", "root/a"),
    "NoMessage": ("root/a", "forward()"),
    "NoReply": ("root/a", "Greet"),
    "NoSuchActor": ("root/b",),
    "WrongActorClass": ("root/b", "Clerk", "Greeter"),
    "NotAnActor": ("Thing", "expected a subclass"),
    "NotInRuntime": ("x", "do y"),
    "AlreadyEntered": ("x", "do y"),
    "OptionError": ("Runtime()", ("log: must be True or False, got 3",)),
    "ReservedName": ("Greeter", "path"),
    "NotInPlace": ("root/a", "kept()", "Use carry_over"),
    "NotReceivable": ("root/a", "an answer", "ImportError: no"),
    "NotSendable": ("root/a", "the message of type Load", "TypeError: no"),
    "PlaceLost": ("root/a", "process 7", "process 7 was killed by SIGSEGV", 11, None, 1 << 20, 0.5),
    "RemoteError": ("root/a", "Odd", "an odd thing"),
    "VersionMismatch": ("root/a", "Python 3.11.7", "Python 3.12.1"),
    "NotOnHost": ("root/a", "create_task()"),
    "RuntimeStopped": ("r", "it has stopped"),
    "StartDeclined": ("root/a",),
    "StartError": ("root/a", Crashed(ValueError("v"))),
    "StartTimeout": ("root/a", 2.0, "a node of Ray that has num_gpus=1"),
    "StateMachineDefinitionError": ("Door", ("state OPEN is never entered",)),
    "TransitionRefused": ("Door", "to CLOSED", "on_exit"),
    "NoMailbox": ("root/a", "Greet"),
    "NotQuarantined": (7, 3),
    "UnhandledMessage": ("root/a", "Greet"),
    "UnknownState": ("Door", "AJAR", ("OPEN", "CLOSED")),
}


def public_errors() -> dict[str, type[ActorError]]:
    found = {name: getattr(actors, name) for name in actors.__all__}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, type) and issubclass(value, ActorError) and value is not ActorError
    }


def test_every_public_error_has_an_example_here() -> None:
    """Guards this file: an error that is added is tested."""
    assert set(EXAMPLES) == set(public_errors())


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_error_survives_pickling_with_its_fields_and_its_text(name: str) -> None:
    """Guards errors that cross a process."""
    error = public_errors()[name](*EXAMPLES[name])
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    for field in error.fields:
        assert repr(getattr(copy, field)) == repr(getattr(error, field))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_text_of_an_error_names_its_values(name: str) -> None:
    """Guards readers: the path, name or place stands in the sentence."""
    first = EXAMPLES[name][0]
    for part in first if isinstance(first, tuple) else (first,):
        assert str(part) in str(public_errors()[name](*EXAMPLES[name]))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_error_with_the_wrong_number_of_fields_is_refused(name: str) -> None:
    """Guards the fields, which everyone who catches relies on."""
    with pytest.raises(TypeError, match=name):
        public_errors()[name](*EXAMPLES[name], "one more")


class Spilled(ActorError, TimeoutError):
    """An error of a user, with more fields than an OSError keeps."""

    path: str
    what: str
    seconds: float
    cause: BaseException


class SpilledAgain(Spilled):
    """A narrower cause, and one field more."""

    cause: ValueError
    times: int


def test_the_fields_are_the_annotations_after_those_of_the_base() -> None:
    """Guards errors of users, who write no tuple of names."""
    assert Spilled.fields == ("path", "what", "seconds", "cause")
    assert SpilledAgain.fields == (*Spilled.fields, "times")


def test_a_field_is_given_by_position_or_by_keyword() -> None:
    """Guards both ways, and the order of the arguments."""
    cause = ValueError("v")
    error = SpilledAgain("root/a", "tea", times=2, cause=cause, seconds=1.5)
    assert error.args == ("root/a", "tea", 1.5, cause, 2)


@pytest.mark.parametrize("more", [{}, {"times": 1, "twice": 1}, {"what": "tea", "times": 1}])
def test_a_field_that_is_missing_unknown_or_doubled_is_refused(more: dict[str, Any]) -> None:
    """Guards against an error that keeps half of what it is about."""
    with pytest.raises(TypeError, match=r"SpilledAgain takes the fields \(path, what, seconds, cause, times\)"):
        SpilledAgain("root/a", "tea", 1.5, ValueError("v"), **more)


def test_the_cause_is_chained_and_every_field_survives_pickling() -> None:
    """Guards the traceback, and the fields of an error that is an OSError, which keeps two arguments of its own."""
    error = Spilled("root/a", "tea", 1.5, ValueError("v"))
    copy = pickle.loads(pickle.dumps(error))
    assert error.__cause__ is error.cause
    assert copy.__cause__ is copy.cause
    assert repr(copy) == repr(error) == "Spilled('root/a', 'tea', 1.5, ValueError('v'))"


def test_errors_that_stand_for_pykkas_are_pykkas() -> None:
    """Guards code written for pykka."""
    assert issubclass(actors.ActorDeadError, pykka.ActorDeadError)
    assert issubclass(actors.CallTimeout, pykka.Timeout)
