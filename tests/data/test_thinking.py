"""Thought and answer become one text, and that text becomes the same thought and answer."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipe_engine.data.thinking import Split, ThoughtError, fault, marks, render, split
from recipe_engine.recipe.thinking import ThinkingBlock

THINK = ThinkingBlock()
RESPONSE = ThinkingBlock(answer_open="<response>", answer_close="</response>")
QWEN = ThinkingBlock(open="<think>\n", close="\n</think>\n\n")
LENIENT = ThinkingBlock(strict=False)
LENIENT_RESPONSE = ThinkingBlock(answer_open="<response>", answer_close="</response>", strict=False)
CLOSED_ONLY = ThinkingBlock(answer_close="</answer>")


class TestRender:
    @pytest.mark.parametrize(
        ("block", "text"),
        [
            (THINK, "<think>so</think>4"),
            (RESPONSE, "<think>so</think><response>4</response>"),
            (QWEN, "<think>\nso\n</think>\n\n4"),
            (CLOSED_ONLY, "<think>so</think>4</answer>"),
        ],
    )
    def test_the_tags_stand_around_thought_and_answer_as_they_are_written(
        self, block: ThinkingBlock, text: str
    ) -> None:
        assert render(block, "so", "4") == text

    @pytest.mark.parametrize("tag", marks(RESPONSE))
    def test_a_tag_inside_a_thought_or_an_answer_is_refused(self, tag: str) -> None:
        with pytest.raises(ThoughtError, match=f"the thought holds the tag {tag}"):
            render(RESPONSE, f"a{tag}b", "4")
        with pytest.raises(ThoughtError, match=f"the answer holds the tag {tag}"):
            render(RESPONSE, "so", f"4{tag}")

    def test_a_tag_is_refused_without_the_white_space_it_is_written_with(self) -> None:
        with pytest.raises(ThoughtError, match="holds the tag </think>"):
            render(QWEN, "a</think>b", "4")

    @pytest.mark.parametrize("space", [" ", "\n", "\u00a0", "\u2028"])
    def test_white_space_before_an_answer_is_refused_for_splitting_takes_it_off(self, space: str) -> None:
        with pytest.raises(ThoughtError, match="begins with white space"):
            render(THINK, "so", f"{space}4")

    def test_a_tag_that_arises_at_a_border_is_refused(self) -> None:
        block = ThinkingBlock(open="(", close="aba")
        with pytest.raises(ThoughtError, match="makes another tag"):
            render(block, "x ab", "c")  # "x ababac": the first "aba" is not the tag


class TestSplit:
    """The reward worker's rules (docs/thinking.md): D begins the answer, E ends it."""

    @pytest.mark.parametrize(
        ("block", "text", "answer", "malformed"),
        [
            (THINK, "<think>so</think> \n4 ", "4 ", False),
            (THINK, "<think>so</think>4</think>5", "4</think>5", False),
            (THINK, "<think>so 4", None, True),
            (LENIENT, "<think>so 4", "<think>so 4", True),
            (RESPONSE, "<think>so</think>4", None, True),
            (RESPONSE, "<think>so</think>x<response>\n4</response>y</response>", "4", False),
            (RESPONSE, "<think>so</think><response>4", None, True),
            (RESPONSE, "<response></response>", "", False),
            (LENIENT_RESPONSE, "<think>so</think><response> 4", "4", True),
            (LENIENT_RESPONSE, "so</response>4", "so", True),
            (CLOSED_ONLY, "<think>so</think>4</answer>5", "4", False),
            (CLOSED_ONLY, "<think>so</think>4", None, True),
            (QWEN, "<think>so</think>4", "4", False),
        ],
    )
    def test_the_answer_is_what_stands_between_its_tags(
        self, block: ThinkingBlock, text: str, answer: str | None, malformed: bool
    ) -> None:
        found = split(block, text)
        assert (found.answer, found.malformed) == (answer, malformed)

    @pytest.mark.parametrize("text", ["<think> so</think>4", "\n<think> so</think>4", " so</think>4"])
    def test_the_thought_goes_on_from_the_prompt_or_begins_with_its_tag(self, text: str) -> None:
        assert split(THINK, text, begun=True).thought == " so"
        assert split(THINK, text, begun=False) == Split(" so", "4", malformed=False)

    def test_without_a_tag_that_ends_it_there_is_no_thought(self) -> None:
        assert split(LENIENT, "4") == Split(None, "4", malformed=True)


@pytest.mark.parametrize(
    ("block", "text", "begun", "wrong"),
    [
        (THINK, "<think>so</think>4", False, None),
        (THINK, " \n<think></think>\n\n4\n", False, None),
        (THINK, "so</think>4", True, None),
        (RESPONSE, "<think>so</think>\n<response>4</response>\n", False, None),
        (QWEN, "<think>so</think>4", False, None),
        (THINK, "so</think>4", False, "lacks the tag <think>"),
        (THINK, "<think>so</think>4", True, "holds the tag <think> 1 times"),
        (THINK, "4", False, "lacks the tag <think>"),
        (THINK, "<think>so</think>4</think>", False, "holds the tag </think> 2 times"),
        (THINK, "Well. <think>so</think>4", False, "begins before the tag <think>"),
        (THINK, "</think>so<think>4", False, "has its tags out of order: <think>, </think>"),
        (THINK, "<think>so</think> \n", False, "has no answer after its thought"),
        (RESPONSE, "<think>so</think>x<response>4</response>", False, "has text between the tags"),
        (RESPONSE, "<think>so</think><response>4</response>x", False, "has text after the tag </response>"),
        (RESPONSE, "<think>so</think><response> </response>", False, "has no answer after its thought"),
    ],
)
def test_what_is_wrong_with_the_form_of_a_response_is_said(
    block: ThinkingBlock, text: str, begun: bool, wrong: str | None
) -> None:
    found = fault(block, text, begun=begun)
    assert found == wrong if wrong is None else found is not None and found.startswith(wrong)


# Few letters, so that tags, thoughts and answers run into one another all the time.
CLASHING = st.text(alphabet="ab<> \n", min_size=1, max_size=4).filter(str.strip)
BLOCKS = st.builds(
    ThinkingBlock,
    open=CLASHING | st.sampled_from(["<think>", "<think>\n"]),
    close=CLASHING | st.sampled_from(["</think>", "\n</think>\n\n"]),
    answer_open=st.none() | CLASHING | st.just("<response>"),
    answer_close=st.none() | CLASHING | st.just("\n</response>"),
    strict=st.booleans(),
)
TEXTS = st.text() | st.text(alphabet="ab<> \n", max_size=6)


@given(block=BLOCKS, thought=TEXTS, answer=TEXTS)
@example(block=QWEN, thought="\n a \n", answer="4 \n")
@example(block=RESPONSE, thought="", answer="")
def test_whatever_is_rendered_is_split_into_the_same_parts(block: ThinkingBlock, thought: str, answer: str) -> None:
    try:
        text = render(block, thought, answer)
    except ThoughtError:
        return
    assert split(block, text) == Split(thought, answer, malformed=False)
    assert split(block, text.removeprefix(block.open), begun=True) == Split(thought, answer, malformed=False)
    if answer.strip():
        assert fault(block, text) is None
        assert fault(block, text.removeprefix(block.open), begun=True) is None


@given(thought=st.text(), answer=st.text(), block=st.sampled_from([THINK, RESPONSE, QWEN, CLOSED_ONLY]))
def test_usual_tags_refuse_nothing_but_tags_and_white_space_before_the_answer(
    thought: str, answer: str, block: ThinkingBlock
) -> None:
    if any(tag in thought + answer for tag in marks(block)) or answer != answer.lstrip():
        return
    assert render(block, thought, answer).startswith(block.open)


@given(block=BLOCKS, text=TEXTS, begun=st.booleans())
def test_any_text_is_split_and_only_strict_blocks_find_no_answer(block: ThinkingBlock, text: str, begun: bool) -> None:
    found = split(block, text, begun=begun)
    assert (found.answer is None) == (found.malformed and block.strict)
