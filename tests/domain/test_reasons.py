"""Reasons: every code has its words, and a computing's own sentence comes first."""

from specola.domain.reasons import ENDS, WAITS, EndReason, WaitReason, told


def test_every_code_has_a_sentence_of_its_own() -> None:
    assert set(ENDS) == {code.value for code in EndReason}
    assert set(WAITS) == {code.value for code in WaitReason}
    sentences = [reason.sentence for reason in (*ENDS.values(), *WAITS.values())]
    assert len(set(sentences)) == len(sentences)
    assert all(sentence.endswith(".") for sentence in sentences)


def test_the_sentence_of_the_computing_stands_in_place_of_ours_and_our_hint_stays() -> None:
    reason = told(ENDS, "node_failed", "node7 lost its power.")
    assert (reason.code, reason.sentence) == ("node_failed", "node7 lost its power.")
    assert reason.hint == ENDS["node_failed"].hint


def test_an_unknown_code_is_told_as_it_is() -> None:
    assert told(WAITS, "moon_phase").code == "moon_phase"
    assert told(WAITS, "").sentence == "Its computing does not say why."
