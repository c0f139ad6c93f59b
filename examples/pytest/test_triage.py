import pytest
from triage import TEAMS, triage


@pytest.mark.parametrize("ticket", ["I was charged twice.", "The site is down!", "Where is the manual?"])
def test_a_ticket_gets_a_team(ticket):
    verdict = triage(ticket)
    assert verdict["team"] in TEAMS
    assert isinstance(verdict["urgent"], bool)


def test_a_text_without_letters_is_sorted_too():
    assert set(triage("?!")) == {"team", "urgent"}
