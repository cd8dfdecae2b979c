"""Pictures of workflows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teams.workflows import Workflow, ask, continue_as_new, delay, do, nested, picture, wait, workflow


def support() -> Workflow:
    return workflow(
        "customer_support",
        do("classify", "classifier", input={"message": "$input.message"}),
        do("process", "processor", input="$classify", when="$classify.category != 'spam'"),
        ask("approve", "Send it?"),
        do("respond", "responder", input={"processed": "$process.result"}, max_iterations=2),
    )


def test_the_text_has_a_line_for_each_step_by_levels() -> None:
    assert picture(support(), states={"classify": "done", "process": "running"}) == (
        "customer_support (chain, 4 steps)\n"
        "  1  classify  done     classifier\n"
        '  2  process   running  processor     if $classify.category != "spam"  after classify\n'
        "  3  approve            ask a person  after process\n"
        "  4  respond            responder     until approved, at most 2 times  after approve, process\n"
    )


def test_the_text_of_a_dag_shows_what_is_independent() -> None:
    made = workflow("w", tasks=[do("c", "x", after=["a", "b"]), do("a", "x"), do("b", "x", each="$input.list")])
    assert picture(made) == ("w (DAG, 3 steps)\n  1  a  x\n  1  b  x  for each of $input.list\n  2  c  x  after a, b\n")


def test_mermaid_draws_steps_dependencies_and_states() -> None:
    assert picture(support(), "mermaid", states={"classify": "done"}) == (
        "flowchart TD\n"
        '  s0["classify<br/>classifier<br/>(done)"]\n'
        '  s1["process<br/>processor<br/>if #36;classify.category != #34;spam#34;"]\n'
        '  s2{{"approve<br/>ask a person"}}\n'
        '  s3["respond<br/>responder<br/>until approved, at most 2 times"]\n'
        "  s0 --> s1\n"
        "  s1 -.-> s2\n"
        "  s2 -.-> s3\n"
        "  s1 --> s3\n"
        "  style s0 fill:#c8e6c9\n"
    )


def test_dot_draws_steps_dependencies_and_states() -> None:
    made = workflow("w", wait("a", "paid"), delay("b", 2), nested("c", "other"), continue_as_new("d", {}))
    assert picture(made, "dot", states={"b": "failed"}) == (
        'digraph "w" {\n'
        "  node [shape=box];\n"
        '  s0 [label="a\\nwait for paid", shape=oval];\n'
        '  s1 [label="b\\nsleep 2 s\\n(failed)", shape=oval, style=filled, fillcolor="#ffcdd2"];\n'
        '  s2 [label="c\\nworkflow other"];\n'
        '  s3 [label="d\\ncontinue as new", shape=parallelogram];\n'
        "  s0 -> s1 [style=dashed];\n"
        "  s1 -> s2;\n"
        "  s2 -> s3 [style=dashed];\n"
        "}\n"
    )


def test_an_unknown_format_has_the_nearest_that_there_is() -> None:
    with pytest.raises(ValueError, match="did you mean 'mermaid'"):
        picture(support(), "mermade")  # type: ignore[arg-type]


ODD = st.text(st.sampled_from('ab"\\\n\r<>&#;{}[]()|`%\x00\u202eé'), min_size=1, max_size=12).filter(str.strip)
MERMAID = re.compile(
    r'flowchart TD|  s\d+(\[|\(\[|\{\{|\[\[)"(?:[\w \-.,:=!?/+()]|#\d+;|<br/>)*"(\]|\]\)|\}\}|\]\])'
    r"|  s\d+ (-->|-\.->) s\d+|  style s\d+ fill:#\w{6}"
)
DOT = re.compile(
    r'digraph "(?:[^"\\\n]|\\.)*" \{|  node \[shape=box\];|  s\d+ \[label="(?:[^"\\\n]|\\.)*"(, \w+="?[#\w]+"?)*\];'
    r"|  s\d+ -> s\d+( \[style=dashed\])?;|\}"
)


@given(ODD, st.text(max_size=12))
def test_no_name_breaks_out_of_its_label(target: str, state: str) -> None:
    """Guards pages that show the picture: a name with quotes, brackets or line ends stays text."""
    made = workflow("w", do("a", target), do("b", target, when="$a.x == 'q\\'\"<b>'"), do('o"d]d', "x"))
    states = {"a": state, "b": "done"}
    for line in picture(made, "mermaid", states=states).splitlines():
        assert MERMAID.fullmatch(line), line
    for line in picture(made, "dot", states=states).splitlines():
        assert DOT.fullmatch(line), line
    assert len(picture(made, states=states).splitlines()) == 4
